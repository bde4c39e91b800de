"""What an ACS calls on a CPE to move files (TR-069a6 A.3.2.8, A.4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cwmp.lab.acs import soap
from cwmp.lab.acs.messages import Rpc, boolean, status
from cwmp.lab.acs.soap import Element, Violation

UNKNOWN_TIME = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class TransferStarted:
    status: int
    start_time: str
    complete_time: str


@dataclass(frozen=True, slots=True)
class Download(Rpc[TransferStarted]):
    command_key: str
    url: str
    file_type: str = "1 Firmware Upgrade Image"
    username: str = ""
    password: str = field(default="", repr=False)
    file_size: int = 0
    target_file_name: str = ""
    delay_seconds: int = 0

    def write(self, call: Element) -> None:
        soap.add(call, "CommandKey", self.command_key)
        soap.add(call, "FileType", self.file_type)
        soap.add(call, "URL", self.url)
        soap.add(call, "Username", self.username)
        soap.add(call, "Password", self.password)
        soap.add(call, "FileSize", self.file_size)
        soap.add(call, "TargetFileName", self.target_file_name)
        soap.add(call, "DelaySeconds", self.delay_seconds)
        soap.add(call, "SuccessURL", "")
        soap.add(call, "FailureURL", "")

    def read(self, answer: Element) -> TransferStarted:
        return _started(answer)


@dataclass(frozen=True, slots=True)
class Upload(Rpc[TransferStarted]):
    command_key: str
    url: str
    file_type: str = "3 Vendor Configuration File 1"
    username: str = ""
    password: str = field(default="", repr=False)
    delay_seconds: int = 0

    def write(self, call: Element) -> None:
        soap.add(call, "CommandKey", self.command_key)
        soap.add(call, "FileType", self.file_type)
        soap.add(call, "URL", self.url)
        soap.add(call, "Username", self.username)
        soap.add(call, "Password", self.password)
        soap.add(call, "DelaySeconds", self.delay_seconds)

    def read(self, answer: Element) -> TransferStarted:
        return _started(answer)


@dataclass(frozen=True, slots=True)
class Window:
    """TimeWindowStruct; times in s from the request."""

    start: int
    end: int
    mode: str = "1 At Any Time"
    user_message: str = ""
    max_retries: int = 0


@dataclass(frozen=True, slots=True)
class ScheduleDownload(Rpc[None]):
    command_key: str
    url: str
    windows: Sequence[Window]
    file_type: str = "1 Firmware Upgrade Image"
    username: str = ""
    password: str = field(default="", repr=False)
    file_size: int = 0
    target_file_name: str = ""

    def write(self, call: Element) -> None:
        soap.add(call, "CommandKey", self.command_key)
        soap.add(call, "FileType", self.file_type)
        soap.add(call, "URL", self.url)
        soap.add(call, "Username", self.username)
        soap.add(call, "Password", self.password)
        soap.add(call, "FileSize", self.file_size)
        soap.add(call, "TargetFileName", self.target_file_name)
        items = soap.add_array(call, "TimeWindowList", "cwmp:TimeWindowStruct", len(self.windows))
        for window in self.windows:
            item = soap.add(items, "TimeWindowStruct")
            soap.add(item, "WindowStart", window.start)
            soap.add(item, "WindowEnd", window.end)
            soap.add(item, "WindowMode", window.mode)
            soap.add(item, "UserMessage", window.user_message)
            soap.add(item, "MaxRetries", window.max_retries)

    def read(self, answer: Element) -> None:
        return None


@dataclass(frozen=True, slots=True)
class CancelTransfer(Rpc[None]):
    command_key: str

    def write(self, call: Element) -> None:
        soap.add(call, "CommandKey", self.command_key)

    def read(self, answer: Element) -> None:
        return None


@dataclass(frozen=True, slots=True)
class QueuedTransfer:
    """`state` 1: not yet started, 2: in progress, 3: finishing up."""

    command_key: str
    state: int
    is_download: bool = True
    file_type: str = ""
    file_size: int = 0
    target_file_name: str = ""


@dataclass(frozen=True, slots=True)
class GetQueuedTransfers(Rpc[list[QueuedTransfer]]):
    """Deprecated; the answer has CommandKey and State only."""

    def read(self, answer: Element) -> list[QueuedTransfer]:
        items = _queue(answer, "QueuedTransferStruct")
        return [QueuedTransfer(soap.text(i, "CommandKey"), int(soap.text(i, "State"))) for i in items]


@dataclass(frozen=True, slots=True)
class GetAllQueuedTransfers(Rpc[list[QueuedTransfer]]):
    def read(self, answer: Element) -> list[QueuedTransfer]:
        return [
            QueuedTransfer(
                soap.text(item, "CommandKey"),
                int(soap.text(item, "State")),
                boolean(soap.text(item, "IsDownload")),
                soap.text(item, "FileType"),
                int(soap.text(item, "FileSize")),
                soap.text(item, "TargetFileName"),
            )
            for item in _queue(answer, "AllQueuedTransferStruct")
        ]


def _queue(answer: Element, member: str) -> list[Element]:
    items = soap.array(answer, "TransferList", member)
    if len(items) > 16:
        raise Violation(f"a queue of {len(items)} transfers, more than 16 (TR-069a6 A.4.1.7)")
    return items


def _started(answer: Element) -> TransferStarted:
    times = soap.text(answer, "StartTime"), soap.text(answer, "CompleteTime")
    started = TransferStarted(status(answer), *times)
    if started.status == 1 and times != (UNKNOWN_TIME, UNKNOWN_TIME):
        raise Violation(f"Status 1 with the times {times} (TR-069a6 A.3.2.8)")
    return started
