"""Reboots planned by parameters (TR-181 ManagementServer.ScheduleReboot, DelayReboot), without I/O.

ScheduleReboot is a time: when it is reached, the device reboots; one in the past, or that passed while the device
was off, means none. DelayReboot counts seconds from the end of the session that runs, or from now; -1 means none,
and so does every boot. Neither is the RPC: there is no ``M Reboot`` event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cwmp.runtime.clock import CLOCK_IS_SET
from cwmp.session.schedule import unix_time
from cwmp.session.scheduled import Moment

_UNKNOWN_TIME = "0001-01-01T00:00:00Z"
_NO_DELAY = -1


class PlannedReboot:
    """`document` is what `to_document` gave, in this boot or an earlier one."""

    def __init__(self, document: Mapping[str, Any], boot_id: str) -> None:
        at, delay, armed = document.get("at"), document.get("delay"), document.get("armed")
        self.at = at if isinstance(at, str) else _UNKNOWN_TIME
        """ScheduleReboot, as it was set."""
        same_boot = document.get("boot_id") == boot_id
        self.delay = delay if same_boot and type(delay) is int else _NO_DELAY
        """DelayReboot."""
        self._armed = armed is True
        self._missed_counts = same_boot
        self._boot_id = boot_id
        self._from: float | None = None

    def schedule(self, at: str, now: Moment) -> None:
        """ScheduleReboot is set."""
        time = unix_time(at)
        self.at = at
        self._armed = time is not None and (now.wall < CLOCK_IS_SET or time > now.wall)
        self._missed_counts = True

    def postpone(self, delay: int, now: Moment, *, in_session: bool) -> None:
        """DelayReboot is set."""
        self.delay = max(delay, _NO_DELAY)
        self._from = None if in_session else now.uptime

    def session_ended(self, now: Moment) -> None:
        """A delay that was set in it counts from here."""
        if self._from is None:
            self._from = now.uptime

    def wait(self, now: Moment) -> float | None:
        """How long until the next one (s); None where there is none, or none that can be known."""
        waits = []
        if self.delay != _NO_DELAY and self._from is not None:
            waits.append(self._from + self.delay - now.uptime)
        if now.wall >= CLOCK_IS_SET and self._armed and (time := unix_time(self.at)) is not None:
            self._armed = time > now.wall or self._missed_counts
            self._missed_counts = True
            if self._armed:
                waits.append(time - now.wall)
        return max(min(waits), 0.0) if waits else None

    def done(self, now: Moment) -> None:
        """The device reboots: no delay is left, nor a time that has come."""
        self.delay = _NO_DELAY
        time = unix_time(self.at)
        self._armed = self._armed and time is not None and time > now.wall

    def to_document(self) -> dict[str, Any]:
        return {"at": self.at, "delay": self.delay, "armed": self._armed, "boot_id": self._boot_id}
