"""A NAT of UDP, on loopback."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from cwmp.lab.acs.stun import Stun


@dataclass
class Nat:
    """A NAT on loopback in front of a STUN server: what comes to `port` goes on from a port of its own for each
    source, and back. `restart` forgets them all."""

    server: int
    port: int = 0
    nursery: trio.Nursery | None = None
    inside: trio.socket.SocketType | None = None
    outside: dict[int, trio.socket.SocketType] = field(default_factory=dict)

    async def run(self, inside: trio.socket.SocketType) -> None:
        self.inside = inside
        self.port = inside.getsockname()[1]
        async with trio.open_nursery() as self.nursery:
            while True:
                data, (_, source) = await inside.recvfrom(2048)
                if source not in self.outside:
                    found = self.outside[source] = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    await found.bind(("127.0.0.1", 0))
                    self.nursery.start_soon(self.back, found, source)
                await self.outside[source].sendto(data, ("127.0.0.1", self.server))

    async def back(self, outside: trio.socket.SocketType, source: int) -> None:
        assert self.inside is not None
        try:
            while True:
                data, _ = await outside.recvfrom(2048)
                await self.inside.sendto(data, ("127.0.0.1", source))
        except trio.ClosedResourceError:
            pass

    def restart(self) -> None:
        for found in self.outside.values():
            found.close()
        self.outside.clear()


@asynccontextmanager
async def nat_before(server: Stun) -> AsyncIterator[Nat]:
    found = Nat(server.port)
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside:
        await inside.bind(("127.0.0.1", 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(found.run, inside)
            found.port = inside.getsockname()[1]
            try:
                yield found
            finally:
                found.restart()
            nursery.cancel_scope.cancel()
