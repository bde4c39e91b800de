"""Static routes, and whether netifd has them in force."""

from __future__ import annotations

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault

ROUTES = """
config route
	option interface 'lan'
	option target '10.1.0.0/16'
	option gateway '192.168.1.254'
	option metric '20'

config route 'office'
	option interface 'lan'
	option target '10.2.0.0'
	option netmask '255.255.0.0'
	option gateway '192.168.1.253'

config route
	option target '10.3.0.0/16'
	option type 'blackhole'
	option disabled '1'
"""
ROUTER = "Device.Routing.Router.1."
TABLE = f"{ROUTER}IPv4Forwarding."


@pytest.fixture
def routed(router: Router) -> Router:
    router.set_uci("network", CONFIG["network"] + ROUTES)
    router.write("/proc/sys/net/ipv4/ip_forward", "1\n")
    lan = router.replies["network.interface", "dump"]["interface"][1]
    lan["route"] = [{"target": "10.1.0.0", "mask": 16, "nexthop": "192.168.1.254", "source": "0.0.0.0/0"}]
    return router


async def test_the_router_forwards_when_the_kernel_does(routed: Router, acs: Acs) -> None:
    values = await acs.get("Device.Routing.")
    assert values["Device.Routing.RouterNumberOfEntries"] == "1"
    assert values[f"{ROUTER}IPv4ForwardingNumberOfEntries"] == "3"
    assert (values[f"{ROUTER}Enable"], values[f"{ROUTER}Status"]) == ("true", "Enabled")
    routed.write("/proc/sys/net/ipv4/ip_forward", "0\n")
    values = await acs.get(ROUTER)
    assert (values[f"{ROUTER}Enable"], values[f"{ROUTER}Status"]) == ("false", "Disabled")


async def test_both_notations_of_a_destination(routed: Router, acs: Acs) -> None:
    values = await acs.get(TABLE)
    for number, address, gateway in (1, "10.1.0.0", "192.168.1.254"), (2, "10.2.0.0", "192.168.1.253"):
        assert values[f"{TABLE}{number}.DestIPAddress"] == address
        assert values[f"{TABLE}{number}.DestSubnetMask"] == "255.255.0.0"
        assert values[f"{TABLE}{number}.GatewayIPAddress"] == gateway
        assert values[f"{TABLE}{number}.Interface"] == "Device.IP.Interface.2"
    assert values[f"{TABLE}1.ForwardingMetric"] == "20"
    assert values[f"{TABLE}2.ForwardingMetric"] == "-1"
    assert values[f"{TABLE}3.Type"] == "Blackhole"


async def test_the_status_is_what_netifd_has(routed: Router, acs: Acs) -> None:
    values = await acs.get(TABLE)
    assert [values[f"{TABLE}{n}.Status"] for n in (1, 2, 3)] == ["Enabled", "Error", "Disabled"]


async def test_writing_keeps_the_notation(routed: Router, acs: Acs) -> None:
    await acs.set_all(
        {
            f"{TABLE}1.DestIPAddress": "10.4.0.0",
            f"{TABLE}1.DestSubnetMask": "255.255.255.0",
            f"{TABLE}1.ForwardingMetric": "-1",
            f"{TABLE}2.DestSubnetMask": "255.255.255.0",
        }
    )
    text = routed.uci("network")
    assert "option target '10.4.0.0/24'" in text
    assert "option metric" not in text
    assert "option netmask '255.255.255.0'" in text.partition("'office'")[2]


async def test_a_mask_with_holes_is_refused(routed: Router, acs: Acs) -> None:
    for wrong in "255.0.255.0", "0.0.0.255":
        with pytest.raises(Fault):
            await acs.set(**{f"{TABLE}1.DestSubnetMask": wrong})
    assert "option target '10.1.0.0/16'" in routed.uci("network")


async def test_a_route_is_created_filled_and_deleted(routed: Router, acs: Acs) -> None:
    path = f"{TABLE}{(await acs.add(TABLE)).instance_number}."
    assert (await acs.get(path))[f"{path}Enable"] == "false"
    await acs.set_all(
        {
            f"{path}DestIPAddress": "172.16.0.0",
            f"{path}DestSubnetMask": "255.240.0.0",
            f"{path}GatewayIPAddress": "192.168.1.252",
            f"{path}Interface": "Device.IP.Interface.2",
            f"{path}Enable": "true",
        }
    )
    values = await acs.get(path)
    assert values[f"{path}DestIPAddress"] == "172.16.0.0"
    assert values[f"{path}DestSubnetMask"] == "255.240.0.0"
    section = routed.uci("network").rpartition("config route")[2]
    assert "option disabled '0'" in section
    assert "option interface 'lan'" in section
    await acs.delete(path)
    assert (await acs.get(ROUTER))[f"{ROUTER}IPv4ForwardingNumberOfEntries"] == "3"


ROUTES6 = """
config route6
	option interface 'lan'
	option target '2001:db8:f::/48'
	option gateway 'fe80::9'
	option metric '7'
"""
TABLE6 = f"{ROUTER}IPv6Forwarding."


