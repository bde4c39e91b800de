"""A connection that is left and taken up again: the bus does not see a difference, and nothing is lost."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from ubuskit.client import Client, Dormant, Method, Request, open_client
from ubuskit.errors import NotFound


async def echo(request: Request) -> Mapping[str, Any]:
    return {"said": request.args.get("text", "")}


METHODS = {"echo": Method(echo, {"text": str})}


async def left(bus: Path, events: list[str] | None = None) -> Dormant:
    """The connection of a client that had an object and two listeners, of which one is kept."""
    heard = [] if events is None else events
    async with open_client(str(bus)) as client:
        await client.add_object("sleeper", METHODS)
        await client.listen("sleeper.request", lambda event, _: heard.append(event))
        await client.listen("noise", lambda event, _: heard.append(event))
        dormant = await client.leave(keep=("sleeper.request",), when=lambda: True)
        assert dormant is not None
        return Dormant.from_document(dormant.to_document(), dormant.connected)


async def identity(client: Client) -> list[int]:
    return [found.id for found in await client.lookup("sleeper")]


async def test_the_object_stays_under_its_id_and_calls_wait(bus: Path) -> None:
    with trio.fail_after(10):
        async with open_client(str(bus)) as other:
            dormant = await left(bus)
            before = await identity(other)
            assert len(before) == 1
            answers: list[dict[str, Any]] = []
            async with trio.open_nursery() as nursery:

                async def call() -> None:
                    answers.append(await other.call("sleeper", "echo", {"text": "there?"}))

                nursery.start_soon(call)
                await trio.lowlevel.wait_readable(dormant.connected)
                async with open_client(str(bus), dormant=dormant) as client:
                    await client.add_object("sleeper", METHODS)
                    await other.call("sleeper", "echo", {"text": "again"})
                    assert answers == [{"said": "there?"}]
                    assert await identity(other) == before


async def test_events_that_were_kept_wait_and_others_do_not_wake(bus: Path) -> None:
    with trio.fail_after(10):
        async with open_client(str(bus)) as other:
            events: list[str] = []
            dormant = await left(bus, events)
            await other.send("noise", {})
            await other.lookup("sleeper")  # after that, an event that anybody hears would have been written
            with pytest.raises(BlockingIOError):
                dormant.connected.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            await other.send("sleeper.request", {"number": 1})
            await other.send("sleeper.request", {"number": 2})
            numbers, arrived = trio.open_memory_channel[int](10)
            async with open_client(str(bus), dormant=dormant) as client:
                await client.add_object("sleeper", METHODS)
                await client.listen("sleeper.request", lambda _, data: numbers.send_nowait(data["number"]))
                assert [await arrived.receive() for _ in range(2)] == [1, 2]
                await other.send("sleeper.request", {"number": 3})
                assert await arrived.receive() == 3
            assert events == []


async def test_a_busy_connection_is_not_left(bus: Path) -> None:
    entered, release = trio.Event(), trio.Event()

    async def slow(_request: Request) -> None:
        entered.set()
        await release.wait()

    with trio.fail_after(10):
        async with open_client(str(bus)) as other, open_client(str(bus)) as client:
            await client.add_object("sleeper", {"slow": Method(slow)})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(other.call, "sleeper", "slow")
                await entered.wait()
                assert await client.leave(keep=(), when=lambda: True) is None
                release.set()
            await other.subscribe("sleeper", lambda _kind, _data: None)
            assert await client.leave(keep=(), when=lambda: True) is None


async def test_who_changes_his_mind_hears_everything_again(bus: Path) -> None:
    with trio.fail_after(10):
        async with open_client(str(bus)) as other, open_client(str(bus)) as client:
            heard, arrived = trio.open_memory_channel[str](10)
            target = await other.add_object("target", {})
            await client.listen("noise", lambda event, _: heard.send_nowait(event))
            subscription = await client.subscribe("target", lambda kind, _: heard.send_nowait(kind))
            assert await client.leave(keep=(), when=lambda: False) is None
            await other.send("noise", {})
            assert await arrived.receive() == "noise"
            await subscription.wait_active()
            await target.notify("changed", {})
            assert await arrived.receive() == "changed"


async def test_a_connection_that_ended_meanwhile_is_made_anew(bus: Path) -> None:
    with trio.fail_after(10):
        async with open_client(str(bus)) as other:
            dormant = await left(bus)
            dormant.connected.shutdown(socket.SHUT_RDWR)
            back = trio.Event()
            await other.listen("ubus.object.add", lambda _event, _data: back.set())
            async with open_client(str(bus), dormant=dormant) as client:
                await client.add_object("sleeper", METHODS)
                await back.wait()
                assert await other.call("sleeper", "echo", {"text": "new"}) == {"said": "new"}


async def test_what_nobody_claims_is_refused_once_too_much_of_it_came(bus: Path) -> None:
    with trio.fail_after(20):
        async with open_client(str(bus)) as other:
            dormant = await left(bus)
            async with open_client(str(bus), dormant=dormant), trio.open_nursery() as nursery:
                refused = trio.Event()

                async def call() -> None:
                    with pytest.raises(NotFound):
                        await other.call("sleeper", "echo")
                    refused.set()

                for _ in range(513):
                    nursery.start_soon(call)
                await refused.wait()
                nursery.cancel_scope.cancel()
