"""The number of a VLAN, and with it the name of a device that has none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row


def _write_number(row: Row, text: str, staging: Staging) -> None:
    set_option(row, "network", "vid", text, staging)
    if not option(row, "name"):
        set_option(row, "network", "name", _free_name(row, f"vlan{text}"), staging)


def _free_name(row: Row, wanted: str) -> str:
    """`wanted`, or with a number behind it where another device is called so."""
    devices = row.view.snapshot.package("network").of_type("device")
    taken = {str(device.options.get("name", "")) for device in devices}
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}-{count}"
    return name


def _read_number(row: Row) -> str | None:
    if row.section is not None:
        return option(row, "vid") or None
    vlan = netifd.vlan_of(row, str(row.item["name"]))
    return vlan.number if vlan is not None else None


number = Computed(_read_number, _write_number, Need("uci", "network"))
