"""What the firmware service does for the others, and what it tells them.

Times are ISO 8601 UTC; the unknown time is ``0001-01-01T00:00:00Z`` (TR-106 3.3).
"""

from __future__ import annotations

from cwmp.contract.message import Empty, Fact, Operation
from ubuskit.records import dataclass

UNKNOWN_TIME = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Download:
    """Arguments of Download (TR-069a6 A.3.2.8); `file_size` in bytes, 0 = unknown; `delay_seconds` in s."""

    command_key: str
    file_type: str
    url: str
    username: str = ""
    password: str = ""
    file_size: int = 0
    target_file_name: str = ""
    delay_seconds: int = 0
    success_url: str = ""
    failure_url: str = ""


@dataclass(frozen=True, slots=True)
class TransferStarted:
    """Status 0: done and applied; 1: queued, TransferComplete follows."""

    status: int
    start_time: str
    complete_time: str


@dataclass(frozen=True, slots=True)
class CompletedTransfer:
    """A transfer whose end the ACS has not confirmed yet. `method`: Download, ScheduleDownload, Upload."""

    id: str
    method: str
    command_key: str
    fault_code: int
    fault_string: str
    start_time: str
    complete_time: str


@dataclass(frozen=True, slots=True)
class CompletedTransfers:
    """Oldest first."""

    transfers: list[CompletedTransfer]


@dataclass(frozen=True, slots=True)
class TransferId:
    id: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """Reboot now; the CommandKey is for the log."""

    command_key: str


@dataclass(frozen=True, slots=True)
class TransferState:
    """`state`: queued, downloading, checking, ready (verified, waiting for the session's end), applying,
    complete, cancelled; `fault_code` 0 unless failed."""

    id: str
    state: str
    fault_code: int = 0


DOWNLOAD = Operation("firmware", "download", Download, TransferStarted)
GET_COMPLETED = Operation("firmware", "get_completed", Empty, CompletedTransfers)
ACKNOWLEDGE = Operation("firmware", "acknowledge", TransferId, Empty)
REBOOT = Operation("firmware", "reboot", Reboot, Empty)

TRANSFER = Fact("firmware", "transfer", TransferState)
