"""The arguments of a request, fetched by name; whatever is against the schema is a Fault 9003 that says so."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cwmp.contract import Fault, FaultCode
from cwmp.session.soap.names import XSI
from cwmp.session.soap.parse import Element, Rows

_BOOLEANS = {"0": False, "false": False, "1": True, "true": True}
_UNSIGNED = re.compile(r"\+?0*[0-9]{1,10}", re.ASCII)
_INTEGER = re.compile(r"[+-]?0*[0-9]{1,10}", re.ASCII)
_FILE_TYPE = re.compile(r"[1-9]\d*( \S+)+|X \S+ .+", re.DOTALL)


def boolean(text: str) -> bool | None:
    """An xsd:boolean; None for what is none."""
    return _BOOLEANS.get(text.strip())


class Arguments:
    """Those of a method, or the members of a struct. `repeated` names the one that may occur more than once."""

    def __init__(self, method: Element, *, repeated: str = "") -> None:
        self._method = method.name
        self._elements: dict[str, Element] = {}
        self._repeated: list[Element] = []
        for element in method.children:
            if element.name == repeated:
                self._repeated.append(element)
            elif element.name in self._elements:
                raise self.bad(element.name, "occurs twice")
            else:
                self._elements[element.name] = element

    def bad(self, name: str, what: str) -> Fault:
        """The fault that says what is wrong with an argument."""
        return Fault(FaultCode.INVALID_ARGUMENTS, f"{self._method:.64}: {name:.64} {what}")

    def _element(self, name: str) -> Element:
        element = self._elements.get(name)
        if element is None:
            raise self.bad(name, "is missing")
        return element

    def _scalar(self, name: str) -> str:
        element = self._element(name)
        if element.children:
            raise self.bad(name, "has elements where text belongs")
        return element.text

    def string(self, name: str, limit: int) -> str:
        text = self._scalar(name)
        if len(text) > limit:
            raise self.bad(name, f"has {len(text)} characters, at most {limit} are allowed")
        return text

    def optional(self, name: str, limit: int) -> str:
        """A string that may be left out: "" then."""
        return self.string(name, limit) if name in self._elements else ""

    def boolean(self, name: str) -> bool:
        value = boolean(self._scalar(name))
        if value is None:
            raise self.bad(name, "is no boolean")
        return value

    def unsigned(self, name: str) -> int:
        text = self._scalar(name).strip()
        if not _UNSIGNED.fullmatch(text) or int(text) > 0xFFFFFFFF:
            raise self.bad(name, "is no unsignedInt")
        return int(text)

    def integer(self, name: str) -> int:
        text = self._scalar(name).strip()
        if not _INTEGER.fullmatch(text) or not -(2**31) <= int(text) < 2**31:
            raise self.bad(name, "is no int")
        return int(text)

    def positive(self, name: str) -> int:
        value = self.unsigned(name)
        if not value:
            raise self.bad(name, "is 0")
        return value

    def command_key(self) -> str:
        return self.string("CommandKey", 32)

    def object_name(self) -> str:
        name = self.string("ObjectName", 256)
        if not name.endswith("."):
            raise self.bad("ObjectName", "does not end in a dot")
        return name

    def file_type(self) -> str:
        text = self.string("FileType", 64)
        if not _FILE_TYPE.fullmatch(text):
            raise self.bad("FileType", "is neither a standard nor a vendor file type")
        return text

    def strings(self, name: str, limit: int, *, empty: bool = False) -> list[str]:
        """An array of strings; of at least one, where it may not be `empty`."""
        items = self._element(name).children
        if not (items or empty) or any(e.name != "string" or e.children for e in items):
            raise self.bad(name, "is no array of strings, or empty")
        if any(len(e.text) > limit for e in items):
            raise self.bad(name, f"has a string longer than {limit} characters")
        return [e.text for e in items]

    def structs(self, name: str, item: str) -> list[Arguments]:
        """An array of structs, at least one."""
        items = self._element(name).children
        if not items or any(i.name != item for i in items):
            raise self.bad(name, f"is no array of {item}s, or empty")
        return [Arguments(i) for i in items]

    def rows(self, name: str) -> Rows:
        """An array of ParameterValueStructs, as the parser took it in."""
        rows = self._element(name).rows
        if rows is None or rows.problem:
            raise self.bad(name, f"has {rows.problem}" if rows else "is no array")
        return rows

    def alternatives(self, kinds: Sequence[str]) -> list[tuple[str, Arguments]]:
        """The `repeated` argument, which is a struct of one of `kinds`: by its xsi:type, as the schema has it, or
        by an element of that name within, as some ACS write it."""
        found: list[tuple[str, Arguments]] = []
        for element in self._repeated:
            kind = element.attributes.get(f"{{{XSI}}}type", "").strip().rpartition(":")[2]
            if kind in kinds:
                found.append((kind, Arguments(element)))
            elif element.children and all(e.name in kinds for e in element.children):
                found += [(e.name, Arguments(e)) for e in element.children]
            else:
                raise self.bad(element.name, f"is none of {', '.join(kinds)}")
        return found
