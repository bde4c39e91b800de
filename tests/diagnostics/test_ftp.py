"""DownloadDiagnostics and UploadDiagnostics against FTP servers on loopback."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping

import pytest
import trio
from tests.diagnostics.test_throughput import down, in_order, number, rows, up

from cwmp.diagnostics.download import DOWNLOAD
from cwmp.diagnostics.upload import UPLOAD

SIZE = 1_000_000

GOOD = {
    "": "220-Welcome\r\n  220 is not the end\r\n220 ready",
    "USER": "331 password",
    "PASS": "230 in",
    "TYPE": "200 binary",
    "SIZE": f"213 {SIZE}",
    "CWD": "250 there",
    "RETR": "150 here it comes",
    "STOR": "150 go on",
    "end": "226 done",
}


class Ftp:
    """A server: what it was told, and the sizes of the files it got. `says` changes its replies."""

    def __init__(self, address: str, says: Mapping[str, str]) -> None:
        self.address = address
        self.replies = {**GOOD, **says}
        self.commands: list[str] = []
        self.got: list[int] = []

    async def __call__(self, stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await self._serve(stream)
        await stream.aclose()

    async def _serve(self, stream: trio.SocketStream) -> None:
        listener = trio.socket.socket(stream.socket.family)
        await listener.bind((self.address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        passive = {
            "PASV": f"227 Entering Passive Mode (192,0,2,99,{port >> 8},{port & 255})",  # not its address
            "EPSV": f"229 Entering Extended Passive Mode (|||{port}|)",
        }
        replies = {**passive, **self.replies}
        await stream.send_all(f"{replies['']}\r\n".encode())
        received = b""
        with listener:
            while piece := await stream.receive_some(4096):
                received += bytes(piece)
                while b"\r\n" in received:
                    line, _, received = received.partition(b"\r\n")
                    command = line.decode()
                    self.commands.append(command)
                    reply = replies.get(command.split()[0], "500 what?")
                    await stream.send_all(f"{reply}\r\n".encode())
                    if command[:4] in ("RETR", "STOR") and reply[0] == "1":
                        await self._transfer(command[:4], listener)
                        await stream.send_all(f"{replies['end']}\r\n".encode())

    async def _transfer(self, command: str, listener: trio.socket.SocketType) -> None:
        accepted, _ = await listener.accept()
        data = trio.SocketStream(accepted)
        async with data:
            if command == "RETR":
                await data.send_all(bytes(SIZE))
                return
            got = 0
            while piece := await data.receive_some(65536):
                got += len(piece)
            self.got.append(got)


Serve = Callable[..., tuple[Ftp, str]]


@pytest.fixture
async def serve(nursery: trio.Nursery) -> Serve:
    """Starts a server; it, and the URL of a file on it."""

    def begin(address: str = "127.0.0.1", **says: str) -> tuple[Ftp, str]:
        listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            listener.bind((address, 0))
        except OSError as error:
            listener.close()
            pytest.skip(f"no loopback of this family: {error}")
        listener.listen()
        server = Ftp(address, {("" if name == "hello" else name): reply for name, reply in says.items()})
        wrapped = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
        nursery.start_soon(trio.serve_listeners, server, [wrapped])
        host = f"[{address}]" if ":" in address else address
        return server, f"ftp://{host}:{listener.getsockname()[1]}/pub/a%20file"

    return begin


@pytest.mark.parametrize(("address", "passive"), [("127.0.0.1", "PASV"), ("::1", "EPSV")])
async def test_a_file_comes(serve: Serve, address: str, passive: str) -> None:
    server, url = serve(address)
    outcome = await down(url, EnablePerConnectionResults="true")
    assert (outcome.state, number(outcome, "TestBytesReceived")) == ("Complete", SIZE)
    assert in_order(outcome.results)
    assert len(rows(outcome, "PerConnectionResult")) == 1
    assert server.commands == [
        "USER anonymous",
        "PASS anonymous@",
        "TYPE I",
        "SIZE pub/a file",
        passive,
        "RETR pub/a file",
    ]


async def test_a_server_that_wants_no_password_and_knows_no_size(serve: Serve) -> None:
    server, url = serve(USER="230 in", SIZE="550 no")
    assert (await down(url, NumberOfConnections=2)).state == "Complete"
    assert "PASS anonymous@" not in server.commands


async def test_as_long_as_is_wanted(serve: Serve) -> None:
    server, url = serve()
    outcome = await down(url, TimeBasedTestDuration=1)
    assert outcome.state == "Complete"
    assert number(outcome, "TestBytesReceived") > SIZE
    assert server.commands.count("RETR pub/a file") > 1
    assert in_order(outcome.results)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_file_goes(serve: Serve, address: str) -> None:
    server, url = serve(address)
    outcome = await up(url, TestFileLength=300_001)
    assert (outcome.state, number(outcome, "TestBytesSent"), server.got) == ("Complete", 300_001, [300_001])
    assert server.commands[3] == "CWD pub"
    assert server.commands[-1] == "STOR a file"
    assert in_order(outcome.results)


async def test_a_file_goes_as_long_as_is_wanted(serve: Serve) -> None:
    server, url = serve()
    outcome = await up(url, TestFileLength=0, TimeBasedTestDuration=1)
    assert (outcome.state, server.got) == ("Complete", [number(outcome, "TestBytesSent")])


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ({"hello": "421 full"}, "Error_NoResponse"),
        ({"USER": "530 no"}, "Error_PasswordRequestFailed"),
        ({"PASS": "530 no"}, "Error_LoginFailed"),
        ({"TYPE": "504 no"}, "Error_NoTransferMode"),
        ({"PASV": "502 no"}, "Error_NoPASV"),
        ({"PASV": "227 somewhere"}, "Error_NoPASV"),
        ({"PASV": "227 (127,0,0,1,999,999)"}, "Error_NoPASV"),
        ({"PASV": "227 " + "x" * 9000}, "Error_NoPASV"),
        ({"RETR": "550 no such file"}, "Error_TransferFailed"),
        ({"end": "426 broken"}, "Error_TransferFailed"),
        ({"SIZE": f"213 {SIZE + 1}"}, "Error_IncorrectSize"),
        ({"TYPE": "200-a\r\n" + "500-b\r\n" * 300 + "200 c"}, "Error_NoTransferMode"),
    ],
)
async def test_downloads_that_fail(serve: Serve, says: dict[str, str], state: str) -> None:
    _, url = serve(**says)
    outcome = await down(url)
    assert (outcome.state, bool(outcome.why)) == (state, True)
    assert state in DOWNLOAD.errors


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ({"CWD": "550 no"}, "Error_NoCWD"),
        ({"STOR": "550 no"}, "Error_NoSTOR"),
        ({"end": "452 full"}, "Error_NoTransferComplete"),
        ({"USER": "530 no"}, "Error_PasswordRequestFailed"),
    ],
)
async def test_uploads_that_fail(serve: Serve, says: dict[str, str], state: str) -> None:
    _, url = serve(**says)
    assert (await up(url)).state == state
    assert state in UPLOAD.errors


async def test_what_the_server_says_is_shown_without_control_characters(serve: Serve) -> None:
    _, url = serve(USER="530 \x1b[2Jno")
    assert (await down(url)).why == "the server answered 530 ?[2Jno"


@pytest.mark.parametrize("path", ["", "/", "/dir/", "/a%0d%0aDELE%20b", "/%00"])
async def test_urls_without_a_file(path: str) -> None:
    outcome = await down(f"ftp://127.0.0.1{path}")
    assert (outcome.state, outcome.why) == ("Error_Other", "the URL names no file")
