"""File transfers, rule by rule (TR-069a6 A.3.2.8, A.4.1.5 to A.4.1.9, A.4.2.2, A.4.2.3), with real servers.

Type 1, firmware, is in `test_firmware_service` and, cut off at every step, in `test_firmware_cut_off`; the windows of
ScheduleDownload are in `test_time_windows` (without I/O) and `test_firmware_time` (on a clock that jumps).
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.conftest import StartService
from tests.firmware.fileserver import Exchange, FileServer
from tests.firmware.ftpserver import open_ftp
from tests.firmware.surroundings import NEW, Datamodel, Procd, Session, install_sysupgrade
from tests.firmware.test_firmware_service import IMAGE, left_behind, stop, told

from cwmp.contract import Fault
from cwmp.contract.firmware import FACTORY_RESET, UNKNOWN_TIME, FactoryReset
from cwmp.contract.parameters import GetParameters, get_parameters
from cwmp.firmware.service import serve
from cwmp.runtime import Paths, Runtime
from ubuskit.client import Client, Method, Request

Start = Callable[[], Awaitable[Runtime]]
Calls = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]

CONFIGURATION = "3 Vendor Configuration File"


@pytest.fixture
def start(start_service: StartService, procd: Procd, session: Session, datamodel: Datamodel) -> Start:
    async def begin() -> Runtime:
        return await start_service("firmware", serve)

    return begin


@pytest.fixture
def method(client: Client) -> Calls:
    async def call(name: str, args: dict[str, Any]) -> dict[str, Any]:
        return await client.call("cwmp.firmware", name, args)

    return call


def options(paths: Paths, *lines: str) -> None:
    text = "".join(f"\t{line}\n" for line in lines)
    (paths.uci_dir / "cwmp").write_text(f"config cwmp 'cwmp'\n{text}")


def tar(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def uploads(files: FileServer) -> list[bytes]:
    """What is PUT at /in, as it comes."""
    taken: list[bytes] = []

    @files.route("/in")
    async def _(exchange: Exchange) -> None:
        taken.append(await exchange.body())
        await exchange.answer(201)

    return taken


async def refused(call: Awaitable[None]) -> Fault:
    with pytest.raises(Fault) as caught:
        await call
    return caught.value


async def parameters(session: Session) -> dict[str, str]:
    asked = GetParameters(["Device.DeviceInfo.VendorConfigFile."])
    found = await session.peers.request(get_parameters("firmware"), asked)
    return dict(zip(found.names, found.values, strict=True))


async def only_completed(session: Session, fault_code: int = 0) -> Any:
    await session.heard("complete")
    (done,) = await session.completed()
    assert done.fault_code == fault_code, done.fault_string
    return done


def declare(paths: Paths, file_type: str, program: str, *more: str) -> None:
    """A vendor's type and its program, which is given `load` or `save` and the file."""
    path = paths.system("/usr/libexec/vendor")
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    declaration = paths.system("/etc/cwmp/transfer.d/vendor.toml")
    declaration.parent.mkdir(parents=True)
    lines = [
        f'file_type = "{file_type}"',
        f'download = ["{path}", "load"]',
        f'upload = ["{path}", "save"]',
        *more,
    ]
    declaration.write_text("\n".join(lines))


# Types of files


async def test_type_2_web_content(start: Start, session: Session, files: FileServer, paths: Paths) -> None:
    options(paths, "option web_content '/www/portal'")
    files.serve("/site.tar.gz", tar(index=b"<p>new</p>"))
    await start()
    await session.download(files.url("/site.tar.gz"), file_type="2 Web Content")
    await only_completed(session)
    assert (paths.sysroot / "www/portal/index").read_bytes() == b"<p>new</p>"
    assert [s.state for s in session.states] == [
        "queued",
        "downloading",
        "checking",
        "ready",
        "installing",
        "complete",
    ]
    assert left_behind(paths) == []


async def test_type_2_web_content_that_is_broken(
    start: Start, session: Session, files: FileServer, paths: Paths
) -> None:
    options(paths, "option web_content '/www/portal'")
    files.serve("/site.tar.gz", tar(index=b"new")[:-9])
    await start()
    await session.download(files.url("/site.tar.gz"), file_type="2 Web Content")
    await only_completed(session, 9018)
    assert not (paths.sysroot / "www/portal").exists()


