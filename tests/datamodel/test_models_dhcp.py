"""DHCP servers: pools that share their section, options, and who holds a lease."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault
from cwmp.datamodel.code import dhcp_options
from cwmp.datamodel.types import ValueFault

POOL = "Device.DHCPv4.Server.Pool.1."
POOL6 = "Device.DHCPv6.Server.Pool.1."
DUID = "0003000102005e005307"


async def test_a_pool_and_who_it_serves(router: Router, acs: Acs) -> None:
    values = await acs.get(POOL)
    expected = {
        "Status": "Enabled",
        "SubnetMask": "255.255.255.0",
        "Order": "1",
        "ClientNumberOfEntries": "2",
        "Client.1.Chaddr": "02:00:5E:00:53:20",
        "Client.1.Active": "true",
        "Client.2.Active": "false",
        "Client.1.IPv4Address.1.IPAddress": "192.168.1.120",
        "Client.1.IPv4Address.1.LeaseTimeRemaining": "2030-01-01T00:00:00Z",
        "Client.1.Option.12.Value": b"laptop".hex(),
        "Client.1.Option.61.Value": "0102005e0053" + "20",
        "Client.2.OptionNumberOfEntries": "0",
    }
    expected["Client.1.Option.61.Value"] = "0102" + "005e005320"
    assert {name: values[f"{POOL}{name}"] for name in expected} == expected


async def test_leases_of_odhcpd_where_it_serves_ipv4(router: Router, acs: Acs) -> None:
    router.set_uci("dhcp", CONFIG["dhcp"] + "\nconfig odhcpd 'odhcpd'\n\toption maindhcp '1'\n")
    router.write("/tmp/dhcp.leases", "")
    lease = {
        "mac": "02005e005330",
        "hostname": "tv",
        "flags": ["bound"],
        "address": "192.168.1.7",
        "valid": -1,
    }
    router.replies["dhcp", "ipv4leases"] = {"device": {"br-lan": {"leases": [lease]}}}
    values = await acs.get(f"{POOL}Client.")
    client = f"{POOL}Client.1."
    assert values[f"{client}Chaddr"] == "02:00:5E:00:53:30"
    assert values[f"{client}IPv4Address.1.LeaseTimeRemaining"] == "9999-12-31T23:59:59Z"


async def test_the_server_pauses_and_comes_back(router: Router, acs: Acs) -> None:
    server = "Device.DHCPv4.Server.Enable"
    await acs.set_all({server: "false"})
    values = await acs.get("Device.DHCPv4.Server.")
    assert (values[server], values[f"{POOL}Enable"], values[f"{POOL}Status"]) == ("false", "true", "Disabled")
    assert values["Device.DHCPv4.Server.Pool.2.Enable"] == "false"
    assert router.uci("dhcp").count("option ignore '1'") == 2
    await acs.set_all({server: "true"})
    assert router.uci("dhcp").count("option ignore '1'") == 1
    assert "dhcp_paused" not in router.uci("dhcp")
    assert (await acs.get(f"{POOL}Status"))[f"{POOL}Status"] == "Enabled"


async def test_a_dead_daemon_and_a_wrong_interface(router: Router, acs: Acs) -> None:
    router.replies["service", "list"] = lambda name="": {}
    assert (await acs.get(f"{POOL}Status"))[f"{POOL}Status"] == "Error"
    router.set_uci("dhcp", CONFIG["dhcp"].replace("option interface 'lan'", "option interface 'nothing'"))
    assert (await acs.get(f"{POOL}Status"))[f"{POOL}Status"] == "Error_Misconfigured"


async def test_a_deleted_pool_leaves_the_section_to_the_others(router: Router, acs: Acs) -> None:
    router.set_uci("dhcp", CONFIG["dhcp"].replace("'12h'", "'12h'\n\toption dhcpv6 'server'"))
    await acs.delete(POOL)
    lan = router.uci("dhcp").partition("config dhcp 'lan'")[2].partition("config dhcp")[0]
    assert "option dhcpv6 'server'" in lan
    assert "option dhcpv4 'disabled'" in lan
    assert "start" not in lan
    assert POOL not in await acs.names("Device.DHCPv4.Server.Pool.", True)


async def test_a_pool_that_nothing_else_uses_goes_with_its_section(router: Router, acs: Acs) -> None:
    await acs.delete(POOL)
    assert "config dhcp 'lan'" not in router.uci("dhcp")


async def test_options_of_a_pool(router: Router, acs: Acs) -> None:
    """A new one is off, and known to no daemon, until it is switched on."""
    option = f"{POOL}Option.{(await acs.add(f'{POOL}Option.')).instance_number}."
    with pytest.raises(Fault):
        await acs.set_all({f"{option}Enable": "true"})
    await acs.set_all({f"{option}Tag": "43", f"{option}Value": "0102aa"})
    assert "list dhcp_option '" not in router.uci("dhcp")
    assert "list disabled_dhcp_option '43,01:02:aa'" in router.uci("dhcp")
    await acs.set_all({f"{option}Enable": "true"})
    assert "list dhcp_option '43,01:02:aa'" in router.uci("dhcp")
    values = await acs.get(option)
    assert {n.removeprefix(option): v for n, v in values.items()} == {
        "Tag": "43", "Value": "0102aa", "Enable": "true", "Alias": values[f"{option}Alias"],
    }  # fmt: skip
    second = f"{POOL}Option.{(await acs.add(f'{POOL}Option.')).instance_number}."
    with pytest.raises(Fault):  # among those that are on a Tag is there once
        await acs.set_all({f"{second}Tag": "43", f"{second}Value": "01", f"{second}Enable": "true"})
    await acs.delete(option)
    assert "43,01:02:aa" not in router.uci("dhcp")


@pytest.mark.parametrize(
    ("item", "tag", "value"),
    [
        ("6,192.0.2.1,192.0.2.2", 6, "c0000201c0000202"),
        ("option:ntp-server,192.0.2.1", 42, "c0000201"),
        ("66,boot.example", 66, b"boot.example".hex()),
        ("26,1492", 26, "05d4"),
        ("19,1", 19, "01"),
        ("3", 3, ""),
        ("tag:guest,6,192.0.2.1", 0, ""),
    ],
)
def test_what_dnsmasq_is_told(item: str, tag: int, value: str) -> None:
    assert dhcp_options.parse(item) == (tag, bytes.fromhex(value))


@given(st.integers(1, 254), st.binary(max_size=32))
def test_an_option_reads_as_it_was_written(tag: int, value: bytes) -> None:
    try:
        item = dhcp_options.write(tag, value)
    except ValueFault:
        assert len(value) % 4  # addresses, or a single byte
    else:
        assert " " not in item  # the list is split at spaces
        assert dhcp_options.parse(item) == (tag, value)


@pytest.fixture
def serving(router: Router) -> Router:
    router.set_uci("dhcp", CONFIG["dhcp"].replace("'12h'", "'12h'\n\toption dhcpv6 'server'"))
    leases = [
        {
            "duid": DUID, "iaid": 1, "hostname": "laptop", "flags": ["bound"], "valid": 7200,
            "ipv6-addr": [{"address": "2001:db8::5", "preferred-lifetime": 1800, "valid-lifetime": 3600}],
        },
        {
            "duid": DUID, "iaid": 2, "hostname": "", "flags": ["bound"], "valid": -1,
            "ipv6-prefix": [{"address": "2001:db8:0:4::", "preferred-lifetime": -1, "valid-lifetime": -1,
                             "prefix-length": 62}],
        },
    ]  # fmt: skip
    router.replies["dhcp", "ipv6leases"] = {"device": {"br-lan": {"leases": leases}, "br-x": {"leases": []}}}
    lan = router.replies["network.interface", "dump"]["interface"][1]
    lan["ipv6-prefix-assignment"] = [{"address": "2001:db8::", "mask": 60}]
    return router


async def test_a_dhcpv6_pool_and_who_it_serves(serving: Router, acs: Acs) -> None:
    neighbours = ("2001:db8::77 02:00:5e:00:53:07", "fe80::77 02:00:5e:00:53:07", "fe80::1 02:00:5e:00:53:01")
    serving.write("/proc/net/neighbours6", "".join(f"{one} br-lan\n" for one in neighbours))
    values = await acs.get("Device.DHCPv6.Server.")
    expected = {
        "Enable": "true",
        "Status": "Enabled",
        "Interface": "Device.IP.Interface.2",
        "IANAEnable": "true",
        "IAPDEnable": "true",
        "IAPDAddLength": "2",
        "ClientNumberOfEntries": "1",
        "Client.1.Active": "true",
        "Client.1.SourceAddress": "fe80::77",
        "Client.1.IPv6Address.1.IPAddress": "2001:db8::5",
        "Client.1.IPv6Prefix.1.Prefix": "2001:db8:0:4::/62",
        "Client.1.IPv6Prefix.1.ValidLifetime": "9999-12-31T23:59:59Z",
        "Client.1.Option.1.Value": DUID,
        "Client.1.Option.39.Value": "00066c6170746f70",
    }
    assert {name: values[f"{POOL6}{name}"] for name in expected} == expected
    ends = values[f"{POOL6}Client.1.IPv6Address.1.ValidLifetime"]
    now = time.time()
    assert (
        time.strftime("%Y-%m-%dT", time.gmtime(now))
        <= ends[:11]
        <= time.strftime("%Y-%m-%dT", time.gmtime(now + 3600))
    )


async def test_how_much_is_delegated(serving: Router, acs: Acs) -> None:
    await acs.set_all({f"{POOL6}IAPDAddLength": "4", f"{POOL6}IANAEnable": "false"})
    assert "option dhcpv6_pd_min_len '64'" in serving.uci("dhcp")
    assert "option dhcpv6_na '0'" in serving.uci("dhcp")
    with pytest.raises(Fault):
        await acs.set_all({f"{POOL6}IAPDAddLength": "5"})


async def test_options_of_a_dhcpv6_pool_are_one_row_of_bytes(serving: Router, acs: Acs) -> None:
    table = f"{POOL6}Option."
    rows = [f"{table}{(await acs.add(table)).instance_number}." for _ in range(2)]
    await acs.set_all({
        f"{rows[0]}Tag": "32", f"{rows[0]}Value": "00000e10", f"{rows[0]}Enable": "true",
        f"{rows[1]}Tag": "82", f"{rows[1]}Value": "00000001",
    })  # fmt: skip
    assert "option dhcpv6_raw '0020000400000e10'" in serving.uci("dhcp")
    assert "list disabled_dhcpv6_option '82:00000001'" in serving.uci("dhcp")
    await acs.set_all({f"{rows[1]}Enable": "true"})
    assert "option dhcpv6_raw '0020000400000e100052000400000001'" in serving.uci("dhcp")
    await acs.delete(rows[0])
    assert "option dhcpv6_raw '0052000400000001'" in serving.uci("dhcp")
    values = await acs.get(table)
    assert (values[f"{rows[1]}Tag"], values[f"{rows[1]}Value"]) == ("82", "00000001")


async def test_without_odhcpd_there_is_no_client(router: Router, acs: Acs) -> None:
    router.set_uci("dhcp", CONFIG["dhcp"].replace("'12h'", "'12h'\n\toption dhcpv6 'server'"))
    router.replies["dhcp", "ipv6leases"] = None
    assert (await acs.get(POOL6))[f"{POOL6}ClientNumberOfEntries"] == "0"


async def test_neighbours(router: Router, acs: Acs) -> None:
    """A setting moves into the section of its device, and leaves it there when it goes."""
    table = "Device.NeighborDiscovery.InterfaceSetting."
    for name, text in {
        "conf/br-lan/disable_ipv6": "0", "conf/br-lan/accept_ra": "0", "conf/br-lan/router_solicitations": "-1",
        "conf/br-lan/router_solicitation_interval": "4", "neigh/br-lan/retrans_time_ms": "1000",
        "neigh/br-lan/ucast_solicit": "3",
    }.items():  # fmt: skip
        router.write(f"/proc/sys/net/ipv6/{name}", f"{text}\n")
    setting = f"{table}{(await acs.add(table)).instance_number}."
    await acs.set_all({f"{setting}Interface": "Device.IP.Interface.2", f"{setting}DADTransmits": "3"})
    values = await acs.get(setting)
    alias = values.pop(f"{setting}Alias")
    assert alias
    assert {n.removeprefix(setting): v for n, v in values.items()} == {
        "Interface": "Device.IP.Interface.2", "Enable": "true", "Status": "Enabled", "DADTransmits": "3",
        "RetransTimer": "1000", "RtrSolicitationInterval": "4000", "MaxRtrSolicitations": "4294967295",
        "NUDEnable": "true", "RSEnable": "false",
    }  # fmt: skip
    assert router.uci("network").count("config device") == 1
    assert "option dadtransmits '3'" in router.uci("network")
    await acs.delete(setting)
    assert "dadtransmits" not in router.uci("network")
    assert "option type 'bridge'" in router.uci("network")


async def test_neighbours_on_a_device_that_nobody_declared(router: Router, acs: Acs) -> None:
    table = "Device.NeighborDiscovery.InterfaceSetting."
    setting = f"{table}{(await acs.add(table)).instance_number}."
    await acs.set_all({f"{setting}Interface": "Device.IP.Interface.3", f"{setting}Enable": "false"})
    section = router.uci("network").rpartition("config device")[2]
    assert "option name 'eth0'" in section
    assert "option ipv6 '0'" in section
    await acs.delete(setting)
    assert router.uci("network").count("config device") == 1
