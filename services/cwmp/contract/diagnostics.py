"""What the diagnostics service tells the others. Its inputs and results are parameters (`parameters`)."""

from __future__ import annotations

from cwmp.contract.message import Fact
from ubuskit.records import dataclass


@dataclass(frozen=True, slots=True)
class Finished:
    """A test ended: `type` is its object's name (``IPPing``), `state` its DiagnosticsState."""

    type: str
    state: str


FINISHED = Fact("diagnostics", "finished", Finished)
