"""Where the ACS is, from what a DHCP server says (TR-069a6 3.1), without I/O.

Theory of operation
-------------------
The hooks of the DHCP clients send what a server said, as hexadecimal: options 43 and 125 of DHCPv4, option 17 of
DHCPv6. What can be read of it is kept by family, also over reboots, until a server says something else. DHCPv6
goes before DHCPv4, option 43 before option 125: an option with an ACS URL in it counts, and then alone; without
any, one that says something else.

A configured URL goes before a discovered one. Only a device whose first ACS was found by DHCP returns to DHCP when
its ACS cannot be reached, at no address of its, for `UNREACHABLE_AFTER` seconds; it stays with what it has found
until that cannot be reached either, or until another URL is configured. And since what is known may be old by
then, the DHCP clients are to ask their servers again (`renewal_due`).

Provisioning code and retry values become parameters once (`provisions`): each takes the place of the default, or of
what a server said before, but never of what somebody has set.

What a server says is not to be trusted: no more than `MAX_BYTES` of it are looked at, what is out of bounds or
no value of its kind is left out, and what follows something malformed is not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

MAX_BYTES = 4096
UNREACHABLE_AFTER = 300.0

_BROADBAND_FORUM = 3561
_PAD, _END = 0, 255
_URL = re.compile(r"https?://[^\s/?#@]+(@[^\s/?#@]+)?([/?#][\x21-\x7e]*)?", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Provision:
    """What a server says; empty or 0 where it says nothing. Retry values as in `ManagementServer.CWMPRetry*`."""

    acs_url: str = ""
    provisioning_code: str = ""
    retry_minimum_wait_interval: int = 0
    retry_interval_multiplier: int = 0

    @classmethod
    def from_document(cls, document: Any) -> Provision:
        """What was kept as JSON, if it still is what it should be."""
        values: dict[str, Any] = document if isinstance(document, dict) else {}
        kept: dict[str, Any] = {f.name: values.get(f.name) for f in fields(cls)}
        return cls(**{n: v for n, v in kept.items() if type(v) is type(getattr(_NOTHING, n))})


_NOTHING = Provision()


def option_43(data: bytes) -> Provision:
    """DHCPv4 vendor-specific information (RFC 2132 8.4): sub-options 1 to 4, or nothing but the URL."""
    if data[:4].lower() == b"http":
        return _provision({1: data})
    return _provision(dict(_short(data)))


def option_125(data: bytes) -> Provision:
    """DHCPv4 vendor-identifying vendor-specific information (RFC 3925 4): sub-options 11 to 14 of enterprise 3561."""
    while len(data) >= 5:
        length = data[4]
        block, rest = data[5 : 5 + length], data[5 + length :]
        if int.from_bytes(data[:4], "big") == _BROADBAND_FORUM:
            return _provision({code - 10: value for code, value in _short(block)})
        data = rest
    return Provision()


def option_17(data: bytes) -> Provision:
    """DHCPv6 vendor-specific information (RFC 8415 21.17): sub-options 1 to 4 of enterprise 3561."""
    if int.from_bytes(data[:4], "big") != _BROADBAND_FORUM:
        return Provision()
    return _provision(dict(_long(data[4:])))


def interfaces(interface: str) -> tuple[str, ...]:
    """The interface towards the ACS, and what its companion for IPv6 is called."""
    return interface, f"{interface}6", f"{interface}_6"


class Discovery:
    """What is known from DHCP, and which URL is to be used. `document` is what `to_document` gave."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._found = {family: Provision.from_document(document.get(family)) for family in ("6", "4")}
        self._origin = next((o for o in ("dhcp", "configured") if document.get("origin") == o), "")
        self._unreachable_since: float | None = None
        self._renewed = -math.inf
        returned = document.get("returned")
        self._returned: str = returned if isinstance(returned, str) else ""
        """The configured URL in whose place a discovered one is used."""
        self._provided = Provision.from_document(document.get("provided"))
        """What has become of parameters already."""

    @property
    def found(self) -> Provision:
        """What counts of what the servers said."""
        said = list(self._found.values())
        return next((p for p in said if p.acs_url), next((p for p in said if p != _NOTHING), _NOTHING))

    def heard(self, message: Mapping[str, Any], interface: str) -> bool:
        """Event ``cwmp.dhcp``: ``{interface, family, opt43, opt125, opt17}``. Whether something else is known now.

        Only what comes in by `interface` counts, or by its companion for IPv6 (``wan6``).
        """
        if message.get("interface") not in interfaces(interface):
            return False
        before = self.found
        for family, options in _OPTIONS.items():
            said = [read(_bytes(message.get(name))) for name, read in options]
            best = next((p for p in said if p.acs_url), None)
            if best is None and not self._found[family].acs_url:
                best = next((p for p in said if p != _NOTHING), None)
            self._found[family] = best or self._found[family]
        return self.found != before

    def url(self, configured: str) -> str:
        """The ACS URL to use, where `configured` is that of the configuration."""
        return (self.found.acs_url if self._returned and self._returned == configured else "") or (
            configured or self.found.acs_url
        )

    def provisions(self, in_force: Provision, default: Provision) -> Provision:
        """What is to be set, where `in_force` is configured; 0 and "" for what is to stay. URLs do not matter."""

        def new(name: str) -> Any:
            now, value, before = (getattr(p, name) for p in (in_force, self.found, self._provided))
            wanted = value not in {before, now} and now in {getattr(default, name), before}
            return value if wanted else getattr(_NOTHING, name)

        return Provision("", *(new(f.name) for f in fields(Provision)[1:]))

    def provided(self) -> None:
        """What `provisions` gave is set."""
        self._provided = replace(self.found, acs_url="")

    def session_ended(self, *, reached: bool, success: bool, configured: str, now: float) -> bool:
        """A session has ended; `reached` says whether there was a connection. Whether what is kept has changed.

        The first session that ends well says once and for all whether the device came to its ACS by DHCP.
        """
        if reached:
            self._unreachable_since = None
        elif self._unreachable_since is None:
            self._unreachable_since = now
        elif now - self._unreachable_since >= UNREACHABLE_AFTER and self._may_return(configured):
            self._returned = "" if self._returned == configured else configured
            self._unreachable_since = None
            return True
        if success and not self._origin:
            self._origin = "dhcp" if self.url(configured) != configured else "configured"
            return True
        return False

    def renewal_due(self, *, configured: str, now: float) -> bool:
        """Whether servers are to be asked again, after a session that did not reach the ACS; once in
        `UNREACHABLE_AFTER` seconds, and only where what they say would count."""
        if self._unreachable_since is None or (configured and self._origin != "dhcp"):
            return False
        if now - max(self._unreachable_since, self._renewed) < UNREACHABLE_AFTER:
            return False
        self._renewed = now
        return True

    def forget(self) -> None:
        """By which way the device came to its first ACS; what servers say stays until they say something else."""
        self._origin = self._returned = ""
        self._unreachable_since = None

    def to_document(self) -> dict[str, Any]:
        kept = {family: asdict(found) for family, found in self._found.items() if found != _NOTHING}
        if self._provided != _NOTHING:
            kept["provided"] = asdict(self._provided)
        more = {"origin": self._origin, "returned": self._returned}
        return {**kept, **{name: value for name, value in more.items() if value}}

    def _may_return(self, configured: str) -> bool:
        return self._origin == "dhcp" and bool(configured) and self.found.acs_url not in {"", configured}


