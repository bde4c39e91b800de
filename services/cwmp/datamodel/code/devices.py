"""Options that are set for a device: in the section that the row is, or in the `config device` of its name, which
is made when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.template import SectionName, Template
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row
    from ubuskit.uci import Section


def section_of(row: Row) -> Section | None:
    """The section that holds the options of the row's device, if there is one."""
    own = row.section is not None and row.section.type == "device"
    return row.section if own else netifd.device_section(row, _name(row))


def set_device(row: Row, option: str, value: str, staging: Staging) -> None:
    """Set one of them ("" deletes it)."""
    section = section_of(row)
    if section is None and value:
        name = _name(row)
        if not name:
            raise ValueFault("there is no device yet")
        wanted = SectionName("network", kind="device", option="name", value=Template(name))
        section = staging.section(wanted, row)
    if section is not None:
        staging.set_option("network", section, option, value)


def _name(row: Row) -> str:
    if row.section is not None and row.section.type == "link":
        return netifd.text(row.section, "name")
    return str(row.item["name"]) if isinstance(row.item, dict) and "name" in row.item else row.key


def read_enable(row: Row) -> bool:
    """Whether netifd is to use the device."""
    return netifd.is_on(section_of(row), "enabled", default=True)


def write_enable(row: Row, text: str, staging: Staging) -> None:
    """Switch it; on is what a device is where nothing is said."""
    if (text == "true") != read_enable(row):
        set_device(row, "enabled", "" if text == "true" else "0", staging)


def _option(name: str) -> Computed:
    def read(row: Row) -> str | None:
        return netifd.text(section_of(row), name) or None

    def write(row: Row, text: str, staging: Staging) -> None:
        set_device(row, name, text, staging)

    return Computed(read, write, netifd.NETWORK)


enable = Computed(read_enable, write_enable, netifd.NETWORK)
mtu = _option("mtu")
mac = _option("macaddr")
