"""Files, software modules, the way back to the factory: from the ACS asking to it being told, on a whole router."""

from __future__ import annotations

from tests.lab.conftest import Lab

from cwmp.lab.acs import (
    CancelTransfer,
    ChangeDUState,
    Download,
    DUStateChangeComplete,
    FactoryReset,
    GetAllQueuedTransfers,
    GetParameterValues,
    GetQueuedTransfers,
    GetRPCMethods,
    Install,
    QueuedTransfer,
    ScheduleDownload,
    SetParameterValues,
    Upload,
    Window,
)
from cwmp.lab.router import Version, build
from cwmp.lab.router.packages import Wanted, install_program, opkg_package

KEY = "Device.ManagementServer.ParameterKey"
SSID = "Device.WiFi.SSID.1.SSID"
NEW = Version("24.10.1", "r28597-0425664679")


async def test_p31_an_upload_is_put_where_the_acs_said_and_reported(lab: Lab) -> None:
    url = lab.acs.take_file("/configuration")
    async with lab.acs.session("0 BOOTSTRAP") as session:
        assert (await session.rpc(Upload("up", url))).status == 1
    async with lab.acs.session("7 TRANSFER COMPLETE") as session:
        await session.ready()
    assert {("M Upload", "up")} <= {(e.code, e.command_key) for e in session.inform.events}
    assert [(t.command_key, t.fault_code) for t in session.transfers] == [("up", 0)]
    assert lab.acs.uploads["/configuration"]
    assert lab.acs.violations == []


async def test_p32_a_scheduled_download_is_applied_in_its_window(lab: Lab) -> None:
    url = lab.acs.serve_file("/image.bin", build(NEW))
    async with lab.acs.session("0 BOOTSTRAP") as session:
        await session.rpc(ScheduleDownload("sd", url, [Window(1, 3600, "2 Immediately")]))
    async with lab.acs.session("7 TRANSFER COMPLETE") as session:
        await session.ready()
    assert {("M ScheduleDownload", "sd")} <= {(e.code, e.command_key) for e in session.inform.events}
    assert [(t.command_key, t.fault_code) for t in session.transfers] == [("sd", 0)]
    assert lab.router.upgrades == [NEW]
    assert lab.acs.violations == []


async def test_p33_a_transfer_that_waits_is_in_the_queue_until_it_is_cancelled(lab: Lab) -> None:
    kind = "1 Firmware Upgrade Image"
    url = lab.acs.serve_file("/image.bin", build(NEW))
    async with lab.acs.session("0 BOOTSTRAP") as session:
        await session.rpc(Download("later", url, kind, file_size=7, target_file_name="f", delay_seconds=3600))
        everything = await session.rpc(GetAllQueuedTransfers())
        assert everything == [QueuedTransfer("later", 1, True, kind, 7, "f")]
        assert [(t.command_key, t.state) for t in await session.rpc(GetQueuedTransfers())] == [("later", 1)]
        await session.rpc(CancelTransfer("never heard of"))
        await session.rpc(CancelTransfer("later"))
        assert await session.rpc(GetAllQueuedTransfers()) == []
        assert session.transfers == []
    assert lab.acs.downloads["/image.bin"] == 0
    assert lab.acs.violations == []


async def test_p35_a_factory_reset_begins_anew(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP") as session:
        before = (await session.rpc(GetParameterValues([SSID])))[SSID]
        await session.rpc(SetParameterValues({SSID: "changed"}, "key"))
        assert "FactoryReset" in await session.rpc(GetRPCMethods())
        await session.rpc(FactoryReset())
        assert lab.router.boots == 1  # not before the session has ended
    async with lab.acs.session("0 BOOTSTRAP") as session:
        assert sorted(session.inform.codes) == ["0 BOOTSTRAP", "1 BOOT"]
        found = await session.rpc(GetParameterValues([SSID, KEY]))
    assert (found[SSID], found[KEY].text) == (before, "")
    assert lab.router.boots == 2
    assert lab.acs.violations == []


async def test_a_module_is_installed_and_its_result_told(lab: Lab) -> None:
    install_program(lab.router.paths.sysroot, "opkg")
    url = lab.acs.serve_file("/example.ipk", opkg_package(Wanted("example", "1.0")))
    async with lab.acs.session("0 BOOTSTRAP") as session:
        await session.rpc(ChangeDUState([Install(url)], "du"))
    async with lab.acs.session("11 DU STATE CHANGE COMPLETE") as session:
        await session.ready()
    assert {("M ChangeDUState", "du")} <= {(e.code, e.command_key) for e in session.inform.events}
    (report,) = [r for r in session.reports if isinstance(r, DUStateChangeComplete)]
    assert report.command_key == "du"
    assert [(r.current_state, r.fault_code, r.version) for r in report.results] == [("Installed", 0, "1.0")]
    assert lab.acs.violations == []
