"""When a transfer may run: two clocks, and the windows of ScheduleDownload (TR-069a6 A.4.1.8).

How long ago something was asked for is told by two clocks. Within one boot the monotonic clock decides, so that
setting the wall clock neither hurries nor holds up a transfer. After a boot that clock began anew: then the wall
clock decides, if it was set both times. As long as it is not, only this is certain: at least the time since the
boot has passed. Nor is the wall clock believed right after a boot where an error would be dear: OpenWrt begins with
the time of the last change to its files, until NTP has told it better.
"""

from __future__ import annotations

from enum import StrEnum

from cwmp.runtime.clock import CLOCK_IS_SET
from ubuskit.records import dataclass

OUR_RETRIES = 3
"""What a MaxRetries of -1 means: "the CPE decides"."""

SETTLED = 180.0
"""Seconds after a boot by which NTP has told the time, if it ever does."""

_PAUSE = 60.0


class Mode(StrEnum):
    """WindowMode: what beside the window's time has to be true."""

    AT_ANY_TIME = "1 At Any Time"
    IMMEDIATELY = "2 Immediately"
    WHEN_IDLE = "3 When Idle"
    CONFIRMATION_NEEDED = "4 Confirmation Needed"


@dataclass(frozen=True, slots=True)
class Now:
    """The clocks: `wall` in s since 1970 (UTC), `boottime` in s since this boot, and which boot it is."""

    wall: float
    boottime: float
    boot_id: str


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Seconds since a moment, as well as known; at least `least`, and exactly `seconds` where that is `certain`."""

    seconds: float
    least: float
    certain: bool


@dataclass(frozen=True, slots=True)
class Window:
    """A TimeWindowStruct: `start` and `end` in s from the request; `max_retries` -1: ours to decide."""

    start: int
    end: int
    mode: str
    user_message: str = ""
    max_retries: int = 0

    @property
    def retries(self) -> int:
        return OUR_RETRIES if self.max_retries < 0 else self.max_retries


def elapsed(since: Now, now: Now) -> Elapsed:
    """The time from `since` to `now`."""
    if now.boot_id == since.boot_id:
        passed = now.boottime - since.boottime
        return Elapsed(passed, passed, certain=True)
    if since.wall >= CLOCK_IS_SET and now.wall >= since.wall:
        passed, certain = now.wall - since.wall, now.boottime >= SETTLED
        return Elapsed(passed, passed if certain else now.boottime, certain)
    return Elapsed(now.boottime, now.boottime, certain=False)


def anchored(moment: Now, now: Now) -> Now:
    """`moment`, with the wall clock's time as far as that is known by now: it may have been set since."""
    if moment.wall >= CLOCK_IS_SET or now.boot_id != moment.boot_id or now.wall < CLOCK_IS_SET:
        return moment
    return Now(now.wall - (now.boottime - moment.boottime), moment.boottime, moment.boot_id)


def pause(tries: int) -> float:
    """Seconds between a try that failed, the `tries`-th of its window, and the next."""
    return _PAUSE * float(min(tries, 10))
