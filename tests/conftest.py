"""Fixtures that every part uses: a bus, the paths of one suite, and services running on them."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import hypothesis
import pytest
import trio

from cwmp.runtime import Paths, Runtime, run
from cwmp.runtime.service import Serve
from ubuskit import broker
from ubuskit.client import Client, open_client

hypothesis.settings.register_profile("suite", deadline=None)  # how long an example takes proves nothing
hypothesis.settings.load_profile("suite")

StartService = Callable[..., Awaitable[Runtime]]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Data is named, not shown: what has the time of day in it would have another name in each process."""
    return argname if isinstance(val, bytes) and len(val) > 8 else None


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path is short enough for a unix socket."""
    path = Path(tempfile.mkdtemp(prefix="cwmp-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def bus(short_dir: Path, nursery: trio.Nursery) -> AsyncIterator[Path]:
    """The socket of a running bus: our broker, or the daemon that UBUSD names."""
    path = short_dir / "ubus.sock"
    if daemon := os.environ.get("UBUSD"):
        process = await trio.lowlevel.open_process([daemon, "-s", str(path)], stderr=subprocess.DEVNULL)
        try:
            async with open_client(
                str(path), connect_timeout=None
            ):  # a deadline by a virtual clock means nothing
                pass
            yield path
        finally:
            process.terminate()
            await process.wait()
    else:
        await nursery.start(partial(broker.serve, str(path)))
        yield path


@pytest.fixture
async def own_bus(short_dir: Path, nursery: trio.Nursery) -> Path:
    """The socket of our broker in this very process, for tests with a virtual clock, which no daemon follows."""
    path = short_dir / "own.sock"
    await nursery.start(partial(broker.serve, str(path)))
    return path


@pytest.fixture
def paths(short_dir: Path) -> Paths:
    """The paths of one suite, each directory there, with a boot id as the kernel gives one."""
    root = short_dir / "root"
    found = Paths(
        bus=short_dir / "ubus.sock",
        uci_dir=root / "etc/config",
        state_dir=root / "etc/cwmp",
        run_dir=root / "var/run/cwmp",
        sysroot=root,
    )
    for directory in (found.uci_dir, found.state_dir, found.run_dir, root / "tmp"):
        directory.mkdir(parents=True)
    boot_id = found.system("/proc/sys/kernel/random/boot_id")
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text(f"{uuid.uuid4()}\n")
    return found


@pytest.fixture
async def client(bus: Path) -> AsyncIterator[Client]:
    """A client on the bus."""
    async with open_client(str(bus)) as connected:
        yield connected


@pytest.fixture
def start_service(bus: Path, paths: Paths, nursery: trio.Nursery) -> StartService:
    """``await start_service(name, serve)``: the runtime of a service that now runs, and said it is ready.

    Several services run side by side; cancel ``runtime.nursery.cancel_scope`` to stop one.
    """

    async def start(name: str, serve: Serve, where: Paths = paths) -> Runtime:
        async with open_client(str(bus)) as watcher:
            ready = trio.Event()
            await watcher.listen(f"cwmp.{name}.ready", lambda *_: ready.set())
            found: list[Runtime] = []
            log = logging.getLogger(f"test.cwmp.{name}")
            log.setLevel(logging.DEBUG)
            nursery.start_soon(partial(run, name, serve, where, log, started=found.append, connect_timeout=5))
            with trio.fail_after(10):
                await ready.wait()
            return found[0]

    return start
