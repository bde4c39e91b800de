"""The number of a VLAN, and with it the name of a device that has none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


number = Computed(lambda row: option(row, "vid") or None, _write_number, Need("uci", "network"))
