"""Shapers of sqm-scripts: a `config queue` limits what leaves a device (`upload`, kbit/s; 0 is no limit)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_SQM = Need("uci", "sqm")
_NO_LIMIT = -1
_KILO = 1000


def _read_rate(row: Row) -> int:
    """Bits a second."""
    text = option(row, "upload")
    return int(text) * _KILO if text.isdecimal() and int(text) else _NO_LIMIT


def _write_rate(row: Row, text: str, staging: Staging) -> None:
    rate = int(text)
    if rate == _read_rate(row):
        return
    if rate != _NO_LIMIT and (rate <= 0 or rate % _KILO):
        raise ValueFault("-1, or a multiple of 1000 bits a second")
    set_option(row, "sqm", "upload", "0" if rate == _NO_LIMIT else str(rate // _KILO), staging)


def _read_status(row: Row) -> str:
    """sqm keeps a file of each device that it shapes."""
    if option(row, "enabled") != "1":
        return "Disabled"
    device = option(row, "interface")
    if not device or "/" in device:
        return "Error_Misconfigured"
    return "Enabled" if row.view.snapshot.get(Need("file", f"/var/run/sqm/{device}.state")) else "Error"


rate = Computed(_read_rate, _write_rate, _SQM)
status = Computed(_read_status, None, _SQM)
