"""What can be said of a request before anything is done: refused at once, with the code that names why.

The order is that of TR-069a6's tables: arguments first (9003), then the scheme (9013). Types of files are the
business of `filetypes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import urlsplit

from cwmp.contract import Fault, FaultCode
from cwmp.contract.firmware import Download, ScheduleDownload, TimeWindow, Upload
from cwmp.firmware.times import Mode

SCHEMES = frozenset({"http", "https", "ftp"})

# Lengths in characters, TR-069a6 A.3.2.8 table 30, A.4.1.5 table 40, A.4.1.8 table 46.
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
_USER_MESSAGE_LENGTH = 256
_UNSIGNED = ("file_size", "delay_seconds")
_UNSIGNED_END = 1 << 32


def check(request: Download | Upload | ScheduleDownload) -> None:
    """Refuse a request whose arguments cannot be right.

    Raises:
        Fault: 9003 for arguments, 9013 for a scheme that is not supported.
    """
    for name, limit in _LENGTHS.items():
        if len(getattr(request, name, "")) > limit:
            raise _invalid(f"{_element(name)} is longer than {limit} characters")
    for name in _UNSIGNED:
        if not 0 <= getattr(request, name, 0) < _UNSIGNED_END:
            raise _invalid(f"{_element(name)} is not an unsignedInt")
    if isinstance(request, ScheduleDownload):
        check_windows(request.windows)
    check_url(request.url)


def check_windows(windows: Sequence[TimeWindow]) -> None:
    """Refuse a TimeWindowList that is none (TR-069a6 A.4.1.8).

    Raises:
        Fault: 9003.
    """
    if not 1 <= len(windows) <= 2:
        raise _invalid("TimeWindowList holds one or two windows")
    end = 0
    for number, window in enumerate(windows, 1):
        where = f"window {number}"
        if not 0 <= window.start < window.end < _UNSIGNED_END:
            raise _invalid(f"{where}: WindowEnd has to be after WindowStart")
        if window.start < end:
            raise _invalid(f"{where} begins before the one before it ends")
        if window.mode not in frozenset(Mode):
            raise _invalid(f"{where}: there is no WindowMode '{window.mode[:64]}' here")
        if len(window.user_message) > _USER_MESSAGE_LENGTH:
            raise _invalid(f"{where}: UserMessage is longer than {_USER_MESSAGE_LENGTH} characters")
        if not -1 <= window.max_retries < 1 << 31:
            raise _invalid(f"{where}: MaxRetries is -1, 0 or more")
        end = window.end


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
