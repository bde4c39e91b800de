"""The worker takes the steps of transfers, one transfer at a time, each step recorded before it is taken.

What the record means for whoever finds it after a crash is said in `queue`; this module must only keep the
order: `Records.step` first, the deed after it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.firmware.exchange import Place
from cwmp.firmware.fetch import Means, fetch
from cwmp.firmware.filetypes import FileTypes, Installer
from cwmp.firmware.idle import IdleWatch
from cwmp.firmware.image import version_of
from cwmp.firmware.push import push
from cwmp.firmware.queue import Now, State, Step, Transfer
from cwmp.firmware.records import Progress, Records
from cwmp.firmware.storage import Storage
from cwmp.firmware.sysupgrade import System
from cwmp.runtime.quiet import SessionWatch
from ubuskit.records import dataclass

Clock = Callable[[], Now]

_LOOK_AGAIN = 60.0
"""The wall clock may be set at any time, and a router become idle: what hangs on it is looked at this often."""

_BOOT_DEADLINE = 900.0
"""The time a system that was told to flash, or to reboot, has to go down."""

_RETRY = 10.0
_VERSION_ATTEMPTS = 30


class _WindowClosed(Exception):
    """The time window of a transfer is over."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the worker works with. Who holds `going_down` takes the system down: a flash and a reboot must not
    meet. `settings` writes an archive of what an upgrade keeps in any case; None: it keeps everything."""

    system: System
    storage: Storage
    session: SessionWatch
    types: FileTypes
    idle: IdleWatch
    make_means: Callable[[Callable[[int, int], None]], Means]
    settings: Callable[[Path], Awaitable[Path | None]]
    going_down: trio.Lock
    clock: Clock
    log: logging.Logger


class Worker:
    """Runs the transfers that are due."""

    def __init__(self, records: Records, progress: Progress, surroundings: Surroundings) -> None:
        self._records = records
        self._around = surroundings
        self._clock = surroundings.clock
        self._log = surroundings.log
        self._changed = trio.Event()
        self._scope: tuple[str, trio.CancelScope] | None = None
        self.progress = progress

    async def run(self) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.progress.run)
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

    async def _persistently(self, work: Callable[[], Awaitable[None]]) -> None:
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
        await self._follow_up()
        self._around.storage.clear()
        await self._records.commit(self._records.queue.recover(self._clock()))

    async def _follow_up(self) -> None:
        """What comes after the step by which a transfer takes the system down."""
        transfer = self._records.queue.running()
        if transfer is None or transfer.state not in {State.APPLYING, State.RESTARTING}:
            return
        if transfer.boot_id != self._clock().boot_id:
            await (self._decide(transfer) if transfer.state is State.APPLYING else self._succeed(transfer.id))
            return
        async with self._around.going_down:
            if transfer.state is State.APPLYING:
                await self._await_boot(transfer)  # the image stays: it may just be read
            else:
                await self._restart(transfer)

    async def _work(self) -> None:
        """Run one transfer that is due, or wait until that may have changed."""
        self._changed = trio.Event()
        queue, now = self._records.queue, self._clock()
        if (cut_off := queue.running()) is not None:
            self._log.warning("transfer %s begins again", cut_off.id)
            await self._follow_up()
            await self._records.commit(self._records.queue.recover(now))
        elif (expired := queue.expire(now)) is not queue:
            await self._records.commit(expired)
        elif (transfer := queue.next_due(now, idle=self._idle(now))) is not None:
            await self._transfer(transfer)
        else:
            due_in = queue.due_in(now)
            with trio.move_on_after(_LOOK_AGAIN if due_in is None else min(due_in, _LOOK_AGAIN)):
                await self._changed.wait()

    def _idle(self, now: Now) -> bool:
        """Whether the device is idle, where somebody has to know."""
        if self._records.queue.needs_idle(now):
            return self._around.idle.idle(now.boottime)
        self._around.idle.forget()
        return False

    async def _transfer(self, transfer: Transfer) -> None:
        self.progress.begin(transfer.id)
        storage = self._around.storage
        with trio.CancelScope() as scope:
            self._scope = (transfer.id, scope)
            try:
                await (self._download(transfer) if transfer.is_download else self._upload(transfer))
            except Fault as fault:
                storage.remove(transfer.id)
                await self._records.failed(transfer, fault, self._clock())
            except _WindowClosed:
                self._log.warning("transfer %s: its window is over", transfer.id)
                await self._records.commit(self._records.queue.missed(transfer.id))
            except LookupError:
                if self._records.queue.find(transfer.id):
                    raise
                # else it was cancelled just as it was to take its next step
            finally:
                self._scope = None
                found = self._records.queue.find(transfer.id)
                # When the system stops us because it is flashing, the image is what it is reading.
                if found is None or found.state is not State.APPLYING:
                    storage.remove(transfer.id)

    # Downloads

    async def _download(self, transfer: Transfer) -> None:
        file = self._around.storage.path(transfer.id)
        if transfer.delay or transfer.windows:  # TR-069a6 A.3.2.8, A.4.1.8: not in the session that asked
            await self._around.session.ended()
        installer = self._around.types.installer(transfer.file_type)
        left = transfer.time_left(self._clock())
        if left <= 0:
            raise _WindowClosed
        with trio.CancelScope(deadline=trio.current_time() + left) as window:
            await self._prepare(transfer, installer, file)
        if window.cancelled_caught:
            raise _WindowClosed
        await self._permission(transfer.id, installer)
        if not (installer.flashes or installer.restarts):
            await self._install(transfer.id, installer, file)
            return
        async with self._around.going_down:
            await self._around.session.ended()
            if installer.flashes:
                await self._flash(transfer.id, file)
            else:
                await self._restart(await self._install(transfer.id, installer, file))

    async def _prepare(self, transfer: Transfer, installer: Installer, file: Path) -> None:
        """Bring the file here and have it checked."""
        await self._begin(transfer, Step.START)
        self._log.info("transfer %s: fetching %s", transfer.id, _shown(transfer.url))
        source = Place(transfer.url, transfer.username, transfer.password)
        fetched = await fetch(source, file, self._around.make_means(self.progress.moved))
        self._log.info("transfer %s: %d bytes, sha256 %s", transfer.id, fetched.size, fetched.sha256)
        await self._records.step(transfer.id, Step.FETCHED, file_size=fetched.size)
        await installer.check(file)
        await self._records.step(transfer.id, Step.VERIFIED)
        self._log.info("transfer %s: verified", transfer.id)

    async def _permission(self, transfer_id: str, installer: Installer) -> None:
        """Wait until the file may be applied: never in a session it would cut off, never outside a window."""
        self._around.idle.forget()  # what we have just fetched is no reason to call the device busy
        while True:
            if installer.flashes or installer.restarts:
                await self._around.session.ended()
            transfer, now = self._records.queue.transfer(transfer_id), self._clock()
            if not transfer.windows:
                return
            if transfer.open_window(now) is None:
                raise _WindowClosed
            wants_idle = transfer.waits_for(now, idle=False) == "idle"
            idle = wants_idle and self._around.idle.idle(now.boottime)
            if not transfer.waits_for(now, idle=idle):
                return
            await trio.sleep(min(_LOOK_AGAIN, transfer.time_left(now)))

    async def _install(self, transfer_id: str, installer: Installer, file: Path) -> Transfer:
        transfer = await self._records.step(transfer_id, Step.INSTALL)
        await installer.install(file, transfer)
        if installer.restarts:
            return await self._records.step(transfer_id, Step.INSTALLED, boot_id=self._clock().boot_id)
        return await self._succeed(transfer_id)

    async def _restart(self, transfer: Transfer) -> None:
        """Reboot: what was installed is in use afterwards."""
        self._log.warning("transfer %s: rebooting, its file is in use afterwards", transfer.id)
        try:
            await self._around.system.reboot()
        except Fault as fault:
            await self._records.failed(transfer, fault, self._clock())
            return
        await self._await_boot(transfer)

    async def _flash(self, transfer_id: str, image: Path) -> None:
        expected, running = version_of(image), await self._around.system.version()
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
        await self._around.system.flash(image, await self._around.settings(image.with_suffix(".settings")))
        await self._await_boot(transfer)

    async def _await_boot(self, transfer: Transfer) -> None:
        """The system goes down and ends us any moment. If it does not, nothing has come of it."""
        await trio.sleep(_BOOT_DEADLINE)
        fault = Fault(
            FaultCode.DOWNLOAD_FAILURE,
            f"the system was told to {'flash the image' if transfer.state is State.APPLYING else 'reboot'}"
            f" but went on running for {_BOOT_DEADLINE:g} s",
        )
        await self._records.failed(transfer, fault, self._clock())

    async def _decide(self, transfer: Transfer) -> None:
        """The first start after the boot that was to bring the new firmware."""
        try:
            version = await self._running_version()
        except Fault as fault:
            await self._records.failed(transfer, fault, self._clock())
            return
        if (failure := transfer.outcome(version)) is not None:
            await self._records.failed(transfer, failure, self._clock())
            return
        self._log.info("transfer %s: %s runs, was %s", transfer.id, version, transfer.version_before)
        await self._succeed(transfer.id)

    async def _running_version(self) -> str:
        """As `System.version`; at boot procd may have a while to go until it answers."""
        for _ in range(_VERSION_ATTEMPTS):
            try:
                return await self._around.system.version()
            except Fault as fault:
                self._log.warning("%s", fault.text)
                await trio.sleep(_RETRY)
        return await self._around.system.version()

    # Uploads

    async def _upload(self, transfer: Transfer) -> None:
        if transfer.delay:
            await self._around.session.ended()
        file = self._around.storage.path(transfer.id)
        await self._begin(transfer, Step.SEND)
        await (await self._around.types.producer(transfer.file_type))(file)
        self._log.info("transfer %s: sending to %s", transfer.id, _shown(transfer.url))
        target = Place(transfer.url, transfer.username, transfer.password)
        size = await push(file, target, self._around.make_means(self.progress.moved))
        await self._succeed(transfer.id, size)

    # Steps

    async def _begin(self, transfer: Transfer, step: Step) -> None:
        now = self._clock()
        window = transfer.open_window(now)
        changed = {} if window in {None, transfer.window} else {"window": window, "tries": 0}
        await self._records.step(
            transfer.id,
            step,
            attempts=transfer.attempts + 1,
            start_time=transfer.start_time or now.wall,
            **changed,
        )

    async def _succeed(self, transfer_id: str, size: int | None = None) -> Transfer:
        changes = {} if size is None else {"file_size": size}
        found = await self._records.step(
            transfer_id, Step.SUCCEED, complete_time=self._clock().wall, **changes
        )
        self._log.info("transfer %s is complete", transfer_id)
        return found


def _shown(url: str) -> str:
    """A URL without its query, which may carry a token."""
    return url.partition("?")[0]


def real_clock(boot_id: str) -> Clock:
    """The clocks of this machine."""
    return lambda: Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), boot_id)
