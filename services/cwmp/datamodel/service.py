"""The datamodel service: the contract's operations and the ubus object, on one tree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import trio

from cwmp.contract import Empty
from cwmp.contract import datamodel as contract
from cwmp.contract import session as session_contract
from cwmp.datamodel import bus
from cwmp.datamodel.annotating import Annotator
from cwmp.datamodel.announcing import Announcer
from cwmp.datamodel.association import Associations
from cwmp.datamodel.guard import Guard
from cwmp.datamodel.inform import Informer
from cwmp.datamodel.journal import Journal
from cwmp.datamodel.loader import load
from cwmp.datamodel.mapping_file import Problem
from cwmp.datamodel.notifying import VALUE_CHANGE, Notifier
from cwmp.datamodel.reading import Reader
from cwmp.datamodel.remote.mounts import Mounts
from cwmp.datamodel.snapshot import System
from cwmp.datamodel.tree import Model
from cwmp.datamodel.watching import Watch
from cwmp.datamodel.writing import Writer
from cwmp.runtime import Paths, Runtime, StateFile

_CHANGED_VERSION = 1
_GATEWAY_VERSION = 1
_DEVICES_VERSION = 1


def mapping_directories(paths: Paths) -> list[Path]:
    """Where mapping files lie; later ones take the place of earlier ones of the same name."""
    return [
        Path(__file__).parent / "models",
        paths.system("/usr/share/cwmp/datamodel.d"),
        paths.system("/etc/cwmp/datamodel.d"),
    ]


async def serve(runtime: Runtime, loaded: tuple[Model, list[Problem]] | None = None) -> None:
    """Run the service until it is cancelled.

    `loaded` is what `load` found, where several routers of one process share it: nothing in a model belongs to one
    of them, unless it has mounts (`remote`), whose shapes are one router's.
    """
    model, problems = loaded or load(mapping_directories(runtime.paths))
    for problem in problems:
        runtime.log.error("mapping %s", problem)
    journal = Journal(
        runtime.uci,
        runtime.state,
        runtime.boot_id,
        runtime.log,
    )
    journal.start()
    system = System(runtime.paths, runtime.uci, runtime.bus, runtime.peers)
    associations = Associations(
        runtime.state("gateway", _GATEWAY_VERSION),
        StateFile(runtime.paths.run_dir / "datamodel" / "devices.json", _DEVICES_VERSION, runtime.log),
        runtime.log,
        lambda: notifier.happened(),  # noqa: PLW0108  # it is made below
    )
    reader = Reader(
        model,
        system,
        journal.instances,
        lambda: {**journal.own(), **associations.own()},
        journal.save_instances,
        runtime.log,
    )
    announcer = Announcer(
        model,
        journal,
        runtime.bus,
        runtime.peers,
        runtime.log,
        guarding=lambda: runtime.config().rollback_timeout > 0,
    )
    volatile = StateFile(runtime.paths.run_dir / "datamodel" / "changed.json", _CHANGED_VERSION, runtime.log)
    watch = Watch(reader, journal, volatile, runtime.log)
    mounts = Mounts(model, runtime.bus, journal, runtime.log)
    system.remote = mounts.read
    reader.settle = mounts.settle
    writer = Writer(reader, journal, watch, announcer, mounts)
    annotator = Annotator(reader, journal, watch, writer.turn)
    informer = Informer(reader, journal, watch, runtime.log)
    notifier = Notifier(watch, runtime.peers, runtime.config, lambda: announcer.session_open, runtime.log)
    guard = Guard(journal, announcer, writer, runtime.uci, runtime.peers, runtime.config, runtime.log)
    announcer.on_change = mounts.happened = notifier.happened
    announcer.on_told = guard.told
    announcer.on_session_end = lambda applied: guard.session_ended(applied=applied)

    def status() -> Mapping[str, Any]:
        objects = list(model.objects())
        return {
            "parameter_key": journal.parameter_key,
            "objects": len(objects),
            "parameters": sum(len(node.parameters) for node in objects),
            "problems": [str(problem) for problem in problems],
            "pending": [*journal.now, *journal.later],
            "unreachable": mounts.unreachable,
            "session_open": announcer.session_open,
            "changed": list(watch.changed),
            "rollback_in": -1 if guard.remaining is None else int(guard.remaining),
        }

    _answer(runtime, reader, writer, annotator, informer, announcer, notifier, guard)
    await bus.serve(runtime.bus, reader, writer, annotator, status)
    await notifier.listen(runtime.bus)
    await runtime.bus.listen("cwmp.dhcp", lambda _, message: associations.heard_dhcp(message))
    await runtime.bus.listen("cwmp.lease", lambda _, message: associations.heard_lease(message))
    await runtime.peers.hear(session_contract.STATE, lambda state: announcer.session_state(state.open))
    await runtime.peers.ready()
    async with trio.open_nursery() as nursery:
        runtime.peers.on_ready("session", lambda: nursery.start_soon(announcer.ask_session))
        runtime.peers.on_ready("session", notifier.session_ready)
        for owner in ("session", "diagnostics", "firmware"):
            runtime.peers.on_ready(owner, announcer.owner_ready)
        watch.on_news = lambda values: nursery.start_soon(announcer.noticed, values)
        nursery.start_soon(mounts.run)
        nursery.start_soon(announcer.run)
        nursery.start_soon(notifier.run)
        nursery.start_soon(guard.run)
        nursery.start_soon(announcer.ask_session)
        runtime.log.info(
            "%d objects, %d parameters declared%s",
            status()["objects"],
            status()["parameters"],
            f", {len(problems)} mistakes in mapping files" if problems else "",
        )
        await trio.sleep_forever()


def _answer(
    runtime: Runtime,
    reader: Reader,
    writer: Writer,
    annotator: Annotator,
    informer: Informer,
    announcer: Announcer,
    notifier: Notifier,
    guard: Guard,
) -> None:
    """Register the operations of contract/datamodel.py."""

    async def get_values(args: contract.GetValues, _id: str) -> AsyncIterator[contract.Values]:
        for page in await reader.values(args.paths):
            yield page

    async def get_names(args: contract.GetNames, _id: str) -> AsyncIterator[contract.Names]:
        for page in await reader.names(args.path, args.next_level):
            yield page

    async def get_attributes(args: contract.GetAttributes, _id: str) -> AsyncIterator[contract.Attributes]:
        for page in await annotator.get(args.paths):
            yield page

    async def get_inform(args: contract.GetInform, _id: str) -> contract.Inform:
        inform = await informer.inform(args)
        if VALUE_CHANGE in args.events and not inform.value_change:
            notifier.informed()  # what was asked for is withdrawn by that
        return inform

    async def informed(args: contract.Informed, _id: str) -> Empty:
        await informer.informed(args.token)
        notifier.informed()
        guard.informed()
        return Empty()

    async def session_ended(args: contract.SessionEnded, _id: str) -> Empty:
        announcer.session_ended()
        notifier.session_ended(success=args.success)
        return Empty()

    answer = runtime.peers.answer
    answer(contract.GET_VALUES, get_values)
    answer(contract.GET_NAMES, get_names)
    answer(contract.SET_VALUES, writer.set_values)
    answer(contract.GET_ATTRIBUTES, get_attributes)
    answer(contract.SET_ATTRIBUTES, annotator.set)
    answer(contract.ADD_OBJECT, writer.add_object)
    answer(contract.DELETE_OBJECT, writer.delete_object)
    answer(contract.GET_INFORM, get_inform)
    answer(contract.INFORMED, informed)
    answer(contract.SESSION_ENDED, session_ended)
