"""The rollback guard: a change that cuts the router off its ACS does not last.

Theory of operation
-------------------
    nothing --(the ACS changes something network-affecting)--> noted --(the session ends)--> armed
    armed   --(daemons told, time to settle, then the ACS answers an Inform)--> nothing
    armed   --(`rollback_timeout` seconds without that)--> taken back --> nothing

What is noted is in the transaction of the change (undo.py). So it outlives a restart and a reboot, which both arm
it anew: the ACS has `rollback_timeout` from there. An Inform answered before the daemons had time to act proves
nothing; so when they had, a session is asked for, as a periodic one. Taken back is one transaction too: UCI,
ParameterKey, instance numbers and attributes of rows that were deleted. The ACS hears of it by 4 VALUE CHANGE, with
its old ParameterKey. Only changes of the ACS are guarded: who makes a local one is there to see what it does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from cwmp.contract import Fault
from cwmp.contract.session import RAISE_EVENT, RaiseEvent
from cwmp.datamodel.announcing import Announcer
from cwmp.datamodel.journal import Journal
from cwmp.datamodel.snapshot import committed
from cwmp.datamodel.undo import changes_back
from cwmp.datamodel.writing import Writer
from cwmp.runtime import Config, Peers
from ubuskit.uci import Package, PackageNotFound, Uci, UciError

_SETTLE = 10.0
_AGAIN = 30.0
_DEADLINE = 20.0


class Guard:
    """Watches the time, and takes back."""

    def __init__(
        self,
        journal: Journal,
        announcer: Announcer,
        writer: Writer,
        uci: Uci,
        peers: Peers,
        config: Callable[[], Config],
        log: logging.Logger,
    ) -> None:
        self._journal = journal
        self._announcer = announcer
        self._writer = writer
        self._uci = committed(uci)
        self._peers = peers
        self._config = config
        self._log = log
        self._armed_at: float | None = None
        self._timeout = 0
        self._counts_from = self._ask_at = float("inf")
        self._wake = trio.Event()

    @property
    def remaining(self) -> float | None:
        """Seconds until it takes back; None where it has nothing to watch."""
        if self._armed_at is None or not self._journal.undo:
            return None
        return max(self._armed_at + self._timeout - trio.current_time(), 0.0)

    def session_ended(self, *, applied: bool) -> None:
        """A session is over; `applied`: what it changed is applied now."""
        if self._journal.undo and (applied or self._armed_at is None):
            self._timeout = self._config().rollback_timeout
            self._armed_at = trio.current_time()
            if self._journal.now:
                self._counts_from = self._ask_at = float("inf")
            else:  # we have just started: what was changed is in force already
                self._counts_from = self._armed_at
                self._ask_at = self._armed_at + self._settle
            self._log.info(
                "the ACS has to be reached within %d s, or %s will be as before",
                self._timeout,
                ", ".join(self._journal.undo.packages),
            )
            self._wake.set()

    def told(self) -> None:
        """Some daemon was told of its configuration."""
        self._wake.set()

    def informed(self) -> None:
        """The ACS has answered an Inform."""
        if self._armed_at is not None and trio.current_time() >= self._counts_from:
            self._log.info("the ACS was reached with its changes: they stay")
            self._forget()

    @property
    def _settle(self) -> float:
        return min(_SETTLE, self._timeout / 4)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            wake = self._wake = trio.Event()
            until = float("inf")
            if self._armed_at is not None:
                until = await self._step(self._armed_at + self._timeout)
            with trio.move_on_at(until):
                await wake.wait()

    async def _step(self, deadline: float) -> float:
        """Do what is due; when to look again."""
        now = trio.current_time()
        config = self._config()
        if not (config.enable and config.acs_url and config.rollback_timeout):
            self._log.info("nobody is going to reach the ACS, or it need not be: what it changed stays")
            self._forget()
            return float("inf")
        if now >= deadline:
            await self._take_back()
            return float("inf") if self._armed_at is None else trio.current_time() + _AGAIN
        if self._ask_at == float("inf") and not self._journal.now:
            self._counts_from = self._ask_at = now + self._settle
        if now >= self._ask_at:
            self._ask_at = deadline
            if not self._announcer.session_open:
                await self._ask()
        return min(self._ask_at, deadline)

    async def _ask(self) -> None:
        try:
            await self._peers.request(RAISE_EVENT, RaiseEvent("2 PERIODIC"), deadline=_DEADLINE)
        except Fault as fault:
            self._log.warning("no session can be asked for: %s", fault.text)

    async def _take_back(self) -> None:
        undo = self._journal.undo
        names = undo.packages
        self._log.error(
            "the ACS was not reached for %d s after its changes of %s: they are taken back",
            self._timeout,
            ", ".join(names),
        )
        try:
            async with self._writer.turn:
                changes, left = changes_back(undo, {name: self._load(name) for name in names})
                self._writer.take_back(changes)
        except (Fault, UciError, OSError) as error:
            self._log.error("the former configuration could not be restored, trying again: %s", error)
            return
        self._armed_at = None
        for what in left:
            self._log.warning("%s stays: it was changed by somebody else meanwhile", what)
        self._announcer.restored(list(changes))
        try:
            await self._peers.request(RAISE_EVENT, RaiseEvent("4 VALUE CHANGE"), deadline=_DEADLINE)
        except Fault as fault:
            self._log.warning("no session can be asked for: %s", fault.text)

    def _load(self, name: str) -> Package | None:
        try:
            return self._uci.load(name)
        except PackageNotFound:
            return None

    def _forget(self) -> None:
        self._armed_at = None
        if self._journal.undo:
            self._journal.undo.clear()
            try:
                self._journal.save_undo()
            except Fault as fault:
                self._log.error("%s", fault.text)
