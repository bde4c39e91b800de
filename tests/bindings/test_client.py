"""The trio client, on our broker and on the real daemon."""

import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from ubuskit import blobmsg
from ubuskit.client import Client, Method, Request, open_client
from ubuskit.errors import (
    CallTimeout,
    ConnectionFailed,
    InvalidArgument,
    MessageTooLarge,
    MethodNotFound,
    NotFound,
    NotSupported,
    ParseError,
    PermissionDenied,
    Status,
    StatusError,
    UnknownError,
)
from ubuskit.protocol import AddObject, Data, Invoke, Lookup
from ubuskit.protocol import Status as StatusMessage


async def echo(request: Request) -> Mapping[str, Any]:
    return request.args


ECHO = Method(echo, {"text": str, "number": int, "real": float, "flag": bool, "table": dict, "list": list})


async def test_a_call_brings_every_type_there_and_back(alice: Client, bob: Client) -> None:
    await alice.add_object("echo", {"echo": ECHO})
    args = {
        "text": "grüß \udcff dich",
        "number": -1,
        "real": 1.5,
        "flag": True,
        "table": {"": {}, "list": [1, "two", [3]]},
        "list": [],
    }
    assert await bob.call("echo", "echo", args) == args


async def test_what_came_before_a_refusal_is_not_lost(alice: Client, bob: Client) -> None:
    async def refuse(request: Request) -> None:
        await request.reply({"retval": ""})
        await request.reply({"code": 10})
        raise InvalidArgument("no")

    await alice.add_object("ambiorix", {"set": Method(refuse)})
    with pytest.raises(InvalidArgument) as caught:
        await bob.call("ambiorix", "set")
    assert caught.value.data == [{"retval": ""}, {"code": 10}]


async def test_a_call_without_arguments_and_an_answer_without_data(alice: Client, bob: Client) -> None:
    async def nothing(request: Request) -> None:
        assert request.args == {}

    await alice.add_object("quiet", {"nothing": Method(nothing)})
    assert await bob.call("quiet", "nothing") == {}
    assert await bob.call_all("quiet", "nothing") == []


async def test_all_data_of_an_answer_in_order(alice: Client, bob: Client) -> None:
    async def three(request: Request) -> dict[str, int]:
        await request.reply({"part": 1})
        await request.reply({"part": 2})
        return {"part": 3}

    await alice.add_object("ambiorix", {"get": Method(three)})
    assert await bob.call_all("ambiorix", "get") == [{"part": 1}, {"part": 2}, {"part": 3}]
    assert await bob.call("ambiorix", "get") == {"part": 1}


async def test_the_request_says_who_calls(alice: Client, bob: Client) -> None:
    seen: list[Request] = []

    async def look(request: Request) -> None:
        seen.append(request)

    await alice.add_object("door", {"look": Method(look)})
    await bob.call("door", "look")
    [request] = seen
    assert (request.object, request.method) == ("door", "look")
    assert request.user
    assert request.group


async def test_statuses_are_typed_errors_that_name_the_call(alice: Client, bob: Client) -> None:
    async def refuse(request: Request) -> None:
        raise NotSupported("not on this board")

    async def odd(request: Request) -> None:
        raise StatusError(Status.NO_DATA)

    await alice.add_object("moody", {"refuse": Method(refuse), "odd": Method(odd)})
    with pytest.raises(NotSupported, match="moody refuse: Operation not supported"):
        await bob.call("moody", "refuse")
    with pytest.raises(StatusError) as caught:
        await bob.call("moody", "odd")
    assert caught.value.status is Status.NO_DATA
    with pytest.raises(MethodNotFound, match="moody nope"):
        await bob.call("moody", "nope")
    with pytest.raises(NotFound, match="no object 'nobody'"):
        await bob.call("nobody", "home")