_OPTIONS: Mapping[str, tuple[tuple[str, Callable[[bytes], Provision]], ...]] = {
    "4": (("opt43", option_43), ("opt125", option_125)),
    "6": (("opt17", option_17),),
}


def _bytes(hexadecimal: Any) -> bytes:
    if not isinstance(hexadecimal, str) or len(hexadecimal) > 2 * MAX_BYTES:
        return b""
    try:
        return bytes.fromhex(hexadecimal.replace(":", ""))
    except ValueError:
        return b""


def _short(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Sub-options with one byte of code and one of length."""
    position = 0
    while position < len(data) and data[position] != _END:
        if data[position] == _PAD:
            position += 1
            continue
        if position + 2 > len(data) or position + 2 + data[position + 1] > len(data):
            return
        yield data[position], data[position + 2 : position + 2 + data[position + 1]]
        position += 2 + data[position + 1]


def _long(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Sub-options with two bytes of code and two of length."""
    while len(data) >= 4:
        code, length = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        if 4 + length > len(data):
            return
        yield code, data[4 : 4 + length]
        data = data[4 + length :]


def _provision(values: Mapping[int, bytes]) -> Provision:
    """Sub-options 1 to 4. Sloppy servers end their strings with NUL (3.1)."""
    texts = {code: value.rstrip(b"\0").decode("ascii", "replace") for code, value in values.items()}
    url, code = texts.get(1, "").strip(), texts.get(2, "")
    return Provision(
        url if len(url) <= 2048 and url.isascii() and _URL.fullmatch(url) else "",
        code if len(code) <= 64 and code.isprintable() and code.isascii() else "",
        _number(texts.get(3, ""), 1),
        _number(texts.get(4, ""), 1000),
    )


def _number(text: str, minimum: int) -> int:
    return int(text) if _NUMBER.fullmatch(text) and minimum <= int(text) <= 65535 else 0
