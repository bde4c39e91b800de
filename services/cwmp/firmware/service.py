"""The firmware service put together, and what it does for the other services; `bus_object` is what others see."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from cwmp.contract import Empty, Fault, FaultCode
from cwmp.contract.datamodel import GET_VALUES, GetValues
from cwmp.contract.firmware import (
    ACKNOWLEDGE,
    CANCEL_TRANSFER,
    DOWNLOAD,
    FACTORY_RESET,
    GET_COMPLETED,
    GET_QUEUED,
    REBOOT,
    SCHEDULE_DOWNLOAD,
    UNKNOWN_TIME,
    UPLOAD,
    AutonomousTransfer,
    CancelTransfer,
    CompletedTransfer,
    CompletedTransfers,
    Download,
    FactoryReset,
    QueuedTransfer,
    QueuedTransfers,
    Reboot,
    ScheduleDownload,
    TransferId,
    TransferStarted,
    Upload,
)
from cwmp.contract.parameters import (
    GetParameters,
    Parameters,
    SetParameters,
    get_parameters,
    set_parameters,
)
from cwmp.firmware import declared, validation
from cwmp.firmware.bus_object import BusObject
from cwmp.firmware.configfiles import ConfigFiles
from cwmp.firmware.exchange import Place
from cwmp.firmware.fetch import Means, fetch
from cwmp.firmware.filetypes import FileTypes, reported_type
from cwmp.firmware.http import Network
from cwmp.firmware.idle import IdleWatch
from cwmp.firmware.modules import door as modules
from cwmp.firmware.policy import reportable
from cwmp.firmware.queue import Queue, State, Transfer, Window
from cwmp.firmware.reboot import Rebooter
from cwmp.firmware.records import Progress, Records
from cwmp.firmware.storage import Storage
from cwmp.firmware.sysupgrade import System
from cwmp.firmware.transfer import time_of
from cwmp.firmware.worker import Surroundings, Worker, real_clock
from cwmp.runtime import Runtime, tls
from cwmp.runtime.clock import CLOCK_IS_SET
from cwmp.runtime.config import Config
from cwmp.runtime.dial import Dialler
from cwmp.runtime.quiet import SessionWatch

if TYPE_CHECKING:
    import ssl

_ASK = 10.0

_QUEUED_STATES = {State.QUEUED: 1, State.APPLYING: 3, State.INSTALLING: 3, State.RESTARTING: 3}
"""QueuedTransferStruct's State; what is not here is in progress (2)."""


async def serve(runtime: Runtime) -> None:
    """Run the service until it is cancelled."""
    service = Service(runtime)
    await service.start()
    await runtime.peers.ready()
    await runtime.serve_while_needed(service.run, service.idle)


