"""Packages, sections, changes and errors: what UCI is made of, whichever backend reads it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TypeAlias

from ubuskit.records import dataclass

Option: TypeAlias = str | list[str]

_NAME = re.compile(r"[A-Za-z0-9_]+")
_TYPE = re.compile(r"[!-~]+")
_PACKAGE = re.compile(r"[!-\-0-~]+")
_EXTENDED = re.compile(r"@([!-Z\\^-~]*)\[([+-]?[0-9]+)\]")
_TEXT_REFUSED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class UciError(Exception):
    """Something wrong with a package or with what was asked of it.

    ``file`` is the path (or what else the trouble is in), ``line`` counts from 1 and is 0 where none applies,
    ``reason`` says what is wrong. Option values never appear: they may be secret.
    """

    def __init__(self, file: object, line: int, reason: str) -> None:
        super().__init__(str(file), line, reason)
        self.file = str(file)
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


class PackageNotFound(UciError):
    """There is no configuration file of that name."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section. ``options`` keeps the order of the file; a list option is a list, all else is a string."""

    name: str
    type: str
    anonymous: bool
    options: dict[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Package:
    """One package: its sections by name in the order of the file, anonymous ones under libuci's ``cfgXXXXXX``."""

    name: str
    sections: dict[str, Section]

    def resolve(self, section: str) -> Section | None:
        """The section of that name, or the one that ``@type[n]`` means: the n-th of its type, from the end if
        negative; ``@[n]`` counts every section. None where there is none."""
        return resolve(self.sections.values(), section)


def number(digits: str) -> int:
    """An index as libuci reads it: what does not fit into 64 bits is the greatest that does, 32 of them count."""
    return (min(int(digits[:40]), (1 << 64) - 1) + (1 << 31)) % (1 << 32) - (1 << 31)


def resolve(sections: Iterable[Section], name: str) -> Section | None:
    if not name.startswith("@"):
        return next((section for section in sections if section.name == name), None)
    parts = _EXTENDED.fullmatch(name)
    if parts is None:
        return None
    alike = [section for section in sections if parts[1] in ("", section.type)]
    index = number(parts[2])
    return alike[index] if -len(alike) <= index < len(alike) else None


# Changes


@dataclass(frozen=True, slots=True)
class Set:
    """Give an option a value; a string or a list of strings. An empty one deletes it: UCI has no empty options.

    ``section`` is a name, or ``@type[n]`` as the package stands when this change is reached.
    """

    section: str
    option: str
    value: str | list[str] | tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an option, or without one the section. What is not there is an error."""

    section: str
    option: str | None = None


@dataclass(frozen=True, slots=True)
class Add:
    """Append a section, with options at once if given; anonymous without a name."""

    type: str
    name: str | None = None
    options: Mapping[str, str | list[str]] = field(default_factory=dict, repr=False)


Change: TypeAlias = Set | Delete | Add


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did, by package.

    ``created`` names the sections of its Adds in their order. ``renamed`` tells which anonymous sections have
    another ``cfgXXXXXX`` name than before, since the name holds the position. ``written`` lists the packages
    whose file changed; one that already was as asked is left alone.
    """

    created: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    renamed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    written: tuple[str, ...] = ()


# Names


def anonymous_name(position: int, section_type: str) -> str:
    """libuci's name for the section that is the ``position``-th of its package, from 1 (list.c)."""
    return f"cfg{position:02x}{type_hash(section_type)}"


def type_hash(section_type: str) -> str:
    """The tail of an anonymous name: Bernstein's hash of the type, 16 bits of it."""
    value = 5381
    for octet in section_type.encode("utf-8", "surrogateescape"):
        value = value * 33 + octet & 0xFFFFFFFF
    return f"{value & 0xFFFF:04x}"


def valid_name(name: str) -> bool:
    """Whether libuci takes it as the name of a section or an option."""
    return _NAME.fullmatch(name) is not None


def valid_type(name: str) -> bool:
    return _TYPE.fullmatch(name) is not None


def valid_package(name: str) -> bool:
    """Whether it can be the name of a package: libuci's rule, less what would leave the directory."""
    return _PACKAGE.fullmatch(name) is not None


def valid_text(value: str) -> bool:
    """Whether libuci takes it as a value: no control characters but tab, newline and carriage return."""
    return _TEXT_REFUSED.search(value) is None
