"""The real ubus command against our broker, and against the real daemon: the same words on the terminal."""

import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio

from ubuskit.client import Client, Method, Request
from ubuskit.protocol import MONITOR_OBJECT, Frame, Invoke, MessageType, Monitor, parse


async def greet(request: Request) -> dict[str, Any]:
    return {
        "greeting": f"hello {request.args.get('name', 'you')}",
        "user": request.user,
        "list": [1, {"deep": True}, []],
        "big": 1 << 40,
        "real": 0.5,
    }


async def three(request: Request) -> dict[str, int]:
    await request.reply({"part": 1})
    await request.reply({"part": 2})
    return {"part": 3}


METHODS = {
    "greet": Method(greet, {"name": str, "times": int, "flag": bool, "list": list, "table": dict}),
    "three": Method(three),
}


class Command:
    """Runs ``ubus -s SOCKET ...``."""

    def __init__(self, program: str, path: str) -> None:
        self._start = [program, "-s", path]
        self._opened: list[trio.Process] = []

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, output, errors."""
        with trio.fail_after(20):
            done = await trio.run_process(
                [*self._start, *arguments], capture_stdout=True, capture_stderr=True, check=False
            )
        output = re.sub(r"@[0-9a-f]{8}", "@ID", done.stdout.decode())
        return done.returncode, output, done.stderr.decode()

    async def open(self, *arguments: str) -> trio.Process:
        process = await trio.lowlevel.open_process([*self._start, *arguments], stdout=subprocess.PIPE)
        self._opened.append(process)
        return process

    async def end(self) -> None:
        for process in self._opened:
            assert process.stdout is not None
            process.kill()
            await process.wait()
            await process.stdout.aclose()


async def lines(process: trio.Process, count: int) -> list[str]:
    """The first lines it writes."""
    assert process.stdout is not None
    text = b""
    with trio.fail_after(20):
        while text.count(b"\n") < count:
            data = await process.stdout.receive_some(65536)
            assert data, text
            text += bytes(data)
    return text.decode().splitlines()[:count]


@pytest.fixture
async def ubus(ubus_command: str, bus_socket: str) -> AsyncIterator[Command]:
    command = Command(ubus_command, bus_socket)
    try:
        yield command
    finally:
        with trio.CancelScope(shield=True):
            await command.end()


@pytest.fixture
async def greeter(alice: Client) -> None:
    await alice.add_object("greeter", METHODS)


Watch = Callable[..., Awaitable[None]]


@pytest.fixture
async def watch(bus_socket: str, raw_peer: Any) -> AsyncIterator[Watch]:
    """``await watch(INVOKE, method)``: until somebody has sent that message, and it was answered."""
    async with raw_peer(bus_socket) as peer:
        await peer.exchange(Invoke(MONITOR_OBJECT, "add", b""))

        async def until(kind: int, method: str | None = None) -> None:
            waiting: set[tuple[int, int]] = set()
            while True:
                _, seen = await peer.next(Monitor)
                if seen.sent and seen.kind == MessageType.STATUS and (seen.client, seen.seq) in waiting:
                    return
                if not seen.sent and seen.kind == kind:
                    message = parse(Frame(seen.kind, seen.seq, seen.peer, seen.data))
                    if method is None or getattr(message, "method", None) == method:
                        waiting.add((seen.client, seen.seq))

        yield until


async def test_list(alice: Client, ubus: Command, greeter: None) -> None:
    await alice.add_object("another", {})
    assert await ubus("list") == (0, "another\ngreeter\n", "")
    assert await ubus("list", "gre*") == (0, "greeter\n", "")
    assert await ubus("-v", "list") == (
        0,
        "'another' @ID\n"
        "'greeter' @ID\n"
        '\t"greet":{"name":"String","times":"Integer","flag":"Boolean","list":"Array","table":"Table"}\n'
        '\t"three":{}\n',
        "",
    )
    assert await ubus("list", "nothing") == (4, "", "Command failed: Not found\n")


async def test_call(ubus: Command, greeter: None) -> None:
    status, output, _ = await ubus("-S", "call", "greeter", "greet", '{"name": "grüß dich", "times": 3}')
    assert status == 0
    assert output == (
        '{"greeting":"hello grüß dich","user":"root","list":[1,{"deep":true},[]],'
        '"big":1099511627776,"real":0.500000}\n'
    )
    assert await ubus("-S", "call", "greeter", "three") == (0, '{"part":1}\n{"part":2}\n{"part":3}\n', "")


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["greeter", "nothing"], 3, "Method not found"),
        (["greeter", "greet", '{"name": 1}'], 2, "Invalid argument"),
        (["nobody", "greet"], 4, "Not found"),
    ],
)
async def test_call_that_fails(
    ubus: Command, greeter: None, arguments: list[str], status: int, error: str
) -> None:
    code, output, said = await ubus("call", *arguments)
    assert code in (status, 256 - status)
    assert output == ""
    assert error in said


async def test_listen(bob: Client, ubus: Command, watch: Watch) -> None:
    process = await ubus.open("listen", "news.*", "exact")
    await watch(MessageType.INVOKE, "register")
    await watch(MessageType.INVOKE, "register")
    await bob.send("news.flash", {"text": "x", "flag": True})
    await bob.send("inexact", {})
    await bob.send("exact", {})
    assert await lines(process, 2) == ['{ "news.flash": {"text":"x","flag":true} }', '{ "exact": {} }']


async def test_send(alice: Client, ubus: Command, heard: Any) -> None:
    await alice.listen("*", heard)
    assert await ubus("send", "news", '{"text": "x", "n": [1, 2]}') == (0, "", "")
    assert await ubus("send", "empty") == (0, "", "")
    assert await heard.until(2) == [("news", {"text": "x", "n": [1, 2]}), ("empty", {})]
    assert await ubus("send", "ubus.fake") == (6, "", "Command failed: Permission denied\n")


async def test_subscribe(alice: Client, ubus: Command, watch: Watch) -> None:
    served = await alice.add_object("radio", {})
    process = await ubus.open("subscribe", "radio")
    await watch(MessageType.SUBSCRIBE)
    await served.notify("song", {"title": "x"})
    assert await served.notify("song", {"title": "y"}, replies=True) == [0]
    assert served.subscribers
    assert await lines(process, 2) == ['{ "song": {"title":"x"} }', '{ "song": {"title":"y"} }']


async def test_wait_for(alice: Client, ubus: Command, watch: Watch) -> None:
    process = await ubus.open("-t", "20", "wait_for", "first", "second")
    await watch(MessageType.LOOKUP)
    await alice.add_object("first", {})
    assert process.returncode is None
    await alice.add_object("second", {})
    with trio.fail_after(20):
        assert await process.wait() == 0
    assert await ubus("wait_for", "first") == (0, "", "")


async def test_monitor(bob: Client, ubus: Command, watch: Watch, greeter: None) -> None:
    process = await ubus.open("monitor")
    await watch(MessageType.INVOKE, "add")
    await bob.call("greeter", "three")
    seen = [
        re.sub(r"([ #])[0-9a-f]{8}", r"\1ID", re.sub(r'"objid":-?\d+', '"objid":0', line))
        for line in await lines(process, 13)
    ]
    calls = [line for line in seen if "three" in line or "part" in line]
    assert [line for line in calls if "signature" not in line] == [
        '<- ID #ID         invoke: {"objid":0,"method":"three","data":{}}',
        '-> ID #ID         invoke: {"objid":0,"method":"three","data":{},"user":"root","group":"root"}',
        *(
            f'{direction} ID #ID           data: {{"objid":0,"data":{{"part":{part}}}}}'
            for part in (1, 2, 3)
            for direction in ("<-", "->")
        ),
    ]


async def test_a_large_answer_and_a_long_list(alice: Client, ubus: Command) -> None:
    async def large(request: Request) -> dict[str, str]:
        return {"text": "x" * 900_000}

    for number in range(300):
        await alice.add_object(f"object.{number:03}", {"large": Method(large)})
    status, output, _ = await ubus("-S", "call", "object.000", "large")
    assert (status, len(output)) == (0, 900_000 + len('{"text":""}\n'))
    status, output, _ = await ubus("list")
    assert output.splitlines() == [f"object.{number:03}" for number in range(300)]
