"""DNS servers as netifd writes them, and the relay."""

from __future__ import annotations

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

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
