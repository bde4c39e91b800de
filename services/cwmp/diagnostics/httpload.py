"""Files over HTTP for the throughput tests: GET and PUT, each byte counted, none kept.

h11 reads and writes the heads. The bytes of a file of known length go past it: what comes in is dropped inside
the kernel (tcp(7), MSG_TRUNC), so that a slow processor measures the line for longer than itself.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Awaitable, Callable

import h11
import trio

from cwmp.diagnostics.definition import Failed
from cwmp.diagnostics.throughput import ERROR_NO_RESPONSE, ERROR_TIMEOUT, STALL, Flow, Job, Meter

ERROR_TRANSFER_FAILED = "Error_TransferFailed"
ERROR_INCORRECT_SIZE = "Error_IncorrectSize"
ERROR_NO_TRANSFER_COMPLETE = "Error_NoTransferComplete"

_PIECE = 64 << 10
_ROOM = 1 << 20
_IN_A_ROW = 16
_MAX_HEAD = 16 << 10
_AGENT = ("User-Agent", "tr069-client")


async def download(job: Job, flow: Flow) -> None:
    """GET the file; with a time limit again and again until it is over.

    Raises:
        Failed: it did not come whole.
    """
    flow.scope = trio.CancelScope()
    with flow.scope:
        again = True
        while again:
            with await job.connect(flow, job.url.port or 80) as sock:
                while await _get(job, flow, sock):
                    if not job.timed:
                        break
            again = job.timed
    job.meter.ends(flow)


async def _get(job: Job, flow: Flow, sock: socket.socket) -> bool:
    """One GET; whether the connection can be used for another."""
    conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
    head = conn.send(h11.Request(method="GET", target=_path(job), headers=[_host(job), _AGENT]))
    conn.send(h11.EndOfMessage())
    flow.requested = flow.requested or time.time_ns()
    await send(sock, head or b"", ERROR_TRANSFER_FAILED)

    async def receive() -> bytes:
        data = await receive_some(sock, ERROR_TIMEOUT if flow.begin else ERROR_NO_RESPONSE)
        if data:
            job.meter.begins(flow)
            flow.moved += len(data)
        return data

    response = await _response(conn, receive, ERROR_TRANSFER_FAILED)
    if response.status_code != 200:
        raise Failed(ERROR_TRANSFER_FAILED, f"the server answered {response.status_code}")
    headers = dict(response.headers)
    if b"content-length" in headers and b"transfer-encoding" not in headers:
        rest = int(headers[b"content-length"]) - len(conn.trailing_data[0])
        await drop(sock, flow, rest)
    else:
        await _drop_framed(conn, receive)
    return response.http_version == b"1.1" and b"close" not in headers.get(b"connection", b"").lower()


async def drop(sock: socket.socket, flow: Flow, rest: int) -> None:
    """Receive `rest` bytes and forget them.

    Raises:
        Failed: there were fewer.
    """
    room = bytearray(_ROOM)
    received = 0
    while rest > 0:
        try:
            count = sock.recv_into(room, min(_ROOM, rest), socket.MSG_TRUNC)
        except BlockingIOError:
            await _ready(sock, trio.lowlevel.wait_readable, ERROR_TIMEOUT)
            continue
        except OSError as error:
            raise Failed(ERROR_TRANSFER_FAILED, f"the connection broke: {error.strerror}") from None
        if not count:
            raise Failed(ERROR_INCORRECT_SIZE, f"the file ended {rest} bytes early")
        rest -= count
        flow.moved += count
        received += 1
        if received % _IN_A_ROW == 0:
            await trio.lowlevel.checkpoint()


async def drop_all(sock: socket.socket, flow: Flow, meter: Meter) -> int:
    """Receive until the other side closes, and forget it: how much that was. Raises Failed."""
    received = 0
    room = bytearray(_ROOM)
    while True:
        try:
            count = sock.recv_into(room, _ROOM, socket.MSG_TRUNC)
        except BlockingIOError:
            await _ready(sock, trio.lowlevel.wait_readable, ERROR_TIMEOUT)
            continue
        except OSError as error:
            raise Failed(ERROR_TRANSFER_FAILED, f"the connection broke: {error.strerror}") from None
        meter.begins(flow)
        if not count:
            return received
        received += count
        flow.moved += count
        await trio.lowlevel.checkpoint()


async def _drop_framed(conn: h11.Connection, receive: Callable[[], Awaitable[bytes]]) -> None:
    """Receive a body in chunks, or one that ends with the connection, and forget it."""
    while True:
        try:
            event = conn.next_event()
            if event is h11.NEED_DATA:
                conn.receive_data(await receive())
            elif isinstance(event, h11.EndOfMessage):
                return
        except h11.RemoteProtocolError as error:
            raise Failed(ERROR_INCORRECT_SIZE, f"the file does not end as it should: {error}") from None


async def upload(job: Job, flow: Flow) -> None:
    """PUT a file of the job's length; with a time limit one that goes on until it is over.

    Raises:
        Failed: it was not taken.
    """
    piece = os.urandom(_PIECE)
    with await job.connect(flow, job.url.port or 80) as sock:
        flow.sock = sock
        size = ("Transfer-Encoding", "chunked") if job.timed else ("Content-Length", str(job.length))
        conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        request = h11.Request(
            method="PUT",
            target=_path(job),
            headers=[_host(job), _AGENT, size, ("Content-Type", "application/octet-stream")],
        )
        head = conn.send(request) or b""
        flow.requested = time.time_ns()
        await send(sock, head, ERROR_NO_TRANSFER_COMPLETE)
        job.meter.begins(flow)
        flow.moved += len(head)
        if job.timed:
            chunk = b"%x\r\n%b\r\n" % (_PIECE, piece)
            while not job.meter.over:
                await send(sock, chunk, ERROR_NO_TRANSFER_COMPLETE, flow)
            await send(sock, b"0\r\n\r\n", ERROR_NO_TRANSFER_COMPLETE, flow)
        else:
            await send_file(sock, piece, job.length, ERROR_NO_TRANSFER_COMPLETE, flow)

        async def receive() -> bytes:
            return await receive_some(sock, ERROR_NO_RESPONSE)

        response = await _response(conn, receive, ERROR_NO_TRANSFER_COMPLETE)
        if not 200 <= response.status_code < 300:
            raise Failed(ERROR_NO_TRANSFER_COMPLETE, f"the server answered {response.status_code}")
        job.meter.ends(flow)


async def _response(
    conn: h11.Connection, receive: Callable[[], Awaitable[bytes]], state: str
) -> h11.Response:
    """The head of the answer. Raises Failed with `state` where it is none."""
    silent = True
    while True:
        try:
            event = conn.next_event()
        except h11.RemoteProtocolError as error:
            raise Failed(state, f"the server does not speak HTTP: {error!s:.200}") from None
        if isinstance(event, h11.Response):
            return event
        if event is h11.NEED_DATA:
            data = await receive()
            if not data:
                raise Failed(ERROR_NO_RESPONSE if silent else state, "the server closed without an answer")
            silent = False
            conn.receive_data(data)


async def send_file(sock: socket.socket, piece: bytes, length: int, state: str, flow: Flow) -> None:
    """Send `length` bytes, made of `piece`. Raises Failed with `state`."""
    whole, rest = divmod(length, len(piece))
    for _ in range(whole):
        await send(sock, piece, state, flow)
    await send(sock, piece[:rest], state, flow)


async def send(sock: socket.socket, data: bytes, state: str, flow: Flow | None = None) -> None:
    """Send all of `data`, counted in `flow`. Raises Failed, with `state` where the connection broke."""
    await trio.lowlevel.checkpoint()
    rest = memoryview(data)
    while rest:
        try:
            count = sock.send(rest)
        except BlockingIOError:
            await _ready(sock, trio.lowlevel.wait_writable, ERROR_TIMEOUT)
            continue
        except OSError as error:
            raise Failed(state, f"the connection broke: {error.strerror}") from None
        rest = rest[count:]
        if flow is not None:
            flow.moved += count


async def receive_some(sock: socket.socket, state: str) -> bytes:
    """What comes next; nothing at the end, however that came. Raises Failed with `state` in silence."""
    while True:
        try:
            return sock.recv(_PIECE)
        except BlockingIOError:
            await _ready(sock, trio.lowlevel.wait_readable, state)
        except OSError:
            return b""


async def _ready(sock: socket.socket, wait: Callable[[socket.socket], Awaitable[None]], state: str) -> None:
    try:
        with trio.fail_after(STALL):
            await wait(sock)
    except trio.TooSlowError:
        raise Failed(state, f"nothing happened for {STALL:g} s") from None


def _path(job: Job) -> str:
    return f"{job.url.path or '/'}{'?' + job.url.query if job.url.query else ''}"


def _host(job: Job) -> tuple[str, str]:
    return "Host", job.url.netloc
