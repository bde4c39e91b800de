"""What the service answers on the bus: reading, names, faults, and what each request reads."""

from __future__ import annotations

import fcntl
import re

import pytest
import trio
from tests.datamodel.support import PING, Acs, Router

from cwmp.contract import Fault
from cwmp.contract import datamodel as dm
from cwmp.runtime import Paths
from ubuskit.client import Client

SSID = "Device.WiFi.SSID.1.SSID"
LAN = "Device.IP.Interface.2."


async def fault_of(awaitable: object) -> Fault:
    with pytest.raises(Fault) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value


async def test_values_come_from_where_they_are_bound_to(acs: Acs) -> None:
    values = await acs.get("")
    expected = {
        "Device.DeviceInfo.Manufacturer": "Example",
        "Device.DeviceInfo.UpTime": "3723",
        "Device.DeviceInfo.MemoryStatus.Total": "262144",
        "Device.ManagementServer.URL": "http://acs.example.com:7547/",
        "Device.ManagementServer.ConnectionRequestURL": "http://192.0.2.33:7547/abc",
        "Device.Time.LocalTimeZone": "CET-1CEST,M3.5.0,M10.5.0/3",
        SSID: "OpenWrt",
        "Device.WiFi.SSID.1.LowerLayers": "Device.WiFi.Radio.1",
        "Device.WiFi.SSID.1.BSSID": "02:00:5E:00:53:03",
        "Device.WiFi.AccessPoint.1.SSIDReference": "Device.WiFi.SSID.1",
        "Device.WiFi.AccessPoint.1.Security.ModeEnabled": "WPA2-Personal",
        "Device.WiFi.AccessPoint.1.AssociatedDevice.1.SignalStrength": "-51",
        "Device.WiFi.Radio.1.Channel": "36",
        "Device.WiFi.Radio.1.SupportedOperatingChannelBandwidths": "20MHz,40MHz,80MHz",
        f"{LAN}IPv4Address.1.IPAddress": "192.168.1.1",
        f"{LAN}Stats.BytesReceived": "5000000000",
        "Device.IP.Interface.3.IPv4Address.1.IPAddress": "192.0.2.33",
        "Device.IP.Interface.3.IPv4Address.1.SubnetMask": "255.255.255.0",
        "Device.IP.Interface.3.LowerLayers": "Device.Ethernet.Link.2",
        "Device.IP.InterfaceNumberOfEntries": "3",
        "Device.Ethernet.Interface.1.CurrentBitRate": "1000",
        "Device.Ethernet.Interface.2.Status": "Down",
        "Device.DHCPv4.Server.Enable": "true",
        "Device.DHCPv4.Server.Pool.1.Interface": "Device.IP.Interface.2",
        "Device.DHCPv4.Server.Pool.1.MinAddress": "192.168.1.100",
        "Device.DHCPv4.Server.Pool.1.MaxAddress": "192.168.1.249",
        "Device.DHCPv4.Server.Pool.1.LeaseTime": "43200",
        "Device.DHCPv4.Server.Pool.2.Enable": "false",
        "Device.Hosts.Host.1.HostName": "laptop",
        "Device.Hosts.Host.1.Active": "true",
        "Device.Hosts.Host.2.HostName": "",
        "Device.Hosts.Host.2.Active": "false",
        "Device.Hosts.Host.1.Layer3Interface": "Device.IP.Interface.2",
        f"{PING}NumberOfRepetitions": "4",
        "Device.X_EXAMPLE_COM_MyPackage.Example": "factory",
    }
    assert {name: values.get(name) for name in expected} == expected


