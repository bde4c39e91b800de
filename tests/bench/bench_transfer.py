"""Download of 64 MB from loopback: the processor time of `fetch` against ``curl -o``, and what it adds to memory.

Ours hashes what comes (SHA-256) and looks after the space, curl does neither. The server is a process of its own,
files are in RAM; of several rounds the best counts. Ours is measured without the start of Python, curl with its own.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SIZE = 64 << 20
ROUNDS = 8
_LIMIT = 1.5
_MOST_MEMORY = 2.0  # MB


def run(report: Callable[..., None]) -> None:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        target = Path(directory) / "file"
        port, pid = _serve()
        try:
            url = f"http://127.0.0.1:{port}/file"
            ours = subprocess.run(
                [sys.executable, __file__, url, str(target)], check=True, capture_output=True, text=True
            )
            seconds, growth = (float(word) for word in ours.stdout.split())
            report("transfer, growth of memory", growth, "MB", _MOST_MEMORY, growth / _MOST_MEMORY, 1)
            if curl := shutil.which("curl"):
                base = min(_curl(curl, url, target) for _ in range(ROUNDS))
                report("transfer, CPU / curl -o", seconds, "s", base, seconds / base, _LIMIT)
            else:
                print("no curl here: no baseline for transfers")
        finally:
            os.kill(pid, 15)
            os.waitpid(pid, 0)


def _serve() -> tuple[int, int]:
    """A server that has one file, in a process of its own: its port and process id."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    pid = os.fork()
    if pid:
        listener.close()
        return port, pid
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n".encode()
    body = bytes(1 << 20)
    while True:
        connection = listener.accept()[0]
        with connection:
            connection.recv(4096)
            connection.sendall(head)
            for _ in range(SIZE // len(body)):
                connection.sendall(body)
            connection.recv(1)  # until the other side has everything


def _curl(curl: str, url: str, target: Path) -> float:
    before = _used(resource.RUSAGE_CHILDREN)
    subprocess.run([curl, "-s", "-o", str(target), url], check=True)
    return _used(resource.RUSAGE_CHILDREN) - before


def _used(whose: int) -> float:
    usage = resource.getrusage(whose)
    return usage.ru_utime + usage.ru_stime


def _ours(url: str, target: Path) -> None:
    """Print the least seconds of the rounds, and the MB by which the first made the process larger."""
    import trio

    from cwmp.firmware.exchange import Place
    from cwmp.firmware.fetch import Means, fetch
    from cwmp.firmware.http import Network

    def no_tls() -> object:
        raise AssertionError

    means = Means(Network(no_tls), lambda: 1 << 30)  # type: ignore[arg-type]

    async def rounds() -> None:
        seconds, growth = float("inf"), 0.0
        for number in range(ROUNDS):
            target.unlink(missing_ok=True)
            before, size = _used(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            await fetch(Place(url), target, means)
            seconds = min(seconds, _used(resource.RUSAGE_SELF) - before)
            if number == 0:
                growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size) / 1024
        print(seconds, growth)

    trio.run(rounds)


if __name__ == "__main__":
    _ours(sys.argv[1], Path(sys.argv[2]))
