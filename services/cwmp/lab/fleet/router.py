"""One virtual router of a fleet: files and a bus of its own, the session and the datamodel service as they are.

Of a whole router it lacks the daemons (netifd, rpcd and the like are not on its bus, so that parameters that only
they know are absent or empty) and the services firmware and diagnostics: a small peer answers what the session
service asks of firmware at each start, and has the router reboot or go back to factory defaults when the ACS orders
it. An operation it does not have is refused, as on a router without that service.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio

from cwmp.contract import Empty
from cwmp.contract import firmware as fw
from cwmp.contract.session import STATE, State
from cwmp.datamodel import service as datamodel
from cwmp.datamodel.mapping_file import Problem
from cwmp.datamodel.tree import Model
from cwmp.lab.fleet.accidents import Accident, Kind
from cwmp.lab.fleet.figures import Figures
from cwmp.lab.fleet.line import Line
from cwmp.lab.fleet.plan import Plan
from cwmp.lab.router import sandbox
from cwmp.runtime import Runtime, run
from cwmp.runtime.quiet import SessionWatch
from cwmp.session.history import Session as Record
from cwmp.session.service import Service
from ubuskit import broker

_RESPAWN_PAUSE = 5.0

Loaded = tuple[Model, list[Problem]]


class VirtualRouter:
    """`run` keeps it on until it is cancelled. What it does is counted in `figures`, which routers share.

    `next_accident` returns when one happens.
    """

    def __init__(
        self,
        plan: Plan,
        number: int,
        loaded: Loaded,
        figures: Figures,
        log: logging.Logger,
        next_accident: Callable[[], Awaitable[Accident]],
    ) -> None:
        self._directory = Path(plan.directory) / str(number)
        self._paths = sandbox.paths_of(self._directory)
        knock = {
            "connection_request_username": plan.identity(number).username,
            "connection_request_password": secrets.token_urlsafe(12),
        }
        self._options = {**plan.options(number), **knock}
        self._loaded = loaded
        self._figures = figures
        self._log = log
        self._boot_takes = plan.boot_takes
        self._next_accident = next_accident
        self._line = Line()
        self._services: trio.CancelScope | None = None
        self._ordered: Callable[[], None] | None = None
        self._respawn = _RESPAWN_PAUSE
        self._state = ""
        self._open = False
        self._cuts = 0
        self._service: Service | None = None
        self._counted = 0.0

    async def run(self) -> None:
        """Switch it on for the first time; when this ends, none of its files are left."""
        self._line.use()
        try:
            sandbox.reset(self._paths, self._options)
            sandbox.flash(self._paths, sandbox.FACTORY)
            while True:
                await self._boot()
        finally:
            self._session_over()
            self._enter("")
            shutil.rmtree(self._directory, ignore_errors=True)

    # From a boot to the next

    async def _boot(self) -> None:
        """One boot: what lies in RAM is made anew, the bus comes up, then the services."""
        paths = self._paths
        for path in (paths.run_dir, paths.uci_save_dir):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        boot_id = paths.system("/proc/sys/kernel/random/boot_id")
        boot_id.parent.mkdir(parents=True, exist_ok=True)
        boot_id.write_text(f"{uuid.uuid4()}\n")
        away = self._boot_takes
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(broker.serve, str(paths.bus)))
            nursery.start_soon(self._keep_services)
            away = await self._until_reboot()
            nursery.cancel_scope.cancel()
        self._line.mend()
        self._enter("rebooting")
        await trio.sleep(away)

    async def _until_reboot(self) -> float:
        """Let accidents happen until one of them, or the ACS, reboots the router; how many seconds that takes."""
        ordered = trio.Event()
        self._ordered = ordered.set
        while True:
            accident = await self._befallen(ordered)
            if accident is None:
                self._figures.accidents["reboot by the ACS"] += 1
                return self._boot_takes
            self._figures.accidents[accident.kind.value] += 1
            match accident.kind:
                case Kind.REBOOT:
                    return accident.lasts
                case Kind.LINE:
                    self._line.cut()
                    self._enter(self._present)
                    await trio.sleep(accident.lasts)
                    self._line.mend()
                    self._enter(self._present)
                case Kind.CRASH if self._services is not None:
                    self._respawn = accident.lasts
                    self._services.cancel()

    async def _befallen(self, ordered: trio.Event) -> Accident | None:
        """The next accident, as it happens; None where the ACS comes before."""
        found: Accident | None = None
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await ordered.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            found = await self._next_accident()
            nursery.cancel_scope.cancel()
        return found

    @property
    def _present(self) -> str:
        """The state of a router that is on."""
        if self._services is None:
            return "crashed"
        return "up" if self._line.up else "without line"

    async def _keep_services(self) -> None:
        """Like procd: what ends is started again, after a pause, with what it has on flash."""
        while True:
            self._respawn = _RESPAWN_PAUSE
            try:
                with trio.CancelScope() as self._services:
                    self._enter(self._present)
                    await self._serve()
            except Exception as error:  # whatever it is: this router's services have ended, others go on
                self._figures.fail(f"a service ended: {type(error).__name__}: {_first(error)}")
            finally:
                self._services = None
                self._session_over()
            self._enter(self._present)
            await trio.sleep(self._respawn)

    async def _serve(self) -> None:
        """The services, until they are cancelled."""
        async with trio.open_nursery() as nursery:
            for name, serve in (
                ("firmware", self._firmware),
                ("datamodel", partial(datamodel.serve, loaded=self._loaded)),
                ("session", self._session),
            ):
                nursery.start_soon(run, name, serve, self._paths, self._log)

    # What runs on the bus

    async def _session(self, runtime: Runtime) -> None:
        self._service = Service(runtime)
        await self._service.run()

    async def _firmware(self, runtime: Runtime) -> None:
        """What a router without any transfers answers; the orders that need one are refused."""
        watch = SessionWatch(runtime.peers, self._log)

        async def completed(_args: Empty, _id: str) -> fw.CompletedTransfers:
            return fw.CompletedTransfers([])

        async def changes(_args: Empty, _id: str) -> fw.DUStateChanges:
            return fw.DUStateChanges([])

        async def queued(_args: Empty, _id: str) -> fw.QueuedTransfers:
            return fw.QueuedTransfers([])

        async def go_down(*, reset: bool) -> None:
            await watch.ended()
            if reset:
                sandbox.reset(self._paths, self._options)
            if self._ordered is not None:
                self._ordered()

        async def reboot(_args: fw.Reboot, _id: str) -> Empty:
            runtime.nursery.start_soon(partial(go_down, reset=False))
            return Empty()

        async def factory_reset(_args: fw.FactoryReset, _id: str) -> Empty:
            runtime.nursery.start_soon(partial(go_down, reset=True))
            return Empty()

        await watch.listen()
        await runtime.peers.hear(STATE, self._on_state)
        answer = runtime.peers.answer
        answer(fw.GET_COMPLETED, completed)
        answer(fw.GET_DU_CHANGES, changes)
        answer(fw.GET_QUEUED, queued)
        answer(fw.REBOOT, reboot)
        answer(fw.FACTORY_RESET, factory_reset)
        await runtime.peers.ready()
        await trio.sleep_forever()

    # Counting

    def _enter(self, state: str) -> None:
        states = self._figures.states
        if self._state:
            states[self._state] -= 1
        if state:
            states[state] += 1
        self._state = state

    def _on_state(self, state: State) -> None:
        """A session opens or is over: those are counted that have ended since we last looked."""
        self._session_over()
        for record in self._service.history if self._service is not None else ():
            if record.end and record.start > self._counted:
                self._counted = record.start
                self._count(record)
        if state.open:
            self._open = True
            self._figures.open += 1
            self._cuts = self._line.cuts

    def _session_over(self) -> None:
        if self._open:
            self._open = False
            self._figures.open -= 1

    def _count(self, record: Record) -> None:
        figures = self._figures
        figures.events.update(dict.fromkeys(record.events, 1))
        figures.requests += sum(call.by == "acs" for call in record.calls) + record.more
        if record.result == "success":
            figures.succeeded += 1
            figures.session.note(record.end - record.start)
        elif not self._line.up or self._line.cuts != self._cuts:
            figures.disturbed += 1
        else:
            figures.fail(record.error)
        for call in record.calls:
            if call.method == "Inform" and not call.fault:
                figures.inform.note(call.seconds)


def _first(error: BaseException) -> str:
    """What a group of errors begins with."""
    while (inner := getattr(error, "exceptions", None)) is not None:
        error = inner[0]
    with contextlib.suppress(Exception):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__
