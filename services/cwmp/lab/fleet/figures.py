"""What a fleet counts. Figures of several processes add up to those of all (`Figures.add`).

Latencies are kept as a histogram whose classes grow by 5 %: bounded, exact to that, and addable.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SMALLEST = 1e-4
_GROWTH = math.log(1.05)
_CLASSES = 360
"""From 0.1 ms to an hour."""
_MAX_REASONS = 32
_MAX_TEXT = 160
OTHER = "(other reasons)"


@dataclass(slots=True)
class Latencies:
    """Durations in seconds."""

    classes: Counter[int] = field(default_factory=Counter)
    longest: float = 0.0

    def __len__(self) -> int:
        return self.classes.total()

    def note(self, seconds: float) -> None:
        """One more."""
        place = math.ceil(math.log(max(seconds, _SMALLEST) / _SMALLEST) / _GROWTH)
        self.classes[min(place, _CLASSES)] += 1
        self.longest = max(self.longest, seconds)

    def percentile(self, share: float) -> float:
        """The duration that `share` (0 to 1) of them do not exceed, rounded up by at most 5 %; 0 without any."""
        left = share * len(self)
        for place in sorted(self.classes):
            left -= self.classes[place]
            if left <= 0:
                return min(_SMALLEST * math.exp(place * _GROWTH), self.longest)
        return self.longest

    def add(self, other: Latencies) -> None:
        self.classes.update(other.classes)
        self.longest = max(self.longest, other.longest)

    def to_table(self) -> dict[str, Any]:
        return {"classes": {str(k): n for k, n in self.classes.items()}, "longest": self.longest}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Latencies:
        classes = Counter({int(k): int(n) for k, n in table["classes"].items()})
        return cls(classes, float(table["longest"]))


@dataclass(slots=True)
class Figures:
    """Counted since the start. `disturbed` are the sessions that failed while their router's line was cut by us;
    `failures` has all others, by reason. `states` and `open` are as they are now, `memory` is in bytes, `cpu`
    in s."""

    succeeded: int = 0
    disturbed: int = 0
    open: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    accidents: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    inform: Latencies = field(default_factory=Latencies)
    session: Latencies = field(default_factory=Latencies)
    requests: int = 0
    memory: int = 0
    cpu: float = 0.0

    @property
    def failed(self) -> int:
        return self.failures.total()

    def fail(self, reason: str) -> None:
        """Count one failure; the reasons told apart are bounded."""
        reason = " ".join(reason.split())[:_MAX_TEXT]
        known = reason in self.failures or len(self.failures) < _MAX_REASONS
        self.failures[reason if known else OTHER] += 1

    def add(self, other: Figures) -> None:
        """Have what another process counted in here."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for name in _LATENCIES:
            getattr(self, name).add(getattr(other, name))

    def to_table(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in _NUMBERS},
            **{name: dict(getattr(self, name)) for name in _COUNTERS},
            **{name: getattr(self, name).to_table() for name in _LATENCIES},
        }

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Figures:
        """What `to_table` made. Raises LookupError, TypeError or ValueError for anything else."""
        found: dict[str, Any] = {name: table[name] for name in _NUMBERS}
        found |= {name: Counter(table[name]) for name in _COUNTERS}
        found |= {name: Latencies.from_table(table[name]) for name in _LATENCIES}
        return cls(**found)


_NUMBERS = ("succeeded", "disturbed", "open", "requests", "memory", "cpu")
_COUNTERS = ("failures", "events", "accidents", "states")
_LATENCIES = ("inform", "session")
