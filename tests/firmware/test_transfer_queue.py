"""The transfer queue: the machine, the clocks, the document; and all of it at random."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cwmp.contract import Fault
from cwmp.firmware.queue import (
    LIMIT,
    MAX_ATTEMPTS,
    TRANSITIONS,
    Now,
    Queue,
    State,
    Step,
    Transfer,
    from_document,
    to_document,
)

HOUR = 3600.0
BOOT = Now(wall=1_800_000_000.0, boottime=100.0, boot_id="boot-1")


def transfer(name: str = "a", delay: int = 0, accepted: Now = BOOT, origin: str = "acs") -> Transfer:
    return Transfer(
        id=name,
        request_id=f"request-{name}",
        origin=origin,
        method="Download",
        command_key="key",
        file_type="1 Firmware Upgrade Image",
        url="http://files.example/image",
        username="user",
        password="secret",
        file_size=0,
        target_file_name="",
        delay=delay,
        accepted=accepted,
    )


def later(now: Now, seconds: float) -> Now:
    return dataclasses.replace(now, wall=now.wall + seconds, boottime=now.boottime + seconds)


def walked(queue: Queue, name: str, *steps: Step) -> Queue:
    for step in steps:
        queue = queue.advance(name, step)
    return queue


ALL = (Step.START, Step.FETCHED, Step.VERIFIED, Step.APPLY, Step.SUCCEED)


def test_a_transfer_goes_through_its_states() -> None:
    queue = Queue().add(transfer())
    seen = []
    for step in ALL:
        queue = queue.advance("a", step)
        seen.append(queue.transfer("a").state)
    assert seen == [State.DOWNLOADING, State.CHECKING, State.READY, State.APPLYING, State.COMPLETE]


def test_every_state_but_the_last_has_a_way_out_and_only_those() -> None:
    sources = {state for state, _ in TRANSITIONS}
    assert sources == set(State) - {State.COMPLETE, State.CANCELLED}
    assert all((state, Step.FAIL) in TRANSITIONS for state in sources), "anything may fail"
    assert (State.APPLYING, Step.CUT_OFF) not in TRANSITIONS, "what may have been flashed never begins again"
    assert (State.APPLYING, Step.CANCEL) not in TRANSITIONS


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_steps_that_are_not_in_the_table_are_refused(state: State, step: Step) -> None:
    queue = Queue((dataclasses.replace(transfer(), state=state),))
    if (state, step) in TRANSITIONS:
        queue.advance("a", step)
    else:
        with pytest.raises(LookupError):
            queue.advance("a", step)


def test_what_has_been_due_longest_comes_first_not_what_was_asked_for_first() -> None:
    queue = Queue().add(transfer("a", delay=300)).add(transfer("b", delay=100)).add(transfer("c", delay=200))
    assert queue.next_due(BOOT) is None
    assert queue.due_in(BOOT) == 100
    order = []
    now = later(BOOT, 1000)
    while (due := queue.next_due(now)) is not None:
        order.append(due.id)
        queue = walked(queue, due.id, *ALL)
    assert order == ["b", "c", "a"]
    assert [t.id for t in queue.completed("acs")] == order


def test_nothing_starts_while_something_runs() -> None:
    queue = Queue().add(transfer("a")).add(transfer("b"))
    assert queue.advance("a", Step.START).next_due(BOOT) is None


def test_the_queue_is_bounded() -> None:
    queue = Queue()
    for number in range(LIMIT):
        queue = queue.add(transfer(str(number), delay=9))
    with pytest.raises(Fault) as caught:
        queue.add(transfer("one more"))
    assert caught.value.code == 9004


def test_unconfirmed_completions_are_bounded() -> None:
    queue = Queue()
    with pytest.raises(Fault) as caught:
        for number in range(1000):
            queue = walked(queue.add(transfer(str(number))), str(number), *ALL)
    assert caught.value.code == 9004
    assert len(queue.completed("acs")) == 32


def test_a_request_is_known_for_as_long_as_it_may_come_again() -> None:
    queue = Queue().add(transfer("a"))
    assert queue.knows_request("request-a")
    done = walked(queue, "a", *ALL)
    assert done.knows_request("request-a")
    assert done.acknowledge("a").knows_request("request-a")
    assert queue.cancel("a").knows_request("request-a")
    assert not queue.knows_request("request-b")


def test_acknowledged_transfers_are_gone_and_may_be_acknowledged_again() -> None:
    queue = walked(Queue().add(transfer("a")), "a", *ALL)
    gone = queue.acknowledge("a")
    assert gone.transfers == ()
    assert gone.acknowledge("a") is gone


def test_only_what_is_complete_can_be_acknowledged() -> None:
    queue = Queue().add(transfer("a"))
    assert queue.acknowledge("a") is queue


@pytest.mark.parametrize("steps", range(6))
def test_cancelling(steps: int) -> None:
    queue = walked(Queue().add(transfer("a")), "a", *ALL[:steps])
    if steps <= 3:
        assert queue.cancel("a").transfers == ()
    else:
        with pytest.raises(Fault) as caught:
            queue.cancel("a")
        assert caught.value.code == 9021


def test_cancelling_what_is_not_there() -> None:
    with pytest.raises(Fault) as caught:
        Queue().cancel("a")
    assert caught.value.code == 9003


@pytest.mark.parametrize(
    ("steps", "state"), [(1, State.QUEUED), (2, State.QUEUED), (3, State.QUEUED), (4, State.APPLYING)]
)
def test_recovery_begins_again_but_never_flashes_again(steps: int, state: State) -> None:
    queue = walked(Queue().add(transfer("a")), "a", *ALL[:steps])
    assert queue.recover(BOOT).transfer("a").state is state


def test_a_transfer_that_is_always_cut_off_fails_in_the_end() -> None:
    queue = Queue().add(transfer("a"))
    attempts = 0
    while queue.transfer("a").state is State.QUEUED:
        attempts += 1
        queue = queue.advance("a", Step.START, attempts=attempts).recover(BOOT)
    assert attempts == MAX_ATTEMPTS
    (failed,) = queue.completed("acs")
    assert failed.fault_code == 9010
    assert "downloading" in failed.fault_string


def test_within_a_boot_the_wall_clock_decides_nothing() -> None:
    waiting = transfer(delay=600)
    for jump in (-1e9, 1e6):
        now = dataclasses.replace(later(BOOT, 10), wall=BOOT.wall + jump)
        assert waiting.due_in(now) == 590


def test_after_a_boot_the_wall_clock_decides_if_it_is_set() -> None:
    waiting = transfer(delay=600)
    assert waiting.due_in(Now(BOOT.wall + 450, 30.0, "boot-2")) == 150
    assert waiting.due_in(Now(BOOT.wall + 601, 30.0, "boot-2")) <= 0


def test_after_a_boot_without_a_clock_the_delay_counts_from_the_boot() -> None:
    waiting = transfer(delay=600)
    assert waiting.due_in(Now(0.0, 30.0, "boot-2")) == 570
    assert waiting.due_in(Now(0.0, 600.0, "boot-2")) == 0


@pytest.mark.parametrize(
    ("before", "expected", "now", "success"),
    [
        ("1 r1", "2 r2", "2 r2", True),
        ("1 r1", "", "2 r2", True),
        ("1 r1", "1 r1", "1 r1", True),  # the same firmware flashed again
        ("1 r1", "2 r2", "1 r1", False),
        ("1 r1", "", "1 r1", False),
        ("1 r1", "2 r2", "3 r3", True),  # an image that lies about itself, but something new runs
    ],
)
def test_the_running_version_decides(before: str, expected: str, now: str, success: bool) -> None:
    applied = dataclasses.replace(transfer(), version_before=before, version_expected=expected)
    fault = applied.outcome(now)
    assert (fault is None) is success
    if fault is not None:
        assert fault.code == 9018
        assert before in fault.text


def test_fault_strings_fit_into_transfer_complete() -> None:
    queue = Queue().add(transfer("a")).fail("a", Fault(9010, "x" * 1000), BOOT)
    assert len(queue.transfer("a").fault_string) == 256


def test_secrets_leave_with_the_last_step_and_are_in_no_repr() -> None:
    queue = Queue().add(transfer("a"))
    assert "secret" not in repr(queue)
    failed = queue.fail("a", Fault(9010, "no"), BOOT)
    assert "secret" not in json.dumps(to_document(failed))


def test_the_local_history_is_bounded() -> None:
    queue = Queue()
    for number in range(20):
        queue = walked(queue.add(transfer(str(number), origin="local")), str(number), *ALL)
    assert [t.id for t in queue.completed("local")] == [str(n) for n in range(12, 20)]
    assert queue.completed("acs") == []


def test_the_document_comes_back_as_the_queue() -> None:
    queue = walked(Queue().add(transfer("a")).add(transfer("b", delay=5)), "a", *ALL[:4]).cancel("b")
    again, problems = from_document(json.loads(json.dumps(to_document(queue))))
    assert (again, problems) == (queue, [])


@pytest.mark.parametrize(
    "damage",
    [
        {"state": "flashing"},
        {"delay": "soon"},
        {"accepted": {}},
        {"url": None},
    ],
)
def test_a_damaged_record_is_left_out_and_reported(damage: dict[str, object]) -> None:
    document = json.loads(json.dumps(to_document(Queue().add(transfer("a")).add(transfer("b")))))
    document["transfers"][0] |= damage
    queue, problems = from_document(document)
    assert [t.id for t in queue.transfers] == ["b"]
    assert len(problems) == 1


@pytest.mark.parametrize("document", [{}, {"transfers": 3}, {"transfers": [None, []], "answered": {}}])
def test_a_document_that_is_none(document: dict[str, object]) -> None:
    assert from_document(document)[0] == Queue()


NEXT = {
    "firmware": {State.DOWNLOADING: Step.FETCHED, State.CHECKING: Step.VERIFIED, State.READY: Step.APPLY},
    "configuration": {
        State.DOWNLOADING: Step.FETCHED,
        State.CHECKING: Step.VERIFIED,
        State.READY: Step.INSTALL,
        State.INSTALLING: Step.INSTALLED,
    },
    "web": {
        State.DOWNLOADING: Step.FETCHED,
        State.CHECKING: Step.VERIFIED,
        State.READY: Step.INSTALL,
        State.INSTALLING: Step.SUCCEED,
    },
    "log": {State.UPLOADING: Step.SUCCEED},
}
"""What comes after a state, for each kind of file; where nothing does, a boot."""


class QueueMachine(RuleBasedStateMachine):
    """Requests, steps, crashes, boots and clock jumps in any order; a model knows what must be true."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue()
        self.now = BOOT
        self.count = 0
        self.boots = 1
        self.open: set[str] = set()  # accepted, neither cancelled nor confirmed
        self.flashed: list[str] = []
        self.completed: list[str] = []
        self.due_at: dict[str, float] = {}

    @rule(delay=st.integers(0, 1000), kind=st.sampled_from(sorted(NEXT)))
    def ask(self, delay: int, kind: str) -> None:
        name = f"{self.count} {kind}"
        try:
            self.queue = self.queue.add(transfer(name, delay, self.now))
        except Fault as fault:
            assert fault.code == 9004
            assert len(self.open) >= LIMIT
        else:
            self.count += 1
            self.open.add(name)

    @rule(seconds=st.integers(1, 2000))
    def time_passes(self, seconds: int) -> None:
        self.now = later(self.now, seconds)

    @rule(jump=st.integers(-(10**9), 10**6))
    def clock_is_set(self, jump: int) -> None:
        before = {t.id: t.due_in(self.now) for t in self.queue.transfers}
        self.now = dataclasses.replace(self.now, wall=max(0.0, self.now.wall + jump))
        for t in self.queue.transfers:
            if t.accepted.boot_id == self.now.boot_id:
                assert t.due_in(self.now) == before[t.id]

    @rule(cold=st.booleans())
    def boot(self, cold: bool) -> None:
        self.boots += 1
        self.now = Now(0.0 if cold else self.now.wall + 60, 1.0, f"boot-{self.boots}")
        self.crash()
        running = self.queue.running()
        if running is not None:
            assert running.state in {State.APPLYING, State.RESTARTING}
            self.queue = self.queue.advance(running.id, Step.SUCCEED)
            self.completed.append(running.id)

    @rule()
    def time_is_up_for_some(self) -> None:
        before = {t.id for t in self.queue.completed("acs")}
        self.queue = self.queue.expire(self.now)
        expired = [t for t in self.queue.completed("acs") if t.id not in before]
        assert all(t.fault_code == 9010 and t.delay and t.attempts == 0 for t in expired)
        self.completed += [t.id for t in expired]

    @rule()
    def crash(self) -> None:
        queue, problems = from_document(json.loads(json.dumps(to_document(self.queue))))
        assert not problems
        before = {t.id for t in self.queue.completed("acs")}
        self.queue = queue.recover(self.now)
        self.completed += [t.id for t in self.queue.completed("acs") if t.id not in before]

    @rule(fails=st.booleans())
    def work(self, fails: bool) -> None:
        running = self.queue.running()
        if running is None:
            due = self.queue.next_due(self.now)
            if due is not None:
                assert due.due_in(self.now) <= 0
                waiting = [t for t in self.queue.transfers if t.state is State.QUEUED]
                assert all(t.due_in(self.now) >= due.due_in(self.now) for t in waiting)
                step = Step.SEND if due.id.endswith("log") else Step.START
                self.queue = self.queue.advance(due.id, step, attempts=due.attempts + 1)
        elif fails:
            self.queue = self.queue.failed(running.id, Fault(9010, "failed"), self.now)
            self.completed.append(running.id)
        elif (step_now := NEXT[running.id.split()[1]].get(running.state)) is not None:
            self.queue = self.queue.advance(running.id, step_now)
            if step_now is Step.APPLY:
                self.flashed.append(running.id)
            if step_now is Step.SUCCEED:
                self.completed.append(running.id)

    @precondition(lambda self: self.queue.transfers)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.queue.transfers))
        try:
            self.queue = self.queue.cancel(chosen.id)
        except Fault as fault:
            assert fault.code == 9021
            assert chosen.state in {State.APPLYING, State.INSTALLING, State.RESTARTING, State.COMPLETE}
        else:
            self.open.discard(chosen.id)

    @precondition(lambda self: self.queue.completed("acs"))
    @rule()
    def acknowledge(self) -> None:
        first = self.queue.completed("acs")[0]
        self.queue = self.queue.acknowledge(first.id)
        self.open.discard(first.id)

    @invariant()
    def nothing_is_lost_or_done_twice(self) -> None:
        assert {t.id for t in self.queue.transfers} == self.open
        assert len(self.flashed) == len(set(self.flashed))
        assert len(self.completed) == len(set(self.completed))

    @invariant()
    def one_at_a_time(self) -> None:
        busy = [t for t in self.queue.transfers if t.state not in {State.QUEUED, State.COMPLETE}]
        assert len(busy) <= 1

    @invariant()
    def requests_are_known(self) -> None:
        assert all(self.queue.knows_request(t.request_id) for t in self.queue.transfers)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
