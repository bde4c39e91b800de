"""Points of the acceptance checklist (docs/session.md) that no other test stands for, by their numbers."""

from __future__ import annotations

from typing import Any

import trio

from .acs import Post, Reply, answer
from .conftest import Suite

EVERYTHING = "<c:GetParameterValues><ParameterNames><string></string></ParameterNames></c:GetParameterValues>"


async def test_p02_an_inform_response_that_is_lost_brings_the_same_events_again(suite: Suite) -> None:
    suite.acs.handler = lambda post: answer(post) if suite.acs.posts else Reply(drop=True)
    await suite.start()
    first, second = await suite.acs.informs(2)
    assert first.events == second.events == ["0 BOOTSTRAP", "1 BOOT"]
    assert second.texts("RetryCount") == ["1"]
    assert first.id != second.id


async def test_p06_a_reboot_begins_the_waits_anew_but_not_retry_count(suite: Suite) -> None:
    suite.acs.handler = lambda _: Reply(500)
    await suite.start()
    await suite.ended(2)
    suite.configure(retry_minimum_wait_interval=600, retry_interval_multiplier=2000)
    await suite.kill()
    before = len(suite.acs.posts)
    suite.reboot()
    await suite.start()
    with trio.fail_after(10):  # at once: the wait of before is forgotten
        await suite.acs.informs(before + 1)
    status = await suite.ended()
    assert status["next_session"]["why"] == "retry 1"
    assert status["retry_count"] == before + 1
    assert suite.acs.posts[before].texts("RetryCount") == [str(before)]


async def test_p09_a_redirect_of_the_inform_is_not_stored(suite: Suite) -> None:
    def handler(post: Post) -> Reply:
        if post.target == "/acs" and post.method == "Inform":
            return Reply(302, headers=(("Location", "/elsewhere"),))
        return answer(post)

    suite.acs.handler = handler
    await suite.start()
    status = await suite.ended()
    assert status["acs_url"] == suite.acs.url
    assert [p.target for p in suite.acs.posts] == ["/acs", "/elsewhere", "/elsewhere"]
    assert suite.acs.posts[0].body == suite.acs.posts[1].body
    await suite.client.call("cwmp", "inform", {})
    await suite.ended(2)
    assert [p.target for p in suite.acs.posts[3:]] == ["/acs", "/elsewhere", "/elsewhere"]


async def test_p20_no_parameters_set_is_still_a_new_parameter_key(suite: Suite) -> None:
    suite.acs.script(
        "<c:SetParameterValues><ParameterList/><ParameterKey>next</ParameterKey></c:SetParameterValues>"
    )
    await suite.start()
    await suite.ended()
    assert suite.acs.posts[2].method == "SetParameterValuesResponse"
    (asked,) = suite.datamodel.named("set_values")
    assert (list(asked.names), asked.parameter_key) == ([], "next")


async def test_p22_everything_at_once_is_more_than_a_megabyte(suite: Suite) -> None:
    suite.datamodel.values = {f"Device.Hosts.Host.{n}.HostName": f"host-{n}" for n in range(10_000)}
    suite.acs.script(EVERYTHING)
    await suite.start()
    await suite.ended()
    post: Any = suite.acs.posts[2]
    assert len(post.body) > 1_000_000
    assert len(post.texts("Name")) == 10_000
    assert post.xml.xpath("string(//ParameterList/@*)") == "cwmp:ParameterValueStruct[10000]"
