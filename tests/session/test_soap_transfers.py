"""The codec for files and software modules: against the schemas, in every form, and what is against the schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cwmp.lab import acs as lab
from cwmp.lab.acs import soap as wire
from cwmp.lab.acs.calls import REPORTS
from cwmp.session import soap

from .acs import envelope
from .schema import assert_valid
from .test_soap import received, sent

NOW = "2026-01-05T09:00:00Z"
UNKNOWN = "0001-01-01T00:00:00Z"
UUID = "6ba7b810-9dad-51d1-80b4-00c04fd430c8"

AUTONOMOUS = soap.AutonomousTransfer(
    "http://h/<announce>", "http://h/f", True, "1 Firmware Upgrade Image", 7, "f"
)
RESULT = soap.DUResult(
    "Update", UUID, "Device.SoftwareModules.DeploymentUnit.1.", "1.0 <b>", "Installed", True,
    ["Device.SoftwareModules.ExecutionUnit.1.", "Device.SoftwareModules.ExecutionUnit.2."], NOW, UNKNOWN,
)  # fmt: skip
FAILED = soap.DUResult("Install", UUID, "", "", "Failed", False, [], NOW, NOW, 9027, "no & room")
QUEUED = soap.QueuedTransfer("key", 2, True, "1 Firmware Upgrade Image", 7, "f")

SENT: list[tuple[object, int]] = [
    (soap.UploadResponse(1, UNKNOWN, UNKNOWN), 0),
    (soap.FactoryResetResponse(), 0),
    (soap.GetQueuedTransfersResponse([]), 0),
    (soap.GetQueuedTransfersResponse([QUEUED] * 16), 0),
    (soap.RequestDownload("1 Firmware Upgrade Image", ["Instance", "<Version>"], ["1", "&"]), 0),
    (soap.RequestDownload("X 0123AB thing", [], []), 0),
    (soap.GetAllQueuedTransfersResponse([]), 1),
    (soap.GetAllQueuedTransfersResponse([QUEUED]), 1),
    (soap.GetAllQueuedTransfersResponse([soap.QueuedTransfer("", 1, False, "7 Vendor Log File 1", 0, "")]), 2),
    (soap.AutonomousTransferComplete(AUTONOMOUS, 9010, "x" * 300, NOW, UNKNOWN), 1),
    (soap.ScheduleDownloadResponse(), 2),
    (soap.CancelTransferResponse(), 2),
    (soap.ChangeDUStateResponse(), 2),
    (soap.DUStateChangeComplete([RESULT, FAILED], "key"), 2),
    (soap.AutonomousDUStateChangeComplete([RESULT]), 2),
]  # fmt: skip


@pytest.mark.parametrize(("message", "since"), SENT, ids=lambda m: type(m).__name__)
def test_every_message_is_valid_against_the_schemas_that_have_it(message: object, since: int) -> None:
    for minor in range(since, 3):
        assert_valid(sent(message, version=f"1.{minor}", id="i"), minor)


def read(message: object) -> Any:
    """A request of ours as an ACS reads it."""
    posted = wire.read(sent(message, id="i"))
    return REPORTS[posted.method](posted.body)


def test_an_acs_reads_what_we_tell() -> None:
    assert read(soap.AutonomousTransferComplete(AUTONOMOUS, 9010, "no", NOW, UNKNOWN)) == (
        lab.AutonomousTransferComplete(
            "http://h/<announce>", "http://h/f", True, "1 Firmware Upgrade Image", 7, "f",
            9010, "no", NOW, UNKNOWN,
        )
    )  # fmt: skip
    asked = read(soap.RequestDownload("1 Firmware Upgrade Image", ["Instance"], ["1"]))
    assert asked == lab.RequestDownload("1 Firmware Upgrade Image", {"Instance": "1"})
    done = read(soap.DUStateChangeComplete([RESULT, FAILED], "key"))
    assert done.command_key == "key"
    assert done.results == (
        lab.ModuleResult(
            UUID, RESULT.deployment_unit_ref, "1.0 <b>", "Installed", True,
            tuple(RESULT.execution_unit_refs), NOW, UNKNOWN, 0, "",
        ),
        lab.ModuleResult(UUID, "", "", "Failed", False, (), NOW, NOW, 9027, "no & room"),
    )  # fmt: skip
    alone = read(soap.AutonomousDUStateChangeComplete([RESULT]))
    assert [r.operation for r in alone.results] == ["Update"]


RPCS: list[tuple[Any, object, int]] = [
    (
        lab.Upload("k", "https://h/p", "3 Vendor Configuration File 1", "u", "<p>", 5),
        soap.Upload("k", "3 Vendor Configuration File 1", "https://h/p", "u", "<p>", 5),
        2,
    ),
    (
        lab.ScheduleDownload(
            "k", "http://h/f", [lab.Window(0, 60, "3 When Idle", "", -1), lab.Window(60, 90)],
            username="u", password="p", file_size=9, target_file_name="f",
        ),
        soap.ScheduleDownload(
            "k", "1 Firmware Upgrade Image", "http://h/f", "u", "p", 9, "f",
            [soap.TimeWindow(0, 60, "3 When Idle", "", -1), soap.TimeWindow(60, 90, "1 At Any Time", "", 0)],
        ),
        2,
    ),
    (lab.CancelTransfer("k"), soap.CancelTransfer("k"), 2),
    (lab.GetQueuedTransfers(), soap.GetQueuedTransfers(), 0),
    (lab.GetAllQueuedTransfers(), soap.GetAllQueuedTransfers(), 1),
    (lab.FactoryReset(), soap.FactoryReset(), 0),
]  # fmt: skip


@pytest.mark.parametrize(("rpc", "message", "since"), RPCS, ids=lambda m: type(m).__name__)
def test_what_an_acs_asks_for_arrives(rpc: Any, message: object, since: int) -> None:
    for minor in range(since, 3):
        namespace = f"urn:dslforum-org:cwmp-1-{minor}"
        element = wire.element(rpc.method, namespace)
        rpc.write(element)
        data = wire.write(element, id="7", namespace=namespace)
        assert_valid(data, minor)
        assert received(data, 7) == soap.Received(message, minor, "7")  # type: ignore[arg-type]


OPERATIONS = [
    lab.Install("http://h/a", UUID, "u", "p", ".SoftwareModules.ExecEnv.1"),
    lab.Update(UUID, "2", "http://h/b", "u", "p"),
    lab.Uninstall(UUID, "2", "Device.SoftwareModules.ExecEnv.1."),
]


@pytest.mark.parametrize("nested", [False, True])
def test_operations_on_modules_in_both_forms(nested: bool) -> None:
    rpc = lab.ChangeDUState(OPERATIONS, "k", nested=nested)
    element = wire.element(rpc.method)
    rpc.write(element)
    data = wire.write(element, id="7")
    if not nested:
        assert_valid(data)
    assert received(data).message == soap.ChangeDUState(
        "k",
        [
            soap.DUOperation("Install", "http://h/a", UUID, "u", "p", ".SoftwareModules.ExecEnv.1"),
            soap.DUOperation("Update", "http://h/b", UUID, "u", "p", version="2"),
            soap.DUOperation(
                "Uninstall", uuid=UUID, execution_env_ref="Device.SoftwareModules.ExecEnv.1.", version="2"
            ),
        ],
    )


def test_what_an_operation_leaves_out_is_empty() -> None:
    data = envelope(
        '<c:ChangeDUState><Operations xsi:type="UpdateOpStruct"/><CommandKey/></c:ChangeDUState>', cwmp=2
    )
    assert received(data).message == soap.ChangeDUState("", [soap.DUOperation("Update")])
    without_key = envelope("<c:ChangeDUState><Operations><UpdateOpStruct/></Operations></c:ChangeDUState>")
    assert received(without_key).message == soap.ChangeDUState("", [soap.DUOperation("Update")])


def window(start: object, end: object, retries: object = 0) -> str:
    return (
        f"<TimeWindowStruct><WindowStart>{start}</WindowStart><WindowEnd>{end}</WindowEnd>"
        f"<WindowMode>1 At Any Time</WindowMode><UserMessage/><MaxRetries>{retries}</MaxRetries></TimeWindowStruct>"
    )


def schedule(*windows: str) -> str:
    return (
        "<c:ScheduleDownload><CommandKey/><FileType>1 Firmware Upgrade Image</FileType><URL>u</URL><Username/>"
        "<Password/><FileSize>0</FileSize><TargetFileName/>"
        f"<TimeWindowList>{''.join(windows)}</TimeWindowList></c:ScheduleDownload>"
    )


def upload(**changes: str) -> str:
    fields = {
        "CommandKey": "", "FileType": "3 Vendor Configuration File 1", "URL": "http://h/", "Username": "",
        "Password": "", "DelaySeconds": "0", **changes,
    }  # fmt: skip
    return f"<c:Upload>{''.join(f'<{n}>{v}</{n}>' for n, v in fields.items() if v != '-')}</c:Upload>"


def change(operations: str) -> str:
    return f"<c:ChangeDUState>{operations}<CommandKey/></c:ChangeDUState>"


INSTALL = '<Operations xsi:type="c:InstallOpStruct">{}</Operations>'


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (upload(FileType="-"), 9003, "FileType is missing"),
        (upload(FileType="Log"), 9003, "neither a standard"),
        (upload(DelaySeconds="soon"), 9003, "unsignedInt"),
        (upload(Password="x" * 257), 9003, "257 characters"),
        (schedule(), 9003, "TimeWindowList"),
        (schedule(window(0, 1), window(1, 2), window(2, 3)), 9003, "at most 2"),
        (schedule(window(5, 5)), 9003, "end before"),
        (schedule(window(5, 4)), 9003, "end before"),
        (schedule(window(0, 10), window(9, 20)), 9003, "overlap"),
        (schedule(window(10, 20), window(0, 5)), 9003, "overlap"),
        (schedule(window(0, 2**32)), 9003, "unsignedInt"),
        (schedule(window(0, 1, -2)), 9003, "below -1"),
        (schedule("<Window/>"), 9003, "TimeWindowStruct"),
        # 9003 is not among what these two may answer.
        (f"<c:CancelTransfer><CommandKey>{'x' * 33}</CommandKey></c:CancelTransfer>", 9001, "33 characters"),
        ("<c:CancelTransfer/>", 9001, "missing"),
        (change(""), 9001, "Operations is missing"),
        (change("<Operations/>"), 9001, "none of"),
        (change("<Operations><Other/></Operations>"), 9001, "none of"),
        (change('<Operations xsi:type="c:OperationStruct"/>'), 9001, "none of"),
        (change(INSTALL.format(f"<URL>{'x' * 1025}</URL>")), 9001, "1025 characters"),
        (change(INSTALL.format("<URL/><URL/>")), 9001, "twice"),
        (change(INSTALL.format("<URL><a/></URL>")), 9001, "elements"),
    ],
)
def test_what_is_against_the_schema_is_refused_with_its_fault(content: str, code: int, words: str) -> None:
    message = received(envelope(content, id="i", cwmp=2)).message
    assert isinstance(message, soap.InvalidRequest)
    assert message.fault.code == code
    assert words in message.fault.text
    assert "x" * 100 not in message.fault.text


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30)


@settings(max_examples=30)
@given(_TEXT, _TEXT, st.integers(0, 2**32 - 1))
def test_any_text_arrives(url: str, password: str, delay: int) -> None:
    rpc = lab.Upload("k", url, password=password, delay_seconds=delay)
    element = wire.element(rpc.method)
    rpc.write(element)
    found = received(wire.write(element, id="1")).message
    assert found == soap.Upload("k", "3 Vendor Configuration File 1", url, "", password, delay)


@settings(max_examples=30)
@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=16))
def test_any_arguments_are_asked_for(pairs: list[tuple[str, str]]) -> None:
    names, values = [n for n, _ in pairs], [v for _, v in pairs]
    root = etree.fromstring(sent(soap.RequestDownload("2 Web Content", names, values)))
    assert [e.text or "" for e in root.iter("Name")] == names
    assert [e.text or "" for e in root.iter("Value")] == values
