"""A real FTP server on loopback whose replies are scripted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio

GOOD = {
    "": "220-Welcome\r\n  220 is not the end\r\n220 ready",
    "USER": "331 password",
    "PASS": "230 in",
    "TYPE": "200 binary",
    "RETR": "150 here it comes",
    "STOR": "150 go on",
    "QUIT": "221 bye",
    "REST": "350 from there",
    "MDTM": "213 20260301020000",
    "end": "226 done",
}


class FtpServer:
    """One file is what RETR gives; `stored` is what STOR brought. `says` changes replies, `cut` ends the data
    connection after so many bytes, `cuts` times."""

    def __init__(self, host: str, file: bytes) -> None:
        self.host = host
        self.port = 0
        self.file = file
        self.says: dict[str, str] = {}
        self.cut: int | None = None
        self.cuts = 10**9
        self.commands: list[str] = []
        self.stored: list[bytes] = []

    def url(self, path: str = "/pub/image%20file") -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ftp://{host}:{self.port}{path}"

    async def __call__(self, stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            async with stream:
                await self._serve(stream)

    async def _serve(self, stream: trio.SocketStream) -> None:
        data = (await trio.open_tcp_listeners(0, host=self.host))[0]
        port = data.socket.getsockname()[1]
        replies: Mapping[str, str] = {
            **GOOD,
            "SIZE": f"213 {len(self.file)}",
            "EPSV": f"229 Entering Extended Passive Mode (|||{port}|)",
            "PASV": f"227 Entering Passive Mode (192,0,2,99,{port >> 8},{port & 255})",  # not its address
            **self.says,
        }
        await stream.send_all(f"{replies['']}\r\n".encode())
        received, skip = b"", 0
        async with data:
            while piece := await stream.receive_some(4096):
                received += bytes(piece)
                while b"\r\n" in received:
                    line, _, received = received.partition(b"\r\n")
                    self.commands.append(line.decode())
                    verb, _, argument = line.decode().partition(" ")
                    reply = replies.get(verb, "500 what?")
                    skip = int(argument) if verb == "REST" and reply.startswith("350") else skip
                    await stream.send_all(f"{reply}\r\n".encode())
                    if verb in {"RETR", "STOR"} and reply.startswith("1"):
                        connection = await data.accept()
                        await (self._give(connection, skip) if verb == "RETR" else self._take(connection))
                        skip = 0
                        await stream.send_all(f"{replies['end']}\r\n".encode())

    async def _give(self, data: trio.SocketStream, skip: int) -> None:
        end = None if self.cut is None or self.cuts <= 0 else skip + self.cut
        self.cuts -= 1
        async with data:
            await data.send_all(self.file[skip:end])

    async def _take(self, data: trio.SocketStream) -> None:
        received = bytearray()
        async with data:
            while piece := await data.receive_some(65536):
                received += piece
        self.stored.append(bytes(received))


@asynccontextmanager
async def open_ftp(file: bytes, host: str = "127.0.0.1") -> AsyncIterator[FtpServer]:
    server = FtpServer(host, file)
    listeners = await trio.open_tcp_listeners(0, host=host)
    server.port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, server, listeners)
        yield server
        nursery.cancel_scope.cancel()
