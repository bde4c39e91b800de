"""URLs of an ACS, taken apart for HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit

_MAX_HOST = 253
_IPV6 = re.compile(r"[0-9a-f:.]{2,45}(%[0-9a-z._~-]{1,32})?", re.IGNORECASE)
_TARGET_SAFE = "/%:=&?~+!$,;'@()*[]|"


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL. `target` is what the request line says; user and password do not show."""

    secure: bool
    host: str
    port: int
    target: str
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's: the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[bool, str, int]:
        return self.secure, self.host, self.port

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read a URL.

        Raises:
            ValueError: it is not absolute, not http(s), or malformed; the text says what is wrong.
        """
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:  # whose text would tell user and password
            raise ValueError("the URL is malformed, or its port is no number") from None
        if parts.scheme.lower() not in {"http", "https"}:
            raise ValueError("not an http:// or https:// URL")
        secure = parts.scheme.lower() == "https"
        if not parts.hostname:
            raise ValueError("the URL has no host")
        host = parts.hostname
        if (":" in host and not _IPV6.fullmatch(host)) or len(host) > _MAX_HOST:
            raise ValueError("the URL's host is no host name")
        try:
            host = host if ":" in host else host.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("the URL's host is no host name") from None
        target = quote(parts.path or "/", safe=_TARGET_SAFE)
        if parts.query:
            target += "?" + quote(parts.query, safe=_TARGET_SAFE)
        return cls(
            secure,
            host,
            port or (443 if secure else 80),
            target,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )

    def join(self, location: str) -> Url:
        """Where a redirect to `location` leads. Raises ValueError as `parse` does."""
        try:
            joined = urljoin(str(self), location.strip())
        except ValueError:
            raise ValueError("the URL is malformed") from None
        return Url.parse(joined)
