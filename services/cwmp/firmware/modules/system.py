"""Which backend this router has. Only that one is imported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cwmp.firmware.modules.backend import Backend
from cwmp.runtime import Paths
from ubuskit.errors import UbusError

if TYPE_CHECKING:
    from ubuskit.client import Client

CONTAINERS = ("SoftwareModules", "Device.SoftwareModules")
"""Names under which prplOS's container manager registers."""

_APK = ("/usr/bin/apk", "/sbin/apk", "/usr/sbin/apk")
_OPKG = ("/bin/opkg", "/usr/bin/opkg")


async def find(paths: Paths, bus: Client) -> Backend | None:
    """The container manager or package manager that this router has; None where there is none."""
    for name in CONTAINERS:
        if await _is_there(bus, name):
            from cwmp.firmware.modules import prplos  # noqa: PLC0415

            return prplos.Manager(name, bus)
    for place in _APK:
        if os.access(program := paths.system(place), os.X_OK):
            from cwmp.firmware.modules import apk  # noqa: PLC0415

            return apk.Manager(program, paths, bus)
    for place in _OPKG:
        if os.access(program := paths.system(place), os.X_OK):
            from cwmp.firmware.modules import opkg  # noqa: PLC0415

            return opkg.Manager(program, paths, bus)
    return None


async def _is_there(bus: Client, name: str) -> bool:
    try:
        return bool(await bus.lookup(name))
    except UbusError:
        return False
