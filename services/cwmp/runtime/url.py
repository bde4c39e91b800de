"""URLs of an ACS, taken apart for HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit

_MAX_HOST = 253
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
        parts = urlsplit(text.strip())
        if parts.scheme.lower() not in {"http", "https"}:
            raise ValueError("not an http:// or https:// URL")
        secure = parts.scheme.lower() == "https"
        if not parts.hostname:
            raise ValueError("the URL has no host")
        if len(parts.hostname) > _MAX_HOST:
            raise ValueError("the URL's host is no host name")
        try:
            host = (
                parts.hostname.encode("idna").decode("ascii") if ":" not in parts.hostname else parts.hostname
            )
        except UnicodeError:
            raise ValueError("the URL's host is no host name") from None
        target = quote(parts.path or "/", safe=_TARGET_SAFE)
        if parts.query:
            target += "?" + quote(parts.query, safe=_TARGET_SAFE)
        return cls(
            secure,
            host,
            parts.port or (443 if secure else 80),
            target,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )

    def join(self, location: str) -> Url:
        """Where a redirect to `location` leads. Raises ValueError as `parse` does."""
        return Url.parse(urljoin(str(self), location.strip()))
