"""The small notations inside mapping files: templates, conditions, paths into replies, ubus calls, UCI names.

template    ``/sys/class/net/{device}/mtu``      braces name a variable of the row: ``key`` (what
                                                 identifies it), ``up.key`` (the row around it), or one
                                                 the object defines with `let`
condition   ``proto=static|dhcp``, ``mode!=sta`` an option or member of the row; ``*`` ends a prefix;
                                                 nothing after ``=`` means absent
reply path  ``.ipv4-address[0].address``         members, ``{variable}``, ``[n]``, ``[member=value]``
ubus call   ``network.device status {"name": "eth0"} .statistics``
                                                 as on the command line, then the reply path
UCI name    ``network.lan``, ``network.lan=interface``, ``cwmp.@cwmp[0]``, ``wireless.@wifi-iface``,
            ``network.@device[name={key}]``      ``=type`` has the section created when it is needed, as have
                                                 sections that are found by the value of an option
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_INDEX_FROM = 8
"""Longer lists are searched by an index, which each row then shares."""

_VARIABLE = re.compile(r"\{([a-z][a-z0-9_.]*)\}")


class Template:
    """A text with variables of a row in it."""

    __slots__ = ("_parts", "text", "variables")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts = _VARIABLE.split(text)  # texts at even places, names at odd ones
        self.variables = tuple(self._parts[1::2])

    @property
    def constant(self) -> bool:
        return not self.variables

    def filled(self, value: str) -> str:
        """The text with `value` for every variable."""
        return _VARIABLE.sub(lambda _: value, self.text)

    def render(self, row: Row, quote: Callable[[str], str] | None = None) -> str | None:
        """The text for `row`, each value through `quote`; None where a variable has no value."""
        if not self.variables:
            return self.text
        parts = list(self._parts)
        for place in range(1, len(parts), 2):
            value = row.variable(parts[place])
            if value is None:
                return None
            parts[place] = value if quote is None else quote(value)
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class Condition:
    """``field=a|b*`` or ``field!=a|b*``."""

    field: str
    wanted: bool
    exact: frozenset[str]
    prefixes: tuple[str, ...]
    templates: tuple[Template, ...] = ()

    def at(self, row: Row) -> Condition:
        """The condition with the variables in it those of `row`; what has no value is nothing that is wanted."""
        if not self.templates:
            return self
        found = (template.render(row) for template in self.templates)
        return replace(self, exact=self.exact | {v for v in found if v is not None}, templates=())

    def holds(self, value: str) -> bool:
        """Whether it holds for the field's `value` ("" where the field is absent)."""
        found = value in self.exact or bool(self.prefixes and value.startswith(self.prefixes))
        return found is self.wanted


def condition(text: str) -> Condition:
    """Raises ValueError where `text` is none."""
    found = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_-]*)(!?=)(.*)", text)
    if found is None:
        raise ValueError(f"'{text}' is not a condition: write it like proto=static|dhcp or mode!=sta")
    values = found[3].split("|")
    return Condition(
        found[1],
        found[2] == "=",
        frozenset(v for v in values if not v.endswith("*") and "{" not in v),
        tuple(v[:-1] for v in values if v.endswith("*")),
        tuple(Template(v) for v in values if "{" in v and not v.endswith("*")),
    )


