"""Rows of a directory: every path that matches a pattern is one, like ``/sys/bus/usb/devices/*``."""

from __future__ import annotations

import glob
import os.path
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import RowSource, There
from cwmp.datamodel.template import Condition, Template

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row


class DirectoryRows(RowSource):
    """The last part of a path is the row's key, the whole its member ``path``.

    `numbered`: the keys are numbers, and the instance numbers, too (processes): nothing is kept of them. Those
    that are none, or 0, are left out.
    """

    def __init__(self, pattern: str, conditions: Sequence[Condition] = (), *, numbered: bool = False) -> None:
        super().__init__(conditions)
        self._pattern = Template(pattern)
        self.numbered = numbered
        self.dynamic = not self._pattern.constant

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need("directory", self._pattern.text)}) if self._pattern.constant else frozenset()

    def there(self, parent: Row) -> list[There]:
        pattern = self._pattern.render(parent, _component)
        if pattern is None or "\0" in pattern:
            return []
        paths: list[str] = parent.view.snapshot.get(Need("directory", pattern))
        found = [There(os.path.basename(path), None, {"path": path}) for path in paths]
        if self.numbered:
            found = [row for row in found if row.key.isascii() and row.key.isdecimal() and int(row.key)]
        return self._chosen(found, parent)


def _component(value: str) -> str:
    return "\0" if "/" in value or value in ("", ".", "..") else glob.escape(value)
