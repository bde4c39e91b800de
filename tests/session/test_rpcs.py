"""The requests of the ACS that the firmware service carries out, and what is told of their ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio

from cwmp.contract import Fault
from cwmp.contract import firmware as fw
from cwmp.contract.session import REQUEST_DOWNLOAD, RequestDownload
from cwmp.lab import acs as lab
from cwmp.lab.acs import soap as wire
from cwmp.runtime import Paths
from cwmp.session.rpc import METHODS
from ubuskit.client import Client

from .acs import Acs, Post, Reply, answer, echo, envelope, fault
from .conftest import Suite
from .peers import FakeDatamodel, FakeFirmware, transfer
from .schema import assert_valid
from .test_service import REBOOT, peer

NOW = "2026-01-05T09:00:00Z"
RESULT = fw.DUResult(
    "Install", "6ba7b810-9dad-51d1-80b4-00c04fd430c8", "D.1.", "1", "Installed", True, [], NOW, NOW
)
AUTONOMOUS = fw.AutonomousTransfer("", "http://h/f", True, "1 Firmware Upgrade Image", 7, "f")


def asks(rpc: Any) -> Reply:
    """What an ACS sends to call `rpc`."""
    element = wire.element(rpc.method)
    rpc.write(element)
    return Reply(body=wire.write(element, id="acs"))


async def answers(suite: Suite, *rpcs: Any) -> list[Post]:
    """What one session answers to these."""
    before = (await suite.status())["statistics"]["sessions"] if suite.runtime else 0
    suite.acs.script(*map(asks, rpcs))
    if suite.runtime:
        await suite.client.call("cwmp", "inform", {})
    else:
        await suite.start()
    await suite.ended(before + 1)
    posts = suite.acs.posts[-len(rpcs) :]
    for post in posts:
        assert_valid(post.body)
    return posts


async def told(suite: Suite, event: str) -> None:
    """The firmware service says that there is something new."""
    await (await peer(suite)).bus.send(event, {"id": "x", "state": "complete"})


async def test_each_reaches_its_owner_as_it_was_asked(suite: Suite) -> None:
    suite.firmware.queued = [
        fw.QueuedTransfer("one", 1, True, "1 Firmware Upgrade Image", 5, "f"),
        fw.QueuedTransfer("", 2, False, "7 Vendor Log File 1", 0, "", autonomous=True),
    ]
    posts = await answers(
        suite,
        lab.Upload("up", "http://h/p", username="u", password="p", delay_seconds=3),
        lab.ScheduleDownload("sd", "http://h/f", [lab.Window(1, 2)]),
        lab.CancelTransfer("up"),
        lab.ChangeDUState([lab.Install("http://h/m"), lab.Uninstall(RESULT.uuid)], "du"),
        lab.GetQueuedTransfers(),
        lab.GetAllQueuedTransfers(),
    )
    assert [p.method for p in posts] == [
        "UploadResponse",
        "ScheduleDownloadResponse",
        "CancelTransferResponse",
        "ChangeDUStateResponse",
        "GetQueuedTransfersResponse",
        "GetAllQueuedTransfersResponse",
    ]
    assert suite.firmware.orders == [
        fw.Upload("up", "3 Vendor Configuration File 1", "http://h/p", "u", "p", 3),
        fw.ScheduleDownload(
            "sd", "1 Firmware Upgrade Image", "http://h/f", windows=[fw.TimeWindow(1, 2, "1 At Any Time")]
        ),
        fw.CancelTransfer("up"),
        fw.ChangeDUState(
            "du", [fw.DUOperation("Install", "http://h/m"), fw.DUOperation("Uninstall", uuid=RESULT.uuid)]
        ),
    ]
    assert posts[0].texts("Status") == ["1"]
    assert posts[4].texts("CommandKey") == ["one"]  # what is autonomous is not among them
    assert posts[5].texts("CommandKey") == ["one", ""]
    assert posts[5].texts("IsDownload") == ["1", "0"]


@pytest.mark.parametrize(
    ("rpc", "passed", "otherwise"),
    [
        (lab.Download("k", "u"), {9000, 9001, 9002, 9003, 9004, 9010, 9012, 9013, 9801}, 9002),
        (lab.Upload("k", "u"), {9000, 9001, 9002, 9003, 9004, 9011, 9012, 9013, 9801}, 9002),
        (
            lab.ScheduleDownload("k", "u", [lab.Window(0, 1)]),
            {9000, 9001, 9002, 9003, 9004, 9010, 9013, 9801},
            9002,
        ),
        (lab.CancelTransfer("k"), {9000, 9001, 9004, 9021, 9801}, 9001),
        (lab.ChangeDUState([lab.Install("u")]), {9000, 9001, 9002, 9004, 9801}, 9002),
    ],
    ids=lambda p: type(p).__name__,
)
async def test_no_fault_that_the_method_may_not_answer(
    suite: Suite, rpc: Any, passed: set[int], otherwise: int
) -> None:
    await suite.start()
    await suite.ended()
    codes = [*range(9000, 9033), 9801]
    left = list(codes)

    def handler(post: Post) -> Reply:
        if post.method == "Inform" or not left:
            return answer(post)
        suite.firmware.fault = Fault(left.pop(0), "refused")
        return asks(rpc)

    suite.acs.handler = handler
    before = len(suite.acs.posts)
    await suite.client.call("cwmp", "inform", {})
    await suite.ended(2)
    found = [int(p.texts("FaultCode")[0]) for p in suite.acs.posts[before + 2 :]]
    assert found == [code if code in passed else otherwise for code in codes]


async def test_what_the_router_cannot_do_is_9000_and_not_in_the_list(
    acs: Acs, paths: Paths, client: Client, start_service: Callable[..., Any]
) -> None:
    firmware = FakeFirmware(without=frozenset({"change_du_state", "factory_reset", "get_du_changes"}))
    suite = Suite(paths, acs, client, FakeDatamodel(), firmware, start_service)
    suite.configure()
    await suite.start_peers()
    asked = [
        lab.GetRPCMethods(),
        lab.ChangeDUState([lab.Install("u")]),
        lab.FactoryReset(),
        lab.Upload("k", "u"),
    ]
    methods, modules, reset, upload = await answers(suite, *asked)
    assert methods.texts("string") == [m for m in METHODS if m not in {"ChangeDUState", "FactoryReset"}]
    assert modules.texts("FaultCode") == reset.texts("FaultCode") == ["9000"]
    assert upload.method == "UploadResponse"
    assert (await suite.status())["next_session"]["why"] == ""


async def test_every_method_is_in_the_list_and_answers(suite: Suite) -> None:
    """GetRPCMethods is exactly what answers: none of them 9000, all others 9000."""
    calls = {rpc.method: asks(rpc) for rpc in CALLS}
    (methods,) = await answers(suite, lab.GetRPCMethods())
    listed = methods.texts("string")
    assert sorted(listed) == sorted(calls)
    left = [*listed, "SetVouchers", "GetOptions", "Kicked"]
    before = len(suite.acs.posts)

    def handler(post: Post) -> Reply:
        if post.method == "Inform" or not left:
            return answer(post)
        name = left.pop(0)
        return calls.get(name) or Reply(body=envelope(f"<c:{name}/>", id="acs", cwmp=2))

    suite.acs.handler = handler
    suite.datamodel.values = {"Device.A": "a"}
    await suite.client.call("cwmp", "inform", {})
    await suite.ended(2)
    found = [
        p.method if p.method != "Fault" else p.texts("FaultCode")[0] for p in suite.acs.posts[before + 2 :]
    ]
    assert found == [*(f"{name}Response" for name in listed), "9000", "9000", "9000"]


CALLS: list[Any] = [
    lab.GetRPCMethods(),
    lab.SetParameterValues({"Device.A": "b"}),
    lab.GetParameterValues(["Device."]),
    lab.GetParameterNames("Device."),
    lab.SetParameterAttributes({"Device.A": lab.Attributes(1)}),
    lab.GetParameterAttributes(["Device.A"]),
    lab.AddObject("Device.T."),
    lab.DeleteObject("Device.T.1."),
    lab.Download("k", "http://h/f"),
    lab.Upload("k", "http://h/p"),
    lab.ScheduleDownload("k", "http://h/f", [lab.Window(0, 1)]),
    lab.CancelTransfer("k"),
    lab.GetQueuedTransfers(),
    lab.GetAllQueuedTransfers(),
    lab.ChangeDUState([lab.Install("http://h/m")]),
    lab.Reboot(),
    lab.FactoryReset(),
    lab.ScheduleInform(3600),
]


async def test_p35_a_factory_reset_comes_after_a_session_that_ended_well_and_begins_anew(
    suite: Suite,
) -> None:
    await suite.start()
    await suite.ended()
    state = suite.paths.state_dir / "session" / "events.json"

    def handler(post: Post) -> Reply:
        if post.method == "" and suite.acs.posts[-1].method == "Inform":
            return asks(lab.FactoryReset())
        if post.method == "FactoryResetResponse":
            assert json.loads(state.read_text())["reset"] == "asked"
            assert suite.firmware.resets == 0
        return answer(post)

    suite.acs.handler = handler
    await suite.client.call("cwmp", "inform", {})
    with trio.fail_after(10):
        await suite.firmware.rebooted.wait()
    assert (suite.firmware.resets, suite.firmware.reboots) == (1, [])
    with trio.fail_after(10):
        while json.loads(state.read_text())["reset"] != "ordered":
            await trio.testing.wait_all_tasks_blocked(0.005)
    await suite.kill()
    suite.acs.handler = answer
    suite.reboot()  # and this service's state outlived it
    await suite.start()
    informs = await suite.acs.informs(3)
    assert informs[2].events == ["0 BOOTSTRAP", "1 BOOT"]
    await suite.ended()
    assert suite.firmware.resets == 1


async def test_p35_no_factory_reset_after_a_session_that_failed_and_no_reboot_beside_it(suite: Suite) -> None:
    suite.configure(retry_minimum_wait_interval=60)
    suite.acs.script(REBOOT.format("one"), asks(lab.FactoryReset()), Reply(500))
    await suite.start()
    assert (await suite.ended())["last_session"]["result"] == "failure"
    assert suite.firmware.resets == 0
    suite.acs.handler = answer
    await suite.client.call("cwmp", "inform", {})
    with trio.fail_after(10):
        await suite.firmware.rebooted.wait()
    assert (suite.firmware.resets, suite.firmware.reboots) == (1, [])


async def test_p35_a_reset_that_was_cut_off_is_asked_for_again(suite: Suite) -> None:
    """The power goes before firmware has taken the order: it is promised, so it happens at the next boot."""
    await suite.start()
    await suite.ended()
    await suite.kill()
    state = suite.paths.state_dir / "session" / "events.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "reset": "due"}))
    suite.reboot()
    await suite.start()
    with trio.fail_after(10):
        await suite.firmware.rebooted.wait()
    assert suite.firmware.resets == 1


async def test_ends_of_uploads_and_scheduled_downloads_have_their_events(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    suite.firmware.completed = [
        fw.CompletedTransfer("t-1", "Upload", "up", 9011, "no", NOW, NOW),
        fw.CompletedTransfer("t-2", "ScheduleDownload", "sd", 9013, "not to be said", NOW, NOW),
    ]
    await told(suite, fw.TRANSFER.event)
    inform = (await suite.acs.informs(2))[1]
    assert inform.events == ["7 TRANSFER COMPLETE", "M Upload up", "M ScheduleDownload sd"]
    await suite.ended(2)
    reports = [p for p in suite.acs.posts if p.method == "TransferComplete"]
    assert [p.texts("CommandKey") + p.texts("FaultCode") for p in reports] == [["up", "9011"], ["sd", "9002"]]
    assert suite.firmware.acknowledged == ["t-1", "t-2"]


async def test_what_happened_by_itself_is_told_by_requests_of_its_own(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    suite.firmware.completed = [
        fw.CompletedTransfer("t-1", "Download", "", 0, "", NOW, NOW, AUTONOMOUS),
        transfer("asked", 2),
    ]
    suite.firmware.changes = [
        fw.DUStateChange("c-1", "du", False, [RESULT]),
        fw.DUStateChange("c-2", "", True, [RESULT]),
    ]
    await told(suite, fw.TRANSFER.event)
    await told_of_changes(suite)
    inform = (await suite.acs.informs(2))[1]
    await suite.ended(2)
    if "11" not in " ".join(inform.events):  # the one fact was there before the other
        await suite.ended(3)
    posts = {p.method: p for p in suite.acs.posts}
    events = {e for p in suite.acs.posts if p.method == "Inform" for e in p.events}
    assert events >= {
        "7 TRANSFER COMPLETE",
        "M Download asked",
        "10 AUTONOMOUS TRANSFER COMPLETE",
        "11 DU STATE CHANGE COMPLETE",
        "M ChangeDUState du",
        "12 AUTONOMOUS DU STATE CHANGE COMPLETE",
    }
    assert posts["AutonomousTransferComplete"].texts("TransferURL") == ["http://h/f"]
    assert posts["DUStateChangeComplete"].texts("CommandKey") == ["du"]
    assert posts["AutonomousDUStateChangeComplete"].texts("OperationPerformed") == ["Install"]
    for name in ("AutonomousTransferComplete", "DUStateChangeComplete", "AutonomousDUStateChangeComplete"):
        assert_valid(posts[name].body)
    assert sorted(suite.firmware.acknowledged) == ["c-1", "c-2", "t-1", "t-2"]
    assert (await suite.status())["pending_events"] == []


async def told_of_changes(suite: Suite) -> None:
    await (await peer(suite, "diagnostics2")).bus.send(fw.DU_CHANGED.event, {"id": "x"})


async def test_refused_module_results_stay_and_8005_asks_again(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    refusals = [8005, 8005, 8002]

    def handler(post: Post) -> Reply:
        if post.method == "DUStateChangeComplete" and refusals:
            return echo(post, fault(refusals.pop(0)))
        return answer(post)

    suite.acs.handler = handler
    suite.firmware.changes = [fw.DUStateChange("c-1", "du", False, [RESULT])]
    await told_of_changes(suite)
    informs = await suite.acs.informs(3)
    await suite.ended(3)
    assert [p.events for p in informs[1:]] == [["11 DU STATE CHANGE COMPLETE", "M ChangeDUState du"]] * 2
    reports = [p for p in suite.acs.posts if p.method == "DUStateChangeComplete"]
    assert [p.id for p in reports][:3] == [reports[0].id] * 3  # 8005: the identical request
    assert len(reports) == 4
    assert suite.firmware.acknowledged == ["c-1"]


async def test_bootstrap_discards_results_of_modules_and_downloads_asked_for(suite: Suite) -> None:
    suite.firmware.changes = [fw.DUStateChange("c-1", "old", False, [RESULT])]
    await suite.start()
    status = await suite.ended()
    assert suite.acs.posts[0].events == ["0 BOOTSTRAP", "1 BOOT"]
    assert status["pending_events"] == []
    with trio.fail_after(10):
        while suite.firmware.acknowledged != ["c-1"]:
            await trio.testing.wait_all_tasks_blocked(0.005)


WISH = RequestDownload("1 Firmware Upgrade Image", ["Instance"], ["1"])


async def test_a_download_is_asked_of_the_acs_until_it_has_answered(suite: Suite) -> None:
    suite.acs.handler = lambda _: Reply(500)
    suite.configure(retry_minimum_wait_interval=60)
    await suite.start()
    await suite.ended()
    await (await peer(suite)).peers.request(REQUEST_DOWNLOAD, WISH)
    await suite.ended(2)
    await suite.kill()
    suite.reboot()
    suite.acs.handler = answer
    await suite.start()
    await suite.ended()
    assert "9 REQUEST DOWNLOAD" in [p for p in suite.acs.posts if p.method == "Inform"][-1].events
    asked = suite.acs.posts[-2]
    assert (asked.method, asked.texts("FileType"), asked.texts("Value")) == (
        "RequestDownload",
        ["1 Firmware Upgrade Image"],
        ["1"],
    )
    assert_valid(asked.body)
    assert (await suite.status())["pending_events"] == []


@pytest.mark.parametrize("code", [8000, 8001, 8003])
async def test_a_download_that_the_acs_refuses_is_not_asked_for_again(suite: Suite, code: int) -> None:
    await suite.start()
    await suite.ended()
    suite.acs.handler = lambda post: (
        echo(post, fault(code)) if post.method == "RequestDownload" else answer(post)
    )
    await (await peer(suite)).peers.request(REQUEST_DOWNLOAD, WISH)
    status = await suite.ended(2)
    assert status["pending_events"] == []
    assert status["last_session"]["result"] == "success"
    assert status["next_session"]["why"] == ""


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (RequestDownload("Firmware", [], []), 9003),
        (RequestDownload("1 Firmware Upgrade Image", ["a"], []), 9003),
        (RequestDownload("1 Firmware Upgrade Image", ["a"] * 17, ["b"] * 17), 9003),
        (RequestDownload("1 Firmware Upgrade Image", ["a" * 65], ["b"]), 9003),
        (RequestDownload("1 Firmware Upgrade Image", ["a"], ["b" * 257]), 9003),
    ],
)
async def test_a_request_that_no_acs_could_read_is_refused(
    suite: Suite, wish: RequestDownload, code: int
) -> None:
    suite.configure(enable=0)
    await suite.start()
    asker = await peer(suite)
    with pytest.raises(Fault) as refused:
        await asker.peers.request(REQUEST_DOWNLOAD, wish)
    assert refused.value.code == code


async def test_too_many_downloads_asked_for_are_refused(suite: Suite) -> None:
    suite.configure(enable=0)
    await suite.start()
    asker = await peer(suite)
    for _ in range(8):
        await asker.peers.request(REQUEST_DOWNLOAD, WISH)
    with pytest.raises(Fault) as refused:
        await asker.peers.request(REQUEST_DOWNLOAD, WISH)
    assert refused.value.code == 9004


async def test_an_acs_of_an_old_version_is_not_asked_what_it_does_not_know(suite: Suite) -> None:
    """3.7.4; and it is no reason to come again before there is another one."""
    await suite.start()
    await suite.ended()
    suite.acs.handler = lambda post: (
        Reply(
            body=envelope("<c:InformResponse><MaxEnvelopes>1</MaxEnvelopes></c:InformResponse>", id=post.id)
        )
        if post.method == "Inform"
        else answer(post)
    )
    suite.firmware.changes = [fw.DUStateChange("c-1", "du", False, [RESULT])]
    await told_of_changes(suite)
    status = await suite.ended(2)
    assert [p.method for p in suite.acs.posts[2:]] == ["Inform", ""]
    assert status["next_session"]["why"] == ""
    assert status["pending_events"] == ["11 DU STATE CHANGE COMPLETE", "M ChangeDUState du"]
