"""Files by FTP: binary, passive, without TLS (RFC 959, RFC 2428; TR-069a6 table 3).

The server's idea of its own address is not believed: data goes to the host that the control connection is with. An
HTTP proxy is of no use here and passed by. Faults are those of `exchange`: 9012 when USER or PASS is refused, 9015
when the server cannot be reached or does not answer, and the caller's for everything else.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import unquote, urlsplit

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.firmware.exchange import Place
from cwmp.firmware.http import Body, ContactError, Deadlines, Network, Sink, TruncatedError
from cwmp.runtime.dial import DialError, Dialler

_PORT = 21
_PIECE = 64 << 10
_MAX_LINE = 4 << 10
_MAX_LINES = 200
_SHOWN = 80
_CODE = re.compile(r"[1-5]\d\d")


def is_ftp(url: str) -> bool:
    return urlsplit(url).scheme.lower() == "ftp"


@asynccontextmanager
async def logged_in(place: Place, network: Network, failure: FaultCode) -> AsyncIterator[Server]:
    """The server of an ftp URL, ready for the file that it names.

    Raises:
        Fault: it does not let us in; `failure` where there is nothing more precise.
        ContactError: it cannot be reached.
    """
    parts = urlsplit(place.url)
    path = _path(parts.path, failure)
    dialler = Dialler(book=network.dialler.book)
    host, port = parts.hostname or "", parts.port or _PORT
    control = _Lines(await _connect(dialler, host, port, network.deadlines), network.deadlines)
    try:
        server = Server(control, dialler, path, network.deadlines, failure)
        await server.log_in(place)
        yield server
        await control.quit()
    finally:
        await control.aclose()


class Server:
    """A control connection. Each command states which digits its reply may begin with."""

    def __init__(
        self, control: _Lines, dialler: Dialler, path: str, deadlines: Deadlines, failure: FaultCode
    ) -> None:
        self._control = control
        self._dialler = dialler
        self._path = path
        self._deadlines = deadlines
        self._failure = failure

    async def log_in(self, place: Place) -> None:
        code, text = await self._control.reply()
        if code[0] != "2":
            raise ContactError(f"the FTP server is not ready: {text}")
        user = place.username or "anonymous"
        code = await self._ask(f"USER {_argument(user)}", "23", FaultCode.FILE_SERVER_AUTHENTICATION)
        if code[0] == "3":
            password = place.password if place.username else "anonymous@"
            await self._ask(f"PASS {_argument(password)}", "2", FaultCode.FILE_SERVER_AUTHENTICATION)
        await self._ask("TYPE I", "2")

    async def size(self) -> int | None:
        """The file's size in bytes, where the server says it (RFC 3659 4)."""
        code, text = await self._control.ask(f"SIZE {self._path}")
        found = re.fullmatch(r"213 +(\d{1,19})", text)
        return int(found[1]) if code == "213" and found else None

    async def modified(self) -> str:
        """When the file was changed last, as the server writes it (RFC 3659 3); "" where it does not say."""
        code, text = await self._control.ask(f"MDTM {self._path}")
        return text[4:].strip() if code == "213" else ""

    async def skip(self, size: int) -> bool:
        """Have the next `retrieve` begin after so many bytes (RFC 3659 5); whether the server does that."""
        return (await self._control.ask(f"REST {size}"))[0] == "350"

    async def retrieve(self, sink: Sink) -> None:
        """Hand the file to `sink`, piece by piece.

        Raises:
            TruncatedError: it broke off.
            Fault: the server does not give it.
        """
        data = await self._passive()
        try:
            await self._ask(f"RETR {self._path}", "1")
            while True:
                try:
                    with trio.fail_after(self._deadlines.idle):
                        piece = await data.receive_some(_PIECE)
                except trio.TooSlowError:
                    raise TruncatedError(f"nothing came for {self._deadlines.idle:g} s") from None
                except trio.BrokenResourceError:
                    raise TruncatedError("the connection was lost") from None
                if not piece:
                    break
                sink(piece)
        finally:
            await trio.aclose_forcefully(data)
        code, text = await self._control.reply()
        if code[0] != "2":
            raise TruncatedError(f"the FTP server says {text}")

    async def store(self, body: Body) -> None:
        """Send a file; to be there when this returns."""
        data = await self._passive()
        try:
            await self._ask(f"STOR {self._path}", "1")
            sent = 0
            while piece := body.file.read(_PIECE):
                with trio.fail_after(self._deadlines.idle):
                    await data.send_all(piece)
                sent += len(piece)
                body.sent(sent)
        except trio.TooSlowError:
            raise TruncatedError(f"the server took nothing for {self._deadlines.idle:g} s") from None
        except trio.BrokenResourceError:
            raise TruncatedError("the connection was lost") from None
        finally:
            await trio.aclose_forcefully(data)
        code, text = await self._control.reply()
        if code[0] != "2":
            raise Fault(self._failure, f"the FTP server says {text}")

    async def _passive(self) -> trio.SocketStream:
        """A data connection: EPSV, and for old servers PASV."""
        code, text = await self._control.ask("EPSV")
        found = re.search(r"\(\|\|\|(\d{1,5})\|\)", text)
        port = int(found[1]) if code[0] == "2" and found else 0
        if not port:
            code, text = await self._control.ask("PASV")
            old = re.search(r"(\d{1,3}),(\d{1,3})\)?\D*$", text)
            port = int(old[1]) << 8 | int(old[2]) if code[0] == "2" and old else 0
        if not 0 < port < 65536:
            raise Fault(self._failure, f"the FTP server names no port for the file: {text}")
        return await _connect(self._dialler, self._control.peer, port, self._deadlines)

    async def _ask(self, command: str, good: str, failure: FaultCode | None = None) -> str:
        code, text = await self._control.ask(command)
        if code[0] not in good:
            raise Fault(failure or self._failure, f"the FTP server says {text}")
        return code


