"""The session service as a real process, ended by SIGKILL in the middle of everything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from .acs import Post, Reply
from .conftest import Suite
from .peers import transfer
from .test_service import GPV, REBOOT, spv


@asynccontextmanager
async def session_process(suite: Suite) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "cwmp.session", "--stderr", *suite.paths.options()], stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def killed_at(suite: Suite, step: int) -> None:
    """Run the service until the ACS has got `step` POSTs, and kill it before it gets their answer."""
    there = trio.Event()
    normal = suite.acs.handler
    count = 0

    def handler(post: Post) -> Reply:
        nonlocal count
        count += 1
        if count < step:
            return normal(post)
        there.set()
        return Reply(never=True)

    async with session_process(suite) as process:
        suite.acs.handler = handler
        with trio.fail_after(20):
            await there.wait()
        process.kill()
        await process.wait()
    suite.acs.handler = normal
    suite.acs.posts.clear()


async def run_to_the_end(suite: Suite) -> list[Post]:
    """The next session of a process started anew, to its end."""
    async with session_process(suite):
        await suite.acs.informs(1)
        await suite.ended()
    return list(suite.acs.posts)


@pytest.mark.parametrize(("step", "events"), [(1, ["0 BOOTSTRAP", "1 BOOT"]), (2, None)])
async def test_events_come_again_until_they_are_acknowledged(
    suite: Suite, step: int, events: list[str] | None
) -> None:
    """Killed while the Inform is on its way: all of it again. After its response: nothing of it, ever."""
    await killed_at(suite, step)
    if events is not None:
        assert (await run_to_the_end(suite))[0].events == events
    suite.acs.posts.clear()
    suite.configure(periodic_inform_enable=1, periodic_inform_interval=1)
    assert (await run_to_the_end(suite))[0].events == ["2 PERIODIC"]


async def test_p42_no_request_is_lost_or_carried_out_twice(suite: Suite) -> None:
    """The ACS writes, reads and orders a reboot; killed before each of its next requests."""
    suite.acs.script(spv("a", key="one"), GPV, REBOOT.format("key"))
    await killed_at(suite, 4)
    assert [w.parameter_key for w in suite.datamodel.named("set_values")] == ["one"]
    assert len({request_id for *_, request_id in suite.datamodel.calls}) == len(suite.datamodel.calls)
    suite.acs.script(REBOOT.format("key"))
    suite.configure(periodic_inform_enable=1, periodic_inform_interval=1)
    async with session_process(suite):
        with trio.fail_after(20):
            await suite.firmware.rebooted.wait()
    assert suite.firmware.reboots == ["key"]
    assert len(suite.datamodel.named("set_values")) == 1


async def test_a_confirmed_transfer_stays_confirmed(suite: Suite) -> None:
    await run_to_the_end(suite)
    suite.firmware.completed.append(transfer("key"))
    suite.acs.posts.clear()
    await killed_at(suite, 2)  # TransferComplete is not answered
    posts = await run_to_the_end(suite)
    assert [p.method for p in posts] == ["Inform", "TransferComplete", ""]
    assert posts[0].events == ["7 TRANSFER COMPLETE", "M Download key"]
    assert suite.firmware.acknowledged == ["t-1"]
