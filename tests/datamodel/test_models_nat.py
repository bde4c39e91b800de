"""NAT: zones that masquerade, and redirects as port mappings."""

from __future__ import annotations

import pytest
from tests.datamodel.support import Acs, Router

from cwmp.contract import Fault

FIREWALL = """
config zone
	option name 'lan'
	list network 'lan'

config zone
	option name 'wan'
	list network 'wan'
	list network 'wan6'
	option masq '1'

config redirect
	option name 'Web server'
	option target 'DNAT'
	option src 'wan'
	option proto 'tcp'
	option src_dport '8000-8010'
	option dest_ip '192.168.1.10'
	option dest_port '80'

config redirect
	option target 'SNAT'
	option src 'lan'
"""
NAT = "Device.NAT."
MAPPING = "Device.NAT.PortMapping."


@pytest.fixture
def nat(router: Router) -> Router:
    router.set_uci("firewall", FIREWALL)
    return router


async def test_a_zone_stands_under_its_first_network(nat: Router, acs: Acs) -> None:
    values = await acs.get(f"{NAT}InterfaceSetting.")
    wan = (await acs.get("Device.IP.Interface."))["Device.IP.Interface.3.Name"]
    assert wan == "wan"
    assert values[f"{NAT}InterfaceSetting.1.Interface"] == "Device.IP.Interface.3"
    assert values[f"{NAT}InterfaceSetting.1.Status"] == "Enabled"
    assert not [name for name in values if name.startswith(f"{NAT}InterfaceSetting.2.")]  # lan says nothing


async def test_masquerading_is_switched(nat: Router, acs: Acs) -> None:
    await acs.set(**{f"{NAT}InterfaceSetting.1.Enable": "false"})
    assert (await acs.get(f"{NAT}InterfaceSetting.1."))[f"{NAT}InterfaceSetting.1.Status"] == "Disabled"
    assert "option masq '0'" in nat.uci("firewall")


async def test_masquerading_of_a_zone_that_is_there(nat: Router, acs: Acs) -> None:
    """The new row moves into the zone of its interface; deleted, it leaves the zone."""
    row = f"{NAT}InterfaceSetting.{(await acs.add(f'{NAT}InterfaceSetting.')).instance_number}."
    assert nat.uci("firewall").count("config zone") == 3
    await acs.set_all({f"{row}Interface": "Device.IP.Interface.2", f"{row}Enable": "true"})
    assert nat.uci("firewall").count("config zone") == 2
    assert nat.uci("firewall").count("option masq '1'") == 2
    values = await acs.get(row)
    assert (values[f"{row}Interface"], values[f"{row}Status"]) == ("Device.IP.Interface.2", "Enabled")
    await acs.delete(row)
    assert nat.uci("firewall").count("option masq '1'") == 1
    assert nat.uci("firewall").count("config zone") == 2


async def test_masquerading_of_an_interface_without_zone(nat: Router, acs: Acs) -> None:
    row = f"{NAT}InterfaceSetting.{(await acs.add(f'{NAT}InterfaceSetting.')).instance_number}."
    await acs.set_all({f"{row}Interface": "Device.IP.Interface.1", f"{row}Enable": "true"})
    zone = nat.uci("firewall").rpartition("config zone")[2]
    assert "option name 'loopback'" in zone
    assert "list network 'loopback'" in zone
    with pytest.raises(Fault):
        await acs.set_all({f"{row}Interface": "Device.IP.Interface.3"})  # in the zone wan, which has a row


async def test_a_redirect_is_a_port_mapping(nat: Router, acs: Acs) -> None:
    values = await acs.get(NAT)
    assert values[f"{NAT}PortMappingNumberOfEntries"] == "1"  # SNAT is none
    row = {
        name.rpartition(".")[2]: value for name, value in values.items() if name.startswith(f"{MAPPING}1.")
    }
    assert row == {
        "Alias": "cpe-1",
        "Enable": "true",
        "Status": "Enabled",
        "Interface": "Device.IP.Interface.3",
        "AllInterfaces": "false",
        "LeaseDuration": "0",
        "RemainingLeaseTime": "0",
        "RemoteHost": "",
        "ExternalPort": "8000",
        "ExternalPortEndRange": "8010",
        "InternalPort": "80",
        "Protocol": "TCP",
        "InternalClient": "192.168.1.10",
        "Description": "Web server",
    }


async def test_a_port_mapping_is_created_filled_and_deleted(nat: Router, acs: Acs) -> None:
    number = (await acs.add(MAPPING)).instance_number
    path = f"{MAPPING}{number}."
    assert (await acs.get(path))[f"{path}Status"] == "Disabled"
    await acs.set_all(
        {
            f"{path}Interface": "Device.IP.Interface.2",
            f"{path}ExternalPort": "5000",
            f"{path}InternalPort": "5001",
            f"{path}Protocol": "UDP",
            f"{path}InternalClient": "192.168.1.20",
            f"{path}RemoteHost": "198.51.100.7",
            f"{path}Enable": "true",
        }
    )
    section = nat.uci("firewall").rpartition("config redirect")[2]
    for line in (
        "option src 'lan'",
        "option src_dport '5000'",
        "option dest_port '5001'",
        "option dest_ip '192.168.1.20'",
        "option src_ip '198.51.100.7'",
        "option enabled '1'",
    ):
        assert line in section
    values = await acs.get(path)
    assert (values[f"{path}Protocol"], values[f"{path}Status"]) == ("UDP", "Enabled")
    await acs.delete(path)
    assert (await acs.get(NAT))[f"{NAT}PortMappingNumberOfEntries"] == "1"


async def test_a_range_is_kept_whole(nat: Router, acs: Acs) -> None:
    path = f"{MAPPING}1."
    await acs.set(**{f"{path}ExternalPortEndRange": "8020"})
    assert "option src_dport '8000-8020'" in nat.uci("firewall")
    await acs.set(**{f"{path}ExternalPortEndRange": "0"})
    assert "option src_dport '8000'" in nat.uci("firewall")
    with pytest.raises(Fault):
        await acs.set(**{f"{path}ExternalPortEndRange": "7000"})


async def test_a_second_mapping_of_the_same_port_is_refused(nat: Router, acs: Acs) -> None:
    path = f"{MAPPING}{(await acs.add(MAPPING)).instance_number}."
    with pytest.raises(Fault):
        await acs.set_all({f"{path}ExternalPort": "8000", f"{path}Enable": "true"})
    assert (await acs.get(path))[f"{path}ExternalPort"] == "0"


async def test_a_mapping_from_no_zone_is_misconfigured(nat: Router, acs: Acs) -> None:
    nat.set_uci("firewall", FIREWALL.replace("option src 'wan'", "option src 'gone'"))
    values = await acs.get(f"{MAPPING}1.")
    assert (values[f"{MAPPING}1.Status"], values[f"{MAPPING}1.Interface"]) == ("Error_Misconfigured", "")
