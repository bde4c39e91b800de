"""Carrying changes out: one operation after the other, each step recorded before it is taken.

What the record means for whoever finds it after a crash is said in `changes`; this module keeps the order: the
record first, the deed after it, and what is really there last, since that decides.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.contract.firmware import DUOperation, DUResult
from cwmp.firmware.exchange import Place
from cwmp.firmware.modules import selection
from cwmp.firmware.modules.backend import Backend, Bring
from cwmp.firmware.modules.catalog import Catalog, Known, Noticed
from cwmp.firmware.modules.changes import MAX_ATTEMPTS, Applying, Changes, Task
from cwmp.firmware.modules.identity import uuid_of
from cwmp.firmware.modules.results import outcome
from cwmp.firmware.modules.units import Inventory, Package, Status, Target, Unit
from cwmp.firmware.times import Now
from ubuskit.records import dataclass

OPERATION_DEADLINE = 3600.0
"""In s, for each (TR-069a6 A.4.1.10)."""

_RETRY = 60.0
_MAX_FAULT_STRING = 256


class Store:
    """Changes and catalog, each on flash before anybody goes by it. `save_...` raise OSError."""

    def __init__(
        self,
        changes: Changes,
        catalog: Catalog,
        save_changes: Callable[[Changes], None],
        save_catalog: Callable[[Catalog], None],
    ) -> None:
        self.changes = changes
        self.catalog = catalog
        self._save_changes = save_changes
        self._save_catalog = save_catalog

    def keep(self, changes: Changes) -> None:
        self._save_changes(changes)
        self.changes = changes

    def know(self, catalog: Catalog) -> None:
        self._save_catalog(catalog)
        self.catalog = catalog


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the worker needs beside the backend. `session_ended` returns once no session is open, `going_down` is
    held by whoever takes the system down, `bring` fetches a package for as long as it is needed, `told` hears of
    each change that is done, `noticed` of what others have done, before that is on flash."""

    clock: Callable[[], Now]
    session_ended: Callable[[], Awaitable[None]]
    going_down: trio.Lock
    bring: Callable[[], AbstractAsyncContextManager[Bring]]
    told: Callable[[str], Awaitable[None]]
    noticed: Callable[[Catalog, Sequence[Noticed]], None]
    log: logging.Logger


