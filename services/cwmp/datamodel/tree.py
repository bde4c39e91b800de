"""The tree: what is declared (`Model`, `Object`, `Parameter`) and what one request sees of it (`View`, `Row`).

An `Object` stands for one path template (``Device.WiFi.SSID.{i}.``), a `Row` for one instance of it; objects
that are no table have exactly one row for each row around them. Rows are made when a request walks to them
and live as long as its view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from cwmp.datamodel.instances import Candidate, Entry, Instances, default_alias
from cwmp.datamodel.snapshot import Need, Snapshot, SourceFailed, Unread
from cwmp.datamodel.template import Condition
from cwmp.datamodel.types import Type
from ubuskit.uci import Section

if TYPE_CHECKING:
    from cwmp.datamodel.remote import Mount
    from cwmp.datamodel.sources import Source
    from cwmp.datamodel.tables import RowSource, There

MAX_PATH = 256

Reader = Callable[["Row"], str]

BROKEN = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading raises where a daemon answers what nobody expected, or a mapping needs itself."""


def broken(what: str, error: Exception) -> SourceFailed:
    """It costs `what`, and nothing else."""
    if isinstance(error, RecursionError):
        return SourceFailed(f"{what} needs itself")
    return SourceFailed(f"{what}: {type(error).__name__}: {error}")


class Notify(Enum):
    """What a parameter thinks of active notification (TR-069a6 A.3.2.4, TR-106 `activeNotify`)."""

    NORMAL = "normal"
    FORCED = "forced"
    """Always active, whatever the ACS asks for."""
    ACTIVE = "active"
    """Active until the ACS asks for something else."""
    DENY = "deny"
    """Never active: it changes all the time."""


class Parameter:
    """One declared parameter. `value` reads it for a row: hidden ones are their type's null value."""

    __slots__ = (
        "default",
        "hidden",
        "inform",
        "name",
        "notify",
        "origin",
        "source",
        "strong",
        "type",
        "type_name",
        "value",
        "writable",
        "write_if",
    )

    def __init__(
        self,
        name: str,
        kind: Type,
        source: Source,
        *,
        default: str | None = None,
        writable: bool = False,
        write_if: Sequence[Condition] = (),
        hidden: bool = False,
        inform: bool = False,
        strong: tuple[str, ...] = (),
        notify: Notify = Notify.NORMAL,
        origin: str = "",
    ) -> None:
        self.name = name
        self.type = kind
        self.type_name = kind.name
        self.source = source
        self.default = kind.null if default is None else default
        self.writable = writable
        self.write_if = tuple(write_if)
        self.hidden = hidden
        self.inform = inform
        self.strong = strong
        self.notify = notify
        self.origin = origin
        self.value: Reader = self._hidden if hidden else self._reader()

    def _reader(self) -> Reader:
        read, text, default = self.source.read, self.type.texts(), self.default

        def value(row: Row) -> str:
            try:
                raw = read(row)
                if raw is None:
                    return default
                found = text(raw)
            except BROKEN as error:
                raise broken(f"{row.path}{self.name}", error) from None
            return default if found is None else found

        return value

    def _hidden(self, _row: Row) -> str:
        return self.type.null

    def is_writable(self, row: Row) -> bool:
        """Whether SetParameterValues may change it in this row."""
        return self.writable and (not self.write_if or row.meets(self.write_if))


class UniqueKey(NamedTuple):
    """Parameters whose values together identify a row (TR-106 3.2.5); a functional key only among enabled rows."""

    parameters: tuple[str, ...]
    functional: bool


