"""What is known of one test: its inputs, its state, its results. Immutable, no I/O."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cwmp.diagnostics import states
from cwmp.diagnostics.definition import STATE, Definition, Outcome, Value
from cwmp.diagnostics.states import Action, Happening, phase_of


@dataclass(frozen=True, slots=True)
class Record:
    """One test's parameters; `unreported`: the ACS has yet to be told that it ended."""

    definition: Definition
    inputs: Mapping[str, str]
    state: str
    results: Mapping[str, Value]
    unreported: bool = False

    @classmethod
    def new(cls, definition: Definition) -> Record:
        return cls(definition, definition.defaults(), states.NONE, definition.results)

    def parameters(self) -> dict[str, str]:
        """All parameters by full path."""
        found = {STATE: self.state, **self.inputs}
        for name, value in self.results.items():
            if isinstance(value, str):
                found[name] = value
            else:
                for number, row in enumerate(value, 1):
                    found.update({f"{name}.{number}.{column}": text for column, text in row.items()})
        return {self.definition.path + name: value for name, value in found.items()}

    def written(self, values: Mapping[str, str]) -> tuple[Record, Action]:
        """The record after these values, which were checked, were written; and what to do about it."""
        inputs = {name: value for name, value in values.items() if name != STATE}
        happenings = [Happening.INPUT] if inputs else []
        if STATE in values:
            wanted = values[STATE]
            happenings.append(Happening.REQUEST if wanted == states.REQUESTED else Happening.CANCEL)
        record, action = dataclasses.replace(self, inputs={**self.inputs, **inputs}), Action.NOTHING
        for happening in happenings:
            record, does = record._after(happening)
            action = _both(action, does)
        return record, action

    def ended(self, outcome: Outcome) -> Record:
        """The record after the test that was requested ended."""
        record, _ = self._after(Happening.END)
        results = {**self.definition.results, **outcome.results}
        return dataclasses.replace(record, state=outcome.state, results=results, unreported=True)

    def reported(self) -> Record:
        return dataclasses.replace(self, unreported=False)

    def _after(self, happening: Happening) -> tuple[Record, Action]:
        before = phase_of(self.state)
        after, action = states.TRANSITIONS[before, happening]
        if after is states.Phase.REQUESTED:
            results = self.definition.results  # those of an earlier run are not this one's
            return dataclasses.replace(self, state=states.REQUESTED, results=results), action
        state = states.NONE if after is states.Phase.IDLE else self.state
        return dataclasses.replace(self, state=state), action

    def to_document(self) -> dict[str, Any]:
        """What must outlive the process, but not the boot. (Inputs outlive both, and are kept elsewhere.)"""
        return {"state": self.state, "results": dict(self.results), "unreported": self.unreported}

    def restored(self, inputs: Any, document: Any) -> Record:
        """The record with what was kept of it; what does not fit the definition is left out."""
        record = self
        if isinstance(inputs, dict):
            kept = {name: value for name, value in inputs.items() if self._fits(name, value)}
            record = dataclasses.replace(record, inputs={**self.inputs, **kept})
        if not isinstance(document, dict) or not isinstance(document.get("state"), str):
            return record
        results = document.get("results")
        found = results if isinstance(results, dict) else {}
        return dataclasses.replace(
            record,
            state=document["state"],
            results={name: _kept(found.get(name), value) for name, value in self.results.items()},
            unreported=document.get("unreported") is True,
        )

    def _fits(self, name: object, value: object) -> bool:
        known = self.definition.inputs.get(name) if isinstance(name, str) else None
        return known is not None and isinstance(value, str) and not known.check(value)


def _kept(found: Any, otherwise: Value) -> Value:
    """A result as it was kept, where it can be one."""
    if isinstance(otherwise, str):
        return found if isinstance(found, str) else otherwise
    rows = found if isinstance(found, list) else []
    return [{str(k): str(v) for k, v in row.items()} for row in rows if isinstance(row, dict)]


def _both(first: Action, then: Action) -> Action:
    """One action for two: an abort followed by a start is a restart."""
    if first is Action.ABORT and then is Action.START:
        return Action.RESTART
    return first if then is Action.NOTHING else then
