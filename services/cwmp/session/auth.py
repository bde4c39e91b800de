"""HTTP authentication, both sides, without I/O: Basic and Digest (RFC 7617, RFC 7616, TR-069a6 3.4.4 and 3.4.5).

`Client` answers an ACS's challenges. `Guard` challenges whoever sends us a connection request.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # a grammar, RFC 9110 5.6.2
_PARAMETER = re.compile(rf'({_TOKEN})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)')
_SCHEME = re.compile(rf"({_TOKEN})(?:\s+|$)")
_SEPARATOR = re.compile(r"[\s,]*")
_MAX_HEADER = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge, or one set of credentials: the scheme in lower case, parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str]


def parse(header: str) -> list[Challenge]:
    """The challenges in a WWW-Authenticate (or Authorization) header; what cannot be read ends the list."""
    header = header[:_MAX_HEADER]
    challenges: list[Challenge] = []
    position = _skip(header, 0)
    while position < len(header):
        scheme = _SCHEME.match(header, position)
        if scheme is None:
            break
        parameters: dict[str, str] = {}
        position = _skip(header, scheme.end())
        while found := _PARAMETER.match(header, position):
            parameters.setdefault(found[1].lower(), _unquote(found[2]))
            position = _skip(header, found.end())
        challenges.append(Challenge(scheme[1].lower(), parameters))
    return challenges


def _skip(text: str, position: int) -> int:
    found = _SEPARATOR.match(text, position)
    return found.end() if found else position


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_Hash = Callable[[str], str]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


# The one wanted most first.
_ALGORITHMS: dict[str, _Hash] = {
    "SHA-256": _sha256,
    "SHA-256-SESS": _sha256,
    "MD5": _md5,
    "MD5-SESS": _md5,
}


def digest_response(
    algorithm: str,
    *,
    username: str,
    realm: str,
    password: str,
    method: str,
    uri: str,
    nonce: str,
    nc: str = "",
    cnonce: str = "",
    qop: str = "",
) -> str:
    """The `response` of RFC 7616 3.4.1; without `qop` that of RFC 2069."""
    digest = _ALGORITHMS[algorithm.upper()]
    secret = digest(f"{username}:{realm}:{password}")
    if algorithm.upper().endswith("-SESS"):
        secret = digest(f"{secret}:{nonce}:{cnonce}")
    request = digest(f"{method}:{uri}")
    middle = f"{nc}:{cnonce}:{qop}:" if qop else ""
    return digest(f"{secret}:{nonce}:{middle}{request}")


class Client:
    """What the CPE puts into Authorization: nothing until it is challenged, then credentials each time.

    One for each ACS host and session. `new_connection` is to be called for every TCP connection: it takes a
    new cnonce; the challenge known stays usable (TR-069a6 3.4.4).
    """

    def __init__(self, username: str, password: str, random_token: Callable[[], str]) -> None:
        self._username = username
        self._password = password
        self._random_token = random_token
        self._challenge: Challenge | None = None
        self._cnonce = ""
        self._count = 0

    def __repr__(self) -> str:
        return "Client()"

    @property
    def able(self) -> bool:
        """Whether there is a user name to authenticate with."""
        return bool(self._username)

    def use_basic(self) -> None:
        """Send Basic without being asked, as should be done over TLS (TR-069a6 3.4.4)."""
        self._challenge = Challenge("basic", {})

    def new_connection(self) -> None:
        self._cnonce = self._random_token()

    def challenged(self, headers: Iterable[str], *, again: bool) -> bool:
        """Take the challenges of a 401; whether answering them can help.

        `again` says that a challenge to this very request was answered already: then only a nonce that had
        become stale is worth another try. Neither helps what sends the same Basic credentials once more.
        """
        offered = [c for header in headers for c in parse(header)]
        best = min((c for c in offered if _usable(c)), key=_preference, default=None)
        if best is None:
            return False
        before, self._challenge, self._count = self._challenge, best, 0
        if before is None or before.scheme != best.scheme:
            return True
        if best.scheme == "basic":
            return False
        stale = best.parameters.get("stale", "").lower() == "true"
        return stale or not (again or before.parameters["nonce"] == best.parameters["nonce"])

    def authorization(self, method: str, uri: str) -> str | None:
        """The Authorization for a request; None while nothing is known of what the ACS wants."""
        if self._challenge is None or not self._username:
            return None
        if self._challenge.scheme == "basic":
            raw = f"{self._username}:{self._password}".encode("utf-8", "surrogateescape")
            return "Basic " + base64.b64encode(raw).decode("ascii")
        return self._digest(self._challenge.parameters, method, uri)

    def _digest(self, challenge: Mapping[str, str], method: str, uri: str) -> str:
        self._count += 1
        algorithm = challenge.get("algorithm", "")
        qop = "auth" if "qop" in challenge else ""
        nc = f"{self._count:08x}"
        response = digest_response(
            algorithm or "MD5",
            username=self._username,
            realm=challenge.get("realm", ""),
            password=self._password,
            method=method,
            uri=uri,
            nonce=challenge["nonce"],
            nc=nc,
            cnonce=self._cnonce,
            qop=qop,
        )
        fields = [
            f"username={_quote(self._username)}",
            f"realm={_quote(challenge.get('realm', ''))}",
            f"nonce={_quote(challenge['nonce'])}",
            f"uri={_quote(uri)}",
            f'response="{response}"',
        ]
        if algorithm:
            fields.append(f"algorithm={algorithm}")
        if "opaque" in challenge:
            fields.append(f"opaque={_quote(challenge['opaque'])}")
        if qop:
            fields += [f"qop={qop}", f"nc={nc}"]
        if qop or algorithm.upper().endswith("-SESS"):
            fields.append(f"cnonce={_quote(self._cnonce)}")
        return "Digest " + ", ".join(fields)


def _usable(challenge: Challenge) -> bool:
    if challenge.scheme == "basic":
        return True
    if challenge.scheme != "digest" or not challenge.parameters.get("nonce"):
        return False
    qops = [q.strip().lower() for q in challenge.parameters.get("qop", "auth").split(",")]
    return challenge.parameters.get("algorithm", "MD5").upper() in _ALGORITHMS and "auth" in qops


def _preference(challenge: Challenge) -> int:
    if challenge.scheme == "basic":
        return len(_ALGORITHMS)
    return list(_ALGORITHMS).index(challenge.parameters.get("algorithm", "MD5").upper())


class Verdict(Enum):
    """What `Guard.check` finds."""

    ACCEPTED = "accepted"
    STALE = "right credentials, old nonce"
    DENIED = "wrong or no credentials"


class Guard:
    """The server side of Digest, for connection requests (TR-069a6 3.2.2).

    A nonce is a time and its authentication code, so that challenges cost no memory; only nonces that were
    used with the right password are remembered, with the highest `nc`, until they have expired. No user name
    or no password configured means that nobody is let in.
    """

    lifetime = 60.0
    _max_used = 256

    def __init__(self, username: str, password: str, realm: str, secret: bytes) -> None:
        self._username = username
        self._password = password
        self._realm = realm
        self._secret = secret
        self._used: OrderedDict[str, int] = OrderedDict()

    def __repr__(self) -> str:
        return f"Guard(realm={self._realm!r})"

    def challenge(self, now: float, *, stale: bool = False) -> str:
        """A WWW-Authenticate with a fresh nonce; `now` in seconds, from any clock that does not go back."""
        extra = ", stale=true" if stale else ""
        return f'Digest realm={_quote(self._realm)}, qop="auth", algorithm=MD5, nonce="{self._nonce(now)}"{extra}'

    def check(self, method: str, target: str, authorization: str, now: float) -> Verdict:
        """Whether a request for `target` may pass. Each nonce and `nc` serves once."""
        if not self._username or not self._password:
            return Verdict.DENIED
        found = parse(authorization)
        if len(found) != 1 or found[0].scheme != "digest":
            return Verdict.DENIED
        given = found[0].parameters
        qop, nc, nonce = given.get("qop", ""), given.get("nc", ""), given.get("nonce", "")
        if (
            given.get("username") != self._username
            or given.get("realm") != self._realm
            or given.get("uri") != target
            or given.get("algorithm", "MD5").upper() != "MD5"
            or qop not in {"", "auth"}
            or (qop and not re.fullmatch(r"[0-9a-fA-F]{8}", nc))
        ):
            return Verdict.DENIED
        expected = digest_response(
            "MD5",
            username=self._username,
            realm=self._realm,
            password=self._password,
            method=method,
            uri=target,
            nonce=nonce,
            nc=nc,
            cnonce=given.get("cnonce", ""),
            qop=qop,
        )
        if not hmac.compare_digest(
            expected.encode(), given.get("response", "").lower().encode("utf-8", "replace")
        ):
            return Verdict.DENIED
        count = int(nc, 16) if qop else 1
        if not self._fresh(nonce, now) or count <= self._used.get(nonce, 0):
            return Verdict.STALE
        self._used[nonce] = count
        while len(self._used) > self._max_used or not self._fresh(next(iter(self._used)), now):
            self._used.popitem(last=False)
        return Verdict.ACCEPTED

    def _nonce(self, now: float) -> str:
        stamp = f"{int(now * 1000):x}"
        return f"{stamp}.{self._seal(stamp)}"

    def _fresh(self, nonce: str, now: float) -> bool:
        stamp, _, seal = nonce.partition(".")
        if not hmac.compare_digest(self._seal(stamp).encode(), seal.encode("utf-8", "replace")):
            return False
        return 0 <= now - int(stamp, 16) / 1000 <= self.lifetime

    def _seal(self, stamp: str) -> str:
        return hmac.new(self._secret, stamp.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]
