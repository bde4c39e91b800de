"""The flags of router advertisements: items of ``ra_flags``. Without that option odhcpd sets one by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, set_option
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_UNSET = ["other-config"]
_NONE = ["none"]


def _flags(row: Row) -> list[str]:
    value = row.section.options.get("ra_flags") if row.section is not None else None
    if not value:
        return list(_UNSET)
    return value.split() if isinstance(value, str) else list(value)


def _flag(name: str) -> Computed:
    def read(row: Row) -> bool:
        return name in _flags(row)

    def write(row: Row, text: str, staging: Staging) -> None:
        wanted = text == "true"
        if wanted == read(row):
            return
        kept = [flag for flag in _flags(row) if flag not in (name, *_NONE)]
        set_option(row, "dhcp", "ra_flags", ([*kept, name] if wanted else kept) or list(_NONE), staging)

    return Computed(read, write, Need("uci", "dhcp"))


managed = _flag("managed-config")
other = _flag("other-config")
home_agent = _flag("home-agent")