async def test_a_handler_that_fails_is_logged_and_the_service_lives(
    alice: Client, bob: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(request: Request) -> None:
        raise ZeroDivisionError

    async def unsendable(request: Request) -> dict[str, Any]:
        return {"nothing": None}

    async def huge(request: Request) -> dict[str, Any]:
        return {"text": "x" * (1 << 20)}

    methods = {"broken": Method(broken), "unsendable": Method(unsendable), "huge": Method(huge), "echo": ECHO}
    await alice.add_object("weak", methods)
    for method in ("broken", "unsendable", "huge"):
        with pytest.raises(UnknownError):
            await bob.call("weak", method)
        assert f"weak {method}" in caplog.text
    assert await bob.call("weak", "echo", {"number": 1}) == {"number": 1}


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"number": "1"}, "argument 'number' must be int, it was given str"),
        ({"number": True}, "argument 'number' must be int, it was given bool"),
        ({"flag": 1}, "argument 'flag' must be bool, it was given int"),
        ({"list": {}}, "argument 'list' must be list, it was given dict"),
        ({"other": 1}, "it has no argument 'other'"),
    ],
)
async def test_arguments_are_checked_against_the_signature(
    alice: Client, bob: Client, caplog: pytest.LogCaptureFixture, args: dict[str, Any], reason: str
) -> None:
    caplog.set_level(logging.WARNING)
    await alice.add_object("echo", {"echo": ECHO})
    with pytest.raises(InvalidArgument):
        await bob.call("echo", "echo", args)
    assert f"echo echo: {reason}" in caplog.text


async def test_what_uhttpd_adds_to_a_call_is_no_argument(alice: Client, bob: Client) -> None:
    await alice.add_object("echo", {"echo": ECHO})
    args = {"number": 1, "ubus_rpc_session": "00000000000000000000000000000000"}
    assert await bob.call("echo", "echo", args) == {"number": 1}


async def test_an_int_is_good_where_a_float_is_wanted(alice: Client, bob: Client) -> None:
    await alice.add_object("echo", {"echo": ECHO})
    assert await bob.call("echo", "echo", {"real": 2}) == {"real": 2}


async def test_lookup_by_path_by_prefix_and_of_everything(alice: Client, bob: Client) -> None:
    for path in ("net.lan", "net.wan", "system"):
        await alice.add_object(path, {"echo": ECHO, "none": Method(echo)})
    everything = await bob.lookup()
    assert [found.path for found in everything] == ["net.lan", "net.wan", "system"]
    assert [found.path for found in await bob.lookup("net.*")] == ["net.lan", "net.wan"]
    [found] = await bob.lookup("system")
    assert found.signature["echo"] == {"text": 3, "number": 5, "real": 8, "flag": 7, "table": 2, "list": 1}
    assert found.signature["none"] == {}
    assert found.id == everything[2].id
    assert await bob.lookup("nothing") == []
    assert await bob.lookup("nothing*") == []


async def test_a_name_can_be_taken_once(alice: Client, bob: Client) -> None:
    served = await alice.add_object("only", {"echo": ECHO})
    with pytest.raises(InvalidArgument, match=r"'only'.*another has its name"):
        await bob.add_object("only", {})
    await served.remove()
    with pytest.raises(NotFound):
        await bob.call("only", "echo")
    await bob.add_object("only", {"echo": ECHO})
    assert await alice.call("only", "echo", {"number": 2}) == {"number": 2}


async def test_a_cached_id_survives_the_objects_restart(alice: Client, bob: Client) -> None:
    served = await alice.add_object("phoenix", {"echo": ECHO})
    assert await bob.call("phoenix", "echo", {"number": 1}) == {"number": 1}
    await served.remove()
    await alice.add_object("phoenix", {"echo": ECHO})
    assert await bob.call("phoenix", "echo", {"number": 2}) == {"number": 2}


async def test_a_services_own_not_found_runs_it_once(alice: Client, bob: Client) -> None:
    runs = []

    async def missing(request: Request) -> None:
        runs.append(request.method)
        raise NotFound

    await alice.add_object("shelf", {"get": Method(missing), "echo": ECHO})
    await bob.call("shelf", "echo")
    with pytest.raises(NotFound):
        await bob.call("shelf", "get")
    assert runs == ["get"]


async def test_a_call_has_a_deadline_and_its_late_answer_disturbs_nobody(alice: Client, bob: Client) -> None:
    go_on = trio.Event()

    async def slow(request: Request) -> dict[str, str]:
        await go_on.wait()
        return {"late": "answer"}

    await alice.add_object("slow", {"slow": Method(slow), "echo": ECHO})
    with pytest.raises(CallTimeout, match=r"slow slow: no answer within 0.05 s"):
        await bob.call("slow", "slow", timeout=0.05)
    go_on.set()
    assert await bob.call("slow", "echo", {"text": "mine"}) == {"text": "mine"}


