"""UCI in Python alone: the committed file, and over it the changes that others saved but did not commit.

A saved change (delta) is one line ``package.section[.option]='value'`` in a file of the savedir, with a character
before it that says what it does (delta.c). libuci applies what it understands and skips the rest, so do we.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ubuskit.uci._model import (
    Option,
    Section,
    UciError,
    anonymous_name,
    number,
    valid_name,
    valid_text,
    valid_type,
)
from ubuskit.uci._parse import Scanner, SyntaxFault, statements

_PACKAGE_STATEMENT = re.compile(r"[A-Za-z0-9_-]+")
_INDEX = re.compile(r"\s*([+-]?[0-9]+)")


class Tree:
    """The sections of one package while it is read: in order, names repeated only where a rename made them so."""

    __slots__ = ("allocated", "sections")

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.allocated = 0

    def find(self, name: str) -> Section | None:
        return next((section for section in self.sections if section.name == name), None)

    def append(self, section_type: str, name: str, *, anonymous: bool = False) -> Section:
        self.allocated += 1
        section = Section(
            name or anonymous_name(self.allocated, section_type), section_type, anonymous or not name
        )
        self.sections.append(section)
        return section

    def replace(self, section: Section, *, name: str = "", section_type: str = "", anonymous: bool) -> None:
        index = next(i for i, candidate in enumerate(self.sections) if candidate is section)
        self.sections[index] = Section(
            name or section.name, section_type or section.type, anonymous, section.options
        )


def decode(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def load(path: Path, octets: bytes, delta: bytes) -> list[Section]:
    """The sections of the package whose file ``path`` holds ``octets``, with a delta file's changes applied."""
    tree = parse(path, octets)
    if delta:
        for change in parse_delta(path.name, decode(delta)):
            _APPLY[change.command](tree, change)
    return tree.sections


def parse(path: Path, octets: bytes) -> Tree:
    """The committed file alone. Raises UciError with the line of the command that is wrong."""
    text = decode(octets)
    try:
        return _parse(text)
    except SyntaxFault as fault:
        raise UciError(path, text.count("\n", 0, fault.offset) + 1, fault.reason) from None


def _parse(text: str) -> Tree:
    tree = Tree()
    named: dict[str, Section] = {}
    section: Section | None = None
    for offset, command, first, second in statements(text):
        if command == "config":
            section = _open_section(tree, named, offset, first, second)
        elif command == "package":
            if not _PACKAGE_STATEMENT.fullmatch(first):
                raise SyntaxFault(offset, "invalid character in the package's name")
        else:
            if section is None:
                raise SyntaxFault(offset, f"{command} before the first section")
            if not valid_name(first):
                raise SyntaxFault(offset, f"invalid character in the name of the {command}")
            if command == "list":
                _add_item(section.options, first, second)
            elif second:
                section.options[first] = second
    return tree


def _open_section(tree: Tree, named: dict[str, Section], offset: int, kind: str, name: str) -> Section:
    if not valid_type(kind):
        raise SyntaxFault(offset, "invalid character in the section's type")
    if name and not valid_name(name):
        raise SyntaxFault(offset, "invalid character in the section's name")
    known = named.get(name)
    if known is None:
        known = tree.append(kind, name)
        named[known.name] = known
    elif known.type != kind:
        raise SyntaxFault(offset, "a section of another type has the same name")
    return known


def _add_item(options: dict[str, Option], name: str, item: str) -> None:
    """What ``list`` does: an option that was a string becomes the first item."""
    value = options.get(name)
    if isinstance(value, list):
        value.append(item)
    else:
        options[name] = [item] if value is None else [value, item]


# Saved changes


@dataclass(frozen=True, slots=True)
class Delta:
    """One saved change; ``option`` is empty for a change of the section, ``value`` None where there is none."""

    command: str
    section: str
    option: str
    value: str | None


def parse_delta(package: str, text: str) -> Iterator[Delta]:
    """The saved changes of a package that libuci would take, in order."""
    scanner = Scanner(text)
    while scanner.begin_line():
        try:
            word = scanner.argument()
        except SyntaxFault:
            return
        if scanner.exhausted:
            change = _read_delta(package, word)
            if change is not None:
                yield change
        scanner.skip_line()


def _read_delta(package: str, word: str) -> Delta | None:
    command = word[:1] if word[:1] in _APPLY else ""
    place, equals, text = word[len(command) :].partition("=")
    value = text if equals else None
    parts = place.split(".")
    if not 2 <= len(parts) <= 3 or parts[0] != package or not all(map(valid_name, parts[1:])):
        return None
    if (value is None and command != "-") or (value is not None and not valid_text(value)):
        return None
    change = Delta(command, parts[1], parts[2] if len(parts) == 3 else "", value)
    if (command == "^" and change.option) or (command in ("|", "~") and not change.option):
        return None
    if command == "@" and not valid_name(value or ""):
        return None
    return change


def _set(tree: Tree, change: Delta) -> None:
    section, value = tree.find(change.section), change.value or ""
    if not value:
        _delete(tree, change)
    elif change.option:
        if section is not None:
            section.options[change.option] = value
    elif valid_type(value):
        if section is None:
            tree.append(value, change.section)
        elif section.type != value:
            tree.replace(section, section_type=value, anonymous=section.anonymous)


def _add(tree: Tree, change: Delta) -> None:
    _set(tree, change)
    section = tree.find(change.section)
    if section is not None and not change.option and valid_type(change.value or ""):
        tree.replace(section, anonymous=True)


def _delete(tree: Tree, change: Delta) -> None:
    section = tree.find(change.section)
    if section is None:
        return
    if not change.option:
        tree.sections.remove(section)
        return
    value = section.options.get(change.option)
    index = _INDEX.match(change.value or "")
    if isinstance(value, list) and change.value:
        if index and 0 <= number(index[1]) < len(value):
            del value[number(index[1])]
    elif value is not None:
        del section.options[change.option]


def _rename(tree: Tree, change: Delta) -> None:
    section, name = tree.find(change.section), change.value or ""
    if section is None:
        return
    if not change.option:
        tree.replace(section, name=name, anonymous=False)
    elif change.option in section.options:
        renamed = [(name if old == change.option else old, value) for old, value in section.options.items()]
        section.options.clear()
        for option, value in renamed:
            section.options.setdefault(option, value)


def _reorder(tree: Tree, change: Delta) -> None:
    section, index = tree.find(change.section), _INDEX.match(change.value or "")
    if section is not None:
        tree.sections.remove(section)
        tree.sections.insert(max(0, number(index[1]) if index else 0), section)


def _add_to_list(tree: Tree, change: Delta) -> None:
    section = tree.find(change.section)
    if section is not None:
        _add_item(section.options, change.option, change.value or "")


def _delete_from_list(tree: Tree, change: Delta) -> None:
    section = tree.find(change.section)
    value = section.options.get(change.option) if section is not None else None
    if isinstance(value, list):
        value[:] = [item for item in value if item != change.value]


_APPLY: dict[str, Callable[[Tree, Delta], None]] = {
    "": _set,
    "+": _add,
    "-": _delete,
    "@": _rename,
    "^": _reorder,
    "|": _add_to_list,
    "~": _delete_from_list,
}