class _Lines:
    """Commands and replies."""

    def __init__(self, stream: trio.SocketStream, deadlines: Deadlines) -> None:
        self._stream = stream
        self._deadlines = deadlines
        self._received = bytearray()
        self.peer: str = stream.socket.getpeername()[0]

    async def ask(self, command: str) -> tuple[str, str]:
        """Send a command; the code of its reply, and its last line for people."""
        try:
            with trio.fail_after(self._deadlines.answer):
                await self._stream.send_all(f"{command}\r\n".encode())
        except (trio.TooSlowError, trio.BrokenResourceError):
            raise ContactError("the FTP server closed the connection") from None
        return await self.reply()

    async def reply(self) -> tuple[str, str]:
        """The next reply, which may have several lines (RFC 959 4.2)."""
        try:
            with trio.fail_after(self._deadlines.answer):
                first = last = await self._line()
                if first[3:4] == "-" and _CODE.match(first):
                    for _ in range(_MAX_LINES):
                        last = await self._line()
                        if last.startswith(f"{first[:3]} "):
                            break
        except trio.TooSlowError:
            raise ContactError(f"the FTP server did not answer within {self._deadlines.answer:g} s") from None
        if not _CODE.match(last):
            raise ContactError(f"the server does not speak FTP: {last[:_SHOWN]}")
        return last[:3], last[:_SHOWN]

    async def quit(self) -> None:
        """Say goodbye; whether it is heard does not matter."""
        with trio.move_on_after(1):
            try:
                await self._stream.send_all(b"QUIT\r\n")
            except trio.BrokenResourceError:
                return

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._stream)

    async def _line(self) -> str:
        while b"\n" not in self._received:
            if len(self._received) > _MAX_LINE:
                raise ContactError("the FTP server's answer does not end")
            try:
                data = await self._stream.receive_some(_MAX_LINE)
            except trio.BrokenResourceError:
                data = b""
            if not data:
                raise ContactError("the FTP server closed the connection")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
        return "".join(c if c.isprintable() else "?" for c in text)  # it is shown to people


async def _connect(dialler: Dialler, host: str, port: int, deadlines: Deadlines) -> trio.SocketStream:
    try:
        line = await dialler.dial(host, port, tls=None, timeout=deadlines.connect)
    except DialError as error:
        raise ContactError(str(error)) from None
    return cast(trio.SocketStream, line.stream)  # as it is without TLS


def _path(path: str, failure: FaultCode) -> str:
    """The file's path below the directory one is in after login (RFC 1738 3.2.2)."""
    name = unquote(path.removeprefix("/")).removesuffix(";type=i")
    if not name or name.endswith("/") or re.search(r"[\x00-\x1f\x7f]", name):
        raise Fault(failure, "the URL names no file")
    return name


def _argument(text: str) -> str:
    """Part of a command; nothing in it may begin another one."""
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise Fault(FaultCode.FILE_SERVER_AUTHENTICATION, "FTP takes no such user name or password")
    return text