async def test_wildcards_stand_for_instance_numbers(acs: Acs, router: Router) -> None:
    everything = await acs.get("")
    flags = await acs.names("", False)
    attributes = await acs.attributes("")
    for path, pattern in {
        "Device.IP.Interface.*.Status": r"Device\.IP\.Interface\.\d+\.Status",
        "Device.IP.Interface.*.IPv4Address.": r"Device\.IP\.Interface\.\d+\.IPv4Address\..*",
        "Device.IP.Interface.*.IPv4Address.*.IPAddress": r"Device\.IP\.Interface\.\d+\.IPv4Address\.\d+\.IPAddress",
        "Device.IP.Interface.2.IPv4Address.*.IPAddress": r"Device\.IP\.Interface\.2\.IPv4Address\.\d+\.IPAddress",
        "Device.IP.Interface.*.IPv4Address.7.IPAddress": r"nothing",
        "Device.IP.Interface.*.Stats.": r"Device\.IP\.Interface\.\d+\.Stats\..*",
    }.items():
        wanted = {name for name in everything if re.fullmatch(pattern, name)}
        assert wanted or pattern == "nothing"
        assert await acs.get(path) == {name: everything[name] for name in wanted}
        assert await acs.attributes(path) == {name: attributes[name] for name in wanted}
        assert await acs.names(path, False) == {n: w for n, w in flags.items() if re.fullmatch(pattern, n)}
    level = await acs.names("Device.IP.Interface.*.IPv4Address.", True)
    assert set(level) == {
        n for n in flags if re.fullmatch(r"Device\.IP\.Interface\.\d+\.IPv4Address\.\d+\.", n)
    }
    assert (await fault_of(acs.names("Device.IP.Interface.*.Status", True))).code == 9003
    assert await acs.get("Device.ManagementServer.InstanceWildcardsSupported") == {
        "Device.ManagementServer.InstanceWildcardsSupported": "true"
    }


async def test_wildcards_are_for_reading_only(acs: Acs) -> None:
    path = "Device.WiFi.SSID.*."
    (fault,) = (await fault_of(acs.set_all({f"{path}SSID": "x"}))).parameters
    assert fault.code == 9005
    for refused in (
        acs.delete(path),
        acs.notify(1, f"{path}SSID"),
        acs.add("Device.IP.Interface.*.IPv4Address."),
    ):
        assert (await fault_of(refused)).code == 9005


async def test_p43_secrets_read_as_nothing(acs: Acs) -> None:
    values = await acs.get("Device.")
    assert values["Device.ManagementServer.Password"] == ""
    assert values["Device.WiFi.AccessPoint.1.Security.KeyPassphrase"] == ""
    assert not any("very secret" in v or "correct horse" in v for v in values.values())


async def test_partial_paths_give_the_subtree_and_names_the_parameter(acs: Acs) -> None:
    def still(values: dict[str, str]) -> dict[str, str]:
        """Without what counts seconds."""
        return {n: v for n, v in values.items() if not n.endswith((".LastChange", "Time.CurrentLocalTime"))}

    everything = await acs.get("")
    assert still(await acs.get("Device.")) == still(everything)
    below = await acs.get(LAN)
    assert below == {n: v for n, v in everything.items() if n.startswith(LAN)} != {}
    table = await acs.get("Device.IP.Interface.")
    assert table == {n: v for n, v in everything.items() if n.startswith("Device.IP.Interface.")}
    assert await acs.get(SSID, "Device.WiFi.SSID.1.Enable") == {
        SSID: "OpenWrt",
        "Device.WiFi.SSID.1.Enable": "true",
    }


async def test_types_are_base_types(acs: Acs) -> None:
    types = await acs.types("Device.")
    assert types[SSID] == "string"
    assert types[f"{LAN}LowerLayers"] == "string"
    assert types[f"{LAN}Stats.BytesSent"] == "unsignedLong"
    assert types["Device.Time.CurrentLocalTime"] == "dateTime"
    assert types["Device.WiFi.AccessPoint.1.Security.PreSharedKey"] == "hexBinary"


@pytest.mark.parametrize(
    "path",
    [
        "Device",
        "Device.WiFi",
        "Device.WiFi.SSID",
        "Device.WiFi.SSID.1",
        "Device.WiFi.SSID.7.",
        "Device.WiFi.SSID.7.SSID",
        "Device.WiFi.SSID.01.SSID",
        "Device.WiFi.SSID.x.SSID",
        "Device.WiFi.SSID.[cpe-1].SSID",
        "Device.WiFi.SSID.*.",
        "Device.WiFi.SSID.*",
        "Device.WiFi.*.SSID",
        "Device.*.",
        "*",
        "Device.WiFi.SSID.*.Nothing",
        "Device.WiFi.SSID.1*.SSID",
        "Device.WiFi.SSID.1.SSID.",
        "Device.WiFi.SSID.1.Nothing",
        "Device.Nothing.",
        "InternetGatewayDevice.",
        "device.",
        "Device..",
        ".",
        "Device." + "A" * 300,
    ],
)
async def test_what_is_not_there_is_9005(acs: Acs, path: str) -> None:
    fault = await fault_of(acs.get(path))
    assert fault.code == 9005
    assert len(fault.text) < 400
    if path != "Device.WiFi.SSID.1.SSID.":
        assert (await fault_of(acs.names(path, False))).code == 9005


