"""Access points: each is the `wifi-iface` section that its SSID is.

What hostapd can depends on the package it comes in: all of it in wpad-openssl and its like, no enterprise modes and
no WPS in wpad-basic-*, no WPA3 either in wpad-mini. Where no package says, it may be anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_WIRELESS = Need("uci", "wireless")
_STATUS = Need("ubus", "network.wireless status")
_PACKAGES = (
    Need("directory", "/usr/lib/opkg/info/wpad*.control"),
    Need("directory", "/usr/lib/opkg/info/hostapd*.control"),
    Need("file", "/lib/apk/db/installed"),
)
_APK = re.compile(r"^P:((?:wpad|hostapd)[a-z0-9-]*)$", re.MULTILINE)
_HELPERS = ("hostapd-common", "hostapd-utils")
_PSK = ("None", "WPA-Personal", "WPA2-Personal", "WPA-WPA2-Personal")
_SAE = ("WPA3-Personal", "WPA3-Personal-Transition", "OWE")
_EAP = ("WPA-Enterprise", "WPA2-Enterprise", "WPA3-Enterprise", "WPA-WPA2-Enterprise")
_SSIDS = "Device.WiFi.SSID.{i}."
_PUSH = "PushButton"


def _read_ssid(row: Row) -> str:
    found = row.view.by(_SSIDS, "").get(row.key)
    return "" if found is None else found.path[:-1]


def _write_ssid(row: Row, text: str, staging: Staging) -> None:
    """An access point that was made a moment ago takes the place of the one that came with the SSID."""
    if text == _read_ssid(row):
        return
    wanted = f"Device{text}." if text.startswith(".") else f"{text}."
    target = next((r for r in row.view.by(_SSIDS, "").values() if r.path == wanted), None)
    if target is None or target.section is None:
        raise ValueFault(f"{text} is no SSID of an access point" if text else "an access point has an SSID")
    if option(row, "ssid") or option(row, "disabled") != "1":
        raise ValueFault("this access point is that of its own SSID, which is set up already")
    staging.adopt(row, "wireless", target.section)


def _variants(row: Row) -> list[str]:
    """The packages that hostapd may be from."""
    wpad, hostapd, apk = row.view.snapshot.each(_PACKAGES)
    names = [path.rpartition("/")[2].removesuffix(".control") for path in (*wpad, *hostapd)]
    return [name for name in (*names, *_APK.findall(apk)) if name not in _HELPERS]


def _is_whole(row: Row) -> bool:
    variants = _variants(row)
    return not variants or any("-basic" not in name and "-mini" not in name for name in variants)


def _read_modes(row: Row) -> list[str]:
    variants = _variants(row)
    modern = not variants or any("-mini" not in name for name in variants)
    return [*_PSK, *(_SAE if modern else ()), *(_EAP if _is_whole(row) else ())]


def _read_supported_methods(row: Row) -> str:
    return _PUSH if _is_whole(row) else ""


def _read_status(row: Row) -> str:
    """netifd gives an access point a device once hostapd runs it."""
    radio = option(row, "device")
    if option(row, "disabled") == "1":
        return "Disabled"
    if radio not in row.view.snapshot.package("wireless").sections:
        return "Error_Misconfigured"
    state = row.view.snapshot.get(_STATUS).get(radio, {})
    if state.get("disabled"):
        return "Disabled"
    interfaces = state.get("interfaces", []) if state.get("up") else []
    return "Enabled" if any(i.get("section") == row.key and i.get("ifname") for i in interfaces) else "Error"


def _read_methods(row: Row) -> str:
    return _PUSH if option(row, "wps_pushbutton") == "1" else ""


def _write_methods(row: Row, text: str, staging: Staging) -> None:
    if text != _read_methods(row):
        set_option(row, "wireless", "wps_pushbutton", "1" if text else "0", staging)


def _read_wep(_row: Row) -> None:
    return None


def _write_wep(row: Row, text: str, staging: Staging) -> None:
    """The first of four keys; `key` says which, and is the passphrase where the encryption is no WEP."""
    set_option(row, "wireless", "key1", text.lower(), staging)
    if text and option(row, "encryption").startswith("wep"):
        set_option(row, "wireless", "key", "1", staging)


status = Computed(_read_status, None, _WIRELESS, _STATUS)
modes = Computed(_read_modes, None, *_PACKAGES)
wps_supported = Computed(_read_supported_methods, None, *_PACKAGES)
ssid = Computed(_read_ssid, _write_ssid, _WIRELESS)
wps_methods = Computed(_read_methods, _write_methods, _WIRELESS)
wep_key = Computed(_read_wep, _write_wep, _WIRELESS)
