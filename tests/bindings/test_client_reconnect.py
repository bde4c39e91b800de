"""What lives longer than a connection: the daemon is killed, stopped and started under its clients."""

import signal
from typing import Any

import pytest
import trio

from ubuskit.client import Client, Method, Request, open_client
from ubuskit.errors import CallTimeout, Disconnected, InvalidArgument, MethodNotFound, NotFound


async def echo(request: Request) -> dict[str, Any]:
    return request.args


ECHO = Method(echo, {"number": int, "text": str})


async def gone(client: Client) -> None:
    """Wait until the client knows that its connection is lost."""
    with trio.fail_after(20):
        while client.connected:
            await trio.lowlevel.checkpoint()


async def test_all_that_was_registered_is_registered_again(daemon: Any, heard: Any, also_heard: Any) -> None:
    async with open_client(daemon.path) as alice, open_client(daemon.path) as bob:
        back = trio.Semaphore(0)
        alice.on_connect(back.release)
        bob.on_connect(back.release)
        served = await alice.add_object("service", {"echo": ECHO})
        await alice.listen("news.*", heard)
        subscription = await bob.subscribe("service", also_heard)
        await bob.call("service", "echo", {"number": 1})

        daemon.kill()
        await gone(alice)
        await gone(bob)
        assert not subscription.active
        daemon.start()

        with trio.fail_after(20):
            await back.acquire()
            await back.acquire()
            await subscription.wait_active()
        assert await bob.call("service", "echo", {"number": 2}) == {"number": 2}
        await bob.send("news.flash", {"n": 3})
        assert await heard.until(1) == [("news.flash", {"n": 3})]
        await served.notify("tick", {"n": 4})
        assert await also_heard.until(1) == [("tick", {"n": 4})]


async def test_what_was_closed_stays_closed(daemon: Any, heard: Any, also_heard: Any) -> None:
    async with open_client(daemon.path) as alice, open_client(daemon.path) as bob:
        served = await alice.add_object("service", {"echo": ECHO})
        listener = await alice.listen("news", heard)
        await alice.listen("news", also_heard)
        daemon.kill()
        await gone(alice)
        await served.remove()
        await listener.close()
        daemon.start()
        with trio.fail_after(20):
            await alice.wait_connected()
        assert await bob.lookup("service", timeout=20) == []
        await bob.send("news", {})
        await also_heard.until(1)
        assert heard.all == []


async def test_what_is_in_flight_fails_and_what_comes_after_waits(daemon: Any) -> None:
    async with open_client(daemon.path) as alice, open_client(daemon.path) as bob:
        entered = trio.Event()

        async def hang(request: Request) -> None:
            entered.set()
            await trio.sleep_forever()

        await alice.add_object("service", {"hang": Method(hang), "echo": ECHO})
        failures: list[Exception] = []

        async def call_into_the_void() -> None:
            try:
                await bob.call("service", "hang", timeout=60)
            except Disconnected as error:
                failures.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call_into_the_void)
            await entered.wait()
            daemon.kill()
        assert "before the answer came" in str(failures[0])

        await gone(alice)
        with pytest.raises(CallTimeout, match="no connection to"):
            await bob.call("service", "echo", timeout=0.01)
        answers: list[dict[str, Any]] = []

        async def patient() -> None:
            with trio.fail_after(20):
                await alice.wait_connected()
                answers.append(await bob.call("service", "echo", {"number": 5}, timeout=20))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(patient)
            daemon.start()
        assert answers == [{"number": 5}]


async def test_a_stopped_daemon_does_not_stop_the_loop(daemon: Any) -> None:
    """Once a 600 KB request is half written and the daemon sleeps, everybody else must go on.

    A client that writes with patience would never get to the SIGCONT.
    """
    async with open_client(daemon.path) as alice, open_client(daemon.path) as bob:
        await alice.add_object("service", {"echo": ECHO})
        text = "x" * 600_000
        await bob.call("service", "echo", {"text": "first"})
        answers = []

        async def call() -> None:
            answers.append(await bob.call("service", "echo", {"text": text}, timeout=60))

        async with trio.open_nursery() as nursery:
            daemon.signal(signal.SIGSTOP)
            nursery.start_soon(call)
            nursery.start_soon(call)
            for _ in range(100):
                await trio.lowlevel.checkpoint()
            with pytest.raises(CallTimeout):
                await bob.call("service", "echo", {"number": 1}, timeout=0.01)
            assert answers == []
            daemon.signal(signal.SIGCONT)
        assert answers == [{"text": text}] * 2


async def test_requests_to_a_stopped_daemon_are_bounded(daemon: Any) -> None:
    """What waits to be written is bounded; who comes later waits for room, within a deadline."""
    async with open_client(daemon.path) as alice, open_client(daemon.path) as bob:
        await alice.add_object("service", {"echo": ECHO})
        await bob.call("service", "echo")
        daemon.signal(signal.SIGSTOP)
        timeouts = 0

        async def call() -> None:
            nonlocal timeouts
            try:
                await bob.call("service", "echo", {"text": "x" * 1_000_000}, timeout=0.2)
            except CallTimeout:
                timeouts += 1

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(call)
        assert timeouts == 20
        assert bob.link is not None
        assert bob.link.waiting <= 5 << 20
        daemon.signal(signal.SIGCONT)
        assert await bob.call("service", "echo", {"number": 1}, timeout=20) == {"number": 1}


async def test_without_reconnect_the_client_ends_with_its_connection(daemon: Any) -> None:
    async with open_client(daemon.path, reconnect=False) as client:
        assert client.connected
        daemon.kill()
        await gone(client)
        with pytest.raises(Disconnected, match="has ended"):
            await client.call("any", "thing")


async def test_what_could_not_be_registered_in_time_does_not_come_back(daemon: Any, heard: Any) -> None:
    async with open_client(daemon.path) as alice, open_client(daemon.path) as bob:
        daemon.signal(signal.SIGSTOP)
        with pytest.raises(CallTimeout, match="object late"):
            await alice.add_object("late", {}, timeout=0.01)
        with pytest.raises(CallTimeout, match="listening to"):
            await alice.listen("news", heard, timeout=0.01)
        daemon.signal(signal.SIGCONT)
        await alice.lookup(timeout=20)  # now the late answer has been seen, too,
        await alice.lookup(timeout=20)  # and what it brought about has been done
        assert await bob.lookup("late") == []
        await bob.send("news", {})
        daemon.kill()
        await gone(alice)
        await gone(bob)
        daemon.start()
        with trio.fail_after(20):
            await alice.wait_connected()
        assert await bob.lookup("late", timeout=20) == []
        await bob.send("news", {})
        await alice.lookup()
        assert heard.all == []


async def test_a_name_still_taken_after_the_restart_is_tried_again(daemon: Any) -> None:
    """The process that had the name before may lose its connection a moment later."""
    async with open_client(daemon.path) as bob, open_client(daemon.path) as alice:
        await alice.add_object("service", {"echo": ECHO})
        daemon.kill()
        await gone(alice)
        await gone(bob)
        daemon.start()
        async with open_client(daemon.path) as usurper:
            # Whoever is first has it; in the end it is alice's.
            try:
                served = await usurper.add_object("service", {})
            except InvalidArgument:
                pass
            else:
                with trio.fail_after(20):
                    await alice.wait_connected()
                await served.remove()
        with trio.fail_after(20):
            while True:
                try:
                    answer = await bob.call("service", "echo", {"number": 1}, timeout=20)
                except (NotFound, MethodNotFound):
                    await trio.lowlevel.checkpoint()
                    continue
                break
        assert answer == {"number": 1}
