"""Replies of ubus calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import Need, call_detail
from cwmp.datamodel.sources.base import Source
from cwmp.datamodel.template import Step, UbusCall, arguments_for, follow, variables_in, varies

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Object, Row


class UbusContext:
    """A place in the reply of a call. Parameters of one object share it, so that it is found once a row.

    An object's context (`owner`) means the owner's row wherever below it is used, so its variables are those
    of that row.
    """

    __slots__ = ("_arguments", "_name", "_owner", "_steps", "dynamic", "needs")

    def __init__(self, call: UbusCall, owner: Object | None = None) -> None:
        self._name = call.name
        self._steps = call.steps
        self._arguments = call.arguments
        self._owner = owner
        self.needs: frozenset[Need] = frozenset()
        self.dynamic = variables_in(call.arguments)
        if not self.dynamic:
            self.needs = frozenset({Need("ubus", self._name, call_detail(call.arguments))})
            self.dynamic = varies(call.steps)

    def root(self, row: Row) -> Any:
        """What is there; None where there is nothing, or the call makes no sense for the row."""
        while self._owner is not None and row.object is not self._owner and row.parent is not None:
            row = row.parent
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


class Below:
    """A place further down in another context's."""

    __slots__ = ("_base", "_steps", "dynamic", "needs")

    def __init__(self, base: UbusContext | Below, steps: tuple[Step, ...]) -> None:
        self._base = base
        self._steps = steps
        self.needs: frozenset[Need] = base.needs
        self.dynamic: bool = base.dynamic or varies(steps)

    def root(self, row: Row) -> Any:
        return follow(self._base.root(row), self._steps, row)


class UbusReply(Source):
    """A value at `steps` below a context."""

    def __init__(self, context: UbusContext | Below, steps: tuple[Step, ...]) -> None:
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
