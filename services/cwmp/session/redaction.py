"""What was on the wire, as a person may see it: without a secret (DESIGN, invariant 4).

A message is not shown as its bytes: it is read, and written anew element by element, so that no spelling of a
secret (CDATA, references, another encoding, another order) gets past. What cannot be read is not shown. Secret
are the credentials among the arguments (those of a Download or an Install), the values of parameters whose names
say so, user names, passwords and queries within URLs, and every text in which one of the configured passwords
occurs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cwmp.session.soap.text import escape

SECRET = "***"

MAX_READ = 64 * 1024
"""Of a message that many bytes are read; the rest is not shown."""

_MAX_SHOWN = 96 * 1024
_MAX_TEXT = 2000
_MAX_DEPTH = 32
_ALWAYS = 6  # a configured secret shorter than this is looked for as a whole text, not within others

# The names of TR-181 that are hidden or secured, and how vendors name theirs.
_SECRET_NAME = re.compile(
    r"(passw(or)?d|pass|pwd|passphrase|passcode|secret|psk|pin|token|credentials?|authenticationcode"
    r"|(?<!parameter)(?<!command)(?<!public)key|keyvalue|challenge\.\d+\.value)\d*$",
    re.IGNORECASE,
)
_URL = re.compile(r"(://)([^\s/]*@)?([^\s?#]*)(\?[^\s#]*)?")
_COOKIES = frozenset({"cookie", "set-cookie"})


def is_secret(name: str) -> bool:
    """Whether a parameter of that name (or path) has a value nobody may see."""
    return bool(_SECRET_NAME.search(name.strip()[-256:]))


def header(name: str, value: str, secrets: Iterable[str] = ()) -> str:
    """An HTTP header's value; of authentication the scheme is left, of a cookie its name."""
    low = name.lower()
    if low in {"authorization", "proxy-authorization"}:
        return f"{value.partition(' ')[0] if ' ' in value else ''} {SECRET}".strip()
    if low in _COOKIES:
        return f"{value.partition('=')[0]}={SECRET}" if re.match(r"[\w.-]{1,40}=", value) else SECRET
    return text(value, secrets)


def text(value: str, secrets: Iterable[str] = ()) -> str:
    """Any text without the configured `secrets` and without what URLs carry."""
    if "PRIVATE KEY" in value:  # a PEM file, wherever somebody keeps it
        return SECRET
    shown = _URL.sub(_scrubbed, value)
    for secret in secrets:
        if secret and (shown.strip() == secret or (len(secret) >= _ALWAYS and secret in shown)):
            return SECRET
    shown = "".join(c if c.isprintable() else "?" for c in shown)
    return shown if len(shown) <= _MAX_TEXT else f"{shown[:_MAX_TEXT]}... ({len(shown)} characters)"


def _scrubbed(url: re.Match[str]) -> str:
    return f"{url[1]}{SECRET + '@' if url[2] else ''}{url[3]}{'?' + SECRET if url[4] else ''}"


def message(data: bytes, length: int, secrets: Sequence[str] = ()) -> str:
    """A SOAP message as indented lines; `data` are its first bytes, `length` is how many it has in all."""
    from lxml import etree  # noqa: PLC0415  # costs memory that only a session needs

    target: Any = _Writer(secrets)
    parser: Any = etree.XMLParser(
        target=target, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    problem = ""
    try:
        parser.feed(data[:MAX_READ].lstrip(b" \t\r\n"))
        if length <= len(data[:MAX_READ]):
            parser.close()
    except _Stop as stop:
        problem = str(stop)
    except (etree.XMLSyntaxError, LookupError, AssertionError):
        problem = "what follows is not well-formed and not shown"
    if not problem and length > len(data[:MAX_READ]):
        problem = "cut off here"
    lines = target.lines()
    if problem:
        lines.append(f"({problem}; {length} bytes in all)")
    return "\n".join(lines)


class _Stop(Exception):
    """Nothing more is read; the text says why."""


@dataclass(slots=True)
class _Frame:
    """An element that is open, as it is named and as that is shown."""

    name: str
    tag: str
    opening: str
    secret: bool
    text: list[str] = field(default_factory=list)
    parent: bool = False
    named: bool = False
    secret_name: bool = False


class _Writer:
    """The target lxml calls."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets
        self._lines: list[str] = []
        self._size = 0
        self._stack: list[_Frame] = []

    def lines(self) -> list[str]:
        return list(self._lines)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self._stack) >= _MAX_DEPTH:
            raise _Stop("what follows is nested too deep and not shown")
        name = tag.rpartition("}")[2]
        above = self._stack[-1] if self._stack else None
        secret = name == "Username" or is_secret(name)
        if above is not None:
            if not above.parent:
                self._line(len(self._stack) - 1, f"<{above.opening}>")
                above.parent = True
            secret = secret or above.secret
            if name == "Value":  # one whose Name has not come yet may be anybody's
                secret = secret or above.secret_name or not above.named
        named = [(k.rpartition("}")[2], v) for k, v in (attributes or {}).items()]
        shown = [f'{text(k, self._secrets)}="{text(v, self._secrets)}"' for k, v in named]
        tag = text(name, self._secrets)
        self._stack.append(_Frame(name, tag, " ".join([tag, *shown]), secret))

    def data(self, data: str) -> None:
        if self._stack:
            self._stack[-1].text.append(data)

    def end(self, _tag: str) -> None:
        frame = self._stack.pop()
        depth = len(self._stack)
        if frame.parent:
            self._line(depth, f"</{frame.tag}>")
            return
        content = "".join(frame.text)
        if depth and frame.name == "Name":
            above = self._stack[-1]
            above.named = True
            above.secret_name = above.secret_name or is_secret(content)
        if not content:
            self._line(depth, f"<{frame.opening}/>")
        else:
            shown = SECRET if frame.secret else escape(text(content, self._secrets))
            self._line(depth, f"<{frame.opening}>{shown}</{frame.tag}>")

    def close(self) -> None:
        return None

    def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
        raise _Stop("a DOCTYPE follows and is not read")

    def pi(self, _target: str, _data: str | None = None) -> None:
        raise _Stop("a processing instruction follows and is not read")

    def _line(self, depth: int, line: str) -> None:
        self._size += 2 * depth + len(line) + 1
        if self._size > _MAX_SHOWN:
            raise _Stop("the rest is not shown")
        self._lines.append("  " * depth + line)