@pytest.fixture
def advertised(routed: Router) -> Router:
    wan6 = "\nconfig interface 'wan6'\n\toption device 'eth0'\n\toption proto 'dhcpv6'\n"
    routed.set_uci("network", CONFIG["network"] + ROUTES + ROUTES6 + wan6)
    routed.replies["network.interface", "dump"]["interface"].append(
        {
            "interface": "wan6",
            "up": True,
            "proto": "dhcpv6",
            "l3_device": "eth0",
            "route": [
                {"target": "::", "mask": 0, "nexthop": "fe80::1", "metric": 512, "valid": 1800},
                {"target": "2001:db8:a::", "mask": 48, "nexthop": "fe80::2", "metric": 384, "valid": 600},
            ],
        }
    )
    routed.replies["network.interface", "dump"]["interface"][2]["route"] = [
        {"target": "0.0.0.0", "mask": 0, "nexthop": "192.0.2.1", "source": "192.0.2.33/32"}
    ]
    return routed


async def test_routes_that_came_with_an_interface(advertised: Router, acs: Acs) -> None:
    values = await acs.get(ROUTER)
    assert values[f"{ROUTER}IPv4ForwardingNumberOfEntries"] == "4"
    expected = {
        "DestIPAddress": "0.0.0.0",
        "DestSubnetMask": "0.0.0.0",
        "GatewayIPAddress": "192.0.2.1",
        "Interface": "Device.IP.Interface.3",
        "Origin": "DHCPv4",
        "StaticRoute": "false",
        "Status": "Enabled",
        "Enable": "true",
    }
    assert {name: values[f"{TABLE}4.{name}"] for name in expected} == expected
    for name, value in ("GatewayIPAddress", "192.0.2.9"), ("Enable", "false"):
        with pytest.raises(Fault):
            await acs.set(**{f"{TABLE}4.{name}": value})
    with pytest.raises(Fault):
        await acs.delete(f"{TABLE}4.")


async def test_ipv6_routes(advertised: Router, acs: Acs) -> None:
    values = await acs.get(ROUTER)
    expected = {
        "1.DestIPPrefix": "2001:db8:f::/48",
        "1.NextHop": "fe80::9",
        "1.Interface": "Device.IP.Interface.2",
        "1.ForwardingMetric": "7",
        "1.Origin": "Static",
        "1.Status": "Error",
        "2.DestIPPrefix": "::/0",
        "2.Origin": "RA",
        "2.Interface": "Device.IP.Interface.4",
        "3.DestIPPrefix": "2001:db8:a::/48",
    }
    assert {name: values[f"{TABLE6}{name}"] for name in expected} == expected
    path = f"{TABLE6}{(await acs.add(TABLE6)).instance_number}."
    await acs.set_all(
        {
            f"{path}DestIPPrefix": "2001:DB8:E::/48",
            f"{path}NextHop": "fe80:0::8",
            f"{path}Interface": "Device.IP.Interface.2",
            f"{path}Enable": "true",
        }
    )
    section = advertised.uci("network").rpartition("config route6")[2]
    for line in "target '2001:db8:e::/48'", "gateway 'fe80::8'", "interface 'lan'":
        assert f"option {line}" in section
    for name, value in ("DestIPPrefix", "2001:db8::1/48"), ("NextHop", "192.0.2.1"):
        with pytest.raises(Fault):
            await acs.set(**{f"{path}{name}": value})


async def test_what_routers_advertise(advertised: Router, acs: Acs) -> None:
    setting = "Device.Routing.RouteInformation.InterfaceSetting."
    values = await acs.get("Device.Routing.RouteInformation.")
    expected = {
        "Interface": "Device.IP.Interface.4",
        "SourceRouter": "fe80::2",
        "PreferredRouteFlag": "High",
        "Prefix": "2001:db8:a::/48",
        "Status": "ForwardingEntryCreated",
    }
    assert {name: values[f"{setting}1.{name}"] for name in expected} == expected
    assert f"{setting}2.Prefix" not in values  # the default route is none


async def test_another_routing_table(routed: Router, acs: Acs) -> None:
    routers = "Device.Routing.Router."
    router = f"{routers}{(await acs.add(routers)).instance_number}."
    table = f"{router}IPv4Forwarding."
    path = f"{table}{(await acs.add(table)).instance_number}."
    await acs.set_all({f"{path}DestIPAddress": "10.9.0.0", f"{path}DestSubnetMask": "255.255.0.0"})
    section = routed.uci("network").rpartition("config route")[2]
    assert "option table '100" in section
    values = await acs.get(routers)
    assert values[f"{path}DestIPAddress"] == "10.9.0.0"
    assert values[f"{ROUTER}IPv4ForwardingNumberOfEntries"] == "3"
    with pytest.raises(Fault):
        await acs.delete(ROUTER)
    await acs.delete(router)
    assert "config router" not in routed.uci("network")
    assert "10.9.0.0" not in routed.uci("network")


async def test_rip_is_off_where_nobody_speaks_it(router: Router, acs: Acs) -> None:
    rip = "Device.Routing.RIP."
    values = await acs.get(rip)
    assert (values[f"{rip}Enable"], values[f"{rip}InterfaceSettingNumberOfEntries"]) == ("false", "0")
    with pytest.raises(Fault):
        await acs.set(**{f"{rip}Enable": "true"})
    with pytest.raises(Fault):
        await acs.add(f"{rip}InterfaceSetting.")
    router.set_uci("rip", "config rip 'rip'\n\toption modes 'Both'\n")
    await acs.set(**{f"{rip}Enable": "true"})
    assert "option enabled '1'" in router.uci("rip")
