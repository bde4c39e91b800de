"""What rpcd's iwinfo says of the virtual router's radio: one band, a station on its first access point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cwmp.lab.router.netifd import Netifd
from ubuskit.errors import NoData

STATION = "02:00:5E:00:53:21"
"""The telephone: the second lease of dnsmasq."""

_CHANNELS = {False: range(1, 14), True: (36, 40, 44, 48, 52, 56, 60, 64)}
_RADAR = range(52, 145)
_POWERS = tuple((dbm, round(10 ** (dbm / 10))) for dbm in range(21))

_PSK = {"enabled": True, "wpa": [2], "authentication": ["psk"], "ciphers": ["ccmp"]}
_NEIGHBORS: tuple[dict[str, Any], ...] = (
    {
        "ssid": "Neighbor",
        "bssid": "02:00:5E:00:53:A1",
        "mode": "Master",
        "band": 2,
        "channel": 6,
        "mhz": 2437,
        "signal": -61,
        "quality": 49,
        "quality_max": 70,
        "ht_operation": {"primary_channel": 6, "secondary_channel_offset": "none", "channel_width": 20},
        "encryption": _PSK,
    },
    {
        "ssid": "Open",
        "bssid": "02:00:5E:00:53:A2",
        "mode": "Master",
        "band": 5,
        "channel": 36,
        "mhz": 5180,
        "signal": -80,
        "quality": 30,
        "quality_max": 70,
        "ht_operation": {"primary_channel": 36, "secondary_channel_offset": "above", "channel_width": 2040},
        "vht_operation": {"channel_width": 80, "center_freq_1": 42, "center_freq_2": 0},
        "encryption": {"enabled": False},
    },
)
"""What the radios hear."""


class Air:
    """iwinfo's answers; `netifd` says which access points are up."""

    def __init__(self, netifd: Netifd) -> None:
        self._netifd = netifd

    def devices(self) -> Mapping[str, Any]:
        return {"devices": list(self._netifd.access_points())}

    def stations(self, device: str) -> Mapping[str, Any]:
        self.info(device)
        if device != next(iter(self._netifd.access_points())):
            return {"results": []}
        station = {
            "mac": STATION,
            "signal": -54,
            "signal_avg": -55,
            "noise": -92,
            "inactive": 1290,
            "connected_time": 1842,
            "thr": 88000,
            "authorized": True,
            "authenticated": True,
            "preamble": "short",
            "wme": True,
            "mfp": True,
            "tdls": False,
            "rx": {"drop_misc": 3, "packets": 4121, "bytes": 611_204, "rate": 143_400, "mcs": 11, "nss": 1},
            "tx": {
                "failed": 0,
                "retries": 41,
                "packets": 3007,
                "bytes": 402_155,
                "rate": 129_000,
                "mcs": 10,
                "nss": 1,
            },
        }
        return {"results": [station]}

    def channels(self, device: str) -> Mapping[str, Any]:
        info = self.info(device)
        fast = info["frequency"] > 5000
        return {
            "results": [
                {
                    "band": 5 if fast else 2,
                    "channel": channel,
                    "mhz": (5000 if fast else 2407) + 5 * channel,
                    "restricted": channel in _RADAR,
                    "active": channel == info["channel"],
                }
                for channel in _CHANNELS[fast]
            ]
        }

    def powers(self, device: str) -> Mapping[str, Any]:
        now = self.info(device)["txpower"]
        return {"results": [{"dbm": dbm, "mw": mw, "active": dbm == now} for dbm, mw in _POWERS]}

    def scan(self, device: str) -> Mapping[str, Any]:
        fast = self.info(device)["frequency"] > 5000
        return {"results": [n for n in _NEIGHBORS if (n["band"] == 5) == fast]}

    def info(self, device: str) -> Mapping[str, Any]:
        radio, vif = self._netifd.access_points().get(device, (None, None))
        if radio is None or vif is None:
            raise NoData(f"there is no wireless device {device}")
        channel = radio.options.get("channel", "1")
        number = int(channel) if isinstance(channel, str) and channel.isdecimal() else 1
        fast = radio.options.get("band") == "5g"
        encryption = str(vif.options.get("encryption", "none"))
        return {
            "phy": device.partition("-")[0],
            "ssid": vif.options.get("ssid", ""),
            "bssid": "02:00:5E:00:53:03",
            "country": radio.options.get("country", "00"),
            "mode": "Master",
            "channel": number,
            "center_chan1": number,
            "frequency": (5000 if fast else 2407) + 5 * number,
            "frequency_offset": 0,
            "txpower": int(str(radio.options.get("txpower", "20"))),
            "txpower_offset": 0,
            "quality_max": 70,
            "noise": -92,
            "encryption": _encryption(encryption),
            "htmodes": ["HT20", "HT40", "HE20", "HE40"],
            "hwmodes": ["ac", "ax", "n"] if fast else ["ax", "b", "g", "n"],
            "hwmodes_text": "ac/ax/n" if fast else "ax/b/g/n",
            "hwmode": "ax",
            "htmode": radio.options.get("htmode", "HE20"),
            "hardware": {"id": [5315, 30998, 5315, 30998], "name": "Lab Wireless"},
        }


def _encryption(option: str) -> dict[str, Any]:
    if option in {"none", "owe", ""}:
        return {"enabled": False}
    versions = {"psk": [1], "psk2": [2], "psk-mixed": [1, 2], "sae": [3], "sae-mixed": [2, 3]}
    methods = ["sae"] if option == "sae" else ["psk", "sae"] if option == "sae-mixed" else ["psk"]
    wpa = versions.get(option.partition("+")[0], [2])
    return {"enabled": True, "wpa": wpa, "authentication": methods, "ciphers": ["ccmp"]}
