"""What rows are called in an answer: by instance number or by Alias (TR-069a6 3.6.1).

On the way that a request names, each row is called as the request calls it. Below, and where the request has a
wildcard, `InstanceMode` counts. A row whose table has no Alias is called by its number.

In values that are paths rows are called by number; where `InstanceMode` says Alias, by Alias, but for what the ACS
wrote itself and is still so: that is as it was written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from cwmp.datamodel.paths import InvalidName, Target, resolve
from cwmp.datamodel.snapshot import SourceFailed, Unread
from cwmp.datamodel.sources import Reference
from cwmp.datamodel.tree import Parameter, Row, View
from cwmp.datamodel.types import ValueFault, split_list

INSTANCE_MODE = "Device.ManagementServer.InstanceMode"
AUTO_CREATE = "Device.ManagementServer.AutoCreateInstances"
BY_ALIAS = "InstanceAlias"


class Naming:
    """The names in one answer; `given` are the identifiers on the way, as the request has them."""

    def __init__(self, given: tuple[int | str, ...], *, by_alias: bool) -> None:
        self._given = given
        self._by_alias = by_alias
        self._known: dict[str, tuple[str, int]] = {}

    def path(self, row: Row) -> str:
        """The row's path. Raises Unread."""
        return self._path(row)[0]

    def _path(self, row: Row) -> tuple[str, int]:
        """And how many rows are on the way."""
        known = self._known.get(row.path)
        if known is None:
            known = self._known[row.path] = self._make(row)
        return known

    def _make(self, row: Row) -> tuple[str, int]:
        if row.parent is None:
            return row.path, 0
        above, level = self._path(row.parent)
        if row.object.rows is None or row.entry is None:
            return f"{above}{row.object.name}.", level
        given = self._given[level] if level < len(self._given) else 0
        by_alias = isinstance(given, str) or (given == 0 and self._by_alias)
        alias = ""
        if by_alias and row.object.has_alias:
            with contextlib.suppress(SourceFailed):
                alias = row.alias
        return f"{above}{row.object.name}.{f'[{alias}]' if alias else row.entry.number}.", level + 1

    def value(self, view: View, path: str, parameter: Parameter, text: str) -> str:
        """The value of a parameter of the object at `path`, whose paths are as `InstanceMode` says."""
        if not (self._by_alias and text and refers(parameter)):
            return text
        written = view.own.get(f"{path}{parameter.name}", "")
        try:
            if written and by_number(view, written) == text:
                return written
        except (ValueFault, Unread, SourceFailed):
            pass
        return ",".join(self._spelled(view, path) for path in split_list(text))

    def _spelled(self, view: View, path: str) -> str:
        try:
            return self._free().path(resolve(view.model, f"{path}.").row(view)).removesuffix(".")
        except (InvalidName, Unread, SourceFailed):
            return path

    def _free(self) -> Naming:
        return Naming((), by_alias=self._by_alias)


def naming(target: Target, own: Mapping[str, str]) -> Naming | None:
    """How an answer about `target` names rows; None where all are named by number."""
    by_alias = own.get(INSTANCE_MODE) == BY_ALIAS
    if by_alias or any(isinstance(identifier, str) for identifier in target.numbers):
        return Naming(target.numbers, by_alias=by_alias)
    return None


def settled(called: Naming | None, row: Row) -> Naming | None:
    """`called`, once the name of `row` is known. Raises Unread."""
    if called is not None:
        called.path(row)
    return called


def refers(parameter: Parameter) -> bool:
    """Whether its values are paths of rows."""
    return bool(parameter.strong) or isinstance(parameter.source, Reference)


def by_number(view: View, text: str) -> str:
    """A value that is paths, every row in them by its number.

    Raises:
        ValueFault: there is no such row.
        Unread, SourceFailed: as `Target.row`.
    """
    return ",".join(_by_number(view, path) for path in split_list(text))


def _by_number(view: View, path: str) -> str:
    if "[" not in path:
        return path
    full = f"Device{path}" if path.startswith(".") else path
    try:
        return resolve(view.model, f"{full}.").row(view).path.removesuffix(".")
    except InvalidName as fault:
        raise ValueFault(f"{path}: {fault.reason}") from None


def called(view: View, path: str) -> str:
    """The full name of a parameter, by number, as `InstanceMode` has it."""
    if view.own.get(INSTANCE_MODE) != BY_ALIAS:
        return path
    above, _, name = path.rpartition(".")
    try:
        row = resolve(view.model, f"{above}.").row(view)
        return f"{Naming((), by_alias=True).path(row)}{name}"
    except (InvalidName, Unread, SourceFailed):
        return path


def spelled(view: View, path: str, text: str) -> str:
    """The value of a parameter, by its full name with numbers, as `InstanceMode` has it."""
    if view.own.get(INSTANCE_MODE) != BY_ALIAS:
        return text
    try:
        parameter = resolve(view.model, path).parameter
    except InvalidName:
        return text
    if parameter is None:
        return text
    return Naming((), by_alias=True).value(view, path.removesuffix(parameter.name), parameter, text)
