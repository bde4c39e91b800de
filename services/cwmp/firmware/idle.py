"""Whether the device is idle, for ``3 When Idle`` (TR-069a6 A.4.1.8).

Idle is a router that nobody would miss for some minutes: since we looked last, at least `_SPAN` s ago, none of its
network devices carried more than `_BYTES_PER_SECOND` on average, both ways together, and its load per processor over
the last minute is below `_LOAD`. The first look only begins to measure.
"""

from __future__ import annotations

import os
from pathlib import Path

from cwmp.runtime import Paths

_SPAN = 30.0
_BYTES_PER_SECOND = 8_000
_LOAD = 0.5


class IdleWatch:
    """Looks at the counters of the router below `paths`."""

    def __init__(self, paths: Paths) -> None:
        self._devices = paths.system("/sys/class/net")
        self._load = paths.system("/proc/loadavg")
        self._seen: tuple[float, dict[str, int]] | None = None
        self._quiet = False

    def idle(self, now: float) -> bool:
        """Whether it is idle; `now` in s, on a clock that nobody sets. To be asked every minute or so."""
        if self._seen is None:
            self._seen = now, self._counters()
            return False
        then, before = self._seen
        if (span := now - then) >= _SPAN:
            counters = self._counters()
            carried = (_since(before[name], n) for name, n in counters.items() if name in before)
            self._quiet = max(carried, default=0) <= span * _BYTES_PER_SECOND
            self._seen = now, counters
        return self._quiet and self._load_per_processor() < _LOAD

    def forget(self) -> None:
        """Nobody wants to know any more: what was measured will be too old for the next who asks."""
        self._seen = None
        self._quiet = False

    def _counters(self) -> dict[str, int]:
        try:
            devices = [d for d in self._devices.iterdir() if d.name != "lo"]
        except OSError:
            return {}
        return {
            d.name: _number(d / "statistics/rx_bytes") + _number(d / "statistics/tx_bytes") for d in devices
        }

    def _load_per_processor(self) -> float:
        try:
            return float(self._load.read_text().split()[0]) / (os.cpu_count() or 1)
        except (OSError, ValueError, IndexError):
            return 0.0


def _since(before: int, now: int) -> int:
    """What a counter has counted; one that is lower than before was begun anew."""
    return now - before if now >= before else now


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
