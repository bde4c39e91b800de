"""Periodic instants, retry windows, the agenda, and times as text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.runtime.clock import date_time
from cwmp.session.agenda import LOOK_AGAIN, Agenda
from cwmp.session.schedule import (
    Periodic,
    local_date_time,
    retry_wait,
    retry_window,
    unix_time,
)

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("retry", "low", "high"),
    [
        *((n, 5 * 2 ** (n - 1), 5 * 2**n) for n in range(1, 11)),
        (11, 2560, 5120),
        (1000, 2560, 5120),
    ],
)
def test_p04_default_retry_windows(retry: int, low: float, high: float) -> None:
    assert retry_window(retry, 5, 2000) == (low, high)


@given(st.integers(0, 10**9), st.integers(1, 65535), st.integers(1000, 65535), st.floats(0, 1))
def test_every_wait_is_in_its_window_and_finite(
    retry: int, minimum: int, multiplier: int, draw: float
) -> None:
    low, high = retry_window(retry, minimum, multiplier)
    assert min(minimum, 2**31) <= low <= high <= 2**31
    assert low <= retry_wait(retry, minimum, multiplier, lambda: draw) <= high * (1 + 1e-12)


@given(st.integers(1, 10**6), st.floats(-1e9, 4e9), st.floats(1.7e9, 4e9))
def test_p38_periodic_instants_have_the_phase_of_their_reference(
    interval: int, reference: float, wall: float
) -> None:
    wait = Periodic(interval, reference, 0.5).wait(wall, 0.0)
    assert 0 < wait <= interval
    distance = (wall + wait - reference) % interval
    assert min(distance, interval - distance) < 1e-3


def test_periodic_instants_without_reference_or_clock_are_monotonic() -> None:
    for periodic, wall in ((Periodic(100, None, 0.25), NOW), (Periodic(100, 7.0, 0.25), 1000.0)):
        assert periodic.wait(wall, 0.0) == 25
        assert periodic.wait(wall, 30.0) == 95


def test_p44_unknown_time_is_no_reference() -> None:
    assert unix_time("0001-01-01T00:00:00Z") is None
    assert unix_time("2026-01-05T10:00:00") is None
    assert unix_time("2026-13-05T10:00:00Z") is None
    assert unix_time("yesterday") is None
    assert unix_time("2026-01-05T10:00:00+01:00") == unix_time("2026-01-05T09:00:00Z") == 1767603600.0
    assert date_time(1767603600.0) == "2026-01-05T09:00:00Z"


def test_current_time_has_an_offset_or_says_time_since_boot() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d)", local_date_time(NOW, 5.0))
    assert local_date_time(100.0, 2 * 86400 + 3 * 3600 + 4 * 60 + 5) == "0001-01-03T03:04:05"


def agenda(periodic: Periodic | None = None) -> Agenda:
    found = Agenda(lambda: 0.5)
    found.configure(periodic, 5, 2000, wall=NOW, now=0.0)
    return found


def test_nothing_to_do() -> None:
    found = agenda()
    assert found.next(0.0) == (None, "")
    assert found.next_look(0.0) == LOOK_AGAIN


def test_retries_grow_and_success_resets_them() -> None:
    found = agenda()
    found.ended(complete=False, now=0.0)
    assert found.next(1.0) == (7.5, "retry 1")
    found.began()
    assert found.next(8.0) == (None, "")
    found.ended(complete=False, now=8.0)
    assert found.next(8.0) == (23.0, "retry 2")
    found.ended(complete=True, now=30.0)
    found.ended(complete=False, now=40.0)
    assert found.next(40.0)[1] == "retry 1"


def test_a_new_event_interrupts_the_wait_and_does_not_reset_it() -> None:
    found = agenda()
    found.ended(complete=False, now=0.0)
    found.event("2 PERIODIC")
    assert found.next(1.0) == (1.0, "2 PERIODIC")
    found.began()
    found.ended(complete=False, now=2.0)
    assert found.next(2.0) == (17.0, "retry 2")


def test_an_event_during_a_session_is_for_the_next() -> None:
    found = agenda()
    found.event("1 BOOT")
    found.began()
    found.event("6 CONNECTION REQUEST")
    found.ended(complete=True, now=5.0)
    assert found.next(5.0) == (5.0, "6 CONNECTION REQUEST")
    found.nothing_left()
    assert found.next(5.0)[0] is None


def test_periodic_instants_come_once_each_also_when_late() -> None:
    found = agenda(Periodic(60, NOW + 10, 0.0))
    assert found.next(0.0) == (10.0, "periodic inform")
    assert not found.periodic_due(wall=NOW + 9, now=9.0)
    assert found.periodic_due(wall=NOW + 500, now=500.0)
    assert not found.periodic_due(wall=NOW + 501, now=501.0)
    assert found.next(501.0)[0] == 550.0


def test_a_step_of_the_clock_moves_the_next_instant() -> None:
    found = agenda(Periodic(3600, NOW + 1800, 0.0))
    assert found.next(0.0)[0] == 1800.0
    assert not found.periodic_due(wall=NOW + 1000, now=10.0)
    assert found.next(10.0)[0] == 810.0


def test_another_interval_arms_anew_and_the_same_does_not() -> None:
    found = agenda(Periodic(3600, NOW, 0.0))
    found.configure(Periodic(3600, NOW, 0.0), 5, 2000, wall=NOW + 50, now=100.0)
    assert found.next(100.0)[0] == 3600.0
    found.configure(Periodic(60, NOW + 50, 0.0), 5, 2000, wall=NOW + 50, now=100.0)
    assert found.next(100.0)[0] == 160.0
    found.configure(None, 5, 2000, wall=NOW, now=100.0)
    assert found.next(100.0) == (None, "")
