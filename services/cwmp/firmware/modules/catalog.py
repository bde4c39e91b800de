"""What only the client knows of software modules: instance numbers, UUIDs, where a unit came from, and since when.

A value: every change gives a new one. `see` holds it against what is really there, and so notices what somebody
else has installed, updated or removed. Numbers are never given twice (TR-106 3.4).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Any, NamedTuple

from cwmp.contract import MessageError, from_table, to_table
from cwmp.firmware.modules.identity import uuid_of
from cwmp.firmware.modules.units import Inventory, Unit
from ubuskit.records import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """A deployment unit; times in s since 1970 (0: not known)."""

    environment: str
    key: str
    number: int
    uuid: str
    name: str
    version: str
    url: str = ""
    installed: float = 0.0
    updated: float = 0.0

    @property
    def place(self) -> tuple[str, str]:
        return self.environment, self.key


class Deployed(NamedTuple):
    """A deployment unit that is there, and what is known of it."""

    known: Known
    unit: Unit


class Noticed(NamedTuple):
    """Somebody else has done this `operation` (Install, Update, Uninstall); `unit` None where it is gone."""

    operation: str
    known: Known
    unit: Unit | None


@dataclass(frozen=True, slots=True)
class Catalog:
    """`next` has the number for the next new row of each table; `faults` of execution units their
    ExecutionFaultCode and message; `wanted` the states that were requested and are still to be brought about."""

    next: Mapping[str, int] = field(default_factory=dict)
    environments: Mapping[str, int] = field(default_factory=dict)
    execution_units: Mapping[str, int] = field(default_factory=dict)
    units: tuple[Known, ...] = ()
    wanted: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    begun: bool = False

    def find(self, environment: str, key: str) -> Known | None:
        return next((k for k in self.units if k.place == (environment, key)), None)

    def deployed(self, inventory: Inventory) -> list[Deployed]:
        """The units that are there, in the order of their numbers."""
        found = [(k, inventory.find(*k.place)) for k in self.units]
        return [Deployed(known, unit) for known, unit in found if unit is not None]

    def see(
        self, inventory: Inventory, now: float, ours: Collection[tuple[str, str]] = ()
    ) -> tuple[Catalog, list[Noticed]]:
        """The catalog after a look at what is there, and what others have changed since the last one.

        `ours` are the places where we are just changing something ourselves. The first look of all finds what
        the firmware brought: nobody has changed that.
        """
        catalog = self
        noticed: list[Noticed] = []
        for environment in inventory.environments:
            if environment.key not in catalog.environments:
                number, following = catalog._next("ExecEnv")
                numbers = {**catalog.environments, environment.key: number}
                catalog = dataclasses.replace(catalog, environments=numbers, next=following)
        for unit in inventory.units:
            place = (unit.environment, unit.key)
            known = catalog.find(*place)
            if place in ours:
                continue
            if known is None and unit.status == "Installed":
                catalog = catalog.installed(unit, unit.uuid, unit.url, now if self.begun else 0.0)
                noticed.append(Noticed("Install", catalog.units[-1], unit))
            elif known is not None and known.version != unit.version:
                catalog = catalog.updated(unit, "", now)
                noticed.append(Noticed("Update", catalog._known(unit), unit))
        there = {(u.environment, u.key) for u in inventory.units}
        for known in self.units:
            if known.place not in there and known.place not in ours:
                catalog = catalog.removed(*known.place)
                noticed.append(Noticed("Uninstall", known, None))
        return catalog.with_execution_units(inventory), noticed if self.begun else []

    def installed(self, unit: Unit, uuid: str, url: str, now: float) -> Catalog:
        """With `unit`, which is there now; known before or not."""
        if (known := self.find(unit.environment, unit.key)) is not None:
            changed = dataclasses.replace(
                known, uuid=uuid or known.uuid, url=url or known.url, version=unit.version, installed=now
            )
            return self._replaced(known, changed)
        number, following = self._next("DeploymentUnit")
        new = Known(
            unit.environment,
            unit.key,
            number,
            uuid or unit.uuid or uuid_of(unit.name, unit.vendor),
            unit.name,
            unit.version,
            url,
            now,
            now,
        )
        return dataclasses.replace(self, units=(*self.units, new), next=following)

    def updated(self, unit: Unit, url: str, now: float) -> Catalog:
        """With `unit` in its new version; where it came from, if that is new."""
        known = self._known(unit)
        return self._replaced(
            known, dataclasses.replace(known, version=unit.version, url=url or known.url, updated=now)
        )

    def removed(self, environment: str, key: str) -> Catalog:
        """Without a unit."""
        return dataclasses.replace(self, units=tuple(k for k in self.units if k.place != (environment, key)))

    def requested(self, key: str, state: str) -> Catalog:
        """With the request for a state of an execution unit."""
        return dataclasses.replace(self, wanted={**self.wanted, key: state})

    def answered(self, key: str, fault: tuple[str, str] | None) -> Catalog:
        """Without that request; with the fault (ExecutionFaultCode, message) that came of it."""
        faults = {k: v for k, v in self.faults.items() if k != key}
        return dataclasses.replace(
            self,
            wanted={k: v for k, v in self.wanted.items() if k != key},
            faults={**faults, key: fault} if fault else faults,
        )

    def _known(self, unit: Unit) -> Known:
        known = self.find(unit.environment, unit.key)
        if known is None:
            raise LookupError(f"{unit.key} is not known")
        return known

    def _replaced(self, known: Known, changed: Known) -> Catalog:
        return dataclasses.replace(self, units=tuple(changed if k is known else k for k in self.units))

    def _next(self, table: str) -> tuple[int, Mapping[str, int]]:
        """The number of a new row, and `next` after it."""
        number = self.next.get(table, 1)
        return number, {**self.next, table: number + 1}

    def with_execution_units(self, inventory: Inventory) -> Catalog:
        """With a number for each execution unit that is there, and nothing of those that are not."""
        there = [e.key for u in inventory.units for e in u.execution_units]
        catalog = dataclasses.replace(
            self,
            execution_units={k: n for k, n in self.execution_units.items() if k in there},
            wanted={k: v for k, v in self.wanted.items() if k in there},
            faults={k: v for k, v in self.faults.items() if k in there},
            begun=True,
        )
        for key in there:
            if key not in catalog.execution_units:
                number, following = catalog._next("ExecutionUnit")
                numbers = {**catalog.execution_units, key: number}
                catalog = dataclasses.replace(catalog, execution_units=numbers, next=following)
        return catalog


def to_document(catalog: Catalog) -> dict[str, Any]:
    """The catalog as JSON data."""
    return {
        "next": dict(catalog.next),
        "environments": dict(catalog.environments),
        "execution_units": dict(catalog.execution_units),
        "units": [to_table(k) for k in catalog.units],
        "wanted": dict(catalog.wanted),
        "faults": {key: list(fault) for key, fault in catalog.faults.items()},
        "begun": catalog.begun,
    }


def from_document(document: Mapping[str, Any]) -> tuple[Catalog, list[str]]:
    """The catalog in a document, and what of it could not be understood (left out, one sentence each)."""
    problems: list[str] = []
    units: list[Known] = []
    for record in document.get("units", []):
        try:
            units.append(from_table(Known, record))
        except (MessageError, AttributeError, TypeError) as error:
            problems.append(f"the record of a deployment unit was unusable and is left out: {error}")
    environments, execution_units = (
        _mapping(document, name, int) for name in ("environments", "execution_units")
    )
    used = {
        "ExecEnv": environments.values(),
        "DeploymentUnit": [k.number for k in units],
        "ExecutionUnit": execution_units.values(),
    }
    kept = _mapping(document, "next", int)
    return Catalog(
        {table: max(kept.get(table, 1), *(n + 1 for n in [0, *numbers])) for table, numbers in used.items()},
        environments,
        execution_units,
        tuple(units),
        _mapping(document, "wanted", str),
        {k: (str(v[0]), str(v[1])) for k, v in _mapping(document, "faults", list).items() if len(v) == 2},
        document.get("begun") is True,
    ), problems


def _mapping(document: Mapping[str, Any], name: str, kind: type) -> dict[str, Any]:
    found = document.get(name)
    return {k: v for k, v in found.items() if type(v) is kind} if isinstance(found, dict) else {}
