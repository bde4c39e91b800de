"""Radios beyond their channel: what the board says they can (``/etc/board.json``), and options of mac80211.

`wifi-device` names the hardware by its `path`; board.json has under `wlan` what the driver told of it when the
device was found: bands with their greatest width and modes, and antennas as bits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need, SourceFailed
from cwmp.datamodel.types import ValueFault, split_list

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_WIRELESS = Need("uci", "wireless")
_STATUS = Need("ubus", "network.wireless status")
_DEVICES = Need("ubus", "network.device status")
_BOARD = Need("file", "/etc/board.json")
_BANDS = {"2g": "2.4GHz", "5g": "5GHz", "6g": "6GHz"}
_HTMODE = re.compile(r"(?P<mode>HT|VHT|HE|EHT)(?P<width>20|40|80|160|320)(?P<side>[+-]?)")

# Standards from the oldest, with the mode of UCI's htmode that brings them in, by band.
_STANDARDS = {
    "2g": (("b", "NOHT"), ("g", "NOHT"), ("n", "HT"), ("ax", "HE"), ("be", "EHT")),
    "5g": (("a", "NOHT"), ("n", "HT"), ("ac", "VHT"), ("ax", "HE"), ("be", "EHT")),
    "6g": (("ax", "HE"), ("be", "EHT")),
}
_NARROWER = {"HT": 40, "VHT": 160, "HE": 160, "EHT": 320}

# Mbit/s of one stream, by the newest mode and the width (802.11, short guard interval, highest MCS).
_RATES = {
    "eht": {20: 172, 40: 344, 80: 720.6, 160: 1441, 320: 2882},
    "he": {20: 143.4, 40: 286.8, 80: 600.5, 160: 1201},
    "vht": {20: 86.7, 40: 200, 80: 433.3, 160: 866.7},
    "ht": {20: 72.2, 40: 150},
}
_LEGACY = 54
_GHZ = {"2g": 2, "5g": 5, "6g": 6}
_GUARDS = ("short_gi_20", "short_gi_40", "short_gi_80", "short_gi_160")


def _board(row: Row) -> Mapping[str, Any]:
    """What the board says of the radio; nothing where it knows none at this path."""
    try:
        phys = json.loads(row.view.snapshot.get(_BOARD) or "{}").get("wlan", {})
        path = option(row, "path")
        for phy in phys.values():
            if path and phy.get("path") == path:
                return dict(phy.get("info", {}))
    except (ValueError, AttributeError, TypeError):
        pass
    return {}


def _band_info(row: Row) -> Mapping[str, Any]:
    found = _board(row).get("bands", {}).get(option(row, "band").upper(), {})
    return found if isinstance(found, dict) else {}


def _max_bit_rate(row: Row) -> int | None:
    """Of the widest channel, in the newest mode, over all antennas that send."""
    info, antennas = _band_info(row), _board(row).get("antenna_tx", 0)
    if not info or not isinstance(antennas, int):
        return None
    width = info.get("max_width", 20)
    rates = next((rates for mode, rates in _RATES.items() if info.get(mode)), {})
    one = rates.get(width) or max((r for w, r in rates.items() if w <= width), default=_LEGACY)
    return int(one * max(antennas.bit_count(), 1))


def _supported_bands(row: Row) -> list[str]:
    found = [_BANDS[b.lower()] for b in _board(row).get("bands", {}) if b.lower() in _BANDS]
    configured = _BANDS.get(option(row, "band"))
    return found or ([configured] if configured else [])


def _write_band(row: Row, text: str, staging: Staging) -> None:
    """Another band has other channels: the driver picks one."""
    if text == _BANDS.get(option(row, "band")):
        return
    if text not in (supported := _supported_bands(row)):
        raise ValueFault(f"this radio supports {', '.join(supported) or 'no other band'}")
    set_option(row, "wireless", "band", next(b for b, name in _BANDS.items() if name == text), staging)
    set_option(row, "wireless", "channel", "auto", staging)


def _mode(row: Row) -> str:
    found = _HTMODE.fullmatch(option(row, "htmode"))
    return found["mode"] if found else "NOHT"


def _read_standards(row: Row) -> list[str]:
    """All up to the one that htmode names; without `legacy_rates` hostapd leaves 802.11b out."""
    known = _STANDARDS.get(option(row, "band"), ())
    last = max((place for place, (_, mode) in enumerate(known) if mode == _mode(row)), default=len(known) - 1)
    found = [standard for standard, _ in known[: last + 1]]
    return [s for s in found if s != "b" or option(row, "legacy_rates") == "1"]


def _write_standards(row: Row, text: str, staging: Staging) -> None:
    wanted = split_list(text)
    if set(wanted) == set(_read_standards(row)):
        return
    known = _STANDARDS.get(option(row, "band"), ())
    names = [standard for standard, _ in known]
    if not wanted or any(s not in names for s in wanted):
        raise ValueFault(f"in this band there are {', '.join(names)}")
    newest = max(names.index(s) for s in wanted)
    if missing := [s for s in names[: newest + 1] if s not in wanted and s != "b"]:
        raise ValueFault(f"the radio speaks all older ones too: {', '.join(missing)}")
    mode, found = known[newest][1], _HTMODE.fullmatch(option(row, "htmode"))
    width = min(int(found["width"]) if found else 20, _NARROWER.get(mode, 20))
    set_option(row, "wireless", "htmode", "NOHT" if mode == "NOHT" else f"{mode}{width}", staging)
    if "b" in names:
        set_option(row, "wireless", "legacy_rates", "1" if "b" in wanted else "0", staging)


def _read_extension(row: Row) -> str:
    found = _HTMODE.fullmatch(option(row, "htmode"))
    return {"+": "AboveControlChannel", "-": "BelowControlChannel"}.get(
        found["side"] if found else "", "Auto"
    )


def _write_extension(row: Row, text: str, staging: Staging) -> None:
    if text == _read_extension(row):
        return
    found = _HTMODE.fullmatch(option(row, "htmode"))
    if found is None or found["width"] != "40":
        raise ValueFault("only a channel of 40MHz has an extension to choose")
    side = {"AboveControlChannel": "+", "BelowControlChannel": "-"}.get(text, "")
    mode = "HT" if side else found["mode"]  # only HT40 is written with its side
    set_option(row, "wireless", "htmode", f"{mode}40{side}", staging)


def _read_guard(row: Row) -> str:
    return "800nsec" if any(option(row, name) == "0" for name in _GUARDS) else "Auto"


def _write_guard(row: Row, text: str, staging: Staging) -> None:
    if text == _read_guard(row):
        return
    for name in _GUARDS:
        set_option(row, "wireless", name, "0" if text == "800nsec" else "", staging)


def _powers(row: Row) -> list[tuple[int, int]]:
    """dBm and percent of the greatest power, in mW, that the driver offers; none where the radio is down."""
    device = row.variable("ifname")
    if not device:
        return []
    try:
        reply = row.view.snapshot.get(Need("ubus", "iwinfo txpowerlist", f'{{"device":"{device}"}}'))
    except SourceFailed:
        return []
    steps = [(s["dbm"], s["mw"]) for s in reply.get("results", []) if s.get("mw")]
    greatest = max((mw for _, mw in steps), default=1)
    return [(dbm, round(100 * mw / greatest)) for dbm, mw in steps]


def _read_power(row: Row) -> int | None:
    configured = option(row, "txpower")
    if not configured.isdecimal():
        return -1
    return next((percent for dbm, percent in _powers(row) if dbm == int(configured)), None)


def _write_power(row: Row, text: str, staging: Staging) -> None:
    if text == "-1":
        set_option(row, "wireless", "txpower", "", staging)
        return
    steps = _powers(row)
    fitting = [dbm for dbm, percent in steps if percent == int(text)]
    if not fitting:
        raise ValueFault(f"this radio supports -1, {', '.join(str(p) for p in _supported(row)[1:])}")
    set_option(row, "wireless", "txpower", str(max(fitting)), staging)


def _supported(row: Row) -> list[int]:
    return [-1, *dict.fromkeys(percent for _, percent in _powers(row) if percent)]


def _channels(row: Row) -> list[int]:
    """Those that the driver offers here and now, at this band where the radio has several."""
    device = row.variable("ifname")
    if not device:
        return []
    try:
        reply = row.view.snapshot.get(Need("ubus", "iwinfo freqlist", f'{{"device":"{device}"}}'))
    except SourceFailed:
        return []
    found = [
        c
        for c in reply.get("results", [])
        if c.get("band", _GHZ.get(option(row, "band"))) == _GHZ.get(option(row, "band"))
    ]
    return [c["channel"] for c in found if c.get("channel")]


def _read_spectrum(row: Row) -> bool:
    """hostapd's ieee80211h: only at 5 GHz, and on there unless `doth` says no."""
    return option(row, "band") == "5g" and option(row, "doth") != "0"


