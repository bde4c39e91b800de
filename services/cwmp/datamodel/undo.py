"""What the ACS changed since it was last known to be reachable, so that it can be taken back.

Kept by section, as it was before the first change and as it is after the last: written with the transactions that
make the changes, thrown away when the ACS was reached with them. Only what is still as the ACS left it is taken
back: an option, or a whole section that came or went. What somebody else changed meanwhile stays.

It begins with the first change of a package that is applied after the session, since that is what may cut the
connection, and from there holds every package but those of the client itself.

    key, key_after   ParameterKey before and after
    sections         [package, name, type, anonymous, options before or null, options after or null]
    rows             instance numbers (`Instances.below`) and attributes that went with deleted rows, or what rows
                     were that are under another key now
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ubuskit.uci import Add, Change, Delete, Package, Section, Set

Options = dict[str, str | list[str]]


class Touched(NamedTuple):
    """A section before and after; None where it was, or is, not there."""

    package: str
    name: str
    type: str
    anonymous: bool
    before: Options | None
    after: Options | None


@dataclass(slots=True, eq=False)
class Undo:
    """All that would be taken back. False where there is nothing."""

    key: str = ""
    key_after: str = ""
    sections: dict[tuple[str, str], Touched] = field(default_factory=dict)
    rows: list[Any] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.sections)

    @property
    def packages(self) -> list[str]:
        return sorted({package for package, _ in self.sections})

    def add(self, touched: Iterable[Touched], key: str, key_after: str) -> None:
        """A further transaction of the ACS."""
        if not self.sections:
            self.key = key
        self.key_after = key_after
        for one in touched:
            known = self.sections.get((one.package, one.name))
            if known is not None:
                one = one._replace(before=known.before)  # noqa: PLW2901
            self.sections[one.package, one.name] = one

    def clear(self) -> None:
        self.sections.clear()
        self.rows.clear()

    def document(self) -> dict[str, Any]:
        """As JSON; empty where there is nothing."""
        if not self.sections:
            return {}
        sections = [list(touched) for touched in self.sections.values()]
        return {"key": self.key, "key_after": self.key_after, "sections": sections, "rows": self.rows}

    def load(self, document: Mapping[str, Any]) -> None:
        """Take up what `document` gave. What is none of it counts as nothing to take back."""
        self.clear()
        try:
            for package, name, kind, anonymous, before, after in document.get("sections", []):
                one = Touched(package, name, kind, bool(anonymous), before, after)
                if not all(isinstance(text, str) for text in one[:3]) or not all(
                    options is None or isinstance(options, dict) for options in one[4:]
                ):
                    raise TypeError
                self.sections[package, name] = one
            self.key, self.key_after = str(document.get("key", "")), str(document.get("key_after", ""))
            self.rows = list(document.get("rows", []))
        except (TypeError, ValueError):
            self.clear()


def changes_back(
    undo: Undo, packages: Mapping[str, Package | None]
) -> tuple[dict[str, list[Change]], list[str]]:
    """The changes that take it back, by package, and what is left alone because somebody else changed it."""
    found: dict[str, list[Change]] = {}
    left: list[str] = []
    for one in undo.sections.values():
        package = packages.get(one.package)
        if package is None:
            left.append(one.package)
            continue
        section = _find(one, package)
        changes, kept = _back(one, section)
        if changes:
            found.setdefault(one.package, []).extend(changes)
        left += [f"{one.package}.{one.name}{rest}" for rest in kept]
    return found, left


def _find(one: Touched, package: Package) -> Section | None:
    """The section as it is now; an anonymous one by what is in it, since its name is its place."""
    section = package.sections.get(one.name)
    if not one.anonymous or one.after is None:
        return section
    if section is not None and section.options == one.after:
        return section
    alike = [s for s in package.sections.values() if s.anonymous and s.type == one.type]
    return next((s for s in alike if s.options == one.after), None)


def _back(one: Touched, section: Section | None) -> tuple[list[Change], list[str]]:
    if one.before is None and one.after is None:
        return [], []
    if one.after is None and one.before is not None:
        if section is not None and not one.anonymous:
            return [], [""]
        return [Add(one.type, None if one.anonymous else one.name, one.before)], []
    if section is None or one.after is None:
        return [], [""]
    if one.before is None:
        return ([Delete(section.name)], []) if section.options == one.after else ([], [""])
    changes: list[Change] = []
    left: list[str] = []
    for option in {**one.before, **one.after}:
        before, after = one.before.get(option), one.after.get(option)
        if before == after:
            continue
        if section.options.get(option) != after:
            left.append(f".{option}")
        elif before is None:
            changes.append(Delete(section.name, option))
        else:
            changes.append(Set(section.name, option, before))
    return changes, left
