"""Rows that are the items of a UCI list option, like dnsmasq's ``list server``.

An item is its text, so a row that gets another text is moved to it (`Staging.rename`) and keeps its number. A list
has no place for an item that is disabled: such a one stands in another list, `off`, which no daemon reads. A new
row begins there, as ``?7``, until it has a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.sources.base import Source
from cwmp.datamodel.sources.uci import find_section
from cwmp.datamodel.tables import RowSource, There
from cwmp.datamodel.template import Condition, SectionName
from cwmp.datamodel.types import ValueFault
from ubuskit.uci import Section

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row

_NEW = "?"


class ItemRows(RowSource):
    """Every item of `option` (and of `off`) in the section `where`, or in the section of the row around, is a row:
    its text is the key, ``{text, enabled}`` its item.

    `words`: the option is no list but has its items one after the other. netifd passes over lists where a
    protocol's script wants a text.
    """

    def __init__(
        self,
        package: str,
        where: SectionName | None,
        option: str,
        off: str = "",
        conditions: Sequence[Condition] = (),
        *,
        words: bool = False,
    ) -> None:
        super().__init__(conditions)
        self._words = words
        self._package = package
        self._where = where
        self._option = option
        self._off = off
        self.creates = bool(off)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need("uci", self._package)})

    def there(self, parent: Row) -> list[There]:
        section = parent.section
        if self._where is not None:
            section = find_section(parent.view.snapshot, self._where)
        if section is None:
            return []
        on, off = _items(section, self._option), _items(section, self._off)
        there = [There(text, None, {"text": text, "enabled": text in on}) for text in [*on, *off] if text]
        return self._chosen(there, parent)

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        section = self._section(parent, staging)
        text = f"{_NEW}{number}"
        staging.set_option(self._package, section, self._off, [*_items(section, self._off), text])
        return There(text, None, {"text": text, "enabled": False})

    def remove(self, row: Row, staging: Staging) -> None:
        self._move(row, "", enabled=False, staging=staging)
        row.view.forget_rows()

    def change(
        self, row: Row, staging: Staging, *, text: str | None = None, enabled: bool | None = None
    ) -> None:
        """Give the row another text, or take it to the other list.

        Raises:
            ValueFault: another row has this text; there is no list for disabled ones.
        """
        text = row.key if text is None else text
        enabled = row.item["enabled"] if enabled is None else enabled
        if not text:
            raise ValueFault("cannot be empty")
        if enabled and text.startswith(_NEW):
            raise ValueFault("not while it has no value")
        if not enabled and not self._off:
            raise ValueFault("it cannot be disabled, only deleted")
        if text != row.key and any(t.key == text for t in self.there(_around(row))):
            raise ValueFault("another row has this already")
        self._move(row, text, enabled=enabled, staging=staging)
        staging.rename(row, text)
        row.item = {"text": text, "enabled": enabled}

    def _move(self, row: Row, text: str, *, enabled: bool, staging: Staging) -> None:
        section = self._section(_around(row), staging)
        for option, wanted in ((self._option, enabled), (self._off, not enabled)):
            items = _items(section, option)
            new = [text if item == row.key else item for item in items]
            if not wanted or not text:
                new = [item for item in items if item != row.key]
            elif row.key not in items:
                new = [*items, text]
            if option and new != items:
                as_text = option == self._option and self._words
                as_text = as_text or isinstance(section.options.get(option), str)
                staging.set_option(self._package, section, option, " ".join(new) if as_text else new)

    def _section(self, parent: Row, staging: Staging) -> Section:
        if self._where is not None:
            return staging.section(self._where)
        if parent.section is None:
            raise ValueFault("the section is not there")
        return parent.section


class ListItem(Source):
    """A piece of the item that the row is: its ``text`` or whether it is ``enabled``."""

    writable = True

    def __init__(self, piece: str) -> None:
        if piece not in ("text", "enabled"):
            raise ValueError(f"an item has text and enabled, no '{piece}'")
        self._piece = piece

    def read(self, row: Row) -> Any:
        return value_of(row) if self._piece == "text" else row.item["enabled"]

    def write(self, row: Row, text: str, staging: Staging) -> None:
        if self._piece == "text":
            change(row, staging, text=text)
        else:
            change(row, staging, enabled=text == "true")


def value_of(row: Row) -> str | None:
    """The text of the item that `row` is; None where it has none yet."""
    return None if row.key.startswith(_NEW) else row.key


def change(row: Row, staging: Staging, *, text: str | None = None, enabled: bool | None = None) -> None:
    """As `ItemRows.change`, for a row of such a table."""
    rows = row.object.rows
    if not isinstance(rows, ItemRows):
        raise ValueFault("the row is no item of a list")
    rows.change(row, staging, text=text, enabled=enabled)


def _around(row: Row) -> Row:
    if row.parent is None:
        raise ValueFault("the row is no item of a list")
    return row.parent


def _items(section: Section, option: str) -> list[str]:
    value = section.options.get(option, []) if option else []
    return value.split() if isinstance(value, str) else list(value)