async def test_an_empty_table_is_no_fault(acs: Acs, router: Router) -> None:
    router.write("/tmp/dhcp.leases", "")
    router.write("/proc/net/arp", "")
    assert await acs.get("Device.Hosts.Host.") == {}
    assert await acs.get("Device.Hosts.HostNumberOfEntries") == {"Device.Hosts.HostNumberOfEntries": "0"}
    assert await acs.names("Device.Hosts.Host.", True) == {}
    assert await acs.names("Device.Hosts.Host.", False) == {"Device.Hosts.Host.": False}


async def test_a_request_reads_only_what_it_needs_and_that_once(acs: Acs, router: Router) -> None:
    await acs.get(SSID)
    assert not router.calls
    await acs.get(f"{LAN}Status", f"{LAN}LastChange", "Device.IP.Interface.3.Status")
    assert router.calls == {("network.interface", "dump"): 1}
    router.calls.clear()
    await acs.get("")
    assert router.calls == {
        ("system", "board"): 1,
        ("system", "info"): 1,
        ("service", "list"): 1,
        ("network.interface", "dump"): 1,
        ("network.device", "status"): 1,
        ("network.wireless", "status"): 1,
        ("iwinfo", "info"): 1,
        ("iwinfo", "assoclist"): 1,
        ("iwinfo", "freqlist"): 1,
        ("iwinfo", "txpowerlist"): 1,
        ("dhcp", "ipv6leases"): 1,
    }


async def test_a_source_that_fails_costs_only_its_values(acs: Acs, router: Router) -> None:
    before = await acs.get("")
    router.replies["network.interface", "dump"] = None
    fault = await fault_of(acs.get(f"{LAN}Status"))
    assert fault.code == 9002
    assert f"{LAN}Status" in fault.text
    assert "network.interface dump" in fault.text
    after = await acs.get("")
    lost = before.keys() - after.keys()
    assert f"{LAN}Status" in lost
    unconcerned = ("Device.DeviceInfo.", "Device.ManagementServer.", "Device.Time.", "Device.WiFi.Radio.")
    assert not any(name.startswith(unconcerned) for name in lost)
    assert after[f"{LAN}IPv4Address.1.IPAddress"] == "192.168.1.1"


async def test_a_package_that_does_not_parse_costs_only_its_values(acs: Acs, router: Router) -> None:
    router.set_uci("wireless", "config wifi-iface 'x\n\toption 'y")
    fault = await fault_of(acs.get(SSID))
    assert fault.code == 9002
    assert "wireless" in fault.text
    values = await acs.get("Device.")
    assert "Device.IP.InterfaceNumberOfEntries" in values
    assert not any(name.startswith("Device.WiFi.SSID") for name in values)


async def test_a_package_that_is_not_there_has_no_rows(acs: Acs, router: Router) -> None:
    (router.paths.uci_dir / "wireless").unlink()
    assert (await acs.get("Device.WiFi."))["Device.WiFi.SSIDNumberOfEntries"] == "0"
    assert await acs.names("Device.WiFi.SSID.", True) == {}


# GetParameterNames: the five forms (TR-069a6 A.3.2.3)


async def test_p21_names_of_everything(acs: Acs) -> None:
    names = await acs.names("", False)
    values = await acs.get("")
    assert names["Device."] is False
    assert {n for n in names if not n.endswith(".")} == values.keys()
    assert names["Device.WiFi.SSID."] is True
    assert names["Device.WiFi.SSID.1."] is True
    assert names["Device.WiFi.AccessPoint.1.AssociatedDevice."] is False
    assert names["Device.IP.Interface.2.IPv6Prefix."] is False
    assert names[SSID] is True
    assert names["Device.WiFi.SSID.1.Name"] is False
    assert "Device.Hosts.Host.2." in names


async def test_p21_names_of_everything_next_level(acs: Acs) -> None:
    assert await acs.names("", True) == {"Device.": False}


async def test_p21_names_of_an_object(acs: Acs) -> None:
    every = await acs.names("", False)
    assert await acs.names(LAN, False) == {n: w for n, w in every.items() if n.startswith(LAN)}
    assert await acs.names("Device.WiFi.SSID.", False) == {
        n: w for n, w in every.items() if n.startswith("Device.WiFi.SSID.")
    }


