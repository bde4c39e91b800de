"""ScheduleDownload's windows and the clocks behind them, without any I/O (TR-069a6 A.4.1.8)."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.test_transfer_queue import ALL, BOOT, later, transfer, walked

from cwmp.contract import Fault
from cwmp.contract.firmware import ScheduleDownload, TimeWindow
from cwmp.firmware import times
from cwmp.firmware.idle import IdleWatch
from cwmp.firmware.queue import Now, Queue, State, Step, Transfer, from_document, to_document
from cwmp.firmware.times import Mode, Window
from cwmp.firmware.validation import check
from cwmp.runtime import Paths

ANY, IDLE, ASK = Mode.AT_ANY_TIME.value, Mode.WHEN_IDLE.value, Mode.CONFIRMATION_NEEDED.value


def scheduled(*windows: Window, name: str = "a") -> Transfer:
    return dataclasses.replace(transfer(name), method="ScheduleDownload", windows=windows)


TWO = (Window(100, 200, ANY, max_retries=1), Window(300, 400, ANY))


def at(seconds: float) -> Now:
    return later(BOOT, seconds)


# Validation


def asked(*windows: tuple[int, int, str], **changes: object) -> ScheduleDownload:
    listed = [TimeWindow(begin, end, mode, **changes) for begin, end, mode in windows]  # type: ignore[arg-type]
    return ScheduleDownload("key", "1 Firmware Upgrade Image", "http://f.example/", windows=listed)


@pytest.mark.parametrize("mode", Mode)
def test_all_modes_of_the_standard(mode: Mode) -> None:
    check(asked((0, 10, mode.value), (10, 20, mode.value)))


@pytest.mark.parametrize(
    "request_",
    [
        asked(),
        asked((0, 1, ANY), (1, 2, ANY), (2, 3, ANY)),
        asked((5, 5, ANY)),
        asked((6, 5, ANY)),
        asked((-1, 5, ANY)),
        asked((0, 1 << 32, ANY)),
        asked((0, 10, ANY), (9, 20, ANY)),
        asked((10, 20, ANY), (0, 5, ANY)),
        asked((0, 10, "5 Sometime")),
        asked((0, 10, "X 02005E Full Moon")),
        asked((0, 10, "")),
        asked((0, 10, ANY), max_retries=-2),
        asked((0, 10, ANY), user_message="x" * 257),
    ],
)
def test_windows_that_are_refused(request_: ScheduleDownload) -> None:
    with pytest.raises(Fault) as caught:
        check(request_)
    assert caught.value.code == 9003


# The clocks


def test_in_a_boot_the_monotonic_clock_tells() -> None:
    jumped = dataclasses.replace(at(150), wall=0.0)
    assert scheduled(*TWO).open_window(jumped) == 0


def test_after_a_boot_the_wall_clock_tells() -> None:
    assert scheduled(*TWO).open_window(Now(BOOT.wall + 350, 200.0, "boot-2")) == 1


def test_right_after_a_boot_the_wall_clock_may_be_of_before_the_boot() -> None:
    waiting, early = scheduled(*TWO), Now(BOOT.wall + 350, 20.0, "boot-2")
    assert (waiting.open_window(early), waiting.due_in(early)) == (None, math.inf)
    late = Now(BOOT.wall + 9000, 20.0, "boot-2")
    assert waiting.too_late(late) is None
    assert waiting.too_late(later(late, 200)) is not None
    delayed = transfer("b", delay=60)
    assert (delayed.due_in(late), delayed.too_late(late)) == (160, None), (
        "it is too late, unless the clock is wrong"
    )
    assert delayed.due_in(early) < 0


def test_after_a_boot_without_a_clock_no_window_is_known_to_be_open() -> None:
    waiting = scheduled(*TWO)
    unset = Now(150.0, 150.0, "boot-2")
    assert waiting.open_window(unset) is None
    assert waiting.due_in(unset) == math.inf
    assert waiting.too_late(unset) is None
    assert waiting.too_late(Now(400.0, 400.0, "boot-2")) is not None, "so much has passed in any case"


def test_a_clock_that_is_set_after_the_request_counts_from_the_request() -> None:
    cold = Now(30.0, 30.0, "boot-1")
    queue = Queue().add(dataclasses.replace(scheduled(*TWO), accepted=cold))
    assert queue.expire(Now(40.0, 40.0, "boot-1")) is queue
    known = queue.expire(Now(BOOT.wall, 50.0, "boot-1"))
    assert known.transfer("a").accepted == Now(BOOT.wall - 20, 30.0, "boot-1")
    assert known.transfer("a").open_window(Now(BOOT.wall + 100, 900.0, "boot-2")) == 0


# When it may run


@pytest.mark.parametrize(
    ("seconds", "due_in", "window", "left"),
    [
        (0, 100, None, 0),
        (100, 0, 0, 100),
        (199, -99, 0, 1),
        (200, 100, None, 0),
        (350, -50, 1, 50),
        (400, math.inf, None, 0),
    ],
)
def test_where_in_its_windows_it_is(seconds: int, due_in: float, window: int | None, left: float) -> None:
    waiting, now = scheduled(*TWO), at(seconds)
    assert (waiting.due_in(now), waiting.open_window(now), waiting.time_left(now)) == (due_in, window, left)


def test_9020_after_the_last_window() -> None:
    queue = Queue().add(scheduled(*TWO))
    assert queue.expire(at(399)) is queue
    (failed,) = queue.expire(at(400)).completed("acs")
    assert failed.fault_code == 9020


def test_what_nobody_confirmed_says_so() -> None:
    (failed,) = Queue().add(scheduled(Window(0, 10, ASK))).expire(at(10)).completed("acs")
    assert (failed.fault_code, "nobody confirmed" in failed.fault_string) == (9020, True)


def test_a_delayed_transfer_begins_within_an_hour_or_fails() -> None:
    queue = Queue().add(transfer("a", delay=60)).add(transfer("b"))
    assert queue.expire(at(3660)) is queue
    (failed,) = queue.expire(at(3661)).completed("acs")
    assert (failed.id, failed.fault_code) == ("a", 9010)


def test_an_upload_that_is_too_late_is_an_upload_failure() -> None:
    waiting = dataclasses.replace(transfer("a", delay=60), method="Upload")
    (failed,) = Queue().add(waiting).expire(at(5000)).completed("acs")
    assert failed.fault_code == 9011


def test_when_idle() -> None:
    queue = Queue().add(scheduled(Window(0, 100, IDLE)))
    assert queue.needs_idle(at(10))
    assert queue.next_due(at(10), idle=False) is None
    assert queue.next_due(at(10), idle=True) is not None
    assert not queue.needs_idle(at(200))


def test_confirmation_needed() -> None:
    queue = Queue().add(scheduled(Window(0, 100, ASK, "Now?")))
    assert queue.next_due(at(10)) is None
    window = queue.transfer("a").asks_for(at(10))
    assert window is not None
    assert window.user_message == "Now?"
    confirmed = queue.confirm("a")
    assert confirmed.confirm("a") is confirmed
    assert confirmed.next_due(at(10)) is not None
    assert confirmed.transfer("a").asks_for(at(10)) is None


@pytest.mark.parametrize("name", ["a", "b"])
def test_what_needs_no_confirmation(name: str) -> None:
    with pytest.raises(Fault) as caught:
        Queue().add(transfer("a")).confirm(name)
    assert caught.value.code == 9003


def test_one_that_waits_for_somebody_holds_up_nobody() -> None:
    queue = Queue().add(scheduled(Window(0, 100, ASK))).add(transfer("b", delay=5))
    due = queue.next_due(at(6))
    assert due is not None
    assert due.id == "b"


# Trying again


def tried(queue: Queue, now: Now, code: int = 9015) -> Queue:
    due = queue.next_due(now)
    assert due is not None
    number = due.open_window(now)
    changed = {} if number == due.window else {"window": number, "tries": 0}
    begun = queue.advance(due.id, Step.START, attempts=due.attempts + 1, **changed)
    return begun.failed(due.id, Fault(code, "no"), now)


def test_retries_of_a_window_and_then_the_next() -> None:
    queue = tried(Queue().add(scheduled(*TWO)), at(110))
    again = queue.transfer("a")
    assert (again.state, again.due_in(at(110))) == (State.QUEUED, 60), "after a pause"
    queue = tried(queue, at(170))
    assert queue.next_due(at(180)) is None, "the one retry of this window is used up"
    queue = tried(queue, at(300))
    (failed,) = queue.completed("acs")
    assert failed.fault_code == 9015, "no retry in the last: what went wrong, not that time is over"


def test_minus_one_is_ours_to_decide() -> None:
    queue = Queue().add(scheduled(Window(0, 10_000, ANY, max_retries=-1)))
    tries, now = 0, at(0)
    while queue.waiting():
        queue, tries = tried(queue, now), tries + 1
        now = later(now, 700)
    assert tries == 1 + times.OUR_RETRIES


def test_a_pause_over_the_end_of_a_window_ends_in_the_next() -> None:
    queue = tried(Queue().add(scheduled(*TWO)), at(190))
    assert queue.transfer("a").due_in(at(190)) == 110


@pytest.mark.parametrize("code", [9012, 9018, 9019])
def test_what_waiting_cannot_mend_is_not_tried_again(code: int) -> None:
    (failed,) = tried(Queue().add(scheduled(*TWO)), at(110), code).completed("acs")
    assert failed.fault_code == code


@pytest.mark.parametrize("steps", [ALL[:4], (*ALL[:3], Step.INSTALL, Step.INSTALLED)])
def test_what_took_the_system_down_is_not_tried_again(steps: tuple[Step, ...]) -> None:
    queue = walked(Queue().add(scheduled(*TWO)), "a", *steps)
    (failed,) = queue.failed("a", Fault(9010, "it went on running"), at(110)).completed("acs")
    assert failed.fault_code == 9010


def test_a_window_that_closes_meanwhile() -> None:
    queue = Queue().add(scheduled(*TWO)).advance("a", Step.START, attempts=1)
    assert queue.missed("a").transfer("a").due_in(at(200)) == 100
    late = queue.failed("a", Fault(9017, "broke off"), at(250))
    assert late.transfer("a").state is State.QUEUED


def test_a_window_that_closes_before_it_began() -> None:
    queue = Queue().add(scheduled(*TWO))
    assert queue.missed("a") is queue
    assert queue.missed("gone") is queue


def test_without_windows_nothing_is_tried_again() -> None:
    queue = Queue().add(transfer("a")).advance("a", Step.START)
    assert queue.failed("a", Fault(9015, "no"), at(1)).completed("acs")[0].fault_code == 9015


@pytest.mark.parametrize(("code", "reported"), [(9003, 9010), (9013, 9010), (9020, 9020), (9019, 9019)])
def test_only_codes_that_transfer_complete_may_say(code: int, reported: int) -> None:
    queue = Queue().add(transfer("a")).fail("a", Fault(code, "no"), BOOT)
    assert queue.transfer("a").fault_code == reported


windows = st.tuples(
    st.integers(0, 500), st.integers(1, 500), st.integers(0, 500), st.integers(1, 500), st.integers(-1, 3)
).map(lambda n: (Window(n[0], n[0] + n[1], ANY, "", n[4]), Window(sum(n[:3]), sum(n[:4]), ANY, "", n[4])))


@settings(max_examples=80)
@given(
    windows,
    st.lists(st.integers(1, 200), min_size=20, max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_it_only_ever_runs_in_a_window_and_always_ends(
    both: tuple[Window, Window], pauses: list[int], cuts: list[bool]
) -> None:
    queue, now = Queue().add(scheduled(*both)), BOOT
    for pause, cut in zip(pauses, cuts, strict=False):
        now = later(now, pause)
        if cut:
            queue = from_document(json.loads(json.dumps(to_document(queue))))[0].recover(now)
            now = Now(now.wall, 1.0, now.boot_id + "'")
        queue = queue.expire(now)
        if queue.next_due(now) is not None:
            passed = now.wall - BOOT.wall
            assert any(w.start <= passed < w.end for w in both)
            queue = tried(queue, now)
    queue = queue.expire(later(now, 10_000))
    (failed,) = queue.completed("acs")
    assert failed.fault_code in {9015, 9020}


# The document


def test_windows_survive() -> None:
    queue = (
        tried(Queue().add(scheduled(*TWO)), at(110))
        .add(scheduled(Window(0, 5, ASK, "?"), name="b"))
        .confirm("b")
    )
    assert from_document(json.loads(json.dumps(to_document(queue)))) == (queue, [])


@pytest.mark.parametrize(
    "damage",
    [{"windows": [{"start": 1}]}, {"windows": [{"start": "0", "end": 1, "mode": ANY}]}, {"confirmed": "yes"}],
)
def test_damaged_windows_cost_the_record_only(damage: dict[str, object]) -> None:
    document = json.loads(json.dumps(to_document(Queue().add(scheduled(*TWO)).add(transfer("b")))))
    document["transfers"][0] |= damage
    queue, problems = from_document(document)
    assert ([t.id for t in queue.transfers], len(problems)) == (["b"], 1)


def test_a_record_of_before_there_were_windows() -> None:
    old = json.loads((Path(__file__).parent / "queue_version_1.json").read_text())
    queue, problems = from_document(old)
    assert problems == []
    assert [(t.state, t.method, t.windows) for t in queue.transfers] == [
        (State.QUEUED, "Download", ()), (State.APPLYING, "Download", ()), (State.COMPLETE, "Download", ()),
    ]  # fmt: skip
    assert queue.transfer("b2").outcome("24.10.2 r28739") is None


# Other kinds of transfers in the machine


def test_an_upload_and_a_configuration_go_through_their_states() -> None:
    queue = Queue().add(transfer("a")).add(transfer("b"))
    queue = walked(queue, "a", Step.SEND, Step.SUCCEED)
    queue = walked(queue, "b", *ALL[:3], Step.INSTALL, Step.INSTALLED, Step.SUCCEED)
    assert [t.state for t in queue.transfers] == [State.COMPLETE, State.COMPLETE]


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ((Step.SEND,), State.QUEUED),
        ((*ALL[:3], Step.INSTALL), State.QUEUED),
        ((*ALL[:3], Step.INSTALL, Step.INSTALLED), State.RESTARTING),
    ],
)
def test_what_begins_again_after_it_was_cut_off(steps: tuple[Step, ...], state: State) -> None:
    assert walked(Queue().add(transfer("a")), "a", *steps).recover(BOOT).transfer("a").state is state


@pytest.mark.parametrize("steps", [(*ALL[:3], Step.INSTALL), (*ALL[:3], Step.INSTALL, Step.INSTALLED)])
def test_what_cannot_be_cancelled(steps: tuple[Step, ...]) -> None:
    with pytest.raises(Fault) as caught:
        walked(Queue().add(transfer("a")), "a", *steps).cancel("a")
    assert caught.value.code == 9021


def test_autonomous_transfers_are_reported_if_somebody_wants_to_know() -> None:
    queue = Queue().add(transfer("a", origin="autonomous")).add(transfer("b", origin="autonomous"))
    queue = walked(walked(queue, "a", *ALL), "b", *ALL).judged(lambda t: t.id == "a")
    assert [t.id for t in queue.unconfirmed()] == ["a"]
    assert [t.id for t in queue.completed("local")] == ["b"]


# Idle


class Router:
    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.carried(0)
        self.load(0.1)

    def carried(self, size: int, device: str = "eth0") -> None:
        path = self.paths.system(f"/sys/class/net/{device}/statistics")
        path.mkdir(parents=True, exist_ok=True)
        (path / "rx_bytes").write_text(f"{size}\n")
        (path / "tx_bytes").write_text("0\n")

    def load(self, value: float) -> None:
        self.paths.system("/proc/loadavg").write_text(f"{value} 0.00 0.00 1/99 1234\n")


def test_idle_is_known_after_two_looks(paths: Paths) -> None:
    router = Router(paths)
    watch = IdleWatch(paths)
    assert not watch.idle(0)
    assert not watch.idle(10), "too soon to tell"
    router.carried(60 * 5_000)
    assert watch.idle(60)
    router.carried(60 * 5_000 + 60 * 9_000)
    assert not watch.idle(120)
    router.load(99.0)
    assert not watch.idle(180)
    router.load(0.0)
    assert watch.idle(181)
    watch.forget()
    assert not watch.idle(182)


def test_counters_that_begin_anew_and_the_loopback(paths: Paths) -> None:
    router = Router(paths)
    router.carried(10**9)
    watch = IdleWatch(paths)
    watch.idle(0)
    router.carried(0)
    router.carried(10**12, "lo")
    assert watch.idle(60)


def test_a_system_without_counters(tmp_path: Path, paths: Paths) -> None:
    watch = IdleWatch(paths)
    watch.idle(0)
    assert watch.idle(60)