async def test_type_3_vendor_configuration_file(
    start: Start, session: Session, files: FileServer, paths: Paths, procd: Procd
) -> None:
    calls = install_sysupgrade(paths)
    (paths.uci_dir / "network").write_text("old\n")
    files.serve("/night.tar.gz", tar(etc__config__network=b"new\n", etc__cwmp__firmware__queue=b"{}"))
    await session.set_open(True)
    first = await start()
    await session.download(files.url("/night.tar.gz"), file_type=CONFIGURATION)
    await session.heard("ready")
    assert not calls.exists()
    await session.set_open(False)
    await told(procd)
    assert procd.calls == [("reboot", None)]
    assert (calls.read_text(), (paths.uci_dir / "network").read_text()) == ("-r\n", "new\n")
    assert not (paths.state_dir / "firmware" / "queue").exists(), "our state of another day is not ours"
    assert await session.completed() == [], "it is in use after the reboot, not before"

    await stop(first)
    procd.boot(paths)
    await start()
    done = await only_completed(session)
    assert UNKNOWN_TIME < done.start_time <= done.complete_time
    assert calls.read_text() == "-r\n"
    assert left_behind(paths) == []


async def test_a_type_3_download_is_a_row_of_the_vendor_config_file_table(
    start: Start, session: Session, files: FileServer, paths: Paths, procd: Procd
) -> None:
    install_sysupgrade(paths)
    files.serve("/a.tar.gz?token=x", tar(etc__config__network=b"new\n"))
    runtime = await start()
    for count, name in enumerate(("", "other", ""), 1):
        await session.download(files.url("/a.tar.gz?token=x"), file_type=CONFIGURATION, target_file_name=name)
        await told(procd)
        await stop(runtime)
        procd.boot(paths)
        runtime = await start()
        while len(await session.completed()) < count:
            await session.heard("complete")
    found = await parameters(session)
    names = {
        k.removeprefix("Device.DeviceInfo.VendorConfigFile."): v
        for k, v in found.items()
        if k.endswith("Name")
    }
    assert names == {"1.Name": "running-configuration", "2.Name": "a.tar.gz", "3.Name": "other"}
    assert found["Device.DeviceInfo.VendorConfigFile.1.UseForBackupRestore"] == "true"
    assert found["Device.DeviceInfo.VendorConfigFile.2.Date"] > UNKNOWN_TIME


@pytest.mark.parametrize(
    "data",
    [b"not an archive", tar(usr__sbin__init=b"evil"), tar(etc__network=b"x" * 5000)[:-20], tar()],
    ids=["no archive", "not of /etc", "cut off", "empty"],
)
async def test_type_3_that_is_no_configuration(
    start: Start, session: Session, files: FileServer, paths: Paths, procd: Procd, data: bytes
) -> None:
    calls = install_sysupgrade(paths)
    files.serve("/bad", data)
    await start()
    await session.download(files.url("/bad"), file_type=CONFIGURATION)
    await only_completed(session, 9018)
    assert not calls.exists()
    assert procd.calls == []
    assert left_behind(paths) == []


@pytest.mark.parametrize(
    ("file_type", "why"),
    [
        ("2 Web Content", "web_content"),
        (CONFIGURATION, "sysupgrade"),
        ("4 Tone File", "telephony"),
        ("5 Ringer File", "telephony"),
        ("6 Stored Firmware Image", "storing|store"),
        ("7 Unheard Of", "no such type"),
        ("X 02005E Unheard", "no such type"),
        ("1 Vendor Configuration File", "no such type"),
        ("", "no such type"),
    ],
)
async def test_types_of_downloads_that_are_refused(
    start: Start, session: Session, file_type: str, why: str
) -> None:
    await start()
    fault = await refused(session.download("http://f.example/", file_type=file_type))
    assert fault.code == 9003
    assert any(word in fault.text for word in why.split("|"))


@pytest.mark.parametrize(
    "file_type",
    [
        "1 Firmware Upgrade Image",
        "3 Vendor Configuration File",
        "3 Vendor Configuration File 2",
        "3 Vendor Configuration File 0",
        "1 Vendor Configuration File 1",
        "4 Vendor Log File",
        "4 Vendor Log File 2",
        "2 Vendor Configuration File",
        "X 02005E Unheard",
        "",
    ],
)
async def test_types_of_uploads_that_are_refused(
    start: Start, session: Session, paths: Paths, file_type: str
) -> None:
    install_sysupgrade(paths)
    await start()
    assert (await refused(session.upload("http://f.example/", file_type))).code == 9003
    assert await session.queued() == []


