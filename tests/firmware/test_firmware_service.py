"""The firmware service on a bus, with procd's replies as they are and real downloads."""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trustme
from tests.conftest import StartService
from tests.firmware.fileserver import Exchange, FileServer, open_server
from tests.firmware.surroundings import NEW, OLD, Procd, Session

from cwmp.contract import Empty, Fault
from cwmp.contract.firmware import DOWNLOAD, REBOOT, UNKNOWN_TIME, Download, Reboot
from cwmp.firmware.service import serve
from cwmp.runtime import Paths, Runtime
from ubuskit.client import Client, open_client

IMAGE = b"new firmware " * 5000

Start = Callable[[], Awaitable[Runtime]]


@pytest.fixture
def start(start_service: StartService, procd: Procd, session: Session) -> Start:
    """Start the service; again after it was stopped."""

    async def begin() -> Runtime:
        return await start_service("firmware", serve)

    return begin


async def stop(runtime: Runtime) -> None:
    """End the service as SIGTERM does."""
    runtime.nursery.cancel_scope.cancel()
    async with open_client(str(runtime.paths.bus)) as client:
        with trio.fail_after(10):
            while runtime.nursery.child_tasks or await client.lookup("cwmp.firmware"):
                await trio.lowlevel.checkpoint()


async def told(procd: Procd) -> None:
    with trio.fail_after(20):
        await procd.told.wait()


def left_behind(paths: Paths) -> list[str]:
    """Files of transfers; the directory itself is made anew when the service starts."""
    return [p.name for p in (paths.run_dir / "firmware").glob("*")]


async def test_p30_a_firmware_download_from_the_request_to_the_confirmation(
    start: Start, procd: Procd, session: Session, files: FileServer, paths: Paths
) -> None:
    first = await start()
    await session.download(files.url("/image"))
    await told(procd)
    assert procd.flashed == [IMAGE]
    assert [s.state for s in session.states] == ["queued", "downloading", "checking", "ready", "applying"]
    assert await session.completed() == []

    await stop(first)
    procd.boot(paths, NEW)
    second = await start()
    await session.heard("complete")
    (done,) = await session.completed()
    assert (done.method, done.command_key, done.fault_code, done.fault_string) == ("Download", "key", 0, "")
    assert UNKNOWN_TIME < done.start_time <= done.complete_time
    await session.acknowledge(done)
    await session.acknowledge(done)
    assert await session.completed() == []

    await stop(second)
    await start()
    assert await session.completed() == []
    assert (len(procd.flashed), len(files.requests)) == (1, 1)
    assert left_behind(paths) == []


async def test_a_device_that_comes_back_with_the_old_image_says_so(
    start: Start, procd: Procd, session: Session, files: FileServer, paths: Paths
) -> None:
    first = await start()
    await session.download(files.url("/image"))
    await told(procd)
    await stop(first)
    procd.boot(paths, OLD)
    await start()
    await session.heard("complete")
    (done,) = await session.completed()
    assert done.fault_code == 9018
    assert "24.10.1 r28597-0425664679" in done.fault_string
    assert len(procd.flashed) == 1


async def test_the_flash_waits_for_the_end_of_the_session(
    start: Start, procd: Procd, session: Session, files: FileServer
) -> None:
    await session.set_open(True)
    await start()
    await session.download(files.url("/image"))
    await session.heard("ready")
    with trio.fail_after(5):
        await session.asked.wait()
    assert procd.calls == []
    await session.set_open(False)
    await told(procd)
    assert procd.flashed == [IMAGE]


@pytest.mark.parametrize(
    ("validation", "code"),
    [
        ({"valid": False, "tests": {"fwtool_signature": True, "fwtool_device_match": False}}, 9018),
        ({"valid": False, "tests": {"fwtool_signature": False, "fwtool_device_match": False}}, 9018),
        ({"valid": False, "tests": {"fwtool_signature": False, "fwtool_device_match": True}}, 9019),
        ({"valid": False, "tests": {}}, 9018),
        ({"tests": {}}, 9018),
    ],
)
async def test_p30_an_image_that_is_not_valid_is_not_flashed(
    start: Start,
    procd: Procd,
    session: Session,
    files: FileServer,
    paths: Paths,
    validation: dict[str, Any],
    code: int,
) -> None:
    procd.validation = {"forceable": True, "allow_backup": True, **validation}
    await start()
    await session.download(files.url("/image"))
    assert (await session.heard("complete")).fault_code == code
    assert procd.calls == []
    assert left_behind(paths) == []


async def test_an_image_that_the_system_refuses_after_all(
    start: Start, procd: Procd, session: Session, files: FileServer, paths: Paths
) -> None:
    procd.refusal = "Firmware image is invalid"
    await start()
    await session.download(files.url("/image"))
    assert (await session.heard("complete")).fault_code == 9018
    assert left_behind(paths) == []


