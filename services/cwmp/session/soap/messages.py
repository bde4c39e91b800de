"""The messages of TR-069a6 annex A that the suite speaks, as values.

Field names are those of the standard. Parameter lists are parallel sequences (names, types, values); types
are TR-106 base types without prefix, values are their XML text. A response of the ACS has only what the CPE
uses of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from cwmp.contract import Fault
from cwmp.session.soap.lists import AttributeList, InfoList, ValueList
from ubuskit.records import dataclass

# Requests of the ACS


@dataclass(frozen=True, slots=True)
class GetRPCMethods:
    """A.3.1.1; both sides may ask it."""


@dataclass(frozen=True, slots=True)
class SetParameterValues:
    """A.3.2.1. A type is empty where the ACS gave none."""

    names: Sequence[str]
    types: Sequence[str]
    values: Sequence[str]
    parameter_key: str


@dataclass(frozen=True, slots=True)
class GetParameterValues:
    """A.3.2.2"""

    parameter_names: Sequence[str]


@dataclass(frozen=True, slots=True)
class GetParameterNames:
    """A.3.2.3"""

    parameter_path: str
    next_level: bool


@dataclass(frozen=True, slots=True)
class SetParameterAttributes:
    """A.3.2.4. A notification is None where it is not to change, and so is an access list."""

    names: Sequence[str]
    notifications: Sequence[int | None]
    access_lists: Sequence[Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class GetParameterAttributes:
    """A.3.2.5"""

    parameter_names: Sequence[str]


@dataclass(frozen=True, slots=True)
class AddObject:
    """A.3.2.6"""

    object_name: str
    parameter_key: str


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """A.3.2.7"""

    object_name: str
    parameter_key: str


@dataclass(frozen=True, slots=True)
class Download:
    """A.3.2.8; `file_size` in bytes, 0 where it is not known; `delay_seconds` in s."""

    command_key: str
    file_type: str
    url: str
    username: str
    password: str
    file_size: int
    target_file_name: str
    delay_seconds: int
    success_url: str
    failure_url: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """A.3.2.9"""

    command_key: str


@dataclass(frozen=True, slots=True)
class ScheduleInform:
    """A.3.2.10; `delay_seconds` in s, more than 0."""

    delay_seconds: int
    command_key: str


Request: TypeAlias = (
    GetRPCMethods
    | SetParameterValues
    | GetParameterValues
    | GetParameterNames
    | SetParameterAttributes
    | GetParameterAttributes
    | AddObject
    | DeleteObject
    | Download
    | Reboot
    | ScheduleInform
)


@dataclass(frozen=True, slots=True)
class InvalidRequest:
    """A request that is answered by `fault` at once: a method nobody knows, or arguments against the schema."""

    method: str
    fault: Fault


# Responses of the ACS


@dataclass(frozen=True, slots=True)
class InformResponse:
    """A.3.3.1; MaxEnvelopes is ignored."""


@dataclass(frozen=True, slots=True)
class TransferCompleteResponse:
    """A.3.3.2"""


@dataclass(frozen=True, slots=True)
class MethodList:
    """GetRPCMethodsResponse of the ACS (A.3.1.1)."""

    methods: Sequence[str]


@dataclass(frozen=True, slots=True)
class AcsFault:
    """A fault of the ACS (A.5.2)."""

    code: int
    text: str


AcsResponse: TypeAlias = InformResponse | TransferCompleteResponse | MethodList

# What the CPE asks of the ACS


@dataclass(frozen=True, slots=True)
class EventStruct:
    """A.3.3.1, table 7."""

    event_code: str
    command_key: str = ""


@dataclass(frozen=True, slots=True)
class Inform:
    """A.3.3.1; `current_time` is a dateTime with its offset."""

    manufacturer: str
    oui: str
    product_class: str
    serial_number: str
    events: Sequence[EventStruct]
    current_time: str
    retry_count: int
    names: Sequence[str]
    types: Sequence[str]
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class TransferComplete:
    """A.3.3.2; times are UTC."""

    command_key: str
    fault_code: int
    fault_string: str
    start_time: str
    complete_time: str


# What the CPE answers


@dataclass(frozen=True, slots=True)
class GetRPCMethodsResponse:
    methods: Sequence[str]


@dataclass(frozen=True, slots=True)
class SetParameterValuesResponse:
    status: int


@dataclass(frozen=True, slots=True)
class GetParameterValuesResponse:
    parameters: ValueList


@dataclass(frozen=True, slots=True)
class GetParameterNamesResponse:
    parameters: InfoList


@dataclass(frozen=True, slots=True)
class SetParameterAttributesResponse:
    pass


@dataclass(frozen=True, slots=True)
class GetParameterAttributesResponse:
    parameters: AttributeList


@dataclass(frozen=True, slots=True)
class AddObjectResponse:
    instance_number: int
    status: int


@dataclass(frozen=True, slots=True)
class DeleteObjectResponse:
    status: int


@dataclass(frozen=True, slots=True)
class DownloadResponse:
    status: int
    start_time: str
    complete_time: str


@dataclass(frozen=True, slots=True)
class RebootResponse:
    pass


@dataclass(frozen=True, slots=True)
class ScheduleInformResponse:
    pass


Response: TypeAlias = (
    GetRPCMethodsResponse
    | SetParameterValuesResponse
    | GetParameterValuesResponse
    | GetParameterNamesResponse
    | SetParameterAttributesResponse
    | GetParameterAttributesResponse
    | AddObjectResponse
    | DeleteObjectResponse
    | DownloadResponse
    | RebootResponse
    | ScheduleInformResponse
)