def _write_spectrum(row: Row, text: str, staging: Staging) -> None:
    if (text == "true") == _read_spectrum(row):
        return
    if option(row, "band") != "5g":
        raise ValueFault("802.11h is for 5GHz")
    set_option(row, "wireless", "doth", "" if text == "true" else "0", staging)


def _read_upstream(row: Row) -> bool:
    """Whether it is a station of somebody else's network."""
    interfaces = row.view.snapshot.package("wireless").of_type("wifi-iface")
    mine = [i.options for i in interfaces if i.options.get("device") == row.key]
    return any(options.get("mode") == "sta" and options.get("disabled") != "1" for options in mine)


def _counter(name: str) -> Computed:
    """The sum over the radio's interfaces: the kernel counts none for the radio itself."""

    def read(row: Row) -> int:
        radio = row.view.snapshot.get(_STATUS).get(row.key, {})
        devices = row.view.snapshot.get(_DEVICES)
        names = [interface.get("ifname", "") for interface in radio.get("interfaces", [])]
        return sum(devices.get(n, {}).get("statistics", {}).get(name, 0) for n in names)

    return Computed(read, None, _STATUS, _DEVICES)


upstream = Computed(_read_upstream, None, _WIRELESS)
max_bit_rate = Computed(_max_bit_rate, None, _BOARD, _WIRELESS)
supported_bands = Computed(_supported_bands, None, _BOARD, _WIRELESS)
band = Computed(lambda row: _BANDS.get(option(row, "band")), _write_band, _WIRELESS, prepare=_supported_bands)
standards = Computed(_read_standards, _write_standards, _WIRELESS)
extension = Computed(_read_extension, _write_extension, _WIRELESS)
channels = Computed(_channels, None, _WIRELESS)
spectrum = Computed(_read_spectrum, _write_spectrum, _WIRELESS)
guard_interval = Computed(_read_guard, _write_guard, _WIRELESS)
power = Computed(_read_power, _write_power, _WIRELESS, prepare=_powers)
supported_powers = Computed(_supported, None, _WIRELESS)
rx_bytes, tx_bytes = _counter("rx_bytes"), _counter("tx_bytes")
rx_packets, tx_packets = _counter("rx_packets"), _counter("tx_packets")
rx_errors, tx_errors = _counter("rx_errors"), _counter("tx_errors")
rx_dropped, tx_dropped = _counter("rx_dropped"), _counter("tx_dropped")
