"""ScheduleReboot and DelayReboot: at their time, once, never in a session."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio

from cwmp.contract import Fault
from cwmp.contract.parameters import GetParameters, SetParameters, get_parameters, set_parameters
from cwmp.runtime import Runtime
from cwmp.session.parameters import DELAY_REBOOT, SCHEDULE_REBOOT
from cwmp.session.planned import PlannedReboot
from cwmp.session.scheduled import Moment

from .acs import Post, Reply, answer
from .conftest import Suite
from .test_service import peer

WALL = 1_800_000_000.0


def moment(seconds: float, boot: str = "boot-1", *, wall: float = WALL) -> Moment:
    return Moment(boot, 100.0 + seconds, wall + seconds)


def at(seconds: float) -> str:
    return datetime.fromtimestamp(WALL + seconds, UTC).isoformat()


def planned(document: dict[str, Any] | None = None, boot: str = "boot-1") -> PlannedReboot:
    return PlannedReboot(document or {}, boot)


def test_nothing_is_planned() -> None:
    found = planned()
    assert (found.at, found.delay) == ("0001-01-01T00:00:00Z", -1)
    assert found.wait(moment(0)) is None


def test_a_time_is_reached_once() -> None:
    found = planned()
    found.schedule(at(60), moment(0))
    assert found.wait(moment(0)) == 60
    assert found.wait(moment(61)) == 0
    found.done(moment(61))
    assert found.wait(moment(62)) is None
    assert found.at == at(60)
    assert planned(found.to_document(), "boot-2").wait(moment(90, "boot-2")) is None


@pytest.mark.parametrize("text", [at(-1), "0001-01-01T00:00:00Z", "2026-01-01T00:00:00"])
def test_a_time_in_the_past_or_none_at_all_means_none(text: str) -> None:
    found = planned()
    found.schedule(text, moment(0))
    assert found.wait(moment(5)) is None


def test_one_that_passed_while_the_device_was_off_is_missed_while_the_service_was_is_not() -> None:
    found = planned()
    found.schedule(at(60), moment(0))
    document = found.to_document()
    assert planned(document, "boot-2").wait(moment(70, "boot-2")) is None
    assert planned(document, "boot-2").wait(moment(10, "boot-2")) == 50
    assert planned(document).wait(moment(70)) == 0


def test_without_a_clock_it_waits_for_one() -> None:
    found = planned()
    found.schedule(at(60), moment(0, wall=0.0))
    assert found.wait(moment(5, wall=0.0)) is None
    assert found.wait(moment(5)) == 55


def test_a_delay_counts_from_the_end_of_the_session_it_is_set_in() -> None:
    found = planned()
    found.postpone(30, moment(0), in_session=True)
    assert found.wait(moment(10)) is None
    found.session_ended(moment(10))
    found.session_ended(moment(25))  # another session
    assert found.wait(moment(25)) == 15
    found.done(moment(41))
    assert (found.delay, found.wait(moment(42))) == (-1, None)


def test_a_delay_set_outside_of_a_session_counts_at_once_and_can_be_taken_back() -> None:
    found = planned()
    found.postpone(30, moment(0), in_session=False)
    assert found.wait(moment(5)) == 25
    found.postpone(-1, moment(6), in_session=False)
    assert found.wait(moment(50)) is None


def test_every_boot_ends_a_delay_and_a_restart_of_the_service_does_not() -> None:
    found = planned()
    found.postpone(30, moment(0), in_session=False)
    again = planned(found.to_document())
    again.session_ended(moment(5))
    assert again.wait(moment(5)) == 30
    assert planned(found.to_document(), "boot-2").delay == -1


def test_a_document_of_rubbish_is_nothing() -> None:
    found = planned({"at": 5, "delay": "x", "armed": "yes", "boot_id": "boot-1"})
    assert (found.at, found.delay, found.wait(moment(0))) == ("0001-01-01T00:00:00Z", -1, None)


async def put(owner: Runtime, **values: str) -> None:
    names = {"at": SCHEDULE_REBOOT, "delay": DELAY_REBOOT}
    args = SetParameters([names[key] for key in values], list(values.values()))
    await owner.peers.request(set_parameters("session"), args)


async def rebooted(suite: Suite) -> None:
    with trio.fail_after(10):
        await suite.firmware.rebooted.wait()


async def test_the_device_reboots_when_the_time_comes(suite: Suite) -> None:
    owner = await peer(suite)
    await suite.start()
    await suite.ended()
    when = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    await put(owner, at=when)
    found = await owner.peers.request(get_parameters("session"), GetParameters([SCHEDULE_REBOOT]))
    assert found.values == [when]
    await rebooted(suite)
    assert time.time() >= datetime.fromisoformat(when).timestamp()
    assert suite.firmware.reboots == [""]
    await suite.kill()
    suite.reboot()
    await suite.start()
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["1 BOOT"]
    assert suite.firmware.reboots == [""]


async def test_a_session_is_waited_for(suite: Suite) -> None:
    owner = await peer(suite)
    asked: list[list[str]] = []

    def handler(post: Post) -> Reply:
        asked.append(suite.firmware.reboots[:])
        return answer(post)

    async def meanwhile() -> None:
        await put(owner, delay="0")

    suite.acs.handler = handler
    suite.datamodel.before_inform = meanwhile
    await suite.start()
    await rebooted(suite)
    assert asked == [[], []]
    assert (await suite.status())["last_session"]["result"] == "success"


async def test_only_asked_nothing_changes_and_others_are_read_only(suite: Suite) -> None:
    owner = await peer(suite)
    await suite.start()
    await suite.ended()
    args = SetParameters([DELAY_REBOOT], ["0"], check_only=True)
    await owner.peers.request(set_parameters("session"), args)
    with pytest.raises(Fault):
        wrong = SetParameters([DELAY_REBOOT, "Device.ManagementServer.ConnectionRequestURL"], ["0", "x"])
        await owner.peers.request(set_parameters("session"), wrong)
    found = await owner.peers.request(get_parameters("session"), GetParameters([DELAY_REBOOT]))
    assert found.values == ["-1"]
    assert suite.firmware.reboots == []
