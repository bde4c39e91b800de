"""What surrounds the firmware service: procd's object with its real replies, and a session service."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from cwmp.contract import Empty, Fault
from cwmp.contract.datamodel import GET_VALUES, GetValues, Values
from cwmp.contract.firmware import (
    ACKNOWLEDGE,
    CANCEL_TRANSFER,
    DOWNLOAD,
    GET_COMPLETED,
    GET_QUEUED,
    PROGRESS,
    SCHEDULE_DOWNLOAD,
    TRANSFER,
    UPLOAD,
    CancelTransfer,
    CompletedTransfer,
    Download,
    QueuedTransfer,
    ScheduleDownload,
    TimeWindow,
    TransferId,
    TransferProgress,
    TransferState,
    Upload,
)
from cwmp.contract.session import GET_STATE, REQUEST_DOWNLOAD, STATE, RequestDownload, State
from cwmp.runtime import Paths, Runtime
from ubuskit.client import Client, Method, Request
from ubuskit.errors import NotSupported

OLD = {"distribution": "OpenWrt", "version": "24.10.1", "revision": "r28597-0425664679"}
NEW = {"distribution": "OpenWrt", "version": "24.10.2", "revision": "r28739-d9340319c6"}


class Procd:
    """The object ``system``. `calls` has (method, image's content or None) of what changes something."""

    def __init__(self) -> None:
        self.release: Mapping[str, str] = OLD
        self.validation: dict[str, Any] = {
            "tests": {"fwtool_signature": True, "fwtool_device_match": True},
            "valid": True,
            "forceable": True,
            "allow_backup": True,
        }
        self.refusal = ""
        self.calls: list[tuple[str, bytes | None]] = []
        self.told = trio.Event()
        self.checking: trio.Event | None = None

    async def serve(self, bus: Client) -> None:
        await bus.add_object(
            "system",
            {
                "board": Method(self._board),
                "validate_firmware_image": Method(self._validate, {"path": str}),
                "sysupgrade": Method(
                    self._sysupgrade,
                    {
                        "path": str,
                        "force": bool,
                        "backup": str,
                        "prefix": str,
                        "command": str,
                        "options": dict,
                    },
                ),
                "reboot": Method(self._reboot),
            },
        )

    async def _board(self, _: Request) -> Mapping[str, Any]:
        return {"kernel": "6.6.86", "hostname": "OpenWrt", "model": "Example", "release": self.release}

    async def _validate(self, _: Request) -> Mapping[str, Any]:
        if self.checking is not None:
            self.checking.set()
            await trio.sleep_forever()
        return self.validation

    async def _sysupgrade(self, request: Request) -> None:
        if self.refusal:
            await request.reply({"error": {"message": self.refusal}})
            raise NotSupported(self.refusal)
        self._tell("sysupgrade", Path(request.args["path"]).read_bytes())
        await trio.sleep_forever()  # procd has become the upgrade and never answers

    async def _reboot(self, _: Request) -> None:
        self._tell("reboot", None)

    def _tell(self, method: str, image: bytes | None) -> None:
        self.calls.append((method, image))
        self.told.set()

    @property
    def flashed(self) -> list[bytes | None]:
        return [image for method, image in self.calls if method == "sysupgrade"]

    def boot(self, paths: Paths, release: Mapping[str, str] | None = None) -> None:
        """The next boot of the machine: another boot id, RAM empty, perhaps another firmware."""
        paths.system("/proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
        for left in sorted(paths.run_dir.rglob("*"), reverse=True):
            left.rmdir() if left.is_dir() else left.unlink()
        self.release = release or self.release
        self.told = trio.Event()


class Session:
    """The session service's part: says whether a session is open, asks, and hears of transfers."""

    def __init__(self) -> None:
        self.open = False
        self.asked = trio.Event()
        self.states: list[TransferState] = []
        self.progress: list[TransferProgress] = []
        self.requests: list[RequestDownload] = []
        self._heard = trio.Event()
        self._runtime: Runtime | None = None

    async def serve(self, runtime: Runtime) -> None:
        self._runtime = runtime
        runtime.peers.answer(GET_STATE, self._state)
        runtime.peers.answer(REQUEST_DOWNLOAD, self._request_download)
        await runtime.peers.hear(TRANSFER, self._hear)
        await runtime.peers.hear(PROGRESS, self.progress.append)
        await runtime.peers.ready()
        await trio.sleep_forever()

    @property
    def peers(self) -> Any:
        assert self._runtime is not None
        return self._runtime.peers

    async def _state(self, _args: Empty, _id: str) -> State:
        self.asked.set()
        return State(self.open)

    async def _request_download(self, args: RequestDownload, _id: str) -> Empty:
        self.requests.append(args)
        return Empty()

    def _hear(self, state: TransferState) -> None:
        self.states.append(state)
        self._heard.set()
        self._heard = trio.Event()

    async def set_open(self, value: bool) -> None:
        self.open = value
        await self.peers.tell(STATE, State(value))

    async def download(self, url: str, **changes: Any) -> None:
        args = {"command_key": "key", "file_type": "1 Firmware Upgrade Image", "url": url, **changes}
        started = await self.peers.request(DOWNLOAD, Download(**args))
        assert started.status == 1

    async def upload(self, url: str, file_type: str, **changes: Any) -> None:
        started = await self.peers.request(UPLOAD, Upload("key", file_type, url, **changes))
        assert started.status == 1

    async def schedule(
        self, url: str, *windows: tuple[int, int, str], retries: int = 0, **changes: Any
    ) -> None:
        args = {"command_key": "key", "file_type": "1 Firmware Upgrade Image", "url": url, **changes}
        listed = [TimeWindow(begin, end, mode, "Now?", retries) for begin, end, mode in windows]
        await self.peers.request(SCHEDULE_DOWNLOAD, ScheduleDownload(**args, windows=listed))

    async def cancel(self, command_key: str) -> None:
        await self.peers.request(CANCEL_TRANSFER, CancelTransfer(command_key))

    async def queued(self) -> list[QueuedTransfer]:
        found: list[QueuedTransfer] = (await self.peers.request(GET_QUEUED, Empty())).transfers
        return found

    async def heard(self, state: str) -> TransferState:
        """Wait until a transfer is in `state`."""
        with trio.fail_after(20):
            while True:
                heard = self._heard
                found = [s for s in self.states if s.state == state]
                if found:
                    return found[-1]
                await heard.wait()

    async def completed(self) -> list[CompletedTransfer]:
        found: list[CompletedTransfer] = (await self.peers.request(GET_COMPLETED, Empty())).transfers
        return found

    async def acknowledge(self, transfer: CompletedTransfer) -> None:
        await self.peers.request(ACKNOWLEDGE, TransferId(transfer.id))


class Datamodel:
    """The datamodel's part: DeviceInfo.VendorLogFile has one row; where the system's log is."""

    def __init__(self) -> None:
        self.log_name = "syslog"

    async def serve(self, runtime: Runtime) -> None:
        runtime.peers.answer(GET_VALUES, self._values)
        await runtime.peers.ready()
        await trio.sleep_forever()

    async def _values(self, args: GetValues, _id: str) -> Any:
        (path,) = args.paths
        if path != "Device.DeviceInfo.VendorLogFile.1.Name":
            raise Fault(9005, f"{path}: there is no such parameter")
        yield Values([path], ["string"], [self.log_name])


def install_sysupgrade(paths: Paths) -> Path:
    """A /sbin/sysupgrade that makes and restores backups; each call is noted in the file that is returned."""
    path, calls = paths.system("/sbin/sysupgrade"), paths.system("/calls")
    path.parent.mkdir(exist_ok=True)
    (paths.uci_dir / "system").write_text("config system\n")
    path.write_text(
        "#!/bin/sh\n"
        f'echo "$1" >> "{calls}"\n'
        'case "$1" in\n'
        f'-b) exec tar -C "{paths.sysroot}" -czf "$2" etc ;;\n'
        f'-r) exec tar -C "{paths.sysroot}" -xzf "$2" ;;\n'
        f'*) echo "$@" >> "{calls}"; exec sleep 1000 ;;\n'
        "esac\n"
    )
    path.chmod(0o755)
    return calls
