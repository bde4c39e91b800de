"""Devices and their gateway, who tell each other who they are in DHCP (TR-069a6 Annex F).

Theory of operation
-------------------
As the gateway: dnsmasq hands what a device in the LAN says of itself (option 125, sub-options 1 to 3 of enterprise
3561) to a hook with every lease, which sends the event ``cwmp.lease``: ``{action: add, update or remove, mac, oui,
serial, class}``, the last three as hexadecimal. Who is there is kept until the next boot, as the leases are, and
found again by `code/association.py` in the file that we write.

As a device: the hooks of the DHCP clients send ``cwmp.dhcp`` (session/discovery.py); a gateway names itself in
sub-options 4 to 6 of option 125, 14 to 16 of DHCPv6's option 17. What it said is kept over reboots with the
interface it came by, and counts while that is up.

Nothing of it is to be trusted: what is no OUI, too long or not printable is left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cwmp.runtime import StateFile

GATEWAY = "Device.GatewayInfo."
INTERFACE = f"{GATEWAY}interface"
"""Beside the parameters: by which interface they came."""

_ENTERPRISE = 3561
_MAX_BYTES, _MAX_TEXT, _MAX_DEVICES = 4096, 64, 256
_PARTS = ("ManufacturerOUI", "SerialNumber", "ProductClass")
_OUI = re.compile("[0-9A-F]{6}")
_MAC = re.compile("([0-9a-f]{2}:){5}[0-9a-f]{2}")
_OF_GATEWAY_V4, _OF_GATEWAY_V6 = 4, 14


class Associations:
    """What is known. `on_change` is called when it is something else; `own` are the parameters of the gateway."""

    def __init__(
        self, gateway: StateFile, devices: StateFile, log: logging.Logger, on_change: Callable[[], None]
    ) -> None:
        self._gateway_file = gateway
        self._devices_file = devices
        self._log = log
        self._on_change = on_change
        self._gateway = {n: v for n, v in gateway.load().items() if isinstance(v, str)}
        known = devices.load().get("devices", {})
        self._devices: dict[str, dict[str, str]] = dict(known) if isinstance(known, dict) else {}

    def own(self) -> Mapping[str, str]:
        return {f"{GATEWAY}{name}": value for name, value in self._gateway.items()}

    def heard_dhcp(self, message: Mapping[str, Any]) -> None:
        """Event ``cwmp.dhcp``. A server that says nothing is no gateway, or not any more."""
        interface, family = message.get("interface"), str(message.get("family", ""))
        if not isinstance(interface, str) or family not in ("4", "6"):
            return
        if family == "4":
            found = _identity(dict(_option_125(_bytes(message.get("opt125")))), _OF_GATEWAY_V4)
        else:
            found = _identity(dict(_option_17(_bytes(message.get("opt17")))), _OF_GATEWAY_V6)
        if not found and self._gateway.get("interface") != interface:
            return
        gateway = {**found, "interface": interface} if found else {}
        if gateway != self._gateway:
            self._gateway = gateway
            self._save(self._gateway_file, dict(gateway))

    def heard_lease(self, message: Mapping[str, Any]) -> None:
        """Event ``cwmp.lease``."""
        mac = message.get("mac")
        if not isinstance(mac, str) or not _MAC.fullmatch(mac.lower()):
            return
        devices = {m: d for m, d in self._devices.items() if m != mac.lower()}
        parts = {place: _bytes(message.get(name)) for place, name in enumerate(("oui", "serial", "class"))}
        found = _identity(parts, 0) if message.get("action") != "remove" else {}
        if found:
            devices[mac.lower()] = found
            while len(devices) > _MAX_DEVICES:
                devices.pop(next(iter(devices)))
        elif message.get("action") == "update" and mac.lower() in self._devices:
            return  # dnsmasq has started anew and remembers the lease, not what came with it
        if devices != self._devices:
            self._devices = devices
            self._save(self._devices_file, {"devices": devices})

    def _save(self, file: StateFile, document: dict[str, Any]) -> None:
        try:
            file.save(document)
        except OSError as error:
            self._log.error("%s: %s", file.path, error.strerror)
        self._on_change()


def _identity(options: Mapping[int, bytes], first: int) -> dict[str, str]:
    """The parameters of an identity in three sub-options from `first`; nothing without OUI and serial number."""
    found: dict[str, str] = {}
    for place, name in enumerate(_PARTS, first):
        text = options.get(place, b"").decode("utf-8", "replace")[:_MAX_TEXT]
        if text.isprintable() and "�" not in text:
            found[name] = text
    found["ManufacturerOUI"] = found.get("ManufacturerOUI", "").upper()
    return found if _OUI.fullmatch(found["ManufacturerOUI"]) and found.get("SerialNumber") else {}


def _option_125(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The sub-options of our enterprise in vendor-identifying information of DHCPv4 (RFC 3925 4)."""
    while len(data) >= 5:
        block, rest = data[5 : 5 + data[4]], data[5 + data[4] :]
        if int.from_bytes(data[:4], "big") == _ENTERPRISE:
            while len(block) >= 2 and len(block) >= 2 + block[1]:
                yield block[0], block[2 : 2 + block[1]]
                block = block[2 + block[1] :]
        data = rest


def _option_17(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The same of DHCPv6 (RFC 8415 21.17)."""
    if int.from_bytes(data[:4], "big") != _ENTERPRISE:
        return
    data = data[4:]
    while len(data) >= 4:
        size = int.from_bytes(data[2:4], "big")
        if len(data) < 4 + size:
            return
        yield int.from_bytes(data[:2], "big"), data[4 : 4 + size]
        data = data[4 + size :]


def _bytes(hexadecimal: Any) -> bytes:
    if not isinstance(hexadecimal, str) or len(hexadecimal) > 2 * _MAX_BYTES:
        return b""
    try:
        return bytes.fromhex(hexadecimal)
    except ValueError:
        return b""