def conditions(value: Any) -> tuple[Condition, ...]:
    """One condition or a list of them, all of which must hold."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise ValueError("a condition is a text, several are a list of texts")
    return tuple(condition(text) for text in texts)


# A step into a reply: a member's name (str), a place in a list (int), a member named by the row (Template),
# or the list entry whose member equals something: (member, Template).
Step = str | int | Template | tuple[str, Template]

_STEP = re.compile(
    r"""\.\{(?P<variable>[a-z][a-z0-9_.]*)\}
      | \."(?P<quoted>[^"]+)"
      | \.(?P<name>[A-Za-z0-9_@-]+)
      | \[(?P<place>\d+)\]
      | \[(?P<member>[A-Za-z0-9_-]+)=(?P<value>[^\]]*)\]""",
    re.VERBOSE,
)


def reply_path(text: str) -> tuple[Step, ...]:
    """The steps of a path into a reply. Raises ValueError where `text` is none."""
    steps: list[Step] = []
    place = 0
    while place < len(text):
        found = _STEP.match(text, place)
        if found is None:
            raise ValueError(f"'{text}' is not a path into a reply: stuck at '{text[place:]}'")
        if found["variable"]:
            steps.append(Template(f"{{{found['variable']}}}"))
        elif found["place"]:
            steps.append(int(found["place"]))
        elif found["member"]:
            steps.append((found["member"], Template(found["value"])))
        else:
            steps.append(found["quoted"] or found["name"])
        place = found.end()
    return tuple(steps)


def follow(value: Any, steps: tuple[Step, ...], row: Row) -> Any:
    """Where `steps` lead from `value`; None where there is nothing."""
    for step in steps:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        elif isinstance(step, Template):
            name = step.render(row)
            value = value.get(name) if isinstance(value, dict) and name is not None else None
        else:
            value = _entry(value, step[0], step[1].render(row), row) if isinstance(value, list) else None
        if value is None:
            return None
    return value


def varies(steps: tuple[Step, ...]) -> bool:
    """Whether the path depends on variables."""
    return any(isinstance(s, Template) or (isinstance(s, tuple) and not s[1].constant) for s in steps)


def _entry(entries: list[Any], member: str, wanted: str | None, row: Row) -> Any:
    if wanted is None:
        return None
    if len(entries) > _INDEX_FROM:
        return row.view.index(entries, member).get(wanted)
    for entry in entries:
        if isinstance(entry, dict) and str(entry.get(member)) == wanted:
            return entry
    return None


@dataclass(frozen=True, slots=True)
class UbusCall:
    """``object method {arguments} .path``: `arguments` maps names to values or templates of values."""

    name: str
    arguments: dict[str, Any]
    steps: tuple[Step, ...]


_CALL = re.compile(r"(?P<object>[A-Za-z0-9_.-]+) +(?P<method>[A-Za-z0-9_-]+) *(?P<rest>[{.\[].*)?")


def ubus_call(text: str) -> UbusCall:
    """Raises ValueError where `text` is none."""
    found = _CALL.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"'{text}' is not a ubus call: write it like system board .release.version")
    rest = found["rest"] or ""
    arguments: dict[str, Any] = {}
    if rest.startswith("{"):
        try:
            arguments, end = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            raise ValueError(f"the arguments in '{text}' are not JSON") from None
        rest = rest[end:].strip()
    return UbusCall(f"{found['object']} {found['method']}", arguments, reply_path(rest))


def arguments_for(value: Any, row: Row) -> Any:
    """`value` with the templates in its texts rendered.

    Raises:
        LookupError: a variable has no value, so the call makes no sense.
    """
    if isinstance(value, dict):
        return {key: arguments_for(item, row) for key, item in value.items()}
    if isinstance(value, list):
        return [arguments_for(item, row) for item in value]
    if isinstance(value, str) and "{" in value:
        text = Template(value).render(row)
        if text is None:
            raise LookupError(value)
        return text
    return value


def variables_in(value: Any) -> bool:
    """Whether arguments depend on variables."""
    if isinstance(value, dict):
        return any(variables_in(item) for item in value.values())
    if isinstance(value, list):
        return any(variables_in(item) for item in value)
    return isinstance(value, str) and not Template(value).constant


@dataclass(frozen=True, slots=True)
class SectionName:
    """A UCI section: by `name`, or the `index`-th of `kind`, or that of `kind` whose option `option` is `value`.

    `kind` of a named one is for creating it.
    """

    package: str
    name: str = ""
    kind: str = ""
    index: int = 0
    option: str = ""
    value: Template | None = None


_SECTION = re.compile(
    r"(?P<package>[A-Za-z0-9_-]+)\."
    r"((?P<name>[A-Za-z0-9_]+)(=(?P<create>[A-Za-z0-9_-]+))?|@(?P<kind>[A-Za-z0-9_-]+)"
    r"\[((?P<index>\d+)|(?P<option>[A-Za-z0-9_]+)=(?P<value>[^\]]+))\])"
)
_OPTION = re.compile(r"(?P<section>.+)\.(?P<option>[A-Za-z0-9_]+)(\[(?P<index>\d+)\])?")


def section_name(text: str) -> SectionName:
    """Raises ValueError where `text` names no section."""
    found = _SECTION.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a UCI section: write it like network.lan or system.@system[0]")
    return SectionName(
        found["package"],
        found["name"] or "",
        found["create"] or found["kind"] or "",
        int(found["index"] or 0),
        found["option"] or "",
        Template(found["value"]) if found["option"] else None,
    )


def option_name(text: str) -> tuple[SectionName | None, str, int | None]:
    """``option`` (of the row's or object's section) or ``package.section.option``; ``[n]`` is a list's item."""
    found = re.fullmatch(r"(?P<option>[A-Za-z0-9_]+)(\[(?P<index>\d+)\])?", text)
    if found is None:
        found = _OPTION.fullmatch(text)
        if found is None:
            raise ValueError(f"'{text}' is not a UCI option: write it like ipaddr or network.lan.ipaddr")
        section = section_name(found["section"])
    else:
        section = None
    return section, found["option"], None if found["index"] is None else int(found["index"])


def section_type(text: str) -> tuple[str, str]:
    """``package.@type`` as package and type."""
    found = re.fullmatch(r"([A-Za-z0-9_-]+)\.@([A-Za-z0-9_-]+)", text)
    if found is None:
        raise ValueError(f"'{text}' names no section type: write it like wireless.@wifi-iface")
    return found[1], found[2]
