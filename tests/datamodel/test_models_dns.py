"""DNS servers as netifd writes them, and the relay."""

from __future__ import annotations

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault

RESOLV = """# Interface lan
nameserver 192.168.1.53
# Interface wan
nameserver 192.0.2.53
nameserver 192.0.2.54
search example.com
# Interface wan6
nameserver 2001:db8::53
"""
SERVER = "Device.DNS.Client.Server."
RELAY = "Device.DNS.Relay."


@pytest.fixture
def resolving(router: Router) -> Router:
    network = CONFIG["network"] + "\toption dns '192.0.2.54'\n"  # of wan
    network += "\nconfig interface 'wan6'\n\toption device 'eth0'\n\toption proto 'dhcpv6'\n"
    router.set_uci("network", network)
    router.write("/tmp/resolv.conf.d/resolv.conf.auto", RESOLV)
    return router


@pytest.mark.parametrize("table", [SERVER, f"{RELAY}Forwarding."])
async def test_servers_with_interface_and_origin(resolving: Router, acs: Acs, table: str) -> None:
    values = await acs.get(table)
    columns = ("DNSServer", "Interface", "Type", "Enable", "Status")
    assert [tuple(values[f"{table}{n}.{c}"] for c in columns) for n in (1, 2, 3, 4)] == [
        ("192.168.1.53", "Device.IP.Interface.2", "Static", "true", "Enabled"),
        ("192.0.2.53", "Device.IP.Interface.3", "DHCPv4", "true", "Enabled"),
        ("192.0.2.54", "Device.IP.Interface.3", "Static", "true", "Enabled"),
        ("2001:db8::53", "Device.IP.Interface.4", "DHCPv6", "true", "Enabled"),
    ]


async def test_a_server_that_changes_is_a_new_one(resolving: Router, acs: Acs) -> None:
    assert (await acs.get("Device.DNS.Client."))["Device.DNS.Client.ServerNumberOfEntries"] == "4"
    resolving.write("/tmp/resolv.conf.d/resolv.conf.auto", RESOLV.replace("192.168.1.53", "192.168.1.54"))
    values = await acs.get(SERVER)
    assert f"{SERVER}1.DNSServer" not in values
    assert values[f"{SERVER}5.DNSServer"] == "192.168.1.54"


async def test_the_relay_is_switched_by_its_port(resolving: Router, acs: Acs) -> None:
    values = await acs.get(RELAY)
    assert (values[f"{RELAY}Enable"], values[f"{RELAY}Status"]) == ("true", "Enabled")
    assert values[f"{RELAY}ForwardNumberOfEntries"] == "4"
    await acs.set(**{f"{RELAY}Enable": "false"})
    assert "option port '0'" in resolving.uci("dhcp")
    values = await acs.get(RELAY)
    assert (values[f"{RELAY}Enable"], values[f"{RELAY}Status"]) == ("false", "Disabled")
    await acs.set(**{f"{RELAY}Enable": "true"})
    assert "option port '53'" in resolving.uci("dhcp")


async def test_a_server_that_the_relay_is_told(resolving: Router, acs: Acs) -> None:
    table = f"{RELAY}Forwarding."
    row = f"{table}{(await acs.add(table)).instance_number}."
    with pytest.raises(Fault):
        await acs.set_all({f"{row}Enable": "true"})
    await acs.set_all({f"{row}DNSServer": "192.0.2.7", f"{row}Interface": "Device.IP.Interface.3"})
    assert "list disabled_server '192.0.2.7@eth0'" in resolving.uci("dhcp")
    await acs.set_all({f"{row}Enable": "true"})
    assert "list server '192.0.2.7@eth0'" in resolving.uci("dhcp")
    assert "disabled_server" not in resolving.uci("dhcp")
    values = await acs.get(row)
    assert [values[f"{row}{name}"] for name in ("DNSServer", "Interface", "Type", "Status")] == [
        "192.0.2.7", "Device.IP.Interface.3", "Static", "Enabled",
    ]  # fmt: skip
    await acs.set_all({f"{row}Interface": "", f"{row}DNSServer": "2001:db8::7"})
    assert "list server '2001:db8::7'" in resolving.uci("dhcp")
    await acs.delete(row)
    assert "2001:db8::7" not in resolving.uci("dhcp")


