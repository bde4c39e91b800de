"""Router advertisements in the LAN, and DHCPv6 towards the network."""

from __future__ import annotations

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault

SETTING = "Device.RouterAdvertisement.InterfaceSetting.1."
CLIENT = "Device.DHCPv6.Client.1."
RA = """
config dhcp 'lan'
	option interface 'lan'
	option ra 'server'
	option ra_maxinterval '300'
	option ra_preference 'high'
	list ra_flags 'managed-config'
	list ra_flags 'other-config'
"""
WAN6 = """
config interface 'wan6'
	option device 'eth0'
	option proto 'dhcpv6'
	option reqprefix 'no'
	option reqopts '21 23'
"""


@pytest.fixture
def advertising(router: Router) -> Router:
    router.set_uci("dhcp", RA)
    return router


async def test_what_is_advertised(advertising: Router, acs: Acs) -> None:
    values = await acs.get(SETTING)
    expected = {
        "Enable": "true",
        "Status": "Enabled",
        "Interface": "Device.IP.Interface.2",
        "MaxRtrAdvInterval": "300",
        "MinRtrAdvInterval": "200",
        "AdvDefaultLifetime": "1800",
        "AdvPreferredRouterFlag": "High",
        "AdvManagedFlag": "true",
        "AdvOtherConfigFlag": "true",
        "AdvMobileAgentFlag": "false",
    }
    assert {name: values[f"{SETTING}{name}"] for name in expected} == expected


async def test_flags_are_items_of_one_list(advertising: Router, acs: Acs) -> None:
    await acs.set_all({f"{SETTING}AdvManagedFlag": "false", f"{SETTING}AdvMobileAgentFlag": "true"})
    lines = [line.strip() for line in advertising.uci("dhcp").splitlines() if "ra_flags" in line]
    assert lines == ["list ra_flags 'other-config'", "list ra_flags 'home-agent'"]
    await acs.set_all({f"{SETTING}AdvOtherConfigFlag": "false", f"{SETTING}AdvMobileAgentFlag": "false"})
    assert "list ra_flags 'none'" in advertising.uci("dhcp")
    assert (await acs.get(SETTING))[f"{SETTING}AdvOtherConfigFlag"] == "false"


async def test_advertising_is_switched(advertising: Router, acs: Acs) -> None:
    await acs.set_all({f"{SETTING}Enable": "false", f"{SETTING}AdvPreferredRouterFlag": "Low"})
    assert "option ra 'disabled'" in advertising.uci("dhcp")
    assert "option ra_preference 'low'" in advertising.uci("dhcp")
    assert (await acs.get(SETTING))[f"{SETTING}Status"] == "Disabled"
    with pytest.raises(Fault):
        await acs.set(**{f"{SETTING}MaxRtrAdvInterval": "3"})


async def test_without_options_odhcpd_decides(router: Router, acs: Acs) -> None:
    router.set_uci("dhcp", CONFIG["dhcp"].replace("'12h'", "'12h'\n\toption ra 'disabled'"))
    values = await acs.get(SETTING)
    assert (values[f"{SETTING}Enable"], values[f"{SETTING}AdvOtherConfigFlag"]) == ("false", "true")


async def test_a_section_that_advertises_nothing_is_no_row_until_one_is_made_for_it(
    router: Router, acs: Acs
) -> None:
    """The new row moves into the section that its interface has already."""
    table = "Device.RouterAdvertisement.InterfaceSetting."
    assert (await acs.get(table)) == {}
    row = f"{table}{(await acs.add(table)).instance_number}."
    await acs.set_all({f"{row}Interface": "Device.IP.Interface.2", f"{row}Enable": "true"})
    text = router.uci("dhcp")
    assert text.count("config dhcp ") == 2
    lan = text.partition("config dhcp 'lan'")[2].partition("config dhcp")[0]
    assert "option ra 'server'" in lan
    assert "option start '100'" in lan
    assert (await acs.get(row))[f"{row}Status"] == "Enabled"
    await acs.delete(row)
    assert "option ra" not in router.uci("dhcp")
    assert "option start '100'" in router.uci("dhcp")


async def test_all_advertising_pauses_and_comes_back(advertising: Router, acs: Acs) -> None:
    server = "Device.RouterAdvertisement.Enable"
    assert (await acs.get(server))[server] == "true"
    await acs.set_all({server: "false"})
    values = await acs.get("Device.RouterAdvertisement.")
    assert (values[server], values[f"{SETTING}Enable"], values[f"{SETTING}Status"]) == (
        "false", "true", "Disabled",
    )  # fmt: skip
    assert "option ra 'disabled'" in advertising.uci("dhcp")
    await acs.set_all({server: "true"})
    assert "option ra 'server'" in advertising.uci("dhcp")
    assert "ra_paused" not in advertising.uci("dhcp")


