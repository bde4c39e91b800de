"""When to open a session: periodic instants and retry windows, as arithmetic. Times in seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cwmp.runtime.clock import CLOCK_IS_SET

_MAX_WAIT = float(2**31)
_MAX_EXPONENT = 10

_DATE_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def retry_window(retry: int, minimum: int, multiplier: int) -> tuple[float, float]:
    """Between what the wait before retry number `retry` (from 1) is drawn (TR-069a6 3.2.1.1).

    `minimum` is CWMPRetryMinimumWaitInterval (s), `multiplier` CWMPRetryIntervalMultiplier (thousandths).
    Clamped to `_MAX_WAIT`: the formula's maximum has 23 digits.
    """
    exponent = min(max(retry, 1), _MAX_EXPONENT)
    factor = multiplier / 1000
    low = minimum * factor ** (exponent - 1)
    return min(low, _MAX_WAIT), min(low * factor, _MAX_WAIT)


def retry_wait(retry: int, minimum: int, multiplier: int, random: Callable[[], float]) -> float:
    """How long to wait before retry number `retry`; `random` gives numbers from 0 to 1."""
    low, high = retry_window(retry, minimum, multiplier)
    return low + (high - low) * random()


def unix_time(text: str) -> float | None:
    """A dateTime as seconds since 1970; None for the unknown time, one without zone, or no dateTime at all."""
    found = _DATE_TIME.fullmatch(text.strip())
    if not found or found[7] is None or found[1] == "0001":
        return None
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError):
        return None


def local_date_time(seconds: float, uptime: float) -> str:
    """CurrentTime: local time with its offset, or time since boot in the form for unset clocks (A.2.1)."""
    if seconds < CLOCK_IS_SET:
        days, rest = divmod(int(uptime), 86400)
        hours, minutes, rest = rest // 3600, rest % 3600 // 60, rest % 60
        return f"0001-01-{min(days, 30) + 1:02}T{hours:02}:{minutes:02}:{rest:02}"
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Periodic:
    """The instants PeriodicInformTime + n * PeriodicInformInterval, for any integer n (TR-181 ManagementServer).

    `reference` is PeriodicInformTime in seconds since 1970. Without one, or while the clock is not set, `phase`
    (0 to 1, random for each device) places the instants on the monotonic clock.
    """

    interval: int
    reference: float | None
    phase: float

    def wait(self, wall: float, monotonic: float) -> float:
        """How long from now to the next instant; more than 0, at most one interval."""
        if self.reference is not None and wall >= CLOCK_IS_SET:
            return self.interval - math.fmod(wall - self.reference, self.interval) % self.interval
        return self.interval - (monotonic - self.phase * self.interval) % self.interval
