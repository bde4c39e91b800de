"""What can be said of a Download before anything is done: refused at once, with the code that names why.

The order is that of TR-069a6's tables: arguments first (9003), then the scheme (9013).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from cwmp.contract import Fault, FaultCode
from cwmp.contract.firmware import Download

FIRMWARE = "1 Firmware Upgrade Image"

SCHEMES = frozenset({"http", "https"})

# The types TR-069a6 A.3.2.8 names besides, and why this device does not take them.
_REFUSED_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "2 Web Content": "this device has no web content to be replaced",
        "3 Vendor Configuration File": "this device takes no configuration files",
        "4 Tone File": "this device has no telephony",
        "5 Ringer File": "this device has no telephony",
        "6 Stored Firmware Image": "this device cannot store an image without running it",
    }
)

# Lengths in characters, TR-069a6 A.3.2.8 table 30.
_LENGTHS: Mapping[str, int] = MappingProxyType(
    {
        "command_key": 32,
        "file_type": 64,
        "url": 256,
        "username": 256,
        "password": 256,
        "target_file_name": 256,
        "success_url": 256,
        "failure_url": 256,
    }
)
_UNSIGNED = ("file_size", "delay_seconds")


def check(download: Download) -> None:
    """Refuse a Download whose arguments cannot be right.

    Raises:
        Fault: 9003 for arguments, 9013 for a scheme that is not supported.
    """
    for name, limit in _LENGTHS.items():
        if len(getattr(download, name)) > limit:
            raise _invalid(f"{_element(name)} is longer than {limit} characters")
    for name in _UNSIGNED:
        if not 0 <= getattr(download, name) < 1 << 32:
            raise _invalid(f"{_element(name)} is not an unsignedInt")
    if download.file_type != FIRMWARE:
        reason = _REFUSED_TYPES.get(download.file_type, "there is no such type here")
        raise _invalid(f"FileType '{download.file_type}' is not supported: {reason}")
    check_url(download.url)


def check_url(text: str) -> None:
    """Refuse a URL that cannot be fetched from.

    Raises:
        Fault: 9003 when it is no URL or contains credentials (TR-069a6 A.3.2.8), 9013 for its scheme.
    """
    if not text.isascii() or any(c <= " " or c == "\x7f" for c in text):
        raise _invalid("URL contains characters that must be percent-encoded")
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise _invalid(f"URL is malformed: {error}") from None
    if not scheme:
        raise _invalid("URL is not absolute")
    if "@" in parts.netloc:
        raise _invalid("URL contains credentials: they belong into Username and Password")
    if scheme not in SCHEMES:
        raise Fault(
            FaultCode.UNSUPPORTED_PROTOCOL,
            f"'{scheme}' is not supported, only {' and '.join(sorted(SCHEMES))}",
        )
    if not host:
        raise _invalid("URL names no host")
    if port == 0:
        raise _invalid("URL names port 0")


def _element(field: str) -> str:
    """The name of an argument in the standard: ``file_size`` is FileSize."""
    return {"url": "URL", "success_url": "SuccessURL", "failure_url": "FailureURL"}.get(
        field, "".join(word.capitalize() for word in field.split("_"))
    )


def _invalid(text: str) -> Fault:
    return Fault(FaultCode.INVALID_ARGUMENTS, text)