async def test_a_server_that_was_learned_stays_as_it_is(resolving: Router, acs: Acs) -> None:
    row = f"{RELAY}Forwarding.2."
    await acs.set_all({f"{row}Enable": "true", f"{row}DNSServer": "192.0.2.53"})
    for values in ({f"{row}Enable": "false"}, {f"{row}DNSServer": "192.0.2.8"}, {f"{row}Interface": ""}):
        with pytest.raises(Fault) as caught:
            await acs.set_all(values)
        assert "wan has learned it" in caught.value.parameters[0].text
    with pytest.raises(Fault):
        await acs.delete(row)


async def test_servers_of_single_domains_are_no_rows(router: Router, acs: Acs) -> None:
    servers = "\tlist server '/example.org/192.0.2.9'\n\tlist server '192.0.2.7#5353'\n"
    router.set_uci("dhcp", CONFIG["dhcp"].replace("'lan'\n\nconfig", f"'lan'\n{servers}\nconfig", 1))
    values = await acs.get(f"{RELAY}Forwarding.")
    assert values[f"{RELAY}Forwarding.1.DNSServer"] == "192.0.2.7"
    assert not [n for n in values if ".Forwarding.2." in n]
    await acs.set_all({f"{RELAY}Forwarding.1.DNSServer": "192.0.2.8"})
    assert "list server '192.0.2.8#5353'" in router.uci("dhcp")
    assert "list server '/example.org/192.0.2.9'" in router.uci("dhcp")


async def test_a_server_of_the_router_itself(resolving: Router, acs: Acs) -> None:
    await acs.get(SERVER)
    row = f"{SERVER}{(await acs.add(SERVER)).instance_number}."
    with pytest.raises(Fault):
        await acs.set(**{f"{row}Enable": "true"})  # which one?
    await acs.set(**{f"{row}DNSServer": "192.0.2.77"})
    assert (await acs.get(row))[f"{row}Status"] == "Disabled"
    await acs.set_all({f"{row}Interface": "Device.IP.Interface.2", f"{row}Enable": "true"})
    assert "option dns '192.0.2.77'" in resolving.uci("network") or "list dns '192.0.2.77'" in resolving.uci(
        "network"
    )
    assert (await acs.get(row))[f"{row}Status"] == "Error"  # netifd has not heard of it
    resolving.write("/tmp/resolv.conf.d/resolv.conf.auto", "# Interface lan\nnameserver 192.0.2.77\n")
    expected = {"Interface": "Device.IP.Interface.2", "Status": "Enabled", "Type": "Static"}
    values = await acs.get(row)
    assert {name: values[f"{row}{name}"] for name in expected} == expected
    await acs.set(**{f"{row}Enable": "false"})
    assert "list dns_off '192.0.2.77'" in resolving.uci("network")
    await acs.set(**{f"{row}Interface": ""})
    assert "list dns_off '192.0.2.77'" not in resolving.uci("network").partition("globals")[0]
    await acs.delete(row)
    assert "192.0.2.77" not in resolving.uci("network")


async def test_a_server_that_an_interface_learned(resolving: Router, acs: Acs) -> None:
    await acs.get(SERVER)
    for name, value in ("Enable", "false"), ("DNSServer", "192.0.2.1"), ("Interface", ""):
        with pytest.raises(Fault):
            await acs.set(**{f"{SERVER}2.{name}": value})
    with pytest.raises(Fault):
        await acs.delete(f"{SERVER}2.")
    with pytest.raises(Fault):
        await acs.set(**{f"{SERVER}3.DNSServer": "192.0.2.53"})  # is there already
