"""XML as it arrives: chunks in, the elements of one message out; the only module that knows lxml.

A target parser, so that no tree of the document exists beside ours. DTDs (with them entities) and processing
instructions are refused where they begin (SOAP 1.1 section 3). Limits: bytes, elements (counted as ``<``
before the parser sees them) and depth. The one array that may be large in what an ACS sends, the ParameterList
of SetParameterValues, is not made into elements but into three lists: see `Rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cwmp.session.soap.errors import SoapError
from cwmp.session.soap.names import XSI

_CHUNK = 64 * 1024
_MAX_DEPTH = 32
_MAX_KEPT = 40_000
"""Elements kept as such, some 300 bytes each: the greatest legitimate array but that of `Rows` needs a quarter."""
_NO_ATTRIBUTES: Mapping[str, str] = {}
_ROWS_IN = "SetParameterValues"
_ROWS_DEPTH = 4  # Envelope, Body, SetParameterValues, ParameterList
_XSI_TYPE = f"{{{XSI}}}type"


@dataclass(slots=True, eq=False)
class Rows:
    """ParameterValueStructs as parallel lists; `types` as written (``xsd:string``), "" where absent.

    `problem` says what was first found against the schema; the lists mean nothing then.
    """

    names: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass(slots=True, eq=False)
class Element:
    """`tag` is ``{namespace}name`` or ``name``; `text` is meant only where there are no children."""

    tag: str
    attributes: Mapping[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""
    rows: Rows | None = None

    @property
    def name(self) -> str:
        return self.tag.rpartition("}")[2]

    @property
    def namespace(self) -> str:
        return self.tag[1:].partition("}")[0] if self.tag.startswith("{") else ""


class Parser:
    """Feed it, then `close` it for the root element."""

    def __init__(self, max_bytes: int, max_elements: int) -> None:
        from lxml import etree  # noqa: PLC0415  # costs memory that only a session needs

        self._room = max_bytes
        self._max_bytes = max_bytes
        self._tags = max_elements * 2  # every element has at most two '<'
        self._begun = False
        self._syntax_error = etree.XMLSyntaxError
        target: Any = _Target()
        self._parser: Any = etree.XMLParser(
            target=target, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            SoapError: they are not XML, not allowed, or too many.
        """
        self._room -= len(data)
        self._tags -= data.count(b"<")
        if self._room < 0:
            raise SoapError(f"the message is larger than {self._max_bytes} bytes")
        if self._tags < 0:
            raise SoapError("the message has too many elements")
        if not self._begun:
            data = data.lstrip(b" \t\r\n")
            self._begun = bool(data)
        for start in range(0, len(data), _CHUNK):
            self._run(self._parser.feed, data[start : start + _CHUNK])

    def close(self) -> Element:
        """The root element, when everything has arrived."""
        if not self._begun:
            raise SoapError("the message is empty")
        root: Element | None = self._run(self._parser.close)
        if root is None:
            raise SoapError("malformed XML: the message ends in the middle")
        return root

    def _run(self, step: Callable[..., Any], *args: Any) -> Any:
        try:
            return step(*args)
        except self._syntax_error as error:
            raise SoapError(f"malformed XML: {error!s:.200}") from None
        except (LookupError, AssertionError) as error:  # encodings that do not exist, calls after an error
            raise SoapError(f"malformed XML: {error!s:.200}") from None


class _Target:
    """The target lxml calls. Closures and bound methods rather than attributes: this runs per element."""

    def __init__(self) -> None:
        text: list[str] = []
        stack: list[Element] = []
        done: list[Element] = []
        rows = Rows()
        in_rows = False
        kept = 0
        row_type = ""
        names, values = rows.names, rows.values
        add_name, add_value, add_type = names.append, values.append, rows.types.append
        clear, join = text.clear, "".join

        def start(tag: str, attributes: Mapping[str, str]) -> None:
            nonlocal in_rows, row_type, kept
            clear()
            if in_rows:
                row_type = attributes.get(_XSI_TYPE, "") if attributes else ""
                return
            if len(stack) >= _MAX_DEPTH:
                raise SoapError(f"elements are nested deeper than {_MAX_DEPTH}")
            kept += 1
            if kept > _MAX_KEPT:
                raise SoapError("the message has too many elements")
            element = Element(tag, dict(attributes) if attributes else _NO_ATTRIBUTES)
            if stack:
                stack[-1].children.append(element)
            stack.append(element)
            if len(stack) == _ROWS_DEPTH and tag == "ParameterList" and stack[-2].name == _ROWS_IN:
                in_rows = True
                element.rows = rows

        def end(tag: str) -> None:
            nonlocal in_rows
            if in_rows:
                if tag == "Value":
                    add_value(join(text))
                    add_type(row_type)
                elif tag == "Name":
                    add_name(join(text))
                elif tag == "ParameterValueStruct":
                    if len(names) != len(values):
                        rows.problem = rows.problem or "a ParameterValueStruct without one Name and one Value"
                elif tag == "ParameterList":
                    if len(names) != len(values):
                        rows.problem = rows.problem or "a Name or Value outside a ParameterValueStruct"
                    in_rows = False
                    stack.pop()
                else:
                    rows.problem = rows.problem or f"an unknown element {tag:.80}"
                return
            element = stack.pop()
            if element.tag != tag:
                raise SoapError("a ParameterList within a ParameterList")
            if not element.children:
                element.text = join(text)
            clear()
            if not stack:
                done.append(element)

        self.start = start
        self.end = end
        self.data = text.append
        self.close = lambda: done[0] if done else None  # lxml calls it after an error, too

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise SoapError("the message has a DOCTYPE, which SOAP forbids")

    def pi(self, target: str, data: str | None = None) -> None:
        raise SoapError("the message has a processing instruction, which SOAP forbids")
