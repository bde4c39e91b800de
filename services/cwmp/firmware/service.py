"""The firmware service as others see it: operations for the session, methods for everybody.

Object ``cwmp.firmware``::

    status    {}                                             {transfers: [...], reboot_pending}
    download  {url, file_type, username, password,           {id, status} or {fault: {code, text}}
               file_size, delay, command_key}
    cancel    {id} or {command_key}                          {cancelled: [ids]} or {fault: {code, text}}

Sizes in bytes, `delay` and `due_in` in s, times ISO 8601 UTC. What is started by a method is local: the ACS hears
nothing of it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import trio

from cwmp.contract import Empty, Fault, FaultCode
from cwmp.contract.firmware import (
    ACKNOWLEDGE,
    DOWNLOAD,
    GET_COMPLETED,
    REBOOT,
    UNKNOWN_TIME,
    CompletedTransfer,
    CompletedTransfers,
    Download,
    Reboot,
    TransferId,
    TransferStarted,
)
from cwmp.firmware import validation
from cwmp.firmware.fetch import Means
from cwmp.firmware.queue import Queue, State, Transfer
from cwmp.firmware.reboot import Rebooter
from cwmp.firmware.storage import Storage
from cwmp.firmware.sysupgrade import System
from cwmp.firmware.worker import Records, Worker, real_clock
from cwmp.runtime import Runtime, tls
from cwmp.runtime.clock import CLOCK_IS_SET, date_time
from cwmp.runtime.quiet import SessionWatch
from ubuskit.client import Method, Request

if TYPE_CHECKING:
    import ssl

OBJECT = "cwmp.firmware"


async def serve(runtime: Runtime) -> None:
    """Run the service until it is cancelled."""
    service = _Service(runtime)
    await service.start()
    await runtime.peers.ready()
    await service.run()


class _Service:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._log = runtime.log
        self._clock = real_clock(runtime.boot_id)
        self._storage = Storage(runtime.paths)
        self._session = SessionWatch(runtime.peers, runtime.log)
        self._records = Records(runtime.state("queue", 1), runtime.peers, runtime.log)
        system, going_down = System(runtime.bus, runtime.paths), trio.Lock()
        self._worker = Worker(
            self._records,
            system,
            self._storage,
            self._session,
            self._means,
            going_down,
            self._clock,
            runtime.log,
        )
        self._rebooter = Rebooter(
            runtime.state("reboot", 1), system, self._session, going_down, runtime.boot_id, runtime.log
        )

    async def start(self) -> None:
        peers = self._runtime.peers
        peers.answer(DOWNLOAD, self._download)
        peers.answer(GET_COMPLETED, self._get_completed)
        peers.answer(ACKNOWLEDGE, self._acknowledge)
        peers.answer(REBOOT, self._reboot)
        await self._session.listen()
        await self._runtime.bus.add_object(
            OBJECT,
            {
                "status": Method(self._on_status),
                "download": Method(
                    _with_faults(self._on_download),
                    {
                        "url": str,
                        "file_type": str,
                        "username": str,
                        "password": str,
                        "file_size": int,
                        "delay": int,
                        "command_key": str,
                    },
                ),
                "cancel": Method(_with_faults(self._on_cancel), {"id": str, "command_key": str}),
            },
        )

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._worker.run)
            nursery.start_soon(self._rebooter.run)

    # Operations

    async def _download(self, args: Download, request_id: str) -> TransferStarted:
        if not self._records.queue.knows_request(request_id):
            await self._add(args, request_id, "acs")
        return TransferStarted(1, UNKNOWN_TIME, UNKNOWN_TIME)

    async def _get_completed(self, _args: Empty, _request_id: str) -> CompletedTransfers:
        return CompletedTransfers([_completed(t) for t in self._records.queue.completed("acs")])

    async def _acknowledge(self, args: TransferId, _request_id: str) -> Empty:
        await self._commit(self._records.queue.acknowledge(args.id))
        return Empty()

    async def _reboot(self, args: Reboot, request_id: str) -> Empty:
        try:
            self._rebooter.request(request_id, args.command_key)
        except OSError as error:
            raise _not_recorded(error) from None
        return Empty()

    async def _add(self, args: Download, request_id: str, origin: str) -> str:
        """Check a Download and queue it; its id."""
        validation.check(args)
        self._storage.prepare()
        if args.file_size > (space := self._storage.space()):
            raise Fault(
                FaultCode.DOWNLOAD_FAILURE,
                f"FileSize is {args.file_size} bytes, there is space for {space} bytes",
            )
        transfer = Transfer(
            id=secrets.token_hex(8),
            request_id=request_id,
            origin=origin,
            method="Download",
            command_key=args.command_key,
            file_type=args.file_type,
            url=args.url,
            username=args.username,
            password=args.password,
            file_size=args.file_size,
            target_file_name=args.target_file_name,
            delay=args.delay_seconds,
            accepted=self._clock(),
        )
        await self._commit(self._records.queue.add(transfer))
        self._log.info(
            "transfer %s queued for %s: %s, in %d s", transfer.id, origin, args.file_type, transfer.delay
        )
        self._worker.look()
        return transfer.id

    async def _commit(self, queue: Queue) -> None:
        try:
            await self._records.commit(queue)
        except OSError as error:
            raise _not_recorded(error) from None

    # Methods

    async def _on_status(self, _request: Request) -> Mapping[str, Any]:
        return {
            "transfers": [self._described(t) for t in self._records.queue.transfers],
            "reboot_pending": self._rebooter.pending,
        }

    async def _on_download(self, request: Request) -> Mapping[str, Any]:
        args = request.args
        download = Download(
            command_key=args.get("command_key", ""),
            file_type=args.get("file_type", validation.FIRMWARE),
            url=args.get("url", ""),
            username=args.get("username", ""),
            password=args.get("password", ""),
            file_size=args.get("file_size", 0),
            delay_seconds=args.get("delay", 0),
        )
        return {"id": await self._add(download, f"local-{secrets.token_hex(8)}", "local"), "status": 1}

    async def _on_cancel(self, request: Request) -> Mapping[str, Any]:
        if "id" in request.args:
            await self._worker.cancel(request.args["id"])
            return {"cancelled": [request.args["id"]]}
        if "command_key" not in request.args:
            raise Fault(FaultCode.INVALID_ARGUMENTS, "name a transfer by 'id' or by 'command_key'")
        cancelled, refusal = [], None
        for transfer in self._records.queue.transfers:
            if transfer.command_key == request.args["command_key"] and transfer.state is not State.COMPLETE:
                try:
                    await self._worker.cancel(transfer.id)
                except Fault as fault:  # TR-069a6 A.4.1.8: the others are cancelled all the same
                    refusal = fault
                else:
                    cancelled.append(transfer.id)
        if refusal is not None:
            raise refusal
        return {"cancelled": cancelled}

    def _described(self, transfer: Transfer) -> dict[str, Any]:
        table: dict[str, Any] = {
            "id": transfer.id,
            "state": transfer.state.value,
            "origin": transfer.origin,
            "method": transfer.method,
            "command_key": transfer.command_key,
            "file_type": transfer.file_type,
            "url": transfer.url.partition("?")[0],  # a query may carry a token
            "start_time": _time(transfer.start_time),
        }
        if transfer.state is State.QUEUED:
            table["due_in"] = max(0, round(transfer.due_in(self._clock())))
        elif transfer.state is State.DOWNLOADING:
            table["bytes"], table["total"] = self._worker.progress
        elif transfer.state is State.COMPLETE:
            table["complete_time"] = _time(transfer.complete_time)
            table["fault_code"] = transfer.fault_code
            table["fault_string"] = transfer.fault_string
        return table

    # What fetching needs

    def _means(self, progress: Callable[[int, int], None]) -> Means:
        ca_file = self._runtime.config().ca_file
        return Means(lambda: self._tls(ca_file), self._storage.space, progress)

    def _tls(self, ca_file: str) -> ssl.SSLContext:
        """The rules of the connection to the ACS hold for file servers, too (TR-069a6 3.3)."""
        try:
            return tls.client_context(ca_file, ignore_dates=time.time() < CLOCK_IS_SET)
        except tls.TlsSetupError as error:
            raise Fault(FaultCode.CONTACT_FILE_SERVER, str(error)) from None


def _with_faults(
    handler: Callable[[Request], Any],
) -> Callable[[Request], Any]:
    """A method whose Faults are its answer: the caller reads the code and a sentence, not a bare status."""

    async def method(request: Request) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = await handler(request)
        except Fault as fault:
            return {"fault": fault.to_table()}
        return answer

    return method


def _completed(transfer: Transfer) -> CompletedTransfer:
    return CompletedTransfer(
        id=transfer.id,
        method=transfer.method,
        command_key=transfer.command_key,
        fault_code=transfer.fault_code,
        fault_string=transfer.fault_string,
        start_time=_time(transfer.start_time),
        complete_time=_time(transfer.complete_time),
    )


def _time(seconds: float) -> str:
    """A dateTime in UTC; the unknown time for one that was read off a clock nobody had set."""
    if seconds < CLOCK_IS_SET:
        return UNKNOWN_TIME
    return date_time(int(seconds))


def _not_recorded(error: OSError) -> Fault:
    return Fault(FaultCode.INTERNAL_ERROR, f"it could not be recorded durably: {error.strerror}")
