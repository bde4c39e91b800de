"""The answering side of `peers`: operations that run once however often their request arrives."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import trio

from cwmp.contract import Empty, Fault, FaultCode, MessageError, Operation, from_table, to_table
from cwmp.contract.operations import Operations, get_operations
from ubuskit.client import Client
from ubuskit.errors import MessageTooLarge, UbusError

A = TypeVar("A")
R = TypeVar("R")

_STREAM_IDLE = 60.0
_MAX_RUNNING = 64
_MAX_ANSWERED = 64
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(slots=True, eq=False)
class _Job:
    """One request of somebody else's: what is staged of it, and the last reply it was given."""

    id: str
    requester: str
    operation: Operation[Any, Any]
    args: dict[str, Any] = field(default_factory=dict)
    staged: int = 0
    started: bool = False
    finished: bool = False
    reply: dict[str, Any] | None = None
    wanted: int = 0
    asked: trio.Event = field(default_factory=trio.Event)


_Handler = Callable[[Any, str], Any]


class Answerer:
    """What the service `name` does for the others."""

    def __init__(self, name: str, bus: Client, nursery: trio.Nursery, log: logging.Logger) -> None:
        self._name = name
        self._bus = bus
        self._nursery = nursery
        self._log = log
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._handlers: dict[str, tuple[Operation[Any, Any], _Handler]] = {}
        self.asked_at = trio.current_time()
        self._outbox, self._out = trio.open_memory_channel[tuple[str, dict[str, Any]]](256)
        self.answer(get_operations(name), self._get_operations)

    @property
    def busy(self) -> bool:
        """Whether a request is not answered yet, or its answer not sent."""
        waiting = self._outbox.statistics().current_buffer_used
        return waiting > 0 or any(not job.finished for job in self._jobs.values())

    def answer(
        self,
        op: Operation[A, R],
        handler: Callable[[A, str], Awaitable[R]] | Callable[[A, str], AsyncIterator[R]],
    ) -> None:
        """Answer `op` with ``handler(args, id)``; for a paged operation the handler is an async generator.

        A Fault that the handler raises is the answer; any other exception is logged and answered 9002.
        """
        if op.service != self._name:
            raise ValueError(f"{self._name} cannot answer for {op.service}")
        self._handlers[op.name] = (op, handler)

    async def _get_operations(self, _args: Empty, _id: str) -> Operations:
        return Operations(sorted(self._handlers))

    def on_request(self, _event: str, table: dict[str, Any]) -> None:
        self.asked_at = trio.current_time()
        request_id, requester, name = table.get("id"), table.get("from"), table.get("op")
        if (
            not (isinstance(request_id, str) and 0 < len(request_id) <= 64)
            or not (isinstance(requester, str) and _NAME.fullmatch(requester))
            or not isinstance(name, str)
        ):
            self._log.warning("a request without a proper id, from and op was ignored")
            return
        job = self._jobs.get(request_id)
        if job is None:
            self._accept(request_id, requester, name, table)
        elif isinstance(cursor := table.get("cursor"), int):
            self._want(job, cursor)
        elif not job.started:
            self._stage(job, table)
        elif job.reply is not None:
            self._post(job, job.reply)
        else:
            self._post(job, {"id": job.id, "state": "working"})

    def _accept(self, request_id: str, requester: str, name: str, table: dict[str, Any]) -> None:
        found = self._handlers.get(name)
        if found is None:
            fault = Fault(FaultCode.METHOD_NOT_SUPPORTED, f"{self._name} has no operation '{name}'")
            self._reply(requester, {"id": request_id, "state": "fault", "fault": fault.to_table()})
            return
        if "cursor" in table:
            self._reply(requester, {"id": request_id, "state": "lost"})
            return
        if sum(not job.finished for job in self._jobs.values()) >= _MAX_RUNNING:
            fault = Fault(FaultCode.RESOURCES_EXCEEDED, f"{self._name} is busy with {_MAX_RUNNING} requests")
            self._reply(requester, {"id": request_id, "state": "fault", "fault": fault.to_table()})
            return
        job = self._jobs[request_id] = _Job(request_id, requester, found[0])
        self._stage(job, table)

    def _stage(self, job: _Job, table: dict[str, Any]) -> None:
        """Take one page of the arguments; start when they are complete."""
        args, page, pages = table.get("args", {}), table.get("page", 0), table.get("pages", 1)
        if not isinstance(args, dict) or not isinstance(page, int) or not isinstance(pages, int):
            self._refuse(job, Fault(FaultCode.INTERNAL_ERROR, f"{job.operation.name}: malformed request"))
            return
        if page == job.staged:
            for key, value in args.items():
                if page and key in job.operation.staged and isinstance(value, list):
                    job.args.setdefault(key, []).extend(value)
                else:
                    job.args[key] = value
            job.staged += 1
        if job.staged < pages:
            self._post(job, {"id": job.id, "state": "part", "cursor": job.staged})
            return
        job.started = True
        self._nursery.start_soon(self._run, job)

    async def _run(self, job: _Job) -> None:
        handler = self._handlers[job.operation.name][1]
        try:
            args = from_table(job.operation.args, job.args)
            job.args = {}
            if job.operation.paged:
                await self._run_paged(job, handler(args, job.id))
                return
            result = await handler(args, job.id)
            reply = {"id": job.id, "state": "done", "result": to_table(result)}
        except Fault as fault:
            self._refuse(job, fault)
        except MessageError as error:
            self._refuse(job, Fault(FaultCode.INTERNAL_ERROR, f"{job.operation.name}: {error}"))
        except Exception:
            self._log.exception("%s failed", job.operation.name)
            self._refuse(job, Fault(FaultCode.INTERNAL_ERROR, f"internal error of {self._name}, see its log"))
        else:
            self._finish(job, reply)

    def _refuse(self, job: _Job, fault: Fault) -> None:
        self._finish(job, {"id": job.id, "state": "fault", "fault": fault.to_table()})

    async def _run_paged(self, job: _Job, pages: AsyncIterator[Any]) -> None:
        """Hand out pages as they are asked for; the next one is made while the requester digests the last."""
        async with aclosing(cast(Any, pages)) as source:
            cursor = 0
            held: dict[str, Any] | None = None
            async for page in source:
                if held is not None:
                    if not await self._asked_for(job, cursor):
                        return
                    cursor += 1
                    job.reply = {"id": job.id, "state": "part", "result": held, "cursor": cursor}
                    self._post(job, job.reply)
                held = to_table(page)
            if not await self._asked_for(job, cursor):
                return
        last: dict[str, Any] = {"id": job.id, "state": "done"}
        self._finish(job, last if held is None else {**last, "result": held})

    async def _asked_for(self, job: _Job, cursor: int) -> bool:
        """Wait until page `cursor` is wanted; False (and the job forgotten) when nobody asks any more."""
        with trio.move_on_after(_STREAM_IDLE):
            while job.wanted < cursor:
                job.asked = trio.Event()
                await job.asked.wait()
            return True
        self._jobs.pop(job.id, None)
        return False

    def _want(self, job: _Job, cursor: int) -> None:
        if cursor == job.wanted + 1 and not job.finished:
            job.wanted = cursor
            job.asked.set()
        elif job.reply is not None and (job.finished or job.reply.get("cursor") == cursor + 1):
            self._post(job, job.reply)
        else:
            self._post(job, {"id": job.id, "state": "working"})

    def _finish(self, job: _Job, reply: dict[str, Any]) -> None:
        job.started = job.finished = True
        job.reply = reply
        self._jobs.move_to_end(job.id)
        answered = [j.id for j in self._jobs.values() if j.finished]
        for old in answered[:-_MAX_ANSWERED]:
            del self._jobs[old]
        if job.operation.paged:  # large: only the newest is kept for replay
            for other in [
                j for j in self._jobs.values() if j.finished and j.operation.paged and j is not job
            ]:
                if other.requester == job.requester:
                    del self._jobs[other.id]
        self._post(job, reply)

    def _post(self, job: _Job, reply: dict[str, Any]) -> None:
        self._reply(job.requester, reply)

    def _reply(self, requester: str, reply: dict[str, Any]) -> None:
        try:
            self._outbox.send_nowait((f"cwmp.{requester}.reply", reply))
        except trio.WouldBlock:
            self._log.warning("too many replies waiting for the bus: one was left to be asked for again")

    async def send_replies(self) -> None:
        """Send what `on_request` and the operations answer; runs until it is cancelled."""
        async for event, reply in self._out:
            try:
                await self._bus.send(event, reply)
            except MessageTooLarge:
                fault = Fault(FaultCode.RESOURCES_EXCEEDED, "the answer is larger than a ubus message may be")
                await self._bus.send(event, {"id": reply["id"], "state": "fault", "fault": fault.to_table()})
            except UbusError:
                await self._bus.wait_connected()  # the requester asks again
