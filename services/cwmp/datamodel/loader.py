"""Mapping files to a `Model` (the language is described in docs/mapping.md).

A mistake costs what it is in and no more: a file that is no TOML, an object whose rows make no sense (with all
below it), one parameter. Each is reported with file, line and reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cwmp.datamodel import clauses, tables, types
from cwmp.datamodel.clauses import PART_KEYS, Scope, scalar_of, table_of, text_of
from cwmp.datamodel.mapping_file import MappingError, MappingFile, Problem, open_file
from cwmp.datamodel.remote.mount import Mount
from cwmp.datamodel.sources import (
    Count,
    PythonCode,
    Reference,
    ServiceOwned,
    Unchanging,
)
from cwmp.datamodel.sources.base import AliasOf
from cwmp.datamodel.template import (
    conditions,
    section_name,
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
_PARAMETER_KEYS = PART_KEYS | frozenset(
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
        self._scopes: dict[tuple[str, str], Scope] = {}
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
                scope.section = section_name(text_of(table["uci"]))
                scope.package = scope.section.package
            if "ubus" in table:
                scope.ubus = clauses.context(text_of(table["ubus"]), scope, node)
            if "service" in table:
                scope.service = text_of(table["service"])
            for name, spec in table_of(table.get("let", {})).items():
                node.lets[name] = clauses.source(spec, scope, node, f"let.{name}")
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
        where = text_of(table[kind])
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
        hidden = frozenset(text_of(name) for name in table.get("hide", []))
        return Mount(node.template, kind, f"{where.rstrip('.')}.", hidden)

    def _rows(self, node: Object, table: dict[str, Any], scope: Scope) -> None:
        is_row = node.template.endswith("{i}.")
        if "rows" in table:
            if not is_row:
                raise MappingError("only a path that ends in {i}. has rows", "rows")
            if node.rows is not None:
                raise MappingError(f"its rows are declared already in {node.origin}", "rows")
            try:
                node.rows = clauses.row_source(table_of(table["rows"]), scope, node)
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
            node.create = table_of(table["create"]) if "create" in table else None
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

    def _inherited(self, file: MappingFile, node: Object) -> Scope:
        above: Object | None = node
        while above is not None:
            for label in (file.label, above.origin):
                found = self._scopes.get((label, above.template))
                if found is not None and not (above is node and label not in (file.label, node.origin)):
                    return Scope(found.section, found.package, found.ubus, found.service)
            above = above.parent
        return Scope()

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
        source = clauses.source(spec, scope, node, name, is_list=kind.is_list and kind.items != 1)
        strong, weak = spec.get("strong"), spec.get("weak")
        reference = None
        if (target := strong or weak) and not isinstance(source, (ServiceOwned, PythonCode)):
            paths = (target,) if isinstance(target, str) else tuple(target)
            source = reference = Reference(source, paths, spec.get("match", ""), is_list=kind.is_list)
        write = spec.get("write", False)
        if write == "same":
            source, write = Unchanging(source, kind, scalar_of(spec.get("default", kind.null))), True
        if write and not source.writable:
            raise MappingError("it cannot be writable: its source, or its map, only reads")
        default = spec.get("default")
        if default is not None:
            try:
                default = replace(kind, enum=kind.enum + kind.reported).check(scalar_of(default))
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


def _type(spec: Mapping[str, Any]) -> types.Type:
    as_list = spec.get("list", False)
    if not isinstance(as_list, (bool, int)):
        raise MappingError("list is true, or the greatest length of the whole list")
    return types.with_facets(
        types.parse(text_of(spec["type"])),
        enum=[text_of(v) for v in spec.get("enum", [])],
        reported=[text_of(v) for v in spec.get("reported", [])],
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
