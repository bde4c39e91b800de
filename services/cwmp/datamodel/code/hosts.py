"""Hosts in the LAN: who holds a lease, and who answers there without one (ARP), by MAC address.

The LAN is every interface but those that a default route leaves through. Where a host is attached the bridge knows
(``brforward``: entries of 16 bytes, the address and the port's number in two parts), or the access point.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code import leases
from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.snapshot import Need, SourceFailed
from cwmp.datamodel.tables import There

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_ARP = Need("file", "/proc/net/arp")
_WIRELESS = (Need("uci", "wireless"), Need("ubus", "network.wireless status"))
_LINE = re.compile(
    r"^(?P<address>[\d.]+)\s+\S+\s+(?P<flags>0x[0-9a-f]+)\s+(?P<mac>[0-9a-f:]{17})\s+\S+\s+(?P<device>\S+)$",
    re.MULTILINE,
)
_NOBODY = "00:00:00:00:00:00"
_ENTRY = 16
_STATIONS = "Device.WiFi.AccessPoint.{i}.AssociatedDevice.{i}."
_CLIENTS = ("Device.DHCPv4.Server.Pool.{i}.Client.{i}.", "Device.DHCPv6.Server.Pool.{i}.Client.{i}.")
_INTERFACES, _PORTS = "Device.IP.Interface.{i}.", "Device.Ethernet.Interface.{i}."
_RADIOS = "Device.WiFi.Radio.{i}."


class Neighbour(NamedTuple):
    """A line of the ARP table."""

    address: str
    mac: str
    device: str
    there: bool


def neighbours(row: Row) -> dict[str, Neighbour]:
    """The ARP table by address."""
    found: dict[str, Neighbour] = row.view.root.cached(_read_arp, _read_arp)
    return found


def _read_arp(row: Row) -> dict[str, Neighbour]:
    return {
        found["address"]: Neighbour(found["address"], found["mac"], found["device"], found["flags"] != "0x0")
        for found in _LINE.finditer(row.view.snapshot.get(_ARP))
        if found["mac"] != _NOBODY
    }


def _outer_devices(row: Row) -> set[str]:
    return {
        str(interface.get("l3_device", ""))
        for interface in netifd.interfaces(row).values()
        if any(route.get("mask") == 0 for route in interface.get("route", []))
    }


def _find(parent: Row) -> list[There]:
    rows = [There(lease["mac"], None, lease) for lease in leases.leases(parent)]
    known, outer = {row.key for row in rows}, _outer_devices(parent)
    for one in neighbours(parent).values():
        if one.there and one.mac not in known and one.device not in outer:
            rows.append(There(one.mac, None, {"mac": one.mac, "address": one.address, "name": ""}))
    return rows


def _neighbour(row: Row) -> Neighbour | None:
    found = neighbours(row).get(row.item["address"])
    return found if found is not None and found.mac == row.key else None


def _read_active(row: Row) -> bool:
    found = _neighbour(row)
    return found is not None and found.there


def _read_layer3(row: Row) -> str:
    found = _neighbour(row)
    return "" if found is None else netifd.path_of(row, _INTERFACES, "device", found.device)


def _station(row: Row) -> Row | None:
    """The associated device of an access point that has the host's address."""
    try:
        return row.view.by(_STATIONS, "MACAddress").get(row.key.upper())
    except SourceFailed as failure:
        row.view.note(failure)
        return None


def _read_station(row: Row) -> str:
    found = _station(row)
    return "" if found is None else found.path[:-1]


def _read_layer1(row: Row) -> str:
    station, found = _station(row), _neighbour(row)
    if station is not None and station.section is not None:
        return netifd.path_of(row, _RADIOS, "", netifd.text(station.section, "device"))
    if found is None:
        return ""
    port = _port(row, found.device, row.key)
    return netifd.path_of(row, _PORTS, "ifname", port) if port else ""


def _port(row: Row, device: str, mac: str) -> str:
    """The port of the bridge `device` that `mac` is behind; the device itself where it is none."""
    if "/" in device:
        return ""
    ports, table = row.view.snapshot.each(
        [
            Need("directory", f"/sys/class/net/{device}/brif/*"),
            Need("bytes", f"/sys/class/net/{device}/brforward"),
        ]
    )
    if not ports:
        return device
    names = [path.rpartition("/")[2] for path in ports]
    numbers = row.view.snapshot.each([Need("file", f"/sys/class/net/{n}/brport/port_no") for n in names])
    wanted = bytes.fromhex(mac.replace(":", ""))
    for place in range(0, len(table) - _ENTRY + 1, _ENTRY):
        entry = table[place : place + _ENTRY]
        if entry[:6] == wanted and not entry[7]:  # not one of the bridge's own
            number = entry[6] | entry[12] << 8
            return next((n for n, text in zip(names, numbers, strict=True) if _number(text) == number), "")
    return ""


def _number(text: str) -> int:
    return int(text, 16) if re.fullmatch("0x[0-9a-f]{1,4}", text.strip()) else -1


def _v6_client(row: Row) -> Row | None:
    """The DHCPv6 client whose DUID was made of the host's address (RFC 8415 11.2, 11.4)."""
    for duid, client in row.view.by(_CLIENTS[1], "").items():
        if leases.mac_of(duid) == row.key:
            return client
    return None


def _read_clients(row: Row) -> list[str]:
    found = [row.view.by(_CLIENTS[0], "").get(row.key), _v6_client(row)]
    return [client.path[:-1] for client in found if client is not None]


def _find_v6(row: Row) -> list[There]:
    """Those that odhcpd leased, and those that the host was seen with."""
    client = _v6_client(row)
    leased = [str(a.get("address", "")) for a in client.item["addresses"]] if client is not None else []
    seen = [one.address for one in row.view.snapshot.get(leases.NEIGHBOURS) if one.mac == row.key]
    addresses = sorted({a for a in [*leased, *seen] if a}, key=ipaddress.IPv6Address)
    return [There(str(place), None, {"address": a}) for place, a in enumerate(addresses, 1)]


rows = ComputedRows(_find, _ARP, netifd.DUMP, Need("uci", "dhcp"))
v6_addresses = ComputedRows(_find_v6, leases.NEIGHBOURS, numbered=True)
active = Computed(_read_active, None, _ARP)
layer3 = Computed(_read_layer3, None, _ARP)
layer1 = Computed(_read_layer1, None, _ARP, netifd.DEVICES, netifd.NETWORK, *_WIRELESS)
station = Computed(_read_station, None, *_WIRELESS)
clients = Computed(_read_clients, None, Need("uci", "dhcp"), netifd.NETWORK, netifd.DUMP)
