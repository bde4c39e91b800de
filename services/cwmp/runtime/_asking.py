"""The asking side of `peers`: requests that are sent until they are answered."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import trio

from cwmp.contract import Fault, FaultCode, MessageError, Operation, from_table, to_table
from ubuskit.client import Client
from ubuskit.errors import MessageTooLarge, UbusError

A = TypeVar("A")
R = TypeVar("R")

_RESEND_FIRST = 1.0
_RESEND_MOST = 8.0
_STAGED_PAGE_BYTES = 32 * 1024


class StreamLost(Fault):
    """The answering service restarted in the middle of a paged result: ask again from the beginning."""

    def __init__(self, operation: Operation[Any, Any]) -> None:
        super().__init__(
            FaultCode.INTERNAL_ERROR, f"{operation.service} restarted while answering {operation.name}"
        )


@dataclass(slots=True, eq=False)
class _Call:
    """One of our requests. `replies` brings reply tables, or None as a hint to send again."""

    id: str
    operation: Operation[Any, Any]
    replies: trio.MemoryReceiveChannel[Mapping[str, Any] | None]
    deliver: trio.MemorySendChannel[Mapping[str, Any] | None]

    def post(self, item: Mapping[str, Any] | None) -> None:
        with suppress(
            trio.WouldBlock, trio.BrokenResourceError
        ):  # the requester sends again if it misses one
            self.deliver.send_nowait(item)


class Asker:
    """Requests of the service `name` to the others."""

    def __init__(self, name: str, bus: Client) -> None:
        self._name = name
        self._bus = bus
        self._prefix = f"{name}-{secrets.token_hex(4)}-"
        self._count = 0
        self._calls: dict[str, _Call] = {}

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._calls)

    async def request(self, op: Operation[A, R], args: A, *, deadline: float = 30.0) -> R:
        """Ask a service for something and wait for its answer, at most `deadline` seconds.

        Raises:
            Fault: the service's refusal; 9002 when it did not answer in time.
        """
        with self._call(op) as call:
            reply = await self._ask(call, args, deadline)
            return self._result(op, reply)

    @asynccontextmanager
    async def stream(
        self, op: Operation[A, R], args: A, *, deadline: float = 30.0
    ) -> AsyncIterator[AsyncIterator[R]]:
        """Ask for a paged result; inside the block, iterate over its pages. `deadline` is for each page.

        Raises:
            StreamLost: the service restarted midway; begin again.
            Fault: as for `request`.
        """
        with self._call(op) as call:

            async def pages() -> AsyncIterator[R]:
                reply = await self._ask(call, args, deadline)
                cursor = 0
                while True:
                    if "result" in reply:
                        yield self._result(op, reply)
                    if reply["state"] != "part":
                        return
                    cursor += 1
                    reply = await self._exchange(
                        call,
                        {"id": call.id, "from": self._name, "op": op.name, "cursor": cursor},
                        _page(cursor),
                        deadline,
                    )

            async with aclosing(cast(Any, pages())) as iterator:
                yield iterator

    @contextmanager
    def _call(self, op: Operation[Any, Any]) -> Iterator[_Call]:
        """A call that replies find for as long as somebody waits for them."""
        self._count += 1
        send, receive = trio.open_memory_channel[Mapping[str, Any] | None](8)
        call = _Call(f"{self._prefix}{self._count}", op, receive, send)
        self._calls[call.id] = call
        try:
            yield call
        finally:
            del self._calls[call.id]
            send.close()
            receive.close()

    async def _ask(self, call: _Call, args: Any, deadline: float) -> Mapping[str, Any]:
        """Send the request, page by page if it is large; its first reply that is not an acknowledgement."""
        op = call.operation
        base: dict[str, Any] = {"id": call.id, "from": self._name, "op": op.name}
        tables = _cut(to_table(args), op.staged)
        if len(tables) == 1:
            return await self._exchange(call, {**base, "args": tables[0]}, _is_answer, deadline)
        page = 0
        with trio.move_on_after(deadline):
            while True:
                reply = await self._exchange(
                    call,
                    {**base, "args": tables[page], "page": page, "pages": len(tables)},
                    _answer_or_cursor(0, page + 1),
                    deadline,
                )
                if _is_answer(reply):
                    return reply
                page = min(int(reply["cursor"]), len(tables) - 1)
        raise self._unanswered(op, deadline)

    async def _exchange(
        self,
        call: _Call,
        table: dict[str, Any],
        accept: Callable[[Mapping[str, Any]], bool],
        deadline: float,
    ) -> Mapping[str, Any]:
        """Send `table` until a reply comes that `accept` takes. Faults and ``lost`` are raised."""
        interval = _RESEND_FIRST
        with trio.move_on_after(deadline):
            await self._send(f"cwmp.{call.operation.service}.request", table)
            while True:
                reply: Mapping[str, Any] | None = None
                with trio.move_on_after(interval):
                    reply = await call.replies.receive()
                if reply is None:
                    interval = min(interval * 2, _RESEND_MOST)
                    await self._send(f"cwmp.{call.operation.service}.request", table)
                elif reply.get("state") == "fault":
                    fault = reply.get("fault")
                    raise Fault.from_table(fault if isinstance(fault, dict) else {})
                elif reply.get("state") == "lost":
                    raise StreamLost(call.operation)
                elif reply.get("state") == "working":
                    interval = _RESEND_MOST
                elif reply.get("state") in {"done", "part"} and accept(reply):
                    return reply
        raise self._unanswered(call.operation, deadline)

    async def _send(self, event: str, table: dict[str, Any]) -> None:
        try:
            await self._bus.send(event, table)
        except MessageTooLarge:
            raise Fault(
                FaultCode.RESOURCES_EXCEEDED, f"{table.get('op', event)}: larger than a ubus message may be"
            ) from None
        except UbusError:
            await self._bus.wait_connected()  # the caller's deadline bounds this; it sends again

    @staticmethod
    def _unanswered(op: Operation[Any, Any], deadline: float) -> Fault:
        return Fault(
            FaultCode.INTERNAL_ERROR,
            f"{op.service} did not answer {op.name} within {deadline:g} s: is cwmp.{op.service} running?",
        )

    @staticmethod
    def _result(op: Operation[Any, R], reply: Mapping[str, Any]) -> R:
        result = reply.get("result", {})
        try:
            return from_table(op.result, result if isinstance(result, dict) else {})
        except MessageError as error:
            raise Fault(FaultCode.INTERNAL_ERROR, f"{op.service} answered {op.name} with {error}") from None

    def on_reply(self, _event: str, table: dict[str, Any]) -> None:
        """A reply event came from the bus."""
        call = self._calls.get(str(table.get("id")))
        if call is not None:
            call.post(table)

    def send_again(self, service: str | None = None) -> None:
        """Whatever waits for `service` (None: for anybody) is sent again at once."""
        for call in list(self._calls.values()):
            if service in {None, call.operation.service}:
                call.post(None)


def _is_answer(reply: Mapping[str, Any]) -> bool:
    """Whether a reply is more than the acknowledgement of a page of the request."""
    return reply["state"] != "part" or "result" in reply


def _answer_or_cursor(*cursors: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda reply: _is_answer(reply) or reply.get("cursor") in cursors


def _page(cursor: int) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a reply brings page `cursor` of a result, rather than an earlier one once more."""
    return lambda reply: reply["state"] != "part" or reply.get("cursor") == cursor + 1


def _cut(table: dict[str, Any], staged: tuple[str, ...]) -> list[dict[str, Any]]:
    """The arguments in pages of about `_STAGED_PAGE_BYTES`: the staged lists cut, the rest in the first."""
    lists = [key for key in staged if key in table]
    if not lists:
        return [table]
    rows = len(table[lists[0]])
    pages: list[dict[str, Any]] = []
    begin = size = 0
    for row in range(rows):
        size += sum(len(str(table[key][row])) + 12 for key in lists)
        if size >= _STAGED_PAGE_BYTES:
            pages.append({key: table[key][begin : row + 1] for key in lists})
            begin, size = row + 1, 0
    if begin < rows or not pages:
        pages.append({key: table[key][begin:] for key in lists})
    pages[0] = {**{key: value for key, value in table.items() if key not in lists}, **pages[0]}
    return pages
