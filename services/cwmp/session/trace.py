"""The last messages between us and the ACS, for `cwmp trace`: off unless asked for, in memory, bounded, redacted.

What is kept has passed `redaction` already: a secret is not even in this ring.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cwmp.runtime.clock import date_time
from cwmp.session import redaction
from cwmp.session.soap import Body

MAX_MESSAGES = 200
MAX_CHARACTERS = 1 << 20
_PAGE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One HTTP message; `number` counts from 1, `time` is seconds since 1970, `sent` by us or by the ACS."""

    number: int
    time: float
    sent: bool
    start: str
    headers: tuple[str, ...]
    body: str

    @property
    def size(self) -> int:
        return len(self.start) + sum(map(len, self.headers)) + len(self.body)

    def to_table(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "time": date_time(self.time),
            "direction": "sent" if self.sent else "received",
            "start": self.start,
            "headers": list(self.headers),
            "body": self.body,
        }


class Trace:
    """The ring. `secrets` are texts that are never shown, whatever they are part of."""

    def __init__(self) -> None:
        self.enabled = False
        self.secrets: Sequence[str] = ()
        self._messages: deque[Message] = deque()
        self._size = 0
        self._last = 0

    def sent(self, target: str, headers: Iterable[tuple[bytes, bytes]], body: Body | None) -> None:
        """A POST goes out."""
        if not self.enabled:
            return
        data = bytearray()
        for chunk in body.chunks() if body else ():
            data += chunk
            if len(data) >= redaction.MAX_READ:
                break
        path, mark, _ = target.partition("?")
        self._add(
            True,
            f"POST {path}{mark and '?' + redaction.SECRET} HTTP/1.1",
            ((k.decode("latin-1"), v.decode("utf-8", "replace")) for k, v in headers),
            bytes(data),
            body.length if body else 0,
        )

    @contextmanager
    def receiving(
        self, status: int, reason: str, headers: Iterable[tuple[str, str]]
    ) -> Iterator[Callable[[bytes], None]]:
        """A response comes in, its body by what is given; kept when it is over, however it ends."""
        if not self.enabled:
            yield lambda _: None
            return
        data = bytearray()
        length = 0

        def show(piece: bytes) -> None:
            nonlocal length
            length += len(piece)
            data.extend(piece[: max(redaction.MAX_READ - len(data), 0)])

        try:
            yield show
        finally:
            self._add(False, f"HTTP/1.1 {status} {reason}".rstrip(), headers, bytes(data), length)

    def since(self, number: int) -> dict[str, Any]:
        """What came after message `number`, one page: ``{enabled, last, more, messages}``."""
        page: list[Message] = []
        room = _PAGE
        more = False
        for message in self._messages:
            if message.number <= number:
                continue
            room -= message.size
            if room < 0 and page:
                more = True
                break
            page.append(message)
        last = page[-1].number if page else self._last
        messages = [m.to_table() for m in page]
        return {"enabled": self.enabled, "last": last, "more": more, "messages": messages}

    def _add(
        self, sent: bool, start: str, headers: Iterable[tuple[str, str]], data: bytes, length: int
    ) -> None:
        shown = tuple(f"{name}: {redaction.header(name, value, self.secrets)}" for name, value in headers)
        body = redaction.message(data, length, self.secrets) if data.strip() else ""
        self._last += 1
        message = Message(self._last, time.time(), sent, redaction.text(start, self.secrets), shown, body)
        self._messages.append(message)
        self._size += message.size
        while len(self._messages) > MAX_MESSAGES or self._size > MAX_CHARACTERS:
            self._size -= self._messages.popleft().size
