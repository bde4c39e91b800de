"""The clock. Its local time comes from procd (``system info``), its zone from the configuration.

A clock that has never been set starts at the time the firmware was built, or in 1970; before `_BUILT` it cannot
be right.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import UNKNOWN_TIME

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_INFO = Need("ubus", "system info")
_SYSTEM = Need("uci", "system")
_BUILT = 1_735_689_600  # 2025-01-01


def local_time(local: int, now: float) -> str:
    """A dateTime with the zone's offset, out of seconds that count local time and seconds that count UTC."""
    if now < _BUILT:
        return UNKNOWN_TIME
    offset = timedelta(minutes=round((local - now) / 60))
    if abs(offset) >= timedelta(days=1):
        offset = timedelta(0)
    return datetime.fromtimestamp(now, UTC).astimezone(timezone(offset)).isoformat(timespec="seconds")


def _current(row: Row) -> str | None:
    local = row.view.snapshot.get(_INFO).get("localtime")
    return local_time(local, time.time()) if isinstance(local, int) else None


def _status(row: Row) -> str:
    ntp = row.view.snapshot.package("system").sections.get("ntp")
    if ntp is not None and ntp.options.get("enabled") == "0":
        return "Disabled"
    return "Synchronized" if time.time() >= _BUILT else "Unsynchronized"


current_local_time = Computed(_current, None, _INFO)
status = Computed(_status, None, _SYSTEM)