async def test_p30_a_failed_download_is_reported_with_its_cause(
    start: Start, session: Session, files: FileServer
) -> None:
    await start()
    await session.download(files.url("/absent"), username="user", password="hunter2")
    await session.heard("complete")
    (done,) = await session.completed()
    assert (done.fault_code, "404" in done.fault_string) == (9016, True)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"file_type": "3 Vendor Configuration File"}, 9003),
        ({"url": "http://user:pw@files.example/"}, 9003),
        ({"url": "tftp://files.example/"}, 9013),
        ({"command_key": "k" * 33}, 9003),
        ({"file_size": 0xFFFFFFFF}, 9010),
    ],
)
async def test_p30_refused_at_once(
    start: Start, session: Session, paths: Paths, changes: dict[str, Any], code: int
) -> None:
    meminfo = paths.system("/proc/meminfo")
    meminfo.write_text("MemTotal: 131072 kB\nMemAvailable:   65536 kB\n")
    await start()
    with pytest.raises(Fault) as caught:
        await session.download(**{"url": "http://files.example/", **changes})
    assert caught.value.code == code
    assert await session.completed() == []
    assert session.states == []


async def test_p30_a_full_queue(start: Start, session: Session) -> None:
    await start()
    for _ in range(16):
        await session.download("http://files.example/", delay_seconds=3600)
    with pytest.raises(Fault) as caught:
        await session.download("http://files.example/", delay_seconds=3600)
    assert caught.value.code == 9004


async def test_a_request_that_comes_again_after_a_restart_queues_nothing(
    start: Start, client: Client, session: Session
) -> None:
    request = {
        "id": "session-1",
        "from": "tester",
        "op": DOWNLOAD.name,
        "args": {
            "command_key": "",
            "file_type": "1 Firmware Upgrade Image",
            "url": "http://f.example/",
            "delay_seconds": 99,
        },
    }
    replies: list[dict[str, Any]] = []
    answered = trio.Event()

    def heard(_: str, table: dict[str, Any]) -> None:
        nonlocal answered
        replies.append(table)
        answered.set()

    await client.listen("cwmp.tester.reply", heard)
    for _ in range(2):
        runtime = await start()
        await client.send("cwmp.firmware.request", request)
        with trio.fail_after(5):
            await answered.wait()
        answered = trio.Event()
        status = await client.call("cwmp.firmware", "status")
        assert len(status["transfers"]) == 1
        await stop(runtime)
    assert [r["state"] for r in replies] == ["done", "done"]
    assert replies[0]["result"] == replies[1]["result"]


async def test_what_is_on_flash_names_no_password_when_it_is_over(
    start: Start, session: Session, files: FileServer, paths: Paths
) -> None:
    await start()
    await session.download(files.url("/absent"), username="user", password="hunter2")
    await session.heard("complete")
    document = (paths.state_dir / "firmware" / "queue.json").read_text()
    assert "hunter2" not in document
    assert len(json.loads(document)["transfers"]) == 1


async def test_a_corrupt_record_is_set_aside_and_the_service_works(
    start: Start, session: Session, files: FileServer, procd: Procd, paths: Paths
) -> None:
    document = paths.state_dir / "firmware" / "queue.json"
    document.parent.mkdir(parents=True)
    document.write_text('{"version": 1, "transfers": [{"id":')
    await start()
    await session.download(files.url("/image"))
    await told(procd)
    assert (paths.state_dir / "firmware" / "queue.corrupt").exists()


async def test_stopping_while_the_system_reads_the_image_leaves_it_there(
    start: Start, session: Session, files: FileServer, procd: Procd, paths: Paths
) -> None:
    runtime = await start()
    await session.download(files.url("/image"))
    await told(procd)
    await stop(runtime)  # procd stops every service before it flashes
    assert len(left_behind(paths)) == 1
    await start()  # and one that is started again must not take it away either
    await session.completed()
    assert len(left_behind(paths)) == 1
    assert len(procd.flashed) == 1


# TLS, as configured


@pytest.mark.parametrize(("configured", "code"), [("authority.pem", 0), ("absent.pem", 9015), ("", 9015)])
async def test_the_ca_file_of_the_configuration(
    start: Start, session: Session, procd: Procd, paths: Paths, configured: str, code: int
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(paths.sysroot / "authority.pem"))
    option = f"\toption ca_file '{paths.sysroot / configured}'\n" if configured else ""
    (paths.uci_dir / "cwmp").write_text(f"config cwmp 'cwmp'\n{option}")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with open_server(context) as server:
        server.serve("/image", IMAGE)
        await start()
        await session.download(server.url("/image", scheme="https"))
        if code:
            assert (await session.heard("complete")).fault_code == code
            assert server.requests == []
        else:
            await told(procd)
            assert procd.flashed == [IMAGE]


