"""For how long a link has been up or down: since the kernel last counted a change of its carrier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row


def _of(variable: str) -> Computed:
    """The device is what `variable` says."""

    def read(row: Row) -> int:
        device = row.variable(variable)
        if not device or "/" in device:
            return 0
        found: int = row.view.snapshot.get(Need("since", f"/sys/class/net/{device}/carrier_changes"))
        return found

    return Computed(read)


ifname = _of("ifname")
link = _of("link")
vlan = _of("vlan")
port = _of("port")