class Service:
    """The parts, and the operations that others ask for."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._log = runtime.log
        self.clock = real_clock(runtime.boot_id)
        self._storage = Storage(runtime.paths)
        self._session = SessionWatch(runtime.peers, runtime.log)
        self._config_files = ConfigFiles(runtime.state("config_files", 1))
        self._dialler: tuple[tuple[str, str], Dialler] | None = None
        self.records = Records(
            runtime.state("queue", 2, older=(1,)),
            runtime.peers,
            lambda transfer: reportable(transfer, runtime.config()),
            runtime.log,
        )
        system, going_down = System(runtime.bus, runtime.paths), trio.Lock()
        self._types = FileTypes(
            system,
            runtime.paths,
            self._config_files,
            lambda: declared.declarations(runtime.paths, runtime.log),
            lambda: runtime.config().web_content,
            lambda: runtime.config().upgrade_keep_settings,
            self._log_name,
        )
        self.worker = Worker(
            self.records,
            Progress(runtime.peers),
            Surroundings(
                system,
                self._storage,
                self._session,
                self._types,
                IdleWatch(runtime.paths),
                self._means,
                self._settings,
                going_down,
                self.clock,
                runtime.log,
            ),
        )
        self.rebooter = Rebooter(
            runtime.state("reboot", 1), system, self._session, going_down, runtime.boot_id, runtime.log
        )
        self.modules = modules.Door(runtime, self.clock, self._session.ended, going_down, self._bring)

    async def start(self) -> None:
        peers = self._runtime.peers
        peers.answer(DOWNLOAD, self._download)
        peers.answer(UPLOAD, self._upload)
        peers.answer(SCHEDULE_DOWNLOAD, self._schedule_download)
        peers.answer(CANCEL_TRANSFER, self._cancel_transfer)
        peers.answer(GET_QUEUED, self._get_queued)
        peers.answer(GET_COMPLETED, self._get_completed)
        peers.answer(ACKNOWLEDGE, self._acknowledge)
        peers.answer(REBOOT, self._reboot)
        peers.answer(FACTORY_RESET, self._factory_reset)
        peers.answer(get_parameters("firmware"), self._get_parameters)
        peers.answer(set_parameters("firmware"), self._set_parameters)
        self.modules.start()
        await self._session.listen()
        await BusObject(self, peers).put_on(self._runtime.bus)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.worker.run)
            nursery.start_soon(self.rebooter.run)
            nursery.start_soon(self.modules.run)

    def idle(self) -> bool:
        """Whether nothing is left to be done, now or later."""
        waiting = any(t.state is not State.COMPLETE for t in self.records.queue.transfers)
        return not waiting and not self.rebooter.pending and self.modules.idle

    # Operations

    async def _download(self, args: Download, request_id: str) -> TransferStarted:
        await self.add(args, request_id, "acs")
        return TransferStarted(1, UNKNOWN_TIME, UNKNOWN_TIME)

    async def _upload(self, args: Upload, request_id: str) -> TransferStarted:
        await self.add(args, request_id, "acs")
        return TransferStarted(1, UNKNOWN_TIME, UNKNOWN_TIME)

    async def _schedule_download(self, args: ScheduleDownload, request_id: str) -> Empty:
        await self.add(args, request_id, "acs")
        return Empty()

    async def _cancel_transfer(self, args: CancelTransfer, _request_id: str) -> Empty:
        await self.cancel_all(args.command_key, acs_only=True)
        return Empty()

    async def _get_queued(self, _args: Empty, _request_id: str) -> QueuedTransfers:
        unfinished = [t for t in self.records.queue.transfers if t.state is not State.COMPLETE]
        return QueuedTransfers([_queued(t) for t in unfinished])

    async def _get_completed(self, _args: Empty, _request_id: str) -> CompletedTransfers:
        return CompletedTransfers([_completed(t) for t in self.records.queue.unconfirmed()])

    async def _acknowledge(self, args: TransferId, _request_id: str) -> Empty:
        await self.commit(self.records.queue.acknowledge(args.id))
        return Empty()

    async def _reboot(self, args: Reboot, request_id: str) -> Empty:
        try:
            self.rebooter.request(request_id, args.command_key)
        except OSError as error:
            raise _not_recorded(error) from None
        return Empty()

    async def _factory_reset(self, _args: FactoryReset, request_id: str) -> Empty:
        try:
            self.rebooter.request_reset(request_id)
        except OSError as error:
            raise _not_recorded(error) from None
        return Empty()

    async def _get_parameters(self, args: GetParameters, _request_id: str) -> Parameters:
        found = self._config_files.parameters()
        if any(path.startswith(modules.ROOT) or modules.ROOT.startswith(path) for path in args.paths):
            found = {**found, **await self.modules.parameters()}
        wanted = {n: v for n, v in found.items() if any(n.startswith(path) for path in args.paths)}
        return Parameters(list(wanted), list(wanted.values()))

    async def _set_parameters(self, args: SetParameters, _request_id: str) -> Empty:
        values = dict(zip(args.names, args.values, strict=True))
        if wrong := await self.modules.set(values, check_only=args.check_only):
            raise Fault(FaultCode.INVALID_ARGUMENTS, "some parameters cannot be set", wrong)
        return Empty()

    # The queue

    async def add(self, args: Download | Upload | ScheduleDownload, request_id: str, origin: str) -> str:
        """Check a request and queue it, once; the transfer's id.

        Raises:
            Fault: it is refused.
        """
        if self.records.queue.knows_request(request_id):
            return ""
        validation.check(args)
        if isinstance(args, Upload):
            await self._types.producer(args.file_type)
        else:
            self._types.installer(args.file_type)
            self._needs_space(args.file_size)
        transfer = _transfer(args, request_id, origin, self.clock)
        await self.commit(self.records.queue.add(transfer))
        self._log.info(
            "transfer %s queued for %s: %s of %s, in %d s",
            transfer.id,
            origin,
            transfer.method,
            args.file_type,
            transfer.windows[0].start if transfer.windows else transfer.delay,
        )
        self.worker.look()
        return transfer.id

    def _needs_space(self, size: int) -> None:
        self._storage.prepare()
        if size > (space := self._storage.space()):
            raise Fault(
                FaultCode.DOWNLOAD_FAILURE, f"FileSize is {size} bytes, there is space for {space} bytes"
            )

    async def cancel_all(self, command_key: str, *, acs_only: bool) -> list[str]:
        """Cancel the transfers with a CommandKey; the ids of those that are.

        Raises:
            Fault: 9021, one could not be; the others are cancelled all the same (TR-069a6 A.4.1.9).
        """
        cancelled, refusal = [], None
        for transfer in self.records.queue.transfers:
            ours = transfer.origin == "acs" or not acs_only
            if transfer.command_key == command_key and ours and transfer.state is not State.COMPLETE:
                try:
                    await self.worker.cancel(transfer.id)
                except Fault as fault:
                    refusal = fault
                else:
                    cancelled.append(transfer.id)
        if refusal is not None:
            raise refusal
        return cancelled

    async def commit(self, queue: Queue) -> None:
        """Make `queue` the queue. Raises Fault 9002 when it cannot be made durable."""
        try:
            await self.records.commit(queue)
        except OSError as error:
            raise _not_recorded(error) from None

    # What transfers need

    def _means(self, progress: Callable[[int, int], None]) -> Means:
        config = self._runtime.config()
        proxy = config.http_proxy, config.no_proxy
        if self._dialler is None or self._dialler[0] != proxy:
            self._dialler = proxy, Dialler(proxy=config.http_proxy, no_proxy=config.no_proxy)
        network = Network(lambda: _tls(config), self._dialler[1])
        return Means(network, self._storage.space, progress)

    async def _bring(self, place: Place, target: Path) -> None:
        self._storage.prepare()
        await fetch(place, target, self._means(lambda _bytes, _total: None))

    async def _settings(self, target: Path) -> Path | None:
        if self._runtime.config().upgrade_keep_settings:
            return None
        from cwmp.firmware import archive  # noqa: PLC0415  # brings tarfile with it, for one file in a while

        where = self._runtime.paths
        kept = (where.uci_dir / "cwmp", where.state_dir)
        try:
            await trio.to_thread.run_sync(archive.pack, where, kept, target)
        except OSError as error:
            raise Fault(FaultCode.DOWNLOAD_FAILURE, f"nothing could be kept: {error.strerror}") from None
        return target

    async def _log_name(self, row: int) -> str:
        path = f"Device.DeviceInfo.VendorLogFile.{row}.Name"
        try:
            async with self._runtime.peers.stream(GET_VALUES, GetValues([path]), deadline=_ASK) as pages:
                names = [value async for page in pages for value in page.values]
        except Fault as fault:
            if fault.code != FaultCode.INVALID_PARAMETER_NAME:
                raise
            names = []
        if not names:
            text = f"there is no row {row} in Device.DeviceInfo.VendorLogFile"
            raise Fault(FaultCode.INVALID_ARGUMENTS, text)
        return names[0]


def _tls(config: Config) -> ssl.SSLContext:
    """The rules of the connection to the ACS hold for file servers, too (TR-069a6 3.3)."""
    return tls.client_context(
        config.ca_file,
        certificate=config.client_certificate,
        key=config.client_key,
        ignore_dates=time.time() < CLOCK_IS_SET,
    )


def _transfer(
    args: Download | Upload | ScheduleDownload, request_id: str, origin: str, clock: Callable[[], Any]
) -> Transfer:
    windows = args.windows if isinstance(args, ScheduleDownload) else []
    return Transfer(
        id=secrets.token_hex(8),
        request_id=request_id,
        origin=origin,
        method=type(args).__name__,
        command_key=args.command_key,
        file_type=args.file_type,
        url=args.url,
        username=args.username,
        password=args.password,
        file_size=0 if isinstance(args, Upload) else args.file_size,
        target_file_name="" if isinstance(args, Upload) else args.target_file_name,
        delay=0 if isinstance(args, ScheduleDownload) else args.delay_seconds,
        accepted=clock(),
        windows=tuple(Window(w.start, w.end, w.mode, w.user_message, w.max_retries) for w in windows),
    )


def _queued(transfer: Transfer) -> QueuedTransfer:
    autonomous = transfer.origin != "acs"
    return QueuedTransfer(
        command_key="" if autonomous else transfer.command_key,
        state=_QUEUED_STATES.get(transfer.state, 2),
        is_download=transfer.is_download,
        file_type=reported_type(transfer),
        file_size=transfer.file_size,
        target_file_name=transfer.target_file_name,
        autonomous=autonomous,
    )


def _completed(transfer: Transfer) -> CompletedTransfer:
    return CompletedTransfer(
        id=transfer.id,
        method=transfer.method,
        command_key=transfer.command_key,
        fault_code=transfer.fault_code,
        fault_string=transfer.fault_string,
        start_time=time_of(transfer.start_time),
        complete_time=time_of(transfer.complete_time),
        autonomous=None if transfer.origin == "acs" else _autonomous(transfer),
    )


def _autonomous(transfer: Transfer) -> AutonomousTransfer:
    return AutonomousTransfer(
        announce_url="",
        transfer_url=transfer.url,
        is_download=transfer.is_download,
        file_type=reported_type(transfer),
        file_size=transfer.file_size,
        target_file_name=transfer.target_file_name,
    )


def _not_recorded(error: OSError) -> Fault:
    return Fault(FaultCode.INTERNAL_ERROR, f"it could not be recorded durably: {error.strerror}")
