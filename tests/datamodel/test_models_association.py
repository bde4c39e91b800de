"""Who is who in DHCP: devices that say so to us, and a gateway that says so."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.datamodel.conftest import StartDatamodel
from tests.datamodel.support import Acs, Router

from cwmp.datamodel.association import Associations
from cwmp.runtime import StateFile
from ubuskit.client import open_client

DEVICES = "Device.ManagementServer.ManageableDevice"
GATEWAY = "Device.GatewayInfo."
LEASE = {
    "action": "add",
    "mac": "02:00:5E:00:53:20",
    "oui": b"02005E".hex(),
    "serial": b"TV 1".hex(),
    "class": b"TV".hex(),
}


def option_125(first: int, *texts: str, enterprise: int = 3561) -> str:
    block = b"".join(bytes([first + n, len(t)]) + t.encode() for n, t in enumerate(texts))
    return (enterprise.to_bytes(4, "big") + bytes([len(block)]) + block).hex()


def option_17(first: int, *texts: str) -> str:
    block = b""
    for number, text in enumerate(texts, first):
        block += number.to_bytes(2, "big") + len(text).to_bytes(2, "big") + text.encode()
    return ((3561).to_bytes(4, "big") + block).hex()


@pytest.fixture
def known(tmp_path: Path) -> tuple[Associations, list[None]]:
    changes: list[None] = []
    log = logging.getLogger("test")
    files = (StateFile(tmp_path / "gateway.json", 1, log), StateFile(tmp_path / "devices.json", 1, log))
    return Associations(*files, log, lambda: changes.append(None)), changes


async def test_devices_and_gateway(
    router: Router, alone: Acs, start_datamodel: StartDatamodel, bus: Path
) -> None:
    await start_datamodel()
    async with open_client(str(bus)) as client:
        await client.send("cwmp.lease", LEASE)
        message = {"interface": "wan", "family": 4, "opt125": option_125(4, "02005e", "GW-1", "Gate")}
        await client.send("cwmp.dhcp", message)
        with trio.fail_after(10):
            while (await alone.get(GATEWAY))[f"{GATEWAY}SerialNumber"] != "GW-1":
                await trio.lowlevel.checkpoint()
    assert await alone.get(GATEWAY) == {
        f"{GATEWAY}ManufacturerOUI": "02005E", f"{GATEWAY}SerialNumber": "GW-1", f"{GATEWAY}ProductClass": "Gate",
    }  # fmt: skip
    values = await alone.get(f"{DEVICES}.", f"{DEVICES}NumberOfEntries")
    assert values == {
        f"{DEVICES}NumberOfEntries": "1",
        f"{DEVICES}.1.ManufacturerOUI": "02005E",
        f"{DEVICES}.1.SerialNumber": "TV 1",
        f"{DEVICES}.1.ProductClass": "TV",
        f"{DEVICES}.1.Host": "Device.Hosts.Host.1",
    }
    router.replies["network.interface", "dump"]["interface"][2]["up"] = False
    assert (await alone.get(GATEWAY))[f"{GATEWAY}SerialNumber"] == ""


def test_a_lease_that_ends_takes_the_device_with_it(
    known: tuple[Associations, list[None]], tmp_path: Path
) -> None:
    associations, changes = known
    associations.heard_lease(LEASE)
    associations.heard_lease(LEASE)
    assert len(changes) == 1
    associations.heard_lease({"action": "update", "mac": LEASE["mac"], "oui": "", "serial": "", "class": ""})
    assert "TV 1" in (tmp_path / "devices.json").read_text()
    associations.heard_lease({"action": "remove", "mac": LEASE["mac"]})
    assert "TV 1" not in (tmp_path / "devices.json").read_text()
    assert len(changes) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"mac": "02:00"},
        {"mac": 7},
        {"oui": b"0200".hex()},
        {"oui": b"02 05E".hex()},
        {"serial": ""},
        {"serial": b"a\0b".hex()},
        {"serial": "ff" * 4},
        {"serial": "zz"},
        {"serial": "00" * 5000},
    ],
)
def test_what_a_device_must_not_say(known: tuple[Associations, list[None]], change: dict[str, Any]) -> None:
    associations, changes = known
    associations.heard_lease({**LEASE, **change})
    assert not changes


def test_a_gateway_is_kept_until_a_server_says_nothing(known: tuple[Associations, list[None]]) -> None:
    associations, _ = known
    associations.heard_dhcp({"interface": "wan6", "family": 6, "opt17": option_17(14, "02005E", "GW-6", "")})
    assert associations.own()[f"{GATEWAY}SerialNumber"] == "GW-6"
    associations.heard_dhcp({"interface": "lan", "family": 4})  # another interface's server
    assert associations.own()
    associations.heard_dhcp({"interface": "wan6", "family": 6, "opt17": "00"})
    assert associations.own() == {}


def test_what_dnsmasq_really_sends(known: tuple[Associations, list[None]]) -> None:
    """Taken from udhcpc: dnsmasq 2.90 has the sub-options the other way round."""
    associations, _ = known
    sent = "00000de91906094c6162526f75746572050447572d310406303230303545"
    associations.heard_dhcp({"interface": "wan", "family": 4, "opt125": sent})
    assert associations.own() == {
        f"{GATEWAY}ManufacturerOUI": "02005E",
        f"{GATEWAY}SerialNumber": "GW-1",
        f"{GATEWAY}ProductClass": "LabRouter",
        f"{GATEWAY}interface": "wan",
    }


@pytest.mark.parametrize(
    "opt125",
    [
        option_125(4, "02005E", "GW-1", enterprise=9),
        option_125(1, "02005E", "GW-1"),  # what a device says, not a gateway
        option_125(4, "02005E")[:-2],
        "00000de9ff0406",
        "no",
    ],
)
def test_what_names_no_gateway(known: tuple[Associations, list[None]], opt125: str) -> None:
    associations, _ = known
    associations.heard_dhcp({"interface": "wan", "family": 4, "opt125": opt125})
    assert associations.own() == {}
