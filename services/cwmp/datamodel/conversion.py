"""From what a source holds to what TR-181 says, and back.

A conversion sits between a source and a parameter's type. It is one of:

    map     values of the source to values of the parameter; ``"psk2+*"`` means every value that begins so,
            ``"*"`` everything else. Writing takes the first entry without a star that gives the value.
    invert  the boolean's opposite (UCI's ``disabled``)
    scale   ``"60"`` or ``"1/1024"``: parameter = source x scale; writing wants an exact quotient
    format  a notation of the system, see `FORMATS`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

Read = Callable[[Any], Any]
Write = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Conversion:
    """`read` gives None for what has no meaning; `write` raises ValueError with the reason."""

    read: Read
    write: Write | None


READ_ONLY = Conversion(lambda raw: raw, None)
"""Nothing is converted, and nothing can be written."""


def build(spec: Mapping[str, Any]) -> Conversion | None:
    """The conversion that a source's table asks for, or None.

    Raises:
        ValueError: what is wrong, in words for the author of the mapping file.
    """
    found: list[Conversion] = []
    if "format" in spec:
        name = spec["format"]
        if name not in FORMATS:
            raise ValueError(f"there is no format '{name}': use {', '.join(FORMATS)}")
        found.append(FORMATS[name])
    if "scale" in spec:
        found.append(_scale(spec["scale"]))
    if "map" in spec:
        found.append(_mapping(spec["map"]))
    if "invert" in spec:
        if spec["invert"] is not True:
            raise ValueError("invert is either true or left out")
        found.append(Conversion(_invert, lambda text: "1" if text == "false" else "0"))
    if len(found) > 1:
        raise ValueError("only one of map, invert, scale and format can be used for one source")
    return found[0] if found else None


_FALSE = frozenset({"", "0", "off", "false", "no", "disabled"})


def _invert(raw: Any) -> bool:
    return raw in _FALSE if isinstance(raw, str) else not raw


def _mapping(table: Any) -> Conversion:
    if not isinstance(table, dict) or not table or not all(isinstance(v, str) for v in table.values()):
        raise ValueError('map is a table of texts, like { psk2 = "WPA2-Personal" }')
    exact: dict[str, str] = {k: v for k, v in table.items() if not k.endswith("*")}
    prefixes: list[tuple[str, str]] = [(k[:-1], v) for k, v in table.items() if k.endswith("*")]
    back: dict[str, str] = {}
    for source, value in exact.items():
        back.setdefault(value, source)

    def one(raw: Any) -> str | None:
        text = ("true" if raw else "false") if isinstance(raw, bool) else str(raw)
        if (value := exact.get(text)) is not None:
            return value
        for prefix, value in prefixes:
            if text.startswith(prefix):
                return value
        return None

    def read(raw: Any) -> Any:
        if not isinstance(raw, list):
            return one(raw)
        return list(dict.fromkeys(v for item in raw if (v := one(item)) is not None))

    def write(text: str) -> str:
        if text not in back:
            raise ValueError(f"this device supports {', '.join(back)}")
        return back[text]

    return Conversion(read, write if back else None)


def _scale(spec: Any) -> Conversion:
    try:
        factor = Fraction(str(spec))
    except (ValueError, ZeroDivisionError):
        raise ValueError("scale is a number or a fraction, like 60 or '1/1024'") from None
    if factor == 0:
        raise ValueError("scale cannot be 0")

    def read(raw: Any) -> int | None:
        try:
            return int(Fraction(str(raw)) * factor)
        except ValueError:
            return None

    def write(text: str) -> str:
        result = Fraction(text) / factor
        if result.denominator != 1:
            raise ValueError(f"use a multiple of {factor}")
        return str(result)

    return Conversion(read, write)


_MAC = re.compile("[0-9A-Fa-f]{12}")
_DURATION = re.compile(r"(\d{1,10})([smhdw]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _read_duration(raw: Any) -> int | None:
    text = str(raw).strip()
    if text == "infinite":
        return -1
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else None


def _write_duration(text: str) -> str:
    seconds = int(text)
    if seconds == -1:
        return "infinite"
    for unit in "dhm":
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def netmask(prefix_length: int) -> str:
    """``24`` as ``255.255.255.0``."""
    bits = (0xFFFFFFFF << (32 - prefix_length)) & 0xFFFFFFFF
    return ".".join(str(bits >> shift & 255) for shift in (24, 16, 8, 0))


def _read_netmask(raw: Any) -> str | None:
    text = str(raw)
    return netmask(int(text)) if text.isdigit() and int(text) <= 32 else None


def _read_mac(raw: Any) -> str | None:
    digits = str(raw).replace(":", "").replace("-", "")
    if not _MAC.fullmatch(digits):
        return None
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2)).upper()


def _read_epoch(raw: Any) -> str | None:
    """Seconds since 1970; 0 means never, the infinite time of TR-106 3.2.1."""
    try:
        seconds = int(raw)
    except (ValueError, TypeError):
        return None
    if seconds == 0:
        return "9999-12-31T23:59:59Z"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" if 0 < seconds < 2**33 else None


_NO_COUNTRY = {"00": "XX"}


def _read_country(raw: Any) -> str | None:
    """An ISO 3166 code and a space: all environments; XX is no country (802.11 dot11CountryString)."""
    text = str(raw)
    return f"{_NO_COUNTRY.get(text, text)} " if len(text) == 2 else None


def _write_country(text: str) -> str:
    code = text.strip()
    return next((uci for uci, name in _NO_COUNTRY.items() if name == code), code)


FORMATS: dict[str, Conversion] = {
    "duration": Conversion(_read_duration, _write_duration),
    "netmask": Conversion(_read_netmask, None),
    "mac": Conversion(_read_mac, str.lower),
    "epoch": Conversion(_read_epoch, None),
    "country": Conversion(_read_country, _write_country),
    "unless-star": Conversion(lambda raw: None if raw == "*" else raw, str),
}
"""``duration``: 12h, 30m, infinite as seconds; ``netmask``: 24 as 255.255.255.0; ``mac``: colons, upper case;
``epoch``: seconds since 1970 as a dateTime; ``country``: DE as "DE "; ``unless-star``: ``*`` means no value."""