async def test_a_dhcpv6_client(router: Router, acs: Acs) -> None:
    router.set_uci("network", CONFIG["network"] + WAN6)
    assert await acs.get("Device.DHCPv6.Client.") == {
        f"{CLIENT}Alias": "cpe-wan6",
        f"{CLIENT}Enable": "true",
        f"{CLIENT}Status": "Enabled",
        f"{CLIENT}Interface": "Device.IP.Interface.4",
        f"{CLIENT}RequestAddresses": "true",
        f"{CLIENT}RequestPrefixes": "false",
        f"{CLIENT}RequestedOptions": "21,23",
        f"{CLIENT}SupportedOptions": "21,22,23,24,31,32,39,56,64,67,82,83,94,95,96",
        f"{CLIENT}DUID": "0003000102005E005301",
        f"{CLIENT}RapidCommit": "false",
        f"{CLIENT}Renew": "false",
        f"{CLIENT}SuggestedT1": "-1",
        f"{CLIENT}SuggestedT2": "-1",
        f"{CLIENT}ReceivedOptionNumberOfEntries": "0",
        f"{CLIENT}SentOptionNumberOfEntries": "0",
    }
    await acs.set_all({f"{CLIENT}RequestAddresses": "false", f"{CLIENT}RequestPrefixes": "true"})
    section = router.uci("network").partition("'wan6'")[2]
    assert "option reqaddress 'none'" in section
    assert "option reqprefix 'auto'" in section
    await acs.set(**{f"{CLIENT}RequestedOptions": "23,56"})
    assert "option reqopts '23 56'" in router.uci("network")
    with pytest.raises(Fault):
        await acs.set(**{f"{CLIENT}RapidCommit": "true"})
    dump = router.replies["network.interface", "dump"]["interface"]
    dump.append({"interface": "wan6", "up": True, "data": {"passthru": "00170002200100380001ff0017000101"}})
    values = await acs.get(f"{CLIENT}ReceivedOption.")
    rows = {name.removeprefix(f"{CLIENT}ReceivedOption."): value for name, value in values.items()}
    assert rows == {
        "1.Tag": "23",
        "1.Value": "2001",
        "2.Tag": "56",
        "2.Value": "ff",
        "3.Tag": "23",
        "3.Value": "01",
    }


async def test_the_addresses_of_an_interface(router: Router, acs: Acs) -> None:
    path = "Device.IP.Interface.3."
    wan = router.replies["network.interface", "dump"]["interface"][2]
    wan["ipv6-address"] = [
        {"address": "2001:db8::33", "mask": 64, "preferred": 600, "valid": 1200},
        {"address": "2001:db8::34", "mask": 128},
    ]
    values = await acs.get(path)
    assert values[f"{path}IPv6AddressNumberOfEntries"] == "2"
    found = [values[f"{path}IPv6Address.{number}.IPAddress"] for number in (1, 2)]
    assert found == ["2001:db8::33", "2001:db8::34"]
    assert (await acs.get("Device.IP.Interface.2."))[
        "Device.IP.Interface.2.IPv6AddressNumberOfEntries"
    ] == "0"


@pytest.mark.parametrize(
    ("switch", "expected"),
    [("0\n", ("true", "true", "Enabled")), ("1\n", ("true", "false", "Disabled"))],
)
async def test_the_kernels_switch(
    router: Router, acs: Acs, switch: str, expected: tuple[str, str, str]
) -> None:
    router.write("/proc/sys/net/ipv6/conf/all/disable_ipv6", switch)
    values = await acs.get("Device.IP.")
    names = ("IPv6Capable", "IPv6Enable", "IPv6Status")
    assert tuple(values[f"Device.IP.{name}"] for name in names) == expected


async def test_a_kernel_without_ipv6(router: Router, acs: Acs) -> None:
    values = await acs.get("Device.IP.")
    assert (values["Device.IP.IPv6Capable"], values["Device.IP.IPv6Enable"]) == ("false", "false")


async def test_options_that_are_for_the_configuration_to_say(advertising: Router, acs: Acs) -> None:
    table = f"{SETTING}Option."
    row = f"{table}{(await acs.add(table)).instance_number}."
    with pytest.raises(Fault):
        await acs.set_all({f"{row}Enable": "true"})
    with pytest.raises(Fault):
        await acs.set_all({f"{row}Tag": "25"})  # odhcpd's own
    await acs.set_all({f"{row}Tag": "5", f"{row}Value": "000000000578"})
    assert "option ra_mtu" not in advertising.uci("dhcp")
    await acs.set_all({f"{row}Enable": "true"})
    assert "option ra_mtu '1400'" in advertising.uci("dhcp")
    assert (await acs.get(f"{SETTING}AdvLinkMTU"))[f"{SETTING}AdvLinkMTU"] == "1400"
    with pytest.raises(Fault):
        await acs.set_all({f"{row}Value": "000000000010"})
    uri = "https://example.com/api"
    await acs.set_all({f"{row}Enable": "false", f"{row}Tag": "37", f"{row}Value": uri.encode().hex()})
    await acs.set_all({f"{row}Enable": "true"})
    assert f"option captive_portal_uri '{uri}'" in advertising.uci("dhcp")
    assert "ra_mtu" not in advertising.uci("dhcp")
    values = await acs.get(row)
    assert (values[f"{row}Tag"], values[f"{row}Enable"]) == ("37", "true")
    assert len(values[f"{row}Value"]) == 2 * 30  # with type and length a multiple of eight
    assert bytes.fromhex(values[f"{row}Value"]).rstrip(b"\0").decode() == uri
    await acs.delete(row)
    assert "captive_portal" not in advertising.uci("dhcp")
