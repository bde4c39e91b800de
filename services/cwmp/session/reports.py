"""What the ACS learns by a request of its own, beside the Inform (TR-069a6 3.7.1.5 and A.3.3, A.4.2).

| event                        | request                          | kept by                    |
|------------------------------|----------------------------------|----------------------------|
| 7 with M Download, M Upload, | TransferComplete                 | firmware, until we say so  |
| M ScheduleDownload           |                                  |                            |
| 9                            | RequestDownload                  | the journal                |
| 10                           | AutonomousTransferComplete       | firmware                   |
| 11 with M ChangeDUState      | DUStateChangeComplete            | firmware                   |
| 12                           | AutonomousDUStateChangeComplete  | firmware                   |

An event is in each Inform until the response to its request has come. A fault of the ACS leaves it for a later
session, except for a RequestDownload: that was a question, and a fault is an answer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import trio

from cwmp.contract import Empty, Fault, FaultCode
from cwmp.contract import firmware as fw
from cwmp.contract.session import RequestDownload
from cwmp.runtime import Peers
from cwmp.session import events as ev
from cwmp.session import soap
from cwmp.session.engine import CpeRequest
from cwmp.session.events import Event
from cwmp.session.journal import MAX_WISHES, Journal, Wish
from cwmp.session.results import Results

_DEADLINE = 10.0
_TRANSFER_FAULTS = frozenset({0, 9001, 9002, *range(9010, 9013), *range(9014, 9021)})
"""What FaultStruct may say (A.3.3.2, without 9013); those of extensions and vendors apart."""
_MODULE_FAULTS = frozenset({0, 9001, 9003, 9012, 9013, *range(9015, 9019), *range(9022, 9033)})
"""What the Fault of an OpResultStruct may say (A.3.3.3); likewise."""
_FILE_TYPE = re.compile(r"[1-5] [A-Z]\w+( \S+)*|X \S+ .+")
_MAX_ARGUMENTS = 16


class Reports:
    """All of it. `arrived` is called with an event's code when there is something new.

    `transfers` and `changes` are the results the firmware service keeps; what it tells of them is told to those.
    """

    def __init__(
        self, peers: Peers, journal: Journal, log: logging.Logger, arrived: Callable[[str], None]
    ) -> None:
        self._journal = journal
        self._arrived = arrived

        async def completed() -> Sequence[fw.CompletedTransfer]:
            return (await peers.request(fw.GET_COMPLETED, Empty(), deadline=_DEADLINE)).transfers

        async def settle_transfer(result_id: str) -> None:
            await peers.request(fw.ACKNOWLEDGE, fw.TransferId(result_id), deadline=_DEADLINE)

        async def changes() -> Sequence[fw.DUStateChange]:
            return (await peers.request(fw.GET_DU_CHANGES, Empty(), deadline=_DEADLINE)).changes

        async def settle_change(result_id: str) -> None:
            await peers.request(fw.ACKNOWLEDGE_DU_CHANGE, fw.ChangeId(result_id), deadline=_DEADLINE)

        self.transfers: Results[fw.CompletedTransfer] = Results(
            journal, journal.transfers, completed, settle_transfer, log, self._new_transfer
        )
        self.changes: Results[fw.DUStateChange] = Results(
            journal, journal.changes, changes, settle_change, log, self._new_change
        )

    async def run(self) -> None:
        """Keep up with the firmware service; runs until it is cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.transfers.run)
            nursery.start_soon(self.changes.run)

    def changed(self) -> None:
        """The firmware service has come up, or what is there is to be discarded."""
        self.transfers.changed()
        self.changes.changed()

    def events(self) -> list[Event]:
        """Those of all that is to be reported."""
        found = []
        transfers, changes = self.transfers.reportable(), self.changes.reportable()
        if asked := [Event(f"M {t.method}", t.command_key) for t in transfers if not t.autonomous]:
            found += [Event(ev.TRANSFER_COMPLETE), *(e for e in asked if e.code in ev.RULES)]
        if self._journal.wishes:
            found.append(Event(ev.REQUEST_DOWNLOAD))
        if any(t.autonomous for t in transfers):
            found.append(Event(ev.AUTONOMOUS_TRANSFER_COMPLETE))
        if ordered := [Event(ev.M_CHANGE_DU_STATE, c.command_key) for c in changes if not c.autonomous]:
            found += [Event(ev.DU_STATE_CHANGE_COMPLETE), *ordered]
        if any(c.autonomous for c in changes):
            found.append(Event(ev.AUTONOMOUS_DU_STATE_CHANGE_COMPLETE))
        return found

    def requests(self) -> list[CpeRequest]:
        """One for each; their tokens tell them apart."""
        return [
            *(CpeRequest(_transfer(t), f"transfer {t.id}") for t in self.transfers.reportable()),
            *(CpeRequest(_change(c), f"change {c.id}") for c in self.changes.reportable()),
            *(CpeRequest(w.request, f"download {w.id}") for w in self._journal.wishes),
        ]

    async def confirmed(self, token: str) -> None:
        """The ACS has answered the request of that token; on return that is durable."""
        kind, _, found = token.partition(" ")
        match kind:
            case "transfer":
                await self.transfers.confirmed(found)
            case "change":
                await self.changes.confirmed(found)
            case _:
                self._journal.wish_answered(found)

    async def refused(self, token: str) -> None:
        """The ACS has answered the request of that token by a fault."""
        kind, _, found = token.partition(" ")
        if kind == "download":
            self._journal.wish_answered(found)

    async def ready_for_order(self) -> None:
        """What an earlier ACS ordered must be gone before this one orders something: raises a Fault 9002 else."""
        if not await self.transfers.ready() or not await self.changes.ready():
            raise Fault(FaultCode.INTERNAL_ERROR, "the firmware service does not answer")

    def request_download(self, request: RequestDownload, request_id: str) -> None:
        """Somebody wants the ACS to send a file; on return that is durable. Raises Fault."""
        if not _FILE_TYPE.fullmatch(request.file_type) or len(request.file_type) > 64:
            raise Fault(FaultCode.INVALID_ARGUMENTS, f"{request.file_type!r:.80} is no file type of Download")
        if len(request.names) != len(request.values) or len(request.names) > _MAX_ARGUMENTS:
            text = f"names and values are not two lists of the same length, at most {_MAX_ARGUMENTS}"
            raise Fault(FaultCode.INVALID_ARGUMENTS, text)
        if any(len(n) > 64 for n in request.names) or any(len(v) > 256 for v in request.values):
            raise Fault(
                FaultCode.INVALID_ARGUMENTS, "a name is longer than 64 characters, or a value than 256"
            )
        if not self._journal.wish(Wish(request_id, request)):
            raise Fault(
                FaultCode.RESOURCES_EXCEEDED, f"{MAX_WISHES} downloads are requested of the ACS already"
            )
        self._arrived(ev.REQUEST_DOWNLOAD)

    def _new_transfer(self) -> None:
        self._arrived(ev.TRANSFER_COMPLETE)

    def _new_change(self) -> None:
        self._arrived(ev.DU_STATE_CHANGE_COMPLETE)


def _allowed(code: int, codes: frozenset[int], otherwise: int) -> int:
    return code if code in codes or 9033 <= code <= 9899 else otherwise


def _transfer(transfer: fw.CompletedTransfer) -> soap.TransferComplete | soap.AutonomousTransferComplete:
    code = _allowed(transfer.fault_code, _TRANSFER_FAULTS, FaultCode.INTERNAL_ERROR)
    outcome = code, transfer.fault_string, transfer.start_time, transfer.complete_time
    if transfer.autonomous is not None:
        return soap.AutonomousTransferComplete(transfer.autonomous, *outcome)
    return soap.TransferComplete(transfer.command_key, *outcome)


def _change(
    change: fw.DUStateChange,
) -> soap.DUStateChangeComplete | soap.AutonomousDUStateChangeComplete:
    results = [
        replace(r, fault_code=_allowed(r.fault_code, _MODULE_FAULTS, FaultCode.REQUEST_DENIED))
        for r in change.results
    ]
    if change.autonomous:
        return soap.AutonomousDUStateChangeComplete(results)
    return soap.DUStateChangeComplete(results, change.command_key)
