"""Replies of ubus calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import Need, call_detail
from cwmp.datamodel.sources.base import Source
from cwmp.datamodel.template import Step, UbusCall, arguments_for, follow, variables_in, varies

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row


class UbusContext:
    """A place in the reply of a call. Parameters of one object share it, so that it is found once a row."""

    __slots__ = ("_arguments", "_name", "_steps", "dynamic", "needs")

    def __init__(self, call: UbusCall) -> None:
        self._name = call.name
        self._steps = call.steps
        self._arguments = call.arguments
        self.needs: frozenset[Need] = frozenset()
        self.dynamic = variables_in(call.arguments)
        if not self.dynamic:
            self.needs = frozenset({Need("ubus", self._name, call_detail(call.arguments))})
            self.dynamic = varies(call.steps)

    def below(self, steps: tuple[Step, ...]) -> UbusContext:
        """A place further down in the same reply."""
        return UbusContext(UbusCall(self._name, self._arguments, self._steps + steps))

    def root(self, row: Row) -> Any:
        """What is there; None where there is nothing, or the call makes no sense for the row."""
        return row.cached(self, self._find)

    def _find(self, row: Row) -> Any:
        if self.needs:
            (need,) = self.needs
        else:
            try:
                need = Need("ubus", self._name, call_detail(arguments_for(self._arguments, row)))
            except LookupError:
                return None
        return follow(row.view.snapshot.get(need), self._steps, row)


class UbusReply(Source):
    """A value at `steps` below a context."""

    def __init__(self, context: UbusContext, steps: tuple[Step, ...]) -> None:
        self._context = context
        self._steps = steps
        self._member = steps[0] if len(steps) == 1 and isinstance(steps[0], str) else None
        self.dynamic = context.dynamic or varies(steps)

    @property
    def needs(self) -> frozenset[Need]:
        return self._context.needs

    @property
    def probe(self) -> object:
        return self if varies(self._steps) else self._context

    def read(self, row: Row) -> Any:
        root = self._context.root(row)
        if self._member is not None:
            return root.get(self._member) if type(root) is dict else None
        return follow(root, self._steps, row)
