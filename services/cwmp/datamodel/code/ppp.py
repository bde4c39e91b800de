"""When a PPP connection is made: ``demand`` (idle seconds) makes it follow the traffic, ``auto 0`` the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_IDLE = "300"
"""Seconds until a connection on demand ends, where IdleDisconnectTime does not say."""


def _on_demand(row: Row) -> bool:
    text = option(row, "demand")
    return text.isdecimal() and int(text) > 0


def _read_trigger(row: Row) -> str:
    if option(row, "auto") in ("0", "off", "no", "false", "disabled"):
        return "Manual"
    return "OnDemand" if _on_demand(row) else "AlwaysOn"


def _write_trigger(row: Row, text: str, staging: Staging) -> None:
    if text == _read_trigger(row):
        return
    set_option(row, "network", "auto", "0" if text == "Manual" else "", staging)
    if text == "OnDemand":
        if not _on_demand(row):
            set_option(row, "network", "demand", _IDLE, staging)
    else:
        set_option(row, "network", "demand", "", staging)


trigger = Computed(_read_trigger, _write_trigger, Need("uci", "network"))
