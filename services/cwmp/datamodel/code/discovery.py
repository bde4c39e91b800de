"""Neighbour discovery of an interface: the `config device` of its device, once something is said there of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_INTERFACES = "Device.IP.Interface.{i}."
_OURS = ("dadtransmits", "ipv6")


def _read_interface(row: Row) -> str:
    device = option(row, "name")
    return netifd.path_of(row, _INTERFACES, "device", device) if device else ""


def _write_interface(row: Row, text: str, staging: Staging) -> None:
    """A setting made a moment ago moves into the section that the device has already."""
    if text == _read_interface(row):
        return
    found = next((r for r in row.view.by(_INTERFACES, "").values() if r.path == f"{text}."), None)
    device = "" if found is None else found.variable("device") or ""
    if text and not device:
        raise ValueFault(f"{text} has no device")
    other = netifd.device_section(row, device) if device else None
    if other is None or row.section is None:
        set_option(row, "network", "name", device, staging)
        return
    if option(row, "name") or other.options.get(_OURS[0]):
        raise ValueFault(f"the device {device} has its own setting")
    for name in _OURS:
        if value := option(row, name):
            staging.set_option("network", other, name, value)
    staging.adopt(row, "network", other)


interface = Computed(_read_interface, _write_interface, netifd.NETWORK, netifd.DUMP)
