"""The object `tr069`: what a script made for icwmp or easycwmp asks, and what it is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio

from ubuskit.client import Client, Method, Request, open_client
from ubuskit.errors import InvalidArgument, NotFound

from .acs import Post, Reply, answer
from .conftest import Suite

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


async def there(client: Client) -> bool:
    try:
        return bool(await client.lookup("tr069"))
    except NotFound:
        return False


async def switched(suite: Suite, on: bool, **options: object) -> None:
    """Have the option taken up."""
    suite.configure(compatibility=int(on), **options)
    await suite.client.call("cwmp", "reload")
    with trio.fail_after(10):
        while await there(suite.client) is not on:
            await trio.testing.wait_all_tasks_blocked(0.005)


@pytest.fixture
async def running(suite: Suite) -> Suite:
    suite.configure(compatibility=1)
    await suite.start()
    await suite.ended()
    return suite


async def call(suite: Suite, method: str, **arguments: Any) -> dict[str, Any]:
    return await suite.client.call("tr069", method, arguments)


async def test_it_is_there_only_while_asked_for(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    assert not await there(suite.client)
    await switched(suite, True)
    await switched(suite, False)


async def test_status_has_the_shape_of_icwmp(running: Suite) -> None:
    found = await call(running, "status")
    assert list(found) == ["cwmp", "last_session", "next_session", "statistics"]
    assert found["cwmp"]["status"] == "up"
    assert found["cwmp"]["acs_url"] == running.acs.url
    assert TIME.fullmatch(found["cwmp"]["start_time"])
    assert found["last_session"]["status"] == "success"
    assert TIME.fullmatch(found["last_session"]["end_time"])
    assert found["next_session"] == {"status": "waiting", "start_time": "N/A", "end_time": "N/A"}
    assert found["statistics"] == {"success_sessions": 1, "failure_sessions": 0, "total_sessions": 1}


async def test_what_is_not_known_yet_is_not_available(suite: Suite) -> None:
    suite.configure(compatibility=1, acs_url="")
    await suite.start()
    await switched(suite, True, acs_url="")
    found = await call(suite, "status")
    assert found["cwmp"]["status"] == "down"
    assert found["last_session"] == {"status": "N/A", "start_time": "N/A", "end_time": "N/A"}
    assert await call(suite, "inform") == {"status": -1, "info": "no session: waiting for URL"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"event": "6 CONNECTION REQUEST"}, "6 CONNECTION REQUEST"),
        ({"event": "1"}, "1 BOOT"),
        ({}, "2 PERIODIC"),
    ],
)
async def test_inform_starts_a_session(running: Suite, given: dict[str, Any], expected: str) -> None:
    assert await call(running, "inform", **given) == {"status": 1, "info": "Session started"}
    informs = await running.acs.informs(2)
    assert informs[1].events == [expected]


async def test_inform_while_a_session_runs(running: Suite) -> None:
    arrived = trio.Event()

    def silent(post: Post) -> Reply:
        arrived.set()
        return Reply(never=True)

    running.acs.handler = silent
    await call(running, "inform")
    with trio.fail_after(10):
        await arrived.wait()
    reply = await call(running, "inform", event="6")
    assert reply["status"] == -1
    assert reply["info"].startswith("Session already running")
    assert (await call(running, "command", command="reload"))["info"].startswith("Session running")


async def test_what_cannot_be_asked_for(running: Suite) -> None:
    assert (await call(running, "inform", event="99 SOMETHING"))["status"] == -1
    assert (await call(running, "inform", GetRPCMethods=True))["status"] == -1
    assert (await call(running, "command", command="exit")) == {
        "status": -1,
        "info": "exit command is not supported",
    }
    with pytest.raises(InvalidArgument):
        await call(running, "command")


@pytest.mark.parametrize("argument", ["command", "name"])
async def test_reload_in_the_words_of_both(running: Suite, argument: str) -> None:
    running.acs.handler = answer
    running.configure(compatibility=1, provisioning_code="x", periodic_inform_enable=1)
    assert await call(running, "command", **{argument: "reload"}) == {"status": 0, "info": "config reloaded"}
    with trio.fail_after(10):
        while not (await running.status())["next_session"]["time"]:
            await trio.testing.wait_all_tasks_blocked(0.005)


async def test_reboot_is_passed_on(running: Suite) -> None:
    reply = await call(running, "command", command="reboot_end_session")
    assert reply["status"] == 0
    assert running.firmware.reboots == [""]


async def test_another_client_s_object_is_left_alone(suite: Suite, caplog: pytest.LogCaptureFixture) -> None:
    async def theirs(_request: Request) -> dict[str, Any]:
        return {"whose": "theirs"}

    async with open_client(str(suite.paths.bus)) as other:
        await other.add_object("tr069", {"status": Method(theirs)})
        suite.configure(compatibility=1)
        await suite.start()
        await suite.ended()
        assert (await call(suite, "status")) == {"whose": "theirs"}
    assert "option 'compatibility'" in caplog.text
