"""Radios: UCI says ``channel 'auto'`` and ``htmode 'HE80'`` where TR-181 has a parameter for each part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_HTMODE = re.compile(r"[A-Z]+(20|40|80|160)[+-]?")
_STANDARD = re.compile("[A-Z]+")
_WIRELESS = Need("uci", "wireless")


def _current_channel(row: Row) -> str:
    """What the radio is on, as ChannelsInUse says it."""
    return row.object.parameters["ChannelsInUse"].value(row)


def _read_channel(row: Row) -> str | None:
    configured = option(row, "channel")
    return configured if configured.isdecimal() else _current_channel(row) or None


def _write_channel(row: Row, text: str, staging: Staging) -> None:
    set_option(row, "wireless", "channel", text, staging)


def _write_auto(row: Row, text: str, staging: Staging) -> None:
    is_auto = not option(row, "channel").isdecimal()
    if text == "true":
        set_option(row, "wireless", "channel", "auto", staging)
    elif is_auto:
        current = _current_channel(row)
        if not current.isdecimal():
            raise ValueFault("the radio is on no channel that could be kept: set Channel")
        set_option(row, "wireless", "channel", current, staging)


def _width(htmode: str) -> str:
    found = _HTMODE.fullmatch(htmode)
    return f"{found[1]}MHz" if found else ""


def _supported_bandwidths(row: Row) -> str:
    return row.object.parameters["SupportedOperatingChannelBandwidths"].value(row)


def _read_bandwidth(row: Row) -> str | None:
    return _width(option(row, "htmode")) or None


def _write_bandwidth(row: Row, text: str, staging: Staging) -> None:
    standard = _STANDARD.match(option(row, "htmode"))
    if standard is None:
        raise ValueFault("the radio has no htmode whose width could be changed")
    supported = _supported_bandwidths(row)
    if supported and text not in supported.split(","):
        raise ValueFault(f"this radio supports {supported}")
    set_option(row, "wireless", "htmode", f"{standard[0]}{text.removesuffix('MHz')}", staging)


channel = Computed(_read_channel, _write_channel, _WIRELESS)
auto_channel = Computed(
    lambda row: not option(row, "channel").isdecimal(), _write_auto, _WIRELESS, prepare=_current_channel
)
bandwidth = Computed(_read_bandwidth, _write_bandwidth, _WIRELESS, prepare=_supported_bandwidths)
