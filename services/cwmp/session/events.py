"""The events the ACS has to learn of (TR-069a6 3.7.1.5), as a queue without I/O.

An event is put in by `raise_event`, shown to the ACS by an Inform, and taken out by `acknowledge` when the right
response has come. `RULES` says for each code whether it is single or cumulative, which response that is, and
what becomes of it when the device reboots or a session fails. Events that are confirmed by their own RPC
(7, 10, 11, 12, 9 with their M events) are not kept here but by the service that owns their results; they are
`derived` for each Inform.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

BOOTSTRAP = "0 BOOTSTRAP"
BOOT = "1 BOOT"
PERIODIC = "2 PERIODIC"
SCHEDULED = "3 SCHEDULED"
VALUE_CHANGE = "4 VALUE CHANGE"
CONNECTION_REQUEST = "6 CONNECTION REQUEST"
TRANSFER_COMPLETE = "7 TRANSFER COMPLETE"
DIAGNOSTICS_COMPLETE = "8 DIAGNOSTICS COMPLETE"
REQUEST_DOWNLOAD = "9 REQUEST DOWNLOAD"
AUTONOMOUS_TRANSFER_COMPLETE = "10 AUTONOMOUS TRANSFER COMPLETE"
DU_STATE_CHANGE_COMPLETE = "11 DU STATE CHANGE COMPLETE"
AUTONOMOUS_DU_STATE_CHANGE_COMPLETE = "12 AUTONOMOUS DU STATE CHANGE COMPLETE"
M_CHANGE_DU_STATE = "M ChangeDUState"
HEARTBEAT = "14 HEARTBEAT"
M_SCHEDULE_INFORM = "M ScheduleInform"
M_REBOOT = "M Reboot"

MAX_ENTRIES = 64
"""Of the Event array (A.3.3.1); the oldest M events make room."""


class Keep(Enum):
    """How long an undelivered event is kept."""

    ALWAYS = "until delivered"
    BOOT = "until the next reboot"
    SESSION = "for one session only"


class Ack(Enum):
    """What proves that an event was delivered."""

    INFORM = "InformResponse"
    TRANSFER_COMPLETE = "TransferCompleteResponse"
    AUTONOMOUS_TRANSFER_COMPLETE = "AutonomousTransferCompleteResponse"
    DU_STATE_CHANGE_COMPLETE = "DUStateChangeCompleteResponse"
    AUTONOMOUS_DU_STATE_CHANGE_COMPLETE = "AutonomousDUStateChangeCompleteResponse"
    REQUEST_DOWNLOAD = "RequestDownloadResponse"


@dataclass(frozen=True, slots=True)
class Rule:
    """`since` is the CWMP minor version that knows the code."""

    multiple: bool
    ack: Ack
    keep: Keep
    since: int = 0


RULES: Mapping[str, Rule] = {
    BOOTSTRAP: Rule(False, Ack.INFORM, Keep.ALWAYS),
    BOOT: Rule(False, Ack.INFORM, Keep.BOOT),
    PERIODIC: Rule(False, Ack.INFORM, Keep.ALWAYS),
    SCHEDULED: Rule(False, Ack.INFORM, Keep.ALWAYS),
    VALUE_CHANGE: Rule(False, Ack.INFORM, Keep.BOOT),
    CONNECTION_REQUEST: Rule(False, Ack.INFORM, Keep.SESSION),
    TRANSFER_COMPLETE: Rule(False, Ack.TRANSFER_COMPLETE, Keep.ALWAYS),
    DIAGNOSTICS_COMPLETE: Rule(False, Ack.INFORM, Keep.BOOT),
    REQUEST_DOWNLOAD: Rule(False, Ack.REQUEST_DOWNLOAD, Keep.ALWAYS),
    AUTONOMOUS_TRANSFER_COMPLETE: Rule(False, Ack.AUTONOMOUS_TRANSFER_COMPLETE, Keep.ALWAYS, 1),
    DU_STATE_CHANGE_COMPLETE: Rule(False, Ack.DU_STATE_CHANGE_COMPLETE, Keep.ALWAYS, 2),
    AUTONOMOUS_DU_STATE_CHANGE_COMPLETE: Rule(False, Ack.AUTONOMOUS_DU_STATE_CHANGE_COMPLETE, Keep.ALWAYS, 2),
    "13 WAKEUP": Rule(False, Ack.INFORM, Keep.BOOT, 4),
    HEARTBEAT: Rule(False, Ack.INFORM, Keep.BOOT, 4),
    M_REBOOT: Rule(True, Ack.INFORM, Keep.ALWAYS),
    M_SCHEDULE_INFORM: Rule(True, Ack.INFORM, Keep.ALWAYS),
    "M Download": Rule(True, Ack.TRANSFER_COMPLETE, Keep.ALWAYS),
    "M ScheduleDownload": Rule(True, Ack.TRANSFER_COMPLETE, Keep.ALWAYS, 2),
    "M Upload": Rule(True, Ack.TRANSFER_COMPLETE, Keep.ALWAYS),
    M_CHANGE_DU_STATE: Rule(True, Ack.DU_STATE_CHANGE_COMPLETE, Keep.ALWAYS, 2),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the Event array."""

    code: str
    command_key: str = ""

    @property
    def rule(self) -> Rule:
        return RULES[self.code]


