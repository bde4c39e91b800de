"""A small data model, as prplOS and iopsys daemons keep one: what `ambiorix` and `bbfdm` put on the bus.

Paths are below the root object, "" or ending in a dot: ``Radio.1.Stats.``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Why(Enum):
    """Why a data model does not do what it is asked."""

    NO_OBJECT = "object"
    NO_PARAMETER = "parameter"
    VALUE = "value"
    READ_ONLY = "read-only"


class Failed(Exception):
    """`Why` it was not done, and for which path."""

    def __init__(self, why: Why, path: str) -> None:
        super().__init__(f"{path}: {why.value}")
        self.why = why
        self.path = path


@dataclass(frozen=True, slots=True)
class Kind:
    """A parameter: its type as bbfdm and Ambiorix name it, where a row begins, and what it takes."""

    type: str
    default: Any
    writable: bool = True
    takes: Callable[[Any], bool] = lambda _: True
    counter: bool = False


@dataclass(slots=True)
class Template:
    """An object, or what each row of a table looks like; of an `open` table rows can be added and deleted."""

    parameters: Mapping[str, Kind]
    children: Mapping[str, Template] = field(default_factory=dict)
    table: bool = False
    open: bool = False


class Instance:
    """An object with its values, or a row of a table."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.values = {name: kind.default for name, kind in template.parameters.items()}
        self.children: dict[str, Instance | Table] = {
            name: Table(child) if child.table else Instance(child)
            for name, child in template.children.items()
        }


class Table:
    """The rows of a table, by instance number."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.rows: dict[int, Instance] = {}
        self.next = 1


class Served:
    """One data model with all its values."""

    def __init__(self, template: Template) -> None:
        self.root = Instance(template)

    def copy(self) -> Served:
        found = Served(self.root.template)
        found.root = copy.deepcopy(self.root)
        return found

    def find(self, path: str) -> Instance | Table:
        """Raises Failed."""
        at: Instance | Table = self.root
        for name in path.split(".")[:-1]:
            below = (
                at.rows.get(int(name) if name.isdecimal() else 0)
                if isinstance(at, Table)
                else at.children.get(name)
            )
            if below is None:
                raise Failed(Why.NO_OBJECT, path)
            at = below
        return at

    def template(self, path: str) -> Template:
        """What is at `path`, whether there are rows or not. Raises Failed."""
        at = self.root.template
        for name in path.split(".")[:-1]:
            if at.table and name.isdecimal():
                continue
            if name not in at.children:
                raise Failed(Why.NO_OBJECT, path)
            at = at.children[name]
        return at

    def walk(self, path: str) -> Iterator[tuple[str, Instance | Table]]:
        """What is at `path`, and everything below."""
        at = self.find(path)
        yield path, at
        below = at.rows if isinstance(at, Table) else at.children
        for name in list(below):
            yield from self.walk(f"{path}{name}.")

    def set(self, path: str, values: Mapping[str, Any]) -> None:
        """All of `values`, or none."""
        at = self.find(path)
        if isinstance(at, Table):
            raise Failed(Why.NO_OBJECT, path)
        for name, value in values.items():
            kind = at.template.parameters.get(name)
            if kind is None:
                raise Failed(Why.NO_PARAMETER, f"{path}{name}")
            if not kind.writable:
                raise Failed(Why.READ_ONLY, f"{path}{name}")
            if type(value) is not type(kind.default) or not kind.takes(value):
                raise Failed(Why.VALUE, f"{path}{name}")
        at.values.update(values)

    def add(self, path: str, values: Mapping[str, Any]) -> int:
        """A new row of a table; its number."""
        at = self.find(path)
        if not isinstance(at, Table) or not at.template.open:
            raise Failed(Why.NO_OBJECT if not isinstance(at, Table) else Why.READ_ONLY, path)
        number, row = at.next, Instance(at.template)
        at.rows[number] = row
        at.next += 1
        if "Alias" in row.values:
            row.values["Alias"] = f"cpe-row-{number}"
        try:
            self.set(f"{path}{number}.", values)
        except Failed:
            del at.rows[number]
            raise
        return number

    def delete(self, path: str) -> None:
        """A row of a table."""
        above, _, number = path[:-1].rpartition(".")
        table = self.find(f"{above}." if above else "")
        if not isinstance(table, Table) or not number.isdecimal() or int(number) not in table.rows:
            raise Failed(Why.NO_OBJECT, path)
        if not table.template.open:
            raise Failed(Why.READ_ONLY, path)
        del table.rows[int(number)]


def wifi() -> Served:
    """A radio and an SSID: what a prplOS or iopsys router serves as ``WiFi``, with some of its parameters."""
    served = Served(
        Template(
            {},
            {
                "Radio": Template(
                    {
                        "Alias": Kind("string", ""),
                        "Channel": Kind("unsignedInt", 36, takes=lambda v: 0 < v < 166),
                        "Enable": Kind("boolean", True),
                        "Status": Kind("string", "Up", writable=False),
                    },
                    {"Stats": Template({"BytesSent": Kind("unsignedLong", 0, False, counter=True)})},
                    table=True,
                ),
                "SSID": Template(
                    {
                        "Alias": Kind("string", ""),
                        "Enable": Kind("boolean", False),
                        "KeyPassphrase": Kind("string", ""),
                        "LowerLayers": Kind("string", ""),
                        "SSID": Kind("string", "", takes=lambda v: len(v) < 33),
                    },
                    table=True,
                    open=True,
                ),
            },
        )
    )
    radios = served.find("Radio.")
    assert isinstance(radios, Table)
    radios.rows[1] = Instance(radios.template)
    radios.rows[1].values["Alias"] = "radio0"
    served.add("SSID.", {"SSID": "prpl", "Enable": True, "KeyPassphrase": "very secret"})
    return served
