"""Software modules as the firmware service has them, once somebody asked for them."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from cwmp.contract import Fault, ParameterFault
from cwmp.contract.firmware import DU_CHANGED, ChangeDUState, ChangeId, DUOperation, DUStateChanges
from cwmp.firmware.exchange import Place
from cwmp.firmware.modules import catalog as catalogs
from cwmp.firmware.modules import changes as records
from cwmp.firmware.modules import parameters
from cwmp.firmware.modules.backend import Backend, Bring
from cwmp.firmware.modules.catalog import Catalog, Noticed
from cwmp.firmware.modules.changes import Change, Phase, Task
from cwmp.firmware.modules.results import outcome
from cwmp.firmware.modules.selection import shown
from cwmp.firmware.modules.worker import Store, Surroundings, Worker
from cwmp.firmware.times import Now
from cwmp.runtime import Runtime, StateFile
from ubuskit.records import dataclass

Fetch = Callable[[Place, Path], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Means:
    """What the firmware service lends: its clock, the end of sessions, who takes the system down, and fetching a
    file (raises Fault)."""

    clock: Callable[[], Now]
    session_ended: Callable[[], Awaitable[None]]
    going_down: trio.Lock
    fetch: Fetch


class Manager:
    """All of it. `files` are the documents of changes and of the catalog."""

    def __init__(
        self, runtime: Runtime, backend: Backend | None, files: tuple[StateFile, StateFile], means: Means
    ) -> None:
        self._runtime = runtime
        self._means = means
        self._log: logging.Logger = runtime.log
        self._backend = backend
        self._directory = runtime.paths.run_dir / "modules"
        changes_file, catalog_file = files
        changes, lost = records.from_document(changes_file.load())
        catalog, unusable = catalogs.from_document(catalog_file.load())
        for problem in [*lost, *unusable]:
            self._log.error("%s", problem)
        self._store = Store(
            changes,
            catalog,
            lambda value: changes_file.save(records.to_document(value)),
            lambda value: catalog_file.save(catalogs.to_document(value)),
        )
        self._worker = Worker(
            self._store,
            backend,
            Surroundings(
                clock=means.clock,
                session_ended=means.session_ended,
                going_down=means.going_down,
                bring=self._bringing,
                told=self._tell,
                noticed=self._noticed,
                log=runtime.log,
            ),
        )

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._store.changes.current() is None and not self._store.catalog.wanted

    async def run(self) -> None:
        """Carry out what is asked for, until cancelled. What an earlier process had begun comes to its end first."""
        if self._backend is not None and self._store.changes.current() is not None:
            await self._backend.settle()
        self._clear()
        await self._worker.run()

    # -- what the session asks --------------------------------------------------------------------------------

    def change(self, args: ChangeDUState, request_id: str) -> None:
        """Take a request; on return it is on flash. Raises Fault, OSError."""
        if self._store.changes.knows_request(request_id):
            return
        tasks = [Task(operation) for operation in args.operations]
        new = Change(secrets.token_hex(8), request_id, args.command_key, self._means.clock(), tasks)
        self._store.keep(self._store.changes.add(new))
        self._log.info("ChangeDUState %s with %d operations accepted", new.id, len(tasks))
        self._worker.look()

    def changes(self) -> DUStateChanges:
        """What the ACS is to be told."""
        return DUStateChanges([records.report(c) for c in self._store.changes.finished()])

    def acknowledge(self, change_id: str) -> None:
        """The ACS has confirmed it. Raises OSError."""
        self._store.keep(self._store.changes.acknowledge(change_id))

    # -- parameters -------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """See what others have changed meanwhile. Raises Fault, OSError."""
        await self._worker.see()

    async def parameters(self) -> dict[str, str]:
        """All of ``Device.SoftwareModules.``. Raises Fault, OSError."""
        wanted = None
        while wanted != self._store.catalog.wanted:  # else a state came about while we were looking elsewhere
            wanted = self._store.catalog.wanted
            inventory = await self._worker.see()
        return parameters.parameters(self._store.catalog, inventory)

    async def set(self, values: Mapping[str, str], *, check_only: bool) -> list[ParameterFault]:
        """Check or write parameters; what is wrong. Raises Fault, OSError."""
        inventory = await self._worker.see()
        writes, wrong = parameters.check(values, self._store.catalog, inventory)
        if wrong or check_only or self._backend is None:
            return wrong
        for write in writes:
            if write.name == "RequestedState":
                self._store.know(self._store.catalog.requested(write.key, write.value))
                self._worker.look()
            elif write.name == "AutoStart":
                found = inventory.execution_unit(write.key)
                if found is not None:
                    enable = parameters.is_true(write.value)
                    await self._backend.set_auto_start(found[0], write.key, enable=enable)
            elif (environment := inventory.environment(write.key)) is not None:
                await self._backend.enable(environment, enable=parameters.is_true(write.value))
        return []

    async def listed(self) -> dict[str, Any]:
        """For ubus: environments, deployment units with their execution units, and what is under way."""
        inventory = await self._worker.see()
        catalog = self._store.catalog
        return {
            "environments": [
                {
                    "number": catalog.environments[e.key],
                    "name": e.name,
                    "type": e.kind,
                    "version": e.version,
                    "enabled": e.enabled,
                    "disk_free": e.disk_free,
                }
                for e in inventory.environments
            ],
            "units": [
                {
                    "number": known.number,
                    "name": unit.name,
                    "version": unit.version,
                    "uuid": known.uuid,
                    "url": known.url.partition("?")[0],
                    "status": unit.status,
                    "services": [
                        {"name": e.name, "status": str(e.status), "auto_start": bool(e.auto_start)}
                        for e in unit.execution_units
                    ],
                }
                for known, unit in catalog.deployed(inventory)
            ],
            "changes": [
                {
                    "id": change.id,
                    "command_key": change.command_key,
                    "operations": [_described(task) for task in change.tasks],
                }
                for change in self._store.changes.changes
            ],
        }

    # -- what the worker needs --------------------------------------------------------------------------------

    @asynccontextmanager
    async def _bringing(self) -> AsyncIterator[Bring]:
        """A place for files, which goes with them."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

        async def bring(source: Place, suffix: str) -> Path:
            target = self._directory / f"{secrets.token_hex(4)}{suffix}"
            await self._means.fetch(source, target)
            return target

        try:
            yield bring
        except trio.Cancelled:
            raise  # whoever is reading them goes on without us; `run` clears up
        except BaseException:
            self._clear()
            raise
        self._clear()

    def _clear(self) -> None:
        import shutil  # noqa: PLC0415

        shutil.rmtree(self._directory, ignore_errors=True)

    async def _tell(self, change_id: str) -> None:
        await self._runtime.peers.tell(DU_CHANGED, ChangeId(change_id))

    def _noticed(self, catalog: Catalog, noticed: Sequence[Noticed]) -> None:
        """Somebody else has changed something: the ACS hears of what its policy asks for."""
        for one in noticed:
            self._log.info("%s of %s was not ours", one.operation, one.known.name)
        config = self._runtime.config()
        wanted = config.du_state_change_operations
        reported = [n for n in noticed if not wanted or n.operation in wanted]
        if not config.du_state_change_enable or config.du_state_change_result == "Failure" or not reported:
            return
        now, store = self._means.clock(), self._store
        results = [
            outcome(
                n.operation,
                catalog,
                n.known,
                n.unit,
                "Installed" if n.unit else "Uninstalled",
                version=shown(n.known.version),
                completed=now.wall,
            )
            for n in reported
        ]
        task = Task(DUOperation(reported[0].operation), Phase.DONE, results=results)
        change = Change(secrets.token_hex(8), "", "", now, [task], autonomous=True)
        try:
            store.keep(store.changes.add(change))
        except Fault as fault:
            self._log.error("the ACS will not hear of it: %s", fault.text)
        else:
            self._runtime.nursery.start_soon(self._tell, change.id)


def _described(task: Task) -> dict[str, Any]:
    return {
        "operation": task.operation.kind,
        "phase": str(task.phase),
        "results": [
            {
                "state": r.current_state,
                "version": r.version,
                "fault_code": r.fault_code,
                "text": r.fault_string,
            }
            for r in task.results
        ],
    }
