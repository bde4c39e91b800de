"""What was asked of software modules, how far it is, and what the ACS still has to hear of.

Theory of operation
-------------------
A `Change` is a ChangeDUState: operations that are carried out one after the other, in their order. An operation is
resolved into its targets when its turn comes; each target is applied and gives a result. `Changes` is a value like
the transfer queue: a change of it is on flash *before* the step that it announces is taken. Cut off and found again:

- ``queued``, and ``working`` with nothing being applied: the operation begins again, at the target it was at; but
  not for ever: cut off `MAX_ATTEMPTS` times, it fails.
- ``working`` with `applying`: the system may have been told. What is there now decides: if it is what was wanted,
  that is a success and nothing is done again; else the target begins again.
- ``done``: its results stand.

A change whose operations are all done is reported until the ACS has confirmed it. What is not done `DEADLINE` s after
the request fails (TR-069a6 A.3.3.3 wants the report within 24 h). Credentials go when an operation is done.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from cwmp.contract import Fault, FaultCode, MessageError, from_table, to_table
from cwmp.contract.firmware import DUOperation, DUResult, DUStateChange
from cwmp.firmware.modules.units import Target
from cwmp.firmware.times import Now
from ubuskit.records import dataclass

MAX_OPERATIONS = 16
"""In one request; more are refused with 9004 (TR-069a6 A.4.1.10 wants at least 16)."""

MAX_CHANGES = 8
"""Requests that are not done, and results that are not confirmed, each."""

DEADLINE = 24 * 3600.0 - 600.0
"""In s; the rest of the 24 h is for the session that reports it."""

MAX_ATTEMPTS = 4
_ANSWERED_LIMIT = 32


class Phase(StrEnum):
    QUEUED = "queued"
    WORKING = "working"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Applying:
    """What the system is being told: this package there, in `version` ("": none), instead of `before`. `number` is
    the instance number of the unit that is there before (0: none)."""

    environment: str
    key: str
    uuid: str
    version: str
    before: str = ""
    url: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """One operation. `started` in s since 1970; `resolved`: its targets are known, `left` are those to come."""

    operation: DUOperation
    phase: str = Phase.QUEUED
    attempts: int = 0
    started: float = 0.0
    resolved: bool = False
    left: list[Target] = field(default_factory=list)
    applying: Applying | None = None
    results: list[DUResult] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """One request, or what changed by itself (`autonomous`; its only task is done)."""

    id: str
    request_id: str
    command_key: str
    accepted: Now
    tasks: list[Task]
    autonomous: bool = False

    @property
    def done(self) -> bool:
        return all(t.phase == Phase.DONE for t in self.tasks)

    def left(self, now: Now) -> float:
        """Seconds until it has to be done. Within one boot the clock nobody sets decides; after a boot the wall
        clock, or, where that is plainly not set, the time since the boot."""
        if now.boot_id == self.accepted.boot_id:
            gone = now.boottime - self.accepted.boottime
        elif now.wall >= self.accepted.wall:
            gone = now.wall - self.accepted.wall
        else:
            gone = now.boottime
        return DEADLINE - gone


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes in the order they were asked for, and the ids of requests whose change is gone."""

    changes: tuple[Change, ...] = ()
    answered: tuple[str, ...] = ()

    def knows_request(self, request_id: str) -> bool:
        """Whether this request has been taken already, be it long ago."""
        return request_id in self.answered or any(c.request_id == request_id for c in self.changes)

    def add(self, change: Change) -> Changes:
        """With a new change.

        Raises:
            Fault: 9004, too many operations or changes.
        """
        if len(change.tasks) > MAX_OPERATIONS:
            raise _exceeded(f"more than {MAX_OPERATIONS} operations")
        same = [c for c in self.changes if c.done == change.done and c.autonomous == change.autonomous]
        if len(same) >= MAX_CHANGES:
            raise _exceeded(f"{MAX_CHANGES} changes wait already")
        if not change.done and len(self.finished()) >= MAX_CHANGES:
            raise _exceeded(f"{MAX_CHANGES} results wait to be confirmed")
        return dataclasses.replace(self, changes=(*self.changes, change))

    def current(self) -> tuple[Change, int] | None:
        """What is to be worked on: the first operation that is not done of the first change that is not."""
        for change in self.changes:
            for index, task in enumerate(change.tasks):
                if task.phase != Phase.DONE:
                    return change, index
        return None

    def finished(self) -> list[Change]:
        """The changes that are to be reported, oldest first."""
        return [c for c in self.changes if c.done]

    def begin(self, change_id: str, index: int, now: Now) -> Changes:
        """An operation begins, or begins again."""
        task = self.task(change_id, index)
        return self._with(
            change_id,
            index,
            phase=Phase.WORKING,
            attempts=task.attempts + 1,
            started=task.started or now.wall,
        )

    def resolve(self, change_id: str, index: int, left: list[Target]) -> Changes:
        """It is known what an operation is about."""
        return self._with(change_id, index, resolved=True, left=left)

    def apply(self, change_id: str, index: int, applying: Applying | None) -> Changes:
        """The system is about to be told; None: it was not, after all."""
        return self._with(change_id, index, applying=applying)

    def result(self, change_id: str, index: int, result: DUResult) -> Changes:
        """The first target that was left has come to its end; without any, the operation itself."""
        task = self.task(change_id, index)
        left, results = task.left[1:], [*task.results, result]
        if left:
            # The time it began is that of its first target; a new one has all its attempts before it.
            return self._with(change_id, index, left=left, results=results, applying=None, attempts=1)
        bare = dataclasses.replace(task.operation, username="", password="")
        return self._with(
            change_id, index, operation=bare, left=left, results=results, applying=None, phase=Phase.DONE
        )

    def acknowledge(self, change_id: str) -> Changes:
        """Without a change whose results the ACS has confirmed."""
        change = next((c for c in self.changes if c.id == change_id and c.done), None)
        if change is None:
            return self
        return Changes(
            tuple(c for c in self.changes if c is not change),
            (*self.answered, change.request_id)[-_ANSWERED_LIMIT:],
        )

    def task(self, change_id: str, index: int) -> Task:
        """An operation of a change. LookupError when there is none."""
        for change in self.changes:
            if change.id == change_id:
                return change.tasks[index]
        raise LookupError(f"there is no change {change_id}")

    def _with(self, change_id: str, index: int, **changes: Any) -> Changes:
        task = dataclasses.replace(self.task(change_id, index), **changes)
        return dataclasses.replace(
            self,
            changes=tuple(
                dataclasses.replace(c, tasks=[*c.tasks[:index], task, *c.tasks[index + 1 :]])
                if c.id == change_id
                else c
                for c in self.changes
            ),
        )


def report(change: Change) -> DUStateChange:
    """A finished change as the session tells it: results in the order of the operations."""
    results = [result for task in change.tasks for result in task.results]
    return DUStateChange(change.id, change.command_key, change.autonomous, results)


def to_document(changes: Changes) -> dict[str, Any]:
    """The changes as JSON data."""
    return {"changes": [to_table(c) for c in changes.changes], "answered": list(changes.answered)}


def from_document(document: Mapping[str, Any]) -> tuple[Changes, list[str]]:
    """The changes in a document, and what of it could not be understood (left out, one sentence each)."""
    problems: list[str] = []
    found: list[Change] = []
    records, answered = document.get("changes"), document.get("answered")
    for record in records if isinstance(records, list) else []:
        try:
            found.append(from_table(Change, record))
        except (MessageError, AttributeError, TypeError) as error:
            problems.append(f"the record of a ChangeDUState was unusable and is left out: {error}")
    ids = [a for a in answered if isinstance(a, str)] if isinstance(answered, list) else []
    return Changes(tuple(found), tuple(ids[-_ANSWERED_LIMIT:])), problems


def _exceeded(text: str) -> Fault:
    return Fault(FaultCode.RESOURCES_EXCEEDED, text)
