"""Counters that are a difference: of the packets that came in the kernel counts all, and the multicast ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row


def _unicast_received(row: Row) -> int:
    parameters = row.object.parameters
    everything = int(parameters["PacketsReceived"].value(row))
    return max(everything - int(parameters["MulticastPacketsReceived"].value(row)), 0)


unicast_received = Computed(_unicast_received, None, netifd.DEVICES)
