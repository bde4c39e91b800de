"""The usual shape of a `Code`: a function that reads, and one that writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

Read = Callable[["Row"], Any]
Write = Callable[["Row", str, "Staging"], None]


class Computed:
    """A `Code` made of functions; `needs` is what they look at, `prepare` looks at what only writing needs."""

    def __init__(
        self, read: Read, write: Write | None = None, *needs: Need, prepare: Read | None = None
    ) -> None:
        self._read = read
        self._prepare = prepare or read
        self._write = write
        self.needs = frozenset(needs)
        self.writable = write is not None

    def read(self, row: Row) -> Any:
        return self._read(row)

    def prepare(self, row: Row) -> None:
        self._prepare(row)

    def write(self, row: Row, text: str, staging: Staging) -> None:
        if self._write is None:
            raise ValueFault("nothing can be written there")
        self._write(row, text, staging)


def option(row: Row, name: str) -> str:
    """An option of the row's section as one text, "" where it is not there."""
    value = row.section.options.get(name, "") if row.section is not None else ""
    return value if isinstance(value, str) else value[0] if value else ""


def set_option(row: Row, package: str, name: str, value: str | list[str], staging: Staging) -> None:
    """Stage an option of the row's section."""
    if row.section is None:
        raise ValueFault("the section is not there")
    staging.set_option(package, row.section, name, value)