class Worker:
    """Carries out what the store's changes say, and what states of execution units were requested."""

    def __init__(self, store: Store, backend: Backend | None, around: Surroundings) -> None:
        self._store = store
        self._backend = backend
        self._around = around
        self._clock = around.clock
        self._log = around.log
        self._changed = trio.Event()

    def look(self) -> None:
        """Something was asked for."""
        self._changed.set()

    async def see(self) -> Inventory:
        """What is there now; who else has changed it is noticed. Raises Fault, OSError."""
        while True:
            before = self._store.catalog, self._applying()
            inventory = await self._backend.inventory() if self._backend is not None else Inventory()
            if before == (self._store.catalog, self._applying()):
                break  # else we ourselves have changed something while that was read
        catalog, noticed = self._store.catalog.see(inventory, self._clock().wall, self._applying())
        if noticed:
            self._around.noticed(catalog, noticed)
        if catalog != self._store.catalog:
            self._store.know(catalog)
        return inventory

    def _applying(self) -> set[tuple[str, str]]:
        """The places where we are changing something."""
        return {
            (task.applying.environment, task.applying.key)
            for change in self._store.changes.changes
            for task in change.tasks
            if task.applying is not None
        }

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._changed = trio.Event()
            try:
                if not await self._work():
                    await self._changed.wait()
            except OSError as error:
                self._log.error("what becomes of software modules cannot be recorded (%s): waiting", error)
                with trio.move_on_after(_RETRY):
                    await self._changed.wait()

    async def _work(self) -> bool:
        """Take one thing further; whether there was one."""
        if self._store.catalog.wanted:
            await self._bring_about()
            return True
        current = self._store.changes.current()
        if current is None:
            return False
        change, index = current
        await self._around.session_ended()
        left = change.left(self._clock())
        with trio.move_on_after(max(0.0, min(OPERATION_DEADLINE, left))) as scope:
            await self._operation(change.id, index)
        if scope.cancelled_caught:
            limit = "24 h" if left < OPERATION_DEADLINE else f"{OPERATION_DEADLINE:g} s"
            await self._fail_rest(
                change.id, index, Fault(FaultCode.REQUEST_DENIED, f"it was not done within {limit}")
            )
        if next(c for c in self._store.changes.changes if c.id == change.id).done:
            self._log.info("ChangeDUState %s is done", change.id)
            await self._around.told(change.id)
        return True

    # -- one operation ----------------------------------------------------------------------------------------

    async def _operation(self, change_id: str, index: int) -> None:
        store = self._store
        store.keep(store.changes.begin(change_id, index, self._clock()))
        task = store.changes.task(change_id, index)
        try:
            if task.attempts > MAX_ATTEMPTS:
                raise Fault(FaultCode.REQUEST_DENIED, f"given up: {MAX_ATTEMPTS} attempts were cut off")
            backend = self._of_it(task.operation)
            await backend.settle()  # somebody on the router may be at work, or what an earlier process began
            inventory = await self.see()
            if not task.resolved:
                deployed = store.catalog.deployed(inventory)
                found = selection.targets(
                    task.operation, deployed, inventory.environments, store.catalog.environments
                )
                store.keep(store.changes.resolve(change_id, index, found))
        except Fault as fault:
            await self._fail_rest(change_id, index, fault)
            return
        while (task := store.changes.task(change_id, index)).left:
            await self._target(backend, change_id, index, task)

    def _of_it(self, operation: DUOperation) -> Backend:
        """The backend, if it could take this operation at all."""
        if self._backend is None:
            raise Fault(FaultCode.UNKNOWN_EXECUTION_ENVIRONMENT, "this device has no execution environment")
        selection.check(operation, self._backend.schemes)
        return self._backend

    async def _target(self, backend: Backend, change_id: str, index: int, task: Task) -> None:
        """Do what an operation asks at its next target; afterwards there is a result for it."""
        place, kind, store = task.left[0], task.operation.kind, self._store
        applied: Applying | None = None
        try:
            inventory = await self.see()
            if task.applying is not None and _is_done(kind, task.applying, inventory, told=False):
                applied = task.applying  # whoever was cut off here had done it
            else:
                store.keep(store.changes.apply(change_id, index, None))
                applied = await self._apply(backend, change_id, index, place, inventory)
                inventory = await backend.inventory()
            result = self._succeeded(task, applied, inventory)
        except Fault as fault:
            self._log.error("%s failed: %s", kind, fault)
            result = self._failed(task, place, fault)
        store.keep(store.changes.result(change_id, index, result))

    async def _apply(
        self, backend: Backend, change_id: str, index: int, place: Target, inventory: Inventory
    ) -> Applying:
        """Have the system do it; what it was told, and has done."""
        operation = self._store.changes.task(change_id, index).operation
        environment = selection.check_environment(inventory.environment(place.environment))
        unit = inventory.find(place.environment, place.key) if place.key else None
        known = self._store.catalog.find(place.environment, place.key)

        async def have_done(
            package: Package | None, uuid: str, what: Callable[[], Awaitable[None]]
        ) -> Applying:
            applying = Applying(
                environment=place.environment,
                key=place.key or (package.key if package else "") or uuid,
                uuid=uuid,
                version=package.version if package else "",
                before=unit.version if unit else "",
                url=package.url if package else "",
                number=known.number if known else 0,
            )
            async with self._around.going_down:
                self._store.keep(self._store.changes.apply(change_id, index, applying))
                self._log.warning("%s %s %s", operation.kind, applying.key, applying.version)
                try:
                    await what()
                except Fault as fault:
                    if not _is_done(operation.kind, applying, await backend.inventory(), told=False):
                        raise
                    self._log.warning("it was done all the same: %s", fault)  # what is there decides
                else:
                    if not _is_done(operation.kind, applying, await backend.inventory(), told=True):
                        text = "the system says that it was done, but it was not"
                        raise Fault(FaultCode.REQUEST_DENIED, text)
            return applying

        if operation.kind == "Install":
            self._refuse_duplicate(place, operation.uuid.lower(), "", inventory)
            async with self._around.bring() as bring:
                source = Place(operation.url, operation.username, operation.password)
                package = await backend.prepare(source, environment, bring)
                uuid = operation.uuid.lower() or uuid_of(package.name, package.vendor)
                self._refuse_duplicate(place, uuid, package.key, inventory)
                return await have_done(package, uuid, lambda: backend.install(package, environment, uuid))
        if unit is None or known is None:
            raise Fault(FaultCode.UNKNOWN_DEPLOYMENT_UNIT, "the deployment unit is gone")
        if operation.kind == "Uninstall":
            return await have_done(None, known.uuid, lambda: backend.uninstall(unit))
        for other in self._store.catalog.deployed(inventory):
            if other.known.uuid == known.uuid:  # all that hold it are updated, or none
                selection.check_environment(inventory.environment(other.unit.environment))
        if not (url := operation.url or known.url):
            raise Fault(FaultCode.INVALID_ARGUMENTS, "there is no URL to update it from")
        async with self._around.bring() as bring:
            source = Place(url, operation.username, operation.password)
            package = await backend.prepare(source, environment, bring)
            await self._refuse_old(backend, unit, package)
            return await have_done(package, known.uuid, lambda: backend.update(unit, package))

    def _refuse_duplicate(self, place: Target, uuid: str, key: str, inventory: Inventory) -> None:
        """An environment holds a unit once, in whatever version."""
        for known, unit in self._store.catalog.deployed(inventory):
            if unit.environment == place.environment and (known.uuid == uuid or unit.key == key):
                raise Fault(
                    FaultCode.DUPLICATE_DEPLOYMENT_UNIT, f"{unit.name} {unit.version} is installed there"
                )

    async def _refuse_old(self, backend: Backend, unit: Unit, package: Package) -> None:
        if package.key not in ("", unit.key):
            raise Fault(FaultCode.FILE_CORRUPTED, f"what is there is {package.name}, not {unit.name}")
        if not package.version:
            return  # who brings it himself compares himself
        order = await backend.compare(package.version, unit.version)
        if order == 0:
            raise Fault(FaultCode.VERSION_EXISTS, f"{unit.name} {unit.version} is installed already")
        if order < 0:
            raise Fault(FaultCode.DOWNGRADE_NOT_PERMITTED, f"{package.version} is older than {unit.version}")

    # -- results ----------------------------------------------------------------------------------------------

    def _succeeded(self, task: Task, applied: Applying, inventory: Inventory) -> DUResult:
        store, now = self._store, self._clock().wall
        place, kind = (applied.environment, applied.key), task.operation.kind
        unit, state = inventory.find(*place), "Installed"
        gone = Known(*place, applied.number, applied.uuid, "", applied.before) if applied.number else None
        if unit is None:
            catalog, state = store.catalog.removed(*place), "Uninstalled"
        elif kind == "Install":
            catalog = store.catalog.installed(unit, applied.uuid, applied.url, now)
        else:
            catalog = store.catalog.updated(unit, applied.url, now)
        store.know(catalog.with_execution_units(inventory))
        return outcome(
            kind,
            store.catalog,
            store.catalog.find(*place) or gone,
            unit,
            state,
            uuid=applied.uuid,
            version=applied.before,
            started=task.started,
            completed=now,
        )

    def _failed(self, task: Task, place: Target | None, fault: Fault) -> DUResult:
        """An install that failed leaves nothing; after anything else the unit is still there."""
        known = self._store.catalog.find(place.environment, place.key) if place and place.key else None
        return outcome(
            task.operation.kind,
            self._store.catalog,
            known,
            None,
            "Installed" if known else "Failed",
            uuid=task.operation.uuid,
            version=known.version if known else task.operation.version,
            started=task.started,
            completed=self._clock().wall,
            fault=fault,
        )

    async def _fail_rest(self, change_id: str, index: int, fault: Fault) -> None:
        """One result for each target that is left, or for the operation, if that is not known."""
        store = self._store
        self._log.error("%s failed: %s", store.changes.task(change_id, index).operation.kind, fault)
        while True:
            task = store.changes.task(change_id, index)
            failed = self._failed(task, task.left[0] if task.left else None, fault)
            store.keep(store.changes.result(change_id, index, failed))
            if not store.changes.task(change_id, index).left:
                return

    # -- execution units --------------------------------------------------------------------------------------

    async def _bring_about(self) -> None:
        """Have one execution unit be as was requested; what goes wrong is its ExecutionFaultCode."""
        key, state = next(iter(self._store.catalog.wanted.items()))
        fault: tuple[str, str] | None = None
        try:
            inventory = await self.see()
            found = inventory.execution_unit(key)
            if self._backend is not None and found is not None:
                unit, _ = found
                selection.check_environment(inventory.environment(unit.environment))
                await self._backend.request_state(unit, key, Status(state))
        except Fault as failed:
            self._log.error("%s cannot be %s: %s", key, state, failed)
            code = "FailureOnStart" if state == Status.ACTIVE else "FailureOnStop"
            fault = (code, failed.text[:_MAX_FAULT_STRING])
        self._store.know(self._store.catalog.answered(key, fault))


def _is_done(kind: str, applying: Applying, inventory: Inventory, *, told: bool) -> bool:
    """Whether what was to be applied is what is there; `told`: the system says that it is."""
    unit = inventory.find(applying.environment, applying.key)
    if kind == "Uninstall":
        return unit is None
    if unit is None or unit.status != "Installed":
        return False
    if applying.version:
        return unit.version == applying.version
    return told or unit.version != applying.before
