"""DownloadDiagnostics and UploadDiagnostics against HTTP servers on loopback."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import h11
import pytest
import trio
from tests.diagnostics.conftest import Ip

from cwmp.diagnostics import httpload, throughput
from cwmp.diagnostics.definition import Definition, Failed, Means, Outcome
from cwmp.diagnostics.download import DOWNLOAD
from cwmp.diagnostics.upload import UPLOAD

LOG = logging.getLogger("test")
Handler = Callable[[trio.SocketStream], Awaitable[None]]
Serve = Callable[..., str]


async def device(row: str) -> str:
    if row == "dangling":
        raise Failed("Error_Internal", "there is no such interface")
    return row


MEANS = Means(device, LOG)


async def run(test: Definition, **inputs: object) -> Outcome:
    values = {**test.defaults(), **{name: str(value) for name, value in inputs.items()}}
    assert not test.check({"DiagnosticsState": "Requested"}, values)
    try:
        with trio.fail_after(120):
            return await test.run(values, MEANS)
    except Failed as failed:
        return failed.outcome


async def down(url: str, **inputs: object) -> Outcome:
    return await run(DOWNLOAD, DownloadURL=url, **inputs)


async def up(url: str, **inputs: object) -> Outcome:
    return await run(UPLOAD, UploadURL=url, **{"TestFileLength": 100_000, **inputs})


def rows(outcome: Outcome, table: str) -> list[Mapping[str, str]]:
    found = outcome.results[table]
    assert not isinstance(found, str)
    return list(found)


def number(outcome: Outcome, name: str) -> int:
    return int(str(outcome.results[name]))


def in_order(results: Mapping[str, Any]) -> bool:
    names = ("TCPOpenRequestTime", "TCPOpenResponseTime", "ROMTime", "BOMTime", "EOMTime")
    times = [str(results[name]) for name in names]
    return times == sorted(times) and times[0] > "2020"


@pytest.fixture
async def serve(nursery: trio.Nursery) -> Serve:
    """Starts a server; the URL of a file on it."""

    def begin(handler: Handler, address: str = "127.0.0.1") -> str:
        listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            listener.bind((address, 0))
        except OSError as error:
            listener.close()
            pytest.skip(f"no loopback of this family: {error}")
        listener.listen(32)

        async def one(stream: trio.SocketStream) -> None:
            with contextlib.suppress(trio.BrokenResourceError):  # the client has what it wanted
                await handler(stream)
            await stream.aclose()

        wrapped = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
        nursery.start_soon(trio.serve_listeners, one, [wrapped])
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{listener.getsockname()[1]}/file?size=1"

    return begin


async def head_of(stream: trio.SocketStream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await stream.receive_some(65536)
        if not piece:
            raise trio.BrokenResourceError
        head += bytes(piece)
    return head


def says(*answer: bytes, then_waits: bool = False) -> Handler:
    """A server that sends these bytes for the first request, and closes."""

    async def handler(stream: trio.SocketStream) -> None:
        await head_of(stream)
        for piece in answer:
            await stream.send_all(piece)
        if then_waits:
            await trio.sleep_forever()

    return handler


def gives(size: int, extra: bytes = b"") -> Handler:
    """A server of files of this size, as many as are asked for on one connection."""
    body = bytes(size)

    async def handler(stream: trio.SocketStream) -> None:
        while True:
            await head_of(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\n" + extra + b"Content-Length: %d\r\n\r\n" % size)
            await stream.send_all(body)
            if extra:
                return

    return handler


class Taker:
    """A server that takes files; what it got."""

    def __init__(self, status: int = 201) -> None:
        self.status = status
        self.requests: list[h11.Request] = []
        self.bytes: list[int] = []

    async def __call__(self, stream: trio.SocketStream) -> None:
        conn = h11.Connection(h11.SERVER)
        got = 0
        while True:
            event = conn.next_event()
            if event is h11.NEED_DATA:
                conn.receive_data(bytes(await stream.receive_some(65536)))
            elif isinstance(event, h11.Request):
                self.requests.append(event)
            elif isinstance(event, h11.Data):
                got += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return
        self.bytes.append(got)
        answer = conn.send(h11.Response(status_code=self.status, headers=[("Content-Length", "0")]))
        await stream.send_all(answer or b"")


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_file_comes(serve: Serve, address: str) -> None:
    outcome = await down(serve(gives(3_000_000), address))
    assert (outcome.state, outcome.results["IPAddressUsed"]) == ("Complete", address)
    head = len(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
    assert number(outcome, "TestBytesReceived") == 3_000_000 + head
    assert in_order(outcome.results)
    assert number(outcome, "TotalBytesReceived") == number(outcome, "TotalBytesSent") == 0  # no Interface
    assert number(outcome, "PeriodOfFullLoading") > 0
    assert rows(outcome, "PerConnectionResult") == rows(outcome, "IncrementalResult") == []


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
        OK + b"Content-Length: 0\r\n\r\n",
        OK + b"Content-Length: 1\r\n\r\nmore than it said",
    ],
)
async def test_every_way_a_file_is_framed(serve: Serve, answer: bytes) -> None:
    outcome = await down(serve(says(answer)))
    assert (outcome.state, number(outcome, "TestBytesReceived")) == ("Complete", len(answer))


async def test_several_connections(serve: Serve) -> None:
    outcome = await down(
        serve(gives(2_000_000)), NumberOfConnections=4, EnablePerConnectionResults="true", Interface="lo"
    )
    assert outcome.state == "Complete"
    each = rows(outcome, "PerConnectionResult")
    assert len(each) == 4
    assert all(in_order(row) and int(row["TestBytesReceived"]) > 2_000_000 for row in each)
    total = number(outcome, "TestBytesReceived")
    assert total == sum(int(row["TestBytesReceived"]) for row in each)
    assert outcome.results["ROMTime"] == min(row["ROMTime"] for row in each)
    assert outcome.results["BOMTime"] == min(row["BOMTime"] for row in each)
    assert outcome.results["EOMTime"] == max(row["EOMTime"] for row in each)
    assert outcome.results["TCPOpenRequestTime"] == max(row["TCPOpenRequestTime"] for row in each)
    assert 0 <= number(outcome, "TestBytesReceivedUnderFullLoading") <= total
    assert number(outcome, "TotalBytesReceived") >= total - 200_000  # lo counts what is sent, before we begin
    assert number(outcome, "TotalBytesReceivedUnderFullLoading") <= number(outcome, "TotalBytesReceived")


@pytest.mark.parametrize("extra", [b"", b"Connection: close\r\n"], ids=["one connection", "a new one each"])
async def test_as_long_as_is_wanted(serve: Serve, extra: bytes) -> None:
    outcome = await down(
        serve(gives(500_000, extra)), TimeBasedTestDuration=1, TimeBasedTestMeasurementInterval=1
    )
    assert outcome.state == "Complete"
    assert number(outcome, "TestBytesReceived") > 1_000_000
    (increment,) = rows(outcome, "IncrementalResult")
    assert 0 < int(increment["TestBytesReceived"]) <= number(outcome, "TestBytesReceived")
    assert outcome.results["BOMTime"] <= increment["StartTime"] < increment["EndTime"]
    assert number(outcome, "PeriodOfFullLoading") >= 900_000


@pytest.mark.parametrize(
    ("duration", "interval", "offset", "count"),
    [(10, 3, 0, 3), (10, 3, 4, 2), (10, 0, 0, 0), (3, 4, 0, 0), (999, 1, 255, 100)],
)
async def test_increments(
    autojump_clock: trio.testing.MockClock, duration: int, interval: int, offset: int, count: int
) -> None:
    meter = throughput.Meter(throughput.DOWN, "", 1)
    flow = throughput.Flow()
    meter.flows.append(flow)
    meter.begins(flow)
    flow.moved = 5
    await throughput._keep_time(meter, duration, offset, interval)
    assert meter.over
    assert len(meter.increments) == count
    assert trio.current_time() - 0 == pytest.approx(duration)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ([b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"], "Error_TransferFailed"),
        ([b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"], "Error_TransferFailed"),
        ([b"220 mail.example ESMTP\r\n"], "Error_TransferFailed"),
        ([b"HTTP/1.1 200 OK\r\nX: "] + [b"x" * 4096] * 8, "Error_TransferFailed"),
        ([b"HTTP/1.1 101 Switching Protocols\r\n\r\n"], "Error_TransferFailed"),
        ([b"HTTP/1.1 2"], "Error_TransferFailed"),
        ([], "Error_NoResponse"),
        ([OK, b"Content-Length: 5000\r\n\r\nshort"], "Error_IncorrectSize"),
        ([OK, b"Content-Length: 5, 6\r\n\r\nshort"], "Error_TransferFailed"),
        ([OK, b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"], "Error_IncorrectSize"),
        ([OK, b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"], "Error_IncorrectSize"),
    ],
)
async def test_bad_answers(serve: Serve, answer: list[bytes], state: str) -> None:
    outcome = await down(serve(says(*answer)))
    assert outcome.state == state
    assert outcome.why
    assert state in DOWNLOAD.errors


@pytest.mark.parametrize(
    ("answer", "state"),
    [(b"", "Error_NoResponse"), (OK + b"Content-Length: 5\r\n\r\nsh", "Error_Timeout")],
)
async def test_silence(serve: Serve, monkeypatch: pytest.MonkeyPatch, answer: bytes, state: str) -> None:
    monkeypatch.setattr(httpload, "STALL", 0.5)
    assert (await down(serve(says(answer, then_waits=True)))).state == state


async def test_one_connection_that_fails_ends_all(serve: Serve) -> None:
    asked: list[object] = []

    async def handler(stream: trio.SocketStream) -> None:
        asked.append(stream)
        answer = b"HTTP/1.1 500 No\r\n\r\n" if len(asked) == 3 else OK + b"Content-Length: 9\r\n\r\nshort"
        await says(answer, then_waits=len(asked) != 3)(stream)

    outcome = await down(serve(handler), NumberOfConnections=3)
    assert (outcome.state, outcome.why) == ("Error_TransferFailed", "the server answered 500")


async def test_a_connection_that_is_reset(serve: Serve) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await head_of(stream)
        await stream.send_all(OK + b"Content-Length: 5000\r\n\r\n")
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert (await down(serve(handler))).state in ("Error_TransferFailed", "Error_IncorrectSize")


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_nobody_listens() -> None:
    for test, name in ((DOWNLOAD, "DownloadURL"), (UPLOAD, "UploadURL")):
        inputs = {name: f"http://127.0.0.1:{closed_port()}/", "TimeBasedTestDuration": 1}
        assert (await run(test, **inputs)).state == "Error_InitConnectionFailed"


async def test_no_route(namespace: Ip) -> None:
    assert (await down("http://192.0.2.2/")).state == "Error_NoRouteToHost"


@pytest.mark.parametrize(
    ("inputs", "state"),
    [
        ({"ProtocolVersion": "IPv6"}, "Error_CannotResolveHostName"),
        ({"Interface": "dangling"}, "Error_Internal"),
        ({"Interface": "nosuchdevice"}, "Error_Internal"),
    ],
)
async def test_what_cannot_be_made(inputs: dict[str, str], state: str) -> None:
    assert (await down(f"http://127.0.0.1:{closed_port()}/", **inputs)).state == state
    assert (await up(f"http://127.0.0.1:{closed_port()}/", **inputs)).state == state


async def test_it_can_be_cancelled(serve: Serve) -> None:
    asked = trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        asked.set()
        await trio.sleep_forever()

    url = serve(handler)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: down(url, NumberOfConnections=8))
        await asked.wait()
        nursery.cancel_scope.cancel()
    assert nursery.cancel_scope.cancelled_caught


# Upload


@pytest.mark.parametrize("size", [1, 65_536, 1_000_001])
async def test_a_file_goes(serve: Serve, size: int) -> None:
    taker = Taker()
    outcome = await up(serve(taker), TestFileLength=size)
    assert (outcome.state, taker.bytes) == ("Complete", [size])
    assert taker.requests[0].method == b"PUT"
    assert taker.requests[0].target == b"/file?size=1"
    assert size < number(outcome, "TestBytesSent") < size + 300
    assert in_order(outcome.results)


async def test_several_files_go(serve: Serve) -> None:
    taker = Taker(204)
    outcome = await up(
        serve(taker),
        TestFileLength=300_000,
        NumberOfConnections=3,
        EnablePerConnectionResults=1,
        Interface="lo",
    )
    assert (outcome.state, taker.bytes) == ("Complete", [300_000] * 3)
    each = rows(outcome, "PerConnectionResult")
    assert all(in_order(row) and int(row["TestBytesSent"]) > 300_000 for row in each)
    assert number(outcome, "TestBytesSent") == sum(int(row["TestBytesSent"]) for row in each)
    assert number(outcome, "TotalBytesSent") >= 900_000


async def test_a_file_goes_as_long_as_is_wanted(serve: Serve) -> None:
    taker = Taker()
    outcome = await up(
        serve(taker), TestFileLength=0, TimeBasedTestDuration=1, TimeBasedTestMeasurementInterval=1
    )
    assert outcome.state == "Complete"
    assert dict(taker.requests[0].headers)[b"transfer-encoding"] == b"chunked"
    assert 0 < taker.bytes[0] < number(outcome, "TestBytesSent")
    (increment,) = rows(outcome, "IncrementalResult")
    assert 0 < int(increment["TestBytesSent"]) <= number(outcome, "TestBytesSent")


@pytest.mark.parametrize("status", [400, 401, 413, 507])
async def test_a_file_that_is_refused(serve: Serve, status: int) -> None:
    outcome = await up(serve(Taker(status)))
    assert (outcome.state, str(status) in outcome.why) == ("Error_NoTransferComplete", True)


async def test_a_server_that_goes_away(serve: Serve) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await head_of(stream)

    outcome = await up(serve(handler), TestFileLength=50_000_000)
    assert outcome.state == "Error_NoTransferComplete"


@pytest.mark.parametrize(
    ("inputs", "enough"),
    [
        ({}, False),
        ({"TestFileLength": "1"}, True),
        ({"TimeBasedTestDuration": "1"}, True),
        ({"TestFileLength": "1", "UploadURL": ""}, False),
    ],
)
def test_what_an_upload_cannot_do_without(inputs: dict[str, str], enough: bool) -> None:
    written = {"UploadURL": "http://192.0.2.1/", **inputs, "DiagnosticsState": "Requested"}
    assert (not UPLOAD.check(written, UPLOAD.defaults())) == enough


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("", True),
        ("http://192.0.2.1", True),
        ("HTTP://[2001:db8::1]:8080/a?b=c", True),
        ("http://host.example/" + "a" * 2028, True),
        ("http://host.example/" + "a" * 2029, False),
        ("ftp://host.example/file", True),
        ("https://host.example/", False),
        ("file:///etc/passwd", False),
        ("gopher://host.example/", False),
        ("http://", False),
        ("http:///file", False),
        ("http://user:secret@host.example/", False),
        ("http://host.example/a b", False),
        ("http://host.example/\r\nX: y", False),
        ("http://host.example:0/", False),
        ("http://host.example:65536/", False),
        ("http://[::1/", False),
        ("host.example", False),
    ],
)
def test_urls(url: str, good: bool) -> None:
    for test, name in ((DOWNLOAD, "DownloadURL"), (UPLOAD, "UploadURL")):
        found = test.inputs[name].check(url)
        assert (not found) == good
        assert "secret" not in found
