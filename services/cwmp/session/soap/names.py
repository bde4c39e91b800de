"""Namespaces and versions (TR-069a6 3.5 and 3.7.4, A.6)."""

from __future__ import annotations

import re

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4")
"""What we speak, as `SupportedCWMPVersions` and `UseCWMPVersion` write it."""

_CWMP = re.compile(r"urn:dslforum-org:cwmp-1-(\d{1,3})")


def namespace(version: str) -> str:
    """The namespace messages of `version` carry: 1.2, 1.3 and 1.4 share one (A.6, table 89)."""
    return f"urn:dslforum-org:cwmp-1-{min(int(version.partition('.')[2]), 2)}"


def cwmp_minor(uri: str) -> int | None:
    """The N of ``urn:dslforum-org:cwmp-1-N``; None for any other namespace."""
    found = _CWMP.fullmatch(uri)
    return int(found[1]) if found else None


def implied_version(minor: int) -> str:
    """What an InformResponse without UseCWMPVersion says by its namespace (3.7.4)."""
    return f"1.{min(minor, 2)}"
