"""TR-106 path names, and what they name in a model (TR-069a6 A.3.2.1, A.3.2.2, A.3.2.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cwmp.contract import Fault, FaultCode
from cwmp.datamodel.snapshot import SourceFailed, Unread
from cwmp.datamodel.tree import MAX_PATH, Model, Object, Parameter, Row, View

ANY = 0
"""Stands for a wildcard among instance numbers, which begin with 1."""

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_ALIAS = re.compile(r"\[([A-Za-z][A-Za-z0-9_-]{0,63})\]")


class InvalidName(Fault):
    """9005: there is nothing of this name."""

    def __init__(self, path: str, reason: str) -> None:
        shown = path if len(path) <= MAX_PATH else f"{path[:MAX_PATH]}..."
        super().__init__(FaultCode.INVALID_PARAMETER_NAME, f"{shown}: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names, as far as the model alone can tell.

    `numbers` are the instance numbers in the path, in order, `ANY` for a wildcard, a text for an
    Alias. With a `parameter` it is that of `node`; a `table` is all rows of `node`; otherwise it is the row (or
    only instance) itself.
    """

    path: str
    node: Object
    numbers: tuple[int | str, ...] = ()
    parameter: Parameter | None = None
    table: bool = False

    def row(self, view: View) -> Row:
        """The row it names; of a table, the row around it.

        Raises:
            InvalidName: an instance on the way does not exist.
            Unread, SourceFailed: as `View.rows`.
        """
        row, numbers = view.root, iter(self.numbers)
        for node in self.chain():
            if node.rows is None:
                row = view.single(node, row)
                continue
            number = next(numbers)
            found = next((r for r in view.rows(node, row) if is_named(r, number)), None)
            if found is None:
                shown = f"[{number}]" if isinstance(number, str) else number
                raise InvalidName(self.path, f"there is no instance {shown}")
            row = found
        return row

    @property
    def wild(self) -> bool:
        """Whether it names any number of rows (TR-069a6 A.2.4)."""
        return ANY in self.numbers

    def rows(self, view: View) -> list[Row]:
        """As `row`, but all that a path with wildcards names; where there are none, or none can be had, none."""
        if not self.wild:
            return [self.row(view)]
        found, numbers = [view.root], iter(self.numbers)
        for node in self.chain():
            number = ANY if node.rows is None else next(numbers)
            found = [
                row
                for parent in found
                for row in _rows_there(view, node, parent)
                if number == ANY or is_named(row, number)
            ]
        return found

    def chain(self) -> Iterator[Object]:
        """The objects on the way, from the root."""
        chain: list[Object] = []
        node: Object | None = self.node
        while node is not None and node.parent is not None:
            chain.append(node)
            node = node.parent
        return reversed(chain[1:] if self.table else chain)


def is_named(row: Row, identifier: int | str) -> bool:
    """Whether this number, or this Alias, names the row. Raises like `Row.alias`."""
    if isinstance(identifier, str):
        return row.alias == identifier
    return row.entry is not None and row.entry.number == identifier


def _rows_there(view: View, node: Object, parent: Row) -> list[Row]:
    try:
        return view.rows(node, parent)
    except Unread:
        return []
    except SourceFailed as failure:
        view.note(failure)
        return []


def resolve(model: Model, path: str, *, wildcards: bool = False) -> Target:
    """What `path` names: "" and ``Device.`` the root, a path that ends in a dot an object, else a parameter.

    Rows are named by number or by ``[Alias]``. With `wildcards` a ``*`` stands for any of them, except at the end
    of the path.

    Raises:
        InvalidName: the model has nothing of this name; whether its instances exist only a view can tell.
    """
    if path in ("", "Device."):
        return Target("Device.", model.root)
    if len(path) > MAX_PATH:
        raise InvalidName(path, f"longer than {MAX_PATH} characters")
    names = path.split(".")
    if names[0] != "Device" or len(names) < 2:
        raise InvalidName(path, "a path begins with Device.")
    last = names.pop()
    numbers: list[int | str] = []
    node, table = model.root, False
    for name in names[1:]:
        if table:
            if name == "*" and wildcards:
                numbers.append(ANY)
                table = False
                continue
            if alias := _ALIAS.fullmatch(name):
                if not node.has_alias:
                    raise InvalidName(path, f"rows of {node.table} have no Alias")
                numbers.append(alias[1])
                table = False
                continue
            if not _NUMBER.fullmatch(name):
                raise InvalidName(path, f"'{name}' is no instance number of {node.table}")
            numbers.append(int(name))
            table = False
            continue
        child = node.children.get(name)
        if child is None:
            raise InvalidName(path, f"there is no object '{name}' in {node.template}")
        node, table = child, child.rows is not None
    if not last and names[-1] == "*":
        raise InvalidName(path, "a wildcard cannot be the last of a path")
    if not last:
        return Target(path, node, tuple(numbers), table=table)
    if table:
        raise InvalidName(path, f"{node.table} is a table: its rows follow as .1. .2. and so on")
    parameter = node.parameters.get(last)
    if parameter is None:
        if last in node.children:
            raise InvalidName(path, "an object's path ends in a dot")
        raise InvalidName(path, f"there is no parameter '{last}' in {node.template}")
    return Target(path, node, tuple(numbers), parameter)
