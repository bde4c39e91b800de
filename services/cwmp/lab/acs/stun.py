"""The ACS's side of Annex G: a STUN server that takes down bindings, and connection requests by UDP.

    async with open_stun(Credentials("device", "secret")) as stun:
        binding = await stun.binding()            # of the CPE that asked last
        await stun.connection_request(str(binding), "acs", "password")

As elsewhere in the lab, the standard (RFC 3489 and the annex) is read here a second time.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import trio

from cwmp.lab.acs.auth import Credentials

_TAG = "dslforum.org/TR-111 "
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a CPE was seen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class StunRequest:
    """A Binding Request. `tagged`: with CONNECTION-REQUEST-BINDING; `changed`: with BINDING-CHANGE."""

    source: Binding
    tagged: bool
    changed: bool
    username: str
    sealed: bool
    response_address: Binding | None = None


@dataclass
class Stun:
    """A STUN server. `requests` are those it has answered; with `credentials` it wants MESSAGE-INTEGRITY."""

    listening: trio.socket.SocketType
    credentials: Credentials | None = None
    silent: bool = False
    knows_response_address: bool = True
    requests: list[StunRequest] = field(default_factory=list)
    refused: int = 0
    violations: list[str] = field(default_factory=list)
    _changed: trio.Event = field(default_factory=trio.Event)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    async def until(self, ready: Callable[[list[StunRequest]], bool]) -> None:
        """Until `ready` of the requests so far. Raises trio.TooSlowError."""
        with trio.fail_after(_PATIENCE):
            while not ready(self.requests):
                self._changed = trio.Event()
                await self._changed.wait()

    async def binding(self) -> Binding:
        """Where a CPE is reached, from the last request that told of a change."""
        await self.until(lambda requests: any(r.changed for r in requests))
        return next(r.source for r in reversed(self.requests) if r.changed)

    async def connection_request(
        self, address: str, username: str, password: str, *, copies: int = 3, ts: int | None = None
    ) -> None:
        """Ask the CPE at UDPConnectionRequestAddress for a session, in so many copies of one datagram."""
        host, _, port = address.partition(":")
        stamp = str(int(time.time() * 1000) if ts is None else ts)
        number, cnonce = str(next(self._numbers) + 1), "0a4f113b"
        text = "".join((stamp, number, username, cnonce))
        sig = hmac.new(password.encode(), text.encode(), hashlib.sha1).hexdigest()
        un = quote(username, safe="")
        data = f"GET http://{address}?ts={stamp}&id={number}&un={un}&cn={cnonce}&sig={sig} HTTP/1.1\r\n\r\n"
        for _ in range(copies):
            await self.listening.sendto(data.encode(), (host, int(port or 80)))

    async def serve(self) -> None:
        """Answer until cancelled."""
        while True:
            data, (host, port) = await self.listening.recvfrom(2048)
            if self.silent:
                continue
            try:
                answer, target = self._answer(data, Binding(host, port))
            except ValueError as error:
                self.violations.append(str(error))
                continue
            await self.listening.sendto(answer, (target.host, target.port))
            self._changed.set()

    def _answer(self, data: bytes, source: Binding) -> tuple[bytes, Binding]:
        if len(data) < 20 or data[:2] != b"\0\1" or int.from_bytes(data[2:4], "big") != len(data) - 20:
            raise ValueError("this is no Binding Request")
        attributes = _attributes(data)
        tag = attributes.get(0xC001)
        name = attributes.get(0x0006, b"").decode().rstrip(" ")
        request = StunRequest(
            source,
            tag is not None,
            0xC002 in attributes,
            name,
            0x0008 in attributes,
            _address(attributes[0x0002]) if 0x0002 in attributes else None,
        )
        self._judge(request, tag, attributes)
        if self.credentials is not None and request.tagged and not self._admits(data, request):
            self.refused += 1
            return _message(0x0111, data[4:20], (0x0009, b"\0\0\4\1Unauthorized")), source
        self.requests.append(request)
        mapped = bytes([0, 1, *source.port.to_bytes(2, "big"), *map(int, source.host.split("."))])
        password = self.credentials.password if self.credentials and request.sealed else ""
        answer = _message(0x0101, data[4:20], (0x0001, mapped), password=password)
        return answer, (self.knows_response_address and request.response_address) or source

    def _judge(self, request: StunRequest, tag: bytes | None, attributes: dict[int, bytes]) -> None:
        if tag is not None and tag != _TAG.encode():
            self.violations.append(f"CONNECTION-REQUEST-BINDING is {tag!r}")
        if request.changed and (tag is None or attributes[0xC002] or request.response_address):
            self.violations.append("BINDING-CHANGE is not as it has to be")
        if len(attributes.get(0x0006, b"")) % 4:
            self.violations.append("USERNAME is no multiple of four bytes")
        if request.sealed and list(attributes)[-1] != 0x0008:
            self.violations.append("MESSAGE-INTEGRITY is not the last")

    def _admits(self, data: bytes, request: StunRequest) -> bool:
        assert self.credentials is not None
        text = data[:-24]
        return (
            request.sealed
            and request.username == self.credentials.username
            and hmac.compare_digest(data[-20:], _seal(text, self.credentials.password))
        )


@asynccontextmanager
async def open_stun(credentials: Credentials | None = None, host: str = "127.0.0.1") -> AsyncIterator[Stun]:
    """A STUN server on a free port of `host`."""
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        await listening.bind((host, 0))
        stun = Stun(listening, credentials)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stun.serve)
            yield stun
            nursery.cancel_scope.cancel()


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position = 20
    while position < len(data):
        size = int.from_bytes(data[position + 2 : position + 4], "big")
        found[int.from_bytes(data[position : position + 2], "big")] = data[position + 4 : position + 4 + size]
        position += 4 + size
    return found


def _address(value: bytes) -> Binding:
    return Binding(".".join(map(str, value[4:8])), int.from_bytes(value[2:4], "big"))


def _message(kind: int, transaction: bytes, attribute: tuple[int, bytes], *, password: str = "") -> bytes:
    number, value = attribute
    body = number.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
    length = len(body) + (24 if password else 0)
    data = kind.to_bytes(2, "big") + length.to_bytes(2, "big") + transaction + body
    return data + b"\0\x08\0\x14" + _seal(data, password) if password else data


def _seal(text: bytes, password: str) -> bytes:
    """RFC 3489 11.2.8: zeros fill the text up to 64 bytes."""
    return hmac.new(password.encode(), text + bytes(-len(text) % 64), hashlib.sha1).digest()
