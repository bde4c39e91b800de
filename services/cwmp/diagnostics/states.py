"""The state machine of every test (TR-181 DiagnosticsState; TR-143).

Theory of operation
-------------------
A test has three phases. ``idle``: nothing was asked for since the inputs were written; DiagnosticsState reads
None. ``requested``: it waits for the end of the session, or runs; reads Requested. ``done``: its results stand;
reads Complete or an error. What can happen, and what it makes of the phase and of the task that runs the test,
is the table `TRANSITIONS`:

- Requested is written: the test starts; if it was running, it starts again, with the inputs as they are now.
- Canceled is written: a running test is aborted. Nothing else is touched, and nothing is reported.
- any input is written: the results no longer belong to the inputs, so the state is None, and a running test is
  aborted without a report.
- the test ends: its outcome stands, and is reported if that was wanted.

In one request inputs count before DiagnosticsState, in whatever order they are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

NONE = "None"
REQUESTED = "Requested"
CANCELED = "Canceled"
COMPLETE = "Complete"
ERROR_CANNOT_RESOLVE = "Error_CannotResolveHostName"
ERROR_NO_ROUTE = "Error_NoRouteToHost"
ERROR_INTERNAL = "Error_Internal"
ERROR_OTHER = "Error_Other"

WRITABLE = (REQUESTED, CANCELED)
"""The values of DiagnosticsState that may be written."""


class Phase(StrEnum):
    IDLE = "idle"
    REQUESTED = "requested"
    DONE = "done"


class Happening(StrEnum):
    REQUEST = "Requested is written"
    CANCEL = "Canceled is written"
    INPUT = "an input is written"
    END = "the test ends"


class Action(StrEnum):
    """What becomes of the task that runs the test."""

    NOTHING = "nothing"
    START = "start it"
    RESTART = "abort it and start it again"
    ABORT = "abort it"
    REPORT = "report its end"


TRANSITIONS: Mapping[tuple[Phase, Happening], tuple[Phase, Action]] = MappingProxyType(
    {
        (Phase.IDLE, Happening.REQUEST): (Phase.REQUESTED, Action.START),
        (Phase.IDLE, Happening.CANCEL): (Phase.IDLE, Action.NOTHING),
        (Phase.IDLE, Happening.INPUT): (Phase.IDLE, Action.NOTHING),
        (Phase.REQUESTED, Happening.REQUEST): (Phase.REQUESTED, Action.RESTART),
        (Phase.REQUESTED, Happening.CANCEL): (Phase.IDLE, Action.ABORT),
        (Phase.REQUESTED, Happening.INPUT): (Phase.IDLE, Action.ABORT),
        (Phase.REQUESTED, Happening.END): (Phase.DONE, Action.REPORT),
        (Phase.DONE, Happening.REQUEST): (Phase.REQUESTED, Action.START),
        (Phase.DONE, Happening.CANCEL): (Phase.DONE, Action.NOTHING),
        (Phase.DONE, Happening.INPUT): (Phase.IDLE, Action.NOTHING),
    }
)


def phase_of(state: str) -> Phase:
    """The phase in which DiagnosticsState reads `state`."""
    if state == NONE:
        return Phase.IDLE
    return Phase.REQUESTED if state == REQUESTED else Phase.DONE
