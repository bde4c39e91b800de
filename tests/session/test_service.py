"""The session service on a real bus, against an ACS on loopback."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import trio

from cwmp.contract import Empty, Fault, ParameterFault
from cwmp.contract import datamodel as dm
from cwmp.contract.datamodel import CHANGED, Changed
from cwmp.contract.firmware import TRANSFER
from cwmp.contract.parameters import GetParameters, SetParameters, get_parameters, set_parameters
from cwmp.contract.session import GET_STATE, RAISE_EVENT, STATE, RaiseEvent, State
from cwmp.runtime import Paths, Runtime
from ubuskit.client import Client

from .acs import EMPTY, INFORM_RESPONSE, Acs, Post, Reply, answer, echo, fault, soap
from .conftest import Suite
from .peers import FakeDatamodel, FakeFirmware, transfer

REBOOT = "<c:Reboot><CommandKey>{}</CommandKey></c:Reboot>"
GPV = (
    '<c:GetParameterValues><ParameterNames a:arrayType="xsd:string[1]"><string>Device.</string>'
    "</ParameterNames></c:GetParameterValues>"
)


def spv(*values: str, key: str = "k") -> str:
    items = "".join(
        f"<ParameterValueStruct><Name>Device.P{n}</Name>"
        f'<Value xsi:type="xsd:string">{v}</Value></ParameterValueStruct>'
        for n, v in enumerate(values)
    )
    return (
        f'<c:SetParameterValues><ParameterList a:arrayType="c:ParameterValueStruct[{len(values)}]">{items}'
        f"</ParameterList><ParameterKey>{key}</ParameterKey></c:SetParameterValues>"
    )


async def peer(suite: Suite, name: str = "diagnostics") -> Runtime:
    """A runtime of another service, to ask the session from."""

    async def serve(runtime: Runtime) -> None:
        await runtime.peers.ready()
        await trio.sleep_forever()

    found: Runtime = await suite._start(name, serve)
    return found


async def test_p01_first_start_bootstraps_and_boots_once(suite: Suite) -> None:
    await suite.start()
    status = await suite.ended()
    inform, empty = suite.acs.posts
    assert inform.events == ["0 BOOTSTRAP", "1 BOOT"]
    assert inform.texts("RetryCount") == ["0"]
    assert empty.method == ""
    assert status["state"] == "running"
    assert status["last_session"]["result"] == "success"
    assert status["pending_events"] == []
    assert len(suite.datamodel.named("informed")) == 1
    assert suite.datamodel.named("session_ended")[-1].success is True


async def test_restart_alone_is_no_boot_and_a_reboot_is(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    await suite.kill()
    await suite.start()
    assert (await suite.status())["pending_events"] == []
    await suite.kill()
    suite.reboot()
    await suite.start()
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["1 BOOT"]


async def test_p01_events_of_a_failed_session_come_again_with_retry_count(suite: Suite) -> None:
    suite.acs.handler = lambda post: answer(post) if len(suite.acs.posts) else Reply(500)
    await suite.start()
    first, second = await suite.acs.informs(2)
    assert first.events == second.events == ["0 BOOTSTRAP", "1 BOOT"]
    assert [p.texts("RetryCount") for p in (first, second)] == [["0"], ["1"]]
    status = await suite.ended(2)
    assert status["retry_count"] == 0
    assert status["statistics"]["failure"] == 1


async def test_p03_broken_after_inform_response_does_not_repeat_events(suite: Suite) -> None:
    def handler(post: Post) -> Reply:
        if post.method == "" and sum(p.method == "Inform" for p in suite.acs.posts) == 1:
            return Reply(drop=True)
        return answer(post)

    suite.acs.handler = handler
    await suite.start()
    informs = await suite.acs.informs(2)
    assert informs[1].events == []
    assert informs[1].texts("RetryCount") == ["1"]


async def test_killed_before_inform_response_events_come_again(suite: Suite) -> None:
    """What was not acknowledged comes again; the acknowledgement is durable before the next POST."""
    asked, go_on = trio.Event(), trio.Event()
    suite.acs.handler = lambda post: (asked.set(), Reply(drop=True))[1]
    await suite.start()
    await asked.wait()
    await suite.kill()
    go_on.set()

    def on_disk(post: Post) -> Reply:
        if post.method == "":
            document = json.loads((suite.paths.state_dir / "session" / "events.json").read_text())
            assert document["events"] == []
        return answer(post)

    suite.acs.handler = on_disk
    await suite.start()
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["0 BOOTSTRAP", "1 BOOT"]
    await suite.ended()
    await suite.kill()
    await suite.start()
    assert (await suite.status())["pending_events"] == []


async def test_p36_a_new_acs_url_bootstraps_there(suite: Suite) -> None:
    runtime = await suite.start()
    await suite.ended()
    suite.configure(acs_url=suite.acs.url + "/other")
    runtime.reload()
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["0 BOOTSTRAP"]
    assert informs[1].target == "/acs/other"


async def test_a_change_told_by_the_datamodel_is_taken_up(suite: Suite) -> None:
    suite.configure(acs_url="")
    await suite.start()
    assert (await suite.status())["state"] == "waiting for URL"
    suite.configure()
    await (await peer(suite, "datamodel2")).peers.tell(CHANGED, Changed(["cwmp"]))
    (inform,) = await suite.acs.informs(1)
    assert inform.events == ["0 BOOTSTRAP", "1 BOOT"]


async def test_disabled_opens_nothing(suite: Suite) -> None:
    suite.configure(enable=0)
    await suite.start()
    status = await suite.status()
    assert status["state"] == "disabled"
    assert status["connection_request_url"] == ""
    reply = await suite.client.call("cwmp", "inform", {"event": "2 PERIODIC"})
    assert reply["accepted"] is False


async def test_periodic_inform(suite: Suite) -> None:
    suite.configure(periodic_inform_enable=1, periodic_inform_interval=1)
    await suite.start()
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["2 PERIODIC"]


async def test_periodic_that_succeeds_costs_no_flash(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    file = suite.paths.state_dir / "session" / "events.json"
    before = file.stat().st_mtime_ns
    await suite.client.call("cwmp", "inform", {"event": "periodic"})
    await suite.ended(2)
    assert file.stat().st_mtime_ns == before


async def test_requests_of_the_acs_reach_their_owners(suite: Suite) -> None:
    suite.datamodel.values = {f"Device.Hosts.Host.{i}.HostName": f"host & {i}" for i in range(1000)}
    suite.acs.script(
        GPV,
        spv("a", "b", key="key-1"),
        "<c:GetParameterNames><ParameterPath>Device.</ParameterPath><NextLevel>0</NextLevel></c:GetParameterNames>",
        "<c:AddObject><ObjectName>Device.T.</ObjectName><ParameterKey>k</ParameterKey></c:AddObject>",
        "<c:DeleteObject><ObjectName>Device.T.1.</ObjectName><ParameterKey>k</ParameterKey></c:DeleteObject>",
        "<c:SetParameterAttributes><ParameterList><SetParameterAttributesStruct><Name>a</Name>"
        "<NotificationChange>1</NotificationChange><Notification>2</Notification>"
        "<AccessListChange>0</AccessListChange><AccessList/></SetParameterAttributesStruct></ParameterList>"
        "</c:SetParameterAttributes>",
        "<c:GetParameterAttributes><ParameterNames><string>a</string></ParameterNames></c:GetParameterAttributes>",
        "<c:GetRPCMethods/>",
        "<c:X_Unknown><A/></c:X_Unknown>",
        "<c:Download><CommandKey>dl</CommandKey><FileType>1 Firmware Upgrade Image</FileType><URL>http://h/f</URL>"
        "<Username/><Password/><FileSize>0</FileSize><TargetFileName/><DelaySeconds>0</DelaySeconds><SuccessURL/>"
        "<FailureURL/></c:Download>",
    )
    await suite.start()
    status = await suite.ended()
    assert status["last_session"]["error"] == ""
    posts = suite.acs.posts[2:]
    assert [p.method for p in posts] == [
        "GetParameterValuesResponse",
        "SetParameterValuesResponse",
        "GetParameterNamesResponse",
        "AddObjectResponse",
        "DeleteObjectResponse",
        "SetParameterAttributesResponse",
        "GetParameterAttributesResponse",
        "GetRPCMethodsResponse",
        "Fault",
        "DownloadResponse",
    ]
    assert [p.id for p in posts] == [f"acs-{n}" for n in reversed(range(10))]
    values, _, names, added, _, _, attributes, methods, unknown, download = posts
    assert values.texts("Value") == [f"host & {i}" for i in range(1000)]
    assert len(names.texts("Name")) == 1002  # two were set before
    assert added.texts("InstanceNumber") == ["3"]
    assert attributes.texts("Notification") == ["2"]
    assert attributes.texts("string") == ["Subscriber"]
    assert suite.datamodel.named("set_attributes") == [dm.SetAttributes(["a"], [2], [False], [""])]
    assert {"Download", "GetParameterAttributes", "SetParameterAttributes"} <= set(methods.texts("string"))
    assert unknown.texts("FaultCode") == ["9000"]
    assert download.texts("Status") == ["1"]
    (written,) = suite.datamodel.named("set_values")
    assert (written.names, written.values, written.parameter_key) == (
        ["Device.P0", "Device.P1"],
        ["a", "b"],
        "key-1",
    )
    assert suite.firmware.downloads[0].command_key == "dl"
    assert len({request_id for *_, request_id in suite.datamodel.calls}) == len(suite.datamodel.calls)


async def test_a_datamodel_that_restarts_while_it_is_read_is_read_again(
    acs: Acs, paths: Paths, client: Client, start_service: Callable[..., Any]
) -> None:
    """The list is begun anew: nothing twice, nothing missing."""
    suite = Suite(paths, acs, client, FakeDatamodel(), FakeFirmware(), start_service)
    suite.configure()
    await suite._start("firmware", suite.firmware.serve)
    first = await suite.start_datamodel()
    suite.datamodel.values = {f"Device.P{n}": str(n) for n in range(1000)}
    midway = trio.Event()

    async def hang() -> None:
        midway.set()
        await trio.sleep_forever()

    suite.datamodel.between_pages = hang
    suite.acs.script(GPV)
    await suite.start()
    with trio.fail_after(10):
        await midway.wait()
    first.nursery.cancel_scope.cancel()
    suite.datamodel.between_pages = None
    await suite.start_datamodel()
    status = await suite.ended()
    assert status["last_session"]["error"] == ""
    assert suite.acs.posts[-1].texts("Value") == [str(n) for n in range(1000)]


async def test_p18_refused_values_are_all_named(suite: Suite) -> None:
    suite.datamodel.fault = Fault(
        9003,
        "two are wrong",
        [ParameterFault("Device.P0", 9005, "unknown"), ParameterFault("Device.P1", 9007, "bad")],
    )
    suite.acs.script(spv("a", "b", "c"), GPV)
    await suite.start()
    await suite.ended()
    refused, read = suite.acs.posts[2:]
    assert refused.texts("FaultCode") == ["9003", "9005", "9007"]
    assert refused.texts("ParameterName") == ["Device.P0", "Device.P1"]
    assert read.texts("ParameterName") == []


async def test_a_fault_code_the_method_may_not_use_becomes_9002(suite: Suite) -> None:
    suite.datamodel.fault = Fault(9008, "not writable")
    suite.acs.script("<c:AddObject><ObjectName>Device.T.</ObjectName><ParameterKey/></c:AddObject>")
    await suite.start()
    await suite.ended()
    assert suite.acs.posts[-1].texts("FaultCode") == ["9002"]


async def test_p34_two_reboots_are_one_and_two_events(suite: Suite) -> None:
    suite.acs.script(REBOOT.format("one"), REBOOT.format("two"))
    await suite.start()
    with trio.fail_after(10):
        await suite.firmware.rebooted.wait()
    assert [p.method for p in suite.acs.posts[2:]] == ["RebootResponse"] * 2
    assert suite.firmware.reboots == ["two"]
    await suite.kill()
    suite.reboot()
    await suite.start()
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["1 BOOT", "M Reboot one", "M Reboot two"]


async def test_no_reboot_after_a_session_that_failed(suite: Suite) -> None:
    suite.configure(retry_minimum_wait_interval=60)
    suite.acs.script(REBOOT.format("one"), Reply(500))
    await suite.start()
    status = await suite.ended()
    assert status["last_session"]["result"] == "failure"
    assert not suite.firmware.reboots
    suite.acs.handler = answer
    await suite.client.call("cwmp", "inform", {})
    with trio.fail_after(10):
        await suite.firmware.rebooted.wait()


async def test_completed_transfer_is_reported_and_acknowledged_once(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    suite.firmware.completed.append(transfer("key-1"))
    await (await peer(suite)).bus.send("cwmp.firmware.transfer", {"id": "t-1", "state": "complete"})
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["7 TRANSFER COMPLETE", "M Download key-1"]
    status = await suite.ended(2)
    assert suite.acs.posts[-2].method == "TransferComplete"
    assert suite.firmware.acknowledged == ["t-1"]
    assert status["pending_events"] == []


async def test_p16_refused_transfer_complete_is_delivered_later_at_a_measured_pace(suite: Suite) -> None:
    refused = [8001, 8004]

    def handler(post: Post) -> Reply:
        if post.method == "TransferComplete" and refused:
            return echo(post, fault(refused.pop(0)))
        return answer(post)

    suite.acs.handler = handler
    await suite.start()
    await suite.ended()
    suite.firmware.completed.append(transfer("key-1"))
    await (await peer(suite)).bus.send(TRANSFER.event, {"id": "t-1", "state": "complete"})
    informs = await suite.acs.informs(4)
    assert [p.events for p in informs[1:]] == [["7 TRANSFER COMPLETE", "M Download key-1"]] * 3
    assert [p.texts("RetryCount") for p in informs[1:]] == [["0"]] * 3
    await suite.ended(4)
    assert suite.firmware.acknowledged == ["t-1"]


async def test_confirmed_transfer_never_comes_again_though_firmware_missed_it(suite: Suite) -> None:
    """The ACS's answer is durable here first; the owner is told as soon as it can be."""
    await suite.start()
    await suite.ended()
    suite.firmware.completed.append(transfer("key-1"))
    document = suite.paths.state_dir / "session" / "events.json"
    await suite.kill()
    state = json.loads(document.read_text())
    document.write_text(json.dumps({**state, "confirmed": ["t-1"]}))
    await suite.start()
    with trio.fail_after(10):
        while suite.firmware.acknowledged != ["t-1"]:
            await trio.testing.wait_all_tasks_blocked(0.005)
    assert (await suite.status())["pending_events"] == []


