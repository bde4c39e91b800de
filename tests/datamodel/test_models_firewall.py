"""fw4's zones as levels and chains, its rules as rules."""

from __future__ import annotations

import os
import re

import pytest
from tests.datamodel.support import Acs, Router

from cwmp.contract import Fault

FIREWALL = """
config defaults
	option input 'REJECT'

config zone
	option name 'lan'
	list network 'lan'
	option input 'ACCEPT'
	option forward 'ACCEPT'

config zone
	option name 'wan'
	list network 'wan'
	option log '1'

config forwarding
	option src 'lan'
	option dest 'wan'

config rule
	option name 'Allow-Ping'
	option src 'wan'
	option proto 'icmp'
	option family 'ipv4'
	option target 'ACCEPT'

config rule
	option name 'Mark'
	option src 'wan'
	option target 'MARK'
	option set_mark '1'

config rule
	option name 'Block'
	option src 'wan'
	option dest 'lan'
	option src_ip '!192.0.2.0/24'
	list dest_port '8000-8010'
	list dest_port '9000'
	option proto 'udp'
	option target 'REJECT'
	option enabled '0'
"""
FW = "Device.Firewall."
WAN = f"{FW}Chain.2."


@pytest.fixture
def wall(router: Router) -> Router:
    router.set_uci("firewall", FIREWALL)
    router.write(
        "/usr/lib/opkg/info/firewall4.control", "Package: firewall4\nVersion: 2024.12.18~18fc0ead-r1\n"
    )
    wan = router.replies["network.interface", "dump"]["interface"][2]
    wan["route"] = [{"target": "0.0.0.0", "mask": 0, "nexthop": "192.0.2.1"}]
    return router


async def test_levels_and_chains_are_zones(wall: Router, acs: Acs) -> None:
    os.utime(wall.paths.uci_dir / "firewall", (1_893_456_000, 1_893_456_000))
    values = await acs.get(FW)
    expected = {
        "Config": "Advanced",
        "AdvancedLevel": f"{FW}Level.2",
        "Type": "Stateful",
        "Version": "2024.12.18",
        "LastChange": "2030-01-01T00:00:00Z",
        "Level.1.Name": "lan",
        "Level.1.DefaultPolicy": "Accept",
        "Level.1.Chain": f"{FW}Chain.1",
        "Level.2.DefaultPolicy": "Reject",
        "Level.2.DefaultLogPolicy": "true",
        "Chain.2.Name": "wan",
        "Chain.2.Creator": "Defaults",
        "Chain.2.RuleNumberOfEntries": "2",
        "Chain.1.RuleNumberOfEntries": "0",
    }
    assert {name: values[f"{FW}{name}"] for name in expected} == expected


async def test_rules(wall: Router, acs: Acs) -> None:
    values = await acs.get(WAN)
    ping = {
        "Description": "Allow-Ping", "Status": "Enabled", "Order": "1", "Target": "Accept", "Protocol": "1",
        "IPVersion": "4", "SourceInterface": "Device.IP.Interface.3", "DestInterface": "", "DestPort": "-1",
    }  # fmt: skip
    assert {name: values[f"{WAN}Rule.1.{name}"] for name in ping} == ping
    block = {
        "Status": "Disabled", "Order": "3", "Target": "Reject", "Protocol": "17", "IPVersion": "-1",
        "DestInterface": "Device.IP.Interface.2", "SourceIP": "192.0.2.0", "SourceMask": "192.0.2.0/24",
        "SourceIPExclude": "true", "DestPort": "8000", "DestPortRangeMax": "8010", "DestPortExclude": "false",
    }  # fmt: skip
    assert {name: values[f"{WAN}Rule.2.{name}"] for name in block} == block


async def test_a_rule_is_made(wall: Router, acs: Acs) -> None:
    row = f"{WAN}Rule.{(await acs.add(f'{WAN}Rule.')).instance_number}."
    await acs.set_all({
        f"{row}Description": "Web", f"{row}Target": "Accept", f"{row}Protocol": "6", f"{row}DestPort": "80",
        f"{row}DestPortRangeMax": "81", f"{row}DestInterface": "Device.IP.Interface.2", f"{row}IPVersion": "4",
        f"{row}SourceMask": "198.51.100.0/24", f"{row}SourceIPExclude": "true", f"{row}Enable": "true",
    })  # fmt: skip
    rule = wall.uci("firewall").rpartition("config rule")[2]
    options = dict(re.findall(r"option (\w+) '([^']*)'", rule))
    assert options == {
        "src": "wan", "target": "ACCEPT", "proto": "tcp", "enabled": "1", "name": "Web", "dest_port": "80-81",
        "dest": "lan", "family": "ipv4", "src_ip": "!198.51.100.0/24",
    }  # fmt: skip
    assert (await acs.get(row))[f"{row}Status"] == "Enabled"
    await acs.set_all({f"{row}SourceIP": "", f"{row}DestPort": "-1", f"{row}DestAllInterfaces": "true"})
    rule = wall.uci("firewall").rpartition("config rule")[2]
    assert "src_ip" not in rule
    assert "dest_port" not in rule
    assert "option dest '*'" in rule
    await acs.delete(row)
    assert "Web" not in wall.uci("firewall")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DestPortRangeMax", "7999"),
        ("SourceIP", "192.0.2.300"),
        ("DestIPExclude", "true"),
        ("Order", "1"),
        ("SourceAllInterfaces", "true"),
        ("Target", "Return"),
    ],
)
async def test_what_fw4_cannot(wall: Router, acs: Acs, name: str, value: str) -> None:
    before = wall.uci("firewall")
    with pytest.raises(Fault) as caught:
        await acs.set_all({f"{WAN}Rule.2.{name}": value})
    assert caught.value.parameters[0].code == 9007
    assert wall.uci("firewall") == before


async def test_other_values_of_a_list_stay(wall: Router, acs: Acs) -> None:
    await acs.set_all({f"{WAN}Rule.2.DestPort": "8005"})
    text = wall.uci("firewall")
    assert "list dest_port '8005-8010'" in text
    assert "list dest_port '9000'" in text


async def test_a_zone_is_renamed_with_all_that_names_it(wall: Router, acs: Acs) -> None:
    await acs.set_all({f"{WAN}Name": "internet"})
    text = wall.uci("firewall")
    assert "'wan'" not in text.replace("list network 'wan'", "")
    assert "option dest 'internet'" in text
    assert (await acs.get(WAN))[f"{WAN}RuleNumberOfEntries"] == "2"
    with pytest.raises(Fault):
        await acs.set_all({f"{WAN}Name": "lan"})


async def test_a_zone_comes_and_goes_with_all_that_names_it(wall: Router, acs: Acs) -> None:
    number = (await acs.add(f"{FW}Level.")).instance_number
    with pytest.raises(Fault) as caught:
        await acs.add(f"{FW}Chain.{number}.Rule.")
    assert "has no zone yet" in caught.value.text
    values = await acs.get(FW)
    chain = values[f"{FW}Level.{number}.Chain"]
    await acs.set_all({f"{FW}Level.{number}.Name": "guest", f"{FW}Level.{number}.DefaultPolicy": "Drop"})
    zone = wall.uci("firewall").rpartition("config zone")[2]
    assert "option name 'guest'" in zone
    assert zone.count("'DROP'") == 2  # input and forward
    assert (await acs.get(f"{chain}.Name"))[f"{chain}.Name"] == "guest"
    await acs.delete(f"{FW}Level.2.")
    text = wall.uci("firewall")
    assert "config rule" not in text
    assert "config forwarding" not in text
    assert "'guest'" in text
