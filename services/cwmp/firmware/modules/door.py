"""What the firmware service has of software modules before anybody asks for them: next to nothing.

All else of this package is imported when it is first needed: at a request, when parameters are read, at the start
if an earlier process left something to do, and when the package database has changed since the catalog was written.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from cwmp.contract import Empty, Fault, FaultCode, ParameterFault
from cwmp.contract.firmware import (
    ACKNOWLEDGE_DU_CHANGE,
    CHANGE_DU_STATE,
    GET_DU_CHANGES,
    ChangeDUState,
    ChangeId,
    DUStateChanges,
)
from cwmp.firmware.exchange import Place
from cwmp.firmware.times import Now
from cwmp.runtime import Runtime

if TYPE_CHECKING:
    from cwmp.firmware.modules.manager import Manager

ROOT = "Device.SoftwareModules."

_DATABASES = ("/usr/lib/opkg/status", "/lib/apk/db/installed")
_LOOK_AGAIN = 3600.0


class Door:
    """The way to the `Manager`, which is made when it is first needed."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Callable[[], Now],
        session_ended: Callable[[], Awaitable[None]],
        going_down: trio.Lock,
        fetch: Callable[[Place, Path], Awaitable[None]],
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._session_ended = session_ended
        self._going_down = going_down
        self._fetch = fetch
        self._changes = runtime.state("du_changes", 1)
        self._catalog = runtime.state("modules", 1)
        self._making = trio.Lock()
        self._made: Manager | None = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._made is None or self._made.idle

    def start(self) -> None:
        """Answer the session's requests."""
        peers = self._runtime.peers
        peers.answer(CHANGE_DU_STATE, self._change)
        peers.answer(GET_DU_CHANGES, self._get_changes)
        peers.answer(ACKNOWLEDGE_DU_CHANGE, self._acknowledge)

    async def run(self) -> None:
        """Go on with what an earlier process began, and notice what others change."""
        unfinished = self._changes.load().get("changes") or self._catalog.load().get("wanted")
        if unfinished or (self._runtime.paths.run_dir / "modules").exists():
            await self._manager()
        while True:
            await self._notice()
            await trio.sleep(_LOOK_AGAIN)

    async def parameters(self) -> dict[str, str]:
        """All of ``Device.SoftwareModules.``, by full path. Raises Fault."""
        manager = await self._manager()
        try:
            return await manager.parameters()
        except OSError as error:
            raise _not_recorded(error) from None

    async def set(self, values: Mapping[str, str], *, check_only: bool) -> list[ParameterFault]:
        """Check or write parameters by full path; what is wrong with them. Raises Fault."""
        manager = await self._manager()
        try:
            return await manager.set(values, check_only=check_only)
        except OSError as error:
            raise _not_recorded(error) from None

    async def listed(self) -> dict[str, Any]:
        """For ubus. Raises Fault."""
        manager = await self._manager()
        try:
            return await manager.listed()
        except OSError as error:
            raise _not_recorded(error) from None

    async def _change(self, args: ChangeDUState, request_id: str) -> Empty:
        manager = await self._manager()
        try:
            manager.change(args, request_id)
        except OSError as error:
            raise _not_recorded(error) from None
        return Empty()

    async def _get_changes(self, _args: Empty, _request_id: str) -> DUStateChanges:
        await self._notice()
        if self._made is None and not self._changes.load().get("changes"):
            return DUStateChanges([])
        return (await self._manager()).changes()

    async def _acknowledge(self, args: ChangeId, _request_id: str) -> Empty:
        manager = await self._manager()
        try:
            manager.acknowledge(args.id)
        except OSError as error:
            raise _not_recorded(error) from None
        return Empty()

    async def _notice(self) -> None:
        """Have a look where the package database is newer than what we know, and the ACS wants to hear of it."""
        if not self._runtime.config().du_state_change_enable:
            return
        seen = _changed(self._catalog.path)
        databases = [_changed(self._runtime.paths.system(path)) for path in _DATABASES]
        if max(databases) <= seen:
            return
        try:
            await (await self._manager()).look()
            if self._catalog.path.exists():
                os.utime(self._catalog.path)
        except (Fault, OSError) as error:
            self._runtime.log.warning("the software modules cannot be looked at: %s", error)

    async def _manager(self) -> Manager:
        async with self._making:
            if self._made is None:
                from cwmp.firmware.modules import manager, system  # noqa: PLC0415  # see above

                runtime = self._runtime
                means = manager.Means(self._clock, self._session_ended, self._going_down, self._fetch)
                backend = await system.find(runtime.paths, runtime.bus)
                made = manager.Manager(runtime, backend, (self._changes, self._catalog), means)
                runtime.nursery.start_soon(made.run)
                self._made = made
            return self._made


def _changed(path: Path) -> int:
    """When a file changed last, in ns; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _not_recorded(error: OSError) -> Fault:
    return Fault(FaultCode.INTERNAL_ERROR, f"it could not be recorded durably: {error.strerror or error}")
