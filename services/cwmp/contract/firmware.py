"""What the firmware service does for the others, and what it tells them.

Times are ISO 8601 UTC; the unknown time is ``0001-01-01T00:00:00Z`` (TR-106 3.3).
"""

from __future__ import annotations

from dataclasses import field

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
class Upload:
    """Arguments of Upload (TR-069a6 A.4.1.5); `delay_seconds` in s."""

    command_key: str
    file_type: str
    url: str
    username: str = ""
    password: str = ""
    delay_seconds: int = 0


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """TimeWindowStruct (TR-069a6 A.4.1.8): `start` and `end` in s from the request; `max_retries` -1: ours to say."""

    start: int
    end: int
    mode: str
    user_message: str = ""
    max_retries: int = 0


@dataclass(frozen=True, slots=True)
class ScheduleDownload:
    """Arguments of ScheduleDownload (TR-069a6 A.4.1.8): one or two windows."""

    command_key: str
    file_type: str
    url: str
    username: str = ""
    password: str = ""
    file_size: int = 0
    target_file_name: str = ""
    windows: list[TimeWindow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CancelTransfer:
    """Cancel all transfers with this CommandKey; fault 9021 where one cannot be (TR-069a6 A.4.1.9)."""

    command_key: str


@dataclass(frozen=True, slots=True)
class QueuedTransfer:
    """AllQueuedTransferStruct (TR-069a6 A.4.1.7). `state` 1: not yet started, 2: in progress, 3: finishing up.

    `autonomous`: not asked for by the ACS; GetQueuedTransfers leaves those out.
    """

    command_key: str
    state: int
    is_download: bool
    file_type: str
    file_size: int
    target_file_name: str
    autonomous: bool = False


@dataclass(frozen=True, slots=True)
class QueuedTransfers:
    """At most 16."""

    transfers: list[QueuedTransfer]


@dataclass(frozen=True, slots=True)
class TransferStarted:
    """Status 0: done and applied; 1: queued, TransferComplete follows."""

    status: int
    start_time: str
    complete_time: str


@dataclass(frozen=True, slots=True)
class AutonomousTransfer:
    """What AutonomousTransferComplete says beside (TR-069a6 A.4.2.3); `file_size` in bytes, 0: unknown."""

    announce_url: str
    transfer_url: str
    is_download: bool
    file_type: str
    file_size: int
    target_file_name: str


@dataclass(frozen=True, slots=True)
class CompletedTransfer:
    """A transfer whose end the ACS has not confirmed yet. `method`: Download, ScheduleDownload, Upload.

    With `autonomous` the ACS had not asked for it: reported by AutonomousTransferComplete, under event 10. The
    firmware service gives only those that AutonomousTransferCompletePolicy lets through.
    """

    id: str
    method: str
    command_key: str
    fault_code: int
    fault_string: str
    start_time: str
    complete_time: str
    autonomous: AutonomousTransfer | None = None


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
    """`state`: queued, downloading, checking, ready (verified, waiting for the session's end or for its window),
    applying (firmware is flashed), installing, restarting (in use after a reboot), uploading, complete, cancelled;
    `fault_code` 0 unless failed."""

    id: str
    state: str
    fault_code: int = 0


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How far a file has come: bytes of `total` (0: not known), `rate` in bytes/s. Told at most twice a second."""

    id: str
    bytes: int
    total: int
    rate: int


@dataclass(frozen=True, slots=True)
class DUOperation:
    """InstallOpStruct, UpdateOpStruct or UninstallOpStruct (TR-069a6 A.4.1.10); "" where the ACS gave nothing.

    `kind`: Install, Update, Uninstall.
    """

    kind: str
    url: str = ""
    uuid: str = ""
    username: str = ""
    password: str = ""
    execution_env_ref: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class ChangeDUState:
    """At least 16 operations must be taken; the answer says that they are on flash, results follow."""

    command_key: str
    operations: list[DUOperation]


@dataclass(frozen=True, slots=True)
class DUResult:
    """OpResultStruct, AutonOpResultStruct (TR-069a6 A.3.3.3, A.4.2.4). References end in a dot.

    `current_state`: Installed, Uninstalled, Failed; `operation`: Install, Update, Uninstall.
    """

    operation: str
    uuid: str
    deployment_unit_ref: str
    version: str
    current_state: str
    resolved: bool
    execution_unit_refs: list[str]
    start_time: str
    complete_time: str
    fault_code: int = 0
    fault_string: str = ""


@dataclass(frozen=True, slots=True)
class DUStateChange:
    """A finished ChangeDUState (results in the order of its operations), or what changed by itself."""

    id: str
    command_key: str
    autonomous: bool
    results: list[DUResult]


@dataclass(frozen=True, slots=True)
class DUStateChanges:
    """Those the ACS has not confirmed, oldest first."""

    changes: list[DUStateChange]


@dataclass(frozen=True, slots=True)
class ChangeId:
    id: str


@dataclass(frozen=True, slots=True)
class FactoryReset:
    """Forget all configuration, the suite's state too, and reboot."""


DOWNLOAD = Operation("firmware", "download", Download, TransferStarted)
GET_COMPLETED = Operation("firmware", "get_completed", Empty, CompletedTransfers)
ACKNOWLEDGE = Operation("firmware", "acknowledge", TransferId, Empty)
UPLOAD = Operation("firmware", "upload", Upload, TransferStarted)
SCHEDULE_DOWNLOAD = Operation("firmware", "schedule_download", ScheduleDownload, Empty)
CANCEL_TRANSFER = Operation("firmware", "cancel_transfer", CancelTransfer, Empty)
GET_QUEUED = Operation("firmware", "get_queued", Empty, QueuedTransfers)
CHANGE_DU_STATE = Operation("firmware", "change_du_state", ChangeDUState, Empty)
GET_DU_CHANGES = Operation("firmware", "get_du_changes", Empty, DUStateChanges)
ACKNOWLEDGE_DU_CHANGE = Operation("firmware", "acknowledge_du_change", ChangeId, Empty)
REBOOT = Operation("firmware", "reboot", Reboot, Empty)
FACTORY_RESET = Operation("firmware", "factory_reset", FactoryReset, Empty)

TRANSFER = Fact("firmware", "transfer", TransferState)
PROGRESS = Fact("firmware", "progress", TransferProgress)
DU_CHANGED = Fact("firmware", "du_changed", ChangeId)
