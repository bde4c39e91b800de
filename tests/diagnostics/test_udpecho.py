"""UDPEchoDiagnostics and UDPEchoConfig, against each other and against a plain reflector, on loopback."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from tests.diagnostics.conftest import Ip

from cwmp.diagnostics import echoplus, udpecho
from cwmp.diagnostics.definition import Failed, Means, Outcome
from cwmp.diagnostics.echoplus import Header
from cwmp.diagnostics.echoserver import INPUTS, EchoServer
from cwmp.diagnostics.times import date_time
from cwmp.diagnostics.udpecho import UDP_ECHO

LOG = logging.getLogger("test")


async def device(row: str) -> str:
    if row == "dangling":
        raise Failed("Error_Internal", "there is no such interface")
    return row


MEANS = Means(device, LOG)


async def echo(host: str = "127.0.0.1", **inputs: object) -> Outcome:
    values = {**UDP_ECHO.defaults(), "Host": host, "InterTransmissionTime": "1"}
    values |= {name: str(value) for name, value in inputs.items()}
    try:
        with trio.fail_after(20):
            return await UDP_ECHO.run(values, MEANS)
    except Failed as failed:
        return failed.outcome


def rows(outcome: Outcome) -> list[Mapping[str, str]]:
    found = outcome.results["IndividualPacketResult"]
    assert not isinstance(found, str)
    return list(found)


def counts(outcome: Outcome) -> tuple[str, object, object]:
    return outcome.state, outcome.results.get("SuccessCount"), outcome.results.get("FailureCount")


def free_port(address: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def reflector(nursery: trio.Nursery) -> Callable[..., int]:
    """Starts a server that sends back what `change` makes of a datagram; its port."""

    def begin(change: Callable[[bytes], list[bytes]] = lambda payload: [payload]) -> int:
        sock = trio.socket.from_stdlib_socket(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

        async def serve() -> None:
            with sock:
                while True:
                    payload, source = await sock.recvfrom(65535)
                    for answer in change(payload):
                        await sock.sendto(answer, source)

        port = free_port()
        sock._sock.bind(("127.0.0.1", port))  # type: ignore[attr-defined]
        nursery.start_soon(serve)
        return port

    return begin


@pytest.fixture
async def server(nursery: trio.Nursery) -> EchoServer:
    """The server, disabled; what it saves last is `saved` of it."""
    found = EchoServer(None, means=MEANS, save=lambda _: None)
    nursery.start_soon(found.run)
    return found


async def enable(server: EchoServer, **values: object) -> int:
    """Enable the server and wait until it answers; its port."""
    port = int(str(values.pop("UDPPort", 0))) or free_port()
    changed = {name: str(value) for name, value in values.items()}
    server.write({"UDPPort": str(port), "Enable": "true", **changed})
    with trio.fail_after(10):
        while not _bound(port):
            await trio.lowlevel.checkpoint()
    return port


def _bound(port: int) -> bool:
    """Whether somebody has the port on every address, as the server does."""
    table = Path("/proc/thread-self/net/udp").read_text()
    return f" 00000000:{port:04X} " in table


# The client


async def test_a_plain_server(reflector: Callable[..., int]) -> None:
    outcome = await echo(Port=reflector(), NumberOfRepetitions=3, EnableIndividualPacketResults="true")
    assert counts(outcome) == ("Complete", "3", "0")
    assert outcome.results["IPAddressUsed"] == "127.0.0.1"
    found = [int(str(outcome.results[f"{name}ResponseTime"])) for name in ("Minimum", "Average", "Maximum")]
    assert 0 < found[0] <= found[1] <= found[2]
    assert [(row["PacketSuccess"], row["TestGenSN"]) for row in rows(outcome)] == [
        ("true", "0"),
        ("true", "1"),
        ("true", "2"),
    ]
    for row in rows(outcome):
        sent, received = (datetime.fromisoformat(row[f"Packet{name}Time"]) for name in ("Send", "Receive"))
        assert sent < received
        assert row["TestRespSN"] == row["TestRespReplyTimeStamp"] == "0"  # it knows no Echo Plus


@pytest.mark.parametrize("size", [1, 3, 4, 19, 20, 21, 1473, 65507])
async def test_sizes(reflector: Callable[..., int], size: int) -> None:
    outcome = await echo(Port=reflector(), NumberOfRepetitions=2, DataBlockSize=size)
    assert counts(outcome) == ("Complete", "2", "0")


async def test_a_block_that_no_packet_holds() -> None:
    assert (await echo(DataBlockSize=65508)).state == "Error_Other"


async def test_packets_that_are_lost(reflector: Callable[..., int]) -> None:
    port = reflector(lambda payload: [] if payload[3] % 2 else [payload])
    outcome = await echo(Port=port, NumberOfRepetitions=4, Timeout=1000, EnableIndividualPacketResults="true")
    assert counts(outcome) == ("Complete", "2", "2")
    assert [row["PacketSuccess"] for row in rows(outcome)] == ["true", "false", "true", "false"]
    assert rows(outcome)[1]["PacketReceiveTime"] == "0001-01-01T00:00:00Z"


async def test_what_is_no_answer_is_none(reflector: Callable[..., int]) -> None:
    """Twice the same, one that is too long, one that was never sent."""
    port = reflector(lambda p: [p + b"x", b"\xff" * len(p), p[:-1], p, p])
    outcome = await echo(Port=port, NumberOfRepetitions=2)
    assert counts(outcome) == ("Complete", "2", "0")


async def test_nobody_there() -> None:
    outcome = await echo(Port=free_port(), NumberOfRepetitions=2, Timeout=20)
    assert counts(outcome) == ("Complete", "0", "2")
    assert outcome.results["AverageResponseTime"] == "0"


async def test_results_only_where_they_are_wanted_and_no_more_than_fit(
    reflector: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udpecho, "MAX_RESULTS", 2)
    port = reflector()
    assert rows(await echo(Port=port, NumberOfRepetitions=3)) == []
    outcome = await echo(Port=port, NumberOfRepetitions=3, EnableIndividualPacketResults="1")
    assert (len(rows(outcome)), outcome.results["SuccessCount"]) == (2, "3")


async def test_packets_under_way_are_bounded(
    reflector: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udpecho, "_MAX_PENDING", 2)
    held: list[bytes] = []

    def last_of_all(payload: bytes) -> list[bytes]:
        held.append(payload)
        return held if len(held) == 4 else []

    outcome = await echo(Port=reflector(last_of_all), NumberOfRepetitions=4)
    assert counts(outcome) == ("Complete", "2", "2")


async def test_no_route(namespace: Ip) -> None:
    outcome = await echo("192.0.2.2")
    assert UDP_ECHO.state(outcome.state) == "Error_Other"  # its states have no other


@pytest.mark.parametrize(
    ("inputs", "state"),
    [
        ({"ProtocolVersion": "IPv6"}, "Error_CannotResolveHostName"),
        ({"Interface": "dangling"}, "Error_Internal"),
        ({"Interface": "nosuchdevice"}, "Error_Internal"),
    ],
)
async def test_what_cannot_be_made(inputs: dict[str, str], state: str) -> None:
    assert (await echo("127.0.0.1", **inputs)).state == state


async def test_it_can_be_cancelled(lossy: None) -> None:
    with trio.move_on_after(0.05) as scope:
        await echo("192.0.2.2", Timeout="600000")
    assert scope.cancelled_caught


async def test_a_test_without_end_is_ended(autojump_clock: trio.testing.MockClock, lossy: None) -> None:
    values = {**UDP_ECHO.defaults(), "Host": "192.0.2.2", "Timeout": "4294967295"}
    with pytest.raises(Failed) as caught:
        await UDP_ECHO.run(values, MEANS)
    assert caught.value.outcome.state == "Error_Other"


# The server


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.0.0.9"])
async def test_echo_plus(server: EchoServer, address: str) -> None:
    if ":" in address:
        try:
            free_port(address)
        except OSError as error:
            pytest.skip(f"no IPv6 loopback: {error}")
    port = await enable(server, EchoPlusEnabled="true")
    outcome = await echo(
        address, Port=port, NumberOfRepetitions=3, EnableIndividualPacketResults="true", DataBlockSize=30
    )
    assert counts(outcome) == ("Complete", "3", "0")
    assert [(row["TestGenSN"], row["TestRespSN"]) for row in rows(outcome)] == [
        ("0", "0"),
        ("1", "1"),
        ("2", "2"),
    ]
    stamps = [
        int(row[name]) for row in rows(outcome) for name in ("TestRespRcvTimeStamp", "TestRespReplyTimeStamp")
    ]
    assert stamps == sorted(stamps)
    assert {row["TestRespReplyFailureCount"] for row in rows(outcome)} == {"0"}
    found = server.counters.results()
    assert (found["PacketsReceived"], found["PacketsResponded"]) == ("3", "3")
    assert (found["BytesReceived"], found["BytesResponded"]) == ("114", "114")
    assert found["TimeFirstPacketReceived"] < found["TimeLastPacketReceived"]


async def exchange(port: int, payload: bytes, *, source: str = "127.0.0.1") -> bytes:
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await sock.bind((source, 0))
        await sock.sendto(payload, ("127.0.0.1", port))
        with trio.fail_after(10):
            answer, _ = await sock.recvfrom(65535)
        return answer


@pytest.mark.parametrize("plus", ["true", "false"])
@pytest.mark.parametrize("payload", [b"", b"x", b"y" * 19, b"z" * 20, b"z" * 65507])
async def test_short_packets_and_plain_echo_go_back_as_they_are(
    server: EchoServer, plus: str, payload: bytes
) -> None:
    port = await enable(server, EchoPlusEnabled=plus)
    answer = await exchange(port, payload)
    assert len(answer) == len(payload)
    changed = plus == "true" and len(payload) >= 20
    assert (answer != payload) == changed
    assert answer[:4] == payload[:4]
    assert answer[20:] == payload[20:]


async def test_only_the_peer_that_is_named(server: EchoServer) -> None:
    port = await enable(server, SourceIPAddress="127.0.0.2")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.3", 0))
        other.sendto(b"other", ("127.0.0.1", port))
    assert await exchange(port, b"peer", source="127.0.0.2") == b"peer"
    assert server.counters.results()["PacketsReceived"] == "1"


async def test_enabling_sets_the_counters_back_and_disabling_keeps_them(server: EchoServer) -> None:
    port = await enable(server)
    await exchange(port, b"1")
    server.write({"Enable": "false"})
    assert server.counters.results()["PacketsReceived"] == "1"
    with trio.fail_after(10):
        while _bound(port):
            await trio.lowlevel.checkpoint()
    await enable(server)
    assert server.counters.results()["PacketsReceived"] == "0"


async def test_another_port_while_it_is_enabled(server: EchoServer) -> None:
    await exchange(await enable(server), b"1")
    await exchange(await enable(server), b"2")
    assert server.counters.results()["PacketsReceived"] == "2"


async def test_no_two_servers_talk_for_ever(namespace: Ip, server: EchoServer) -> None:
    port = await enable(server, UDPPort="7")
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as chargen:
        await chargen.bind(("127.0.0.1", 19))
        await chargen.sendto(b"x", ("127.0.0.1", port))
        assert await exchange(port, b"y") == b"y"
        with pytest.raises(BlockingIOError):
            chargen._sock.recv(10)  # type: ignore[attr-defined]
    found = server.counters.results()
    assert (found["PacketsReceived"], found["PacketsResponded"]) == ("2", "1")


async def test_a_port_that_is_taken_is_tried_again(
    mock_clock: trio.testing.MockClock, server: EchoServer, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        server.write({"UDPPort": str(port), "Enable": "true"})
        await trio.testing.wait_all_tasks_blocked()
        assert "in use" in caplog.text
    mock_clock.jump(10)
    await trio.testing.wait_all_tasks_blocked()
    assert await exchange(port, b"x") == b"x"


def test_what_is_kept_of_the_server() -> None:
    saved: list[Mapping[str, str]] = []
    server = EchoServer({"UDPPort": "70000", "EchoPlusEnabled": "true"}, means=MEANS, save=saved.append)
    assert server.inputs == {**{n: i.default for n, i in INPUTS.items()}, "EchoPlusEnabled": "true"}
    server.write({"UDPPort": "7000"})
    assert EchoServer(saved[-1], means=MEANS, save=saved.append).inputs == server.inputs


def test_what_the_server_refuses() -> None:
    server = EchoServer(None, means=MEANS, save=lambda _: None)
    bad = {"UDPPort": "0", "SourceIPAddress": "192.0.2", "PacketsReceived": "1", "Nothing": "", "Enable": "?"}
    assert {(p.name.removeprefix(server.path), p.code) for p in server.check(bad)} == {
        ("UDPPort", 9007),
        ("SourceIPAddress", 9007),
        ("PacketsReceived", 9008),
        ("Nothing", 9005),
        ("Enable", 9007),
    }
    assert not server.check({"UDPPort": "65535", "SourceIPAddress": "", "Enable": "1"})


# The header


@given(st.tuples(*[st.integers(0, 2**32 - 1)] * 5), st.binary(max_size=30))
def test_a_header_comes_back(numbers: tuple[int, int, int, int, int], rest: bytes) -> None:
    header = Header(*numbers)
    assert echoplus.unpack(header.pack() + rest) == header
    assert len(header.pack()) == echoplus.SIZE


@given(st.binary(max_size=19))
def test_a_short_payload_has_no_header(payload: bytes) -> None:
    assert echoplus.unpack(payload) is None


def test_numbers_wrap() -> None:
    assert echoplus.unpack(Header(2**32, 2**32 + 1, 0, 0, 0).pack()) == Header(0, 1)


def test_date_time() -> None:
    assert date_time(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456Z"
    assert date_time(0) == "0001-01-01T00:00:00Z"