async def test_many_calls_in_flight_are_answered_out_of_order(alice: Client, bob: Client) -> None:
    gates = [trio.Event() for _ in range(64)]
    entered = trio.Semaphore(0)

    async def wait(request: Request) -> dict[str, int]:
        entered.release()
        await gates[request.args["number"]].wait()
        return request.args

    await alice.add_object("gate", {"wait": Method(wait, {"number": int})})
    answers: list[int] = []

    async def ask(number: int) -> None:
        answer = await bob.call("gate", "wait", {"number": number}, timeout=20)
        answers.append(answer["number"])
        if number:
            gates[number - 1].set()

    async with trio.open_nursery() as nursery:
        for number in range(64):
            nursery.start_soon(ask, number)
        for _ in range(64):
            await entered.acquire()
        gates[63].set()
    assert answers == list(range(63, -1, -1))


async def test_large_messages_both_ways(alice: Client, bob: Client) -> None:
    await alice.add_object("echo", {"echo": ECHO})
    text = "x" * 1_000_000
    assert await bob.call("echo", "echo", {"text": text}, timeout=20) == {"text": text}


async def test_a_message_over_1_mib_is_refused_before_it_is_sent(alice: Client, bob: Client) -> None:
    await alice.add_object("echo", {"echo": ECHO})
    with pytest.raises(MessageTooLarge):
        await bob.call("echo", "echo", {"text": "x" * (1 << 20)})
    with pytest.raises(MessageTooLarge):
        await bob.send("big", {"text": "x" * (1 << 20)})
    assert await bob.call("echo", "echo", {"number": 1}) == {"number": 1}


async def test_events_reach_matching_listeners_in_order(
    alice: Client, bob: Client, heard: Any, also_heard: Any
) -> None:
    await alice.listen("cwmp.*", heard)
    await alice.listen("cwmp.ready", also_heard)
    for number in range(100):
        await bob.send("cwmp.tick", {"number": number})
    await bob.send("other", {})
    await bob.send("cwmp.ready", {"last": True})
    assert await heard.until(101) == [("cwmp.tick", {"number": n}) for n in range(100)] + [
        ("cwmp.ready", {"last": True})
    ]
    assert await also_heard.until(1) == [("cwmp.ready", {"last": True})]


async def test_events_do_not_come_back_to_their_sender(
    alice: Client, bob: Client, heard: Any, also_heard: Any
) -> None:
    await alice.listen("*", heard)
    await bob.listen("news", also_heard)
    await alice.send("news", {})
    await also_heard.until(1)
    await bob.send("end", {})
    assert await heard.until(1) == [("end", {})]


async def test_a_closed_listener_hears_no_more(
    alice: Client, bob: Client, heard: Any, also_heard: Any
) -> None:
    listener = await alice.listen("a", heard)
    await alice.listen("a", also_heard)
    await bob.send("a", {"n": 1})
    await heard.until(1)
    await listener.close()
    await bob.send("a", {"n": 2})
    await also_heard.until(2)
    assert heard.all == [("a", {"n": 1})]


async def test_nobody_may_send_the_daemons_events(bob: Client) -> None:
    with pytest.raises(PermissionDenied, match=r"event ubus\.object\.add"):
        await bob.send("ubus.object.add", {})


async def test_objects_that_come_and_go_are_events(alice: Client, bob: Client, heard: Any) -> None:
    await bob.listen("ubus.object.*", heard)
    served = await alice.add_object("comet", {})
    [found] = await bob.lookup("comet")
    await served.remove()
    events = await heard.until(2)
    assert [name for name, _ in events] == ["ubus.object.add", "ubus.object.remove"]
    assert {(data["path"], data["id"] & 0xFFFFFFFF) for _, data in events} == {("comet", found.id)}


