"""ServerSelectionDiagnostics on loopback, and on a line that loses everything."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import pytest
import trio
from tests.diagnostics.conftest import Ip

from cwmp.diagnostics import serverselection
from cwmp.diagnostics.definition import Failed, Means, Outcome
from cwmp.diagnostics.network import Target
from cwmp.diagnostics.serverselection import SERVER_SELECTION
from cwmp.diagnostics.udpecho import Times

LOG = logging.getLogger("test")


async def device(row: str) -> str:
    if row == "dangling":
        raise Failed("Error_Internal", "there is no such interface")
    return row


async def select(hosts: str, **inputs: str) -> Outcome:
    values = {**SERVER_SELECTION.defaults(), "HostList": hosts, "Timeout": "500", **inputs}
    assert not SERVER_SELECTION.check({"DiagnosticsState": "Requested"}, values)
    try:
        with trio.fail_after(20):
            return await SERVER_SELECTION.run(values, Means(device, LOG))
    except Failed as failed:
        return failed.outcome


@pytest.fixture
async def reflect(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has these addresses answer UDP Echo, each only every so many times."""
    ports: list[int] = []

    def begin(address: str, every: int = 1) -> None:
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.bind((address, ports[0] if ports else 0))
        except OSError as error:
            opened.close()
            pytest.skip(f"no loopback of this family: {error}")
        ports.append(opened.getsockname()[1])
        monkeypatch.setattr(serverselection, "_UDP_PORT", ports[0])

        async def serve() -> None:
            with trio.socket.from_stdlib_socket(opened) as sock:
                asked = 0
                while True:
                    payload, source = await sock.recvfrom(2048)
                    if asked % every == 0:
                        await sock.sendto(payload, source)
                    asked += 1

        nursery.start_soon(serve)

    return begin


def consistent(outcome: Outcome) -> bool:
    found = [int(str(outcome.results[f"{name}ResponseTime"])) for name in ("Minimum", "Average", "Maximum")]
    return 0 < found[0] <= found[1] <= found[2]


@pytest.mark.usefixtures("icmp_sockets", "lossy")
async def test_by_icmp_the_one_that_answers() -> None:
    outcome = await select("192.0.2.2, 127.0.0.1", NumberOfRepetitions="2")
    assert (outcome.state, outcome.results["FastestHost"]) == ("Complete", "127.0.0.1")
    assert outcome.results["IPAddressUsed"] == "127.0.0.1"
    assert consistent(outcome)


@pytest.mark.parametrize("address", ["127.0.0.3", "::1"])
async def test_by_udp_echo_the_one_that_answers_most(reflect: Callable[..., None], address: str) -> None:
    reflect(address)
    reflect("127.0.0.2", every=2)
    outcome = await select(f"127.0.0.2,{address}", Protocol="UDP Echo", NumberOfRepetitions="2")
    assert (outcome.state, outcome.results["FastestHost"]) == ("Complete", address)
    assert consistent(outcome)


def test_the_smallest_average_wins() -> None:
    def answered(host: str, *took: float) -> serverselection._Answered:
        times = Times()
        for one in took:
            times.add(one)
        return serverselection._Answered(host, Target(socket.AF_INET, (host, 0)), times)

    found = [answered("slow", 9.0, 9.0), answered("fast", 2.0, 3.0), answered("seldom", 1.0)]
    outcome = serverselection._outcome(found, Failed("Error_Other", ""))
    assert outcome.results == {
        "FastestHost": "fast",
        "IPAddressUsed": "fast",
        "AverageResponseTime": "3",
        "MinimumResponseTime": "2",
        "MaximumResponseTime": "3",
    }


@pytest.mark.parametrize("protocol", ["ICMP", "UDP Echo"])
@pytest.mark.usefixtures("icmp_sockets", "lossy")
async def test_nobody_answers(protocol: str) -> None:
    outcome = await select("192.0.2.2,192.0.2.3", Protocol=protocol, NumberOfRepetitions="1")
    assert (outcome.state, outcome.why) == ("Error_Other", "no host has answered")


@pytest.mark.usefixtures("icmp_sockets")
async def test_hosts_without_an_address_are_left_out() -> None:
    outcome = await select("::1,127.0.0.1", ProtocolVersion="IPv4", NumberOfRepetitions="1")
    assert (outcome.state, outcome.results["FastestHost"]) == ("Complete", "127.0.0.1")
    assert (await select("::1", ProtocolVersion="IPv4")).state == "Error_CannotResolveHostName"


@pytest.mark.usefixtures("icmp_sockets")
async def test_no_route(namespace: Ip) -> None:
    outcome = await select("192.0.2.2")
    assert SERVER_SELECTION.state(outcome.state) == "Error_Other"


@pytest.mark.parametrize("interface", ["dangling", "nosuchdevice"])
@pytest.mark.usefixtures("icmp_sockets")
async def test_interfaces_that_are_not_there(interface: str) -> None:
    assert (await select("127.0.0.1", Interface=interface)).state == "Error_Internal"


@pytest.mark.usefixtures("icmp_sockets", "lossy")
async def test_it_can_be_cancelled() -> None:
    with trio.move_on_after(0.05) as scope:
        await select("192.0.2.2", Timeout="600000")
    assert scope.cancelled_caught


@pytest.mark.usefixtures("icmp_sockets", "lossy")
async def test_a_test_without_end_is_ended(autojump_clock: trio.testing.MockClock) -> None:
    values = {**SERVER_SELECTION.defaults(), "HostList": "192.0.2.2", "Timeout": "4294967295"}
    with pytest.raises(Failed) as caught:
        await SERVER_SELECTION.run(values, Means(device, LOG))
    assert caught.value.outcome.state == "Error_Other"
