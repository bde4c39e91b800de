"""What the lab's router shows of itself: values that the datamodel finds there, all of them without a mistake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from cwmp.lab.router import Options, open_router
from ubuskit.client import Client, open_client

EXPECTED = {
    "Device.DeviceInfo.ProcessStatus.Process.1822.Command": "dnsmasq",
    "Device.DeviceInfo.ProcessStatus.CPUUsage": "1",
    "Device.DeviceInfo.TemperatureStatus.TemperatureSensor.1.Value": "51",
    "Device.DeviceInfo.SupportedDataModel.1.Features": "DNSClient,DNSServer,Firewall,IPv6,NAT,Router,Wireless",
    "Device.DHCPv4.Server.Pool.1.Status": "Enabled",
    "Device.DHCPv4.Server.Pool.1.ClientNumberOfEntries": "2",
    "Device.DHCPv6.Server.Pool.1.Client.1.IPv6Address.1.IPAddress": "fd12:3456:789a::245",
    "Device.RouterAdvertisement.InterfaceSetting.1.Status": "Enabled",
    "Device.DNS.Relay.Status": "Enabled",
    "Device.Firewall.Version": "2024.12.18",
    "Device.Firewall.Chain.2.Name": "wan",
    "Device.Firewall.Chain.2.Rule.2.Protocol": "1",
    "Device.Hosts.Host.1.HostName": "laptop",
    "Device.Hosts.Host.1.IPv6Address.1.IPAddress": "fd12:3456:789a::245",
    "Device.DHCPv6.Server.Pool.1.Client.1.SourceAddress": "fe80::5eff:fe00:5320",
    "Device.Hosts.Host.2.IPv6Address.1.IPAddress": "fe80::5eff:fe00:5321",
    "Device.Hosts.Host.2.AssociatedDevice": "Device.WiFi.AccessPoint.1.AssociatedDevice.1",
    "Device.Hosts.Host.2.Layer1Interface": "Device.WiFi.Radio.1",
    "Device.NAT.InterfaceSetting.1.Status": "Enabled",
    "Device.Users.User.1.Username": "root",
    "Device.Users.RoleNumberOfEntries": "2",
    "Device.USB.Port.1.Rate": "High",
    "Device.WiFi.Radio.1.MaxBitRate": "573",
    "Device.WiFi.Radio.1.PossibleChannels": "1,2,3,4,5,6,7,8,9,10,11,12,13",
    "Device.WiFi.Radio.1.OperatingStandards": "g,n,ax",
}


async def read_all(client: Client) -> dict[str, str]:
    """Everything that the datamodel shows, once it is there."""
    added = trio.Event()

    def heard(_event: str, message: Mapping[str, Any]) -> None:
        if message.get("path") == "cwmp.datamodel":
            added.set()

    await client.listen("ubus.object.add", heard)
    if not await client.lookup("cwmp.datamodel"):
        await added.wait()
    assert (await client.call("cwmp.datamodel", "status"))["problems"] == []
    found: dict[str, str] = {}
    page: int | None = 0
    while page is not None:
        reply = await client.call("cwmp.datamodel", "get", {"page": page}, timeout=60)
        found |= {p["name"]: p["value"] for p in reply["parameters"]}
        page = reply.get("next")
    return found


async def test_what_the_router_shows(short_dir: Path) -> None:
    async with (
        open_router(short_dir / "r", Options()) as router,
        open_client(str(router.paths.bus)) as client,
    ):
        with trio.fail_after(60):
            values = await read_all(client)
        log = router.log.read_text()
    assert {name: values.get(name) for name in EXPECTED} == EXPECTED
    assert [line for line in log.splitlines() if "left out" in line] == []
