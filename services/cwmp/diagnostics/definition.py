"""What makes a test: its inputs with their ranges, its results, and the function that runs it.

Values are XML text throughout, as they come from and go to the data model.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from cwmp.contract import FaultCode, ParameterFault
from cwmp.diagnostics import states
from ubuskit.records import dataclass

STATE = "DiagnosticsState"

Value = str | Sequence[Mapping[str, str]]
"""A result: a parameter's value, or the rows of a table, the first of which is number 1."""


@dataclass(frozen=True, slots=True)
class Input:
    """One writable parameter: its value before anybody wrote it, and what may be written.

    `check` says what is wrong with a value; "" when nothing is.
    """

    default: str
    check: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended: DiagnosticsState and the results by parameter (or table) name. `why` is for the log."""

    state: str
    results: Mapping[str, Value] = field(default_factory=dict)
    why: str = ""


class Failed(Exception):
    """The test ends with this state; the text says why. `results` are what was found until then."""

    def __init__(self, state: str, why: str, results: Mapping[str, Value] | None = None) -> None:
        super().__init__(why)
        self.outcome = Outcome(state, results or {}, why)


async def _no_scan() -> Sequence[Any]:
    return ()


def _nobody(_done: int, _total: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a test is given of its surroundings.

    `device` finds the network device of a row of Device.IP.Interface. ("" for ""); raises `Failed`. `checks`
    are those of the self test, `scan` has the radios look around (see `neighboringwifi`). `progress` is told how
    far a test is: so much done, of so much (0: nobody knows); repetitions, hops or bytes.
    """

    device: Callable[[str], Awaitable[str]]
    log: logging.Logger
    checks: Mapping[str, Callable[[], Awaitable[str]]] = field(default_factory=dict)
    scan: Callable[[], Awaitable[Sequence[Any]]] = field(default=_no_scan)
    progress: Callable[[int, int], None] = field(default=_nobody)


Run = Callable[[Mapping[str, str], Means], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Definition:
    """A test. `path` is its object, `results` what there is before a run (of a table no rows), `required` the
    inputs that must be neither empty nor 0 when it is requested, `errors` the ways to fail that its
    DiagnosticsState knows, the one for everything else last."""

    name: str
    path: str
    inputs: Mapping[str, Input]
    results: Mapping[str, Value]
    required: tuple[str, ...]
    errors: tuple[str, ...]
    run: Run
    lacks: Callable[[Mapping[str, str]], str] = field(default=lambda _: "")
    """What else these inputs lack for a request; "" for nothing."""

    def defaults(self) -> dict[str, str]:
        return {name: item.default for name, item in self.inputs.items()}

    def check(self, values: Mapping[str, str], inputs: Mapping[str, str]) -> list[ParameterFault]:
        """What is wrong with writing `values` (by name without path) over `inputs` in one request."""
        wrong: list[ParameterFault] = []
        for name, value in values.items():
            if name == STATE:
                if value not in states.WRITABLE:
                    reason = f"only {' and '.join(states.WRITABLE)} can be written"
                    wrong.append(self._fault(name, FaultCode.INVALID_PARAMETER_VALUE, reason))
            elif name in self.inputs:
                if reason := self.inputs[name].check(value):
                    wrong.append(self._fault(name, FaultCode.INVALID_PARAMETER_VALUE, reason))
            elif name.partition(".")[0] in self.results:
                wrong.append(self._fault(name, FaultCode.NOT_WRITABLE, "it is a result"))
            else:
                wrong.append(
                    self._fault(name, FaultCode.INVALID_PARAMETER_NAME, "there is no such parameter")
                )
        if values.get(STATE) == states.REQUESTED and (missing := self.missing({**inputs, **values})):
            wrong.append(self._fault(STATE, FaultCode.INVALID_PARAMETER_VALUE, missing))
        return wrong

    def missing(self, inputs: Mapping[str, str]) -> str:
        """Why a test with these inputs cannot run; "" when it can."""
        absent = [name for name in self.required if not inputs[name].strip("+0")]
        return f"{' and '.join(absent)} must be set first" if absent else self.lacks(inputs)

    def state(self, state: str) -> str:
        """A way to end, in the words of this test's DiagnosticsState."""
        return state if state == states.COMPLETE or state in self.errors else self.errors[-1]

    def _fault(self, name: str, code: FaultCode, reason: str) -> ParameterFault:
        return ParameterFault(self.path + name, code, reason)


def text(limit: int) -> Callable[[str], str]:
    """A string of at most `limit` characters."""
    return lambda value: "" if len(value) <= limit else f"longer than {limit} characters"


def unsigned(low: int, high: int = 2**32 - 1) -> Callable[[str], str]:
    """An unsignedInt in a range."""

    def check(value: str) -> str:
        if re.fullmatch(r"\+?[0-9]{1,20}", value) and low <= int(value) <= high:
            return ""
        return f"not a whole number from {low} to {high}"

    return check


def boolean(value: str) -> str:
    """true, false, 1 or 0."""
    return "" if value in ("true", "false", "1", "0") else "neither true nor false"


def is_true(value: str) -> bool:
    """What a checked boolean says."""
    return value in ("true", "1")


def choice(*values: str) -> Callable[[str], str]:
    """One of a list of values."""
    return lambda value: "" if value in values else f"not one of {', '.join(values)}"
