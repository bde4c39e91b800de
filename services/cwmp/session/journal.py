"""What the session service must still know after kill -9 or a power cut.

One document on flash: the events not delivered, RetryCount, for which URL and device BOOTSTRAP was raised, the
Reboots and Informs asked for, the transfers the ACS confirmed. Every change that matters is one write, and nothing is
acknowledged, replied or acted upon before it (DESIGN sections 9 and 12).

Flash wears, and a periodic Inform every few minutes must not wear it: "2 PERIODIC" is kept in the volatile
directory (it survives kill -9) until a session has failed with it; then it goes to flash like any other. So is
the mark that a session is open: one that kill -9 cut off has failed and is repeated (3.2.1.1), while a reboot
makes a session due by itself.
"6 CONNECTION REQUEST" is never retried and so is kept nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cwmp.runtime import StateFile
from cwmp.session.events import (
    BOOT,
    BOOTSTRAP,
    M_SCHEDULE_INFORM,
    PERIODIC,
    SCHEDULED,
    Event,
    EventQueue,
)
from cwmp.session.scheduled import Moment, ScheduledInforms

VERSION = 1


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
        self.reboots: list[str] = [k for k in _get(document, "reboots", list, []) if isinstance(k, str)]
        """CommandKeys of Reboots that were answered but have not happened."""
        self.reboot_due: bool = _get(document, "reboot_due", bool, False)
        """The session after which to reboot has ended."""
        self.discard_transfers: bool = _get(document, "discard_transfers", bool, False)
        """BOOTSTRAP was raised: results of transfers are not for the new ACS (3.7.1.5)."""
        self.confirmed: list[str] = [i for i in _get(document, "confirmed", list, []) if isinstance(i, str)]
        """Ids of transfers whose TransferComplete the ACS has answered, but their owner does not know."""
        self.scheduled = ScheduledInforms.from_list(document.get("scheduled"))
        """Informs asked for by ScheduleInform that are not due yet; change them by the methods below."""
        self._periodic_on_flash = PERIODIC in self.queue
        found = volatile.load()
        if "periodic" in found:
            self.queue.raise_event(Event(PERIODIC))
        self.open: bool = "open" in found
        """A session is open; at start: one was cut off when the service was killed."""

    def booted(self, boot_id: str) -> bool:
        """The service starts under this boot id; whether the device has come up since it last ran."""
        if boot_id == self.boot_id:
            return False
        self.boot_id = boot_id
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
        self.discard_transfers = True
        self._save()

    def forget(self) -> None:
        """As after a factory reset, but for settled transfers: the next session is the first with any ACS."""
        self.queue = EventQueue()
        self.retry_count = 0
        self.acs_url = self.device = ""
        self.reboots = []
        self.reboot_due = False
        self.scheduled = ScheduledInforms()
        self._save()

    def transfers_discarded(self) -> None:
        self.discard_transfers = False
        self._save()

    def raise_events(self, events: Iterable[Event]) -> None:
        for event in events:
            self.queue.raise_event(event)
        self._save()

    def inform_scheduled(self, delay: int, command_key: str, now: Moment) -> bool:
        """ScheduleInform asks for an Inform in `delay` seconds; False when there are too many."""
        added = self.scheduled.add(delay, command_key, now)
        self._save()
        return added

    def informs_due(self, now: Moment) -> None:
        """Make events of the scheduled Informs that are due."""
        keys = self.scheduled.due(now)
        if keys:
            self.queue.raise_event(Event(SCHEDULED))
            for key in keys:
                self.queue.raise_event(Event(M_SCHEDULE_INFORM, key))
            self._save()

    def reboot_asked(self, command_key: str) -> None:
        self.reboots = [*self.reboots, command_key][-64:]
        self._save()

    def reboot_failed(self) -> None:
        """The device did not come down: asked for again after the next session that ends well."""
        self.reboot_due = False
        self._save()

    def informed(self, sent: Iterable[Event]) -> None:
        """InformResponse has come for an Inform with these events."""
        self.queue.acknowledge(sent)
        self._save()

    def transfer_confirmed(self, transfer_id: str) -> None:
        """TransferCompleteResponse has come."""
        self.confirmed = [*self.confirmed, transfer_id][-64:]
        self._save()

    def transfer_settled(self, transfer_id: str) -> None:
        """Its owner knows that the transfer is confirmed."""
        self.confirmed = [i for i in self.confirmed if i != transfer_id]
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
        """The session for `sent` is over: RetryCount counts failures, a success makes Reboots due."""
        self.open = False
        if success:
            self.retry_count = 0
            self.reboot_due = bool(self.reboots)
        else:
            self.retry_count = min(self.retry_count + 1, 0xFFFFFFFF)
            self._periodic_on_flash = True
        self.queue.session_ended(sent)
        self._save()

    def _save(self) -> None:
        periodic = PERIODIC in self.queue
        self._periodic_on_flash = self._periodic_on_flash and periodic
        events = [e for e in self.queue.to_list() if e[0] != PERIODIC or self._periodic_on_flash]
        document: dict[str, Any] = {
            "events": events,
            "retry_count": self.retry_count,
            "boot_id": self.boot_id,
            "acs_url": self.acs_url,
            "device": self.device,
            "reboots": self.reboots,
            "reboot_due": self.reboot_due,
            "discard_transfers": self.discard_transfers,
            "confirmed": self.confirmed,
            "scheduled": self.scheduled.to_list(),
        }
        self._flash.save(document)
        kept = {"periodic": periodic and not self._periodic_on_flash, "open": self.open}
        self._volatile.save({name: True for name, kept_now in kept.items() if kept_now})


def _get(document: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    value = document.get(key, default)
    return value if type(value) is kind else default
