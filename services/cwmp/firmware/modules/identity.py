"""The UUID of a deployment unit (TR-181 SoftwareModules; TR-069a6 Appendix VI).

A name-based one (RFC 4122, version 5) in the DNS's name space, of ``<Name>.<Vendor>.``; what is not a letter, digit,
hyphen or underscore in Name is percent-encoded, in small hexadecimal digits. An update does not change it.
"""

from __future__ import annotations

import re
import uuid

from cwmp.contract import Fault, FaultCode

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_ENCODED = re.compile(rb"[^0-9A-Za-z_-]")


def uuid_of(name: str, vendor: str) -> str:
    """The UUID of the unit of this name and vendor."""
    encoded = _ENCODED.sub(lambda match: b"%%%02x" % match[0][0], name.encode("utf-8", "surrogateescape"))
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{encoded.decode('ascii')}.{vendor}."))


def canonical(text: str) -> str:
    """A UUID in small letters, in which UUIDs are compared.

    Raises:
        Fault: 9022, it is none.
    """
    if not _UUID.fullmatch(text):
        raise Fault(FaultCode.INVALID_UUID, f"'{text[:40]}' is no UUID")
    return text.lower()
