"""Where values come from and go to: one class a source of the mapping language.

Further sources (a subtree that other daemons serve, for instance) are further subclasses of `Source`; the
loader's table `SOURCES` gives them their keyword.
"""

from __future__ import annotations

from cwmp.datamodel.sources.base import (
    Const,
    Converted,
    Count,
    FirstOf,
    Own,
    RowItem,
    RowNumber,
    Source,
    Unchanging,
)
from cwmp.datamodel.sources.code import Code, PythonCode
from cwmp.datamodel.sources.file import FileText
from cwmp.datamodel.sources.reference import Reference
from cwmp.datamodel.sources.service import ServiceOwned, owned_need
from cwmp.datamodel.sources.ubus import Below, UbusContext, UbusReply
from cwmp.datamodel.sources.uci import UciOption

__all__ = [
    "Below",
    "Code",
    "Const",
    "Converted",
    "Count",
    "FileText",
    "FirstOf",
    "Own",
    "PythonCode",
    "Reference",
    "RowItem",
    "RowNumber",
    "ServiceOwned",
    "Source",
    "UbusContext",
    "UbusReply",
    "UciOption",
    "Unchanging",
    "owned_need",
]
