"""`cwmp diag` as a program, with the real service behind it."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.cli.test_cli import Result
from tests.conftest import StartService

from cwmp.cli.diag import TESTS
from cwmp.cli.live import line
from cwmp.diagnostics import service
from ubuskit.client import Client, Method, Request

Diag = Callable[..., Awaitable[Result]]


@pytest.fixture
async def diag(bus: Path, start_service: StartService) -> Diag:
    """Runs ``cwmp diag`` with the service there."""
    await start_service("diagnostics", service.serve)

    async def run(*arguments: str) -> Result:
        command = [sys.executable, "-W", "error", "-m", "cwmp.cli", "--bus", str(bus), "diag", *arguments]
        with trio.fail_after(30):
            done = await trio.run_process(command, check=False, capture_stdout=True, capture_stderr=True)
        return Result(done)

    return run


def test_every_test_is_one_of_the_service() -> None:
    known = {test.name: test for test in service.TESTS}
    for test in TESTS.values():
        assert {test.target, test.repeats, *test.inputs} <= set(known[test.type].inputs)
    assert {test.type for test in TESTS.values()} == {name for name, test in known.items() if test.required}


async def test_traceroute(diag: Diag, monkeypatch: pytest.MonkeyPatch) -> None:
    async def getnameinfo(*_: object) -> tuple[str, str]:
        return "localhost.example", "0"

    monkeypatch.setattr(trio.socket, "getnameinfo", getnameinfo)
    found = await diag("traceroute", "127.0.0.1", "-c", "2")
    assert (found.code, found.err) == (0, "")
    assert found.out.split() == ["1", "localhost.example", "(127.0.0.1)", "1", "ms", "1", "ms"]


async def test_udp_echo_that_is_lost(diag: Diag) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        inputs = (f"Port={silent.getsockname()[1]}", "Timeout=20", "InterTransmissionTime=1")
        options = [part for given in inputs for part in ("-o", given)]
        found = await diag("udpecho", "127.0.0.1", *options, "-c", "2", "-4")
    assert (found.code, found.out) == (0, "127.0.0.1: 2 sent, 0 answered, 2 lost\n")


@pytest.mark.parametrize("connections", [1, 2])
async def test_download(diag: Diag, nursery: trio.Nursery, connections: int) -> None:
    async def file(stream: trio.SocketStream) -> None:
        await stream.receive_some(4096)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000))
        await stream.aclose()

    listeners = await nursery.start(partial(trio.serve_tcp, file, 0, host="127.0.0.1"))
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
    found = await diag("download", url, "-c", str(connections), "-o", "EnablePerConnectionResults=1")
    assert (found.code, found.err) == (0, "")
    first, *others = found.out.splitlines()
    assert first.startswith(f"127.0.0.1: {2 * connections}.00 MB in ")
    assert "Mbit/s" in first
    assert len(others) == connections
    as_json = json.loads((await diag("download", url, "--json")).out)
    assert (as_json["state"], as_json["results"]["TestBytesReceived"]) == ("Complete", "2000044")


@pytest.mark.parametrize(
    ("arguments", "out", "err"),
    [
        (["ping", "127.0.0.1", "-6"], "Error_CannotResolveHostName: '127.0.0.1' cannot be resolved\n", ""),
        (["ping", "127.0.0.1", "-o", "DSCP=64"], "", "Fault 9003: DSCP: "),
        (["upload", "https://127.0.0.1/"], "", "Fault 9003: UploadURL: not a URL of http or ftp"),
        (["ping", "127.0.0.1", "-o", "NoSuch=1"], "", "Fault 9003: NoSuch: there is no such parameter"),
    ],
)
async def test_what_does_not_work(diag: Diag, arguments: list[str], out: str, err: str) -> None:
    found = await diag(*arguments)
    assert (found.code, found.out) == (1, out)
    assert found.err.startswith(err)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly", "h"],
        ["ping"],
        ["ping", "h", "-o", "x"],
        ["ping", "h", "-4", "-6"],
        ["ping", "h", "--within", "0"],
    ],
)
async def test_wrong_usage(diag: Diag, arguments: list[str]) -> None:
    assert (await diag(*arguments)).code == 2


async def test_interrupted_it_gives_up(diag: Diag, bus: Path, client: Client, nursery: trio.Nursery) -> None:
    asked = trio.Event()

    async def silent(stream: trio.SocketStream) -> None:
        asked.set()
        await stream.receive_some(4096)
        await trio.sleep_forever()

    listeners = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
    command = [sys.executable, "-m", "cwmp.cli", "--bus", str(bus), "diag", "download", url]
    process: Any = await trio.lowlevel.open_process(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with trio.fail_after(20):
        await asked.wait()
        process.send_signal(signal.SIGINT)
        await process.wait()
        while (await client.call("cwmp.diagnostics", "status"))["running"]:
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("told", "shows"),
    [
        ({"type": "IPPing", "done": 5, "total": 10}, "[############------------] 5 of 10"),
        ({"type": "TraceRoute", "done": 3, "total": 0}, "3 hops"),
        (
            {"type": "DownloadDiagnostics", "done": 2_500_000, "total": 0, "rate": 1_250_000},
            "2.5 MB, 10.0 Mbit/s",
        ),
        (
            {"type": "UploadDiagnostics", "done": 1_000_000, "total": 1_000_000},
            "[########################] 1.0 MB",
        ),
    ],
)
def test_how_far_it_is(told: dict[str, Any], shows: str) -> None:
    assert line(told) == shows


async def test_how_far_it_is_on_a_terminal(bus: Path, client: Client) -> None:
    ours, theirs = pty.openpty()
    seen, drawn = trio.Event(), b""
    results = {"IPAddressUsed": "192.0.2.1", "SuccessCount": "0", "FailureCount": "6"}

    async def run(_: Request) -> Mapping[str, Any]:
        while not seen.is_set():  # until the command listens, and shows it
            await client.send("cwmp.diagnostics.progress", {"type": "IPPing", "done": 3, "total": 6})
            with trio.move_on_after(0.05):
                await seen.wait()
        return {"state": "Complete", "results": results}

    async def look() -> None:
        nonlocal drawn
        while b"3 of 6" not in drawn:
            await trio.lowlevel.wait_readable(ours)
            drawn += os.read(ours, 65536)
        seen.set()

    await client.add_object("cwmp.diagnostics", {"run": Method(run, {"type": str, "args": dict})})
    command = [sys.executable, "-m", "cwmp.cli", "--bus", str(bus), "diag", "ping", "192.0.2.1"]
    try:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(look)
                done = await trio.run_process(command, capture_stdout=True, stderr=theirs)
        drawn += os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout == b"192.0.2.1: 6 sent, 0 answered, 6 lost\n"
    assert b"\r\x1b[K[############------------] 3 of 6" in drawn
    assert drawn.endswith(b"\r\x1b[K")  # nothing of it stays
