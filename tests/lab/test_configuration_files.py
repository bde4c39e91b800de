"""The configuration as a file: sent to the ACS, sent back by it; and an upgrade that takes nothing along."""

from __future__ import annotations

from tests.lab.conftest import Lab

from cwmp.lab.acs import (
    AutonomousTransferComplete,
    Download,
    GetParameterValues,
    RequestDownload,
    SetParameterValues,
    Upload,
    Value,
)
from cwmp.lab.router import Version, build

CONFIGURATION = "3 Vendor Configuration File"
ROWS = "Device.DeviceInfo.VendorConfigFile."
SSID = "Device.WiFi.SSID.1.SSID"
NEW = Version("24.10.1", "r28597-0425664679")


async def test_a_configuration_goes_to_the_acs_and_comes_back(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP") as session:
        before = (await session.rpc(GetParameterValues([SSID])))[SSID].text
        await session.rpc(Upload("up", lab.acs.take_file("/backup"), f"{CONFIGURATION} 1"))
    async with lab.acs.session("7 TRANSFER COMPLETE") as session:
        await session.rpc(SetParameterValues({SSID: "changed"}, "key"))
        url = lab.acs.serve_file("/evening.tar.gz", lab.acs.uploads["/backup"])
        await session.rpc(Download("down", url, CONFIGURATION))
        assert (await session.rpc(GetParameterValues([SSID])))[SSID].text == "changed"
    async with lab.acs.session("7 TRANSFER COMPLETE") as session:
        found = await session.rpc(GetParameterValues([SSID, ROWS]))
    assert [(t.command_key, t.fault_code) for t in session.transfers] == [("down", 0)]
    assert "1 BOOT" in session.inform.codes
    assert found[SSID].text == before
    assert {name: value.text for name, value in found.items() if name.endswith(".Name")} == {
        f"{ROWS}1.Name": "running-configuration",
        f"{ROWS}2.Name": "evening.tar.gz",
    }
    assert lab.router.boots == 2
    assert lab.acs.violations == []


async def test_an_upgrade_that_keeps_nothing_still_reports(lab: Lab) -> None:
    cwmp = lab.router.paths.uci_dir / "cwmp"
    async with lab.acs.session("0 BOOTSTRAP") as session:
        before = (await session.rpc(GetParameterValues([SSID])))[SSID].text
        await session.rpc(SetParameterValues({SSID: "changed"}, "key"))
        cwmp.write_text(cwmp.read_text() + "\toption upgrade_keep_settings '0'\n")
        await session.rpc(
            Download("up", lab.acs.serve_file("/image.bin", build(NEW)), "1 Firmware Upgrade Image")
        )
    async with lab.acs.session("7 TRANSFER COMPLETE") as session:
        found = await session.rpc(GetParameterValues([SSID]))
    assert [(t.command_key, t.fault_code) for t in session.transfers] == [("up", 0)]
    assert "0 BOOTSTRAP" not in session.inform.codes
    assert found[SSID].text == before
    assert lab.router.upgrades == [NEW]
    assert lab.acs.violations == []


async def test_what_is_done_on_the_router_is_told_and_asked_for(lab: Lab) -> None:
    policy = "Device.ManagementServer.AutonomousTransferCompletePolicy."
    async with lab.acs.session("0 BOOTSTRAP") as session:
        values = {f"{policy}Enable": Value("true", "boolean"), f"{policy}FileTypeFilter": "4 Vendor Log File"}
        await session.rpc(SetParameterValues(values, "key"))
    url = lab.acs.take_file("/log")
    await lab.bus.call("cwmp.firmware", "upload", {"url": url, "file_type": "4 Vendor Log File 1"})
    async with lab.acs.session("10 AUTONOMOUS TRANSFER COMPLETE") as session:
        await session.ready()
    (told,) = [r for r in session.reports if isinstance(r, AutonomousTransferComplete)]
    assert (told.transfer_url, told.is_download, told.file_type) == (url, False, "7 Vendor Log File 1")
    assert (told.fault_code, told.file_size) == (0, len(lab.acs.uploads["/log"]))

    asked = {"file_type": "1 Firmware Upgrade Image", "args": {"Version": "24.10.1"}}
    await lab.bus.call("cwmp.firmware", "request_download", asked)
    async with lab.acs.session("9 REQUEST DOWNLOAD") as session:
        await session.ready()
    (wanted,) = [r for r in session.reports if isinstance(r, RequestDownload)]
    assert (wanted.file_type, dict(wanted.arguments)) == (asked["file_type"], asked["args"])
    assert lab.acs.violations == []
