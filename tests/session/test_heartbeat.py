"""Heartbeats (Annex O): when they are due, alone in their Inform, before all else, never in the way of a retry."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

from cwmp.contract.firmware import TRANSFER, TransferState
from cwmp.session import events as ev
from cwmp.session.agenda import Agenda
from cwmp.session.events import Event, EventQueue
from cwmp.session.schedule import Periodic

from .acs import Post, Reply, answer
from .conftest import Suite
from .peers import transfer
from .test_events import journal
from .test_service import peer

NOW = 1_800_000_000.0
BEAT = Periodic(30, NOW + 10, 0.0)


def agenda(periodic: Periodic | None = None, heartbeat: Periodic | None = BEAT) -> Agenda:
    found = Agenda(lambda: 0.5)
    found.configure(periodic, 5, 2000, heartbeat=heartbeat, wall=NOW, now=0.0)
    return found


def due(found: Agenda, now: float, *, undelivered: bool = False) -> bool:
    return found.heartbeat_due(undelivered=undelivered, wall=NOW + now, now=now)


def test_at_its_instants_once_each() -> None:
    found = agenda()
    assert found.next(0.0) == (10.0, "heartbeat")
    assert found.next_look(0.0) == 10.0
    assert not due(found, 9.0)
    assert due(found, 75.0)
    assert not due(found, 76.0)
    assert found.next(76.0) == (100.0, "heartbeat")


def test_beside_the_periodic_informs() -> None:
    found = agenda(Periodic(60, NOW + 20, 0.0))
    assert found.next(0.0) == (10.0, "heartbeat")
    assert due(found, 10.0)
    assert found.next(10.0) == (20.0, "periodic inform")


def test_it_waits_while_a_session_is_repeated() -> None:
    found = agenda()
    found.began()
    found.ended(complete=False, now=5.0)
    assert not due(found, 11.0)
    assert found.next(11.0)[1] == "retry 1"
    found.began()
    found.ended(complete=True, now=13.0)
    assert due(found, 13.0)


def test_it_is_left_out_while_one_is_undelivered() -> None:
    found = agenda()
    assert due(found, 10.0)
    found.began()
    found.ended(complete=False, now=15.0)
    assert not due(found, 41.0, undelivered=True)
    found.began()
    found.ended(complete=True, now=42.0)
    assert not due(found, 42.0)
    assert found.next(42.0) == (70.0, "heartbeat")


def test_switched_off_it_does_not_come_later() -> None:
    found = agenda()
    found.began()
    found.ended(complete=False, now=5.0)
    assert not due(found, 11.0)
    found.configure(None, 5, 2000, wall=NOW + 12, now=12.0)
    found.began()
    found.ended(complete=True, now=13.0)
    assert not due(found, 13.0)


def test_it_is_alone_in_its_inform_where_the_acs_knows_it() -> None:
    queue = EventQueue([Event(ev.PERIODIC), Event(ev.HEARTBEAT), Event(ev.M_REBOOT, "a")])
    assert queue.for_inform([Event(ev.TRANSFER_COMPLETE)]) == [Event(ev.HEARTBEAT)]
    assert queue.for_inform(version="1.3") == [Event(ev.PERIODIC), Event(ev.M_REBOOT, "a")]


def test_it_survives_the_service_not_a_reboot_and_costs_no_flash(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.booted("boot-1")
    first.informed([Event(ev.BOOT)])
    before = (tmp_path / "flash.json").read_bytes()
    first.raise_events([Event(ev.HEARTBEAT)])
    assert (tmp_path / "flash.json").read_bytes() == before
    first.session_ended([Event(ev.HEARTBEAT)], success=False)
    assert ev.HEARTBEAT not in (tmp_path / "flash.json").read_text()
    again = journal(tmp_path)
    again.booted("boot-1")
    assert ev.HEARTBEAT in again.queue
    again.booted("boot-2")
    assert ev.HEARTBEAT not in again.queue


def test_an_acs_that_knows_no_heartbeat_is_not_bothered_for_ever(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.raise_events([Event(ev.HEARTBEAT), Event(ev.PERIODIC)])
    first.session_ended([Event(ev.PERIODIC)], success=True)
    assert ev.HEARTBEAT not in first.queue


async def test_it_comes_at_its_time(suite: Suite) -> None:
    at = (datetime.now(UTC) + timedelta(seconds=0.4)).isoformat()
    suite.configure(heartbeat_enable=1, heartbeat_interval=86400, heartbeat_time=at)
    await suite.start()
    informs = await suite.acs.informs(2)
    assert [post.events for post in informs] == [["0 BOOTSTRAP", "1 BOOT"], ["14 HEARTBEAT"]]
    assert suite.datamodel.named("get_inform")[-1].events == ["14 HEARTBEAT"]


async def test_it_goes_first_and_the_rest_follows(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    happened = trio.Event()

    async def meanwhile() -> None:
        """While a session is being prepared: a transfer ends, a heartbeat and an Inform are asked for."""
        if not happened.is_set():
            happened.set()
            suite.firmware.completed.append(transfer("key-1"))
            await owner.peers.tell(TRANSFER, TransferState("t-1", "complete"))
            await suite.client.call("cwmp", "inform", {"event": "periodic"})
            await suite.client.call("cwmp", "inform", {"event": "heartbeat"})

    owner = await peer(suite, "firmware_side")
    suite.datamodel.before_inform = meanwhile
    suite.datamodel.value_change = True
    await suite.client.call("cwmp", "inform", {"event": "6 CONNECTION REQUEST"})
    informs = await suite.acs.informs(3)
    await suite.ended(3)
    assert informs[1].events == ["14 HEARTBEAT"]
    assert set(informs[2].events) >= {"2 PERIODIC", "6 CONNECTION REQUEST"}
    assert (await suite.status())["pending_events"] == []


async def test_it_is_repeated_alone_and_then_forgotten(suite: Suite) -> None:
    await suite.start()
    await suite.ended()

    def refusing(post: Post) -> Reply:
        informs = [p for p in suite.acs.posts if p.method == "Inform"]
        return Reply(503) if post.method == "Inform" and len(informs) == 1 else answer(post)

    suite.acs.handler = refusing
    await suite.client.call("cwmp", "inform", {"event": "heartbeat"})
    await suite.ended(2)
    await suite.client.call("cwmp", "inform", {"event": "periodic"})
    informs = await suite.acs.informs(4)
    assert [post.events for post in informs[1:]] == [["14 HEARTBEAT"], ["14 HEARTBEAT"], ["2 PERIODIC"]]
    assert [post.texts("RetryCount") for post in informs[1:]] == [["0"], ["1"], ["0"]]
    await suite.ended(4)
    document = json.loads((suite.paths.state_dir / "session/events.json").read_text())
    assert document["events"] == []
