"""Points of the acceptance checklist (docs/session.md) that no other test stands for, by their numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import trio

from .acs import Post, Reply, answer
from .conftest import Suite
from .peers import transfer

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


async def test_p12_an_inform_response_in_chunks(suite: Suite) -> None:
    def handler(post: Post) -> Reply:
        return replace(answer(post), chunked=True) if post.method == "Inform" else answer(post)

    suite.acs.handler = handler
    await suite.start()
    assert (await suite.ended())["last_session"]["result"] == "success"
    assert [p.method for p in suite.acs.posts] == ["Inform", ""]


async def test_p19_a_parameter_that_is_set_twice_refuses_all(suite: Suite) -> None:
    item = "<ParameterValueStruct><Name>{}</Name><Value>{}</Value></ParameterValueStruct>"
    items = item.format("Device.A", 1) + item.format("Device.B", 2) + item.format("Device.A", 1)
    suite.acs.script(
        f"<c:SetParameterValues><ParameterList>{items}</ParameterList><ParameterKey>k</ParameterKey>"
        "</c:SetParameterValues>"
    )
    await suite.start()
    await suite.ended()
    refused = suite.acs.posts[2]
    assert (refused.method, refused.id, refused.texts("FaultCode")) == ("Fault", "acs-0", ["9003"])
    assert suite.datamodel.named("set_values") == []


async def test_p36_what_the_acs_of_before_was_to_know_is_not_told_to_the_next(suite: Suite) -> None:
    runtime = await suite.start()
    await suite.ended()
    suite.acs.handler = lambda _: Reply(500)
    suite.configure(retry_minimum_wait_interval=600)
    suite.firmware.completed.append(transfer("old"))
    await suite.client.call("cwmp", "inform", {"event": "8 DIAGNOSTICS COMPLETE"})
    status = await suite.ended(2)
    assert "8 DIAGNOSTICS COMPLETE" in status["pending_events"]
    suite.acs.handler = answer
    suite.configure(acs_url=suite.acs.url + "/other")
    runtime.reload()
    inform = (await suite.acs.informs(3))[2]
    assert (inform.target, inform.events) == ("/acs/other", ["0 BOOTSTRAP"])
    status = await suite.ended(3)
    assert status["pending_events"] == []
    with trio.fail_after(10):
        while suite.firmware.acknowledged != ["t-1"]:
            await trio.testing.wait_all_tasks_blocked(0.005)
    assert "TransferComplete" not in [p.method for p in suite.acs.posts]
