"""What a fleet is made of, without routers: plan, figures, accidents, the line, the report."""

from __future__ import annotations

import errno
import json
import random
from collections import Counter

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmp.lab.fleet.accidents import Kind, draw
from cwmp.lab.fleet.figures import OTHER, Figures, Latencies
from cwmp.lab.fleet.line import Line, Lines
from cwmp.lab.fleet.plan import Plan
from cwmp.lab.fleet.report import Report
from cwmp.runtime.config import OPTIONS

PLAN = Plan("http://127.0.0.1/acs", tuple(range(10)), "/nowhere", password="key of {serial}", rate=6.0)


def test_every_router_is_in_one_share_and_the_rate_is_kept() -> None:
    shares = PLAN.shares(3)
    assert sorted(n for share in shares for n in share.numbers) == list(range(10))
    assert sum(share.rate for share in shares) == PLAN.rate
    assert len(PLAN.shares(16)) == 10


def test_a_worker_is_told_its_plan_whole() -> None:
    assert Plan.from_json(PLAN.to_json()) == PLAN


def test_each_router_has_an_identity_and_credentials_of_its_own() -> None:
    found = PLAN.identity(7)
    assert (found.serial, found.username) == ("FLEET-000007", "02005E-Fleet-FLEET%2D000007")
    assert found.password == "key of FLEET-000007"
    assert found.password not in repr(found)
    assert PLAN.password not in repr(PLAN)
    assert len({PLAN.identity(n).username for n in PLAN.numbers}) == 10


def test_the_options_of_a_router_are_options_of_the_client() -> None:
    options = PLAN.options(3)
    for name, value in options.items():
        OPTIONS[name](value)  # raises where it is none, or not that value
    assert options["connection_request_port"] == "0"
    assert Plan("http://a/", (3,), "/d", first_port=9000).options(3)["connection_request_port"] == "9003"


@settings(max_examples=30)
@given(st.lists(st.floats(1e-4, 3000), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_percentile_is_right_to_five_percent(durations: list[float], share: float) -> None:
    found = Latencies()
    for duration in durations:
        found.note(duration)
    exact = sorted(durations)[max(0, -int(-share * len(durations) // 1) - 1)]
    assert exact * 0.999 <= found.percentile(share) <= exact * 1.051


def test_figures_of_two_processes_add_up() -> None:
    one, two = Figures(succeeded=1, open=1, memory=5), Figures(succeeded=2, memory=7, cpu=0.5)
    one.fail("no\nroute")
    two.fail("no route")
    two.fail("refused")
    one.inform.note(0.01)
    two.inform.note(0.02)
    total = Figures()
    for part in (one, two):
        total.add(Figures.from_table(json.loads(json.dumps(part.to_table()))))
    assert (total.succeeded, total.open, total.memory, total.cpu) == (3, 1, 12, 0.5)
    assert total.failures == Counter({"no route": 2, "refused": 1})
    assert len(total.inform) == 2
    assert total.inform.percentile(1.0) == 0.02


def test_reasons_that_never_repeat_do_not_grow_without_bound() -> None:
    figures = Figures()
    for number in range(1000):
        figures.fail(f"session {number} broke")
    assert figures.failed == 1000
    assert len(figures.failures) < 40
    assert figures.failures[OTHER] > 900


def test_without_accidents_nothing_happens() -> None:
    assert draw(random.Random(1), dict.fromkeys(Kind, 0.0)) is None


def test_accidents_come_as_often_as_asked_for() -> None:
    chance = random.Random(4)
    drawn = [draw(chance, {Kind.REBOOT: 100.0, Kind.LINE: 50.0, Kind.CRASH: 0.0}) for _ in range(3000)]
    found = [one for one in drawn if one is not None]
    assert len(found) == 3000
    counts = Counter(accident.kind for _, accident in found)
    assert counts[Kind.CRASH] == 0
    assert 1.8 < counts[Kind.LINE] / counts[Kind.REBOOT] < 2.2
    assert 31 < sum(wait for wait, _ in found) / len(found) < 36


async def test_a_line_that_is_cut_ends_its_connections_and_takes_no_new_ones(nursery: trio.Nursery) -> None:
    trio.socket.set_custom_socket_factory(Lines())
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    address = listener.socket.getsockname()[:2]
    cut, whole = Line(), Line()

    async def connect(line: Line) -> trio.SocketStream:
        line.use()
        return await trio.open_tcp_stream(*address)

    async def echo(stream: trio.SocketStream) -> None:
        async for data in stream:
            await stream.send_all(data)

    nursery.start_soon(trio.serve_listeners, echo, [listener])
    async with await connect(whole) as other, await connect(cut) as mine:
        cut.cut()
        assert await mine.receive_some() == b""
        with pytest.raises(OSError, match="all attempts") as caught:
            await connect(cut)
        assert _number(caught.value) == errno.ENETUNREACH
        await other.send_all(b"still there")
        assert await other.receive_some() == b"still there"
    cut.mend()
    await trio.aclose_forcefully(await connect(cut))
    nursery.cancel_scope.cancel()


def _number(error: BaseException) -> int | None:
    """The errno of an error, or of the one it was raised from."""
    while error.__cause__ is not None:
        error = error.__cause__
    inner = getattr(error, "exceptions", None)
    return _number(inner[0]) if inner else getattr(error, "errno", None)


def test_the_report_says_what_was_counted() -> None:
    report = Report(4, "http://acs.example/")
    figures = Figures(succeeded=90, disturbed=3, open=1, memory=40_000_000, cpu=2.0)
    figures.states.update({"up": 3})
    figures.accidents["reboot"] += 2
    figures.events["0 BOOTSTRAP"] += 4
    for _ in range(7):
        figures.fail("HTTP 503")
    figures.inform.note(0.050)
    report.update(10.0, figures)
    text = "\n".join(report.lines())
    assert "4 routers at http://acs.example/  0:00:10" in text
    assert "3 up, 1 not yet on" in text
    assert "90 succeeded, 7 failed, 3 cut by us, 1 open; 10.0/s" in text
    assert "7  HTTP 503" in text
    assert "2 reboot" in text
    assert "10.00 MB" in text
    table = report.to_table()
    assert table["sessions_per_second"] == 10.0
    assert table["inform_ms"]["p50"] == 50.0
    assert table["cpu_ms_per_session"] == 20.0
    assert "90 sessions (10.0/s)  7 failed" in report.line()


def test_a_report_before_anything_happened_is_one() -> None:
    report = Report(1, "http://acs.example/")
    assert report.to_table()["sessions_per_second"] == 0.0
    assert "1 not yet on" in "\n".join(report.lines())
