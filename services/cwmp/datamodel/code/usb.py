"""Network devices on USB: ``/sys/bus/usb/devices/1-1.2:1.0/net/usb0`` is usb0, on what is plugged in at 1-1.2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_PLACE = re.compile(r"/(?P<device>(?P<bus>\d+)-[\d.]+):[\d.]+/net/")
_PORTS = "Device.USB.Port.{i}."


def _max_bit_rate(row: Row) -> int | None:
    """What the bus gives it, in Mbit/s."""
    found = _PLACE.search(row.item["path"])
    if found is None:
        return None
    text: str = row.view.snapshot.get(Need("file", f"/sys/bus/usb/devices/{found['device']}/speed")).strip()
    return int(float(text)) if re.fullmatch(r"\d{1,6}(\.\d)?", text) else None


def _port(row: Row) -> str:
    """The host that its bus begins at."""
    found = _PLACE.search(row.item["path"])
    port = None if found is None else row.view.by(_PORTS, "").get(f"usb{found['bus']}")
    return "" if port is None else port.path[:-1]


max_bit_rate = Computed(_max_bit_rate)
port = Computed(_port, None, Need("directory", "/sys/bus/usb/devices/usb[0-9]*"))