async def test_type_6_stored_firmware_image_is_declared_and_reported_as_8(
    start: Start, session: Session, files: FileServer, paths: Paths
) -> None:
    declare(paths, "6 Stored Firmware Image", f'cp "$2" "{paths.sysroot}/stored"')
    await start()
    await session.download("http://f.example/", file_type="6 Stored Firmware Image", delay_seconds=999)
    assert [t.file_type for t in await session.queued()] == ["8 Stored Firmware Image"]
    await session.cancel("key")
    await session.download(files.url("/image"), file_type="6 Stored Firmware Image")
    await only_completed(session)
    assert (paths.sysroot / "stored").read_bytes() == IMAGE


async def test_vendor_types_both_ways(
    start: Start, session: Session, files: FileServer, paths: Paths
) -> None:
    declare(
        paths, "X 02005E Data", f'test "$1" = save && echo saved > "$2" || cp "$2" "{paths.sysroot}/loaded"'
    )
    taken = uploads(files)
    await start()
    await session.download(files.url("/image"), file_type="X 02005E Data")
    await session.upload(files.url("/in"), "X 02005E Data")
    while len(done := await session.completed()) < 2:
        await session.heard("complete")
    assert [t.fault_code for t in done] == [0, 0]
    assert (paths.sysroot / "loaded").read_bytes() == IMAGE
    assert taken == [b"saved\n"]


@pytest.mark.parametrize("file_type", ["1 Vendor Configuration File", "3 Vendor Configuration File 1"])
async def test_upload_of_the_configuration(
    start: Start, session: Session, files: FileServer, paths: Paths, file_type: str
) -> None:
    install_sysupgrade(paths)
    (paths.uci_dir / "network").write_text("config interface\n")
    taken = uploads(files)
    await start()
    await session.upload(files.url("/in"), file_type)
    done = await only_completed(session)
    assert done.method == "Upload"
    assert [s.state for s in session.states] == ["queued", "uploading", "complete"]
    with tarfile.open(fileobj=io.BytesIO(taken[0])) as archive:
        names = archive.getnames()
    assert "etc/config/network" in names
    assert not any(name.startswith("etc/cwmp") for name in names), "our state is no configuration"
    assert left_behind(paths) == []


@pytest.mark.parametrize("file_type", ["2 Vendor Log File", "4 Vendor Log File 1"])
async def test_upload_of_the_log(
    start: Start, session: Session, files: FileServer, paths: Paths, file_type: str
) -> None:
    program = paths.system("/sbin/logread")
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho the log\n")
    program.chmod(0o755)
    taken = uploads(files)
    await start()
    await session.upload(files.url("/in"), file_type)
    await only_completed(session)
    assert taken == [b"the log\n"]


async def test_upload_of_a_log_that_is_a_file(
    start: Start, session: Session, files: FileServer, paths: Paths, datamodel: Datamodel
) -> None:
    datamodel.log_name = "/tmp/messages"
    paths.system("/tmp/messages").write_bytes(b"x" * (9 << 20))
    taken = uploads(files)
    await start()
    await session.upload(files.url("/in"), "4 Vendor Log File 1")
    await only_completed(session)
    assert len(taken[0]) == 8 << 20, "the end of it"


# How a transfer goes


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://user:pw@files.example/", 9003),
        ("ftp://user@files.example/", 9003),
        ("http://files.example/an image", 9003),
        ("http://files.example/" + "a" * 300, 9003),
        ("file:///etc/passwd", 9013),
        ("gopher://files.example/", 9013),
        ("tftp://files.example/", 9013),
        ("coap+multicast://files.example/", 9013),
    ],
)
async def test_urls_that_are_refused_at_once(
    start: Start, session: Session, paths: Paths, url: str, code: int
) -> None:
    install_sysupgrade(paths)
    await start()
    window = (0, 10, "1 At Any Time")
    for call in (
        session.download(url),
        session.schedule(url, window),
        session.upload(url, "3 Vendor Configuration File 1"),
    ):
        assert (await refused(call)).code == code
    assert session.states == []


