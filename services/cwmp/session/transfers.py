"""Transfers whose end the ACS has to learn of: kept by the firmware service, reported by the session.

The ACS learns by 7 TRANSFER COMPLETE and an M event in the Inform and a TransferComplete for each. That it has
answered one is written down here first and then told to the firmware service: it never comes again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from cwmp.contract import Empty, Fault
from cwmp.contract import firmware as fw
from cwmp.runtime import Peers
from cwmp.session import soap
from cwmp.session.engine import CpeRequest
from cwmp.session.events import RULES, TRANSFER_COMPLETE, Event
from cwmp.session.journal import Journal

_DEADLINE = 10.0
_FAULT_CODES = frozenset({0, 9001, 9002, *range(9010, 9013), *range(9014, 9021)})
"""What FaultStruct may say (A.3.3.2, without 9013); vendor codes apart."""


class Transfers:
    """What is to be reported. `arrived` is called when there is something new."""

    def __init__(
        self, peers: Peers, journal: Journal, log: logging.Logger, arrived: Callable[[], None]
    ) -> None:
        self._peers = peers
        self._journal = journal
        self._log = log
        self._arrived = arrived
        self._completed: list[fw.CompletedTransfer] = []
        self._changed = trio.Event()
        self._lock = trio.Lock()

    def __len__(self) -> int:
        return len(self.reportable())

    def changed(self) -> None:
        """The firmware service has something to tell, or has come up."""
        self._changed.set()

    async def run(self) -> None:
        """Keep up with the firmware service; runs until it is cancelled."""
        while True:
            self._changed = trio.Event()
            await self.refresh()
            await self._changed.wait()

    def reportable(self) -> list[fw.CompletedTransfer]:
        """Oldest first; none while results of an earlier ACS are waiting to be discarded."""
        if self._journal.discard_transfers:
            return []
        return [t for t in self._completed if t.id not in self._journal.confirmed]

    def events(self) -> list[Event]:
        """7 TRANSFER COMPLETE and the M events (3.7.1.5)."""
        found = [Event(f"M {t.method}", t.command_key) for t in self.reportable() if f"M {t.method}" in RULES]
        return [Event(TRANSFER_COMPLETE), *found] if found else []

    def requests(self) -> list[CpeRequest]:
        """A TransferComplete each; its token is the transfer's id."""
        return [CpeRequest(_transfer_complete(t), t.id) for t in self.reportable()]

    async def confirmed(self, transfer_id: str) -> None:
        """TransferCompleteResponse has come; on return that is durable."""
        self._journal.transfer_confirmed(transfer_id)
        async with self._lock:  # a list being fetched right now may still have it
            if transfer_id in self._journal.confirmed:
                await self._settle(transfer_id)

    async def refresh(self) -> bool:
        """Ask what has completed; whether the firmware service answered. Settles what was left open."""
        async with self._lock:
            try:
                reply = await self._peers.request(fw.GET_COMPLETED, Empty(), deadline=_DEADLINE)
            except Fault as fault:
                self._log.debug("completed transfers are not known: %s", fault.text)
                return False
            known = {t.id for t in self._completed}
            self._completed = reply.transfers
            if self._journal.discard_transfers and not await self._discard():
                return False
            for transfer_id in list(self._journal.confirmed):
                await self._settle(transfer_id)
            if any(t.id not in known for t in self.reportable()):
                self._arrived()
            return True

    async def ready_for_download(self) -> None:
        """What an earlier ACS ordered must be gone before this one orders something: raises a Fault 9002 else."""
        if self._journal.discard_transfers and not await self.refresh():
            raise Fault(9002, "the firmware service does not answer")

    async def _discard(self) -> bool:
        """BOOTSTRAP discards undelivered results (3.7.1.5)."""
        for transfer in self._completed:
            if not await self._settle(transfer.id):
                return False
        self._completed = []
        self._journal.transfers_discarded()
        return True

    async def _settle(self, transfer_id: str) -> bool:
        try:
            await self._peers.request(fw.ACKNOWLEDGE, fw.TransferId(transfer_id), deadline=_DEADLINE)
        except Fault as fault:
            self._log.warning("firmware does not take note of a confirmed transfer yet: %s", fault.text)
            return False
        if transfer_id in self._journal.confirmed:
            self._journal.transfer_settled(transfer_id)
        self._completed = [t for t in self._completed if t.id != transfer_id]
        return True


def _transfer_complete(transfer: fw.CompletedTransfer) -> soap.TransferComplete:
    code = transfer.fault_code
    allowed = code in _FAULT_CODES or 9033 <= code <= 9899
    return soap.TransferComplete(
        transfer.command_key,
        code if allowed else 9002,
        transfer.fault_string,
        transfer.start_time,
        transfer.complete_time,
    )
