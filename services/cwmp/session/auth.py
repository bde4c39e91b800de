"""The server side of Digest (RFC 7616), for connection requests; without I/O.

The client side is `cwmp.runtime.digest`, which file transfers use as well.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from enum import Enum

from cwmp.runtime.digest import parse_challenges


class Verdict(Enum):
    """What `Guard.check` finds."""

    ACCEPTED = "accepted"
    STALE = "right credentials, old nonce"
    DENIED = "wrong or no credentials"


class Guard:
    """The server side of Digest, for connection requests (TR-069a6 3.2.2).

    A nonce is a time, a number and their authentication code, so that challenges cost no memory; only nonces
    that were used with the right password are remembered, with the highest `nc`, until they have expired. No
    user name or no password configured means that nobody is let in.
    """

    lifetime = 60.0
    _max_used = 256

    def __init__(self, username: str, password: str, realm: str, secret: bytes) -> None:
        self._username = username
        self._password = password
        self._realm = realm
        self._secret = secret
        self._count = 0
        self._used: OrderedDict[str, int] = OrderedDict()

    def __repr__(self) -> str:
        return f"Guard(realm={self._realm!r})"

    def challenge(self, now: float, *, stale: bool = False) -> str:
        """A WWW-Authenticate with a fresh nonce; `now` in seconds, from any clock that does not go back."""
        extra = ", stale=true" if stale else ""
        return f'Digest realm="{self._realm}", qop="auth", algorithm=MD5, nonce="{self._nonce(now)}"{extra}'

    def check(self, method: str, target: str, authorization: str, now: float) -> Verdict:
        """Whether a request for `target` may pass. Each nonce and `nc` serves once."""
        if not self._username or not self._password:
            return Verdict.DENIED
        found = parse_challenges([authorization])
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
        middle = f"{nonce}:{nc}:{given.get('cnonce', '')}:{qop}" if qop else nonce
        secret = _md5(f"{self._username}:{self._realm}:{self._password}")
        expected = _md5(f"{secret}:{middle}:{_md5(f'{method}:{target}')}")
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
        self._count += 1
        stamp = f"{int(now * 1000):x}-{self._count:x}"
        return f"{stamp}.{self._seal(stamp)}"

    def _fresh(self, nonce: str, now: float) -> bool:
        stamp, _, seal = nonce.partition(".")
        if not hmac.compare_digest(self._seal(stamp).encode(), seal.encode("utf-8", "replace")):
            return False
        return 0 <= now - int(stamp.partition("-")[0], 16) / 1000 <= self.lifetime

    def _seal(self, stamp: str) -> str:
        return hmac.new(self._secret, stamp.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
