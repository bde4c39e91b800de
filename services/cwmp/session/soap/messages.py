"""The messages of TR-069a6 annex A that the suite speaks, as values.

Field names are those of the standard. Parameter lists are parallel sequences (names, types, values); types
are TR-106 base types without prefix, values are their XML text. What the ACS asks of the firmware service has
the same shape here and on the bus: those are the contract's messages. A response of the ACS has only what the
CPE uses of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from cwmp.contract import Fault
from cwmp.contract.firmware import (
    AutonomousTransfer,
    CancelTransfer,
    ChangeDUState,
    Download,
    DUResult,
    FactoryReset,
    QueuedTransfer,
    Reboot,
    ScheduleDownload,
    Upload,
)
from cwmp.contract.session import RequestDownload
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
class GetQueuedTransfers:
    """A.4.1.2, deprecated"""


@dataclass(frozen=True, slots=True)
class GetAllQueuedTransfers:
    """A.4.1.7"""


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
    | Upload
    | ScheduleDownload
    | CancelTransfer
    | GetQueuedTransfers
    | GetAllQueuedTransfers
    | ChangeDUState
    | Reboot
    | FactoryReset
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
class AutonomousTransferCompleteResponse:
    """A.4.2.3"""


@dataclass(frozen=True, slots=True)
class RequestDownloadResponse:
    """A.4.2.2"""


@dataclass(frozen=True, slots=True)
class DUStateChangeCompleteResponse:
    """A.3.3.3"""


@dataclass(frozen=True, slots=True)
class AutonomousDUStateChangeCompleteResponse:
    """A.4.2.4"""


@dataclass(frozen=True, slots=True)
class MethodList:
    """GetRPCMethodsResponse of the ACS (A.3.1.1)."""

    methods: Sequence[str]


@dataclass(frozen=True, slots=True)
class AcsFault:
    """A fault of the ACS (A.5.2)."""

    code: int
    text: str


AcsResponse: TypeAlias = (
    InformResponse
    | TransferCompleteResponse
    | AutonomousTransferCompleteResponse
    | RequestDownloadResponse
    | DUStateChangeCompleteResponse
    | AutonomousDUStateChangeCompleteResponse
    | MethodList
)

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


@dataclass(frozen=True, slots=True)
class AutonomousTransferComplete:
    """A.4.2.3; times are UTC."""

    transfer: AutonomousTransfer
    fault_code: int
    fault_string: str
    start_time: str
    complete_time: str


@dataclass(frozen=True, slots=True)
class DUStateChangeComplete:
    """A.3.3.3: at least one result, in the order of the operations."""

    results: Sequence[DUResult]
    command_key: str


@dataclass(frozen=True, slots=True)
class AutonomousDUStateChangeComplete:
    """A.4.2.4: at least one result."""

    results: Sequence[DUResult]


CpeRequest: TypeAlias = (
    TransferComplete
    | AutonomousTransferComplete
    | RequestDownload
    | DUStateChangeComplete
    | AutonomousDUStateChangeComplete
    | GetRPCMethods
)
"""What the CPE asks of the ACS after its Inform."""


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
class UploadResponse:
    status: int
    start_time: str
    complete_time: str


@dataclass(frozen=True, slots=True)
class ScheduleDownloadResponse:
    pass


@dataclass(frozen=True, slots=True)
class CancelTransferResponse:
    pass


@dataclass(frozen=True, slots=True)
class GetQueuedTransfersResponse:
    transfers: Sequence[QueuedTransfer]


@dataclass(frozen=True, slots=True)
class GetAllQueuedTransfersResponse:
    transfers: Sequence[QueuedTransfer]


@dataclass(frozen=True, slots=True)
class ChangeDUStateResponse:
    pass


@dataclass(frozen=True, slots=True)
class RebootResponse:
    pass


@dataclass(frozen=True, slots=True)
class FactoryResetResponse:
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
    | UploadResponse
    | ScheduleDownloadResponse
    | CancelTransferResponse
    | GetQueuedTransfersResponse
    | GetAllQueuedTransfersResponse
    | ChangeDUStateResponse
    | RebootResponse
    | FactoryResetResponse
    | ScheduleInformResponse
)
