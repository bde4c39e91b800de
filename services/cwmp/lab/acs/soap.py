"""SOAP envelopes as an ACS reads and writes them (TR-069a6 3.5), on lxml.

Reading is strict where the standard obliges the CPE: what it did wrong is raised as a `Violation`, so that a
test fails on it instead of passing by leniency.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lxml import etree

Element = Any  # an lxml element; its class is private there

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
CWMP = "urn:dslforum-org:cwmp-1-2"

_CWMP = re.compile(r"urn:dslforum-org:cwmp-1-[0-4]")
_MAX_BYTES = 64 << 20

# The SOAP faultcode each CWMP fault must come with (TR-069a6 A.5.1).
_CLIENT_FAULTS = {"9003", "9005", "9006", "9007", "9008", "9020", "9021"}


class Violation(Exception):
    """The CPE broke a rule of the standard; the text says which."""


@dataclass(frozen=True, slots=True)
class ParameterFault:
    name: str
    code: int
    text: str


class CpeFault(Exception):
    """The CPE answered with a SOAP fault (TR-069a6 A.5)."""

    def __init__(self, code: int, text: str, parameters: tuple[ParameterFault, ...] = ()) -> None:
        super().__init__(
            f"fault {code}: {text}" + "".join(f"; {p.name}: {p.code} {p.text}" for p in parameters)
        )
        self.code = code
        self.text = text
        self.parameters = parameters


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a CPE posted: one body element, its method's name, and the headers that matter."""

    method: str
    body: Element
    namespace: str
    id: str | None = None
    versions: tuple[str, ...] = ()
    session_timeout: int | None = None


def read(document: bytes) -> Envelope:
    """Parse one envelope.

    Raises:
        Violation: it is not what TR-069a6 3.5 demands.
    """
    if len(document) > _MAX_BYTES:
        raise Violation(f"a message of {len(document)} bytes")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise Violation(f"XML that is not well-formed: {error}") from None
    if root.tag != f"{{{SOAP}}}Envelope":
        raise Violation(f"the root is {root.tag}, not a SOAP Envelope")
    bodies = root.findall(f"{{{SOAP}}}Body")
    if len(bodies) != 1 or len(bodies[0]) != 1:
        raise Violation("not exactly one Body with exactly one element")
    element = bodies[0][0]
    name = etree.QName(element)
    if not _CWMP.fullmatch(name.namespace or "") and element.tag != f"{{{SOAP}}}Fault":
        raise Violation(f"the body's element {element.tag} is in no CWMP namespace")
    header = root.find(f"{{{SOAP}}}Header")
    found = {} if header is None else {etree.QName(h).localname: h for h in header}
    if "ID" in found and found["ID"].get(f"{{{SOAP}}}mustUnderstand") != "1":
        raise Violation('the ID header lacks mustUnderstand="1"')
    timeout = found["SessionTimeout"].text if "SessionTimeout" in found else None
    versions = found["SupportedCWMPVersions"].text if "SupportedCWMPVersions" in found else None
    return Envelope(
        method=name.localname,
        body=element,
        namespace=name.namespace if name.namespace != SOAP else CWMP,
        id=(found["ID"].text or "") if "ID" in found else None,
        versions=tuple((versions or "").split(",")) if versions else (),
        session_timeout=int(timeout) if timeout else None,
    )


def write(
    body: Element, *, id: str | None, namespace: str = CWMP, use_version: str = "", hold: bool = False
) -> bytes:
    """An envelope around `body`, an element made by `element`."""
    names = {"soap": SOAP, "enc": ENCODING, "xsd": XSD, "xsi": XSI, "cwmp": namespace}
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap=names)
    header = etree.SubElement(root, f"{{{SOAP}}}Header")
    headers = {"ID": id, "UseCWMPVersion": use_version or None, "HoldRequests": "1" if hold else None}
    for name, text in headers.items():
        if text is not None:
            item = etree.SubElement(header, f"{{{namespace}}}{name}")
            item.set(f"{{{SOAP}}}mustUnderstand", "1")
            item.text = text
    etree.SubElement(root, f"{{{SOAP}}}Body").append(body)
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return document


def element(method: str, namespace: str = CWMP) -> Element:
    """An empty method element."""
    return etree.Element(f"{{{namespace}}}{method}", nsmap={"cwmp": namespace})


def add(parent: Element, name: str, text: str | int | None = None, type: str = "") -> Element:
    """A child without namespace, as arguments are; `type` becomes xsi:type."""
    child = etree.SubElement(parent, name)
    if text is not None:
        child.text = str(text)
    if type:
        child.set(f"{{{XSI}}}type", type)
    return child


def add_array(parent: Element, name: str, type: str, count: int) -> Element:
    """An array argument; its members are to be added by the caller."""
    child = etree.SubElement(parent, name)
    child.set(f"{{{ENCODING}}}arrayType", f"{type}[{count}]")
    return child


def text(parent: Element, name: str) -> str:
    """The text of a child; a missing one is a violation."""
    child = parent.find(name)
    if child is None:
        raise Violation(f"{etree.QName(parent).localname} has no {name}")
    return child.text or ""


def array(parent: Element, name: str, member: str) -> list[Element]:
    """The members of an array argument, whose count must be as announced."""
    found = parent.find(name)
    if found is None:
        raise Violation(f"{etree.QName(parent).localname} has no {name}")
    members = list(found)
    announced = re.search(r"\[(\d+)\]$", found.get(f"{{{ENCODING}}}arrayType", ""))
    if announced is None or int(announced[1]) != len(members):
        raise Violation(f"{name} announces {found.get(f'{{{ENCODING}}}arrayType')} and has {len(members)}")
    if wrong := {m.tag for m in members} - {member}:
        raise Violation(f"{name} has {wrong.pop()} where {member} belongs")
    return members


def fault(body: Element) -> CpeFault:
    """The fault in a Fault element, after its form was checked."""
    detail = body.find("detail")
    inner = None if detail is None else next(iter(detail), None)
    if inner is None or etree.QName(inner).localname != "Fault":
        raise Violation("a SOAP fault without a CWMP fault in its detail")
    code, said = text(inner, "FaultCode"), text(body, "faultcode").rpartition(":")[2]
    if text(body, "faultstring") != "CWMP fault":
        raise Violation(f"the faultstring is {text(body, 'faultstring')!r}, not 'CWMP fault'")
    if said != ("Client" if code in _CLIENT_FAULTS else "Server"):
        raise Violation(f"fault {code} came with the faultcode {said}")
    string = inner.findtext("FaultString") or ""
    parameters = tuple(
        ParameterFault(text(p, "ParameterName"), int(text(p, "FaultCode")), p.findtext("FaultString") or "")
        for p in inner.findall("SetParameterValuesFault")
    )
    return CpeFault(int(code), string, parameters)


def write_fault(code: int, string: str, namespace: str = CWMP) -> Element:
    """A Fault element as an ACS sends it."""
    body = etree.Element(f"{{{SOAP}}}Fault", nsmap={"soap": SOAP, "cwmp": namespace})
    add(body, "faultcode", "Client" if code == 8003 else "Server")
    add(body, "faultstring", "CWMP fault")
    inner = etree.SubElement(add(body, "detail"), f"{{{namespace}}}Fault")
    add(inner, "FaultCode", code)
    add(inner, "FaultString", string)
    return body
