"""The device below an interface. netifd has one, in an option that is no list; TR-181 has a list of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_PORTS = "Device.Ethernet.Interface.{i}."
_NEEDS = (Need("uci", "network"), Need("ubus", "network.device status"))


def _below(name: str) -> Computed:
    """The Ethernet interface that the option `name` of a section of ``network`` names."""

    def read(row: Row) -> list[str]:
        found = row.view.by(_PORTS, "").get(option(row, name))
        return [] if found is None else [found.path[:-1]]

    def write(row: Row, text: str, staging: Staging) -> None:
        if not text:
            set_option(row, "network", name, "", staging)
            return
        for device, target in row.view.by(_PORTS, "").items():
            if target.path[:-1] == text:
                set_option(row, "network", name, device, staging)
                return
        raise ValueFault(f"{text} is not a row of {_PORTS.removesuffix('{i}.')}")

    return Computed(read, write, *_NEEDS)


device = _below("device")
ifname = _below("ifname")