class Object:
    """One declared object; a table where `rows` is set. `template` ends in a dot, rows are ``{i}``."""

    __slots__ = (
        "_needs",
        "alias",
        "children",
        "create",
        "delete",
        "lets",
        "mount",
        "name",
        "origin",
        "parameters",
        "parent",
        "probes",
        "rows",
        "section_name",
        "template",
        "unique",
    )

    def __init__(self, template: str, name: str, parent: Object | None) -> None:
        self.template = template
        self.name = name
        self.parent = parent
        self.children: dict[str, Object] = {}
        self.parameters: dict[str, Parameter] = {}
        self.lets: dict[str, Source] = {}
        self.rows: RowSource | None = None
        self.create: Mapping[str, Any] | None = None
        self.delete = False
        self.alias = False
        self.unique: tuple[UniqueKey, ...] = ()
        self.section_name = ""
        self.probes: tuple[Parameter, ...] = ()
        self.origin = ""
        self.mount: Mount | None = None
        self._needs: frozenset[Need] | None = None

    @property
    def has_alias(self) -> bool:
        """Whether its rows have an Alias that names them."""
        return self.alias or (self.mount is not None and "Alias" in self.parameters)

    @property
    def table(self) -> str:
        """The template of the table this is the row of: ``Device.WiFi.SSID.``."""
        return self.template.removesuffix("{i}.")

    def needs(self) -> frozenset[Need]:
        """What its parameters, its own rows and everything below certainly need. Known once all is linked."""
        if self._needs is None:
            found: set[Need] = set(self._mounted())
            if self.rows is not None:
                found |= self.rows.needs
            for parameter in self.parameters.values():
                if not parameter.hidden:
                    found |= parameter.source.needs
            for child in self.children.values():
                found |= child.needs()
            self._needs = frozenset(found)
        return self._needs

    def row_needs(self) -> frozenset[Need]:
        """What the rows of this object and of those below need, without their values."""
        found: set[Need] = set() if self.rows is None else set(self.rows.needs)
        found |= self._mounted()
        for child in self.children.values():
            found |= child.row_needs()
        return frozenset(found)

    def _mounted(self) -> frozenset[Need]:
        """Of an object that another daemon serves with all below it: everything, in one call."""
        if self.mount is None or self.mount.path != self.template or not self.mount.described:
            return frozenset()
        return frozenset({self.mount.need("tree", "")})

    def forget_needs(self) -> None:
        """What is below has changed."""
        self._needs = None

    def way_needs(self) -> frozenset[Need]:
        """What is needed to get to its rows: the tables on the way."""
        found: set[Need] = set()
        node: Object | None = self
        while node is not None:
            if node.rows is not None:
                found |= node.rows.needs
            node = node.parent
        return frozenset(found)


class Model:
    """All that is declared, below ``Device.``."""

    def __init__(self) -> None:
        self.root = Object("Device.", "Device", None)
        self.packages: dict[str, str] = {}

    def objects(self, start: Object | None = None) -> Iterator[Object]:
        """Every object, parents first."""
        node = start or self.root
        yield node
        for child in node.children.values():
            yield from self.objects(child)

    def find(self, template: str) -> Object | None:
        """The object with this path template, ``{i}`` for rows; a table's path gives its row's object."""
        node: Object | None = self.root
        for name in template.rstrip(".").split(".")[1:]:
            if name != "{i}" and node is not None:
                node = node.children.get(name)
        return node if template.startswith("Device.") else None

    def informs(self) -> Iterator[tuple[Object, Parameter]]:
        """The forced-inform parameters (TR-069a6 3.7.1.5); none of them is in a table."""
        for node in self.objects():
            for parameter in node.parameters.values():
                if parameter.inform:
                    yield node, parameter


