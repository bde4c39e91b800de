"""Where the rows of tables come from: sections, replies, lines of files, another service, or a fixed list."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.sources.service import owned_need
from cwmp.datamodel.sources.ubus import Below, UbusContext
from cwmp.datamodel.template import Condition, Template
from cwmp.datamodel.types import ValueFault
from ubuskit.uci import Section

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row

_MAX_ROWS = 10_000
_NUMBER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


class There(NamedTuple):
    """A row that is there: what identifies it, and what it is made of. `is_section`: it is its section."""

    key: str
    section: Section | None = None
    item: Any = None
    is_section: bool = False


class RowSource(ABC):
    """The rows of one table. `conditions` leave out rows; fields are those of the row to be.

    Where `numbered`, the keys are the instance numbers: somebody else gives them. Where `creates`, rows can be
    made and taken away.
    """

    dynamic = False
    numbered = False
    creates = False
    package = ""
    """The UCI package that short names of options mean."""

    def __init__(self, conditions: Sequence[Condition] = ()) -> None:
        self._conditions = conditions

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset()

    @abstractmethod
    def there(self, parent: Row) -> list[There]:
        """The rows below `parent`, no key twice. Raises like `Snapshot.get`."""

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        """Stage a new row with its defaults (`Object.create`); `number` is what it is going to be.

        Raises:
            ValueFault: the system has no room for it.
        """
        raise ValueFault("no row can be created here")

    def remove(self, row: Row, staging: Staging) -> None:
        """Stage that `row` goes.

        Raises:
            ValueFault: this one cannot.
        """
        raise ValueFault("this row cannot be deleted")

    def _chosen(self, rows: Sequence[There], parent: Row | None = None) -> list[There]:
        conditions = [c if parent is None else c.at(parent) for c in self._conditions]
        found: dict[str, There] = {}
        for row in rows:
            if all(c.holds(_field(row, c.field)) for c in conditions):
                found.setdefault(row.key, row)
        return list(found.values())[:_MAX_ROWS]


class SectionRows(RowSource):
    """Every section of one type is a row; its name is the key.

    A section may serve several tables. With `forget` a row is deleted by setting these options ("" deletes one);
    the section goes too where nothing but those and `bare` (options, or ``option=value``) is left of it.
    """

    creates = True

    def __init__(
        self,
        package: str,
        kind: str,
        conditions: Sequence[Condition] = (),
        forget: Mapping[str, str] | None = None,
        bare: Sequence[str] = (),
    ) -> None:
        super().__init__(conditions)
        self.package = package
        self.kind = kind
        self._forget = forget
        self._bare = frozenset(bare)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need("uci", self.package)})

    def there(self, parent: Row) -> list[There]:
        sections = parent.view.snapshot.package(self.package).of_type(self.kind)
        return self._chosen([There(s.name, s, parent.item, True) for s in sections], parent)

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        name = _free_name(parent, self.package, node.section_name, number)
        options = {
            k: v if isinstance(v, list) else _filled(str(v), name, parent)
            for k, v in (node.create or {}).items()
        }
        section = staging.add_section(self.package, self.kind, name, options)
        return There(section.name, section, None, True)

    def remove(self, row: Row, staging: Staging) -> None:
        if row.section is None:
            raise ValueFault("not a section")
        if self._forget is None or all(
            option in self._forget or {option, f"{option}={value}"} & self._bare
            for option, value in row.section.options.items()
        ):
            staging.delete_section(self.package, row.section)
            return
        for option, value in self._forget.items():
            staging.set_option(self.package, row.section, option, value)
        row.view.forget_rows()


class ReplyRows(RowSource):
    """Every entry of an array or of a table in a reply is a row. Of an array's entry a member is the key (or
    the entry itself, where it is a text); a table's entry has one already."""

    def __init__(self, context: UbusContext | Below, key: str, conditions: Sequence[Condition] = ()) -> None:
        super().__init__(conditions)
        self._context = context
        self._key = key
        self.dynamic = context.dynamic

    @property
    def needs(self) -> frozenset[Need]:
        return self._context.needs

    def there(self, parent: Row) -> list[There]:
        root = self._context.root(parent)
        if isinstance(root, dict):
            return self._chosen([There(str(key), None, value) for key, value in root.items()], parent)
        if not isinstance(root, list):
            return []
        return self._chosen([There(key, None, item) for item in root if (key := self._key_of(item))], parent)

    def _key_of(self, item: Any) -> str:
        if isinstance(item, dict):
            return str(item.get(self._key, ""))
        return str(item) if isinstance(item, (str, int)) and not self._key else ""


class LineRows(RowSource):
    """Every line of a file is a row; its words are named by `columns`."""

    def __init__(
        self, path: str, columns: Sequence[str], key: str, conditions: Sequence[Condition] = ()
    ) -> None:
        super().__init__(conditions)
        self._need = Need("file", path)
        self._columns = tuple(columns)
        self._key = key

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({self._need})

    def there(self, parent: Row) -> list[There]:
        rows = []
        for line in parent.view.snapshot.get(self._need).splitlines():
            item = dict(zip(self._columns, line.split(), strict=False))
            if key := item.get(self._key):
                rows.append(There(key, None, item))
        return self._chosen(rows, parent)


class OwnedRows(RowSource):
    """The rows of a table in another service, under the numbers that their owner gave them: those for which it
    has a parameter."""

    numbered = True

    def __init__(self, service: str, template: str, conditions: Sequence[Condition] = ()) -> None:
        super().__init__(conditions)
        self.service = service
        self._name = template.removesuffix(".{i}.").rpartition(".")[2]
        self._need = owned_need(service, template)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({self._need})

    def there(self, parent: Row) -> list[There]:
        table = f"{parent.path}{self._name}."
        numbers: dict[str, dict[str, str]] = {}
        for path, value in parent.view.snapshot.get(self._need).items():
            if path.startswith(table):
                number, _, name = path[len(table) :].partition(".")
                if _NUMBER.fullmatch(number):
                    numbers.setdefault(number, {})[name] = value
        return self._chosen([There(number, None, row) for number, row in numbers.items()], parent)


class FixedRows(RowSource):
    """Always the same rows, where the row around them meets the conditions. `numbered`: the keys are numbers, and
    nothing is kept of them."""

    def __init__(
        self, keys: Sequence[str], conditions: Sequence[Condition] = (), *, numbered: bool = False
    ) -> None:
        super().__init__()
        self._keys = tuple(keys)
        self.numbered = numbered
        self._around = conditions

    def there(self, parent: Row) -> list[There]:
        if not parent.meets(self._around):
            return []
        return [There(key, parent.section, parent.item) for key in self._keys]


def _filled(text: str, section: str, parent: Row) -> str:
    """An option of a new section: ``{section}`` is its own name, other variables are the row's around it.

    Raises:
        ValueFault: one of them has no value.
    """
    template = Template(text.replace("{section}", section))
    found = template.render(parent)
    if found is None:
        raise ValueFault(f"{parent.path} has no {' and '.join(template.variables)} yet")
    return found


def _free_name(row: Row, package: str, prefix: str, number: int) -> str:
    """A section name that nobody has; numbers are not used again, so neither are names."""
    taken = row.view.snapshot.package(package).sections
    while (name := f"{prefix}_{number}") in taken:
        number += 1
    return name


def _field(row: There, name: str) -> str:
    from cwmp.datamodel.tree import field_text  # noqa: PLC0415  # tree's rows are made from ours

    if name == "key":
        return row.key
    if row.section is not None:
        return field_text(row.section.options.get(name))
    return field_text(row.item.get(name)) if isinstance(row.item, dict) else ""