async def test_file_size_is_for_the_space_and_not_for_the_file(
    start: Start, session: Session, files: FileServer, paths: Paths, procd: Procd
) -> None:
    paths.system("/proc/meminfo").write_text("MemAvailable:   65536 kB\n")
    await start()
    assert (await refused(session.download(files.url("/image"), file_size=1 << 30))).code == 9010
    await session.download(files.url("/image"), file_size=7)
    await told(procd)
    assert procd.flashed == [IMAGE]


async def test_success_and_failure_urls_are_of_no_interest(
    start: Start, session: Session, files: FileServer, procd: Procd
) -> None:
    await start()
    urls = {"success_url": files.url("/yes"), "failure_url": files.url("/no")}
    await session.download(files.url("/image"), **urls)
    await told(procd)
    assert [r.target for r in files.requests] == ["/image"]


async def test_a_failed_transfer_is_not_tried_again_by_itself(
    start: Start, session: Session, files: FileServer
) -> None:
    await start()
    await session.download(files.url("/absent"))
    await only_completed(session, 9016)
    assert len(files.requests) == 1


async def test_at_least_sixteen_wait_over_a_reboot_and_one_more_is_refused(
    start: Start, session: Session, paths: Paths, procd: Procd
) -> None:
    install_sysupgrade(paths)
    runtime = await start()
    for number in range(16):
        if number % 2:
            await session.upload("http://f.example/", "3 Vendor Configuration File 1", delay_seconds=3000)
        else:
            await session.download("http://f.example/", delay_seconds=3000)
    assert (await refused(session.schedule("http://f.example/", (0, 9, "3 When Idle")))).code == 9004
    await stop(runtime)
    procd.boot(paths)
    await start()
    found = await session.queued()
    assert [t.state for t in found] == [1] * 16
    assert [t.is_download for t in found[:2]] == [True, False]
    assert found[1].file_type == "6 Vendor Configuration File 1"


@pytest.mark.parametrize(
    ("status", "code"), [(401, 9012), (403, 9012), (404, 9016), (410, 9016), (500, 9016), (503, 9016)]
)
async def test_faults_of_downloads_by_the_server_s_answer(
    start: Start, session: Session, files: FileServer, status: int, code: int
) -> None:
    files.routes["/no"] = lambda exchange: exchange.answer(status)
    await start()
    await session.download(files.url("/no"))
    await only_completed(session, code)


@pytest.mark.parametrize(("status", "code"), [(401, 9012), (403, 9012), (404, 9011), (507, 9011)])
async def test_faults_of_uploads_by_the_server_s_answer(
    start: Start, session: Session, files: FileServer, paths: Paths, status: int, code: int
) -> None:
    install_sysupgrade(paths)
    files.routes["/no"] = lambda exchange: exchange.answer(status)
    await start()
    await session.upload(files.url("/no"), "3 Vendor Configuration File 1")
    await only_completed(session, code)
    assert left_behind(paths) == []


async def test_9015_for_a_host_that_does_not_answer(start: Start, session: Session) -> None:
    await start()
    await session.download("http://127.0.0.1:9/image")
    await only_completed(session, 9015)


async def test_9017_for_a_file_that_breaks_off(start: Start, session: Session, files: FileServer) -> None:
    @files.route("/lies")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\nshort")
        await exchange.abort()

    await start()
    await session.download(files.url("/lies"))
    await only_completed(session, 9017)


async def test_a_download_by_ftp(start: Start, session: Session, procd: Procd) -> None:
    async with open_ftp(IMAGE) as server:
        await start()
        await session.download(server.url(), username="user", password="secret")
        await told(procd)
    assert procd.flashed == [IMAGE]


# What is on record


async def test_the_record_is_there_before_the_answer_and_gone_with_the_confirmation(
    start: Start, session: Session, files: FileServer, paths: Paths
) -> None:
    document = paths.state_dir / "firmware" / "queue.json"
    await start()
    await session.download("http://f.example/", delay_seconds=99, username="user", password="secret")
    (record,) = json.loads(document.read_text())["transfers"]
    assert (record["command_key"], record["state"], record["password"]) == ("key", "queued", "secret")
    await session.cancel("key")
    await session.download(files.url("/absent"))
    done = await only_completed(session, 9016)
    await session.acknowledge(done)
    assert json.loads(document.read_text())["transfers"] == []


