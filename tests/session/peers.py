"""Stand-ins for the services a session talks to: they answer the contract's operations and keep account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import trio

from cwmp.contract import Empty, Fault
from cwmp.contract import datamodel as dm
from cwmp.contract import firmware as fw
from cwmp.runtime import Runtime


@dataclass
class FakeDatamodel:
    """A tree of strings, as a dict."""

    values: dict[str, str] = field(default_factory=lambda: {"Device.RootDataModelVersion": "2.19"})
    value_change: bool = False
    serial: str = "0001"
    calls: list[tuple[str, Any, str]] = field(default_factory=list)
    fault: Fault | None = None
    status: int = 0
    before_inform: Callable[[], Awaitable[None]] | None = None
    between_pages: Callable[[], Awaitable[None]] | None = None

    def named(self, operation: str) -> list[Any]:
        return [args for name, args, _ in self.calls if name == operation]

    async def serve(self, runtime: Runtime) -> None:
        def note(name: str, args: Any, request_id: str) -> None:
            self.calls.append((name, args, request_id))
            if self.fault is not None and name not in {"get_inform", "informed", "session_ended"}:
                raise self.fault

        async def get_inform(args: dm.GetInform, request_id: str) -> dm.Inform:
            note("get_inform", args, request_id)
            if self.before_inform is not None:
                await self.before_inform()
            return dm.Inform(
                "Acme",
                "A1B2C3",
                "GW",
                self.serial,
                ["Device.RootDataModelVersion"],
                ["string"],
                ["2.19"],
                self.value_change,
                "token-1",
            )

        async def informed(args: dm.Informed, request_id: str) -> Empty:
            note("informed", args, request_id)
            self.value_change = False
            return Empty()

        async def session_ended(args: dm.SessionEnded, request_id: str) -> Empty:
            note("session_ended", args, request_id)
            return Empty()

        async def get_values(args: dm.GetValues, request_id: str) -> AsyncIterator[dm.Values]:
            note("get_values", args, request_id)
            found = [n for n in self.values if any(n == p or n.startswith(p) for p in args.paths)]
            if not found:
                raise Fault(9005, "no such parameter")
            for start in range(0, len(found), 200):
                if start and self.between_pages is not None:
                    await self.between_pages()
                names = found[start : start + 200]
                yield dm.Values(names, ["string"] * len(names), [self.values[n] for n in names])

        async def get_names(args: dm.GetNames, request_id: str) -> AsyncIterator[dm.Names]:
            note("get_names", args, request_id)
            found = [n for n in self.values if n.startswith(args.path)]
            yield dm.Names(found, [True] * len(found))

        async def set_values(args: dm.SetValues, request_id: str) -> dm.Applied:
            note("set_values", args, request_id)
            self.values.update(zip(args.names, args.values, strict=True))
            return dm.Applied(self.status)

        async def get_attributes(args: dm.GetAttributes, request_id: str) -> AsyncIterator[dm.Attributes]:
            note("get_attributes", args, request_id)
            yield dm.Attributes(args.paths, [2] * len(args.paths), ["Subscriber"] * len(args.paths))

        async def set_attributes(args: dm.SetAttributes, request_id: str) -> Empty:
            note("set_attributes", args, request_id)
            return Empty()

        async def add_object(args: dm.AddObject, request_id: str) -> dm.Added:
            note("add_object", args, request_id)
            return dm.Added(3, 0)

        async def delete_object(args: dm.DeleteObject, request_id: str) -> dm.Applied:
            note("delete_object", args, request_id)
            return dm.Applied(0)

        runtime.peers.answer(dm.GET_INFORM, get_inform)
        runtime.peers.answer(dm.INFORMED, informed)
        runtime.peers.answer(dm.SESSION_ENDED, session_ended)
        runtime.peers.answer(dm.GET_VALUES, get_values)
        runtime.peers.answer(dm.GET_NAMES, get_names)
        runtime.peers.answer(dm.SET_VALUES, set_values)
        runtime.peers.answer(dm.GET_ATTRIBUTES, get_attributes)
        runtime.peers.answer(dm.SET_ATTRIBUTES, set_attributes)
        runtime.peers.answer(dm.ADD_OBJECT, add_object)
        runtime.peers.answer(dm.DELETE_OBJECT, delete_object)
        await runtime.peers.ready()
        await trio.sleep_forever()


@dataclass
class FakeFirmware:
    """Its results are lists; what it is asked for is recorded. It lacks the operations `without`."""

    completed: list[fw.CompletedTransfer] = field(default_factory=list)
    changes: list[fw.DUStateChange] = field(default_factory=list)
    queued: list[fw.QueuedTransfer] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    rebooted: trio.Event = field(default_factory=trio.Event)
    reboots: list[str] = field(default_factory=list)
    resets: int = 0
    fault: Fault | None = None
    without: frozenset[str] = frozenset()

    @property
    def downloads(self) -> list[fw.Download]:
        return [order for order in self.orders if isinstance(order, fw.Download)]

    async def serve(self, runtime: Runtime) -> None:
        async def get_completed(_args: Empty, _id: str) -> fw.CompletedTransfers:
            return fw.CompletedTransfers(list(self.completed))

        async def acknowledge(args: fw.TransferId, _id: str) -> Empty:
            self.acknowledged.append(args.id)
            self.completed = [t for t in self.completed if t.id != args.id]
            return Empty()

        async def get_du_changes(_args: Empty, _id: str) -> fw.DUStateChanges:
            return fw.DUStateChanges(list(self.changes))

        async def acknowledge_du_change(args: fw.ChangeId, _id: str) -> Empty:
            self.acknowledged.append(args.id)
            self.changes = [c for c in self.changes if c.id != args.id]
            return Empty()

        async def started(args: Any, _id: str) -> fw.TransferStarted:
            await order(args, _id)
            return fw.TransferStarted(1, fw.UNKNOWN_TIME, fw.UNKNOWN_TIME)

        async def order(args: Any, _id: str) -> Empty:
            if self.fault is not None:
                raise self.fault
            self.orders.append(args)
            return Empty()

        async def get_queued(_args: Empty, _id: str) -> fw.QueuedTransfers:
            return fw.QueuedTransfers(list(self.queued))

        async def reboot(args: fw.Reboot, _id: str) -> Empty:
            self.reboots.append(args.command_key)
            self.rebooted.set()
            return Empty()

        async def factory_reset(_args: fw.FactoryReset, _id: str) -> Empty:
            self.resets += 1
            self.rebooted.set()
            return Empty()

        handlers: list[tuple[Any, Any]] = [
            (fw.GET_COMPLETED, get_completed),
            (fw.ACKNOWLEDGE, acknowledge),
            (fw.GET_DU_CHANGES, get_du_changes),
            (fw.ACKNOWLEDGE_DU_CHANGE, acknowledge_du_change),
            (fw.DOWNLOAD, started),
            (fw.UPLOAD, started),
            (fw.SCHEDULE_DOWNLOAD, order),
            (fw.CANCEL_TRANSFER, order),
            (fw.CHANGE_DU_STATE, order),
            (fw.GET_QUEUED, get_queued),
            (fw.REBOOT, reboot),
            (fw.FACTORY_RESET, factory_reset),
        ]
        for operation, handler in handlers:
            if operation.name not in self.without:
                runtime.peers.answer(operation, handler)
        await runtime.peers.ready()
        await trio.sleep_forever()


def transfer(key: str, number: int = 1, fault: int = 0) -> fw.CompletedTransfer:
    time = "2026-01-05T09:00:00Z"
    return fw.CompletedTransfer(f"t-{number}", "Download", key, fault, "failed" if fault else "", time, time)
