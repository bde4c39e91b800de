"""Delays, deadlines and a flash that cannot be written: the service on a clock that jumps."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from tests.conftest import StartService
from tests.firmware.fileserver import Exchange, FileServer
from tests.firmware.surroundings import Procd, Session

from cwmp.contract import Fault
from cwmp.contract.firmware import REBOOT, Reboot
from cwmp.firmware import service
from cwmp.firmware.queue import Now
from cwmp.runtime import Paths, Runtime, StateFile
from ubuskit.client import Client

Clock = trio.testing.MockClock  # pytest-trio wants it among the arguments of the test itself

START = 1_800_000_000.0


class Clocks:
    """The service's clocks, which go as trio's does; the wall clock can be set."""

    def __init__(self) -> None:
        self.wall = START
        self.boottime = 10.0

    def make(self, boot_id: str) -> Callable[[], Now]:
        return lambda: Now(self.wall + trio.current_time(), self.boottime + trio.current_time(), boot_id)


@pytest.fixture
def clocks(autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch) -> Clocks:
    autojump_clock.autojump_threshold = 0.02
    found = Clocks()
    monkeypatch.setattr(service, "real_clock", found.make)
    return found


Start = Callable[[], Awaitable[Runtime]]


@pytest.fixture
def start(clocks: Clocks, start_service: StartService, procd: Procd, session: Session) -> Start:
    async def begin() -> Runtime:
        return await start_service("firmware", service.serve)

    return begin


def recording(files: FileServer, order: list[str]) -> None:
    """Have /1, /2 ... answer 404 and note that they were asked for."""

    def handler(path: str) -> Callable[[Exchange], Awaitable[None]]:
        async def answer(exchange: Exchange) -> None:
            order.append(path)
            await exchange.answer(404)

        return answer

    for number in range(1, 5):
        files.routes[f"/{number}"] = handler(f"/{number}")


async def all_complete(session: Session, count: int) -> list[Any]:
    while len(found := await session.completed()) < count:
        with trio.fail_after(100_000):
            heard = session._heard
            await heard.wait()
    return found


async def test_by_due_time_not_by_order_of_request(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer
) -> None:
    order: list[str] = []
    recording(files, order)
    await start()
    began = trio.current_time()
    for path, delay in (("/1", 300), ("/2", 100), ("/3", 200), ("/4", 0)):
        await session.download(files.url(path), delay_seconds=delay, command_key=path)
    found = await all_complete(session, 4)
    assert order == ["/4", "/2", "/3", "/1"]
    assert [t.command_key for t in found] == order
    assert 300 <= trio.current_time() - began < 400


async def test_p30_a_delayed_download_does_not_start_in_a_session(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer
) -> None:
    order: list[str] = []
    recording(files, order)
    await start()
    await session.set_open(True)
    await session.download(files.url("/1"), delay_seconds=60)
    await trio.sleep(200)  # on the test's clock
    assert order == []
    await session.set_open(False)
    await all_complete(session, 1)
    assert order == ["/1"]


async def test_p30_three_transfers_over_a_clock_jump_and_a_reboot(
    autojump_clock: Clock,
    start: Start,
    session: Session,
    files: FileServer,
    clocks: Clocks,
    procd: Procd,
    paths: Paths,
    client: Client,
) -> None:
    order: list[str] = []
    recording(files, order)
    first = await start()
    for path, delay in (("/1", 1000), ("/2", 2000), ("/3", 3000)):
        await session.download(files.url(path), delay_seconds=delay)
    clocks.wall += 50_000  # somebody sets the clock: nothing is due before its time
    await trio.sleep(100)
    assert order == []
    await all_complete(session, 1)

    first.nursery.cancel_scope.cancel()
    procd.boot(paths)
    clocks.boottime = 10.0 - trio.current_time()
    clocks.wall = -trio.current_time()  # a router without a battery: 1970 until NTP comes
    await start()
    due = sorted(t["due_in"] for t in (await client.call("cwmp.firmware", "status"))["transfers"][:2])
    assert due == [1990, 2990]
    clocks.wall = START + 2500 - trio.current_time()  # NTP came
    found = await all_complete(session, 3)
    assert order == ["/1", "/2", "/3"]
    assert len({t.id for t in found}) == 3


async def test_a_system_that_does_not_go_down_for_the_flash(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer, procd: Procd, paths: Paths
) -> None:
    await start()
    await session.download(files.url("/image"))
    (done,) = await all_complete(session, 1)
    assert done.fault_code == 9010
    assert len(procd.flashed) == 1
    assert list((paths.run_dir / "firmware").iterdir()) == []


async def test_a_system_that_does_not_go_down_for_the_reboot(
    autojump_clock: Clock, start: Start, session: Session, procd: Procd, client: Client
) -> None:
    await start()
    await session.peers.request(REBOOT, Reboot("key"))
    await trio.sleep(1000)
    assert (await client.call("cwmp.firmware", "status"))["reboot_pending"] is False
    assert procd.calls == [("reboot", None)]


async def test_a_session_that_never_ends_holds_nothing_up_forever(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer, procd: Procd
) -> None:
    await start()
    await session.set_open(True)
    began = trio.current_time()
    await session.download(files.url("/image"))
    with trio.fail_after(20_000):
        await procd.told.wait()
    assert trio.current_time() - began >= 3600


async def test_without_a_durable_record_nothing_is_promised_and_nothing_is_done(
    autojump_clock: Clock,
    start: Start,
    session: Session,
    files: FileServer,
    procd: Procd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await start()
    real = StateFile.save

    def full(self: StateFile, document: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StateFile, "save", full)
    with pytest.raises(Fault) as caught:
        await session.download(files.url("/image"))
    assert (caught.value.code, "No space left" in caught.value.text) == (9002, True)

    monkeypatch.setattr(StateFile, "save", real)
    await session.set_open(True)
    await session.download(files.url("/image"))
    await session.heard("ready")
    monkeypatch.setattr(StateFile, "save", full)
    await session.set_open(False)
    await trio.sleep(30)
    assert procd.calls == [], "what is not on record is not done"
    monkeypatch.setattr(StateFile, "save", real)
    with trio.fail_after(1000):
        await procd.told.wait()
    assert len(procd.flashed) == 1