async def test_a_queue_of_version_1_is_taken_over(start: Start, session: Session, paths: Paths) -> None:
    document = paths.state_dir / "firmware" / "queue.json"
    document.parent.mkdir(parents=True)
    document.write_bytes((Path(__file__).parent / "queue_version_1.json").read_bytes())
    await start()
    await session.heard("complete")
    assert [t.id for t in await session.completed()] == ["b2"]
    assert json.loads(document.read_text())["version"] == 2
    assert not document.with_suffix(".corrupt").exists()


# Cancelling and listing (A.4.1.7, A.4.1.9)


async def test_cancel_transfer_cancels_all_with_the_key_and_9021_for_what_cannot_be(
    start: Start, session: Session, files: FileServer, procd: Procd, method: Calls
) -> None:
    await start()
    await session.download(files.url("/image"))
    await told(procd)
    await session.download("http://f.example/", delay_seconds=99)
    await session.download("http://f.example/", delay_seconds=99, command_key="other")
    await method("download", {"url": "http://f.example/", "delay": 99, "command_key": "key"})
    assert (await refused(session.cancel("key"))).code == 9021
    await session.cancel("unknown")
    found = await session.queued()
    assert [(t.command_key, t.state, t.autonomous) for t in found] == [
        ("key", 3, False), ("other", 1, False), ("", 1, True),
    ]  # fmt: skip
    assert await session.completed() == []


# What the ACS did not ask for (A.4.2.2, A.4.2.3)


POLICY = ("option autonomous_transfer_enable '1'", "list autonomous_transfer_file_types '4 Vendor Log File'")


@pytest.mark.parametrize(
    ("lines", "reported"),
    [
        (POLICY, True),
        ((*POLICY, "option autonomous_transfer_type 'Upload'"), True),
        ((*POLICY, "option autonomous_transfer_result 'Failure'"), True),
        ((*POLICY, "option autonomous_transfer_type 'Download'"), False),
        ((*POLICY, "option autonomous_transfer_result 'Success'"), False),
        (POLICY[:1], False),
        (POLICY[1:], False),
        ((), False),
    ],
)
async def test_autonomous_transfers_are_reported_as_the_policy_says(
    start: Start, session: Session, paths: Paths, method: Calls, lines: tuple[str, ...], reported: bool
) -> None:
    options(paths, *lines)
    await start()
    url = "http://127.0.0.1:9/in?x=1"
    answer = await method("upload", {"url": url, "file_type": "4 Vendor Log File 1", "command_key": "mine"})
    assert answer["status"] == 1
    assert (await session.heard("complete")).fault_code == 9011
    found = await session.completed()
    assert len(found) == reported
    if reported:
        (auto,) = [t.autonomous for t in found if t.autonomous is not None]
        assert (auto.transfer_url, auto.is_download, auto.file_type) == (url, False, "7 Vendor Log File 1")


async def test_request_download_is_the_session_s(start: Start, session: Session, method: Calls) -> None:
    await start()
    asked = {"file_type": "1 Firmware Upgrade Image", "args": {"Version": "24.10.2"}}
    assert await method("request_download", asked) == {}
    (request,) = session.requests
    assert (request.file_type, request.names, request.values) == (
        asked["file_type"],
        ["Version"],
        ["24.10.2"],
    )
    for wrong in (
        {},
        {"file_type": "x" * 65},
        {"file_type": "1", "args": {"n": "x" * 257}},
        {"file_type": "1", "args": {"n": 1}},
    ):
        assert (await method("request_download", wrong))["fault"]["code"] == 9003


# Confirming, progress, listing


async def test_a_confirmation_from_the_router(
    start: Start, session: Session, files: FileServer, procd: Procd, method: Calls
) -> None:
    await start()
    await session.schedule(files.url("/image"), (0, 3000, "4 Confirmation Needed"))
    (waiting,) = (await method("queue", {}))["transfers"]
    assert (waiting["confirmation_needed"], waiting["user_message"]) == (True, "Now?")
    assert files.requests == []
    assert (await method("confirm", {"id": "unknown"}))["fault"]["code"] == 9003
    assert await method("confirm", {"id": waiting["id"]}) == {}
    await told(procd)
    assert procd.flashed == [IMAGE]


