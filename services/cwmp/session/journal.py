"""What the session service must still know after kill -9 or a power cut.

One document on flash: the events not delivered, RetryCount, for which URL and device BOOTSTRAP was raised, the
Reboots, the FactoryReset and the Informs asked for, the results the ACS confirmed, the downloads to request of
it. Every change that matters is one write, and nothing is acknowledged, replied or acted upon before it (DESIGN
sections 9 and 12).

Flash wears, and a periodic Inform every few minutes must not wear it: "2 PERIODIC" is kept in the volatile
directory (it survives kill -9) until a session has failed with it; then it goes to flash like any other. So is
the mark that a session is open: one that kill -9 cut off has failed and is repeated (3.2.1.1), while a reboot
makes a session due by itself.
"6 CONNECTION REQUEST" is never retried and so is kept nowhere.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from cwmp.contract import MessageError, from_table, to_table
from cwmp.contract.session import RequestDownload
from cwmp.runtime import StateFile
from cwmp.session.events import (
    BOOT,
    BOOTSTRAP,
    HEARTBEAT,
    M_SCHEDULE_INFORM,
    PERIODIC,
    SCHEDULED,
    Event,
    EventQueue,
)
from cwmp.session.scheduled import Moment, ScheduledInforms

VERSION = 1
MAX_WISHES = 8


class Reset(Enum):
    """How far a FactoryReset is (A.4.1.4). What it forgets is this journal, too: the last one is seen only where
    that came out otherwise."""

    NONE = ""
    ASKED = "asked"
    DUE = "due"
    ORDERED = "ordered"


_RESETS = {reset.value for reset in Reset}


@dataclass(slots=True)
class Owed:
    """Results of one kind that another service keeps until the ACS has them."""

    confirmed: list[str] = field(default_factory=list)
    """Ids that the ACS has answered, but their owner does not know."""
    discard: bool = False
    """BOOTSTRAP was raised: what is there is not for the new ACS (3.7.1.5)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A RequestDownload that the ACS has not answered; `id` is that of whoever asked for it."""

    id: str
    request: RequestDownload


class Journal:
    """Loaded at start; every method that changes something is durable when it returns."""

    def __init__(self, flash: StateFile, volatile: StateFile) -> None:
        self._flash = flash
        self._volatile = volatile
        document = flash.load()
        self.queue = EventQueue.from_list(document.get("events", []))
        self.retry_count: int = _get(document, "retry_count", int, 0)
        """Attempts to repeat the session that failed last; for the Inform (A.3.3.1). Reboots do not clear it."""
        self.boot_id: str = _get(document, "boot_id", str, "")
        self.acs_url: str = _get(document, "acs_url", str, "")
        """For which URL BOOTSTRAP was raised; empty before the first."""
        self.device: str = _get(document, "device", str, "")
        """OUI, ProductClass and SerialNumber the ACS knows us by; written with the next change."""
        self.reboots: list[str] = _strings(document, "reboots")
        """CommandKeys of Reboots that were answered but have not happened."""
        self.reboot_due: bool = _get(document, "reboot_due", bool, False)
        """The session after which to reboot has ended."""
        self.reset = (
            Reset(_get(document, "reset", str, ""))
            if _get(document, "reset", str, "") in _RESETS
            else Reset.NONE
        )
        """The FactoryReset asked for."""
        self.transfers = Owed(
            _strings(document, "confirmed"), _get(document, "discard_transfers", bool, False)
        )
        """Transfers that are complete; change it by the methods below."""
        self.changes = Owed(
            _strings(document, "confirmed_changes"), _get(document, "discard_changes", bool, False)
        )
        """Changes of software modules; likewise."""
        self.wishes: list[Wish] = _wishes(document.get("wishes"))
        """Downloads to request of the ACS, oldest first."""
        self.scheduled = ScheduledInforms.from_list(document.get("scheduled"))
        """Informs asked for by ScheduleInform that are not due yet; change them by the methods below."""
        self._periodic_on_flash = PERIODIC in self.queue
        found = volatile.load()
        if "periodic" in found:
            self.queue.raise_event(Event(PERIODIC))
        if "heartbeat" in found:
            self.queue.raise_event(Event(HEARTBEAT))
        self.open: bool = "open" in found
        """A session is open; at start: one was cut off when the service was killed."""

    def booted(self, boot_id: str) -> bool:
        """The service starts under this boot id; whether the device has come up since it last ran."""
        if boot_id == self.boot_id:
            return False
        self.boot_id = boot_id
        if self.reset is Reset.ORDERED:
            self._clear()
        self.queue.rebooted(self.reboots)
        self.reboots = []
        self.reboot_due = False
        self.scheduled.booted(boot_id)
        self._save()
        return True

    def bootstrap(self, *, acs_url: str, device: str, keep_boot: bool) -> None:
        """First contact with this ACS, or as this device: 0 BOOTSTRAP, all else undelivered is discarded.

        `keep_boot` says that the device came up just before: 1 BOOT goes into the same Inform then.
        """
        boot = keep_boot and BOOT in self.queue
        self.queue.raise_event(Event(BOOTSTRAP))
        if boot:
            self.queue.raise_event(Event(BOOT))
        self.acs_url = acs_url
        self.device = device
        self.transfers.discard = self.changes.discard = True
        self.wishes = []
        self._save()

    def forget(self) -> None:
        """As after a factory reset, but for settled results: the next session is the first with any ACS."""
        self._clear()
        self._save()

    def _clear(self) -> None:
        self.queue = EventQueue()
        self.retry_count = 0
        self.acs_url = self.device = ""
        self.reboots = []
        self.reboot_due = False
        self.reset = Reset.NONE
        self.wishes = []
        self.scheduled = ScheduledInforms()

    def raise_events(self, events: Iterable[Event]) -> None:
        for event in events:
            self.queue.raise_event(event)
        self._save()

    def withdrawn(self, code: str) -> None:
        """There is nothing to tell by this event any more."""
        self.queue.drop(code)
        self._save()

    def inform_scheduled(self, delay: int, command_key: str, now: Moment) -> bool:
        """ScheduleInform asks for an Inform in `delay` seconds; False when there are too many."""
        with self._promise():
            return self.scheduled.add(delay, command_key, now)

    def informs_due(self, now: Moment) -> None:
        """Make events of the scheduled Informs that are due."""
        keys = self.scheduled.due(now)
        if keys:
            self.queue.raise_event(Event(SCHEDULED))
            for key in keys:
                self.queue.raise_event(Event(M_SCHEDULE_INFORM, key))
            self._save()

    def reboot_asked(self, command_key: str) -> None:
        with self._promise():
            self.reboots = [*self.reboots, command_key][-64:]

    def restart_failed(self) -> None:
        """The device did not come down: asked for again after the next session that ends well."""
        self.reboot_due = False
        self.reset = Reset.ASKED if self.reset is not Reset.NONE else Reset.NONE
        self._save()

    @property
    def restart_due(self) -> bool:
        """The session has ended after which the device is to come up anew, by Reboot or by FactoryReset."""
        return self.reboot_due or self.reset in {Reset.DUE, Reset.ORDERED}

    def reset_asked(self) -> None:
        with self._promise():
            self.reset = Reset.ASKED

    def reset_ordered(self) -> None:
        """Its owner has taken the order: it happens, whatever becomes of us."""
        self.reset = Reset.ORDERED
        self._save()

    def informed(self, sent: Iterable[Event]) -> None:
        """InformResponse has come for an Inform with these events."""
        self.queue.acknowledge(sent)
        self._save()

    def confirmed(self, owed: Owed, result_id: str) -> None:
        """The ACS has answered the request that reports this result."""
        owed.confirmed = [*owed.confirmed, result_id][-64:]
        self._save()

    def settled(self, owed: Owed, result_id: str) -> None:
        """Its owner knows that it is confirmed."""
        owed.confirmed = [i for i in owed.confirmed if i != result_id]
        self._save()

    def discarded(self, owed: Owed) -> None:
        """What was there for an earlier ACS is gone."""
        owed.discard = False
        self._save()

    def wish(self, wish: Wish) -> bool:
        """A download is to be requested; False when there are too many. The same `id` counts once."""
        if any(w.id == wish.id for w in self.wishes):
            return True
        if len(self.wishes) >= MAX_WISHES:
            return False
        with self._promise():
            self.wishes = [*self.wishes, wish]
        return True

    def wish_answered(self, wish_id: str) -> None:
        self.wishes = [w for w in self.wishes if w.id != wish_id]
        self._save()

    def session_began(self) -> None:
        """A session opens now. One that was cut off counts as failed, and this one as its repetition."""
        if self.open:
            self.retry_count = min(self.retry_count + 1, 0xFFFFFFFF)
        self.open = True
        self._save()

    def session_given_up(self) -> None:
        """The session that began came to nothing: there was no Inform to send."""
        self.open = False
        self._save()

    def session_ended(self, sent: Iterable[Event], *, success: bool) -> None:
        """The session for `sent` is over: RetryCount counts failures, a success makes restarts due."""
        self.open = False
        if success:
            self.retry_count = 0
            self.queue.drop(HEARTBEAT)  # told, or the ACS is one that knows no heartbeat
            self.reboot_due = bool(self.reboots)
            self.reset = Reset.DUE if self.reset is Reset.ASKED else self.reset
        else:
            self.retry_count = min(self.retry_count + 1, 0xFFFFFFFF)
            self._periodic_on_flash = True
        self.queue.session_ended(sent)
        self._save()

    @contextlib.contextmanager
    def _promise(self) -> Iterator[None]:
        """For what is refused to whoever asked when the flash does not take it: then it is undone here, too."""
        reboots, reset, wishes, scheduled = (
            self.reboots,
            self.reset,
            self.wishes,
            copy.deepcopy(self.scheduled),
        )
        try:
            yield
            self._save()
        except OSError:
            self.reboots, self.reset, self.wishes, self.scheduled = reboots, reset, wishes, scheduled
            raise

    def _save(self) -> None:
        periodic = PERIODIC in self.queue
        self._periodic_on_flash = self._periodic_on_flash and periodic
        volatile = {HEARTBEAT} if self._periodic_on_flash else {HEARTBEAT, PERIODIC}
        events = [e for e in self.queue.to_list() if e[0] not in volatile]
        document: dict[str, Any] = {
            "events": events,
            "retry_count": self.retry_count,
            "boot_id": self.boot_id,
            "acs_url": self.acs_url,
            "device": self.device,
            "reboots": self.reboots,
            "reboot_due": self.reboot_due,
            "reset": self.reset.value,
            "discard_transfers": self.transfers.discard,
            "confirmed": self.transfers.confirmed,
            "discard_changes": self.changes.discard,
            "confirmed_changes": self.changes.confirmed,
            "wishes": [[w.id, to_table(w.request)] for w in self.wishes],
            "scheduled": self.scheduled.to_list(),
        }
        self._flash.save(document)
        kept = {
            "periodic": periodic and not self._periodic_on_flash,
            "heartbeat": HEARTBEAT in self.queue,
            "open": self.open,
        }
        self._volatile.save({name: True for name, kept_now in kept.items() if kept_now})


def _get(document: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    value = document.get(key, default)
    return value if type(value) is kind else default


def _strings(document: dict[str, Any], key: str) -> list[str]:
    return [item for item in _get(document, key, list, []) if isinstance(item, str)]


def _wishes(items: Any) -> list[Wish]:
    """What `_save` wrote; what is not one of its entries is left out."""
    found = []
    for item in items if isinstance(items, list) else []:
        match item:
            case [str() as wish_id, dict() as table]:
                with contextlib.suppress(MessageError):
                    found.append(Wish(wish_id, from_table(RequestDownload, table)))
    return found[:MAX_WISHES]