class EventQueue:
    """What is not delivered yet, oldest first."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._events: list[Event] = []
        self._again: set[Event] = set()
        self._in_flight = False
        for event in events:
            if event.code in RULES:
                self.raise_event(event)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Any:
        return iter(tuple(self._events))

    def __contains__(self, code: str) -> bool:
        return any(e.code == code for e in self._events)

    def raise_event(self, event: Event) -> None:
        """Put an event in. A single one is there at most once; BOOTSTRAP discards all others (3.7.1.5)."""
        rule = RULES[event.code]
        if event.code == BOOTSTRAP:
            self._events = [e for e in self._events if e == event]
        if not rule.multiple:
            if self._in_flight:
                self._again.add(event)
            if event in self._events:
                return
        self._events.append(event)
        self._events = _bounded(self._events)

    def drop(self, code: str) -> None:
        """What the event tells has been told meanwhile, or is not so any more."""
        self._events = [e for e in self._events if e.code != code]

    def sending(self) -> None:
        """An Inform is on its way: an event raised from here on is another one, though it looks the same."""
        self._in_flight = True
        self._again.clear()

    def acknowledge(self, sent: Iterable[Event]) -> None:
        """InformResponse has come for an Inform with these. Those that need an RPC of their own stay."""
        for event in sent:
            if event.rule.ack is Ack.INFORM and event in self._events and event not in self._again:
                self._events.remove(event)
        self._again.clear()
        self._in_flight = False

    def session_ended(self, sent: Iterable[Event]) -> None:
        """The session whose Inform said `sent` is over: what is never retried is discarded."""
        gone = {e for e in sent if e.rule.keep is Keep.SESSION}
        self._events = [e for e in self._events if e not in gone]

    def rebooted(self, reboot_keys: Iterable[str] = ()) -> None:
        """The device came up: 1 BOOT, and an M Reboot for each Reboot RPC that asked for it."""
        self._events = [e for e in self._events if e.rule.keep is Keep.ALWAYS]
        self.raise_event(Event(BOOT))
        for key in reboot_keys:
            self.raise_event(Event(M_REBOOT, key))

    def for_inform(self, derived: Sequence[Event] = (), *, version: str = "1.4") -> list[Event]:
        """What an Inform says now: the queue, the events others derive, at most 64, none `version` lacks.

        A heartbeat is alone in its Inform, all else waits for the next one (Annex O).
        """
        minor = int(version.partition(".")[2])
        if HEARTBEAT in self and RULES[HEARTBEAT].since <= minor:
            return [Event(HEARTBEAT)]
        events = list(self._events)
        for event in derived:
            if event.rule.multiple or event not in events:
                events.append(event)
        return _bounded([e for e in events if e.rule.since <= minor])

    def to_list(self) -> list[list[str]]:
        """As JSON: ``[code, command key]`` each. What lives for one session only is left out."""
        return [[e.code, e.command_key] for e in self._events if e.rule.keep is not Keep.SESSION]

    @classmethod
    def from_list(cls, items: Any) -> EventQueue:
        """The queue `to_list` gave; what is not one of its entries is left out."""
        return cls(
            Event(item[0], item[1])
            for item in (items if isinstance(items, list) else [])
            if isinstance(item, list) and len(item) == 2 and all(isinstance(i, str) for i in item)
        )


def _bounded(events: list[Event]) -> list[Event]:
    """At most `MAX_ENTRIES`: the oldest cumulative events give way."""
    surplus = len(events) - MAX_ENTRIES
    kept = []
    for event in events:
        if surplus > 0 and event.rule.multiple:
            surplus -= 1
        else:
            kept.append(event)
    return kept
