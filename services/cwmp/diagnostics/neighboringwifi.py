"""NeighboringWiFiDiagnostic: Device.WiFi.NeighboringWiFiDiagnostic. (TR-181).

Each radio that is up looks around once (rpcd's ``iwinfo scan``, which has the driver do it), one after the other: a
radio that scans is off its channel for a moment. A network that several radios hear is reported by the first. What a
beacon does not tell iwinfo (rates, noise, DTIM period) is not reported.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from cwmp.contract import Fault
from cwmp.contract.datamodel import GET_VALUES, GetValues
from cwmp.diagnostics import states
from cwmp.diagnostics.definition import Definition, Failed, Means, Outcome
from cwmp.runtime import Runtime
from ubuskit.errors import UbusError

ERROR = "Error"
"""The one way to fail that this test's DiagnosticsState knows."""

_RADIO = "Device.WiFi.Radio."
_NAME = re.compile(re.escape(_RADIO) + r"([1-9][0-9]*)\.Name")
_BSSID = re.compile(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
_SCAN = 30.0
_MAX_RESULTS = 256
_MODES = {"Master": "Infrastructure", "Ad-Hoc": "AdHoc"}
_CIPHERS = {"tkip": "TKIP", "ccmp": "AES", "ccmp-256": "AES", "gcmp": "AES", "gcmp-256": "AES"}
_BANDS = {2: "2.4GHz", 5: "5GHz", 6: "6GHz"}
_WIDTHS = {20: "20MHz", 40: "40MHz", 2040: "40MHz", 80: "80MHz", 160: "160MHz", 8080: "160MHz"}
_PERSONAL = {frozenset({1}): "WPA", frozenset({1, 2}): "WPA-WPA2", frozenset({3}): "WPA3-SAE"}
_ENTERPRISE = {
    frozenset({1}): "WPA-Enterprise",
    frozenset({1, 2}): "WPA-WPA2-Enterprise",
    frozenset({3}): "WPA3-Enterprise",
}


class Scan(NamedTuple):
    """What one radio (a row's path) hears: iwinfo's entries."""

    radio: str
    results: Sequence[Any]


def scanner(runtime: Runtime) -> Callable[[], Awaitable[list[Scan]]]:
    """The way to scan on this router. What it gives raises Failed."""

    async def scan() -> list[Scan]:
        try:
            radios = await runtime.bus.call("network.wireless", "status", timeout=_SCAN)
        except UbusError as error:
            raise Failed(ERROR, f"netifd does not say which radios there are: {error}") from None
        paths = await _paths(runtime)
        found, why = [], "no radio is up"
        for name, radio in radios.items():
            device = _device(radio)
            if not device or name not in paths:
                continue
            try:
                reply = await runtime.bus.call("iwinfo", "scan", {"device": device}, timeout=_SCAN)
            except UbusError as error:
                why = f"{device} does not scan: {error}"
                runtime.log.warning("%s", why)
                continue
            results = reply.get("results")
            found.append(Scan(paths[name], results if isinstance(results, list) else []))
        if not found:
            raise Failed(ERROR, why)
        return found

    return scan


async def _paths(runtime: Runtime) -> dict[str, str]:
    """The rows of Device.WiFi.Radio. by the names of their UCI sections."""
    paths = {}
    try:
        async with runtime.peers.stream(GET_VALUES, GetValues([_RADIO])) as pages:
            async for page in pages:
                for name, value in zip(page.names, page.values, strict=True):
                    if match := _NAME.fullmatch(name):
                        paths[value] = f"{_RADIO}{match[1]}"
    except Fault as fault:
        raise Failed(ERROR, f"the data model does not say which radios there are: {fault.text}") from None
    return paths


def _device(radio: Any) -> str:
    """The first network device of a radio that is up; "" where there is none."""
    if not isinstance(radio, Mapping) or radio.get("up") is not True:
        return ""
    for interface in radio.get("interfaces") or []:
        if isinstance(interface, Mapping) and isinstance(interface.get("ifname"), str):
            return str(interface["ifname"])
    return ""


async def run(_inputs: Mapping[str, str], means: Means) -> Outcome:
    """Look around.

    Raises:
        Failed: no radio can.
    """
    rows: dict[str, dict[str, str]] = {}
    for scan in await means.scan():
        for entry in scan.results:
            row = _row(scan.radio, entry) if isinstance(entry, Mapping) else None
            if row is not None and len(rows) < _MAX_RESULTS:
                rows.setdefault(row["BSSID"], row)
    return Outcome(states.COMPLETE, {"Result": list(rows.values())})


def _row(radio: str, entry: Mapping[str, Any]) -> dict[str, str] | None:
    """A row of Result; None for what has no BSSID or channel."""
    bssid, channel = entry.get("bssid"), _number(entry, "channel")
    if not isinstance(bssid, str) or not _BSSID.fullmatch(bssid) or not 0 < channel < 256:
        return None
    band = _band(entry, channel)
    standards = _standards(entry, band)
    return {
        "Radio": radio,
        "SSID": str(entry.get("ssid", "")).encode("utf-8", "replace")[:32].decode("utf-8", "ignore"),
        "BSSID": bssid.upper(),
        "Mode": _MODES.get(str(entry.get("mode")), "Infrastructure"),
        "Channel": str(channel),
        "SignalStrength": str(max(-200, min(0, _number(entry, "signal")))),
        "SecurityModeEnabled": _security(_table(entry, "encryption")),
        "EncryptionMode": _ciphers(_table(entry, "encryption")),
        "OperatingFrequencyBand": band,
        "SupportedStandards": standards,
        "OperatingStandards": standards,
        "OperatingChannelBandwidth": _width(entry),
    }


def _security(encryption: Mapping[str, Any]) -> str:
    """SecurityModeEnabled: versions of WPA and how one authenticates."""
    if encryption.get("enabled") is not True:
        return "None"
    versions = {v for v in _list(encryption, "wpa") if v in (1, 2, 3)}
    authentication = {str(a).lower() for a in _list(encryption, "authentication")}
    if not versions:
        return "OWE" if "owe" in authentication else "WEP"
    if "owe" in authentication:
        return "OWE"
    if "802.1x" in authentication or any(a.startswith("eap") for a in authentication):
        return _ENTERPRISE.get(frozenset(versions), "WPA2-Enterprise")
    if "sae" in authentication:
        return "WPA2-PSK-WPA3-SAE" if "psk" in authentication else "WPA3-SAE"
    return _PERSONAL.get(frozenset(versions), "WPA2")


def _ciphers(encryption: Mapping[str, Any]) -> str:
    found = [_CIPHERS[c] for c in map(str, _list(encryption, "ciphers")) if c in _CIPHERS]
    return ",".join(dict.fromkeys(found))


def _band(entry: Mapping[str, Any], channel: int) -> str:
    if (band := _BANDS.get(_number(entry, "band"))) is not None:
        return band
    mhz = _number(entry, "mhz")
    if mhz >= 5925:
        return "6GHz"
    return "5GHz" if mhz >= 5000 or (not mhz and channel > 14) else "2.4GHz"


def _standards(entry: Mapping[str, Any], band: str) -> str:
    """As far as the beacon's elements show them."""
    found = {"2.4GHz": ["b", "g"], "5GHz": ["a"]}.get(band, [])
    for element, standard in (
        ("ht_operation", "n"),
        ("vht_operation", "ac"),
        ("he_operation", "ax"),
        ("eht_operation", "be"),
    ):
        if element in entry:
            found = [*found, standard]
    return ",".join(found)


def _width(entry: Mapping[str, Any]) -> str:
    widths = [
        _WIDTHS[width]
        for name in ("eht_operation", "he_operation", "vht_operation", "ht_operation")
        if (width := _number(_table(entry, name), "channel_width")) in _WIDTHS
    ]
    return max(widths, key=lambda w: int(w.removesuffix("MHz")), default="20MHz")


def _number(table: Mapping[str, Any], name: str) -> int:
    value = table.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = table.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(table: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = table.get(name)
    return value if isinstance(value, list) else ()


NEIGHBORING_WIFI = Definition(
    name="NeighboringWiFiDiagnostic",
    path="Device.WiFi.NeighboringWiFiDiagnostic.",
    inputs=MappingProxyType({}),
    results=MappingProxyType({"Result": ()}),
    required=(),
    errors=(ERROR,),
    run=run,
)
