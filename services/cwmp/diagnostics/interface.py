"""From a row of Device.IP.Interface. to the network device that packets leave through.

The datamodel knows the interface's name in UCI, netifd the device it has at the moment.
"""

from __future__ import annotations

import re

from cwmp.contract import Fault
from cwmp.contract.datamodel import GET_VALUES, GetValues
from cwmp.diagnostics import states
from cwmp.diagnostics.definition import Failed
from cwmp.runtime import Peers
from ubuskit.client import Client
from ubuskit.errors import UbusError

_ROW = re.compile(r"Device\.IP\.Interface\.([0-9]+|\[[^\]]{1,64}\])\.?")
_MAX_DEVICE_NAME = 15  # IFNAMSIZ - 1


async def device_of(row: str, peers: Peers, bus: Client) -> str:
    """The device of the interface `row` names; "" for "", where the routing table decides.

    Raises:
        Failed: there is no such interface, or it has no device (Error_Internal: the reference is weak, it may
            dangle until the test is made).
    """
    if not row:
        return ""
    if not _ROW.fullmatch(row):
        raise _dangling(row, "it is no row of Device.IP.Interface.")
    name = await _name(row, peers)
    try:
        status = await bus.call(f"network.interface.{name}", "status")
    except UbusError as error:
        raise _dangling(row, f"netifd does not know '{name}': {error}") from None
    device = status.get("l3_device") or status.get("device")
    if not isinstance(device, str) or not 0 < len(device) <= _MAX_DEVICE_NAME:
        raise _dangling(row, f"'{name}' has no device at the moment")
    return device


async def _name(row: str, peers: Peers) -> str:
    path = f"{row.rstrip('.')}.Name"
    try:
        async with peers.stream(GET_VALUES, GetValues([path])) as pages:
            found = [value async for page in pages for value in page.values]
    except Fault as fault:
        raise _dangling(row, fault.text) from None
    if not found or not found[0]:
        raise _dangling(row, "it has no name")
    return found[0]


def _dangling(row: str, why: str) -> Failed:
    return Failed(states.ERROR_INTERNAL, f"Interface '{row}': {why}")
