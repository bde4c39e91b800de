"""Mapping files to a `Model` (the language is described in docs/mapping.md).

A mistake costs what it is in and no more: a file that is no TOML, an object whose rows make no sense (with all
below it), one parameter. Each is reported with file, line and reason.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cwmp.datamodel import conversion, tables, types
from cwmp.datamodel.items import ItemRows, ListItem
from cwmp.datamodel.listing import DirectoryRows
from cwmp.datamodel.mapping_file import MappingError, MappingFile, Problem, open_file
from cwmp.datamodel.remote.mount import Mount
from cwmp.datamodel.sources import (
    Below,
    Code,
    Const,
    Converted,
    Count,
    FileText,
    FirstOf,
    Own,
    PythonCode,
    Reference,
    RowItem,
    RowNumber,
    ServiceOwned,
    Source,
    UbusContext,
    UbusReply,
    UciOption,
    Unchanging,
)
from cwmp.datamodel.sources.base import AliasOf
from cwmp.datamodel.sources.command import Command
from cwmp.datamodel.template import (
    Condition,
    SectionName,
    conditions,
    option_name,
    reply_path,
    section_name,
    section_type,
    ubus_call,
)
from cwmp.datamodel.tree import MAX_PATH, Model, Notify, Object, Parameter, UniqueKey

PACKAGE_RULES = ("at once", "after session", "own")

_OBJECT_KEYS = frozenset(
    {
        "uci",
        "ubus",
        "service",
        "ambiorix",
        "bbfdm",
        "hide",
        "rows",
        "let",
        "like",
        "create",
        "create_name",
        "delete",
        "alias",
        "entries",
        "unique",
        "unique_when_enabled",
    }
)
_MOUNTED = frozenset({"ambiorix", "bbfdm"})
_SOURCE_KEYS = ("uci", "ubus", "file", "const", "service", "row", "python", "item", "command")
_ROW_KEYS = ("uci", "ubus", "file", "keys", "service", "directory", "list", "python")
_ROW_EXTRAS = frozenset({"where", "key", "columns", "forget", "bare", "off", "numbered"})
_PART_KEYS = frozenset({*_SOURCE_KEYS, "map", "invert", "scale", "format", "regex", "field", "also", "when"})
_WHEN = ("at once", "after session")
_PARAMETER_KEYS = _PART_KEYS | frozenset(
    {
        "type",
        "list",
        "items",
        "enum",
        "reported",
        "pattern",
        "write",
        "default",
        "hidden",
        "secured",
        "inform",
        "notify",
        "strong",
        "weak",
        "match",
        "from",
    }
)
_PATH = re.compile(r"Device\.([A-Za-z_][A-Za-z0-9_-]*\.(\{i\}\.)?)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_VENDOR = re.compile(r"X_[A-Z0-9][A-Z0-9-]*(_[A-Z0-9-]+)*_[A-Za-z][A-Za-z0-9_-]*")


@dataclass(slots=True)
class _Scope:
    """What short forms in one object of one file refer to."""

    section: SectionName | None = None
    package: str = ""
    ubus: UbusContext | Below | None = None
    service: str = ""


def load(directories: Sequence[Path]) -> tuple[Model, list[Problem]]:
    """The model that the ``*.toml`` files in `directories` declare, and what is wrong in them.

    A file takes the place of a file of the same name in an earlier directory; otherwise files add to each other.
    """
    return load_files(find_files(directories))


def find_files(directories: Sequence[Path]) -> list[Path]:
    """The mapping files in `directories`, in the order they are read."""
    files: dict[str, Path] = {}
    for directory in directories:
        if directory.is_dir():
            for path in sorted(directory.glob("*.toml")):
                files.pop(path.name, None)
                files[path.name] = path
    return list(files.values())


def load_files(files: Sequence[Path]) -> tuple[Model, list[Problem]]:
    """As `load`, of these files."""
    builder = _Builder()
    for path in files:
        builder.read(path)
    return builder.finish()


class _Builder:
    def __init__(self) -> None:
        self._model = Model()
        self._problems: list[Problem] = []
        self._files: list[MappingFile] = []
        self._scopes: dict[tuple[str, str], _Scope] = {}
        self._broken: set[str] = set()
        self._references: list[tuple[MappingFile, Object, Parameter, Reference]] = []

    def read(self, path: Path) -> None:
        try:
            file, document = open_file(path)
        except Problem as problem:
            self._problems.append(problem)
            return
        for key, value in document.items():
            if key == "packages":
                self._packages(file, value)
            elif not _PATH.fullmatch(key) or not isinstance(value, dict):
                self._problem(
                    file, key, "", f"'{key}' is no object: write its path as [\"Device.Example.{{i}}.\"]"
                )
            else:
                file.tables[key] = value
        self._files.append(file)

    def finish(self) -> tuple[Model, list[Problem]]:
        for file in self._files:
            for template in sorted(file.tables, key=lambda t: t.count(".")):
                self._guard(file, template, "", lambda f=file, t=template: self._object(f, t))
        for file in self._files:
            for template, table in file.tables.items():
                self._guard(file, template, "", lambda f=file, t=template: self._liken(f, t))
                node = None if self._is_broken(template) else self._model.find(template)
                if node is None or not _MOUNTED.isdisjoint(table):
                    continue
                for name, spec in table.items():
                    if name[0].isupper() or name[0] == "_":
                        self._guard(
                            file, template, name,
                            lambda f=file, n=node, m=name, s=spec: self._parameter(f, n, m, s),
                        )  # fmt: skip
        self._counts()
        self._link()
        self._check_keys()
        for node in self._model.objects():
            node.probes = _probes(node)
        return self._model, sorted(self._problems, key=lambda p: (p.file, p.line))

    # Mistakes

    def _problem(self, file: MappingFile, header: str, key: str, text: str) -> None:
        self._problems.append(Problem(file.label, file.line(header, key), text))

    def _guard(self, file: MappingFile, template: str, name: str, build: Any) -> None:
        try:
            build()
        except (ValueError, OverflowError, RecursionError) as error:  # patterns and names without end, too
            key = name or getattr(error, "key", "")
            if not name:
                self._broken.add(template)
            self._problem(file, template, key, f"{template}{name}: {error}")

    def _is_broken(self, template: str) -> bool:
        return any(template.startswith(broken) for broken in self._broken)

    # Objects

    def _packages(self, file: MappingFile, table: Any) -> None:
        for package, rule in table.items() if isinstance(table, dict) else ():
            if rule in PACKAGE_RULES:
                self._model.packages[package] = rule
            else:
                self._problem(
                    file, "packages", package, f"'{rule}' is no rule: use {', '.join(PACKAGE_RULES)}"
                )

    def _object(self, file: MappingFile, template: str) -> None:
        table = file.tables[template]
        for key in table:
            if not key[0].isupper() and key[0] != "_" and key not in _OBJECT_KEYS:
                raise MappingError(
                    f"there is no '{key}' in objects: use {', '.join(sorted(_OBJECT_KEYS))}", key
                )
        if self._is_broken(template):
            return
        node = self._node(file, template)
        if self._mounted(file, node, table):
            return
        scope = self._scopes[file.label, template] = self._inherited(file, node)
        self._rows(node, table, scope)
        try:
            if "uci" in table:
                scope.section = section_name(_text(table["uci"]))
                scope.package = scope.section.package
            if "ubus" in table:
                scope.ubus = self._context(_text(table["ubus"]), scope, node)
            if "service" in table:
                scope.service = _text(table["service"])
            for name, spec in _table(table.get("let", {})).items():
                node.lets[name] = self._source(spec, scope, node, f"let.{name}")
        except ValueError as error:
            key = next((k for k in ("uci", "ubus", "service", "let") if k in table), "")
            raise MappingError(str(error), getattr(error, "key", "") or key) from None
        if "unique" in table or "unique_when_enabled" in table:
            node.unique += tuple(
                UniqueKey(tuple(names.split("+")), functional)
                for key, functional in (("unique", False), ("unique_when_enabled", True))
                for names in table.get(key, [])
            )

    def _mounted(self, file: MappingFile, node: Object, table: dict[str, Any]) -> bool:
        """Whether another daemon is said to serve the object with all below it."""
        kind = next((kind for kind in sorted(_MOUNTED) if kind in table), "")
        if kind:
            try:
                node.mount = self._mount(node, table, kind)
            except MappingError as error:
                self._problem(file, node.template, error.key or kind, f"{node.template}: {error}")
        return bool(kind)

    def _mount(self, node: Object, table: dict[str, Any], kind: str) -> Mount:
        if others := set(table) - {kind, "hide"}:
            raise MappingError(
                f"{kind} serves all of it: '{min(others)}' cannot stand beside it", min(others)
            )
        if node.template == "Device." or "{i}" in node.template:
            raise MappingError(f"{kind} serves an object below Device. that lies in no table")
        where = _text(table[kind])
        if not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_-]*\.)*[A-Za-z_][A-Za-z0-9_-]*\.?", where):
            raise MappingError(f"'{where}' is no path of an object there")
        if kind == "bbfdm" and not where.startswith("Device."):
            raise MappingError("bbfdm has full paths, like bbfdm = 'Device.WiFi.'")
        declared = [t for f in self._files for t in f.tables if t.startswith(node.template)]
        declared.remove(node.template)
        if declared:
            raise MappingError(f"{declared[0]} is declared too, and {kind} serves all of {node.template}")
        above = node.parent
        while above is not None:
            if above.mount is not None:
                raise MappingError(f"{above.mount} serves all of {above.template}")
            above = above.parent
        hidden = frozenset(_text(name) for name in table.get("hide", []))
        return Mount(node.template, kind, f"{where.rstrip('.')}.", hidden)

    def _rows(self, node: Object, table: dict[str, Any], scope: _Scope) -> None:
        is_row = node.template.endswith("{i}.")
        if "rows" in table:
            if not is_row:
                raise MappingError("only a path that ends in {i}. has rows", "rows")
            if node.rows is not None:
                raise MappingError(f"its rows are declared already in {node.origin}", "rows")
            try:
                node.rows = self._row_source(_table(table["rows"]), scope, node)
            except ValueError as error:
                raise MappingError(str(error), "rows") from None
            if node.rows.package:
                scope.section, scope.package = None, node.rows.package
            elif isinstance(node.rows, tables.OwnedRows):
                scope.service = node.rows.service
        elif is_row and node.rows is None:
            raise MappingError("a table needs rows, like rows = { uci = 'network.@interface' }")
        if "create" in table or table.get("delete"):
            if node.rows is None or not node.rows.creates:
                raise MappingError(
                    "only rows that are UCI sections, items of a list or made in python can be created or deleted",
                    "create",
                )
            node.create = _table(table["create"]) if "create" in table else None
            node.delete = bool(table.get("delete", "create" in table))
            kind = node.rows.kind if isinstance(node.rows, tables.SectionRows) else "row"
            node.section_name = table.get("create_name", re.sub("[^A-Za-z0-9_]", "_", kind))
        if table.get("alias"):
            node.alias = True
            node.parameters["Alias"] = Parameter(
                "Alias", types.NAMED["Alias"], AliasOf(), writable=True, origin=node.origin
            )
            node.unique += (UniqueKey(("Alias",), False),)

    def _node(self, file: MappingFile, template: str) -> Object:
        if len(template) > MAX_PATH:
            raise MappingError(f"the path is longer than {MAX_PATH} characters")
        node = self._model.root
        path = "Device."
        names = template.split(".")[1:-1]
        for place, name in enumerate(names):
            if name == "{i}":
                continue
            is_table = place + 1 < len(names) and names[place + 1] == "{i}"
            path += f"{name}.{{i}}." if is_table else f"{name}."
            child = node.children.get(name)
            if child is None:
                if is_table and path != template:
                    raise MappingError(f"the table {path} around it is not declared")
                _check_name(name, node.template)
                child = node.children[name] = Object(path, name, node)
                child.origin = file.label
            elif child.template != path:
                raise MappingError(f"{child.origin} declares it as {child.template}")
            node = child
        return node

    def _inherited(self, file: MappingFile, node: Object) -> _Scope:
        above: Object | None = node
        while above is not None:
            for label in (file.label, above.origin):
                found = self._scopes.get((label, above.template))
                if found is not None and not (above is node and label not in (file.label, node.origin)):
                    return _Scope(found.section, found.package, found.ubus, found.service)
            above = above.parent
        return _Scope()

    def _row_source(self, spec: dict[str, Any], scope: _Scope, node: Object) -> tables.RowSource:
        kinds = [k for k in _ROW_KEYS if k in spec]
        if len(kinds) != 1 or (unknown := set(spec) - {*kinds, *_ROW_EXTRAS}):
            raise MappingError(
                f"there is no '{min(unknown)}' in rows" if len(kinds) == 1
                else f"rows come from one of {', '.join(_ROW_KEYS)}"
            )  # fmt: skip
        where = conditions(spec.get("where", []))
        match kinds[0]:
            case "uci":
                forget = (
                    {k: _text(v) for k, v in _table(spec["forget"]).items()} if "forget" in spec else None
                )
                return tables.SectionRows(
                    *section_type(_text(spec["uci"])), where, forget, spec.get("bare", ())
                )
            case "ubus":
                return tables.ReplyRows(self._context(_text(spec["ubus"]), scope), spec.get("key", ""), where)
            case "keys":
                return tables.FixedRows(spec["keys"], where, numbered=bool(spec.get("numbered")))
            case "service":
                return tables.OwnedRows(_text(spec["service"]), node.template, where)
            case "directory":
                return DirectoryRows(_text(spec["directory"]), where, numbered=bool(spec.get("numbered")))
            case "list":
                return self._item_rows(spec, scope, where)
            case "python":
                rows = _imported(_text(spec["python"]))
                if not isinstance(rows, tables.RowSource):
                    raise MappingError(f"{spec['python']} is no RowSource (tables.py)")
                return rows
        columns = spec.get("columns", [])
        if spec.get("key") not in columns:
            raise MappingError("rows of a file need columns and a key that is one of them")
        return tables.LineRows(_text(spec["file"]), columns, spec["key"], where)

    def _item_rows(self, spec: dict[str, Any], scope: _Scope, where: tuple[Condition, ...]) -> ItemRows:
        section, option, index = option_name(_text(spec["list"]))
        around = section or scope.section
        package = around.package if around is not None else scope.package
        if index is not None or not package:
            raise MappingError(
                f"'{spec['list']}' is no list: write package.section.option, or a row's option"
            )
        return ItemRows(package, around, option, _text(spec.get("off", "")), where)

    def _context(self, text: str, scope: _Scope, owner: Object | None = None) -> UbusContext | Below:
        if text.startswith((".", "[")):
            if scope.ubus is None:
                raise MappingError(f"'{text}' needs a ubus call in an object around it")
            return Below(scope.ubus, reply_path(text))
        return UbusContext(ubus_call(text), owner)

    def _liken(self, file: MappingFile, template: str) -> None:
        """Take over the parameters of another object, as if they were written here."""
        table = file.tables[template]
        if "like" not in table:
            return
        model = next((f.tables[table["like"]] for f in self._files if table["like"] in f.tables), None)
        if model is None or "like" in model:
            raise MappingError(f"there is no object {table['like']} with parameters of its own", "like")
        for name, spec in model.items():
            if name[0].isupper():
                table.setdefault(name, spec)

    # Parameters

    def _parameter(self, file: MappingFile, node: Object, name: str, spec: Any) -> None:
        if not isinstance(spec, dict) or "type" not in spec:
            raise MappingError('a parameter is a table with a type, like { type = "string(64)", uci = "x" }')
        if unknown := set(spec) - _PARAMETER_KEYS:
            raise MappingError(
                f"there is no '{min(unknown)}' in parameters: use {', '.join(sorted(_PARAMETER_KEYS))}"
            )
        _check_name(name, node.template)
        if name in node.parameters:
            raise MappingError(f"{node.parameters[name].origin} declares it already")
        if name in node.children:
            raise MappingError("there is an object of that name")
        if len(node.template) + len(name) > 256:
            raise MappingError("a path has at most 256 characters")
        kind = _type(spec)
        scope = self._scopes[file.label, node.template]
        source = self._source(spec, scope, node, name, is_list=kind.is_list and kind.items != 1)
        strong, weak = spec.get("strong"), spec.get("weak")
        reference = None
        if (target := strong or weak) and not isinstance(source, (ServiceOwned, PythonCode)):
            paths = (target,) if isinstance(target, str) else tuple(target)
            source = reference = Reference(source, paths, spec.get("match", ""), is_list=kind.is_list)
        write = spec.get("write", False)
        if write == "same":
            source, write = Unchanging(source, kind, _scalar(spec.get("default", kind.null))), True
        if write and not source.writable:
            raise MappingError("it cannot be writable: its source, or its map, only reads")
        default = spec.get("default")
        if default is not None:
            try:
                default = replace(kind, enum=kind.enum + kind.reported).check(_scalar(default))
            except ValueError as error:
                raise MappingError(f"the default is {error}") from None
        parameter = Parameter(
            name,
            kind,
            source,
            default=default,
            writable=bool(write),
            write_if=() if isinstance(write, bool) else conditions(write),
            hidden=bool(spec.get("hidden") or spec.get("secured")),
            inform=bool(spec.get("inform")),
            strong=(strong,) if isinstance(strong, str) else tuple(strong or ()),
            notify=_notify(spec, node),
            origin=file.label,
        )
        if parameter.inform and "{i}" in node.template:
            raise MappingError("a forced-inform parameter cannot be in a table")
        if parameter.notify in (Notify.FORCED, Notify.ACTIVE) and "{i}" in node.template:
            raise MappingError("in a table nothing is active until the ACS says so")
        node.parameters[name] = parameter
        if reference is not None:
            self._references.append((file, node, parameter, reference))

    def _source(self, spec: Any, scope: _Scope, node: Object, name: str, *, is_list: bool = False) -> Source:
        """The source that `spec` names: one of `_SOURCE_KEYS`, several in ``from``, or what is around it."""
        if not isinstance(spec, dict):
            raise MappingError("a source is a table, like { uci = 'proto' }")
        if "from" in spec:
            if not isinstance(spec["from"], list) or not spec["from"]:
                raise MappingError("from is a list of sources, like from = [{ uci = 'a' }, { const = 'b' }]")
            for part in spec["from"]:
                if unknown := set(_table(part)) - _PART_KEYS - {"write"}:
                    raise MappingError(f"there is no '{min(unknown)}' in sources")
            typed = {key: spec[key] for key in ("type",) if key in spec}
            parts = [self._source({**p, **typed}, scope, node, name, is_list=is_list) for p in spec["from"]]
            given = zip(parts, spec["from"], strict=True)
            return FirstOf(
                tuple(s if p.get("write", True) else Converted(s, conversion.READ_ONLY) for s, p in given)
            )
        kinds = [k for k in _SOURCE_KEYS if k in spec]
        if len(kinds) > 1:
            raise MappingError(f"it has several sources ({', '.join(kinds)}): list them in from = [...]")
        if kinds:
            source = _SOURCES[kinds[0]](self, spec, scope, node, name, is_list)
        elif scope.service:
            source = self._service({"service": scope.service}, scope, node, name, is_list)
        else:
            raise MappingError(f"it has no source: use one of {', '.join(_SOURCE_KEYS)}")
        converted = conversion.build(spec)
        return source if converted is None else Converted(source, converted)

    def _uci(self, spec: Any, scope: _Scope, _node: Object, _name: str, is_list: bool) -> Source:
        section, option, index = option_name(_text(spec["uci"]))
        where = section or scope.section
        if where is None and not scope.package:
            raise MappingError(
                f"'{option}' needs a section: uci or rows in the object, or package.section.option"
            )
        also = {k: _text(v) for k, v in _table(spec.get("also", {})).items()}
        package = where.package if where is not None else scope.package
        boolean = spec.get("type") == "boolean"
        return UciOption(package, where, option, index=index, as_list=is_list, also=also, boolean=boolean)

    def _ubus(self, spec: Any, scope: _Scope, _node: Object, _name: str, _is_list: bool) -> Source:
        text = _text(spec["ubus"])
        if text.startswith((".", "[")) and scope.ubus is not None:
            return UbusReply(scope.ubus, reply_path(text))
        return UbusReply(self._context(text, scope), ())

    def _file(self, spec: Any, _scope: _Scope, _node: Object, _name: str, _is_list: bool) -> Source:
        path = _text(spec["file"])
        if not path.startswith("/") or ".." in path:
            raise MappingError(f"'{path}' is not an absolute path")
        return FileText(path, regex=spec.get("regex"), field=spec.get("field"))

    def _const(self, spec: Any, _scope: _Scope, _node: Object, _name: str, _is_list: bool) -> Source:
        return Const(_scalar(spec["const"]))

    def _service(self, spec: Any, _scope: _Scope, node: Object, name: str, _is_list: bool) -> Source:
        if spec["service"] == "datamodel":
            if "{i}" in node.template:
                raise MappingError("the datamodel itself keeps no tables")
            return Own(f"{node.template}{name}")
        if "{i}" in node.template and not isinstance(_outermost(node).rows, tables.OwnedRows):
            raise MappingError('a service owns rows only of tables it owns: rows = { service = "..." }')
        return ServiceOwned(_text(spec["service"]), node.template, name)

    def _row(self, spec: Any, _scope: _Scope, node: Object, _name: str, _is_list: bool) -> Source:
        text = _text(spec["row"])
        if text == "number":
            return RowNumber()
        return RowItem(() if text == "key" else reply_path(f".{text.removeprefix('.')}"))

    def _python(self, spec: Any, _scope: _Scope, _node: Object, _name: str, _is_list: bool) -> Source:
        code = _imported(_text(spec["python"]))
        if not isinstance(code, Code):
            raise MappingError(f"{spec['python']} has not what it needs: needs, writable, read, write")
        return PythonCode(code)

    def _item(self, spec: Any, _scope: _Scope, node: Object, _name: str, _is_list: bool) -> Source:
        if not isinstance(node.rows, ItemRows):
            raise MappingError("only the rows of a list have items")
        return ListItem(_text(spec["item"]))

    def _command(self, spec: Any, _scope: _Scope, _node: Object, _name: str, _is_list: bool) -> Source:
        calls = spec["command"] if isinstance(spec["command"], list) else [spec["command"]]
        when = spec.get("when", "at once")
        if when not in _WHEN:
            raise MappingError(f"'{when}' is no when: use {', '.join(_WHEN)}")
        return Command([ubus_call(_text(call)) for call in calls], after_session=when == "after session")

    # What only the whole shows

    def _counts(self) -> None:
        for node in list(self._model.objects()):
            if node.rows is None or node.parent is None:
                continue
            table = next((f.tables[node.template] for f in self._files if node.template in f.tables), {})
            name = table.get("entries", f"{node.name}NumberOfEntries")
            if name and name not in node.parent.parameters:
                node.parent.parameters[name] = Parameter(
                    name, types.NAMED["unsignedInt"], Count(node), origin=node.origin
                )

    def _link(self) -> None:
        for file, node, parameter, reference in self._references:
            found = [self._model.find(f"{table}{{i}}.") for table in reference.tables]
            text = ""
            for table, target in zip(reference.tables, found, strict=True):
                if self._served(table):
                    continue
                if target is None or target.rows is None or target.table != table:
                    text = f"it refers to {table}, which is no table of this model"
                elif reference.match and reference.match not in (target.parameters | target.lets):
                    text = f"{table}{{i}}. has no parameter and no let {reference.match}"
            if text:
                self._problem(file, node.template, parameter.name, f"{node.template}{parameter.name}: {text}")
                del node.parameters[parameter.name]
            else:
                reference.link(tuple(f for f in found if f is not None and f.rows is not None))

    def _served(self, table: str) -> bool:
        """Whether another daemon serves this table, so that only time can tell what it is."""
        mounts = (node.mount for node in self._model.objects())
        return any(mount is not None and table.startswith(mount.path) for mount in mounts)

    def _check_keys(self) -> None:
        for node in self._model.objects():
            for key in node.unique:
                if missing := [p for p in key.parameters if p not in node.parameters]:
                    file = next(f for f in self._files if node.template in f.tables)
                    self._problem(
                        file, node.template, "unique", f"{node.template}: no parameter {missing[0]}"
                    )
                    node.unique = tuple(k for k in node.unique if k is not key)


_SOURCES = {
    "uci": _Builder._uci,
    "ubus": _Builder._ubus,
    "file": _Builder._file,
    "const": _Builder._const,
    "service": _Builder._service,
    "row": _Builder._row,
    "python": _Builder._python,
    "item": _Builder._item,
    "command": _Builder._command,
}


def _imported(name: str) -> Any:
    """What ``module:attribute`` names."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError, SyntaxError) as error:
        raise MappingError(f"python: {error!s:.200}") from None


