"""Records what the real ubus command and the real daemon say to each other. See README.md beside this file."""

import os
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio

from ubuskit.client import Client, Method, Request, open_client
from ubuskit.protocol import FrameReader, MessageType

HERE = Path(__file__).parent


class Tap:
    """Sits between clients and the daemon and writes down who said what, in order."""

    def __init__(self, front: str, back: str) -> None:
        self.front, self.back = front, back
        self.lines: list[str] = []
        self._statuses: dict[str, int] = {}
        self._news = trio.Event()

    async def serve(self, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        await listener.bind(self.front)
        listener.listen()
        task_status.started()
        async with trio.open_nursery() as nursery:
            for name in "ABCDEFGH":
                client, _ = await listener.accept()
                nursery.start_soon(self._connection, name, trio.SocketStream(client))
            await trio.sleep_forever()

    async def _connection(self, name: str, client: trio.SocketStream) -> None:
        daemon = await trio.open_unix_socket(self.back)
        self._say(f"{name} +")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._answers, name, daemon, client)
            async for data in client:
                self._say(f"{name} > {bytes(data).hex()}")
                await daemon.send_all(data)
            self._say(f"{name} -")
            nursery.cancel_scope.cancel()
        await daemon.aclose()
        await client.aclose()

    async def _answers(self, name: str, daemon: trio.SocketStream, client: trio.SocketStream) -> None:
        reader = FrameReader()
        async for data in daemon:
            self._say(f"{name} < {bytes(data).hex()}")
            for frame in reader.feed(bytes(data)):
                if frame.type == MessageType.STATUS:
                    self._statuses[name] = self._statuses.get(name, 0) + 1
            await client.send_all(data)

    def _say(self, line: str) -> None:
        self.lines.append(line)
        self._news.set()
        self._news = trio.Event()

    async def statuses(self, name: str, count: int) -> None:
        """Wait until ``name`` was given so many statuses."""
        while self._statuses.get(name, 0) < count:
            await self._news.wait()

    async def gone(self, name: str) -> None:
        while f"{name} -" not in self.lines:
            await self._news.wait()


async def greet(request: Request) -> dict[str, object]:
    return {"greeting": f"hello {request.args.get('name', 'you')}", "number": 5, "flag": True, "real": 0.5}


METHODS = {
    "greet": Method(greet, {"name": str, "times": int}),
    "all": Method(greet, {"flag": bool, "table": dict, "list": list, "real": float}),
}


class Session:
    def __init__(self, tap: Tap, service: Client, ubus: str) -> None:
        self.tap, self.service, self._ubus = tap, service, ubus

    async def run(self, *arguments: str, check: bool = False) -> None:
        """One command, to its end."""
        await trio.run_process(
            [self._ubus, "-s", self.tap.front, *arguments], check=check, stderr=subprocess.DEVNULL
        )
        await self.service.lookup("none")  # so that the daemon has seen it leave

    async def background(self, *arguments: str) -> trio.Process:
        return await trio.lowlevel.open_process(
            [self._ubus, "-s", self.tap.front, *arguments], stdout=subprocess.DEVNULL
        )

    async def stop(self, process: trio.Process, name: str) -> None:
        process.terminate()
        await process.wait()
        await self.tap.gone(name)
        await self.service.lookup("none")


async def lists(s: Session) -> None:
    await s.service.add_object("greeter.second", {"greet": Method(greet)})
    await s.run("list")
    await s.run("-v", "list", "greeter*")
    await s.run("list", "nothing")


async def call(s: Session) -> None:
    await s.run("call", "greeter", "greet", '{"name":"you","times":3}')
    await s.run("call", "greeter", "all", '{"flag":true,"table":{"a":{"b":[1,"x"]}},"list":[1,2],"real":1.5}')


async def errors(s: Session) -> None:
    await s.run("call", "greeter", "nothing")
    await s.run("call", "greeter", "greet", '{"name":1}')
    await s.run("call", "nobody", "greet")


async def send(s: Session) -> None:
    await s.service.listen("news.*", lambda *_: None)
    await s.run("send", "news.flash", '{"text":"x"}')
    await s.run("send", "other")
    await s.run("send", "ubus.object.add", "{}")


async def listen(s: Session) -> None:
    process = await s.background("listen", "news.*", "exact")
    await s.tap.statuses("B", 3)
    await s.service.send("news.flash", {"text": "x"})
    await s.service.send("exact", {})
    await s.service.send("inexact", {})
    await s.stop(process, "B")


async def subscribe(s: Session) -> None:
    served = await s.service.add_object("radio", {})
    process = await s.background("subscribe", "radio")
    await s.tap.statuses("B", 3)
    await served.notify("song", {"title": "x"})
    await served.notify("song", {"title": "y"}, replies=True)
    await served.remove()
    await s.stop(process, "B")


async def wait_for(s: Session) -> None:
    await s.run("wait_for", "greeter")
    process = await s.background("-t", "20", "wait_for", "late", "greeter")
    await s.tap.statuses("C", 3)
    await s.service.add_object("late", {})
    await process.wait()
    await s.tap.gone("C")
    await s.service.lookup("none")


async def monitor(s: Session) -> None:
    process = await s.background("monitor")
    await s.tap.statuses("B", 1)
    await s.run("call", "greeter", "greet")
    await s.service.send("news", {"n": 1})
    await s.stop(process, "B")


SCENARIOS = (lists, call, errors, send, listen, subscribe, wait_for, monitor)


async def record(scenario: Callable[[Session], Awaitable[None]], ubusd: str, ubus: str) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        front, back = f"{directory}/front.sock", f"{directory}/back.sock"
        process = await trio.lowlevel.open_process([ubusd, "-s", back])
        try:
            async with open_client(back):
                pass
            tap = Tap(front, back)
            async with trio.open_nursery() as nursery:
                await nursery.start(tap.serve)
                async with open_client(front) as service:
                    await service.add_object("greeter", METHODS)
                    await scenario(Session(tap, service, ubus))
                    lines = list(tap.lines)
                nursery.cancel_scope.cancel()
        finally:
            process.terminate()
            await process.wait()
    return lines


def main() -> None:
    ubusd, ubus = os.environ["UBUSD"], os.environ["UBUS"]
    for scenario in SCENARIOS:
        lines = trio.run(partial(record, scenario, ubusd, ubus))
        (HERE / f"{scenario.__name__}.wire").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
