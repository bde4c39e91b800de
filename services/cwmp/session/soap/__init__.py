"""SOAP as CWMP uses it (TR-069a6 3.5), without I/O.

`Decoder` takes what the ACS sends, in chunks, and gives one `Received`; `encode` makes the `Body` of what the
ACS is sent. Long parameter lists are never held as a tree or as one string: `ValueList`, `InfoList` and
`AttributeList` take them page by page and keep them compressed until they are sent.
"""

from __future__ import annotations

from cwmp.session.soap.decode import Decoder, Received
from cwmp.session.soap.encode import Body, Header, encode
from cwmp.session.soap.errors import SoapError
from cwmp.session.soap.lists import AttributeList, InfoList, ListTooLong, ValueList
from cwmp.session.soap.messages import (
    AcsFault,
    AcsResponse,
    AddObject,
    AddObjectResponse,
    DeleteObject,
    DeleteObjectResponse,
    Download,
    DownloadResponse,
    EventStruct,
    GetParameterAttributes,
    GetParameterAttributesResponse,
    GetParameterNames,
    GetParameterNamesResponse,
    GetParameterValues,
    GetParameterValuesResponse,
    GetRPCMethods,
    GetRPCMethodsResponse,
    Inform,
    InformResponse,
    InvalidRequest,
    MethodList,
    Reboot,
    RebootResponse,
    Request,
    Response,
    ScheduleInform,
    ScheduleInformResponse,
    SetParameterAttributes,
    SetParameterAttributesResponse,
    SetParameterValues,
    SetParameterValuesResponse,
    TransferComplete,
    TransferCompleteResponse,
)
from cwmp.session.soap.names import VERSIONS, namespace

__all__ = [
    "VERSIONS",
    "AcsFault",
    "AcsResponse",
    "AddObject",
    "AddObjectResponse",
    "AttributeList",
    "Body",
    "Decoder",
    "DeleteObject",
    "DeleteObjectResponse",
    "Download",
    "DownloadResponse",
    "EventStruct",
    "GetParameterAttributes",
    "GetParameterAttributesResponse",
    "GetParameterNames",
    "GetParameterNamesResponse",
    "GetParameterValues",
    "GetParameterValuesResponse",
    "GetRPCMethods",
    "GetRPCMethodsResponse",
    "Header",
    "InfoList",
    "Inform",
    "InformResponse",
    "InvalidRequest",
    "ListTooLong",
    "MethodList",
    "Reboot",
    "RebootResponse",
    "Received",
    "Request",
    "Response",
    "ScheduleInform",
    "ScheduleInformResponse",
    "SetParameterAttributes",
    "SetParameterAttributesResponse",
    "SetParameterValues",
    "SetParameterValuesResponse",
    "SoapError",
    "TransferComplete",
    "TransferCompleteResponse",
    "ValueList",
    "encode",
    "namespace",
]
