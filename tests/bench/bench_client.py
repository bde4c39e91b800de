"""Calls: the trio client against a C client on libubus, or against a bare socket where libubus is missing.

The daemon is the one that UBUSD names, else our broker; the service is the same for both sides: in C where there is
libubus (found below UBUSKIT_PREFIX, as for the other benches), else in Python. Rounds take turns.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

from ubuskit import blobmsg
from ubuskit.client import Client, Method, Request, open_client

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
ROUNDS = 7
IN_FLIGHT = 64
TABLE = {f"key{number:04}": "a value of some forty-eight characters, more/less" for number in range(1000)}
CALLS = {"small": 1000, "reply": 150, "request": 150, "flight": 2000}
NAMES = {
    "small": "client, small call",
    "reply": "client, 68 KB reply",
    "request": "client, 68 KB request",
    "flight": "client, 64 in flight",
}


def run(report: Callable[..., None]) -> None:
    floor = _compile()
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/ubus.sock"
        daemon = [os.environ["UBUSD"]] if "UBUSD" in os.environ else [sys.executable, "-m", "ubuskit.broker"]
        service = [str(floor), path, "serve"] if floor else [sys.executable, __file__, path, "serve"]
        with _running([*daemon, "-s", path]):
            trio.run(_wait_for_daemon, path)
            with _running(service):
                if floor is not None:
                    baseline = partial(_c_client, floor, path)
                    what = "C libubus"
                else:
                    baseline, what = _echo, "socket echo"
                for mode, (value, base) in trio.run(_measure, path, baseline).items():
                    name = f"{NAMES[mode]}, {blobmsg.backend} / {what}"
                    report(name, value, "us", base, value / base, None)


async def _measure(path: str, baseline: Callable[[str, int], float]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    async with open_client(path) as client:
        with trio.fail_after(20):
            service = await client.subscribe("bench", lambda *_: None)
            await service.wait_active()
        await service.close()
        ours: dict[str, Callable[[int], Awaitable[None]]] = {
            "small": partial(_calls, client, "small", {"question": "ping"}),
            "reply": partial(_calls, client, "reply", {"question": "ping"}),
            "request": partial(_calls, client, "request", TABLE),
            "flight": partial(_flight, client),
        }
        for mode, calls in CALLS.items():
            value = base = float("inf")
            for _ in range(ROUNDS):
                start = time.perf_counter()
                await ours[mode](calls)
                value = min(value, (time.perf_counter() - start) / calls * 1e6)
                base = min(base, baseline(mode, calls))
            found[mode] = value, base
    return found


async def _calls(client: Client, method: str, args: dict[str, str], calls: int) -> None:
    for _ in range(calls):
        await client.call("bench", method, args)


async def _flight(client: Client, calls: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(IN_FLIGHT):
            nursery.start_soon(_calls, client, "small", {"question": "ping"}, calls // IN_FLIGHT)


async def _wait_for_daemon(path: str) -> None:
    async with open_client(path):
        pass


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


# The baselines


def _compile() -> Path | None:
    prefix = Path(os.environ.get("UBUSKIT_PREFIX", PROJECT / "build" / "native" / "usr"))
    compiler = shutil.which("cc")
    if compiler is None or not (prefix / "include" / "libubus.h").exists():
        print("no libubus here: the baseline is a bare socket")
        return None
    program = PROJECT / "build" / "bench" / "ubus_floor"
    program.parent.mkdir(parents=True, exist_ok=True)
    where = [f"-I{prefix}/include", f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib"]
    source = str(HERE / "ubus_floor.c")
    subprocess.run([compiler, "-O2", "-o", str(program), source, *where, "-lubus", "-lubox"], check=True)
    return program


def _c_client(floor: Path, path: str, mode: str, calls: int) -> float:
    done = subprocess.run([str(floor), path, mode, str(calls)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _echo(mode: str, calls: int) -> float:
    """Microseconds for as many octets there and back between two processes, and nothing else."""
    small, large = 64, len(blobmsg.encode(TABLE))
    there, back = {"reply": (small, large), "request": (large, small)}.get(mode, (small, small))
    ours, theirs = socket.socketpair()
    with ours:
        pid = os.fork()
        if pid == 0:
            ours.close()
            while _receive(theirs, there):
                theirs.sendall(bytes(back))
            os._exit(0)
        theirs.close()
        message = bytes(there)
        start = time.perf_counter()
        for _ in range(calls):
            ours.sendall(message)
            _receive(ours, back)
        took = time.perf_counter() - start
    os.waitpid(pid, 0)
    return took / calls * 1e6


def _receive(connection: socket.socket, size: int) -> bool:
    while size > 0:
        data = connection.recv(65536)
        if not data:
            return False
        size -= len(data)
    return True


# The service in Python


async def _serve(path: str) -> None:
    async def small(request: Request) -> dict[str, str]:
        return {"answer": "pong"}

    async def reply(request: Request) -> dict[str, str]:
        return TABLE

    async with open_client(path) as client:
        args = dict.fromkeys(["question", *TABLE], str)
        await client.add_object(
            "bench",
            {"small": Method(small, args), "reply": Method(reply, args), "request": Method(small, args)},
        )
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(_serve, sys.argv[1])
