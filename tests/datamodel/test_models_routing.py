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
