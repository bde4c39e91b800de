"""ScheduleInform: when Informs are due, and what survives (TR-069a6 A.3.2.10)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from cwmp.session.scheduled import MAX_SCHEDULED, Moment, ScheduledInforms

from .conftest import Suite

NOW = Moment("boot-1", 1000.0, 1_790_000_000.0)


def later(seconds: float, now: Moment = NOW) -> Moment:
    return replace(now, uptime=now.uptime + seconds, wall=now.wall + seconds)


def stored(informs: ScheduledInforms) -> ScheduledInforms:
    return ScheduledInforms.from_list(json.loads(json.dumps(informs.to_list())))


def test_each_is_due_once_at_its_time_in_the_order_of_time() -> None:
    informs = ScheduledInforms()
    for delay, key in ((30, "c"), (10, "a"), (20, "b"), (20, "")):
        assert informs.add(delay, key, NOW)
    assert informs.wait(NOW) == 10
    assert informs.due(later(9.9)) == []
    assert informs.due(later(20)) == ["a", "b", ""]
    assert informs.due(later(20)) == []
    assert informs.wait(later(25)) == 5
    assert informs.due(later(30)) == ["c"]
    assert informs.wait(later(30)) is None


def test_the_same_key_replaces_the_delay_and_no_key_never_does() -> None:
    informs = ScheduledInforms()
    informs.add(10, "a", NOW)
    informs.add(10, "", NOW)
    informs.add(10, "", NOW)
    informs.add(50, "a", NOW)
    assert informs.due(later(10)) == ["", ""]
    assert informs.due(later(50)) == ["a"]


def test_a_step_of_the_clock_moves_nothing_within_one_boot() -> None:
    informs = ScheduledInforms()
    informs.add(10, "a", NOW)
    assert stored(informs).wait(replace(NOW, wall=NOW.wall + 1e6)) == 10
    assert informs.wait(replace(NOW, wall=5.0)) == 10


def test_after_a_reboot_the_clock_counts_if_there_was_one() -> None:
    informs = ScheduledInforms()
    informs.add(100, "a", NOW)
    informs.add(100, "unset", replace(NOW, wall=40.0))
    informs = stored(informs)
    informs.booted("boot-2")
    no_clock_yet = Moment("boot-2", 5.0, 60.0)
    assert informs.wait(no_clock_yet) is None
    assert informs.due(no_clock_yet) == []
    clock = Moment("boot-2", 5.0, NOW.wall + 40)
    assert informs.wait(clock) == 60
    assert informs.due(replace(clock, wall=NOW.wall + 3600)) == ["a"]


def test_too_many_are_refused() -> None:
    informs = ScheduledInforms()
    assert all(informs.add(10, str(n), NOW) for n in range(MAX_SCHEDULED))
    assert not informs.add(10, "one more", NOW)
    assert informs.add(20, "3", NOW)


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=20))
def test_an_odd_document_gives_a_list(document: object) -> None:
    assert ScheduledInforms.from_list(document).due(NOW) is not None


def schedule(delay: int, key: str) -> str:
    return f"<c:ScheduleInform><DelaySeconds>{delay}</DelaySeconds><CommandKey>{key}</CommandKey></c:ScheduleInform>"


async def test_scheduled_informs_come_also_after_a_restart_of_the_service(suite: Suite) -> None:
    suite.acs.script(schedule(1, "soon"), schedule(1, "too"), schedule(4000, "much later"))
    await suite.start()
    await suite.ended()
    assert [p.method for p in suite.acs.posts[2:]] == ["ScheduleInformResponse"] * 3
    await suite.kill()
    await suite.start()
    informs = await suite.acs.informs(2)
    events = list(informs[1].events)
    if "M ScheduleInform too" not in events:  # that one may have become due a moment later
        events += (await suite.acs.informs(3))[2].events
    assert {"3 SCHEDULED", "M ScheduleInform soon", "M ScheduleInform too"} == set(events)


async def test_those_that_became_due_while_the_device_was_down_come_with_the_boot(suite: Suite) -> None:
    suite.acs.script(schedule(4000, "later"))
    await suite.start()
    await suite.ended()
    await suite.kill()
    document = suite.paths.state_dir / "session/events.json"
    content = json.loads(document.read_text())
    content["scheduled"][0][3] -= 5000
    document.write_text(json.dumps(content))
    suite.reboot()
    await suite.start()
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["1 BOOT", "3 SCHEDULED", "M ScheduleInform later"]


@pytest.mark.parametrize(("delay", "key"), [(0, "a"), (5, "k" * 33)])
async def test_bad_arguments_are_refused(suite: Suite, delay: int, key: str) -> None:
    suite.acs.script(schedule(delay, key))
    await suite.start()
    await suite.ended()
    assert suite.acs.posts[2].texts("FaultCode") == ["9003"]
    with trio.fail_after(5):
        assert (await suite.status())["pending_events"] == []
