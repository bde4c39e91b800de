"""Which backend this router has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.firmware.modules import apk, opkg, prplos
from cwmp.firmware.modules.backend import Backend
from cwmp.runtime import Paths

if TYPE_CHECKING:
    from ubuskit.client import Client


async def find(paths: Paths, bus: Client) -> Backend | None:
    """The container manager or package manager that this router has; None where there is none."""
    if (manager := await prplos.find(bus)) is not None:
        return manager
    if (program := apk.program(paths)) is not None:
        return apk.Manager(program, paths, bus)
    if (program := opkg.program(paths)) is not None:
        return opkg.Manager(program, paths, bus)
    return None
