"""Devices in the LAN that an ACS manages too, and the gateway that we are behind (association.py hears of both)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cwmp.datamodel.association import GATEWAY, INTERFACE
from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import There

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_DEVICES = Need("file", "/var/run/cwmp/datamodel/devices.json")
_HOSTS = "Device.Hosts.Host.{i}."


def _find(parent: Row) -> list[There]:
    try:
        devices = json.loads(parent.view.snapshot.get(_DEVICES) or "{}").get("devices", {})
    except (ValueError, AttributeError):
        return []
    found: dict[str, There] = {}
    for mac, device in devices.items():
        key = f"{device['ManufacturerOUI']}-{device.get('ProductClass', '')}-{device['SerialNumber']}"
        one = found.setdefault(key, There(key, None, {**device, "macs": []}))
        one.item["macs"].append(mac)  # a device may have several addresses
    return list(found.values())


def _hosts(row: Row) -> list[str]:
    hosts = row.view.by(_HOSTS, "")
    return [hosts[mac].path[:-1] for mac in row.item["macs"] if mac in hosts]


def _of_gateway(name: str) -> Computed:
    def read(row: Row) -> str | None:
        """While the interface that it came by is up. Nobody is asked where there is no gateway: it is watched."""
        value, interface = row.view.own.get(f"{GATEWAY}{name}"), row.view.own.get(INTERFACE, "")
        return value if value and netifd.interfaces(row).get(interface, {}).get("up") else None

    return Computed(read)


devices = ComputedRows(_find, _DEVICES)
hosts = Computed(_hosts)
oui, serial, product = (
    _of_gateway("ManufacturerOUI"),
    _of_gateway("SerialNumber"),
    _of_gateway("ProductClass"),
)
