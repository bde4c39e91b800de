"""The cookies of one session (TR-069a6 3.4.3): every one goes back with every later POST, to any host.

Only names and values count; domain, path and security attributes do not, since the ACS may be several hosts.
Both the Netscape form and that of RFC 2109 (``Version=1``, several cookies in one header) are taken.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MAX_BYTES = 16 * 1024
_MAX_COOKIES = 50

_BETWEEN_COOKIES = re.compile(r",\s*(?=[^\s;,=]+=)")  # not the comma within an Expires date
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_MAX_AGE = re.compile(r"-?\d{1,12}")


class CookieJar:
    """Names and values."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}

    def store(self, set_cookie: str, now: float) -> None:
        """Take one Set-Cookie header; what is no cookie, or too much, is left out. `now` is seconds since 1970."""
        for item in _BETWEEN_COOKIES.split(set_cookie):
            pair, *attributes = item.split(";")
            name, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                continue
            if _expired(attributes, now):
                self._cookies.pop(name, None)
                continue
            room = _MAX_BYTES - sum(len(n) + len(v) + 3 for n, v in self._cookies.items() if n != name)
            if len(name) + len(value) + 3 <= room and len(self._cookies.keys() | {name}) <= _MAX_COOKIES:
                self._cookies[name] = value

    def header(self) -> str:
        """The value of the Cookie header; empty where there are no cookies."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())


def _expired(attributes: list[str], now: float) -> bool:
    """Max-Age wins over Expires (RFC 6265 5.3)."""
    found = {}
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        found[name.strip().lower()] = value.strip().strip('"')
    if _MAX_AGE.fullmatch(max_age := found.get("max-age", "")):
        return int(max_age) <= 0
    if "expires" not in found:
        return False
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # rarely needed, and much memory

    try:
        expires = parsedate_to_datetime(found["expires"])
    except (ValueError, OverflowError):
        return False
    return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)) <= datetime.fromtimestamp(now, UTC)
