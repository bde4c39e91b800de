"""kill -9 and reboot at every step of a firmware download: one flash, one completion, the truth.

The service is a process of its own here and gets no chance to say goodbye.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from tests.firmware.fileserver import Exchange, FileServer
from tests.firmware.surroundings import NEW, Procd, Session
from tests.processes import running

from cwmp.runtime import Paths
from ubuskit.client import Client

IMAGE = b"new firmware " * 5000


async def wait_for(event: trio.Event) -> None:
    with trio.fail_after(20):
        await event.wait()


async def while_downloading(files: FileServer, procd: Procd, session: Session) -> None:
    begun = trio.Event()
    first = files.routes["/image"]

    @files.route("/image")
    async def _(exchange: Exchange) -> None:
        files.routes["/image"] = first
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 65000\r\n\r\n" + IMAGE[:9000])
        begun.set()
        await trio.sleep_forever()

    await session.download(files.url("/image"))
    await wait_for(begun)


async def while_checking(files: FileServer, procd: Procd, session: Session) -> None:
    procd.checking = trio.Event()
    await session.download(files.url("/image"))
    await wait_for(procd.checking)
    procd.checking = None


async def while_ready(files: FileServer, procd: Procd, session: Session) -> None:
    await session.set_open(True)
    await session.download(files.url("/image"))
    await session.heard("ready")


async def while_applying(files: FileServer, procd: Procd, session: Session) -> None:
    await session.download(files.url("/image"))
    await wait_for(procd.told)


STEPS = (while_downloading, while_checking, while_ready, while_applying)
Step = Callable[[FileServer, Procd, Session], Awaitable[None]]


@pytest.mark.parametrize("reboots", [False, True], ids=["kill", "reboot"])
@pytest.mark.parametrize("step", STEPS, ids=[s.__name__ for s in STEPS])
async def test_cut_off(
    step: Step,
    reboots: bool,
    paths: Paths,
    client: Client,
    procd: Procd,
    session: Session,
    files: FileServer,
) -> None:
    async with running("firmware", paths, client) as kill:
        await step(files, procd, session)
        await kill()
    applied = step is while_applying
    if reboots:
        procd.boot(paths, NEW if applied else None)
    session.states.clear()
    await session.set_open(False)

    async with running("firmware", paths, client) as kill:
        if not applied:
            await wait_for(procd.told)
        assert procd.flashed == [IMAGE]
        if not (applied and reboots):
            assert await session.completed() == []
            await kill()
            procd.boot(paths, NEW)

    async with running("firmware", paths, client) as kill:
        while not (found := await session.completed()):
            await session.heard("complete")
        assert [t.fault_code for t in found] == [0]
        await kill()

    async with running("firmware", paths, client) as kill:
        assert await session.completed() == found
        await session.acknowledge(found[0])
        await kill()

    async with running("firmware", paths, client):
        assert await session.completed() == []
        assert (await client.call("cwmp.firmware", "status"))["transfers"] == []
        assert procd.flashed == [IMAGE]
        assert list((paths.run_dir / "firmware").iterdir()) == []
