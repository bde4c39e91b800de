"""The `cwmp` command against the running suite."""

from __future__ import annotations

import json
import sys

import trio
from tests.lab.conftest import Lab


async def cwmp(lab: Lab, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    command = [sys.executable, "-m", "cwmp.cli", "--bus", str(lab.router.paths.bus), *arguments]
    found = await trio.run_process(command, check=False, capture_stdout=True, capture_stderr=True)
    return found.returncode, found.stdout.decode(), found.stderr.decode()


async def test_everything_an_operator_types(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass
    code, out, _ = await cwmp(lab, "get", "Device.DeviceInfo.SoftwareVersion")
    assert (code, out) == (0, "Device.DeviceInfo.SoftwareVersion => OpenWrt 24.10.0 r28427-6df0e3d02a\n")
    code, out, err = await cwmp(
        lab, "set", "Device.WiFi.SSID.1.SSID=Per hand", "Device.DeviceInfo.HostName=lab"
    )
    assert (code, err) == (0, "")
    assert "Device.WiFi.SSID.1.SSID => Per hand\n" in out
    assert lab.router.uci("wireless").sections["default_radio0"].options["ssid"] == "Per hand"
    code, out, err = await cwmp(lab, "set", "Device.DeviceInfo.UpTime=1", "Device.Nothing=2")
    assert (code, out) == (1, "")
    assert err.startswith("Fault 9003: ")
    assert "  Device.DeviceInfo.UpTime: 9008 " in err
    assert "  Device.Nothing: 9005 " in err
    code, out, err = await cwmp(lab, "get", "Device.Nothing")
    assert (code, out) == (1, "")
    assert err.startswith("Fault 9005: ")
    code, out, _ = await cwmp(lab, "add", "Device.DHCPv4.Server.Pool.")
    assert code == 0
    row = out.strip()
    assert row.startswith("Device.DHCPv4.Server.Pool.")
    assert f"rw {row}\n" in (await cwmp(lab, "names", "Device.DHCPv4.Server.Pool."))[1]
    assert (await cwmp(lab, "del", row))[0] == 0
    assert row not in (await cwmp(lab, "names", "Device.DHCPv4.Server.Pool."))[1]
    status = json.loads((await cwmp(lab, "status", "--json"))[1])
    assert set(status) == {"cwmp", "cwmp.datamodel", "cwmp.firmware", "cwmp.diagnostics"}
    assert status["cwmp"]["state"] == "running"
    assert (await cwmp(lab, "reload"))[0] == 0


async def test_inform_by_hand_opens_a_session(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass
    assert (await cwmp(lab, "inform", "1 BOOT"))[0] == 0
    async with lab.acs.session() as session:
        assert session.inform.codes == ["1 BOOT"]
    code, out, _ = await cwmp(lab, "inform", "no such event")
    assert code == 1
    assert out.startswith("no event to ask for; it is one of 0 BOOTSTRAP, ")


async def test_no_secret_is_ever_shown(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass
    shown = [
        await cwmp(lab, "get", "Device."),
        await cwmp(lab, "status"),
        await cwmp(lab, "set", "Device.ManagementServer.ConnectionRequestPassword=hunter2hunter2"),
        await cwmp(lab, "get", "Device.ManagementServer."),
    ]
    text = lab.log + "".join(out + err for _, out, err in shown)
    for secret in ("secret", "knock", "hunter2hunter2", "correct horse"):
        assert secret not in text
