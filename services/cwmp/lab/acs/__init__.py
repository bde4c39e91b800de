"""A scriptable ACS: the tests' and the demo's other side.

It shares no code with the session service: the standard is read here a second time, so that a mistake on one
side does not hide the same mistake on the other.
"""

from cwmp.lab.acs.auth import Credentials
from cwmp.lab.acs.calls import (
    AutonomousDUStateChangeComplete,
    AutonomousTransferComplete,
    DUStateChangeComplete,
    Event,
    Inform,
    ModuleResult,
    RequestDownload,
    TransferComplete,
)
from cwmp.lab.acs.messages import (
    AddObject,
    Attributes,
    DeleteObject,
    FactoryReset,
    GetParameterAttributes,
    GetParameterNames,
    GetParameterValues,
    GetRPCMethods,
    Raw,
    Reboot,
    ScheduleInform,
    SetParameterAttributes,
    SetParameterValues,
    Value,
)
from cwmp.lab.acs.modules import ChangeDUState, Install, Uninstall, Update
from cwmp.lab.acs.server import Acs, Entry, open_acs
from cwmp.lab.acs.session import Session, SessionLost
from cwmp.lab.acs.soap import CpeFault, Violation
from cwmp.lab.acs.transfers import (
    CancelTransfer,
    Download,
    GetAllQueuedTransfers,
    GetQueuedTransfers,
    QueuedTransfer,
    ScheduleDownload,
    Upload,
    Window,
)

__all__ = [
    "Acs",
    "AddObject",
    "Attributes",
    "AutonomousDUStateChangeComplete",
    "AutonomousTransferComplete",
    "CancelTransfer",
    "ChangeDUState",
    "CpeFault",
    "Credentials",
    "DUStateChangeComplete",
    "DeleteObject",
    "Download",
    "Entry",
    "Event",
    "FactoryReset",
    "GetAllQueuedTransfers",
    "GetParameterAttributes",
    "GetParameterNames",
    "GetParameterValues",
    "GetQueuedTransfers",
    "GetRPCMethods",
    "Inform",
    "Install",
    "ModuleResult",
    "QueuedTransfer",
    "Raw",
    "Reboot",
    "RequestDownload",
    "ScheduleDownload",
    "ScheduleInform",
    "Session",
    "SessionLost",
    "SetParameterAttributes",
    "SetParameterValues",
    "TransferComplete",
    "Uninstall",
    "Update",
    "Upload",
    "Value",
    "Violation",
    "Window",
    "open_acs",
]
