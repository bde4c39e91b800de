"""Killed at every write: what the ACS has answered never comes again, and what it has not is never lost.

The service runs in this process. At one of its writes to disk, before or after it, it is ended as kill -9 ends it:
nothing it does from there on reaches the disk, and it says no further word. Then it is started anew. What counts is
what the ACS has seen in the end.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from cwmp.contract import firmware as fw
from cwmp.contract.session import RequestDownload
from cwmp.runtime import Runtime, StateFile, run, state
from cwmp.session.events import Event
from cwmp.session.journal import VERSION, Journal, Wish
from cwmp.session.service import serve
from ubuskit.errors import UbusError

from .acs import REPORTS, Post, Reply, answer, soap
from .conftest import Suite
from .peers import transfer
from .test_rpcs import RESULT
from .test_service import spv

LOG = logging.getLogger("test.cwmp.session")
SCHEDULE = (
    "<c:ScheduleInform><DelaySeconds>3600</DelaySeconds><CommandKey>later</CommandKey></c:ScheduleInform>"
)
OF_THE_INFORM = {"3 SCHEDULED", "8 DIAGNOSTICS COMPLETE", "M ScheduleInform now"}
TO_TELL = OF_THE_INFORM | {"TransferComplete", "DUStateChangeComplete", "RequestDownload"}


@dataclass
class Disk:
    """What the service writes to, until it has tried `cut` times; with `arrives` the last one still counts."""

    cut: int
    arrives: bool
    write: Callable[..., None]
    tried: int = 0
    kill: Callable[[], None] = lambda: None

    def __call__(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        if self.tried == self.cut:
            return
        self.tried += 1
        if self.tried < self.cut or self.arrives:
            self.write(path, data, mode)
        if self.tried == self.cut:
            self.kill()


@dataclass
class Patient:
    """An ACS that asks for each of its wishes until it has an answer, and remembers what it saw."""

    wishes: list[str] = field(default_factory=lambda: [spv("a", key="one"), SCHEDULE])
    sessions: list[list[Post]] = field(default_factory=list)

    def __call__(self, post: Post) -> Reply:
        if post.method == "Inform":
            self.sessions.append([])
        self.sessions[-1].append(post)
        if post.method.endswith("Response"):
            self.wishes.pop(0)
        if post.method in {"Inform", *REPORTS} or not self.wishes:
            return answer(post)
        return soap(self.wishes[0], id="acs", cwmp=2)

    def delivered(self, *, for_certain: bool) -> Counter[str]:
        """What was told and answered; `for_certain` where the CPE has gone on in the same session."""
        posts = [p for s in self.sessions for p in (s[:-1] if for_certain else s)]
        told = [e for p in posts if p.method == "Inform" for e in p.events if e in OF_THE_INFORM]
        return Counter(told + [p.method for p in posts if p.method in REPORTS])


async def begin(suite: Suite, nursery: trio.Nursery, disk: Disk) -> trio.Event:
    """Start the service with something of each kind to tell; the event says that it has ended."""
    flash, volatile = (d / "session/events.json" for d in (suite.paths.state_dir, suite.paths.run_dir))
    for file in (flash, volatile):
        file.unlink(missing_ok=True)
    journal = Journal(StateFile(flash, VERSION, LOG), StateFile(volatile, VERSION, LOG))
    journal.acs_url, journal.device = suite.acs.url, "A1B2C3-GW-0001"
    journal.boot_id = suite.paths.system("/proc/sys/kernel/random/boot_id").read_text().strip()
    journal.wish(Wish("w", RequestDownload("2 Web Content", [], [])))
    journal.raise_events(
        [Event("3 SCHEDULED"), Event("8 DIAGNOSTICS COMPLETE"), Event("M ScheduleInform", "now")]
    )
    suite.firmware.completed = [transfer("key")]
    suite.firmware.changes = [fw.DUStateChange("c-1", "du", False, [RESULT])]
    suite.datamodel.calls.clear()
    dead = trio.Event()

    def started(runtime: Runtime) -> None:
        suite.runtime = runtime
        disk.kill = runtime.nursery.cancel_scope.cancel

    async def service() -> None:
        await run("session", serve, suite.paths, LOG, started=started, connect_timeout=5)
        dead.set()

    nursery.start_soon(service)
    return dead


async def finished(suite: Suite, acs: Patient) -> bool:
    """Whether all is told, or else the service is gone."""
    try:
        status = await suite.status()
    except UbusError:
        return False
    return (
        status["session"] == "idle"
        and status["statistics"]["success"] > 0
        and not status["pending_events"]
        and not acs.wishes
        and set(acs.delivered(for_certain=False)) == TO_TELL
    )


@pytest.mark.parametrize("arrives", [False, True], ids=["before", "after"])
async def test_p42_killed_at_every_write_of_a_session(
    suite: Suite, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    everything = state.write_durably
    cut = 0
    while True:
        cut += 1
        disk = Disk(cut, arrives, everything)
        suite.acs.handler = acs = Patient()
        monkeypatch.setattr(state, "write_durably", everything)
        dead = await begin(suite, nursery, disk)
        monkeypatch.setattr(state, "write_durably", disk)
        with trio.fail_after(20):
            while not dead.is_set() and not await finished(suite, acs):
                await trio.testing.wait_all_tasks_blocked(0.002)
        through = not dead.is_set()
        monkeypatch.setattr(state, "write_durably", everything)
        if not through:
            await suite.start()
            await suite.client.call("cwmp", "inform", {})
            with trio.fail_after(20):
                while not await finished(suite, acs):
                    await trio.testing.wait_all_tasks_blocked(0.002)
        before = len(acs.sessions)
        await suite.client.call("cwmp", "inform", {})
        await suite.acs.wait(lambda _, acs=acs, before=before: len(acs.sessions) > before)  # type: ignore[misc]
        assert acs.sessions[-1][0].events == ["2 PERIODIC"], f"cut at write {cut}"
        assert set(acs.delivered(for_certain=True).values()) == {1}, f"cut at write {cut}"
        asked = [request_id for name, _, request_id in suite.datamodel.calls if name == "set_values"]
        assert 1 <= len(asked) == len(set(asked)) <= 2
        await suite.ended()
        await suite.kill()
        if through:
            break
    assert cut > 8
