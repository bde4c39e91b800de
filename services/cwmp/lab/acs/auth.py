"""HTTP authentication, both sides an ACS has: it challenges CPEs, and it answers a connection request's challenge.

Basic (RFC 7617) and Digest (RFC 7616 with MD5, MD5-sess, SHA-256 and ``qop=auth``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a server demands. `nonce_uses`: after so many requests a nonce is stale."""

    username: str
    password: str = field(repr=False)
    scheme: Literal["Basic", "Digest"] = "Digest"
    algorithm: str = "MD5"
    realm: str = "lab"
    nonce_uses: int = 1000


class Guard:
    """The server side: hands out challenges and judges what comes back. Knows its nonces and their counts."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._counts: dict[str, int] = {}

    def check(self, authorization: str | None, method: str, target: str) -> str | None:
        """None when the request may pass, else the WWW-Authenticate to answer 401 with."""
        wanted = self._credentials
        if wanted.scheme == "Basic":
            token = base64.b64encode(f"{wanted.username}:{wanted.password}".encode()).decode()
            passes = hmac.compare_digest(authorization or "", f"Basic {token}")
            return None if passes else f'Basic realm="{wanted.realm}"'
        fields = parse(authorization or "", "Digest")
        nonce = fields.get("nonce", "")
        if nonce not in self._counts or not self._matches(fields, method, target):
            return self._challenge()
        count = int(fields["nc"], 16)
        if count <= self._counts[nonce] or count > wanted.nonce_uses:
            return self._challenge() + ", stale=true"
        self._counts[nonce] = count
        return None

    def _matches(self, fields: Mapping[str, str], method: str, target: str) -> bool:
        wanted = self._credentials
        if not re.fullmatch(r"[0-9a-fA-F]{8}", fields.get("nc", "")) or fields.get("qop") != "auth":
            return False
        expected = response(
            wanted.username, wanted.password, method, fields.get("uri", ""), wanted.algorithm, fields
        )
        return (
            fields.get("username") == wanted.username
            and fields.get("realm") == wanted.realm
            and fields.get("uri") == target
            and hmac.compare_digest(expected, fields.get("response", ""))
        )

    def _challenge(self) -> str:
        nonce = secrets.token_hex(16)
        if len(self._counts) >= 1000:
            self._counts.pop(next(iter(self._counts)))
        self._counts[nonce] = 0
        wanted = self._credentials
        return f'Digest realm="{wanted.realm}", qop="auth", algorithm={wanted.algorithm}, nonce="{nonce}"'


def answer(challenge: str, username: str, password: str, method: str, target: str) -> str:
    """The Authorization header a client answers a Digest challenge with.

    Raises:
        ValueError: the challenge is none that this can answer.
    """
    fields = parse(challenge, "Digest")
    algorithm = fields.get("algorithm", "MD5")
    if "nonce" not in fields or algorithm.removesuffix("-sess") not in _HASHES:
        raise ValueError(f"no Digest challenge that can be answered: {challenge}")
    if "auth" not in fields.get("qop", "").replace(" ", "").split(","):
        raise ValueError("the challenge lacks qop=auth, which TR-069a6 3.4.5 makes mandatory")
    fields |= {"qop": "auth", "nc": "00000001", "cnonce": secrets.token_hex(8)}
    value = response(username, password, method, target, algorithm, fields)
    opaque = f', opaque="{fields["opaque"]}"' if "opaque" in fields else ""
    return (
        f'Digest username="{username}", realm="{fields.get("realm", "")}", nonce="{fields["nonce"]}", '
        f'uri="{target}", algorithm={algorithm}, qop=auth, nc={fields["nc"]}, cnonce="{fields["cnonce"]}", '
        f'response="{value}"{opaque}'
    )


def response(
    username: str, password: str, method: str, uri: str, algorithm: str, fields: Mapping[str, str]
) -> str:
    """The `response` of RFC 7616 3.4.1 with qop=auth."""
    hashed = _HASHES[algorithm.removesuffix("-sess")]

    def digest(*parts: str) -> str:
        return hashed(":".join(parts).encode()).hexdigest()

    nonce, cnonce = fields.get("nonce", ""), fields.get("cnonce", "")
    secret = digest(username, fields.get("realm", ""), password)
    if algorithm.endswith("-sess"):
        secret = digest(secret, nonce, cnonce)
    return digest(secret, nonce, fields.get("nc", ""), cnonce, "auth", digest(method, uri))


def parse(header: str, scheme: str) -> dict[str, str]:
    """The fields of a challenge or an Authorization of this scheme; empty when it is of another."""
    name, _, rest = header.partition(" ")
    if name.lower() != scheme.lower():
        return {}
    fields = {}
    for key, quoted, plain in _PARAMETER.findall(rest):
        fields[key.lower()] = plain or re.sub(r"\\(.)", r"\1", quoted)
    return fields
