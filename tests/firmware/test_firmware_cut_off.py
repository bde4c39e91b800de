"""kill -9 and reboot at every step of a firmware download: one flash, one completion, the truth.

The service is a process of its own here and gets no chance to say goodbye.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from tests.firmware.fileserver import Exchange, FileServer
from tests.firmware.surroundings import NEW, Procd, Session, install_sysupgrade
from tests.firmware.test_firmware_service import left_behind
from tests.firmware.test_transfer_rules import tar
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
        assert left_behind(paths) == []


# A configuration: installed again where that is not certain, then in use after one reboot


async def while_installing(paths: Paths, session: Session, procd: Procd) -> None:
    await session.heard("installing")


async def while_restarting(paths: Paths, session: Session, procd: Procd) -> None:
    paths.system("/hold").unlink()
    await wait_for(procd.told)


@pytest.mark.parametrize("reboots", [False, True], ids=["kill", "reboot"])
@pytest.mark.parametrize("step", [while_installing, while_restarting])
async def test_a_configuration_that_is_cut_off(
    step: Callable[[Paths, Session, Procd], Awaitable[None]],
    reboots: bool,
    paths: Paths,
    client: Client,
    procd: Procd,
    session: Session,
    files: FileServer,
) -> None:
    calls = install_sysupgrade(paths)
    program = paths.system("/sbin/sysupgrade")
    hold = paths.system("/hold")
    hold.touch()
    waiting = f'while [ -e "{hold}" ]; do sleep 0.02; done\n'
    program.write_text(program.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{waiting}"))
    files.serve("/night", tar(etc__config__network=b"new\n"))
    async with running("firmware", paths, client) as kill:
        await session.download(files.url("/night"), file_type="3 Vendor Configuration File")
        await step(paths, session, procd)
        await kill()
    restored = step is while_restarting
    if reboots:
        procd.boot(paths)
    procd.told = trio.Event()
    hold.unlink(missing_ok=True)

    async with running("firmware", paths, client) as kill:
        if not (restored and reboots):
            await wait_for(procd.told)
            assert await session.completed() == []
            await kill()
            procd.boot(paths)
    async with running("firmware", paths, client):
        while not (found := await session.completed()):
            await session.heard("complete")
        assert [t.fault_code for t in found] == [0]
        assert (paths.uci_dir / "network").read_text() == "new\n"
        if restored:
            assert calls.read_text() == "-r\n", "what was done is not done again"
        assert left_behind(paths) == []


async def test_an_upload_that_is_cut_off_is_sent_again_and_reported_once(
    paths: Paths, client: Client, procd: Procd, session: Session, files: FileServer
) -> None:
    install_sysupgrade(paths)
    taken: list[bytes] = []
    begun = trio.Event()

    @files.route("/in")
    async def _(exchange: Exchange) -> None:
        if not begun.is_set():
            begun.set()
            await trio.sleep_forever()
        taken.append(await exchange.body())
        await exchange.answer(201)

    async with running("firmware", paths, client) as kill:
        await session.upload(files.url("/in"), "3 Vendor Configuration File 1")
        await wait_for(begun)
        await kill()
    async with running("firmware", paths, client):
        await session.heard("complete")
        (done,) = await session.completed()
    assert (done.method, done.fault_code, len(taken)) == ("Upload", 0, 1)
