"""What befalls a router, and when: each kind comes by chance, independent of the others and of the past.

So many routers do not fall in step, and a fleet of N has N times the accidents of one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    REBOOT = "reboot"
    LINE = "line loss"
    CRASH = "crash"


_LASTS: Mapping[Kind, tuple[float, float]] = {
    Kind.REBOOT: (5.0, 20.0),
    Kind.LINE: (5.0, 60.0),
    Kind.CRASH: (1.0, 5.0),
}
"""How long the router is away: a boot, a line that has to be trained again, procd's respawn."""


@dataclass(frozen=True, slots=True)
class Accident:
    """`lasts` seconds."""

    kind: Kind
    lasts: float


def draw(chance: random.Random, between: Mapping[Kind, float]) -> tuple[float, Accident] | None:
    """In how many seconds the next one comes, and which; None where nothing ever happens.

    `between`: the mean time in s between two of a kind; 0 for never. Of several kinds the first that comes is the
    next accident: having no memory, the others may be drawn anew after it.
    """
    found = [(chance.expovariate(1.0 / mean), kind) for kind, mean in between.items() if mean > 0]
    if not found:
        return None
    wait, kind = min(found, key=lambda one: one[0])
    return wait, Accident(kind, chance.uniform(*_LASTS[kind]))
