"""What a daemon says its part of the tree looks like: objects, tables, parameters with type and access."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cwmp.contract import FaultCode
from cwmp.datamodel.types import Type

if TYPE_CHECKING:
    from cwmp.datamodel.remote.mount import Mount

MAX_OBJECTS = 4096
"""A daemon that describes more than this is broken."""


MAX_DEPTH = 16
"""One that nests its objects deeper likewise."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_ROW = re.compile(r"[1-9][0-9]{0,9}")


def is_name(text: str) -> bool:
    """Whether it can be an object's or a parameter's name."""
    return _NAME.fullmatch(text) is not None


def is_row(text: str) -> bool:
    """Whether it can be the instance number of a row."""
    return _ROW.fullmatch(text) is not None


class RemoteError(Exception):
    """The daemon cannot be asked, or answers what nobody understands; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The daemon does not take it; `path` is below the mount, of a parameter or an object."""

    path: str
    code: FaultCode
    text: str


class Refused(Exception):
    """The daemon took none of it."""

    def __init__(self, refusals: list[Refusal]) -> None:
        super().__init__("; ".join(f"{r.path}: {r.text}" for r in refusals))
        self.refusals = refusals


@dataclass(frozen=True, slots=True)
class Leaf:
    """A parameter. A `counter` changes all the time."""

    type: Type
    writable: bool
    counter: bool = False


@dataclass(slots=True)
class Branch:
    """An object; of a `table` all rows look like this."""

    leaves: dict[str, Leaf] = field(default_factory=dict)
    branches: dict[str, Branch] = field(default_factory=dict)
    table: bool = False
    creatable: bool = False
    deletable: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    """New values for parameters of one object. `path` is below the mount, "" or ending in a dot; values are the
    daemon's own: text, number, boolean."""

    path: str
    new: Mapping[str, Any]
    old: Mapping[str, Any]


class Readings:
    """What one call gave: object path below the mount to parameter name to value, and the rows there are."""

    __slots__ = ("_rows", "values")

    def __init__(self, values: dict[str, dict[str, Any]]) -> None:
        self.values = values
        self._rows: dict[str, list[str]] = {}
        seen: set[str] = set()
        for path in values:
            at = path
            while at and at not in seen:
                seen.add(at)
                above, _, name = at[:-1].rpartition(".")
                at = f"{above}." if above else ""
                if is_row(name):
                    self._rows.setdefault(at, []).append(name)

    def rows(self, table: str) -> list[str]:
        """The instance numbers of the rows of a table."""
        return self._rows.get(table, [])


class RemoteChanges:
    """What one request has other daemons set."""

    def __init__(self) -> None:
        self._wanted: dict[Mount, dict[str, dict[str, tuple[Any, Any]]]] = {}

    def set(self, mount: Mount, path: str, name: str, new: Any, old: Any) -> None:
        """Have a parameter of the object at `path` below the mount set; what is so already is left alone."""
        if type(new) is not type(old) or new != old:
            self._wanted.setdefault(mount, {}).setdefault(path, {})[name] = (new, old)

    def by_mount(self) -> dict[Mount, list[Assignment]]:
        """An assignment an object."""
        return {
            mount: [
                Assignment(path, {n: v[0] for n, v in values.items()}, {n: v[1] for n, v in values.items()})
                for path, values in objects.items()
            ]
            for mount, objects in self._wanted.items()
        }
