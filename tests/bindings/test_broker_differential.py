"""The same traffic to our broker and to the real daemon gives the same answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ubuskit import blobmsg
from ubuskit.protocol import (
    EVENT_OBJECT,
    AddObject,
    Data,
    Invoke,
    Lookup,
    Message,
    Notify,
    Ping,
    RemoveObject,
    Subscribe,
    Unsubscribe,
    pack_frame,
    parse,
)

SIGNATURE = blobmsg.encode({"get": {}, "set": {"value": 3}})
PATHS = ["a", "a.b", "ab", "b", "b.c"]
PATTERNS = ["a", "a*", "a.*", "b", "*", "b.c", ""]

Step = tuple[Any, ...]

peers = st.integers(0, 2)
objects = st.integers(0, 5)  # the n-th object of a conversation, or one that is not there
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("add"), peers, st.sampled_from([*PATHS, None])),
    st.tuples(st.just("remove"), peers, objects),
    st.tuples(st.just("lookup"), peers, st.sampled_from([*PATHS, *PATTERNS, None])),
    st.tuples(st.just("register"), peers, objects, st.sampled_from(PATTERNS)),
    st.tuples(st.just("send"), peers, st.sampled_from([*PATHS, "ubus.x"])),
    st.tuples(st.just("subscribe"), peers, objects, objects),
    st.tuples(st.just("unsubscribe"), peers, objects, objects),
    st.tuples(st.just("notify"), peers, objects, st.booleans()),
    st.tuples(st.just("invoke"), peers, objects, st.sampled_from(["get", "nothing"])),
    st.tuples(st.just("ping"), peers),
    st.tuples(st.just("raw"), peers, st.integers(0, 11)),
)


class Conversation:
    """Three clients play a script; what each is told is kept with the ids it holds replaced by names."""

    def __init__(self, clients: list[Any]) -> None:
        self._clients = clients
        self._objects: list[int] = []
        self._names = {client.client_id: f"client {number}" for number, client in enumerate(clients)}
        self.told: list[list[Any]] = [[] for _ in clients]

    def _id(self, number: int) -> int:
        return self._objects[number] if number < len(self._objects) else 4_000_000_000

    def _message(self, step: Step) -> tuple[Message, int]:
        match step:
            case ("add", _, path):
                return AddObject(path, None if path is None else SIGNATURE), 0
            case ("remove", _, number):
                return RemoveObject(self._id(number)), 0
            case ("lookup", _, path):
                return Lookup(path), 0
            case ("register", _, number, pattern):
                ident = self._id(number)
                args = {
                    "object": blobmsg.Int32(ident - (1 << 32) if ident >= 1 << 31 else ident),
                    "pattern": pattern,
                }
                return Invoke(EVENT_OBJECT, "register", blobmsg.encode(args)), EVENT_OBJECT
            case ("send", _, name):
                args = {"id": name, "data": {"x": 1}}
                return Invoke(EVENT_OBJECT, "send", blobmsg.encode(args)), EVENT_OBJECT
            case ("subscribe", _, number, target):
                return Subscribe(self._id(number), self._id(target)), 0
            case ("unsubscribe", _, number, target):
                return Unsubscribe(self._id(number), self._id(target)), 0
            case ("notify", _, number, no_reply):
                return Notify(self._id(number), "tick", b"", no_reply), self._id(number)
            case ("invoke", _, number, method):
                return Invoke(self._id(number), method, b""), self._id(number)
            case _:
                return Ping(), 7

    async def play(self, step: Step) -> None:
        client = self._clients[step[1]]
        if step[0] == "raw":  # a message of that type without any attribute
            await client.stream.send_all(pack_frame(step[2], 999, 5, b""))
        else:
            message, peer = self._message(step)
            await client.send(message, 500, peer)
        await self._settle(step[1])
        for other in range(len(self._clients)):
            await self._settle(other)

    async def _settle(self, number: int) -> None:
        """Everything the daemon had for this client is read when it answers a ping."""
        client, told = self._clients[number], self.told[number]
        await client.send(Ping(), 60_000, 60_000)
        while True:
            frame = await client.next_frame()
            if frame.seq == 60_000:
                if frame.type == 1:
                    return
                continue
            told.append(self._named(frame))

    def _named(self, frame: Any) -> Any:
        message = parse(frame)
        if isinstance(message, Data) and message.objid is not None and message.objid not in self._names:
            self._names[message.objid] = f"object {len(self._objects)}"
            self._objects.append(message.objid)
        shown: list[Any] = [type(message).__name__, frame.seq, self._names.get(frame.peer, frame.peer)]
        for field in message.__slots__:
            value = getattr(message, field)
            if field in ("data", "signature") and value is not None:
                value = blobmsg.decode(value)
                if isinstance(value.get("id"), int):
                    value["id"] = self._names.get(value["id"] & 0xFFFFFFFF, "new")
            elif field in ("objid", "target"):
                value = self._names.get(value, value)
            elif field == "objtype":
                value = value is not None
            elif field == "subscribers" and value is not None:
                value = tuple(self._names.get(ident, ident) for ident in value)
            shown.append(value)
        if isinstance(message, Invoke) and frame.peer == 0:
            shown[1] = "event"  # numbered per daemon, which outlives a conversation
        return shown


@asynccontextmanager
async def conversation(path: str, raw_peer: Any) -> AsyncIterator[Conversation]:
    async with raw_peer(path) as first, raw_peer(path) as second, raw_peer(path) as third:
        yield Conversation([first, second, third])


async def test_the_same_script_the_same_answers(
    daemon_pair: tuple[str, str], raw_peer: Any, scripts: list[list[Step]]
) -> None:
    for script in scripts:
        told = []
        for path in daemon_pair:
            async with conversation(path, raw_peer) as talk:
                for step in script:
                    await talk.play(step)
                told.append(talk.told)
        assert told[0] == told[1], script


@pytest.fixture
def scripts() -> list[list[Step]]:
    """Scripts drawn once, since both daemons must be given the same in one event loop."""
    drawn: list[list[Step]] = []

    @settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(steps, min_size=15, max_size=30))
    def draw(script: list[Step]) -> None:
        drawn.append(script)

    draw()
    return drawn


@pytest.fixture
async def daemon_pair(
    broker_socket: str, real_daemon: Any, nursery: trio.Nursery, tmp_path: Path
) -> tuple[str, str]:
    await real_daemon.ready()
    return broker_socket, real_daemon.path
