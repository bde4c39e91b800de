"""The Informs the ACS has scheduled (TR-069a6 A.3.2.10), without I/O.

Within one boot an Inform is due by the time since boot, which no step of the clock moves. After a reboot only
the clock is left: an Inform that was scheduled while it was set is due by it, one that was not is forgotten, and
while the new boot has no clock yet the others wait for it.

Times: `uptime` is seconds since boot (CLOCK_MONOTONIC), `wall` seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cwmp.runtime.clock import CLOCK_IS_SET

MAX_SCHEDULED = 32


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: on the clock of this boot, and on that of the world."""

    boot_id: str
    uptime: float
    wall: float


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One Inform to come; `wall` is 0 where the clock was not set."""

    command_key: str
    boot_id: str
    uptime: float
    wall: float

    def remaining(self, now: Moment) -> float | None:
        """How long until it is due (s); None while nobody can know."""
        if self.boot_id == now.boot_id:
            return self.uptime - now.uptime
        return self.wall - now.wall if now.wall >= CLOCK_IS_SET else None


class ScheduledInforms:
    """Those to come, in the order in which they were asked for."""

    def __init__(self, items: Iterable[Scheduled] = ()) -> None:
        self._items = list(items)[-MAX_SCHEDULED:]

    def add(self, delay: int, command_key: str, now: Moment) -> bool:
        """One more in `delay` seconds; in place of the one with the same key, if it has one. False: too many."""
        kept = [i for i in self._items if not command_key or i.command_key != command_key]
        if len(kept) >= MAX_SCHEDULED:
            return False
        wall = now.wall + delay if now.wall >= CLOCK_IS_SET else 0.0
        self._items = [*kept, Scheduled(command_key, now.boot_id, now.uptime + delay, wall)]
        return True

    def booted(self, boot_id: str) -> None:
        """The device came up: what has only the time since boot to go by is lost."""
        self._items = [i for i in self._items if i.wall or i.boot_id == boot_id]

    def due(self, now: Moment) -> list[str]:
        """Command keys of those that are due, in that order; they are taken out."""
        found = [(r, i) for i in self._items if (r := i.remaining(now)) is not None and r <= 0]
        self._items = [i for i in self._items if all(i is not taken for _, taken in found)]
        return [i.command_key for _, i in sorted(found, key=lambda each: each[0])]

    def wait(self, now: Moment) -> float | None:
        """How long until the next is due (s); None where there is none, or none that can be known."""
        times = [r for i in self._items if (r := i.remaining(now)) is not None]
        return max(min(times), 0.0) if times else None

    def to_list(self) -> list[list[Any]]:
        """As JSON: ``[command key, boot id, uptime, wall]`` each."""
        return [[i.command_key, i.boot_id, i.uptime, i.wall] for i in self._items]

    @classmethod
    def from_list(cls, items: Any) -> ScheduledInforms:
        """What `to_list` gave; what is not one of its entries is left out."""
        return cls(
            Scheduled(str(item[0]), str(item[1]), float(item[2]), float(item[3]))
            for item in (items if isinstance(items, list) else [])
            if isinstance(item, list)
            and [type(i) for i in item[:2]] == [str, str]
            and len(item) == 4
            and all(type(i) in {int, float} for i in item[2:])
        )
