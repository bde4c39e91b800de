"""The session procedure, joined to an ACS-side core without sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.contract import Fault
from cwmp.session import soap
from cwmp.session._transitions import FOLLOWS, TABLE, Input, State, Step
from cwmp.session.engine import (
    CALLS,
    Abandon,
    Acknowledge,
    Action,
    Close,
    CpeRequest,
    Engine,
    Note,
    Send,
    SendEmpty,
    Serve,
)

INFORM = soap.Inform(
    "A", "A1B2C3", "P", "S", [soap.EventStruct("1 BOOT")], "2026-01-05T10:00:00Z", 0, [], [], []
)
COMPLETE = soap.TransferComplete("k", 0, "", "2026-01-05T10:00:00Z", "2026-01-05T10:00:00Z")


def transfer(token: str) -> CpeRequest:
    return CpeRequest(COMPLETE, token)


@dataclass
class AcsCore:
    """What the ACS sends, in order; a plain answer to requests, then nothing. `got` is what it was POSTed."""

    replies: list[soap.Received | None] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    acknowledged: list[str | None] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def reply(self, sent: Send | SendEmpty) -> soap.Received | None:
        self.got.append(type(sent.message).__name__ if isinstance(sent, Send) else "")
        self.ids.append(sent.header.id if isinstance(sent, Send) else None)
        if self.replies:
            return self.replies.pop(0)
        message = sent.message if isinstance(sent, Send) else None
        if isinstance(message, soap.Inform):
            return soap.Received(soap.InformResponse(), 2, self.ids[-1])
        if isinstance(message, soap.TransferComplete):
            return soap.Received(soap.TransferCompleteResponse(), 2, self.ids[-1])
        return None


def run(acs: AcsCore, engine: Engine) -> Close:
    """The session to its end."""
    actions: list[Action] = engine.begin()
    for _ in range(200):
        action = actions.pop(0)
        match action:
            case Send() | SendEmpty():
                actions += engine.received(acs.reply(action))
            case Serve(request):
                assert isinstance(request, soap.Reboot | soap.GetRPCMethods)
                actions += engine.served(soap.RebootResponse())
            case Acknowledge(token):
                acs.acknowledged.append(token)
            case Abandon(token):
                acs.abandoned.append(token)
            case Note(text):
                acs.notes.append(text)
            case Close():
                assert not actions
                assert engine.over
                return action
    raise AssertionError("the session does not end")


def session(
    *replies: soap.Received | None, requests: Sequence[CpeRequest] = (), version: str = "1.4"
) -> tuple[Close, AcsCore, Engine]:
    acs, engine = AcsCore(list(replies)), Engine(INFORM, requests, version=version, id_prefix="i")
    return run(acs, engine), acs, engine


def received(
    message: object, *, hold: bool = False, id: str | None = None, use: str | None = None, cwmp: int = 2
) -> soap.Received:
    return soap.Received(message, cwmp, id, hold, use)  # type: ignore[arg-type]


OK = received(soap.InformResponse())
REBOOT = received(soap.Reboot("k"), id="acs-1")
REFUSE = received(soap.AcsFault(8001, "no"))
AGAIN = received(soap.AcsFault(8005, "again"))
CONFIRM = received(soap.TransferCompleteResponse())


def test_shortest_session() -> None:
    close, acs, _ = session()
    assert close == Close(True)
    assert acs.got == ["Inform", ""]
    assert acs.acknowledged == [None]


def test_acs_requests_until_empty_then_no_further_post() -> None:
    close, acs, _ = session(OK, REBOOT, REBOOT)
    assert close.success
    assert acs.got == ["Inform", "", "RebootResponse", "RebootResponse"]
    assert acs.ids == ["i1", None, "acs-1", "acs-1"]


def test_own_requests_come_before_the_empty_post() -> None:
    close, acs, _ = session(requests=[transfer("a"), transfer("b")])
    assert close.success
    assert acs.got == ["Inform", "TransferComplete", "TransferComplete", ""]
    assert acs.acknowledged == [None, "a", "b"]
    assert acs.ids == ["i1", "i2", "i3", None]


def test_p14_hold_requests_lets_the_acs_speak_first() -> None:
    held = received(soap.InformResponse(), hold=True)
    ask = received(soap.Reboot("k"), hold=True, id="x")
    close, acs, _ = session(held, ask, None, requests=[transfer("a")])
    assert close.success
    assert acs.got == ["Inform", "", "RebootResponse", "TransferComplete", ""]


def test_empty_post_under_hold_does_not_end_the_turn() -> None:
    held = received(soap.InformResponse(), hold=True)
    close, acs, _ = session(held, None, requests=[transfer("a")])
    assert close.success
    assert acs.got == ["Inform", "", "TransferComplete", ""]
    close, acs, _ = session(held, None, None)
    assert acs.got == ["Inform", "", ""]  # once under hold, once to say that there is nothing


def test_no_own_request_after_the_empty_post() -> None:
    """HoldRequests that changes its mind does not give the turn back."""
    close, acs, _ = session(OK, REBOOT, None)
    assert close.success
    assert acs.got.count("") == 1


@pytest.mark.parametrize("times", [1, 3])
def test_fault_8005_repeats_the_identical_request(times: int) -> None:
    close, acs, _ = session(OK, *[AGAIN] * times, requests=[transfer("a")])
    assert close.success
    assert acs.got == ["Inform", *["TransferComplete"] * (times + 1), ""]
    assert set(acs.ids[1:-1]) == {"i2"}
    close, acs, _ = session(*[AGAIN] * times)
    assert close.success
    assert acs.ids == [*["i1"] * (times + 1), None]


def test_p15_fault_8005_the_fourth_time_fails() -> None:
    close, acs, _ = session(*[AGAIN] * 4)
    assert not close.success
    assert acs.got == ["Inform"] * 4
    close, acs, _ = session(OK, *[AGAIN] * 4, requests=[transfer("a")])
    assert not close.success
    assert "8005" in close.reason


def test_fault_8005_under_hold_waits_for_leave() -> None:
    again = received(soap.AcsFault(8005, ""), hold=True)
    close, acs, _ = session(OK, again, None, requests=[transfer("a")])
    assert close.success
    assert acs.got == ["Inform", "TransferComplete", "", "TransferComplete", ""]
    assert acs.ids[1] == acs.ids[3]


@pytest.mark.parametrize("code", [8000, 8001, 8002, 8003, 8004, 8899])
def test_p16_fault_to_a_request_leaves_it_undone_and_goes_on(code: int) -> None:
    close, acs, _ = session(OK, received(soap.AcsFault(code, "no")), requests=[transfer("a"), transfer("b")])
    assert close.success
    assert acs.acknowledged == [None, "b"]
    assert acs.abandoned == ["a"]
    assert str(code) in acs.notes[0]


@pytest.mark.parametrize("code", [8000, 8001, 8002, 8003, 8004, 8006])
def test_fault_to_the_inform_fails_the_session(code: int) -> None:
    close, acs, engine = session(received(soap.AcsFault(code, "reason")))
    assert not close.success
    assert f"{code} reason" in close.reason
    assert acs.acknowledged == []
    assert engine.version_refused is (code == 8006)


def test_p17_unknown_methods_and_bad_arguments_are_answered_with_their_id() -> None:
    bad = received(soap.InvalidRequest("X", Fault(9000, "unknown")), id="x-7")
    close, acs, _ = session(OK, bad)
    assert close.success
    assert acs.got == ["Inform", "", "Fault"]
    assert acs.ids[-1] == "x-7"


def test_request_without_id_is_answered_without() -> None:
    _, acs, _ = session(OK, received(soap.Reboot("k")))
    assert acs.ids[-1] is None


def test_a_wrong_id_is_noted_and_accepted() -> None:
    close, acs, _ = session(received(soap.InformResponse(), id="other"))
    assert close.success
    assert "'other'" in acs.notes[0]


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (None, False),
        (REBOOT, False),
        (CONFIRM, False),
        (None, True),
        (REBOOT, True),
        (OK, True),
        (received(soap.MethodList([])), True),
    ],
)
def test_what_is_no_answer_to_what_was_asked_fails(answer: soap.Received | None, requests: bool) -> None:
    replies = [OK, answer] if requests else [answer]
    close, acs, _ = session(*replies, requests=[transfer("a")] if requests else [])
    assert not close.success
    assert "protocol violation" in close.reason
    assert acs.acknowledged == ([None] if requests else [])


OURS: list[soap.CpeRequest] = [
    COMPLETE,
    soap.AutonomousTransferComplete(
        soap.AutonomousTransfer("", "u", True, "2 Web Content", 0, ""), 0, "", "", ""
    ),
    soap.RequestDownload("2 Web Content", [], []),
    soap.DUStateChangeComplete([], "k"),
    soap.AutonomousDUStateChangeComplete([]),
    soap.GetRPCMethods(),
]


def test_each_of_our_requests_is_confirmed_by_its_own_response_only() -> None:
    assert {type(message) for message in OURS} == set(CALLS)
    answers = [soap.MethodList([]) if c.response is soap.MethodList else c.response() for c in CALLS.values()]
    for message in OURS:
        for answer in answers:
            close, acs, _ = session(OK, received(answer), requests=[CpeRequest(message, "a")])
            right = type(answer) is CALLS[type(message)].response
            assert close.success is right
            assert acs.acknowledged == ([None, "a"] if right else [None])


@pytest.mark.parametrize("minor", range(3))
def test_what_the_acs_cannot_know_waits_for_another_session(minor: int) -> None:
    requests = [CpeRequest(message, type(message).__name__) for message in OURS]
    since = {type(message).__name__: CALLS[type(message)].since for message in OURS}
    known = [name for name in since if since[name] <= minor]
    answers = [received(CALLS[type(m)].response() if type(m) is not soap.GetRPCMethods else soap.MethodList([]))
               for m in OURS if type(m).__name__ in known]  # fmt: skip
    close, acs, engine = session(received(soap.InformResponse(), cwmp=minor), *answers, requests=requests)
    assert close.success
    assert acs.got == ["Inform", *known, ""]
    assert engine.too_new == set(since) - set(known)


@pytest.mark.parametrize("answer", [OK, CONFIRM, REFUSE, AGAIN])
def test_answers_to_nothing_fail(answer: soap.Received) -> None:
    for replies in ([OK, answer], [OK, REBOOT, answer]):
        close, _, _ = session(*replies)
        assert not close.success


@pytest.mark.parametrize(
    ("use", "cwmp", "version"),
    [
        (None, 0, "1.0"),
        (None, 1, "1.1"),
        (None, 2, "1.2"),
        (None, 4, "1.2"),
        ("1.3", 2, "1.3"),
        ("1.0", 2, "1.0"),
    ],
)
def test_version_negotiation(use: str | None, cwmp: int, version: str) -> None:
    close, _, engine = session(received(soap.InformResponse(), use=use, cwmp=cwmp))
    assert close.success
    assert engine.version == version


def test_a_version_we_do_not_speak_ends_the_session() -> None:
    close, acs, _ = session(received(soap.InformResponse(), use="1.5"))
    assert not close.success
    assert acs.acknowledged == []


def test_headers_of_the_inform_follow_the_version() -> None:
    for version, timeout, versions in (
        ("1.4", 60, True),
        ("1.3", 60, False),
        ("1.2", None, False),
        ("1.0", None, False),
    ):
        (send,) = Engine(INFORM, version=version).begin()
        assert isinstance(send, Send)
        assert (send.header.session_timeout, send.header.supported_versions) == (timeout, versions)


def test_failure_from_outside_ends_it_once() -> None:
    engine = Engine(INFORM)
    engine.begin()
    assert engine.fail("no route") == [Close(False, "no route")]
    assert engine.fail("again") == []


def test_the_table_knows_every_answer_in_every_state() -> None:
    answers = set(Input) - {Input.BEGIN, Input.SERVED}
    for state in (State.INFORM, State.REQUEST, State.ANSWERED, State.EMPTY):
        assert set(TABLE[state]) == answers
    assert set(FOLLOWS) <= set(Step)


_ANSWERS = st.sampled_from([OK, CONFIRM, REFUSE, AGAIN, REBOOT, None, received(soap.Reboot("k"), hold=True)])


@given(st.lists(_ANSWERS, max_size=20), st.integers(0, 3))
def test_any_acs_leads_to_one_end(replies: list[soap.Received | None], requests: int) -> None:
    """Whatever it answers: one end, each request at most confirmed once, the Inform first, at most 3 repeats."""
    close, acs, engine = session(OK, *replies, requests=[transfer(str(n)) for n in range(requests)])
    assert engine.state is (State.SUCCESS if close.success else State.FAILED)
    assert acs.got.count("Inform") == 1
    assert len(set(acs.acknowledged)) == len(acs.acknowledged)
    if close.success:
        assert acs.acknowledged[0] is None
