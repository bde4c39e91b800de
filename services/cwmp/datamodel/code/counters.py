"""Packets by kind: the hardware's own counters where it has them, else what the kernel's allow to say.

The kernel counts all packets, and the multicast ones among those that came in; it tells broadcast from unicast
nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row


def _hardware(row: Row, kind: str) -> int | None:
    """A counter of the port that the row is; what is no port (``ifname``) has none."""
    device = row.variable("ifname")
    if not device or "/" in device:
        return None
    found: dict[str, int] = row.view.snapshot.get(Need("hardware", device))
    return found.get(kind)


def _counted(kind: str) -> Computed:
    return Computed(lambda row: _hardware(row, kind), None, netifd.DEVICES)


def _rest(kind: str, way: str, everything: str, others: tuple[str, ...]) -> Computed:
    """What is left of all packets without the `others`, where the hardware does not say."""

    def read(row: Row) -> int:
        found = _hardware(row, f"{kind} {way}")
        if found is not None:
            return found
        parameters = row.object.parameters
        known = sum(int(parameters[name].value(row)) for name in others)
        return max(int(parameters[everything].value(row)) - known, 0)

    return Computed(read, None, netifd.DEVICES)


broadcast_sent = _counted("broadcast sent")
broadcast_received = _counted("broadcast received")
multicast_sent = _counted("multicast sent")
unicast_sent = _rest("unicast", "sent", "PacketsSent", ("MulticastPacketsSent", "BroadcastPacketsSent"))
unicast_received = _rest(
    "unicast", "received", "PacketsReceived", ("MulticastPacketsReceived", "BroadcastPacketsReceived")
)
