"""What the clauses of a mapping file mean: where values come from, and where rows do (docs/mapping.md).

Each function takes what the file says and gives the source or row source that does it; `Scope` has what short forms
in the object around refer to. What makes no sense is a MappingError, and `loader` knows where it stood.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from cwmp.datamodel import conversion, tables
from cwmp.datamodel.items import ItemRows, ListItem
from cwmp.datamodel.listing import DirectoryRows
from cwmp.datamodel.mapping_file import MappingError
from cwmp.datamodel.sources import (
    Below,
    Code,
    Const,
    Converted,
    FileText,
    FirstOf,
    Own,
    PythonCode,
    RowItem,
    RowNumber,
    ServiceOwned,
    Source,
    UbusContext,
    UbusReply,
    UciOption,
)
from cwmp.datamodel.sources.command import Command
from cwmp.datamodel.template import (
    Condition,
    SectionName,
    conditions,
    option_name,
    reply_path,
    section_type,
    ubus_call,
)
from cwmp.datamodel.tree import Object

SOURCE_KEYS = ("uci", "ubus", "file", "const", "service", "row", "python", "item", "command")
_ROW_KEYS = ("uci", "ubus", "file", "keys", "service", "directory", "list", "python")
_ROW_EXTRAS = frozenset({"where", "key", "columns", "forget", "bare", "off", "numbered"})
PART_KEYS = frozenset({*SOURCE_KEYS, "map", "invert", "scale", "format", "regex", "field", "also", "when"})
_WHEN = ("at once", "after session")


@dataclass(slots=True)
class Scope:
    """What short forms in one object of one file refer to."""

    section: SectionName | None = None
    package: str = ""
    ubus: UbusContext | Below | None = None
    service: str = ""


def row_source(spec: dict[str, Any], scope: Scope, node: Object) -> tables.RowSource:
    """Where the rows of the table `node` come from, as ``rows = {...}`` says. Raises MappingError."""
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
                {k: text_of(v) for k, v in table_of(spec["forget"]).items()} if "forget" in spec else None
            )
            return tables.SectionRows(
                *section_type(text_of(spec["uci"])), where, forget, spec.get("bare", ())
            )
        case "ubus":
            return tables.ReplyRows(context(text_of(spec["ubus"]), scope), spec.get("key", ""), where)
        case "keys":
            return tables.FixedRows(spec["keys"], where, numbered=bool(spec.get("numbered")))
        case "service":
            return tables.OwnedRows(text_of(spec["service"]), node.template, where)
        case "directory":
            return DirectoryRows(text_of(spec["directory"]), where, numbered=bool(spec.get("numbered")))
        case "list":
            return _item_rows(spec, scope, where)
        case "python":
            rows = _imported(text_of(spec["python"]))
            if not isinstance(rows, tables.RowSource):
                raise MappingError(f"{spec['python']} is no RowSource (tables.py)")
            return rows
    columns = spec.get("columns", [])
    if spec.get("key") not in columns:
        raise MappingError("rows of a file need columns and a key that is one of them")
    return tables.LineRows(text_of(spec["file"]), columns, spec["key"], where)


def _item_rows(spec: dict[str, Any], scope: Scope, where: tuple[Condition, ...]) -> ItemRows:
    section, option, index = option_name(text_of(spec["list"]))
    around = section or scope.section
    package = around.package if around is not None else scope.package
    if index is not None or not package:
        raise MappingError(f"'{spec['list']}' is no list: write package.section.option, or a row's option")
    return ItemRows(package, around, option, text_of(spec.get("off", "")), where)


def context(text: str, scope: Scope, owner: Object | None = None) -> UbusContext | Below:
    """The call that ``object method`` names, or the place in the reply around that ``.path`` does."""
    if text.startswith((".", "[")):
        if scope.ubus is None:
            raise MappingError(f"'{text}' needs a ubus call in an object around it")
        return Below(scope.ubus, reply_path(text))
    return UbusContext(ubus_call(text), owner)


def source(spec: Any, scope: Scope, node: Object, name: str, *, is_list: bool = False) -> Source:
    """The source that `spec` names: one of `SOURCE_KEYS`, several in ``from``, or what is around it."""
    if not isinstance(spec, dict):
        raise MappingError("a source is a table, like { uci = 'proto' }")
    if "from" in spec:
        if not isinstance(spec["from"], list) or not spec["from"]:
            raise MappingError("from is a list of sources, like from = [{ uci = 'a' }, { const = 'b' }]")
        for part in spec["from"]:
            if unknown := set(table_of(part)) - PART_KEYS - {"write"}:
                raise MappingError(f"there is no '{min(unknown)}' in sources")
        typed = {key: spec[key] for key in ("type",) if key in spec}
        parts = [source({**p, **typed}, scope, node, name, is_list=is_list) for p in spec["from"]]
        given = zip(parts, spec["from"], strict=True)
        return FirstOf(
            tuple(s if p.get("write", True) else Converted(s, conversion.READ_ONLY) for s, p in given)
        )
    kinds = [k for k in SOURCE_KEYS if k in spec]
    if len(kinds) > 1:
        raise MappingError(f"it has several sources ({', '.join(kinds)}): list them in from = [...]")
    if kinds:
        found = _SOURCES[kinds[0]](spec, scope, node, name, is_list)
    elif scope.service:
        found = _service({"service": scope.service}, scope, node, name, is_list)
    else:
        raise MappingError(f"it has no source: use one of {', '.join(SOURCE_KEYS)}")
    converted = conversion.build(spec)
    return found if converted is None else Converted(found, converted)


def _uci(spec: Any, scope: Scope, _node: Object, _name: str, is_list: bool) -> Source:
    section, option, index = option_name(text_of(spec["uci"]))
    where = section or scope.section
    if where is None and not scope.package:
        raise MappingError(
            f"'{option}' needs a section: uci or rows in the object, or package.section.option"
        )
    also = {k: text_of(v) for k, v in table_of(spec.get("also", {})).items()}
    package = where.package if where is not None else scope.package
    boolean = spec.get("type") == "boolean"
    return UciOption(package, where, option, index=index, as_list=is_list, also=also, boolean=boolean)


def _ubus(spec: Any, scope: Scope, _node: Object, _name: str, _is_list: bool) -> Source:
    text = text_of(spec["ubus"])
    if text.startswith((".", "[")) and scope.ubus is not None:
        return UbusReply(scope.ubus, reply_path(text))
    return UbusReply(context(text, scope), ())


def _file(spec: Any, _scope: Scope, _node: Object, _name: str, _is_list: bool) -> Source:
    path = text_of(spec["file"])
    if not path.startswith("/") or ".." in path:
        raise MappingError(f"'{path}' is not an absolute path")
    return FileText(path, regex=spec.get("regex"), field=spec.get("field"))


def _const(spec: Any, _scope: Scope, _node: Object, _name: str, _is_list: bool) -> Source:
    return Const(scalar_of(spec["const"]))


def _service(spec: Any, _scope: Scope, node: Object, name: str, _is_list: bool) -> Source:
    if spec["service"] == "datamodel":
        if "{i}" in node.template:
            raise MappingError("the datamodel itself keeps no tables")
        return Own(f"{node.template}{name}")
    if "{i}" in node.template and not isinstance(_outermost(node).rows, tables.OwnedRows):
        raise MappingError('a service owns rows only of tables it owns: rows = { service = "..." }')
    return ServiceOwned(text_of(spec["service"]), node.template, name)


def _row(spec: Any, _scope: Scope, node: Object, _name: str, _is_list: bool) -> Source:
    text = text_of(spec["row"])
    if text == "number":
        return RowNumber()
    return RowItem(() if text == "key" else reply_path(f".{text.removeprefix('.')}"))


def _python(spec: Any, _scope: Scope, _node: Object, _name: str, _is_list: bool) -> Source:
    code = _imported(text_of(spec["python"]))
    if not isinstance(code, Code):
        raise MappingError(f"{spec['python']} has not what it needs: needs, writable, read, write")
    return PythonCode(code)


def _item(spec: Any, _scope: Scope, node: Object, _name: str, _is_list: bool) -> Source:
    if not isinstance(node.rows, ItemRows):
        raise MappingError("only the rows of a list have items")
    return ListItem(text_of(spec["item"]))


def _command(spec: Any, _scope: Scope, _node: Object, _name: str, _is_list: bool) -> Source:
    calls = spec["command"] if isinstance(spec["command"], list) else [spec["command"]]
    when = spec.get("when", "at once")
    if when not in _WHEN:
        raise MappingError(f"'{when}' is no when: use {', '.join(_WHEN)}")
    return Command([ubus_call(text_of(call)) for call in calls], after_session=when == "after session")


_SOURCES = {
    "uci": _uci,
    "ubus": _ubus,
    "file": _file,
    "const": _const,
    "service": _service,
    "row": _row,
    "python": _python,
    "item": _item,
    "command": _command,
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


def text_of(value: Any) -> str:
    """`value`, if it is a text. Raises MappingError."""
    if not isinstance(value, str):
        raise MappingError(f"{value!r} should be a text in quotes")
    return value


def table_of(value: Any) -> dict[str, Any]:
    """`value`, if it is a table. Raises MappingError."""
    if not isinstance(value, dict):
        raise MappingError(f"{value!r} should be a table in braces")
    return value


def scalar_of(value: Any) -> str:
    """A text, number or boolean as XML text. Raises MappingError."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise MappingError(f"{value!r} should be a text, a number or a boolean")
