"""Connection requests by UDP (TR-069a6 Annex G.2.2.2): who may ask for a session, without I/O.

A datagram looks like the head of an HTTP request:

    GET http://198.51.100.7:50000?ts=1700000000&id=77&un=acs&cn=AbC&sig=<40 hex digits> HTTP/1.1

`sig` is an HMAC-SHA1 over ts, id, un and cn with the password of connection requests. A request counts if `ts` is
greater than that of every request accepted before, `id` another than that of the last, `un` the user name, and
`sig` right; anything else is passed over in silence, since nothing is ever answered. The ACS sends the same
datagram several times, and only the first counts. One beyond the rate leaves no trace, so a copy that arrives later
may still count. One that arrives in a session counts, and brings one further session: unlike by HTTP there is no
way to say that it has to be repeated (TR-069a6 3.2.2.1 allows either).

Nothing separates ts from id where the signature is made, so who listens can move digits from one to the other.
`ts` is the time in seconds, or, from servers that ask more often, in thousandths and less: its length tells which,
and two in different units are compared in seconds. So what was moved is never newer than what it was made of.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import deque
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote, urlsplit

MAX_BYTES = 2048
_RATE = 12
_RATE_PERIOD = 60.0
_REQUEST = re.compile(rb"GET ([\x21-\x7e]{1,2000}) HTTP/1\.[01](\r?\n.*)?", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_DIGITS = 10
_PARAMETERS = frozenset({"ts", "id", "un", "cn", "sig"})


class Verdict(Enum):
    """What a datagram is found to be."""

    ACCEPTED = "accepted"
    MALFORMED = "no connection request"
    DENIED = "not signed with our password"
    REPLAYED = "one that came before"
    TOO_MANY = "too many of them"


@dataclass(frozen=True, slots=True)
class UdpRequest:
    """The parameters of a connection request, decoded."""

    ts: str
    id: str
    un: str
    cn: str
    sig: str

    def signed(self, password: str) -> bool:
        """Whether it carries the signature that `password` gives."""
        given = self.sig.lower().encode("utf-8", "replace")
        return hmac.compare_digest(given, signature(self, password).encode())


def signature(request: UdpRequest, password: str) -> str:
    """40 hexadecimal digits (Annex G.2.2.2.1)."""
    text = (request.ts + request.id + request.un + request.cn).encode("utf-8", "surrogateescape")
    return hmac.new(password.encode("utf-8", "surrogateescape"), text, hashlib.sha1).hexdigest()


def parse(datagram: bytes) -> UdpRequest | None:
    """What a datagram asks; None where it is no connection request."""
    found = _REQUEST.fullmatch(datagram) if len(datagram) <= MAX_BYTES else None
    if found is None:
        return None
    try:
        parts = urlsplit(found[1].decode("ascii"))
    except ValueError:
        return None
    if parts.scheme.lower() != "http" or parts.path not in {"", "/"}:
        return None
    pairs = [item.partition("=")[::2] for item in parts.query.split("&")]
    given = {name: unquote(value, errors="surrogateescape") for name, value in pairs if name in _PARAMETERS}
    if len(given) != len(_PARAMETERS) or sum(name in _PARAMETERS for name, _ in pairs) != len(given):
        return None
    return UdpRequest(**given) if _NUMBER.fullmatch(given["ts"]) and given["id"] else None


def _later(ts: int, than: int) -> bool:
    """Whether a time is later than another one, each in its unit."""
    unit, other = _unit(ts), _unit(than)
    return ts > than if unit == other else ts // unit > than // other


def _unit(ts: int) -> int:
    """How many of them make a second: 1, 1000, ...; a time in seconds has ten digits."""
    return int(1000 ** max(0, -(-(len(str(ts)) - _DIGITS) // 3)))


class UdpGate:
    """Who may ask by UDP, and how often. `last` are ts and id of the request accepted last, as they were kept."""

    def __init__(self, username: str, password: str, last: tuple[int, str] = (0, "")) -> None:
        self.last = last
        self._username = username
        self._password = password
        self._accepted: deque[float] = deque()

    def decide(self, datagram: bytes, now: float) -> Verdict:
        """What to do with a datagram; `now` in seconds, monotonic."""
        request = parse(datagram)
        if request is None:
            return Verdict.MALFORMED
        if not (self._username and self._password) or request.un != self._username:
            return Verdict.DENIED
        if not request.signed(self._password):
            return Verdict.DENIED
        if not _later(int(request.ts), self.last[0]) or request.id == self.last[1]:
            return Verdict.REPLAYED
        while self._accepted and now - self._accepted[0] >= _RATE_PERIOD:
            self._accepted.popleft()
        if len(self._accepted) >= _RATE:
            return Verdict.TOO_MANY
        self._accepted.append(now)
        self.last = int(request.ts), request.id
        return Verdict.ACCEPTED
