"""What the diagnostics service tells the others. Its inputs and results are parameters (`parameters`)."""

from __future__ import annotations

from cwmp.contract.message import Fact
from ubuskit.records import dataclass


@dataclass(frozen=True, slots=True)
class Finished:
    """A test ended: `type` is its object's name (``IPPing``), `state` its DiagnosticsState."""

    type: str
    state: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a test is that somebody started by `run`: `done` of `total` (0: not known) repetitions, hops or bytes,
    and how many of them in the last second. Told at most twice a second."""

    type: str
    done: int
    total: int
    rate: int = 0


FINISHED = Fact("diagnostics", "finished", Finished)
PROGRESS = Fact("diagnostics", "progress", Progress)
