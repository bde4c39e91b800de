"""Results that another service keeps until the ACS has them: ends of transfers, changes of software modules.

That the ACS has answered one is written down here first and then told to its owner: it never comes again. What
BOOTSTRAP discards (TR-069a6 3.7.1.5) is settled with its owner likewise, and before that is done nothing new is
ordered: it could be taken for something old.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.session.journal import Journal, Owed


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=_Identified)


class Results(Generic[R]):
    """Those of one kind. `ask` gives what their owner has, `settle` makes it forget one; both raise Fault.

    `arrived` is called when there is something new to report.
    """

    def __init__(
        self,
        journal: Journal,
        owed: Owed,
        ask: Callable[[], Awaitable[Sequence[R]]],
        settle: Callable[[str], Awaitable[object]],
        log: logging.Logger,
        arrived: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._owed = owed
        self._ask = ask
        self._settle_there = settle
        self._log = log
        self._arrived = arrived
        self._known: list[R] = []
        self._changed = trio.Event()
        self._lock = trio.Lock()

    def changed(self) -> None:
        """Their owner has something to tell, or has come up."""
        self._changed.set()

    async def run(self) -> None:
        """Keep up with their owner; runs until it is cancelled."""
        while True:
            self._changed = trio.Event()
            await self.refresh()
            await self._changed.wait()

    def reportable(self) -> list[R]:
        """Oldest first; none while those of an earlier ACS are waiting to be discarded."""
        if self._owed.discard:
            return []
        return [r for r in self._known if r.id not in self._owed.confirmed]

    async def confirmed(self, result_id: str) -> None:
        """The ACS has answered; on return that is durable."""
        self._journal.confirmed(self._owed, result_id)
        async with self._lock:  # a list being fetched right now may still have it
            if result_id in self._owed.confirmed:
                await self._settle(result_id)

    async def refresh(self) -> bool:
        """Ask what there is; whether the owner answered. Settles what was left open."""
        async with self._lock:
            try:
                found = list(await self._ask())
            except Fault as fault:
                if fault.code != FaultCode.METHOD_NOT_SUPPORTED:
                    self._log.debug("results are not known: %s", fault.text)
                    return False
                found = []  # one that has no such results
            known = {r.id for r in self._known}
            self._known = found
            if self._owed.discard and not await self._discard():
                return False
            for result_id in list(self._owed.confirmed):
                await self._settle(result_id)
            if any(r.id not in known for r in self.reportable()):
                self._arrived()
            return True

    async def ready(self) -> bool:
        """Whether nothing of an earlier ACS is left, so that this one may order something."""
        return not self._owed.discard or await self.refresh()

    async def _discard(self) -> bool:
        for result in self._known:
            if not await self._settle(result.id):
                return False
        self._known = []
        self._journal.discarded(self._owed)
        return True

    async def _settle(self, result_id: str) -> bool:
        try:
            await self._settle_there(result_id)
        except Fault as fault:
            self._log.warning("a result that is confirmed is not taken note of yet: %s", fault.text)
            return False
        if result_id in self._owed.confirmed:
            self._journal.settled(self._owed, result_id)
        self._known = [r for r in self._known if r.id != result_id]
        return True
