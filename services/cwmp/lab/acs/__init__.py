"""A scriptable ACS: the tests' and the demo's other side.

It shares no code with the session service: the standard is read here a second time, so that a mistake on one
side does not hide the same mistake on the other.
"""

from cwmp.lab.acs.auth import Credentials
from cwmp.lab.acs.messages import (
    AddObject,
    Attributes,
    DeleteObject,
    Download,
    Event,
    GetParameterAttributes,
    GetParameterNames,
    GetParameterValues,
    GetRPCMethods,
    Inform,
    Raw,
    Reboot,
    SetParameterAttributes,
    SetParameterValues,
    TransferComplete,
    Value,
)
from cwmp.lab.acs.server import Acs, Entry, open_acs
from cwmp.lab.acs.session import Session, SessionLost
from cwmp.lab.acs.soap import CpeFault, Violation

__all__ = [
    "Acs",
    "AddObject",
    "Attributes",
    "CpeFault",
    "Credentials",
    "DeleteObject",
    "Download",
    "Entry",
    "Event",
    "GetParameterAttributes",
    "GetParameterNames",
    "GetParameterValues",
    "GetRPCMethods",
    "Inform",
    "Raw",
    "Reboot",
    "Session",
    "SessionLost",
    "SetParameterAttributes",
    "SetParameterValues",
    "TransferComplete",
    "Value",
    "Violation",
    "open_acs",
]
