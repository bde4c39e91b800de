"""The changes of one request, gathered before any of them is made.

A change is noted for the transaction and made in the request's own view at once, so that what comes later in the
same request builds on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cwmp.datamodel.instances import Candidate
from cwmp.datamodel.remote.schema import RemoteChanges
from cwmp.datamodel.snapshot import PackageView
from cwmp.datamodel.sources.uci import find_section
from cwmp.datamodel.template import SectionName
from cwmp.datamodel.types import ValueFault
from cwmp.datamodel.undo import Touched
from ubuskit.uci import Add, Change, Delete, Section, Set

if TYPE_CHECKING:
    from cwmp.datamodel.instances import Entry
    from cwmp.datamodel.tree import Row, View

# Packages whose options netifd and init scripts write as they are into files that daemons read line by line.
_BY_LINES = frozenset({"dhcp", "firewall", "network", "system", "wireless"})
_BREAK = re.compile(r"[\r\n]")


@dataclass(frozen=True, slots=True)
class Call:
    """A ubus call to be made when all else is durable: ``object method``, and its arguments as JSON."""

    name: str
    detail: str
    after_session: bool


class Staging:
    """What a request changes: `uci` by package, `owned` by service, `aliases` and `renames` by row path; `calls`
    are what it has done."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.uci: dict[str, list[Change]] = {}
        self.owned: dict[str, dict[str, str]] = {}
        self.aliases: dict[str, tuple[Entry, str]] = {}
        self.renames: dict[str, tuple[Entry, str, Candidate]] = {}
        self.calls: list[Call] = []
        self._before: dict[tuple[str, str], Section | None] = {}
        self.remote = RemoteChanges()
        self.own: dict[str, str] = {}

    @property
    def packages(self) -> list[str]:
        return sorted(self.uci)

    def touched(self) -> list[Touched]:
        """The sections changed, as they were and as they will be."""
        found = []
        for (package, name), before in self._before.items():
            after = self._package(package).sections.get(name)
            section = after or before
            if section is not None:
                found.append(
                    Touched(
                        package,
                        name,
                        section.type,
                        section.anonymous,
                        None if before is None else before.options,
                        None if after is None else dict(after.options),
                    )
                )
        return found

    def section(self, name: SectionName, row: Row | None = None) -> Section:
        """The section that `name` is for `row`, created where it is not there and its type is known.

        Raises:
            ValueFault: it is not there and cannot be created.
        """
        found = find_section(self._view.snapshot, name, row)
        if found is not None:
            return found
        if not name.kind:
            raise ValueFault(f"UCI has no section {name.package}.{name.name}")
        if name.value is not None:
            value = None if row is None else name.value.render(row)
            if not value:
                raise ValueFault(f"there is no {name.option} to find a section of {name.package} by")
            return self.add_section(
                name.package, name.kind, self._free_name(name, f"{_word(name.kind)}_{_word(value)}"),
                {name.option: value},
            )  # fmt: skip
        return self.add_section(
            name.package, name.kind, name.name or f"{_word(name.kind)}_{name.index + 1}", {}
        )

    def _free_name(self, name: SectionName, wanted: str) -> str:
        taken = self._view.snapshot.package(name.package).sections
        found, count = wanted, 1
        while found in taken:
            count += 1
            found = f"{wanted}_{count}"
        return found

    def add_section(self, package: str, kind: str, name: str, options: dict[str, str | list[str]]) -> Section:
        """A new named section at the end of its package."""
        view = self._package(package)
        self._before.setdefault((package, name), None)
        self._note(package, Add(kind, name, dict(options)))
        section = Section(name, kind, False, dict(options))
        view.put(section)
        self._view.forget_rows()
        return section

    def delete_section(self, package: str, section: Section) -> None:
        self._keep(package, section)
        self._note(package, Delete(section.name))
        self._package(package).drop(section.name)
        self._view.forget_rows()

    def set_option(self, package: str, section: Section, option: str, value: str | list[str]) -> None:
        """Give an option a value; an empty one deletes it. What is so already is left alone.

        Raises:
            ValueFault: it is of several lines, which would become as many settings of a daemon.
        """
        old = section.options.get(option)
        if (old or None) == (value or None):
            return
        if package in _BY_LINES and any(
            _BREAK.search(v) for v in ([value] if isinstance(value, str) else value)
        ):
            raise ValueFault("this is of one line")
        self._package(package)
        self._keep(package, section)
        if value:
            section.options[option] = value
            self._note(package, Set(section.name, option, value))
        else:
            del section.options[option]
            self._note(package, Delete(section.name, option))

    def set_owned(self, service: str, path: str, text: str) -> None:
        self.owned.setdefault(service, {})[path] = text

    def set_alias(self, row: Row, alias: str) -> None:
        if row.entry is not None and row.alias != alias:
            self.aliases[row.path] = (row.entry, alias)

    def call(self, name: str, detail: str, *, after_session: bool) -> None:
        """Have a ubus call made; the same one is made once."""
        wanted = Call(name, detail, after_session)
        if wanted not in self.calls:
            self.calls.append(wanted)

    def rename(self, row: Row, key: str, section: Section | None = None) -> None:
        """Have `row` be what is under `key` from now on (`section`, where it is one); it keeps its number."""
        if row.entry is None or row.parent is None or row.key == key:
            return
        table = f"{row.parent.path}{row.object.name}."
        candidate = Candidate(key) if section is None else Candidate(key, section.anonymous, section.options)
        self.renames[row.path] = (row.entry, table, candidate)
        self._view.renames[table, key] = row.entry
        row.key = key

    def adopt(self, row: Row, package: str, section: Section) -> None:
        """Have `row` be `section` from now on. Its own, made for it a moment ago, goes."""
        if row.section is not None:
            self.delete_section(package, row.section)
        self.rename(row, section.name, section)
        row.section = section

    def follow(self, row: Row) -> None:
        """Have an object in a row that was moved be where that row is now."""
        around = row.table_row
        if around is not None and around is not row and around.path in self.renames:
            row.key, row.section, row.item = around.key, around.section, around.item

    def alias_of(self, row: Row) -> str:
        """The alias of a row once this request has succeeded."""
        staged = self.aliases.get(row.path)
        return staged[1] if staged else row.alias

    def _package(self, name: str) -> PackageView:
        package = self._view.snapshot.package(name)
        if package.missing:
            raise ValueFault(f"there is no UCI package {name}")
        return package

    def _keep(self, package: str, section: Section) -> None:
        if (package, section.name) not in self._before:
            before = Section(section.name, section.type, section.anonymous, dict(section.options))
            self._before[package, section.name] = before

    def _note(self, package: str, change: Change) -> None:
        self.uci.setdefault(package, []).append(change)


def _word(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)
