"""IPPing on real sockets: loopback, and a network namespace whose lines are cut as wanted."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
import trio
from tests.diagnostics.conftest import Ip

from cwmp.diagnostics import echo, ipping, network
from cwmp.diagnostics.definition import Failed, Means, Outcome
from cwmp.diagnostics.echo import EchoSocket
from cwmp.diagnostics.ipping import IP_PING

LOG = logging.getLogger("test")


async def device(row: str) -> str:
    if row == "dangling":
        raise Failed("Error_Internal", "there is no such interface")
    return row  # these tests name devices


async def ping(host: str, **inputs: str) -> Outcome:
    """Run the test; its outcome also where it failed."""
    try:
        with trio.fail_after(20):
            return await IP_PING.run({**IP_PING.defaults(), "Host": host, **inputs}, Means(device, LOG))
    except Failed as failed:
        return failed.outcome


def numbers(outcome: Outcome) -> dict[str, int]:
    return {name: int(value) for name, value in outcome.results.items() if name != "IPAddressUsed"}


def consistent(found: dict[str, int]) -> bool:
    detailed = [found[f"{which}ResponseTimeDetailed"] for which in ("Minimum", "Average", "Maximum")]
    rounded = [found[f"{which}ResponseTime"] for which in ("Minimum", "Average", "Maximum")]
    near = all(abs(ms * 1000 - us) <= 501 for ms, us in zip(rounded, detailed, strict=True))
    return near and 0 < detailed[0] <= detailed[1] <= detailed[2]


@pytest.mark.usefixtures("icmp_sockets")
@pytest.mark.parametrize(("version", "address"), [("IPv4", "127.0.0.1"), ("IPv6", "::1"), ("Any", "::1")])
async def test_loopback(version: str, address: str) -> None:
    if version != "IPv4":
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
                probe.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no IPv6 loopback: {error}")
    outcome = await ping(address, ProtocolVersion=version, NumberOfRepetitions="3", DataBlockSize="64")
    assert (outcome.state, outcome.results["IPAddressUsed"]) == ("Complete", address)
    found = numbers(outcome)
    assert (found["SuccessCount"], found["FailureCount"]) == (3, 0)
    assert consistent(found)


@pytest.mark.usefixtures("icmp_sockets")
@pytest.mark.parametrize("size", ["1", "2", "7", "1472", "1473", "65507"])
async def test_sizes(size: str) -> None:
    outcome = await ping("127.0.0.1", NumberOfRepetitions="1", DataBlockSize=size)
    assert (outcome.state, outcome.results["SuccessCount"]) == ("Complete", "1")


@pytest.mark.usefixtures("icmp_sockets")
async def test_a_block_that_no_packet_holds() -> None:
    outcome = await ping("127.0.0.1", NumberOfRepetitions="1", DataBlockSize="65508")
    assert (outcome.state, "too long" in outcome.why) == ("Error_Other", True)


@pytest.mark.usefixtures("icmp_sockets")
async def test_bound_to_a_device() -> None:
    assert (await ping("127.0.0.1", Interface="lo", NumberOfRepetitions="1")).state == "Complete"


@pytest.mark.usefixtures("icmp_sockets")
async def test_a_device_that_is_not_there() -> None:
    outcome = await ping("127.0.0.1", Interface="nosuchdevice")
    assert (outcome.state, "nosuchdevice" in outcome.why) == ("Error_Internal", True)


async def test_an_interface_that_dangles() -> None:
    assert (await ping("127.0.0.1", Interface="dangling")).state == "Error_Internal"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid", "..", "\0", "::1::"])
async def test_hosts_that_do_not_resolve(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def only_numeric(*args: Any, **_: Any) -> Any:  # no test asks a name server
        return socket.getaddrinfo(*args, flags=socket.AI_NUMERICHOST)

    monkeypatch.setattr(ipping.trio.socket, "getaddrinfo", only_numeric)
    assert (await ping(host)).state == "Error_CannotResolveHostName"


async def test_an_address_of_the_other_family_does_not_resolve() -> None:
    assert (await ping("127.0.0.1", ProtocolVersion="IPv6")).state == "Error_CannotResolveHostName"


@pytest.mark.usefixtures("icmp_sockets")
async def test_it_can_be_cancelled(lossy: None) -> None:
    with trio.move_on_after(0.05) as scope:
        await ping("192.0.2.2", Timeout="600000")
    assert scope.cancelled_caught


# In a namespace: lines that lose everything, that are not there, that carry one family


async def test_losing_all_is_complete(lossy: None) -> None:
    outcome = await ping("192.0.2.2", NumberOfRepetitions="2", Timeout="20")
    assert outcome.state == "Complete"
    found = numbers(outcome)
    assert found.pop("FailureCount") == 2
    assert set(found.values()) == {0}


async def test_no_route(namespace: Ip) -> None:
    assert (await ping("192.0.2.2")).state == "Error_NoRouteToHost"


async def test_an_unreachable_route(namespace: Ip) -> None:
    namespace("route add unreachable 192.0.2.0/24")
    assert (await ping("192.0.2.2")).state == "Error_NoRouteToHost"


async def test_the_broadcast_address(lossy: None) -> None:
    assert (await ping("192.0.2.255")).state == "Error_Other"


async def test_the_address_that_can_be_reached_is_used(
    namespace: Ip, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both(*_: object, **__: object) -> Any:
        return [
            (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("2001:db8::1", 0, 0, 0)),
            (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 0)),
        ]

    monkeypatch.setattr(ipping.trio.socket, "getaddrinfo", both)
    outcome = await ping("dual.example", NumberOfRepetitions="1")
    assert (outcome.state, outcome.results["IPAddressUsed"]) == ("Complete", "127.0.0.1")


@pytest.mark.usefixtures("datagram_sockets")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_on_datagram_sockets(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with EchoSocket(family) as opened:
        assert not opened._raw
    outcome = await ping(address, NumberOfRepetitions="2", DSCP="46")
    assert (outcome.state, outcome.results["SuccessCount"]) == ("Complete", "2")
    assert consistent(numbers(outcome))


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_dscp_is_on_the_wire(namespace: Ip, family: int, address: str) -> None:
    try:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    except OSError as error:
        pytest.skip(f"no packet sockets: {error}")
    with wire:
        wire.bind(("lo", 0))
        assert (await ping(address, NumberOfRepetitions="1", DSCP="46")).state == "Complete"
        packet = wire.recv(2048)
    traffic_class = packet[1] if family == socket.AF_INET else (packet[0] & 15) << 4 | packet[1] >> 4
    assert traffic_class == 46 << 2


@pytest.mark.usefixtures("icmp_sockets")
@pytest.mark.parametrize("without", ["kernel stamps", "believable stamps"])
async def test_times_without_the_kernels_help(monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    if without == "kernel stamps":
        monkeypatch.setattr(network, "_SO_TIMESTAMPNS", 9999)
    else:
        monkeypatch.setattr(echo.time, "time_ns", lambda: 0)  # the wall clock was set meanwhile
    outcome = await ping("127.0.0.1", NumberOfRepetitions="2")
    assert outcome.results["SuccessCount"] == "2"
    found = numbers(outcome)
    assert consistent(found)
    assert found["MaximumResponseTimeDetailed"] < 10_000_000


@pytest.mark.usefixtures("icmp_sockets")
async def test_two_at_once_do_not_take_each_others_replies() -> None:
    outcomes: list[Outcome] = []

    async def one(size: str) -> None:
        outcomes.append(await ping("127.0.0.1", NumberOfRepetitions="3", DataBlockSize=size))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "56")
        nursery.start_soon(one, "56")
    assert [o.results["SuccessCount"] for o in outcomes] == ["3", "3"]


async def test_a_test_without_end_is_ended(autojump_clock: trio.testing.MockClock, lossy: None) -> None:
    run = IP_PING.run(
        {
            **IP_PING.defaults(),
            "Host": "192.0.2.2",
            "NumberOfRepetitions": "4294967295",
            "Timeout": "4294967295",
        },
        Means(device, LOG),
    )
    with pytest.raises(Failed) as caught:
        await run
    assert caught.value.outcome.state == "Error_Other"
