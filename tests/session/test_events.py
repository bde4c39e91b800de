"""The event queue and the journal that keeps it."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cwmp.contract.session import RequestDownload
from cwmp.runtime import StateFile
from cwmp.session import events as ev
from cwmp.session.events import RULES, Ack, Event, EventQueue, Keep
from cwmp.session.journal import VERSION, Journal, Reset, Wish

LOG = logging.getLogger("test")


def codes(queue: EventQueue) -> list[str]:
    return [e.code for e in queue]


def test_single_events_are_there_once_and_cumulative_ones_each() -> None:
    queue = EventQueue(
        [Event(ev.PERIODIC), Event(ev.PERIODIC), Event(ev.M_REBOOT, "a"), Event(ev.M_REBOOT, "a")]
    )
    assert codes(queue) == [ev.PERIODIC, ev.M_REBOOT, ev.M_REBOOT]


def test_p36_bootstrap_discards_everything() -> None:
    queue = EventQueue([Event(ev.BOOT), Event(ev.M_REBOOT, "a"), Event(ev.BOOTSTRAP)])
    assert codes(queue) == [ev.BOOTSTRAP]


def test_a_bootstrap_while_one_is_on_its_way_is_another_one() -> None:
    queue = EventQueue([Event(ev.BOOTSTRAP), Event(ev.BOOT)])
    sent = queue.for_inform()
    queue.sending()
    queue.raise_event(Event(ev.BOOTSTRAP))
    queue.acknowledge(sent)
    assert list(queue) == [Event(ev.BOOTSTRAP)]


def test_overflow_drops_the_oldest_cumulative_events() -> None:
    queue = EventQueue([Event(ev.BOOT)])
    for n in range(70):
        queue.raise_event(Event(ev.M_REBOOT, str(n)))
    entries = list(queue)
    assert len(entries) == 64
    assert entries[0] == Event(ev.BOOT)
    assert entries[1] == Event(ev.M_REBOOT, "7")
    derived = [Event(ev.TRANSFER_COMPLETE), Event("M Download", "k")]
    told = queue.for_inform(derived)
    assert len(told) == 64
    assert told[-2:] == derived


def test_an_event_that_happens_again_while_the_inform_is_on_its_way_stays() -> None:
    queue = EventQueue([Event(ev.DIAGNOSTICS_COMPLETE), Event(ev.DIAGNOSTICS_COMPLETE)])
    sent = queue.for_inform()
    queue.sending()
    queue.raise_event(Event(ev.DIAGNOSTICS_COMPLETE))
    queue.acknowledge(sent)
    assert list(queue) == sent
    queue.sending()
    queue.acknowledge(sent)
    assert not queue


@pytest.mark.parametrize("code", RULES)
def test_acknowledged_by_inform_response_or_not(code: str) -> None:
    event = Event(code, "k" if RULES[code].multiple else "")
    queue = EventQueue([event])
    queue.acknowledge([event])
    assert (len(queue) == 0) is (RULES[code].ack is Ack.INFORM)


def test_reboot_keeps_what_must_be_kept() -> None:
    queue = EventQueue([Event(c) for c in RULES if not RULES[c].multiple and c != ev.BOOTSTRAP])
    queue.rebooted(["a", "b"])
    kept = codes(queue)
    assert {c for c in kept if RULES[c].keep is not Keep.ALWAYS} == {ev.BOOT}
    assert [e.command_key for e in queue if e.code == ev.M_REBOOT] == ["a", "b"]
    assert {ev.PERIODIC, ev.TRANSFER_COMPLETE} <= set(kept)


def test_connection_request_is_never_retried_nor_kept() -> None:
    queue = EventQueue([Event(ev.CONNECTION_REQUEST), Event(ev.BOOT)])
    assert queue.to_list() == [[ev.BOOT, ""]]
    queue.session_ended([Event(ev.CONNECTION_REQUEST)])
    assert codes(queue) == [ev.BOOT]


def test_old_versions_do_not_hear_of_new_events() -> None:
    queue = EventQueue([Event("13 WAKEUP"), Event(ev.BOOT), Event("10 AUTONOMOUS TRANSFER COMPLETE")])
    assert [e.code for e in queue.for_inform(version="1.0")] == [ev.BOOT]
    assert len(queue.for_inform(version="1.4")) == 3


@pytest.mark.parametrize("document", [None, {}, [["x", ""]], [["1 BOOT"]], [[1, 2]], "1 BOOT"])
def test_an_odd_document_gives_a_queue(document: object) -> None:
    assert len(EventQueue.from_list(document)) == 0


def journal(directory: Path) -> Journal:
    return Journal(
        StateFile(directory / "flash.json", VERSION, LOG),
        StateFile(directory / "volatile.json", VERSION, LOG),
    )


def test_reboots_asked_for_become_events_of_the_next_boot(tmp_path: Path) -> None:
    first = journal(tmp_path)
    assert first.booted("boot-1")
    first.informed([Event(ev.BOOT)])
    first.reboot_asked("a")
    first.reboot_asked("b")
    assert not first.reboot_due
    first.session_ended([], success=True)
    second = journal(tmp_path)
    assert second.reboot_due
    assert not second.booted("boot-1")
    assert second.booted("boot-2")
    assert list(second.queue) == [Event(ev.BOOT), Event(ev.M_REBOOT, "a"), Event(ev.M_REBOOT, "b")]
    assert not second.reboot_due


def test_retry_count_survives_a_reboot_until_success(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.session_ended([], success=False)
    first.session_ended([], success=False)
    second = journal(tmp_path)
    second.booted("boot-2")
    assert second.retry_count == 2
    second.session_ended([], success=True)
    assert journal(tmp_path).retry_count == 0


def test_periodic_goes_to_flash_only_when_a_session_failed_with_it(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.booted("boot-1")
    flash = tmp_path / "flash.json"
    before = flash.read_bytes()
    first.raise_events([Event(ev.PERIODIC)])
    assert flash.read_bytes() == before
    assert ev.PERIODIC in journal(tmp_path).queue  # kill -9
    first.session_ended([Event(ev.PERIODIC)], success=False)
    (tmp_path / "volatile.json").unlink()  # reboot
    assert ev.PERIODIC in journal(tmp_path).queue
    first.informed([Event(ev.PERIODIC)])
    assert ev.PERIODIC not in journal(tmp_path).queue


class JournalMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, with kill -9 and reboots between any two writes: what is not
    acknowledged comes again, what is does not."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.path = Path(self._directory.name)
        self.boot = 0
        self.journal = journal(self.path)
        self.journal.booted("0")
        self.expected = [Event(ev.BOOT)]
        self.retries = 0
        self.asked: list[str] = []
        self.wishes: list[str] = []
        self.confirmed: list[str] = []
        self.reset = Reset.NONE

    def teardown(self) -> None:
        self._directory.cleanup()

    @rule(code=st.sampled_from([ev.PERIODIC, ev.DIAGNOSTICS_COMPLETE, ev.BOOT, ev.SCHEDULED]))
    def single(self, code: str) -> None:
        self.journal.raise_events([Event(code)])
        if Event(code) not in self.expected:
            self.expected.append(Event(code))

    @rule(key=st.sampled_from("abc"))
    def cumulative(self, key: str) -> None:
        self.journal.raise_events([Event("M ScheduleInform", key)])
        self.expected.append(Event("M ScheduleInform", key))
        cumulative = [e for e in self.expected if e.rule.multiple]
        if len(self.expected) > ev.MAX_ENTRIES:
            self.expected.remove(cumulative[0])

    @rule()
    def bootstrap(self) -> None:
        self.journal.bootstrap(acs_url="u", device="d", keep_boot=False)
        self.expected = [Event(ev.BOOTSTRAP)]
        self.wishes = []

    @rule()
    def acknowledged(self) -> None:
        sent = self.journal.queue.for_inform()
        self.journal.queue.sending()
        self.journal.informed(sent)
        self.expected = []

    @rule(success=st.booleans())
    def ended(self, success: bool) -> None:
        self.journal.session_ended(self.journal.queue.for_inform(), success=success)
        self.retries = 0 if success else self.retries + 1
        if success and self.reset is Reset.ASKED:
            self.reset = Reset.DUE

    @rule(name=st.sampled_from("pqr"))
    def wished(self, name: str) -> None:
        """The same request may come twice; it is one."""
        assert self.journal.wish(Wish(name, RequestDownload("2 Web Content", ["n"], [name])))
        if name not in self.wishes:
            self.wishes.append(name)

    @rule(name=st.sampled_from("pqr"))
    def wish_answered(self, name: str) -> None:
        self.journal.wish_answered(name)
        self.wishes = [w for w in self.wishes if w != name]

    @rule(name=st.sampled_from("tu"), settled=st.booleans())
    def confirmed_by_the_acs(self, name: str, settled: bool) -> None:
        self.journal.confirmed(self.journal.changes, name)
        self.confirmed.append(name)
        if settled:
            self.journal.settled(self.journal.changes, name)
            self.confirmed = [c for c in self.confirmed if c != name]

    @rule()
    def reset_asked(self) -> None:
        self.journal.reset_asked()
        self.reset = Reset.ASKED

    @precondition(lambda self: self.reset is Reset.DUE)
    @rule()
    def reset_ordered(self) -> None:
        self.journal.reset_ordered()
        self.reset = Reset.ORDERED

    @rule(key=st.sampled_from("xyz"))
    def reboot_asked(self, key: str) -> None:
        self.journal.reboot_asked(key)
        self.asked.append(key)

    @rule()
    def killed(self) -> None:
        self.journal = journal(self.path)
        assert not self.journal.booted(str(self.boot))

    @rule()
    def rebooted(self) -> None:
        """The volatile directory is gone; an untried periodic event with it, which no ACS was promised."""
        untried = Event(ev.PERIODIC) in self.expected and not self.journal._periodic_on_flash
        (self.path / "volatile.json").unlink(missing_ok=True)
        self.boot += 1
        self.journal = journal(self.path)
        assert self.journal.booted(str(self.boot))
        if self.reset is Reset.ORDERED:  # and this journal was not wiped: it counts as if it had been
            self.expected, self.asked, self.wishes, self.retries = [], [], [], 0
            self.reset = Reset.NONE
        kept = [
            e for e in self.expected if e.rule.keep is Keep.ALWAYS and not (untried and e.code == ev.PERIODIC)
        ]
        self.expected = [*kept, Event(ev.BOOT), *(Event(ev.M_REBOOT, k) for k in self.asked)]
        while len(self.expected) > ev.MAX_ENTRIES:
            self.expected.remove(next(e for e in self.expected if e.rule.multiple))
        self.asked = []

    @invariant()
    def as_expected(self) -> None:
        assert sorted(map(str, self.journal.queue)) == sorted(map(str, self.expected))
        assert self.journal.retry_count == self.retries
        assert self.journal.reboots == self.asked
        assert [w.request.values for w in self.journal.wishes] == [[name] for name in self.wishes]
        assert self.journal.changes.confirmed == self.confirmed
        assert self.journal.reset is self.reset


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
