"""References: the system names a thing its way, TR-181 by the path of its row (TR-106 3.2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.sources.base import Source
from cwmp.datamodel.types import ValueFault, split_list, split_raw

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row


class Reference(Source):
    """A source whose value is the key of a row of one of `tables`, or equals the row's parameter or variable
    `match`.

    Read as the row's path without the trailing dot; "" where there is no such row. `link` gives it the tables
    once everything is loaded.
    """

    dynamic = True

    def __init__(self, source: Source, tables: tuple[str, ...], match: str, *, is_list: bool) -> None:
        self._source = source
        self.tables = tables
        self.match = match
        self._is_list = is_list
        self._linked: tuple[Object, ...] = ()
        self.writable = source.writable

    def link(self, tables: tuple[Object, ...]) -> None:
        self._linked = tables

    @property
    def needs(self) -> frozenset[Need]:
        found = set(self._source.needs)
        for table in self._linked:
            found |= table.way_needs()
            if self.match in table.lets:
                found |= table.lets[self.match].needs
            elif self.match:
                found |= table.parameters[self.match].source.needs
        return frozenset(found)

    def read(self, row: Row) -> Any:
        raw = self._source.read(row)
        if raw is None:
            return None
        names = raw if isinstance(raw, list) else split_raw(str(raw)) if self._is_list else [str(raw)]
        found = [path for name in names if (path := self._path_of(row, str(name)))]
        return found if self._is_list else found[0] if found else ""

    def _path_of(self, row: Row, name: str) -> str:
        for table in self.tables:
            target = row.view.by(table, self.match).get(name)
            if target is not None:
                return target.path[:-1]
        return ""

    def prepare(self, row: Row) -> None:
        self._source.prepare(row)
        for table in self.tables:
            row.view.by(table, self.match)

    def write(self, row: Row, text: str, staging: Staging) -> None:
        paths = split_list(text) if self._is_list else [text] if text else []
        names = [self._name_of(row, path) for path in paths]
        self._source.write(row, ",".join(names), staging)

    def _name_of(self, row: Row, path: str) -> str:
        wanted = f"Device{path}." if path.startswith(".") else f"{path}."
        for table in self.tables:
            for name, target in row.view.by(table, self.match).items():
                if target.path == wanted:
                    return name
        raise ValueFault(f"{path} is not a row of {' or '.join(self.tables)}")
