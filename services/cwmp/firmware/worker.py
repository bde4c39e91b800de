"""The worker takes the steps of transfers, one transfer at a time, each step recorded before it is taken.

What the record means for whoever finds it after a crash is said in `queue`; this module must only keep the
order: `Records.step` first, the deed after it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.contract.firmware import TRANSFER, TransferState
from cwmp.firmware import queue as transfers
from cwmp.firmware.fetch import Means, Source, fetch
from cwmp.firmware.image import version_of
from cwmp.firmware.queue import Now, Queue, State, Step, Transfer
from cwmp.firmware.storage import Storage
from cwmp.firmware.sysupgrade import System
from cwmp.runtime import Peers, StateFile
from cwmp.runtime.quiet import SessionWatch

Clock = Callable[[], Now]

_LOOK_AGAIN = 60.0
"""The wall clock may be set at any time: a delay that hangs on it is looked at this often."""

_BOOT_DEADLINE = 900.0
"""The time a system that was told to flash has to go down."""

_RETRY = 10.0
_VERSION_ATTEMPTS = 30


class Records:
    """The queue and its document, which never lags behind it."""

    def __init__(self, file: StateFile, peers: Peers, log: logging.Logger) -> None:
        self._file = file
        self._peers = peers
        self._log = log
        self.queue, problems = transfers.from_document(file.load())
        for problem in problems:
            log.error("%s", problem)

    async def commit(self, queue: Queue) -> None:
        """Make `queue` the queue, durably, and tell what changed.

        Raises:
            OSError: it could not be made durable; the queue is the old one.
        """
        self._file.save(transfers.to_document(queue))
        old, self.queue = self.queue, queue
        before = {t.id: t.state for t in old.transfers}
        for transfer in queue.transfers:
            if before.pop(transfer.id, None) is not transfer.state:
                await self._tell(transfer.id, transfer.state, transfer.fault_code)
        for gone, state in before.items():
            if state is not State.COMPLETE:
                await self._tell(gone, State.CANCELLED, 0)

    async def step(self, transfer_id: str, step: Step, **changes: Any) -> Transfer:
        """Record a step of a transfer; its record as it is then.

        Raises:
            LookupError: it cannot take this step, or is gone.
            OSError: see `commit`.
        """
        queue = self.queue.advance(transfer_id, step, **changes)
        await self.commit(queue)
        return queue.transfer(transfer_id)

    async def fail(self, transfer: Transfer, fault: Fault, now: Now) -> None:
        """Record that `transfer` failed."""
        self._log.error("transfer %s failed: %s", transfer.id, fault)
        await self.commit(self.queue.fail(transfer.id, fault, now))

    async def _tell(self, transfer_id: str, state: State, fault_code: int) -> None:
        await self._peers.tell(TRANSFER, TransferState(transfer_id, state.value, fault_code))


class Worker:
    """Runs the transfers that are due. `progress` is (bytes, total or 0) of the one under way.

    Who holds `going_down` takes the system down: a flash and a reboot must not meet.
    """

    def __init__(
        self,
        records: Records,
        system: System,
        storage: Storage,
        session: SessionWatch,
        make_means: Callable[[Callable[[int, int], None]], Means],
        going_down: trio.Lock,
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._records = records
        self._going_down = going_down
        self._system = system
        self._storage = storage
        self._session = session
        self._make_means = make_means
        self._clock = clock
        self._log = log
        self._changed = trio.Event()
        self._scope: tuple[str, trio.CancelScope] | None = None
        self.progress = (0, 0)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._persistently(self._take_up)
        while True:
            await self._persistently(self._work)

    def look(self) -> None:
        """The queue has changed."""
        self._changed.set()

    async def cancel(self, transfer_id: str) -> None:
        """Cancel a transfer, be it under way.

        Raises:
            Fault: 9021 or 9003, see `Queue.cancel`.
        """
        await self._records.commit(self._records.queue.cancel(transfer_id))
        if self._scope is not None and self._scope[0] == transfer_id:
            self._scope[1].cancel()
        self._log.info("transfer %s cancelled", transfer_id)

    async def _persistently(self, work: Callable[[], Any]) -> None:
        """Without a durable record no step is taken: when flash cannot be written, wait and try again."""
        while True:
            try:
                await work()
            except OSError as error:
                self._log.error("the queue's record cannot be written (%s): waiting", error)
                await trio.sleep(_LOOK_AGAIN)
            else:
                return

    async def _take_up(self) -> None:
        """Go on from where whoever was here before us was cut off."""
        transfer = self._records.queue.running()
        if transfer is not None and transfer.state is State.APPLYING:
            if transfer.boot_id == self._clock().boot_id:
                async with self._going_down:
                    await self._await_boot(transfer)  # the image stays: it may just be read
            else:
                await self._decide(transfer)
        self._storage.clear()
        await self._records.commit(self._records.queue.recover(self._clock()))

    async def _work(self) -> None:
        """Run one transfer that is due, or wait until that may have changed."""
        self._changed = trio.Event()
        queue, now = self._records.queue, self._clock()
        if (cut_off := queue.running()) is not None:
            self._log.warning("transfer %s begins again", cut_off.id)
            await self._records.commit(queue.recover(now))
        elif (transfer := queue.next_due(now)) is not None:
            await self._transfer(transfer)
        else:
            due_in = queue.due_in(now)
            with trio.move_on_after(_LOOK_AGAIN if due_in is None else min(due_in, _LOOK_AGAIN)):
                await self._changed.wait()

    async def _transfer(self, transfer: Transfer) -> None:
        image = self._storage.path(transfer.id)
        self.progress = (0, 0)
        with trio.CancelScope() as scope:
            self._scope = (transfer.id, scope)
            try:
                await self._prepare(transfer)
                async with self._going_down:
                    await self._apply(transfer.id)
            except Fault as fault:
                image.unlink(missing_ok=True)
                await self._records.fail(transfer, fault, self._clock())
            except LookupError:
                if self._records.queue.find(transfer.id):
                    raise
                # else it was cancelled just as it was to take its next step
            finally:
                self._scope = None
                found = self._records.queue.find(transfer.id)
                # When the system stops us because it is flashing, the image is what it is reading.
                if found is None or found.state is not State.APPLYING:
                    image.unlink(missing_ok=True)

    async def _prepare(self, transfer: Transfer) -> None:
        """Bring the image here and have it checked."""
        records, image = self._records, self._storage.path(transfer.id)
        if transfer.delay:
            await self._session.ended()  # TR-069a6 A.3.2.8: not in the session that asked for it
        now = self._clock()
        await records.step(
            transfer.id,
            Step.START,
            attempts=transfer.attempts + 1,
            start_time=transfer.start_time or now.wall,
        )
        self._log.info("transfer %s: fetching %s", transfer.id, transfer.url.partition("?")[0])
        source = Source(transfer.url, transfer.username, transfer.password)
        fetched = await fetch(source, image, self._make_means(self._advance))
        self._log.info("transfer %s: %d bytes, sha256 %s", transfer.id, fetched.size, fetched.sha256)
        await records.step(transfer.id, Step.FETCHED)
        await self._system.check(image)
        await records.step(transfer.id, Step.VERIFIED)
        self._log.info("transfer %s: image verified, applied when no session is open", transfer.id)

    def _advance(self, size: int, total: int) -> None:
        self.progress = (size, total)

    async def _apply(self, transfer_id: str) -> None:
        image = self._storage.path(transfer_id)
        expected, running = version_of(image), await self._system.version()
        await self._session.ended()
        transfer = await self._records.step(
            transfer_id,
            Step.APPLY,
            boot_id=self._clock().boot_id,
            version_before=running,
            version_expected=expected,
        )
        self._log.warning(
            "transfer %s: flashing %s over %s", transfer_id, expected or "an image without version", running
        )
        await self._system.flash(image)
        await self._await_boot(transfer)

    async def _await_boot(self, transfer: Transfer) -> None:
        """The system was told to flash and ends us any moment. If it does not, nothing was flashed."""
        await trio.sleep(_BOOT_DEADLINE)
        fault = Fault(
            FaultCode.DOWNLOAD_FAILURE,
            f"the system was told to flash the image but went on running for {_BOOT_DEADLINE:g} s",
        )
        await self._records.fail(transfer, fault, self._clock())

    async def _decide(self, transfer: Transfer) -> None:
        """The first start after the boot that was to bring the new firmware."""
        try:
            version = await self._running_version()
        except Fault as fault:
            await self._records.fail(transfer, fault, self._clock())
            return
        if (failure := transfer.outcome(version)) is not None:
            await self._records.fail(transfer, failure, self._clock())
            return
        self._log.info("transfer %s: %s runs, was %s", transfer.id, version, transfer.version_before)
        await self._records.step(transfer.id, Step.SUCCEED, complete_time=self._clock().wall)

    async def _running_version(self) -> str:
        """As `System.version`; at boot procd may have a while to go until it answers."""
        for _ in range(_VERSION_ATTEMPTS):
            try:
                return await self._system.version()
            except Fault as fault:
                self._log.warning("%s", fault.text)
                await trio.sleep(_RETRY)
        return await self._system.version()


def real_clock(boot_id: str) -> Clock:
    """The clocks of this machine."""
    return lambda: Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), boot_id)
