"""Request and reply over events that may be lost, repeated, or meet a service that has just restarted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from cwmp.contract import Empty, Fact, Fault, Operation, ParameterFault
from cwmp.contract.operations import get_operations
from cwmp.runtime import Peers, StreamLost
from ubuskit.client import Client, open_client

LOG = logging.getLogger("test.peers")


@dataclass(frozen=True, slots=True)
class Number:
    value: int


@dataclass(frozen=True, slots=True)
class Rows:
    names: list[str]
    values: list[str]
    key: str = ""


DOUBLE = Operation("datamodel", "double", Number, Number)
STORE = Operation("datamodel", "store", Rows, Number, staged=("names", "values"))
COUNT = Operation("datamodel", "count", Number, Rows, paged=True)
CHANGED = Fact("datamodel", "changed", Number)

Tap = Callable[[dict[str, Any]], bool]


@asynccontextmanager
async def peers(
    name: str, bus: Path, register: Callable[[Peers], None] = lambda _: None
) -> AsyncIterator[Peers]:
    async with open_client(str(bus)) as client, trio.open_nursery() as nursery:
        found = Peers(name, client, nursery, LOG)
        register(found)
        await found.ready()
        yield found
        nursery.cancel_scope.cancel()


def doubling(calls: list[str]) -> Callable[[Peers], None]:
    async def double(args: Number, request_id: str) -> Number:
        calls.append(request_id)
        return Number(args.value * 2)

    return lambda p: p.answer(DOUBLE, double)


async def test_a_request_is_answered(bus: Path) -> None:
    calls: list[str] = []
    async with peers("datamodel", bus, doubling(calls)), peers("session", bus) as session:
        assert await session.request(DOUBLE, Number(21)) == Number(42)
    assert len(calls) == 1


async def test_many_requests_at_once_find_their_own_answers(bus: Path) -> None:
    async with peers("datamodel", bus, doubling([])), peers("session", bus) as session:
        results: dict[int, int] = {}

        async def ask(value: int) -> None:
            results[value] = (await session.request(DOUBLE, Number(value))).value

        async with trio.open_nursery() as nursery:
            for value in range(40):
                nursery.start_soon(ask, value)
        assert results == {value: value * 2 for value in range(40)}


async def test_a_refusal_is_the_fault_that_was_raised(bus: Path) -> None:
    async def refuse(_args: Number, _id: str) -> Number:
        raise Fault(9003, "Invalid arguments", [ParameterFault("Device.X", 9007, "too long")])

    async with peers("datamodel", bus, lambda p: p.answer(DOUBLE, refuse)), peers("session", bus) as session:
        with pytest.raises(Fault, match=r"Device\.X: 9007 too long") as caught:
            await session.request(DOUBLE, Number(1))
        assert caught.value.code == 9003


async def test_a_bug_in_a_handler_is_logged_and_answered_9002(
    bus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(_args: Number, _id: str) -> Number:
        raise ZeroDivisionError

    async with peers("datamodel", bus, lambda p: p.answer(DOUBLE, crash)), peers("session", bus) as session:
        with pytest.raises(Fault, match="internal error of datamodel") as caught:
            await session.request(DOUBLE, Number(1))
    assert caught.value.code == 9002
    assert "ZeroDivisionError" in caplog.text


async def test_an_unknown_operation_is_9000(bus: Path) -> None:
    async with peers("datamodel", bus), peers("session", bus) as session:
        with pytest.raises(Fault, match="datamodel has no operation 'double'") as caught:
            await session.request(DOUBLE, Number(1))
    assert caught.value.code == 9000


async def test_a_service_says_what_it_answers(bus: Path) -> None:
    async with peers("datamodel", bus, doubling([])), peers("session", bus) as session:
        found = await session.request(get_operations("datamodel"), Empty())
        assert found.names == ["double", "get_operations"]


async def test_wrong_arguments_name_the_field(bus: Path, client: Client) -> None:
    replies: list[dict[str, Any]] = []
    got = trio.Event()

    def on_reply(_event: str, table: dict[str, Any]) -> None:
        replies.append(table)
        got.set()

    async with peers("datamodel", bus, doubling([])):
        await client.listen("cwmp.probe.reply", on_reply)
        request = {"id": "1", "from": "probe", "op": "double", "args": {"value": "x"}}
        await client.send("cwmp.datamodel.request", request)
        await got.wait()
    assert replies[0]["state"] == "fault"
    assert "Number.value: expected int, got str" in replies[0]["fault"]["text"]


async def test_without_an_answer_the_deadline_names_service_and_operation(
    own_bus: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with peers("session", own_bus) as session:
        with pytest.raises(Fault, match="datamodel did not answer double within 30 s") as caught:
            await session.request(DOUBLE, Number(1))
    assert caught.value.code == 9002


async def test_a_service_that_comes_up_later_is_asked_again(bus: Path) -> None:
    calls: list[str] = []
    async with peers("session", bus) as session, trio.open_nursery() as nursery:
        result: list[Number] = []

        async def ask() -> None:
            result.append(await session.request(DOUBLE, Number(4)))

        async with heard(bus, "cwmp.datamodel.request") as requests:
            nursery.start_soon(ask)
            await requests.receive()
        async with peers("datamodel", bus, doubling(calls)):
            with trio.fail_after(5):
                while not result:
                    await trio.testing.wait_all_tasks_blocked(0.01)
    assert result == [Number(8)]
    assert len(calls) == 1


async def test_a_repeated_request_runs_once_and_gets_the_same_answer(bus: Path, client: Client) -> None:
    calls: list[str] = []
    running, finish = trio.Event(), trio.Event()

    async def slow(args: Number, request_id: str) -> Number:
        calls.append(request_id)
        running.set()
        await finish.wait()
        return Number(args.value * 2)

    async with (
        peers("datamodel", bus, lambda p: p.answer(DOUBLE, slow)),
        heard(bus, "cwmp.probe.reply") as replies,
    ):
        request = {"id": "probe-1", "from": "probe", "op": "double", "args": {"value": 5}}
        await client.send("cwmp.datamodel.request", request)
        await running.wait()
        await client.send("cwmp.datamodel.request", request)
        assert await replies.receive() == {"id": "probe-1", "state": "working"}
        finish.set()
        done = {"id": "probe-1", "state": "done", "result": {"value": 10}}
        assert await replies.receive() == done
        await client.send("cwmp.datamodel.request", request)
        assert await replies.receive() == done
    assert calls == ["probe-1"]


@pytest.mark.parametrize(
    "garbage",
    [
        {},
        {"id": 1, "from": "probe", "op": "double"},
        {"id": "x", "from": "../../etc", "op": "double"},
        {"id": "x" * 1000, "from": "probe", "op": "double"},
        {"id": "x", "from": "probe", "op": 7},
        {"id": "x", "from": "probe", "op": "double", "args": "none"},
        {"id": "x", "from": "probe", "op": "double", "page": "a", "pages": []},
    ],
)
async def test_garbage_is_survived(bus: Path, client: Client, garbage: dict[str, Any]) -> None:
    async with peers("datamodel", bus, doubling([])), peers("session", bus) as session:
        await client.send("cwmp.datamodel.request", garbage)
        await client.send("cwmp.session.reply", garbage)
        assert await session.request(DOUBLE, Number(1)) == Number(2)


async def test_a_large_request_travels_in_pages_and_runs_once(bus: Path) -> None:
    names = [f"Device.X_EXAMPLE_Table.{i}.Name" for i in range(6000)]
    stored: list[Rows] = []

    async def store(args: Rows, _id: str) -> Number:
        stored.append(args)
        return Number(len(args.names))

    async with (
        heard(bus, "cwmp.datamodel.request") as requests,
        peers("datamodel", bus, lambda p: p.answer(STORE, store)),
        peers("session", bus) as session,
    ):
        sent = Rows(names, [str(i) for i in range(6000)], key="k")
        assert await session.request(STORE, sent) == Number(6000)
        first = await requests.receive()
        assert first["pages"] > 5
        assert first["args"]["key"] == "k"
    assert stored == [sent]


async def test_a_large_request_starts_over_at_a_service_that_restarted(bus: Path, client: Client) -> None:
    """Page 1 meets a service that has never seen page 0: it asks for page 0."""
    async with (
        peers("datamodel", bus, lambda p: p.answer(STORE, _never)),
        heard(bus, "cwmp.probe.reply") as replies,
    ):
        page = {"names": ["b"], "values": ["2"]}
        request = {"id": "p-1", "from": "probe", "op": "store", "args": page, "page": 1, "pages": 2}
        await client.send("cwmp.datamodel.request", request)
        assert await replies.receive() == {"id": "p-1", "state": "part", "cursor": 0}


async def _never(_args: Rows, _id: str) -> Number:
    raise AssertionError("must not run")


async def count(args: Number, _id: str) -> AsyncIterator[Rows]:
    for page in range(args.value):
        yield Rows([f"{page}.{i}" for i in range(500)], ["x" * 40] * 500)


async def test_a_large_result_is_a_stream_of_pages(bus: Path) -> None:
    async with peers("datamodel", bus, lambda p: p.answer(COUNT, count)), peers("session", bus) as session:
        for pages in (0, 1, 2, 50):
            async with session.stream(COUNT, Number(pages)) as stream:
                names = [name async for page in stream for name in page.names]
            assert names == [f"{page}.{i}" for page in range(pages) for i in range(500)]


async def test_a_fault_in_the_middle_of_a_stream_reaches_the_requester(bus: Path) -> None:
    async def broken(_args: Number, _id: str) -> AsyncIterator[Rows]:
        yield Rows(["a"], ["1"])
        yield Rows(["b"], ["2"])
        raise Fault(9002, "the source went away")

    async with peers("datamodel", bus, lambda p: p.answer(COUNT, broken)), peers("session", bus) as session:
        with pytest.raises(Fault, match="the source went away"):
            async with session.stream(COUNT, Number(1)) as stream:
                async for _ in stream:
                    pass


async def test_a_service_that_restarts_in_the_middle_of_a_stream_is_noticed(bus: Path) -> None:
    async with peers("session", bus) as session, session.stream(COUNT, Number(10)) as stream:
        async with peers("datamodel", bus, lambda p: p.answer(COUNT, count)):
            await anext(stream)
        async with peers("datamodel", bus, lambda p: p.answer(COUNT, count)):
            with pytest.raises(StreamLost, match="datamodel restarted while answering count"):
                async for _ in stream:
                    pass


async def test_an_abandoned_stream_is_closed(own_bus: Path, autojump_clock: trio.testing.MockClock) -> None:
    closed = trio.Event()

    async def endless(_args: Number, _id: str) -> AsyncIterator[Rows]:
        try:
            while True:
                yield Rows(["a"], ["1"])
        finally:
            closed.set()

    async with (
        peers("datamodel", own_bus, lambda p: p.answer(COUNT, endless)),
        peers("session", own_bus) as session,
    ):
        async with session.stream(COUNT, Number(1)) as stream:
            await anext(stream)
        with trio.fail_after(120):
            await closed.wait()


async def test_facts_arrive_in_order_and_wrong_ones_are_reported(
    bus: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    values: list[int] = []
    done = trio.Event()

    def hear(message: Number) -> None:
        values.append(message.value)
        if message.value == 49:
            done.set()

    async with peers("session", bus) as session, peers("datamodel", bus) as datamodel:
        await session.hear(CHANGED, hear)
        await client.send(CHANGED.event, {"value": "seven"})
        for value in range(50):
            await datamodel.tell(CHANGED, Number(value))
        await done.wait()
    assert values == list(range(50))
    assert "Number.value: expected int, got str" in caplog.text


async def test_an_other_version_of_the_contract_is_reported(
    bus: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    ready = trio.Event()
    async with peers("session", bus) as session:
        session.on_ready("datamodel", ready.set)
        await client.send("cwmp.datamodel.ready", {"version": 99})
        await ready.wait()
    assert "version 99 of the event contract" in caplog.text


def test_nobody_answers_for_another_service() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            found = Peers("session", None, nursery, LOG)  # type: ignore[arg-type]  # never used
            with pytest.raises(ValueError, match="session cannot answer for datamodel"):
                found.answer(DOUBLE, _identity)

    trio.run(main)


async def _identity(args: Number, _id: str) -> Number:
    return args


async def test_messages_without_fields(bus: Path) -> None:
    poke = Operation("datamodel", "poke", Empty, Empty)

    async def answer(_args: Empty, _id: str) -> Empty:
        return Empty()

    async with peers("datamodel", bus, lambda p: p.answer(poke, answer)), peers("session", bus) as session:
        assert await session.request(poke, Empty()) == Empty()


@asynccontextmanager
async def heard(bus: Path, pattern: str) -> AsyncIterator[trio.MemoryReceiveChannel[dict[str, Any]]]:
    """The tables of all events that match, as they pass."""
    send, receive = trio.open_memory_channel[dict[str, Any]](1000)
    async with open_client(str(bus)) as client:
        await client.listen(pattern, lambda _event, table: send.send_nowait(table))
        yield receive
