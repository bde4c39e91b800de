"""Changes to a package, and its text.

An anonymous section is known to everybody by a name that libuci makes from its position. Changes that others have
saved but not committed use these names, so a section may not come to another's name under them: where a change of
ours would do that, the section gets the name it had in so many words, and stays what it was for everybody.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ubuskit.uci._model import (
    Add,
    Applied,
    Change,
    Delete,
    Option,
    Section,
    Set,
    UciError,
    anonymous_name,
    resolve,
    valid_name,
    valid_text,
    valid_type,
)
from ubuskit.uci._pure import Delta

_PLAIN_TYPE = re.compile(r"[A-Za-z0-9_-]+")


class Editor:
    """The committed sections of one package while changes are made to them."""

    def __init__(self, path: Path, sections: Iterable[Section], deltas: Iterable[Delta]) -> None:
        self._path = path
        self._before = list(sections)
        self._sections = [_copy(section) for section in self._before]
        self._added: list[int] = []
        self._pending_added: set[str] = set()
        self._pending: set[str] = set()
        for delta in deltas:
            (self._pending_added if delta.command == "+" and not delta.option else self._pending).add(
                delta.section
            )

    def make(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case Set():
                    self._set(self._find(change.section), change.option, change.value)
                case Delete():
                    self._delete(self._find(change.section), change.option)
                case Add():
                    self._add(change)

    def finish(self) -> tuple[list[Section], tuple[str, ...], dict[str, str]]:
        """The sections under the names they have from now on, the names of those added, and who changed names."""
        used = {section.name for section in self._sections if not section.anonymous} | self._pending_added
        final: list[Section] = []
        renamed: dict[str, str] = {}
        for position, section in enumerate(self._sections, 1):
            name = anonymous_name(position, section.type) if section.anonymous else section.name
            anonymous = section.anonymous
            if anonymous and (name in used or (name != section.name and section.name in self._pending)):
                anonymous = False
                name = section.name or _free_name(section.type, len(self._sections), used | self._pending)
                used.add(name)
            if section.name and name != section.name:
                renamed[section.name] = name
            final.append(Section(name, section.type, anonymous, section.options))
        added = {id(section): i for i, section in enumerate(self._sections)}
        created = tuple(final[added[ident]].name for ident in self._added if ident in added)
        return final, created, renamed

    def changed(self, final: Sequence[Section]) -> bool:
        before = [_shape(section) for section in self._before]
        return before != [_shape(section) for section in final]

    def _refuse(self, reason: str) -> UciError:
        return UciError(self._path, 0, reason)

    def _find(self, name: str) -> Section:
        section = resolve(self._sections, name)
        if section is None:
            raise self._refuse(f"there is no section {name}")
        return section

    def _set(self, section: Section, option: str, value: str | Sequence[str]) -> None:
        if not valid_name(option):
            raise self._refuse(f"{option!r} cannot be the name of an option: letters, digits and _ only")
        items = [value] if isinstance(value, str) else list(value)
        if not all(isinstance(item, str) and valid_text(item) for item in items):
            raise self._refuse(f"the value for {section.name}.{option} has characters that UCI does not take")
        if not value:
            section.options.pop(option, None)
        else:
            section.options[option] = value if isinstance(value, str) else items

    def _delete(self, section: Section, option: str | None) -> None:
        if option is None:
            self._sections = [candidate for candidate in self._sections if candidate is not section]
        elif option not in section.options:
            raise self._refuse(f"there is no option {option} in section {section.name}")
        else:
            del section.options[option]

    def _add(self, change: Add) -> None:
        if not valid_type(change.type):
            raise self._refuse(f"{change.type!r} cannot be the type of a section")
        if change.name is not None:
            if not valid_name(change.name):
                raise self._refuse(
                    f"{change.name!r} cannot be the name of a section: letters, digits and _ only"
                )
            if resolve(self._sections, change.name) is not None:
                raise self._refuse(f"there is a section {change.name} already")
        section = Section(change.name or "", change.type, change.name is None)
        for option, value in change.options.items():
            self._set(section, option, value)
        self._sections.append(section)
        self._added.append(id(section))


def _copy(section: Section) -> Section:
    options: dict[str, Option] = {
        name: value if isinstance(value, str) else list(value) for name, value in section.options.items()
    }
    return Section(section.name, section.type, section.anonymous, options)


def _shape(section: Section) -> tuple[object, ...]:
    """What of a section stands in the file."""
    options = [(name, value) for name, value in section.options.items() if value]
    return "" if section.anonymous else section.name, section.type, options


def _free_name(section_type: str, position: int, used: set[str]) -> str:
    while True:
        position += 1
        name = anonymous_name(position, section_type)
        if name not in used:
            return name


def render(sections: Iterable[Section]) -> bytes:
    """The text of a package as ``uci commit`` writes it."""
    parts: list[str] = []
    for section in sections:
        kind = section.type if _PLAIN_TYPE.fullmatch(section.type) else _quoted(section.type)
        parts.append(f"\nconfig {kind}\n" if section.anonymous else f"\nconfig {kind} '{section.name}'\n")
        for name, value in section.options.items():
            if isinstance(value, str):
                parts.append(f"\toption {name} {_quoted(value)}\n")
            else:
                parts.extend(f"\tlist {name} {_quoted(item)}\n" for item in value)
    parts.append("\n")
    return "".join(parts).encode("utf-8", "surrogateescape")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def merge(applied: Sequence[tuple[str, tuple[str, ...], dict[str, str], bool]]) -> Applied:
    """The outcome for all packages from (package, created, renamed, written) of each."""
    return Applied(
        created={package: created for package, created, _, _ in applied if created},
        renamed={package: renamed for package, _, renamed, _ in applied if renamed},
        written=tuple(package for package, _, _, written in applied if written),
    )
