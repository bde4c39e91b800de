"""`ubus call cwmp log`: the level of all services, while they run."""

from __future__ import annotations

import logging

import pytest
import trio

from cwmp.contract.session import LOG_LEVEL, LogLevel
from cwmp.runtime import Runtime
from ubuskit.errors import InvalidArgument

from .conftest import Suite
from .test_service import peer


async def until(level: int, *runtimes: Runtime) -> None:
    with trio.fail_after(10):
        while any(runtime.log.level != level for runtime in runtimes):
            await trio.testing.wait_all_tasks_blocked(0.005)


@pytest.fixture
async def running(suite: Suite) -> tuple[Suite, Runtime, Runtime]:
    other = await peer(suite)
    session = await suite.start()
    await suite.ended()
    return suite, session, other


Running = tuple[Suite, Runtime, Runtime]


async def test_all_services_follow_and_go_back(running: Running) -> None:
    suite, *services = running
    assert await suite.client.call("cwmp", "log") == {"level": "info"}
    assert await suite.client.call("cwmp", "log", {"level": "debug"}) == {"level": "debug"}
    await until(logging.DEBUG, *services)
    assert await suite.client.call("cwmp", "log", {"level": "default"}) == {"level": "info"}
    await until(logging.INFO, *services)


async def test_a_reload_takes_up_the_option_everywhere_and_yields_to_what_was_asked(running: Running) -> None:
    suite, *services = running
    suite.configure(log_level="error")
    await suite.client.call("cwmp", "reload")
    await until(logging.ERROR, *services)
    await suite.client.call("cwmp", "log", {"level": "debug"})
    await suite.client.call("cwmp", "reload")
    await until(logging.DEBUG, *services)


async def test_who_starts_later_is_told_and_a_new_session_service_forgets(running: Running) -> None:
    suite, _, other = running
    await suite.client.call("cwmp", "log", {"level": "debug"})
    heard = trio.Event()
    await suite.client.listen(LOG_LEVEL.event, lambda *_: heard.set())
    restarted = await suite.start_datamodel()
    with trio.fail_after(10):
        await heard.wait()
    await until(logging.DEBUG, restarted)
    await suite.kill()
    await suite.start()
    await until(logging.INFO, other, restarted)


@pytest.mark.parametrize("level", ["loud", "", "DEBUG"])
async def test_a_level_that_is_none(running: Running, level: str) -> None:
    suite, session, _ = running
    before = session.log.level
    with pytest.raises(InvalidArgument):
        await suite.client.call("cwmp", "log", {"level": level})
    assert session.log.level == before


async def test_nonsense_on_the_bus_means_the_configured_level(
    running: Running,
) -> None:
    _, session, other = running
    await session.peers.tell(LOG_LEVEL, LogLevel("debug"))
    await until(logging.DEBUG, other)
    await session.peers.tell(LOG_LEVEL, LogLevel("loud"))
    await until(logging.INFO, other)
