"""Access points: each is the `wifi-iface` section that its SSID is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_WIRELESS = Need("uci", "wireless")
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


ssid = Computed(_read_ssid, _write_ssid, _WIRELESS)
wps_methods = Computed(_read_methods, _write_methods, _WIRELESS)
wep_key = Computed(_read_wep, _write_wep, _WIRELESS)