async def test_p21_names_of_the_next_level(acs: Acs) -> None:
    assert await acs.names("Device.WiFi.", True) == {
        "Device.WiFi.RadioNumberOfEntries": False,
        "Device.WiFi.SSIDNumberOfEntries": False,
        "Device.WiFi.AccessPointNumberOfEntries": False,
        "Device.WiFi.Radio.": False,
        "Device.WiFi.SSID.": True,
        "Device.WiFi.AccessPoint.": True,
        "Device.WiFi.NeighboringWiFiDiagnostic.": False,
    }
    assert await acs.names("Device.IP.Interface.", True) == {
        f"Device.IP.Interface.{n}.": True for n in (1, 2, 3)
    }


async def test_p21_names_of_a_parameter(acs: Acs) -> None:
    assert await acs.names(SSID, False) == {SSID: True}
    assert (await fault_of(acs.names(SSID, True))).code == 9003


async def test_writable_is_what_this_row_allows(acs: Acs) -> None:
    names = await acs.names("Device.IP.Interface.", False)
    assert names["Device.IP.Interface.2.IPv4Address.1.IPAddress"] is True
    assert names["Device.IP.Interface.3.IPv4Address.1.IPAddress"] is False  # by DHCP


# GET_INFORM


async def inform(acs: Acs, *events: str) -> dm.Inform:
    return await acs.peers.request(dm.GET_INFORM, dm.GetInform(list(events)))


async def test_p01_inform_has_identity_and_forced_parameters(acs: Acs) -> None:
    found = await inform(acs, "0 BOOTSTRAP", "1 BOOT")
    assert (found.manufacturer, found.oui, found.product_class, found.serial_number) == (
        "Example",
        "02005E",
        "Router",
        "R-0001",
    )
    assert sorted(found.names) == [
        "Device.DeviceInfo.HardwareVersion",
        "Device.DeviceInfo.ProvisioningCode",
        "Device.DeviceInfo.SoftwareVersion",
        "Device.ManagementServer.AliasBasedAddressing",
        "Device.ManagementServer.ConnectionRequestURL",
        "Device.ManagementServer.ParameterKey",
        "Device.RootDataModelVersion",
    ]
    assert found.value_change is False


async def test_p26_what_the_acs_sets_is_no_value_change(acs: Acs) -> None:
    await acs.peers.request(dm.INFORMED, dm.Informed((await inform(acs, "2 PERIODIC")).token))
    await acs.set_all({"Device.DeviceInfo.ProvisioningCode": "a"}, "key-1")
    found = await inform(acs, "2 PERIODIC")
    assert (
        dict(zip(found.names, found.values, strict=True))["Device.ManagementServer.ParameterKey"] == "key-1"
    )
    assert found.value_change is False


async def test_what_others_change_is_a_value_change_until_the_acs_knows(acs: Acs, router: Router) -> None:
    await acs.peers.request(dm.INFORMED, dm.Informed((await inform(acs, "2 PERIODIC")).token))
    await acs.set_all({"Device.DeviceInfo.ProvisioningCode": "local"}, None)
    found = await inform(acs, "2 PERIODIC")
    assert found.value_change is True
    assert (await inform(acs, "2 PERIODIC")).value_change is True
    assert (await inform(acs, "0 BOOTSTRAP")).value_change is False
    await acs.peers.request(dm.INFORMED, dm.Informed(found.token))
    assert (await inform(acs, "2 PERIODIC")).value_change is False


async def test_a_failing_source_is_no_value_change(acs: Acs, router: Router) -> None:
    first = await inform(acs, "2 PERIODIC")
    await acs.peers.request(dm.INFORMED, dm.Informed(first.token))
    router.replies["system", "board"] = None
    found = await inform(acs, "2 PERIODIC")
    assert found.value_change is False
    assert found.values == first.values


async def test_a_package_that_somebody_has_locked_keeps_nobody_else_waiting(
    acs: Acs, client: Client, paths: Paths
) -> None:
    found: list[dict[str, str]] = []
    with (paths.uci_dir / "mypackage").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                found.append(await acs.get("Device.X_EXAMPLE_COM_MyPackage.Example"))

            nursery.start_soon(ask)
            await client.call("cwmp.datamodel", "status")
            assert await acs.get("Device.DeviceInfo.HostName") == {"Device.DeviceInfo.HostName": "OpenWrt"}
            assert found == []
            fcntl.flock(file, fcntl.LOCK_UN)
    assert found == [{"Device.X_EXAMPLE_COM_MyPackage.Example": "factory"}]
