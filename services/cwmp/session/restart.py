"""The device comes up anew: by Reboot or FactoryReset of the ACS, or as its parameters have planned it.

It never happens in a session, and once for any number of orders. Its owner, the firmware service, may refuse, and a
device may not come down: both are said in the log, and it is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.contract import firmware as fw
from cwmp.runtime import Runtime
from cwmp.session.journal import Journal, Reset
from cwmp.session.planned import PlannedReboot
from cwmp.session.scheduled import Moment

_VERSION = 1
_DEADLINE = 30.0
_PATIENCE = 120.0
_AGAIN = 60


class Restarts:
    """`durably` runs a change of what is on flash. Times are trio's."""

    def __init__(
        self,
        runtime: Runtime,
        journal: Journal,
        durably: Callable[[Callable[[], object]], bool],
        moment: Callable[[], Moment],
    ) -> None:
        self._peers = runtime.peers
        self._log = runtime.log
        self._journal = journal
        self._durably = durably
        self._moment = moment
        self._state = runtime.state("planned_reboot", _VERSION)
        self.planned = PlannedReboot(self._state.load(), runtime.boot_id)
        self.under_way = False
        """The order was given: no session is opened any more."""
        self._again_at = 0.0

    def plan(self, change: Callable[[PlannedReboot, Moment], None]) -> None:
        """A parameter is set. Raises Fault where that cannot be written."""
        change(self.planned, self._moment())
        if not self._durably(lambda: self._state.save(self.planned.to_document())):
            raise Fault(FaultCode.INTERNAL_ERROR, "state cannot be written")

    def session_ended(self) -> None:
        self.planned.session_ended(self._moment())

    async def step(self, now: float) -> bool:
        """Do what is due; whether there was anything."""
        if self.under_way:
            if now >= self._again_at:
                self._log.error("the device did not reboot; asked for again after the next session")
                self.under_way = False
                self._durably(self._journal.restart_failed)
            return False
        if now < self._again_at:
            return False
        if self._journal.restart_due:
            await self._as_ordered()
            return True
        if self.planned.wait(self._moment()) == 0:
            await self._as_planned()
            return True
        return False

    def until(self, now: float) -> float:
        """When to look again at the latest."""
        if self.under_way or self._journal.restart_due:
            return self._again_at
        wait = self.planned.wait(self._moment())
        return float("inf") if wait is None else max(now + wait, self._again_at)

    async def by_hand(self) -> None:
        """Raises Fault where it is refused."""
        self._log.info("rebooting, as was asked for on this device")
        await self._peers.request(fw.REBOOT, fw.Reboot(""), deadline=_DEADLINE)

    async def _as_ordered(self) -> None:
        """What Reboot (A.3.2.9) or FactoryReset (A.4.1.4) asked for, once, after the session."""
        reset = self._journal.reset is not Reset.NONE
        what = "going back to the factory defaults" if reset else "rebooting"
        self._log.info("%s, as the ACS asked for", what)
        self._again_at = trio.current_time() + _PATIENCE
        try:
            if reset:
                await self._peers.request(fw.FACTORY_RESET, fw.FactoryReset(), deadline=_DEADLINE)
                self._durably(self._journal.reset_ordered)
            else:
                key = self._journal.reboots[-1] if self._journal.reboots else ""
                await self._peers.request(fw.REBOOT, fw.Reboot(key), deadline=_DEADLINE)
        except Fault as fault:
            self._log.error("%s was refused, it will be asked for again: %s", what, fault.text)
            self._again_at = trio.current_time() + _AGAIN
        else:
            self.under_way = True

    async def _as_planned(self) -> None:
        """What is written down first is that it happened: a device must not reboot for ever."""
        self._log.info("rebooting, as planned by ScheduleReboot or DelayReboot")
        self.planned.done(self._moment())
        if not self._durably(lambda: self._state.save(self.planned.to_document())):
            return
        self._again_at = trio.current_time() + _PATIENCE
        try:
            await self._peers.request(fw.REBOOT, fw.Reboot(""), deadline=_DEADLINE)
        except Fault as fault:
            self._log.error("rebooting was refused, it will be asked for again: %s", fault.text)
            self._again_at = trio.current_time() + _AGAIN
            self.planned.postpone(_AGAIN, self._moment(), in_session=False)
        else:
            self.under_way = True
