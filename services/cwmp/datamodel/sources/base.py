"""What every source is, and the simple ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cwmp.datamodel.conversion import Conversion
from cwmp.datamodel.snapshot import Need, SourceFailed
from cwmp.datamodel.template import Step, follow, varies
from cwmp.datamodel.types import Type, ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row


class Source:
    """Where the value of a parameter comes from and, where `writable`, goes to.

    `needs` is what it reads in any case; a `dynamic` source needs more that only a row can tell, and is read
    once beforehand for that (`probe` tells sources that need the same from others).
    """

    writable = False
    dynamic = False

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset()

    @property
    def probe(self) -> object:
        return self

    def read(self, row: Row) -> Any:
        """What the source holds for `row`: text, number, boolean, list, or None where there is no value.

        Raises:
            Unread: something must be fetched first.
            SourceFailed: it cannot be had.
        """
        raise SourceFailed(f"{type(self).__name__} cannot be read")

    def prepare(self, row: Row) -> None:
        """Read what `write` will need. Raises like `read`."""
        self.read(row)

    def write(self, row: Row, text: str, staging: Staging) -> None:
        """Stage the canonical `text` as the new value.

        Raises:
            ValueFault: the system cannot take it.
        """
        raise ValueFault("nothing can be written there")


class Const(Source):
    """Always the same."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def read(self, row: Row) -> Any:
        return self.value


class RowItem(Source):
    """A piece of the entry the row stands for (an array's element, a line's column), or its key."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps
        self.dynamic = varies(steps)

    def read(self, row: Row) -> Any:
        return follow(row.item, self._steps, row) if self._steps else row.key


class RowNumber(Source):
    """The row's instance number."""

    def read(self, row: Row) -> Any:
        return row.entry.number if row.entry is not None else None


class Own(Source):
    """A parameter the datamodel keeps itself."""

    writable = True

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self, row: Row) -> Any:
        return row.view.own.get(self._path)

    def write(self, row: Row, text: str, staging: Staging) -> None:
        staging.own[self._path] = text


class Count(Source):
    """The number of rows of a table below the same object."""

    def __init__(self, table: Object) -> None:
        self._table = table

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset() if self._table.rows is None else self._table.rows.needs

    @property
    def dynamic(self) -> bool:  # type: ignore[override]
        return self._table.rows is not None and self._table.rows.dynamic

    def read(self, row: Row) -> Any:
        return len(row.view.rows(self._table, row))


class AliasOf(Source):
    """The Alias of the row, kept beside its number."""

    writable = True

    def read(self, row: Row) -> Any:
        return row.alias

    def write(self, row: Row, text: str, staging: Staging) -> None:
        if not text:
            raise ValueFault("an Alias cannot be empty")
        staging.set_alias(row, text)


class Converted(Source):
    """Another source, seen through a conversion."""

    def __init__(self, source: Source, conversion: Conversion) -> None:
        self._source = source
        self._read = conversion.read
        self._write = conversion.write or _refuse
        self.writable = source.writable and conversion.write is not None
        self.dynamic = source.dynamic

    @property
    def needs(self) -> frozenset[Need]:
        return self._source.needs

    @property
    def probe(self) -> object:
        return self._source.probe

    def read(self, row: Row) -> Any:
        raw = self._source.read(row)
        return None if raw is None else self._read(raw)

    def prepare(self, row: Row) -> None:
        self._source.prepare(row)

    def write(self, row: Row, text: str, staging: Staging) -> None:
        try:
            raw = self._write(text)
        except ValueError as error:
            raise ValueFault(str(error)) from None
        self._source.write(row, raw, staging)


class Unchanging(Source):
    """Another source of what this router cannot change: it may be written to be what it is."""

    writable = True

    def __init__(self, source: Source, kind: Type, default: str) -> None:
        self._source = source
        self._kind = kind
        self._default = default
        self.read = source.read  # type: ignore[method-assign]
        self.dynamic = source.dynamic

    @property
    def needs(self) -> frozenset[Need]:
        return self._source.needs

    @property
    def probe(self) -> object:
        return self._source.probe

    def prepare(self, row: Row) -> None:
        self._source.read(row)

    def write(self, row: Row, text: str, staging: Staging) -> None:
        raw = self._source.read(row)
        found = None if raw is None else self._kind.text(raw)
        if text != (self._default if found is None else found):
            raise ValueFault("this router cannot change it")


class FirstOf(Source):
    """The first of several sources that has a value. Writing goes to the first that takes it."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self._sources = sources
        self._target = next((s for s in sources if s.writable), sources[0])
        self.writable = self._target.writable
        self.dynamic = any(s.dynamic for s in sources)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset().union(*(s.needs for s in self._sources))

    def read(self, row: Row) -> Any:
        failure: SourceFailed | None = None
        for source in self._sources:
            try:
                raw = source.read(row)
            except SourceFailed as failed:
                failure = failed
            else:
                if raw is not None and raw != "":
                    return raw
        if failure is not None:
            raise failure
        return None

    def prepare(self, row: Row) -> None:
        self._target.prepare(row)

    def write(self, row: Row, text: str, staging: Staging) -> None:
        self._target.write(row, text, staging)


def _refuse(_text: str) -> str:
    raise ValueError("nothing can be written there")