async def test_a_listener_that_fails_is_logged_and_the_next_event_comes(
    alice: Client, bob: Client, caplog: pytest.LogCaptureFixture, heard: Any
) -> None:
    def handler(name: str, data: dict[str, Any]) -> None:
        heard(name, data)
        raise ZeroDivisionError

    await alice.listen("e", handler)
    await bob.send("e", {"n": 1})
    await bob.send("e", {"n": 2})
    await heard.until(2)
    assert "the handler of e failed" in caplog.text


async def test_notifications_reach_subscribers(alice: Client, bob: Client, heard: Any) -> None:
    served = await alice.add_object("radio", {})
    assert not served.subscribers
    subscription = await bob.subscribe("radio", heard)
    assert subscription.active
    await served.notify("song", {"title": "x"})
    assert await heard.until(1) == [("song", {"title": "x"})]
    assert await served.notify("song", {"title": "y"}, replies=True) == [0]
    assert served.subscribers
    await subscription.close()
    assert await served.notify("song", {}, replies=True) == []
    assert not served.subscribers
    assert len(heard.all) == 2


async def test_a_subscription_follows_its_object(alice: Client, bob: Client, heard: Any) -> None:
    subscription = await bob.subscribe("later", heard)
    assert not subscription.active
    for number in range(2):
        served = await alice.add_object("later", {})
        with trio.fail_after(20):
            await subscription.wait_active()
        await served.notify("here", {"number": number})
        await heard.until(number + 1)
        await served.remove()
    assert heard.all == [("here", {"number": 0}), ("here", {"number": 1})]


async def test_descriptors_that_come_along_are_closed(tmp_path: Path) -> None:
    """The daemon passes descriptors on with INVOKE and STATUS; whoever answers here sends one with HELLO."""
    path = str(tmp_path / "fd.sock")
    listener = trio.socket.socket(socket.AF_UNIX)
    await listener.bind(path)
    listener.listen()
    ours, theirs = socket.socketpair()

    async def daemon() -> None:
        connection, _ = await listener.accept()
        hello = b"\0\0\0\0\x12\x34\x56\x78\0\0\0\4"
        await connection.sendmsg(
            [hello], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, theirs.fileno().to_bytes(4, "little"))]
        )
        theirs.close()
        assert await connection.recv(1) == b""
        connection.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon)
        async with open_client(path):
            ours.setblocking(False)
            assert ours.recv(1) == b"", "the other end is still open somewhere"
    ours.close()
    listener.close()


async def test_no_daemon_is_an_error_that_says_where(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match=r"nothing\.sock: No such file"):
        async with open_client(str(tmp_path / "nothing.sock"), connect_timeout=0.05):
            pass


async def test_what_fails_inside_the_block_comes_out_as_it_is(bus_socket: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_client(bus_socket):
            raise ZeroDivisionError


async def test_an_answer_that_is_no_blobmsg_is_a_parse_error(
    bus_socket: str, bob: Client, raw_peer: Any
) -> None:
    async with raw_peer(bus_socket) as peer:
        reply = await peer.exchange(AddObject("raw", b""))
        objid = reply[0].objid

        async def answer() -> None:
            frame, _ = await peer.next(Invoke)
            await peer.send(Data(objid, b"\xff\xff"), frame.seq, frame.peer)
            await peer.send(StatusMessage(0, objid), frame.seq, frame.peer)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            with pytest.raises(ParseError, match="raw any"):
                await bob.call("raw", "any")


async def test_arguments_that_are_no_blobmsg_are_refused(
    bus_socket: str, alice: Client, caplog: pytest.LogCaptureFixture, raw_peer: Any
) -> None:
    await alice.add_object("echo", {"echo": ECHO})
    async with raw_peer(bus_socket) as peer:
        found = await peer.exchange(Lookup("echo"))
        assert isinstance(found[0], Data)
        answer = await peer.exchange(Invoke(found[0].objid, "echo", b"\xff\xff\xff"), found[0].objid)
        assert isinstance(answer[-1], StatusMessage)
        assert answer[-1].status == 2
    assert "echo echo" in caplog.text


async def test_encode_errors_come_before_anything_is_sent(bob: Client) -> None:
    with pytest.raises(blobmsg.EncodeError):
        await bob.call("any", "thing", {"value": None})
    with pytest.raises(blobmsg.EncodeError):
        await bob.call("a\0b", "thing")