async def test_bootstrap_discards_results_of_earlier_transfers(suite: Suite) -> None:
    suite.firmware.completed.append(transfer("old"))
    await suite.start()
    status = await suite.ended()
    assert suite.acs.posts[0].events == ["0 BOOTSTRAP", "1 BOOT"]
    assert status["pending_events"] == []
    with trio.fail_after(10):
        while suite.firmware.acknowledged != ["t-1"]:
            await trio.testing.wait_all_tasks_blocked(0.005)


async def test_value_change_is_told_and_taken_note_of(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    suite.datamodel.value_change = True
    await suite.client.call("cwmp", "inform", {"event": "2 PERIODIC"})
    informs = await suite.acs.informs(2)
    assert sorted(informs[1].events) == ["2 PERIODIC", "4 VALUE CHANGE"]
    await suite.ended(2)
    assert suite.datamodel.named("informed")[-1].token == "token-1"


async def test_another_device_bootstraps(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    suite.datamodel.serial = "0002"
    await suite.client.call("cwmp", "inform", {"event": "2 PERIODIC"})
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["0 BOOTSTRAP"]


async def test_raise_event_is_durable_when_answered(suite: Suite) -> None:
    suite.configure(acs_url="")
    await suite.start()
    asker = await peer(suite)
    await asker.peers.request(RAISE_EVENT, RaiseEvent("8 DIAGNOSTICS COMPLETE"))
    document = json.loads((suite.paths.state_dir / "session" / "events.json").read_text())
    assert ["8 DIAGNOSTICS COMPLETE", ""] in document["events"]
    with pytest.raises(Fault, match="9003"):
        await asker.peers.request(RAISE_EVENT, RaiseEvent("99 NOTHING"))


async def test_state_is_told_and_can_be_asked(suite: Suite) -> None:
    told: list[bool] = []
    asker = await peer(suite)
    await asker.peers.hear(STATE, lambda state: told.append(state.open))
    seen: list[State] = []

    await suite.start()
    await suite.ended()
    seen.append(await asker.peers.request(GET_STATE, Empty()))
    assert seen == [State(False)]
    assert told == [True, False]


async def test_connection_request_url_is_a_parameter(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    asker = await peer(suite)
    found = await asker.peers.request(get_parameters("session"), GetParameters(["Device.ManagementServer."]))
    assert found.names[0] == "Device.ManagementServer.ConnectionRequestURL"
    assert found.values[0].startswith("http://127.0.0.1:")
    assert found.values[0] == (await suite.status())["connection_request_url"]
    other = await asker.peers.request(get_parameters("session"), GetParameters(["Device.WiFi."]))
    assert other.names == []
    with pytest.raises(Fault) as caught:
        await asker.peers.request(
            set_parameters("session"), SetParameters(["Device.ManagementServer.ConnectionRequestURL"], ["x"])
        )
    assert caught.value.parameters[0].code == 9008


async def test_who_stands_at_the_door_is_answered_by_what_holds_now(suite: Suite) -> None:
    """Another user and path of connection requests do not close the port, nor the connections on it."""
    suite.configure(connection_request_path="before")
    await suite.start_peers()
    await suite.start()
    url = (await suite.ended())["connection_request_url"]
    port = int(url.rpartition(":")[2].partition("/")[0])
    async with await trio.open_tcp_stream("127.0.0.1", port) as early:
        suite.configure(connection_request_path="after", connection_request_username="other")
        await suite.client.call("cwmp", "reload")
        with trio.fail_after(20):
            while not (found := (await suite.status())["connection_request_url"]).endswith("/after"):
                await trio.testing.wait_all_tasks_blocked(0.005)
            assert found == f"http://127.0.0.1:{port}/after"
            await early.send_all(b"GET /after HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await early.receive_some()).startswith(b"HTTP/1.1 401 ")


async def test_the_path_of_connection_requests_stays(suite: Suite) -> None:
    await suite.start()
    before = await suite.ended()
    await suite.kill()
    await suite.start()
    await suite.client.call("cwmp", "inform", {})
    after = await suite.ended()
    assert (
        before["connection_request_url"].rpartition("/")[2]
        == after["connection_request_url"].rpartition("/")[2]
    )


async def test_inform_by_hand_takes_known_events_only(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    refused = await suite.client.call("cwmp", "inform", {"event": "7 TRANSFER COMPLETE"})
    assert refused["accepted"] is False
    assert "6 CONNECTION REQUEST, " in refused["info"]
    assert (await suite.client.call("cwmp", "inform", {"event": "6 connection request"}))["accepted"] is True
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["6 CONNECTION REQUEST"]


async def test_no_secret_is_logged_or_told(suite: Suite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "pass%20word"
    suite.configure(
        acs_url=f"http://user:{secret}@127.0.0.1:{suite.acs.port}/", password="hidden-too", username="u"
    )

    def handler(post: Post) -> Reply:
        if "authorization" not in post.headers:
            return Reply(401, headers=(("WWW-Authenticate", 'Basic realm="x"'),))
        return answer(post)

    suite.acs.handler = handler
    await suite.start()
    status: dict[str, Any] = await suite.ended()
    assert status["last_session"]["result"] == "success"
    for text in (caplog.text, json.dumps(status)):
        assert secret not in text
        assert "pass word" not in text
        assert "hidden-too" not in text


async def test_a_corrupt_state_file_is_set_aside(suite: Suite) -> None:
    directory = suite.paths.state_dir / "session"
    directory.mkdir()
    (directory / "events.json").write_text("{ not json")
    await suite.start()
    await suite.ended()
    assert suite.acs.posts[0].events == ["0 BOOTSTRAP", "1 BOOT"]
    assert (directory / "events.corrupt").exists()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(500), "500"),
        (Reply(body=b"<html><body>hello</body></html>"), "no CWMP message"),
        (Reply(drop=True), "closed the connection"),
        (EMPTY, "empty response while waiting for InformResponse"),
        (soap(fault(8003, "go away")), "8003 go away"),
        (soap("<c:TransferCompleteResponse/>"), "protocol violation"),
        (Reply(401), "no username is configured"),
        (soap(INFORM_RESPONSE, use="2.0"), "2.0"),
    ],
)
async def test_a_bad_answer_to_the_inform_fails_in_plain_words(
    suite: Suite, reply: Reply, words: str
) -> None:
    suite.configure(retry_minimum_wait_interval=60)
    suite.acs.handler = lambda _: reply
    await suite.start()
    status = await suite.ended()
    assert status["last_session"]["result"] == "failure"
    assert words in status["last_session"]["error"]
    assert status["next_session"]["why"] == "retry 1"
    assert status["pending_events"] == ["0 BOOTSTRAP", "1 BOOT"]


async def test_fault_8006_makes_the_next_offer_1_0(suite: Suite) -> None:
    suite.acs.handler = lambda post: answer(post) if suite.acs.posts else echo(post, fault(8006))
    await suite.start()
    first, second = await suite.acs.informs(2)
    assert first.texts("SupportedCWMPVersions") == ["1.0,1.1,1.2,1.3,1.4"]
    assert b"urn:dslforum-org:cwmp-1-0" in second.body
    assert second.texts("SupportedCWMPVersions") == second.texts("SessionTimeout") == []


async def test_p05_a_new_event_interrupts_the_wait_for_a_retry(suite: Suite) -> None:
    suite.configure(retry_minimum_wait_interval=600)
    suite.acs.handler = lambda post: answer(post) if suite.acs.posts else Reply(500)
    await suite.start()
    await suite.ended()
    await suite.client.call("cwmp", "inform", {"event": "2 PERIODIC"})
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["0 BOOTSTRAP", "1 BOOT", "2 PERIODIC"]
    assert informs[1].texts("RetryCount") == ["1"]


async def test_reset_makes_the_next_session_the_first(suite: Suite) -> None:
    suite.acs.script(
        "<c:ScheduleInform><DelaySeconds>4000</DelaySeconds><CommandKey>k</CommandKey></c:ScheduleInform>"
    )
    await suite.start()
    await suite.ended()
    suite.configure(retry_minimum_wait_interval=600)
    await suite.client.call("cwmp", "reload")
    suite.acs.handler = lambda _: Reply(500)
    await suite.client.call("cwmp", "inform", {})
    assert (await suite.ended(2))["retry_count"] == 1
    suite.acs.handler = answer
    assert await suite.client.call("cwmp", "reset") == {"info": "done"}
    status = await suite.ended(3)
    inform = [p for p in suite.acs.posts if p.method == "Inform"][-1]
    assert inform.events == ["0 BOOTSTRAP"]
    assert inform.texts("RetryCount") == ["0"]
    assert status["pending_events"] == []
    document = json.loads((suite.paths.state_dir / "session" / "events.json").read_text())
    assert document["scheduled"] == []


async def test_a_value_change_that_has_been_told_opens_no_session(suite: Suite) -> None:
    """It is raised while the Inform that tells the value is on its way; the datamodel then knows of none."""
    await suite.start()
    await suite.ended()
    raiser = await peer(suite)
    informs = 1

    async def changed() -> None:
        suite.datamodel.value_change = True
        suite.datamodel.before_inform = None

    def handler(post: Post) -> Reply:
        nonlocal informs
        if post.method == "Inform":
            informs += 1
            raiser.nursery.start_soon(raiser.peers.request, RAISE_EVENT, RaiseEvent("4 VALUE CHANGE"))
        return answer(post)

    suite.datamodel.before_inform = changed
    suite.acs.handler = handler
    await suite.client.call("cwmp", "inform", {"event": "2 PERIODIC"})
    assert sorted((await suite.acs.informs(2))[1].events) == ["2 PERIODIC", "4 VALUE CHANGE"]
    with trio.fail_after(10):
        while len(suite.datamodel.named("get_inform")) < 3:  # asked, and there is nothing to tell
            await trio.testing.wait_all_tasks_blocked(0.005)
    status = await suite.ended(2)
    assert status["pending_events"] == []
    assert (status["statistics"]["sessions"], informs) == (2, 2)
    assert status["next_session"]["why"] == ""
