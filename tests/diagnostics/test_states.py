"""The state machine of every test, as a table and as records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.diagnostics.definition import Outcome
from cwmp.diagnostics.ipping import IP_PING
from cwmp.diagnostics.record import Record
from cwmp.diagnostics.states import TRANSITIONS, Action, Happening, Phase

PATH = IP_PING.path


def record(state: str = "None") -> Record:
    return replace(Record.new(IP_PING), state=state)


def test_every_happening_has_a_row_except_the_end_of_what_does_not_run() -> None:
    wanted = {(phase, happening) for phase in Phase for happening in Happening}
    wanted -= {(Phase.IDLE, Happening.END), (Phase.DONE, Happening.END)}
    assert set(TRANSITIONS) == wanted


@pytest.mark.parametrize(
    ("state", "values", "then", "action"),
    [
        ("None", {"DiagnosticsState": "Requested"}, "Requested", Action.START),
        ("None", {"DiagnosticsState": "Canceled"}, "None", Action.NOTHING),
        ("None", {"Host": "h"}, "None", Action.NOTHING),
        ("None", {"Host": "h", "DiagnosticsState": "Requested"}, "Requested", Action.START),
        ("None", {}, "None", Action.NOTHING),
        ("Requested", {"DiagnosticsState": "Requested"}, "Requested", Action.RESTART),
        ("Requested", {"DiagnosticsState": "Canceled"}, "None", Action.ABORT),
        ("Requested", {"Host": "h"}, "None", Action.ABORT),
        ("Requested", {"DiagnosticsState": "Requested", "Host": "h"}, "Requested", Action.RESTART),
        ("Requested", {"DiagnosticsState": "Canceled", "Host": "h"}, "None", Action.ABORT),
        ("Complete", {"DiagnosticsState": "Requested"}, "Requested", Action.START),
        ("Complete", {"DiagnosticsState": "Canceled"}, "Complete", Action.NOTHING),
        ("Complete", {"Host": "h"}, "None", Action.NOTHING),
        ("Error_Internal", {"Host": "h"}, "None", Action.NOTHING),
        ("Error_Internal", {"DiagnosticsState": "Requested"}, "Requested", Action.START),
    ],
)
def test_writing(state: str, values: dict[str, str], then: str, action: Action) -> None:
    after, does = record(state).written(values)
    assert (after.state, does) == (then, action)
    assert after.inputs["Host"] == values.get("Host", "")


def test_results_of_an_earlier_run_are_gone_when_the_next_is_requested() -> None:
    done = record("Requested").ended(Outcome("Complete", {"SuccessCount": "3"}))
    assert (done.state, done.results["SuccessCount"], done.unreported) == ("Complete", "3", True)
    again, _ = done.written({"DiagnosticsState": "Requested"})
    assert again.results["SuccessCount"] == "0"


def test_an_end_that_was_not_reported_stays_so_when_inputs_are_written() -> None:
    done = record("Requested").ended(Outcome("Error_Other"))
    written, _ = done.written({"Host": "h"})
    assert (written.state, written.unreported) == ("None", True)
    assert written.reported().unreported is False


@pytest.mark.parametrize(
    ("values", "name", "code"),
    [
        ({"DiagnosticsState": "None"}, "DiagnosticsState", 9007),
        ({"DiagnosticsState": "Complete"}, "DiagnosticsState", 9007),
        ({"DiagnosticsState": "requested"}, "DiagnosticsState", 9007),
        ({"DiagnosticsState": "Requested"}, "DiagnosticsState", 9007),  # without a Host
        ({"SuccessCount": "1"}, "SuccessCount", 9008),
        ({"IPAddressUsed": "::1"}, "IPAddressUsed", 9008),
        ({"Hostt": "x"}, "Hostt", 9005),
        ({"NumberOfRepetitions": "0"}, "NumberOfRepetitions", 9007),
        ({"NumberOfRepetitions": "4294967296"}, "NumberOfRepetitions", 9007),
        ({"NumberOfRepetitions": "many"}, "NumberOfRepetitions", 9007),
        ({"Timeout": "0"}, "Timeout", 9007),
        ({"DataBlockSize": "0"}, "DataBlockSize", 9007),
        ({"DataBlockSize": "65536"}, "DataBlockSize", 9007),
        ({"DSCP": "64"}, "DSCP", 9007),
        ({"DSCP": "-1"}, "DSCP", 9007),
        ({"ProtocolVersion": "IPv5"}, "ProtocolVersion", 9007),
        ({"Host": "h" * 257}, "Host", 9007),
        ({"Interface": "i" * 257}, "Interface", 9007),
    ],
)
def test_what_cannot_be_written(values: dict[str, str], name: str, code: int) -> None:
    (wrong,) = IP_PING.check(values, IP_PING.defaults())
    assert (wrong.name, wrong.code) == (PATH + name, code)
    assert wrong.text


def test_limits_themselves_can_be_written() -> None:
    values = {
        "Host": "h" * 256,
        "Interface": "i" * 256,
        "NumberOfRepetitions": "4294967295",
        "Timeout": "1",
        "DataBlockSize": "65535",
        "DSCP": "63",
        "ProtocolVersion": "IPv6",
        "DiagnosticsState": "Requested",
    }
    assert IP_PING.check(values, IP_PING.defaults()) == []


def test_a_record_comes_back() -> None:
    done = record().written({"Host": "h", "DiagnosticsState": "Requested"})[0]
    done = done.ended(Outcome("Complete", {"SuccessCount": "3"}))
    assert Record.new(IP_PING).restored(dict(done.inputs), done.to_document()) == done


@given(
    st.one_of(st.none(), st.dictionaries(st.text(max_size=8), st.text(max_size=8))),
    st.recursive(
        st.one_of(st.none(), st.text(max_size=8), st.integers()),
        lambda inner: st.dictionaries(st.sampled_from(["state", "results", "unreported"]), inner),
    ),
)
def test_hostile_documents(inputs: object, document: object) -> None:
    found = Record.new(IP_PING).restored(inputs, document)
    assert IP_PING.check(found.inputs, found.inputs) == []
    assert set(found.results) == set(IP_PING.results)
