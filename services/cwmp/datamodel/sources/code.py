"""What no declaration can say, in Python: ``python = "module:attribute"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.sources.base import Source

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row


@runtime_checkable
class Code(Protocol):
    """A value computed from the snapshot. Pure: whatever it looks at, it gets from ``row.view.snapshot``."""

    needs: frozenset[Need]
    writable: bool

    def read(self, row: Row) -> Any:
        """As `Source.read`."""

    def prepare(self, row: Row) -> None:
        """As `Source.prepare`."""

    def write(self, row: Row, text: str, staging: Staging) -> None:
        """As `Source.write`."""


class PythonCode(Source):
    """A `Code`. It may look at anything of the row, so it counts as dynamic."""

    dynamic = True

    def __init__(self, code: Code) -> None:
        self._code = code
        self.writable = code.writable
        self.read = code.read  # type: ignore[method-assign]
        self.prepare = code.prepare  # type: ignore[method-assign]
        self.write = code.write  # type: ignore[method-assign]

    @property
    def needs(self) -> frozenset[Need]:
        return self._code.needs
