"""A service as a process of its own, for tests that kill it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from cwmp.runtime import Paths
from ubuskit.client import Client


@asynccontextmanager
async def running(service: str, paths: Paths, client: Client) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """The service, ready; the value kills it, and it gets no chance to say goodbye."""
    ready = trio.Event()
    listener = await client.listen(f"cwmp.{service}.ready", lambda *_: ready.set())
    command = [sys.executable, "-m", f"cwmp.{service}", "--stderr", *paths.options()]
    process = await trio.lowlevel.open_process(command, stderr=subprocess.DEVNULL)

    async def kill() -> None:
        process.send_signal(signal.SIGKILL)
        await process.wait()

    try:
        with trio.fail_after(20):
            await ready.wait()
        yield kill
    finally:
        if process.returncode is None:
            await kill()
        await listener.close()
