"""Command parameters: writing true has something done, once; they read as false (TR-106 3.2.1, `command`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import call_detail
from cwmp.datamodel.sources.base import Source
from cwmp.datamodel.template import UbusCall, arguments_for, variables_in
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row


class Command(Source):
    """ubus calls, made in this order after the transaction; with `after_session` once the session is over."""

    writable = True

    def __init__(self, calls: Sequence[UbusCall], *, after_session: bool) -> None:
        self._calls = tuple(calls)
        self._after_session = after_session
        self.dynamic = False
        if any(call.steps for call in calls):
            raise ValueError("a command is a call without a path into its reply")
        self._varies = any(variables_in(call.arguments) for call in calls)

    def read(self, row: Row) -> Any:
        return None

    def prepare(self, row: Row) -> None:
        if self._varies:
            self._rendered(row)

    def write(self, row: Row, text: str, staging: Staging) -> None:
        if text != "true":
            return
        for name, detail in self._rendered(row):
            if detail is None:
                raise ValueFault("there is nothing to do it with now")
            staging.call(name, detail, after_session=self._after_session)

    def _rendered(self, row: Row) -> list[tuple[str, str | None]]:
        found: list[tuple[str, str | None]] = []
        for call in self._calls:
            try:
                found.append((call.name, call_detail(arguments_for(call.arguments, row))))
            except LookupError:
                found.append((call.name, None))
        return found
