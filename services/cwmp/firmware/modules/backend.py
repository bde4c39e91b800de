"""The seam to the system that installs software."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from cwmp.firmware.exchange import Place
from cwmp.firmware.modules.units import Environment, Inventory, Package, Status, Unit

Bring = Callable[[Place, str], Awaitable[Path]]
"""Fetches a file, whose name then ends as given; raises Fault. Whoever gave it removes the file."""


class Backend(Protocol):
    """Deployment units of one kind of system.

    All methods raise Fault with a code of TR-069a6 A.5.1. What `install`, `update` and `uninstall` have done is
    judged by the next `inventory`, not by what they say; when they are cut off, so is what they have begun, or it
    goes on without us: `settle` waits for that.
    """

    schemes: frozenset[str]
    """URLs that it takes."""

    async def inventory(self) -> Inventory:
        """What there is now."""

    async def prepare(self, source: Place, environment: Environment, bring: Bring) -> Package:
        """What is at `source`, as far as it can be known beforehand; refused if it cannot be installed there."""

    async def compare(self, first: str, second: str) -> int:
        """Negative, 0, positive: the order of two versions."""

    async def install(self, package: Package, environment: Environment, uuid: str) -> None:
        """Install what `prepare` gave."""

    async def update(self, unit: Unit, package: Package) -> None:
        """Put `package` in the place of `unit`."""

    async def uninstall(self, unit: Unit) -> None:
        """Remove it."""

    async def request_state(self, unit: Unit, key: str, state: Status) -> None:
        """Have an execution unit be Active or Idle."""

    async def set_auto_start(self, unit: Unit, key: str, *, enable: bool) -> None:
        """Whether an execution unit starts with its environment."""

    async def enable(self, environment: Environment, *, enable: bool) -> None:
        """Enable or disable an environment that can be."""

    async def settle(self) -> None:
        """Return once nothing is at work that an earlier run of ours has begun."""
