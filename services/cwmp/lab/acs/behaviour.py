"""Ways for an ACS to misbehave, one POST each: `Acs.misbehave(Close(), Status(500))`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answer, until the CPE gives up or `Acs.release` is called."""


@dataclass(frozen=True, slots=True)
class Status:
    """An HTTP status with a body that is no SOAP. 401 comes with a challenge no one can satisfy."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Body:
    """200 with this body: broken XML, a page for people, nothing at all."""

    body: bytes
    content_type: str = 'text/xml; charset="utf-8"'


@dataclass(frozen=True, slots=True)
class Bytes:
    """Anything at all instead of an HTTP response."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Redirect:
    """The same message, to be posted elsewhere."""

    location: str
    status: int = 302


@dataclass(frozen=True, slots=True)
class SoapFault:
    """An ACS fault in answer to a request of the CPE (TR-069a6 A.5.2)."""

    code: int
    text: str = ""


HTML = Body(b"<!DOCTYPE html><html><body><h1>Maintenance</h1></body></html>", "text/html")
BROKEN_XML = Body(b"<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'><soap:Body>")
NOT_SOAP = Body(b"<?xml version='1.0'?><note>hello</note>")
EMPTY = Status(204)

Behaviour: TypeAlias = Close | Hang | Status | Body | Bytes | Redirect | SoapFault
