"""Object ``cwmp.firmware``, for LuCI, the command line and other daemons (docs/ubus.md has the tables).

Sizes in bytes, `delay` and `due_in` in s, times ISO 8601 UTC. What is started by a method is autonomous: the ACS
hears of its end only where AutonomousTransferCompletePolicy says so.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from cwmp.contract import Fault, FaultCode
from cwmp.contract.firmware import Download, ScheduleDownload, Upload
from cwmp.contract.session import REQUEST_DOWNLOAD, RequestDownload
from cwmp.firmware.filetypes import FIRMWARE
from cwmp.firmware.modules.door import Door
from cwmp.firmware.queue import Now, Queue, State, Transfer
from cwmp.firmware.reboot import Rebooter
from cwmp.firmware.records import Records
from cwmp.firmware.times import elapsed
from cwmp.firmware.transfer import time_of
from cwmp.firmware.worker import Worker
from cwmp.runtime import Peers
from ubuskit.client import Client, Method, Request

OBJECT = "cwmp.firmware"

_MOST_ARGUMENTS = 16
_MOST_ARGUMENT_NAME, _MOST_ARGUMENT_VALUE = 64, 256

_PLACE = {"url": str, "file_type": str, "username": str, "password": str, "delay": int, "command_key": str}


class Transfers(Protocol):
    """What the service offers the object."""

    records: Records
    worker: Worker
    rebooter: Rebooter
    clock: Callable[[], Now]
    modules: Door

    async def add(self, args: Download | Upload | ScheduleDownload, request_id: str, origin: str) -> str: ...

    async def cancel_all(self, command_key: str, *, acs_only: bool) -> list[str]: ...

    async def commit(self, queue: Queue) -> None: ...


class BusObject:
    """The methods."""

    def __init__(self, transfers: Transfers, peers: Peers) -> None:
        self._transfers = transfers
        self._peers = peers

    async def put_on(self, bus: Client) -> None:
        """Register the object."""
        await bus.add_object(
            OBJECT,
            {
                "status": Method(self._status),
                "queue": Method(self._queue),
                "download": Method(
                    _with_faults(self._download), {**_PLACE, "file_size": int, "target_file_name": str}
                ),
                "upload": Method(_with_faults(self._upload), _PLACE),
                "request_download": Method(
                    _with_faults(self._request_download), {"file_type": str, "args": dict}
                ),
                "cancel": Method(_with_faults(self._cancel), {"id": str, "command_key": str}),
                "confirm": Method(_with_faults(self._confirm), {"id": str}),
                "modules": Method(_with_faults(self._modules)),
            },
        )

    async def _status(self, _request: Request) -> Mapping[str, Any]:
        found = self._transfers
        return {
            "transfers": [self._described(t) for t in found.records.queue.transfers],
            "reboot_pending": found.rebooter.pending,
        }

    async def _queue(self, _request: Request) -> Mapping[str, Any]:
        transfers = self._transfers.records.queue.transfers
        return {"transfers": [self._described(t) for t in transfers if t.state is not State.COMPLETE]}

    async def _download(self, request: Request) -> Mapping[str, Any]:
        args = request.args
        download = Download(
            command_key=args.get("command_key", ""),
            file_type=args.get("file_type", FIRMWARE),
            url=args.get("url", ""),
            username=args.get("username", ""),
            password=args.get("password", ""),
            file_size=args.get("file_size", 0),
            target_file_name=args.get("target_file_name", ""),
            delay_seconds=args.get("delay", 0),
        )
        return await self._add(download)

    async def _upload(self, request: Request) -> Mapping[str, Any]:
        args = request.args
        upload = Upload(
            command_key=args.get("command_key", ""),
            file_type=args.get("file_type", ""),
            url=args.get("url", ""),
            username=args.get("username", ""),
            password=args.get("password", ""),
            delay_seconds=args.get("delay", 0),
        )
        return await self._add(upload)

    async def _add(self, args: Download | Upload) -> Mapping[str, Any]:
        transfer_id = await self._transfers.add(args, f"local-{secrets.token_hex(8)}", "autonomous")
        return {"id": transfer_id, "status": 1}

    async def _request_download(self, request: Request) -> Mapping[str, Any]:
        """Have the session ask the ACS for a file (TR-069a6 A.4.2.2)."""
        file_type, args = request.args.get("file_type", ""), request.args.get("args", {})
        if not file_type or len(file_type) > 64:
            raise Fault(FaultCode.INVALID_ARGUMENTS, "'file_type' has 1 to 64 characters")
        if len(args) > _MOST_ARGUMENTS:
            raise Fault(FaultCode.INVALID_ARGUMENTS, f"'args' has more than {_MOST_ARGUMENTS} members")
        for name, value in args.items():
            if (
                not isinstance(value, str)
                or len(value) > _MOST_ARGUMENT_VALUE
                or len(name) > _MOST_ARGUMENT_NAME
            ):
                raise Fault(
                    FaultCode.INVALID_ARGUMENTS, f"'args': {name[:64]} is no text of 256 characters at most"
                )
        await self._peers.request(
            REQUEST_DOWNLOAD, RequestDownload(file_type, list(args), list(args.values()))
        )
        return {}

    async def _cancel(self, request: Request) -> Mapping[str, Any]:
        if "id" in request.args:
            await self._transfers.worker.cancel(request.args["id"])
            return {"cancelled": [request.args["id"]]}
        if "command_key" not in request.args:
            raise Fault(FaultCode.INVALID_ARGUMENTS, "name a transfer by 'id' or by 'command_key'")
        return {"cancelled": await self._transfers.cancel_all(request.args["command_key"], acs_only=False)}

    async def _modules(self, _request: Request) -> Mapping[str, Any]:
        return await self._transfers.modules.listed()

    async def _confirm(self, request: Request) -> Mapping[str, Any]:
        found = self._transfers
        await found.commit(found.records.queue.confirm(request.args.get("id", "")))
        found.worker.look()
        return {}

    def _described(self, transfer: Transfer) -> dict[str, Any]:
        table: dict[str, Any] = {
            "id": transfer.id,
            "state": transfer.state.value,
            "origin": transfer.origin,
            "method": transfer.method,
            "command_key": transfer.command_key,
            "file_type": transfer.file_type,
            "url": transfer.url.partition("?")[0],  # a query may carry a token
            "start_time": time_of(transfer.start_time),
        }
        if transfer.state is State.COMPLETE:
            table["complete_time"] = time_of(transfer.complete_time)
            table["fault_code"] = transfer.fault_code
            table["fault_string"] = transfer.fault_string
            return table
        now, progress = self._transfers.clock(), self._transfers.worker.progress
        if transfer.state is State.QUEUED and math.isfinite(due_in := transfer.due_in(now)):
            table["due_in"] = max(0, round(due_in))
        elif transfer.state in {State.DOWNLOADING, State.UPLOADING}:
            table |= {"bytes": progress.bytes, "total": progress.total, "rate": progress.rate}
        if (window := transfer.asks_for(now)) is not None:
            table["confirmation_needed"] = True
            table["user_message"] = window.user_message
        if transfer.windows:
            table["age"] = round(elapsed(transfer.accepted, now).seconds)
            table["windows"] = [{"start": w.start, "end": w.end, "mode": w.mode} for w in transfer.windows]
        return table


def _with_faults(
    handler: Callable[[Request], Awaitable[Mapping[str, Any]]],
) -> Callable[[Request], Awaitable[Mapping[str, Any]]]:
    """A method whose Faults are its answer: the caller reads the code and a sentence, not a bare status."""

    async def method(request: Request) -> Mapping[str, Any]:
        try:
            return await handler(request)
        except Fault as fault:
            return {"fault": fault.to_table()}
        except OSError as error:
            text = f"it could not be recorded durably: {error.strerror}"
            return {"fault": Fault(FaultCode.INTERNAL_ERROR, text).to_table()}

    return method
