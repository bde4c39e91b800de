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


async def test_a_system_that_does_not_go_down_in_a_window(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer, procd: Procd
) -> None:
    await start()
    await session.schedule(files.url("/image"), (0, 9000, "1 At Any Time"), retries=3)
    (done,) = await all_complete(session, 1)
    assert (done.fault_code, len(procd.flashed)) == (9010, 1)


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


# Windows (TR-069a6 A.4.1.8)


def busy(paths: Paths, size: int) -> None:
    path = paths.system("/sys/class/net/eth0/statistics")
    path.mkdir(parents=True, exist_ok=True)
    (path / "rx_bytes").write_text(str(size))
    (path / "tx_bytes").write_text("0")


async def flashed(procd: Procd) -> None:
    with trio.fail_after(100_000):
        await procd.told.wait()


async def test_a_scheduled_download_in_its_window_and_always_in_a_later_session(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer, procd: Procd
) -> None:
    await start()
    await session.set_open(True)
    began = trio.current_time()
    await session.schedule(files.url("/image"), (300, 9000, "1 At Any Time"))
    await trio.sleep(1000)
    assert files.requests == []
    await session.set_open(False)
    await flashed(procd)
    assert 1000 <= trio.current_time() - began < 1200


async def test_immediately_is_at_the_beginning_of_the_window(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer, procd: Procd
) -> None:
    await start()
    began = trio.current_time()
    await session.schedule(files.url("/image"), (300, 9000, "2 Immediately"))
    await flashed(procd)
    assert 300 <= trio.current_time() - began < 310


async def test_when_idle_waits_for_a_quiet_router_to_fetch_and_to_flash(
    autojump_clock: Clock,
    start: Start,
    session: Session,
    files: FileServer,
    procd: Procd,
    paths: Paths,
    nursery: trio.Nursery,
) -> None:
    noise = trio.CancelScope()

    async def stream() -> None:
        size = 0
        with noise:
            while True:
                size += 3_000_000
                busy(paths, size)
                await trio.sleep(30)

    busy(paths, 0)
    nursery.start_soon(stream)
    await start()
    await session.schedule(files.url("/image"), (0, 9000, "3 When Idle"))
    await trio.sleep(600)
    assert files.requests == []
    noise.cancel()
    await flashed(procd)
    assert trio.current_time() < 1000


async def test_9020_when_the_router_was_never_idle(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer, paths: Paths
) -> None:
    paths.system("/proc/loadavg").write_text("99 99 99 1/1 1\n")
    await start()
    await session.schedule(files.url("/image"), (0, 500, "3 When Idle"), (600, 900, "3 When Idle"))
    (done,) = await all_complete(session, 1)
    assert (done.fault_code, done.method) == (9020, "ScheduleDownload")
    assert (trio.current_time() >= 900, files.requests) == (True, [])


async def test_9020_when_nobody_confirmed(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer
) -> None:
    await start()
    await session.schedule(files.url("/image"), (0, 500, "4 Confirmation Needed"))
    (done,) = await all_complete(session, 1)
    assert (done.fault_code, "nobody confirmed" in done.fault_string) == (9020, True)


async def test_retries_in_two_windows(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer
) -> None:
    tried: list[float] = []

    @files.route("/flaky")
    async def _(exchange: Exchange) -> None:
        tried.append(trio.current_time() - began)
        await exchange.answer(503)

    await start()
    began = trio.current_time()
    windows = ((0, 1000, "1 At Any Time"), (5000, 6000, "1 At Any Time"))
    await session.schedule(files.url("/flaky"), *windows, retries=2)
    (done,) = await all_complete(session, 1)
    assert done.fault_code == 9016
    assert [t < 1000 for t in tried] == [True] * 3 + [False] * 3
    assert all(5000 <= t < 6000 for t in tried[3:])


async def test_a_window_that_closes_while_the_file_comes(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer, paths: Paths, procd: Procd
) -> None:
    @files.route("/drip")
    async def _(exchange: Exchange) -> None:
        if len(files.requests) > 1:
            await exchange.answer(200, b"the image")
            return
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
        while True:
            await trio.sleep(20)
            await exchange.raw(b"x")

    await start()
    began = trio.current_time()
    await session.schedule(files.url("/drip"), (0, 500, "1 At Any Time"), (1000, 1500, "1 At Any Time"))
    await flashed(procd)
    assert procd.flashed == [b"the image"]
    assert trio.current_time() - began >= 1000


async def test_what_came_in_its_window_is_not_applied_after_it(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer, procd: Procd, paths: Paths
) -> None:
    image = files.routes["/image"]

    @files.route("/image")
    async def _(exchange: Exchange) -> None:
        await session.set_open(True)
        await image(exchange)

    await start()
    await session.schedule(files.url("/image"), (0, 500, "1 At Any Time"))
    await session.heard("ready")
    await trio.sleep(1000)
    await session.set_open(False)
    (done,) = await all_complete(session, 1)
    assert done.fault_code == 9020
    assert procd.flashed == []
    assert list((paths.run_dir / "firmware").iterdir()) == []


async def test_windows_over_a_clock_jump_and_a_reboot(
    autojump_clock: Clock,
    start: Start,
    session: Session,
    files: FileServer,
    clocks: Clocks,
    procd: Procd,
    paths: Paths,
) -> None:
    order: list[str] = []
    recording(files, order)
    first = await start()
    windows = ((2000, 3000), (4000, 5000), (100, 200))
    for number, (begin, end) in enumerate(windows, 1):
        await session.schedule(
            files.url(f"/{number}"), (begin, end, "1 At Any Time"), command_key=str(number)
        )
    await session.download(files.url("/4"), delay_seconds=3500, command_key="4")
    clocks.wall += 50_000  # neither is a window skipped nor opened by that
    await trio.sleep(50)
    assert order == []

    clocks.wall -= 50_000
    first.nursery.cancel_scope.cancel()
    procd.boot(paths)
    clocks.boottime = 10.0 - trio.current_time()
    clocks.wall = -trio.current_time()  # 1970 until NTP comes
    await start()
    await trio.sleep(2500)
    assert order == [], "nobody knows whether a window is open"
    clocks.wall = START + 2500 - trio.current_time()
    found = await all_complete(session, 4)
    assert order == ["/1", "/4", "/2"], "by due time; the third's window passed while the router was off"
    codes = {t.command_key: t.fault_code for t in found}
    assert codes == {"3": 9020, "1": 9016, "4": 9016, "2": 9016}
    assert len({t.id for t in found}) == 4


async def test_a_delayed_download_that_could_not_begin_within_an_hour(
    autojump_clock: Clock, start: Start, session: Session, clocks: Clocks, procd: Procd, paths: Paths
) -> None:
    first = await start()
    await session.download("http://files.example/", delay_seconds=600)
    first.nursery.cancel_scope.cancel()
    procd.boot(paths)
    clocks.boottime = 10.0 - trio.current_time()
    clocks.wall = START + 9000
    await start()
    (done,) = await all_complete(session, 1)
    assert (done.fault_code, "within 3600 s" in done.fault_string) == (9010, True)


async def test_a_session_that_is_longer_than_the_window(
    autojump_clock: Clock, start: Start, session: Session, files: FileServer
) -> None:
    await start()
    await session.set_open(True)
    await session.schedule(files.url("/image"), (0, 500, "1 At Any Time"))
    await trio.sleep(1000)
    await session.set_open(False)
    (done,) = await all_complete(session, 1)
    assert (done.fault_code, files.requests) == (9020, [])