class Row:
    """One instance of an object, as one request sees it.

    `key`, `entry`, `section` and `item` are those of the nearest row of a table: what identifies it, its number,
    its UCI section and its piece of a reply or file.
    """

    __slots__ = (
        "_cache",
        "_first",
        "_first_key",
        "entry",
        "item",
        "key",
        "object",
        "parent",
        "path",
        "section",
        "table_row",
        "view",
    )

    def __init__(self, view: View, node: Object, path: str, parent: Row | None) -> None:
        self.view = view
        self.object = node
        self.path = path
        self.parent = parent
        self._first_key: Any = None
        self._first: Any = None
        self._cache: dict[Any, Any] | None = None
        if parent is not None:
            self.key: str = parent.key
            self.entry: Entry | None = parent.entry
            self.section: Section | None = parent.section
            self.item: Any = parent.item
            self.table_row: Row | None = parent.table_row
        else:
            self.key, self.entry, self.section, self.item, self.table_row = "", None, None, None, None

    def cached(self, key: Any, make: Callable[[Row], Any]) -> Any:
        """``make(self)``, once. Most rows keep one thing, for which a dictionary would be large."""
        if self._first_key is key:
            return self._first
        if self._cache is not None and key in self._cache:
            return self._cache[key]
        made = make(self)
        if self._first_key is None:
            self._first_key, self._first = key, made
        elif self._cache is None:
            self._cache = {key: made}
        else:
            self._cache[key] = made
        return made

    def forget(self) -> None:
        """Have all that `cached` keeps made anew."""
        self._first_key = self._first = self._cache = None

    def variable(self, name: str) -> str | None:
        """The value of a template's variable."""
        if name == "key":
            return self.key
        if name.startswith("up."):
            above = self.table_row.parent if self.table_row is not None else None
            return above.variable(name[3:]) if above is not None else None
        row: Row | None = self
        while row is not None:
            source = row.object.lets.get(name)
            if source is not None:
                try:
                    raw = row.cached(source, source.read)
                except BROKEN as error:
                    raise broken(f"{{{name}}} of {row.object.template}", error) from None
                return None if raw is None or isinstance(raw, (dict, list)) else str(raw)
            row = row.parent
        return None

    def field(self, name: str) -> str:
        """What a condition sees: the key, an option of the section, a member of the item, a variable."""
        if name == "key":
            return self.key
        if self.section is not None:
            value: Any = self.section.options.get(name)
        elif isinstance(self.item, dict):
            value = self.item.get(name)
        else:
            value = self.variable(name)
        return field_text(value)

    def meets(self, conditions: Sequence[Condition]) -> bool:
        return all(c.holds(self.field(c.field)) for c in conditions)

    def children(self) -> Iterator[Row]:
        """The rows directly below; those of tables that cannot be read now are left out."""
        for child in self.object.children.values():
            if child.rows is None:
                yield self.view.single(child, self)
            else:
                try:
                    yield from self.view.rows(child, self)
                except Unread:
                    continue
                except SourceFailed as failure:
                    self.view.note(failure)

    @property
    def alias(self) -> str:
        """The Alias of the row; "" where the table has none. Raises like `Parameter.value`, if somebody else's."""
        if self.entry is None:
            return ""
        if self.object.mount is not None:
            parameter = self.object.parameters.get("Alias")
            return "" if parameter is None else parameter.value(self)
        return self.entry.alias or default_alias(self.entry)


