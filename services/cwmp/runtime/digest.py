"""HTTP authentication, the client's side: answers to ``WWW-Authenticate`` (RFC 7235, 7616, 7617).

Theory of operation
-------------------
The server's challenge selects the scheme; of several, the strongest that we can answer is taken: Digest with
SHA-256, Digest with MD5, Basic. An `Authenticator` belongs to one TCP connection (TR-069a6 3.4.4 wants a new
cnonce for each): it is told of each challenge, gives the ``Authorization`` of each request, and counts.

A server may challenge again at any moment (its nonce expired), but one that challenges again right after an
answer refuses the credentials, unless it says ``stale=true``: this is what keeps us out of an endless loop.

No I/O, no clock. Passwords never show in a repr or an exception.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

_MAX_HEADER = 8192
_MAX_STALE = 3

# Strongest first. "-sess" variants hash with the name before the dash.
_ALGORITHMS = ("SHA-256-SESS", "SHA-256", "MD5-SESS", "MD5")


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: `scheme` and the names of `parameters` in lower case, quotes and escapes removed."""

    scheme: str
    parameters: Mapping[str, str]


def basic(credentials: Credentials) -> str:
    """The Authorization of the Basic scheme (RFC 7617), for those who send it without being asked."""
    pair = f"{credentials.username}:{credentials.password}".encode()
    return "Basic " + base64.b64encode(pair).decode("ascii")


class Authenticator:
    """The answers to one server's challenges over one connection."""

    def __init__(
        self, credentials: Credentials, *, make_cnonce: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._credentials = credentials
        self._make_cnonce = make_cnonce
        self._challenge: Challenge | None = None
        self._cnonce = ""
        self._session_nonces = ("", "")
        self._count = 0
        self._answered = False
        self._stale = 0

    def challenged(self, headers: Iterable[str]) -> bool:
        """A 401 came with these ``WWW-Authenticate`` values. Whether sending the request again makes sense:
        False when no scheme suits or the credentials were refused."""
        best = _strongest(parse_challenges(headers))
        if best is None:
            return False
        stale = best.parameters.get("stale", "").lower() == "true"
        self._stale = self._stale + 1 if stale else 0
        if self._answered and (not stale or self._stale > _MAX_STALE):
            return False
        self._cnonce = self._cnonce or self._make_cnonce()
        nonce = best.parameters.get("nonce", "")
        if self._challenge is None or self._challenge.parameters.get("nonce") != nonce:
            self._count = 0
            self._session_nonces = (nonce, self._cnonce)
        self._challenge = best
        self._answered = False
        return True

    def accepted(self) -> None:
        """A request that carried our answer was not challenged: the next challenge is a new one."""
        self._answered = False
        self._stale = 0

    def authorization(self, method: str, target: str) -> str | None:
        """The Authorization for a request of `method` to `target` (exactly the request line's target), or
        None as long as nobody has asked for one."""
        if self._challenge is None:
            return None
        self._answered = True
        if self._challenge.scheme == "basic":
            return basic(self._credentials)
        return self._digest(self._challenge.parameters, method, target)

    def _digest(self, asked: Mapping[str, str], method: str, target: str) -> str:
        algorithm = asked.get("algorithm", "MD5").upper()
        digest = _sha256 if algorithm.startswith("SHA-256") else _md5
        realm, nonce, user = asked.get("realm", ""), asked["nonce"], self._credentials.username
        qop = "auth" if asked.get("qop") else ""
        self._count += 1
        count = f"{self._count:08x}"
        first = digest(f"{user}:{realm}:{self._credentials.password}")
        if algorithm.endswith("-SESS"):
            first = digest(":".join((first, *self._session_nonces)))
        second = digest(f"{method}:{target}")
        middle = (nonce, count, self._cnonce, qop) if qop else (nonce,)
        response = digest(":".join((first, *middle, second)))
        userhash = asked.get("userhash", "").lower() == "true"
        items = [
            _username(digest(f"{user}:{realm}") if userhash else user),
            f"realm={_quoted(realm)}",
            f"nonce={_quoted(nonce)}",
            f"uri={_quoted(target)}",
            f'response="{response}"',
        ]
        if "algorithm" in asked:
            items.append(f"algorithm={asked['algorithm']}")
        if qop or algorithm.endswith("-SESS"):
            items.append(f'cnonce="{self._cnonce}"')
        if qop:
            items += [f"qop={qop}", f"nc={count}"]
        if "opaque" in asked:
            items.append(f"opaque={_quoted(asked['opaque'])}")
        if userhash:
            items.append("userhash=true")
        return "Digest " + ", ".join(items)


_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PARAMETER = re.compile(rf'({_NAME})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', re.DOTALL)
_SCHEME = re.compile(rf"({_NAME})(?:\s+([A-Za-z0-9._~+/-]+=*)(?=\s*(?:,|$)))?")
_SEPARATOR = re.compile(r"[\s,]*")


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """The challenges in `headers` (values of one or several ``WWW-Authenticate``), in their order.

    Servers' mistakes are taken as they are meant as long as that is clear; what cannot be understood ends the
    reading of that header, and what was understood before it counts.
    """
    challenges: list[Challenge] = []
    for header in headers:
        if len(header) > _MAX_HEADER:
            continue
        parameters: dict[str, str] | None = None
        position = _skip(header, 0)
        while position < len(header):
            if parameters is not None and (found := _PARAMETER.match(header, position)):
                value = re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]
                parameters.setdefault(found[1].lower(), value)
            elif found := _SCHEME.match(header, position):
                parameters = {}
                challenges.append(Challenge(found[1].lower(), parameters))
            else:
                break
            position = _skip(header, found.end())
    return challenges


def _skip(header: str, position: int) -> int:
    found = _SEPARATOR.match(header, position)
    return found.end() if found else position


def _strongest(challenges: list[Challenge]) -> Challenge | None:
    suitable = [c for c in challenges if _strength(c) is not None]
    return min(suitable, key=lambda c: _strength(c) or 0, default=None)


def _strength(challenge: Challenge) -> int | None:
    """The rank of a challenge, 0 the best; None when we cannot answer it."""
    if challenge.scheme == "basic":
        return len(_ALGORITHMS)
    if challenge.scheme != "digest" or "nonce" not in challenge.parameters:
        return None
    qop = [q.strip().lower() for q in challenge.parameters.get("qop", "").split(",") if q.strip()]
    algorithm = challenge.parameters.get("algorithm", "MD5").upper()
    if (qop and "auth" not in qop) or algorithm not in _ALGORITHMS:
        return None
    return _ALGORITHMS.index(algorithm)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _username(name: str) -> str:
    if name.isascii():
        return f"username={_quoted(name)}"
    return f"username*=UTF-8''{quote(name, safe='')}"  # RFC 7616 3.4: the only form for other characters
