"""Options of UCI sections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import Need, Snapshot
from cwmp.datamodel.sources.base import Source
from cwmp.datamodel.template import SectionName
from cwmp.datamodel.types import ValueFault, split_list, split_raw
from ubuskit.uci import Section

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row


def find_section(snapshot: Snapshot, name: SectionName, row: Row | None = None) -> Section | None:
    """The section that `name` names for `row`, if it is there. Raises like `Snapshot.get`."""
    package = snapshot.package(name.package)
    if name.name:
        return package.sections.get(name.name)
    sections = package.of_type(name.kind)
    if name.value is not None:
        value = None if row is None else name.value.render(row)
        return next((s for s in sections if value and s.options.get(name.option) == value), None)
    return sections[name.index] if name.index < len(sections) else None


class UciOption(Source):
    """One option: of the section `where`, or of the section that the row is where that is None.

    `index` picks one item of a list. `also` are options set along with it ("" deletes), since some mean
    nothing alone. A `boolean` is written in the words that the section uses already.
    """

    writable = True

    def __init__(
        self,
        package: str,
        where: SectionName | None,
        option: str,
        *,
        index: int | None = None,
        as_list: bool = False,
        also: dict[str, str] | None = None,
        boolean: bool = False,
    ) -> None:
        self._boolean = boolean
        self._where = where
        self._option = option
        self._index = index
        self._as_list = as_list
        self._also = also or {}
        self.needs_ = frozenset({Need("uci", package)})

    @property
    def needs(self) -> frozenset[Need]:
        return self.needs_

    def read(self, row: Row) -> Any:
        section = row.section if self._where is None else find_section(row.view.snapshot, self._where, row)
        if section is None:
            return None
        value = section.options.get(self._option)
        if self._index is None or value is None:
            return value
        items = value if isinstance(value, list) else [value]
        return items[self._index] if self._index < len(items) else None

    def write(self, row: Row, text: str, staging: Staging) -> None:
        (package,) = {need.name for need in self.needs_}
        section = row.section if self._where is None else staging.section(self._where, row)
        if section is None:
            raise ValueFault("the section is not there")
        value: str | list[str] = self._value(section, text)
        staging.set_option(package, section, self._option, value)
        for option, other in self._also.items():
            staging.set_option(package, section, option, other)

    def _value(self, section: Section, text: str) -> str | list[str]:
        old = section.options.get(self._option)
        if self._index is not None:
            items = list(old) if isinstance(old, list) else [old] if old else []
            if self._index > len(items) and text:
                raise ValueFault(f"there are only {len(items)} items before it")
            items[self._index : self._index + 1] = [text] if text else []
            return items
        if self._boolean and text in {"true", "false"}:
            return _boolean_like(old, text == "true")
        if self._as_list:
            items = split_list(text)
            if isinstance(old, str) and (old or not items):
                between = "," if "," in old or any(" " in item for item in items) else " "
                return between.join(items) if split_raw(old) != items else old
            return items
        return text


def _boolean_like(old: Any, value: bool) -> str:
    """`value` in the words the section uses already."""
    for no, yes in (("off", "on"), ("no", "yes"), ("false", "true"), ("disabled", "enabled")):
        if old in (no, yes):
            return yes if value else no
    return "1" if value else "0"
