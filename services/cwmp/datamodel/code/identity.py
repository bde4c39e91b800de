"""Who the device is, where its maker did not say: from the address of its first network device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_DEVICES = ("eth0", "br-lan", "lan", "lan1", "wan")
_NEEDS = tuple(Need("file", f"/sys/class/net/{device}/address") for device in _DEVICES)


def _digits(row: Row) -> str:
    for need in _NEEDS:
        digits = str(row.view.snapshot.get(need)).strip().replace(":", "").upper()
        if len(digits) == 12 and digits != "000000000000":
            return digits
    return ""


oui = Computed(lambda row: _digits(row)[:6] or None, None, *_NEEDS)
serial_number = Computed(lambda row: _digits(row) or None, None, *_NEEDS)
