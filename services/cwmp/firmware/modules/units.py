"""What there is of software modules: environments, deployment units, execution units (TR-181 SoftwareModules).

As a backend finds them in the system; what only the client knows of them (UUID, URL, numbers) is in `catalog`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from ubuskit.records import dataclass

UNKNOWN = -1
"""A size nobody knows (TR-181: -1)."""


class Status(StrEnum):
    """ExecutionUnit.{i}.Status."""

    IDLE = "Idle"
    STARTING = "Starting"
    ACTIVE = "Active"
    STOPPING = "Stopping"


@dataclass(frozen=True, slots=True)
class Environment:
    """An execution environment. `key` names it for ever; sizes in KiB. `can_disable`: Enable can be written."""

    key: str
    name: str
    kind: str
    vendor: str = ""
    version: str = ""
    enabled: bool = True
    status: str = "Up"
    disk_total: int = UNKNOWN
    disk_free: int = UNKNOWN
    memory_total: int = UNKNOWN
    memory_free: int = UNKNOWN
    can_disable: bool = False


@dataclass(frozen=True, slots=True)
class ExecutionUnit:
    """Something of a deployment unit that runs. `auto_start` None: it cannot be said."""

    key: str
    name: str
    status: str = Status.IDLE
    auto_start: bool | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """A deployment unit. `key` is what the system calls it, one in an environment; `uuid` and `url` only where the
    system itself keeps them."""

    key: str
    environment: str
    name: str
    vendor: str
    version: str
    description: str = ""
    resolved: bool = True
    status: str = "Installed"
    uuid: str = ""
    url: str = ""
    execution_units: Sequence[ExecutionUnit] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where an operation takes place: a unit in an environment, or, with `key` "", one still to be installed."""

    environment: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """All of them, at one moment."""

    environments: Sequence[Environment] = ()
    units: Sequence[Unit] = ()

    def environment(self, key: str) -> Environment | None:
        return next((e for e in self.environments if e.key == key), None)

    def find(self, environment: str, key: str) -> Unit | None:
        return next((u for u in self.units if (u.environment, u.key) == (environment, key)), None)

    def execution_unit(self, key: str) -> tuple[Unit, ExecutionUnit] | None:
        return next(((u, e) for u in self.units for e in u.execution_units if e.key == key), None)


@dataclass(frozen=True, slots=True)
class Package:
    """What would be installed, before it is. `key` as of `Unit`; `file` where it was brought to, None where the
    system brings it itself. `trusted`: it came from a server that proved who it is."""

    key: str
    name: str
    vendor: str
    version: str
    url: str
    file: Path | None = None
    trusted: bool = False
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Package({self.key!r}, {self.version!r})"  # no credentials