def _outermost(node: Object) -> Object:
    """The outermost table that `node` lies in; the root where there is none."""
    found = node
    while node.parent is not None:
        found, node = (node if node.rows is not None else found), node.parent
    return found


def _type(spec: Mapping[str, Any]) -> types.Type:
    as_list = spec.get("list", False)
    if not isinstance(as_list, (bool, int)):
        raise MappingError("list is true, or the greatest length of the whole list")
    return types.with_facets(
        types.parse(_text(spec["type"])),
        enum=[_text(v) for v in spec.get("enum", [])],
        reported=[_text(v) for v in spec.get("reported", [])],
        pattern=spec.get("pattern"),
        is_list=bool(as_list),
        list_length=None if isinstance(as_list, bool) else as_list,
        items=spec.get("items"),
    )


def _notify(spec: Mapping[str, Any], node: Object) -> Notify:
    """The counters of an interface are never active, unless it is said."""
    counter = node.name == "Stats" and spec["type"].startswith("StatsCounter")
    said = spec.get("notify", "deny" if counter else "normal")
    try:
        return Notify(said)
    except ValueError:
        raise MappingError(f"'{said}' is no notify: use {', '.join(n.value for n in Notify)}") from None


def _check_name(name: str, below: str) -> None:
    if not _NAME.fullmatch(name):
        raise MappingError(f"'{name}' is no name: letters, digits, _ and -, a letter first (TR-106 3.1)")
    if name.startswith("X_"):
        if ".X_" in below:
            raise MappingError(f"'{name}': below a vendor's object names need no prefix (TR-106 3.3)")
        if not _VENDOR.fullmatch(name):
            raise MappingError(f"'{name}' is no vendor name: write it like X_EXAMPLE_COM_Name (TR-106 3.3)")


def _probes(node: Object) -> tuple[Parameter, ...]:
    """One parameter for each source that has to see a row before it knows what it reads."""
    found: dict[int, Parameter] = {}
    for parameter in node.parameters.values():
        if parameter.source.dynamic and not parameter.hidden:
            found.setdefault(id(parameter.source.probe), parameter)
    return tuple(found.values())


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise MappingError(f"{value!r} should be a text in quotes")
    return value


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MappingError(f"{value!r} should be a table in braces")
    return value


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise MappingError(f"{value!r} should be a text, a number or a boolean")