async def test_progress_is_told(start: Start, session: Session, files: FileServer, procd: Procd) -> None:
    await start()
    await session.download(files.url("/image"))
    await told(procd)
    assert session.progress
    assert session.progress[0].id == session.states[0].id
    assert all(p.bytes <= p.total == len(IMAGE) for p in session.progress)


# An upgrade that keeps nothing


async def test_an_upgrade_without_settings_keeps_what_it_owes(
    start: Start, session: Session, files: FileServer, paths: Paths, procd: Procd
) -> None:
    options(paths, "option upgrade_keep_settings '0'")
    (paths.uci_dir / "network").write_text("config interface\n")
    calls = install_sysupgrade(paths)
    procd.validation = {**procd.validation, "allow_backup": False}
    runtime = await start()
    await session.download(files.url("/image"))
    await session.heard("applying")
    with trio.fail_after(20):
        while not calls.exists() or "-f" not in calls.read_text():
            await trio.lowlevel.checkpoint()
    kept, image = calls.read_text().splitlines()[-1].split()[2:]
    with tarfile.open(kept) as archive:
        names = archive.getnames()
    assert {"etc/config/cwmp", "etc/cwmp/firmware/queue.json"} <= set(names)
    assert "etc/config/network" not in names
    assert Path(image).read_bytes() == IMAGE
    await stop(runtime)
    procd.boot(paths, NEW)
    await start()
    await only_completed(session)


async def test_an_image_that_cannot_keep_the_settings(
    start: Start, session: Session, files: FileServer, procd: Procd
) -> None:
    procd.validation = {**procd.validation, "allow_backup": False}
    await start()
    await session.download(files.url("/image"))
    await only_completed(session, 9018)
    assert procd.calls == []


# Factory reset (A.4.1.4)


class Overlay:
    """rpcd's object: the reset leaves nothing of /etc, or, in a bad system, our state."""

    def __init__(self, paths: Paths, *, thorough: bool = True) -> None:
        self._paths = paths
        self._thorough = thorough
        self.resets = 0
        self.told = trio.Event()

    async def serve(self, client: Client) -> None:
        await client.add_object("rpc-sys", {"factory": Method(self._factory)})

    async def _factory(self, _: Request) -> None:
        self.resets += 1
        if self._thorough:
            for left in sorted(self._paths.state_dir.rglob("*"), reverse=True):
                left.rmdir() if left.is_dir() else left.unlink()
        self.told.set()
        await trio.sleep_forever()


async def test_a_factory_reset_after_the_session(
    start: Start, session: Session, paths: Paths, procd: Procd, client: Client
) -> None:
    overlay = Overlay(paths)
    await overlay.serve(client)
    await session.set_open(True)
    runtime = await start()
    await session.peers.request(FACTORY_RESET, FactoryReset())
    assert overlay.resets == 0
    await session.set_open(False)
    with trio.fail_after(20):
        await overlay.told.wait()
    await stop(runtime)
    procd.boot(paths)
    await start()
    assert await session.completed() == []
    assert overlay.resets == 1


async def test_a_factory_reset_that_was_promised_survives_a_boot_but_not_for_ever(
    start: Start, session: Session, paths: Paths, procd: Procd, client: Client, method: Calls
) -> None:
    overlay = Overlay(paths, thorough=False)
    await overlay.serve(client)
    runtime = await start()
    await session.peers.request(FACTORY_RESET, FactoryReset())
    for _ in range(3):
        with trio.fail_after(20):
            await overlay.told.wait()
        overlay.told = trio.Event()
        await stop(runtime)
        procd.boot(paths)
        runtime = await start()
    assert (await method("status", {}))["reboot_pending"] is False
    assert overlay.resets == 3


async def test_a_factory_reset_without_rpcd(
    start: Start, session: Session, paths: Paths, procd: Procd
) -> None:
    program, called = paths.system("/sbin/jffs2reset"), paths.system("/called")
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" > "{called}.new"; mv "{called}.new" "{called}"; exec sleep 1000\n'
    )
    program.chmod(0o755)
    await start()
    await session.peers.request(FACTORY_RESET, FactoryReset())
    with trio.fail_after(20):
        while not called.exists():
            await trio.lowlevel.checkpoint()
    assert called.read_text() == "-r -y\n"
