"""GetParameterValues and GetParameterNames: what is asked for, in pages (TR-069a6 A.3.2.2, A.3.2.3)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.contract.datamodel import Names, Values
from cwmp.datamodel.instances import Instances
from cwmp.datamodel.naming import Naming, naming, settled
from cwmp.datamodel.paths import Target, resolve
from cwmp.datamodel.snapshot import Need, Snapshot, SourceFailed, System, Unread
from cwmp.datamodel.tree import Model, Object, Parameter, Row, View

T = TypeVar("T")

_PAGE = 36_000
"""Characters a page holds before it is closed; with what the encoding adds that is 32 to 48 KiB."""
_PER_ITEM = 40
_MAX_ROUNDS = 16
_MAX_RESTARTS = 5

Chosen = tuple[Row, Iterable[Parameter]]
Named = tuple[Row, Iterable[Parameter], Naming | None]
NamedParameters = tuple[Row, tuple[Parameter, ...], str]
"""A row, parameters of it, and its path as the answer calls it."""


class Reader:
    """Views of the tree, made of fresh snapshots.

    `persist` makes the instance numbers durable; it is called before any that are new are shown to anybody.
    """

    def __init__(
        self,
        model: Model,
        system: System,
        instances: Instances,
        own: Callable[[], Mapping[str, str]],
        persist: Callable[[], None],
        log: logging.Logger,
    ) -> None:
        self.model = model
        self._system = system
        self._instances = instances
        self._own = own
        self._persist = persist
        self._log = log
        self.generation = 0
        self.settle: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        """Waited for before a path is resolved: parts of the model may have to be asked for (remote/)."""

    def changed(self) -> None:
        """A transaction was made: what was read before it must not be matched with what is known after it."""
        self.generation += 1

    async def look(self, needs: Iterable[Need], visit: Callable[[View], T]) -> tuple[View, T]:
        """A view in which `visit` found all it asked for, and what it returned.

        `needs` is fetched beforehand. `visit` is called again after each fetch until it wants nothing more.

        Raises:
            Fault: what `visit` raised; 9002 when a source that it cannot do without failed.
        """
        needs = frozenset(needs)
        for _ in range(_MAX_RESTARTS):
            generation = self.generation
            view = View(self.model, Snapshot(self._system), self._instances, self._own())
            await view.snapshot.fetch(needs)
            for _ in range(_MAX_ROUNDS):
                if self.generation != generation:
                    break
                try:
                    found = visit(view)
                except Unread:
                    pass
                except SourceFailed as failure:
                    raise Fault(FaultCode.INTERNAL_ERROR, str(failure)) from None
                else:
                    if not view.snapshot.wanted:
                        self._persist()
                        return view, found
                await view.snapshot.fetch()
            else:
                raise Fault(
                    FaultCode.INTERNAL_ERROR, "a mapping needs more than it can ever know: see its let"
                )
        raise Fault(FaultCode.RESOURCES_EXCEEDED, "the configuration keeps changing while it is read")

    async def values(self, paths: Sequence[str]) -> Iterator[Values]:
        """The pages of what `paths` name. At least one, maybe an empty one."""
        await self.settle()
        targets = [resolve(self.model, path, wildcards=True) for path in paths]
        needs: set[Need] = set()
        for target in targets:
            needs |= target.node.way_needs()
            if target.parameter is None:
                needs |= target.node.needs() | _mounted(target)
            elif not target.parameter.hidden:
                needs |= target.parameter.source.needs

        def visit(view: View) -> list[tuple[Row, Parameter]]:
            exact = []
            for target in targets:
                called = naming(target, view.own)
                for row, parameters in _choose(view, target):
                    settled(called, row)
                    if isinstance(parameters, tuple):
                        exact.append((row, parameters[0]))
            return exact

        view, exact = await self.look(needs, visit)
        for row, parameter in exact:  # what an exact name hangs on must work
            self._require(row, parameter)
        return self._value_pages(view, _named(view, targets))

    async def parameters(self, targets: Sequence[Target]) -> list[list[NamedParameters]]:
        """What each of `targets` names, without values, and how. Raises Fault as `values`."""
        needs: set[Need] = set()
        for target in targets:
            needs |= target.node.way_needs()
            if target.parameter is None:
                needs |= target.node.row_needs() | _mounted(target)

        def visit(view: View) -> list[list[NamedParameters]]:
            found = []
            for target in targets:
                names = naming(target, view.own)
                rows = _choose(view, target, values=False)
                found.append([(r, tuple(p), r.path if names is None else names.path(r)) for r, p in rows])
            return found

        view, found = await self.look(needs, visit)
        for text in view.failures:
            self._log.warning("left out of an answer: %s", text)
        return found

    def _require(self, row: Row, parameter: Parameter) -> None:
        try:
            parameter.value(row)
        except (SourceFailed, Unread) as failure:
            raise Fault(FaultCode.INTERNAL_ERROR, f"{row.path}{parameter.name}: {failure}") from None

    def _value_pages(self, view: View, chosen: Iterable[Named]) -> Iterator[Values]:
        names: list[str] = []
        types: list[str] = []
        values: list[str] = []
        size = 0
        for row, parameters, called in chosen:
            prefix = row.path if called is None else called.path(row)
            overhead = len(prefix) + _PER_ITEM
            for parameter in parameters:
                try:
                    value = parameter.value(row)
                    if called is not None:
                        value = called.value(view, row.path, parameter, value)
                except (SourceFailed, Unread) as failure:
                    view.note(SourceFailed(str(failure) or f"{prefix}{parameter.name} could not be read"))
                    continue
                name = parameter.name
                names.append(prefix + name)
                types.append(parameter.type_name)
                values.append(value)
                size += overhead + len(name) + len(value)
                if size > _PAGE:
                    yield Values(names, types, values)
                    names, types, values, size = [], [], [], 0
        for text in view.failures:
            self._log.warning("left out of an answer: %s", text)
        yield Values(names, types, values)

    async def names(self, path: str, next_level: bool) -> Iterator[Names]:
        """The pages of GetParameterNames, in all its five forms."""
        if not path and next_level:
            return iter([Names(["Device."], [False])])
        await self.settle()
        target = resolve(self.model, path, wildcards=True)
        if target.parameter is not None and next_level:
            raise Fault(
                FaultCode.INVALID_ARGUMENTS, f"{path} is a parameter: NextLevel is for paths of objects"
            )
        needs = set(target.node.way_needs())
        if not next_level and target.parameter is None:
            needs |= target.node.row_needs() | _mounted(target)
        nodes = _next_level if next_level else _all_levels

        def visit(view: View) -> tuple[list[_Listed], Naming | None]:
            called = naming(target, view.own)
            found = list(nodes(view, target))
            for _, _, row, _ in found:
                settled(called, row)
            return found, called

        view, (found, called) = await self.look(needs, visit)
        return self._name_pages(view, found, called)

    def _name_pages(self, view: View, found: Iterable[_Listed], called: Naming | None) -> Iterator[Names]:
        names: list[str] = []
        writable: list[bool] = []
        size = 0
        for path, flag, row, parameters in found:
            prefix = row.path if called is None else called.path(row)
            if path:
                names.append(prefix + path[len(row.path) :])
                writable.append(flag)
                size += len(path) + _PER_ITEM
            for parameter in parameters:
                names.append(prefix + parameter.name)
                writable.append(parameter.is_writable(row))
                size += len(names[-1]) + _PER_ITEM
                if size > _PAGE:
                    yield Names(names, writable)
                    names, writable, size = [], [], 0
        for text in view.failures:
            self._log.warning("left out of an answer: %s", text)
        yield Names(names, writable)


def _mounted(target: Target) -> set[Need]:
    """What a partial path below a mount needs: all of it in one call."""
    mount = target.node.mount
    return set() if mount is None or not mount.described else {mount.tree_need(target.path)}


def _named(view: View, targets: Iterable[Target]) -> Iterator[Named]:
    """What `targets` name, once more and one after the other: nobody holds all the rows of a large tree."""
    for target in targets:
        called = naming(target, view.own)
        for row, parameters in _choose(view, target, values=False):
            yield row, parameters, called


def _choose(view: View, target: Target, *, values: bool = True) -> Iterator[Chosen]:
    """The rows below `target`, with their parameters; with `values` what they read is asked for along the way."""
    try:
        rows = target.rows(view)
    except SourceFailed as failure:
        raise Fault(FaultCode.INTERNAL_ERROR, f"{target.path}: {failure}") from None
    if target.parameter is not None:
        for row in rows:
            if values:
                probe(row, (target.parameter,))
            yield row, [target.parameter] if target.wild else (target.parameter,)
        return
    for top in [r for row in rows for r in view.rows(target.node, row)] if target.table else rows:
        for below in walk(top):
            if values:
                probe(below, below.object.probes)
            yield below, below.object.parameters.values()


def walk(row: Row) -> Iterator[Row]:
    """The row and all rows below it that can be had."""
    yield row
    for child in row.children():
        yield from walk(child)


def probe(row: Row, parameters: Iterable[Parameter]) -> None:
    """Have what these parameters read fetched, as far as it is not."""
    for parameter in parameters:
        try:
            parameter.value(row)
        except (Unread, SourceFailed):
            continue


# A line of GetParameterNames: a path with its Writable (if any), and parameters of a row to list after it.
_Listed = tuple[str, bool, Row, Iterable[Parameter]]


def _all_levels(view: View, target: Target) -> Iterator[_Listed]:
    for row in target.rows(view):
        if target.parameter is not None:
            yield "", False, _settled(row, (target.parameter,)), (target.parameter,)
        elif target.table:
            yield from _list_table(view, target.node, row)
        else:
            yield from _list_row(view, row)


def _list_table(view: View, node: Object, parent: Row) -> Iterator[_Listed]:
    yield f"{parent.path}{node.name}.", node.create is not None, parent, ()
    try:
        rows = view.rows(node, parent)
    except Unread:
        return
    except SourceFailed as failure:
        view.note(failure)
        return
    for row in rows:
        yield from _list_row(view, row)


def _list_row(view: View, row: Row) -> Iterator[_Listed]:
    parameters = row.object.parameters.values()
    yield row.path, row.object.rows is not None and row.object.delete, _settled(row, parameters), parameters
    for child in row.object.children.values():
        if child.rows is None:
            yield from _list_row(view, view.single(child, row))
        else:
            yield from _list_table(view, child, row)


def _next_level(view: View, target: Target) -> Iterator[_Listed]:
    for row in target.rows(view):
        if target.table:
            for one in view.rows(target.node, row):
                yield one.path, target.node.delete, one, ()
            continue
        parameters = row.object.parameters.values()
        yield "", False, _settled(row, parameters), parameters
        for child in row.object.children.values():
            yield f"{row.path}{child.name}.", child.create is not None, row, ()


def _settled(row: Row, parameters: Iterable[Parameter]) -> Row:
    """`row`, once it is known what decides whether these parameters are writable."""
    for parameter in parameters:
        if parameter.write_if:
            try:
                parameter.is_writable(row)
            except (Unread, SourceFailed):
                continue
    return row
