"""The usual shape of rows made in Python: functions that find, add and remove them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import RowSource, There
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row

Find = Callable[["Row"], Sequence[There]]
Add = Callable[["Row", int, "Staging"], There]
Remove = Callable[["Row", "Staging"], None]


class ComputedRows(RowSource):
    """`find` gives the rows below the row around, `needs` is what it looks at; with `add` rows can be made.

    `numbered`: the keys are the instance numbers, and nothing is kept of them.
    """

    dynamic = True

    def __init__(
        self,
        find: Find,
        *needs: Need,
        add: Add | None = None,
        remove: Remove | None = None,
        numbered: bool = False,
    ) -> None:
        super().__init__()
        self._find = find
        self._needs = frozenset(needs)
        self._add = add
        self._remove = remove
        self.creates = add is not None
        self.numbered = numbered

    @property
    def needs(self) -> frozenset[Need]:
        return self._needs

    def there(self, parent: Row) -> list[There]:
        return self._chosen(self._find(parent))

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        if self._add is None:
            raise ValueFault("no row can be created here")
        return self._add(parent, number, staging)

    def remove(self, row: Row, staging: Staging) -> None:
        if self._remove is None:
            raise ValueFault("this row cannot be deleted")
        self._remove(row, staging)
