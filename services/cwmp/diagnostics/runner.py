"""Running one test: when its record says so, after the session, and never two tests at a time.

The record is durable before a write is answered, so that a test the ACS was promised is made even if this
process dies; and it says whether the end still has to be reported. Its state and results do not outlive a boot
(the directory is in RAM, and the boot id is looked at as well); inputs do.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping

import trio

from cwmp.contract import ParameterFault
from cwmp.diagnostics import states
from cwmp.diagnostics.definition import Definition, Failed, Means, Outcome
from cwmp.diagnostics.record import Record
from cwmp.diagnostics.states import Action
from cwmp.runtime.quiet import SessionWatch

_RETRY = 10.0


class Runner:
    """One test of the data model.

    `save` makes the record durable, given as it is to be; `report` tells of an end (state) and says whether
    that arrived; `line` is held by whoever measures, since two tests would measure each other.
    """

    def __init__(
        self,
        record: Record,
        *,
        means: Means,
        session: SessionWatch,
        line: trio.Lock,
        save: Callable[[Record], None],
        report: Callable[[Definition, str], Awaitable[bool]],
        log: logging.Logger,
    ) -> None:
        self.record = record
        self._means = means
        self._session = session
        self._line = line
        self._save = save
        self._report = report
        self._log = log
        self._changed = trio.Event()
        self._scope = trio.CancelScope()

    @property
    def path(self) -> str:
        return self.record.definition.path

    @property
    def active(self) -> bool:
        """Whether there is something to do: a test, or an end that is not reported yet."""
        return self.record.state == states.REQUESTED or self.record.unreported

    def parameters(self) -> dict[str, str]:
        """All parameters by full path."""
        return self.record.parameters()

    def check(self, values: Mapping[str, str]) -> list[ParameterFault]:
        """What is wrong with writing `values` (by name without path)."""
        return self.record.definition.check(values, self.record.inputs)

    def write(self, values: Mapping[str, str]) -> None:
        """Write parameters (by name without path) that were checked.

        Raises:
            OSError: they could not be made durable; nothing has changed.
        """
        record, action = self.record.written(values)
        self._save(record)
        self.record = record
        if action in (Action.ABORT, Action.RESTART):
            self._scope.cancel()
        if action is not Action.NOTHING:
            self._log.info("%s: %s", record.definition.name, action.value)
        self._changed.set()

    async def run(self) -> None:
        """Do what the record says; runs until it is cancelled."""
        while True:
            self._changed = trio.Event()
            if self.record.state == states.REQUESTED:
                await self._perform()
            elif self.record.unreported:
                await self._tell()
            else:
                await self._changed.wait()

    async def _perform(self) -> None:
        record = self.record
        with trio.CancelScope() as self._scope:
            await self._session.ended()
            outcome = await perform(record.definition, record.inputs, self._means, self._line)
            if self._scope.cancel_called:
                return  # the outcome of a test that nobody wants any more
            self._keep(self.record.ended(outcome))

    async def _tell(self) -> None:
        """Until it is known to have arrived: after a test the ACS waits for that event."""
        if await self._report(self.record.definition, self.record.state):
            self._keep(self.record.reported())
        else:
            with trio.move_on_after(_RETRY):
                await self._changed.wait()

    def _keep(self, record: Record) -> None:
        self.record = record
        try:
            self._save(record)
        except OSError as error:
            self._log.error("%s: its record cannot be written: %s", record.definition.name, error)


async def perform(
    definition: Definition, inputs: Mapping[str, str], means: Means, line: trio.Lock
) -> Outcome:
    """Make a test as soon as nobody else measures; whatever happens, it has an outcome."""
    async with line:
        means.log.info("%s begins", definition.name)
        try:
            outcome = await definition.run(inputs, means)
        except Failed as failed:
            outcome = failed.outcome
        except Exception:
            means.log.exception("%s failed", definition.name)
            outcome = Outcome(states.ERROR_INTERNAL)
    outcome = dataclasses.replace(outcome, state=definition.state(outcome.state))
    means.log.info("%s: %s%s", definition.name, outcome.state, f": {outcome.why}" if outcome.why else "")
    return outcome