class View:
    """The tree as one request sees it."""

    __slots__ = (
        "_indexes",
        "_keys",
        "_rows",
        "failures",
        "instances",
        "model",
        "own",
        "renames",
        "root",
        "snapshot",
    )

    def __init__(
        self, model: Model, snapshot: Snapshot, instances: Instances, own: Mapping[str, str]
    ) -> None:
        self.model = model
        self.snapshot = snapshot
        self.instances = instances
        self.own = own
        self.root = Row(self, model.root, "Device.", None)
        self.failures: dict[str, SourceFailed] = {}
        self.renames: dict[tuple[str, str], Entry] = {}
        """Rows that this request moves to another key, by table and that key."""
        self._rows: dict[str, list[Row]] = {}
        self._keys: dict[tuple[str, str], dict[str, Row]] = {}
        self._indexes: dict[tuple[int, str], dict[str, Any]] = {}

    def single(self, node: Object, parent: Row) -> Row:
        """The one row of an object that is no table."""
        return Row(self, node, f"{parent.path}{node.name}.", parent)

    def rows(self, node: Object, parent: Row) -> list[Row]:
        """The rows of a table, by number (of anything else the only one). Raises Unread and SourceFailed."""
        if node.rows is None:
            return [self.single(node, parent)]
        path = f"{parent.path}{node.name}."
        found = self._rows.get(path)
        if found is None:
            found = self._make_rows(node, node.rows, parent, path)
            if found:  # that there are none is quickly found out again, and there may be many such tables
                self._rows[path] = found
        return found

    def _make_rows(self, node: Object, source: RowSource, parent: Row, path: str) -> list[Row]:
        try:
            there = source.there(parent)
        except BROKEN as error:
            raise broken(path, error) from None
        if not source.numbered:
            entries = self._numbered(path, there)
        elif node.alias:
            entries = self.instances.adopt(path, [int(t.key) for t in there])
        else:
            entries = [Entry(int(t.key), t.key) for t in there]
        rows = []
        for one, entry in zip(there, entries, strict=True):
            row = Row(self, node, f"{path}{entry.number}.", parent)
            row.key, row.entry, row.table_row = one.key, entry, row
            if one.section is not None:
                row.section = one.section
            row.item = one.item
            rows.append(row)
        rows.sort(key=lambda r: r.entry.number if r.entry else 0)
        return rows

    def _numbered(self, path: str, there: Sequence[There]) -> list[Entry]:
        moved = {t.key: entry for t in there if self.renames and (entry := self.renames.get((path, t.key)))}
        entries = self.instances.number(
            path,
            [
                Candidate(t.key, t.section.anonymous, t.section.options)
                if t.is_section and t.section is not None
                else Candidate(t.key)
                for t in there
                if t.key not in moved
            ],
        )
        if not moved:
            return entries
        others = iter(entries)
        return [moved.get(t.key) or next(others) for t in there]

    def every(self, node: Object) -> Iterator[Row]:
        """All rows of an object, wherever they are. Raises like `rows`."""
        if node.parent is None:
            yield self.root
        else:
            for parent in self.every(node.parent):
                yield from self.rows(node, parent)

    def only(self, node: Object) -> Row:
        """The one row of an object that lies in no table."""
        if node.parent is None:
            return self.root
        return self.single(node, self.only(node.parent))

    def table(self, template: str) -> list[Row]:
        """The rows of a table, like ``Device.IP.Interface.``; of one that lies in rows, those of all of them."""
        node = self.model.find(template)
        return [] if node is None or node.parent is None else list(self.every(node))

    def by(self, template: str, match: str) -> dict[str, Row]:
        """The rows of such a table by key, or by one of their parameters or variables; the first of equal ones."""
        found = self._keys.get((template, match))
        if found is None:
            found = {}
            for row in self.table(template):
                known = match or ("" if row.object.mount is None else "Name")
                if not known:
                    value: str | None = row.key
                elif known in row.object.lets:
                    value = row.variable(known)
                else:
                    parameter = row.object.parameters.get(known)  # of another daemon's there may be none
                    value = None if parameter is None else parameter.value(row)
                if value is not None:
                    found.setdefault(value, row)
            self._keys[template, match] = found
        return found

    def index(self, entries: list[Any], member: str) -> dict[str, Any]:
        """The entries of a list in a reply by one of their members; the list lives as long as the snapshot."""
        found = self._indexes.get((id(entries), member))
        if found is None:
            found = {}
            for entry in entries:
                if isinstance(entry, dict):
                    found.setdefault(str(entry.get(member)), entry)
            self._indexes[id(entries), member] = found
        return found

    def forget_rows(self) -> None:
        """Have the rows made anew: sections came or went."""
        self._rows.clear()
        self._keys.clear()
        self.root.forget()

    def note(self, failure: SourceFailed) -> None:
        """Keep a failure for the log; each source's once."""
        self.failures.setdefault(str(failure), failure)


def field_text(value: Any) -> str:
    """A value as conditions compare it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