@pytest.mark.parametrize("known", [True, False])
async def test_a_file_server_that_wants_to_know_the_device(
    start: Start, session: Session, procd: Procd, paths: Paths, known: bool
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(paths.sysroot / "authority.pem"))
    authority.issue_cert("device").private_key_and_cert_chain_pem.write_to_path(
        str(paths.sysroot / "device.pem")
    )
    certificate = f"\toption client_certificate '{paths.sysroot}/device.pem'\n" if known else ""
    (paths.uci_dir / "cwmp").write_text(
        f"config cwmp 'cwmp'\n\toption ca_file '{paths.sysroot}/authority.pem'\n{certificate}"
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    async with open_server(context) as server:
        server.serve("/image", IMAGE)
        await start()
        await session.download(server.url("/image", scheme="https"))
        if known:
            await told(procd)
            assert procd.flashed == [IMAGE]
        else:
            assert (await session.heard("complete")).fault_code == 9015
            assert server.requests == []


# Reboot


async def test_a_reboot_waits_for_the_end_of_the_session_and_happens_once(
    start: Start, session: Session, procd: Procd, paths: Paths
) -> None:
    await session.set_open(True)
    first = await start()
    await session.peers.request(REBOOT, Reboot("key"))
    assert procd.calls == []
    await session.set_open(False)
    await told(procd)
    assert procd.calls == [("reboot", None)]
    await stop(first)

    procd.boot(paths)
    await start()
    assert await session.completed() == []
    assert procd.calls == [("reboot", None)]


async def test_a_reboot_that_was_promised_survives_the_service(
    start: Start, session: Session, procd: Procd
) -> None:
    await session.set_open(True)
    first = await start()
    await session.peers.request(REBOOT, Reboot("key"))
    await stop(first)
    await session.set_open(False)
    await start()
    await told(procd)
    assert procd.calls == [("reboot", None)]


async def test_a_reboot_request_that_comes_again_after_the_boot_does_nothing(
    start: Start, session: Session, procd: Procd, paths: Paths, client: Client
) -> None:
    request = {"id": "session-7", "from": "tester", "op": REBOOT.name, "args": {"command_key": "key"}}
    replied = trio.Event()
    await client.listen("cwmp.tester.reply", lambda *_: replied.set())
    first = await start()
    await client.send("cwmp.firmware.request", request)
    await told(procd)
    await stop(first)
    procd.boot(paths)
    await start()
    replied = trio.Event()
    await client.send("cwmp.firmware.request", request)
    with trio.fail_after(5):
        await replied.wait()
    status = await client.call("cwmp.firmware", "status")
    assert status["reboot_pending"] is False
    assert procd.calls == [("reboot", None)]


# The object


async def test_local_downloads_are_none_of_the_acs_business(
    start: Start, session: Session, files: FileServer, client: Client
) -> None:
    await start()
    url = files.url("/absent?token=secret")
    answer = await client.call("cwmp.firmware", "download", {"url": url})
    assert answer["status"] == 1
    assert (await session.heard("complete")).id == answer["id"]
    assert await session.completed() == []
    (shown,) = (await client.call("cwmp.firmware", "status"))["transfers"]
    assert (shown["state"], shown["origin"], shown["fault_code"]) == (
        "complete",
        "local",
        9016,
    )  # the policy lets nothing through
    assert "secret" not in json.dumps(shown)


async def test_methods_answer_with_faults(start: Start, client: Client, session: Session) -> None:
    await start()
    for method, args, code in (
        ("download", {}, 9003),
        ("download", {"url": "gopher://x/"}, 9013),
        ("cancel", {}, 9003),
        ("cancel", {"id": "nothing"}, 9003),
    ):
        answer = await client.call("cwmp.firmware", method, args)
        assert answer["fault"]["code"] == code
        assert answer["fault"]["text"]


async def test_cancelling_what_waits(start: Start, client: Client, session: Session) -> None:
    await start()
    for _ in range(2):
        await session.download("http://files.example/", delay_seconds=3600)
    waiting = (await client.call("cwmp.firmware", "status"))["transfers"]
    assert all(3590 < t["due_in"] <= 3600 for t in waiting)
    answer = await client.call("cwmp.firmware", "cancel", {"command_key": "key"})
    assert sorted(answer["cancelled"]) == sorted(t["id"] for t in waiting)
    assert (await client.call("cwmp.firmware", "status"))["transfers"] == []
    await session.heard("cancelled")
    assert await session.completed() == []


async def test_cancelling_what_runs(
    start: Start, client: Client, session: Session, files: FileServer, paths: Paths, procd: Procd
) -> None:
    begun = trio.Event()

    @files.route("/slow")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(5000))
        begun.set()
        await trio.sleep_forever()

    await start()
    await session.download(files.url("/slow"))
    with trio.fail_after(10):
        await begun.wait()
    answer = await client.call("cwmp.firmware", "cancel", {"command_key": "key"})
    assert len(answer["cancelled"]) == 1
    await session.download(files.url("/image"), command_key="next")
    await told(procd)  # the worker is free, and goes on with the next
    assert len(left_behind(paths)) == 1
    answer = await client.call("cwmp.firmware", "cancel", {"command_key": "next"})
    assert answer["fault"]["code"] == 9021


async def test_unknown_arguments_of_operations_are_refused(start: Start, session: Session) -> None:
    await start()
    with pytest.raises(Fault) as caught:
        await session.peers.request(DOWNLOAD, Empty())
    assert caught.value.code == 9002
    with pytest.raises(Fault):
        await session.peers.request(
            DOWNLOAD, Download(command_key="", file_type="1 Firmware Upgrade Image", url="")
        )
