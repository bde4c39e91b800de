"""TraceRoute over routers in network namespaces, and on loopback."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import trio
from tests.diagnostics.conftest import Ip

from cwmp.diagnostics.definition import Failed, Means, Outcome
from cwmp.diagnostics.record import Record
from cwmp.diagnostics.traceroute import TRACE_ROUTE

LOG = logging.getLogger("test")
NO_NAME = socket.gaierror(socket.EAI_NONAME, "no name")


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the name servers know: address to name. No test asks a real one."""
    known: dict[str, str] = {}

    async def getnameinfo(address: tuple[str, int], _flags: int) -> tuple[str, str]:
        if address[0] not in known:
            raise NO_NAME
        return known[address[0]], "0"

    monkeypatch.setattr(trio.socket, "getnameinfo", getnameinfo)
    return known


async def device(row: str) -> str:
    if row == "dangling":
        raise Failed("Error_Internal", "there is no such interface")
    return row


async def trace(host: str, **inputs: str) -> Outcome:
    try:
        with trio.fail_after(20):
            given = {**TRACE_ROUTE.defaults(), "Host": host, **inputs}
            return await TRACE_ROUTE.run(given, Means(device, LOG))
    except Failed as failed:
        return failed.outcome


def hops(outcome: Outcome) -> Sequence[Mapping[str, str]]:
    found = outcome.results["RouteHops"]
    assert not isinstance(found, str)
    return found


def times(row: Mapping[str, str]) -> list[int]:
    return [int(t) for t in row["RTTimes"].split(",")]


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize(
    ("way", "code"),
    [(["198.18.1.2", "198.18.2.2", "198.18.3.2"], "3"), (["fd00:1::2", "fd00:2::2", "fd00:3::2"], "4")],
    ids=["IPv4", "IPv6"],
)
async def test_every_hop_is_found(way: list[str], code: str) -> None:
    outcome = await trace(way[-1])
    assert (outcome.state, outcome.results["IPAddressUsed"]) == ("Complete", way[-1])
    found = hops(outcome)
    assert [(row["Host"], row["HostAddress"]) for row in found] == [(address, "") for address in way]
    assert [row["ErrorCode"] for row in found] == ["0", "0", code]
    assert all(len(times(row)) == 3 and min(times(row)) >= 1 for row in found)
    assert int(str(outcome.results["ResponseTime"])) >= 1


@pytest.mark.usefixtures("route")
async def test_names_of_hops(names: dict[str, str]) -> None:
    names["198.18.2.2"] = "second.example"
    found = hops(await trace("198.18.3.2", NumberOfTries="1"))
    assert [(row["Host"], row["HostAddress"]) for row in found] == [
        ("198.18.1.2", ""),
        ("second.example", "198.18.2.2"),
        ("198.18.3.2", ""),
    ]
    assert all(len(times(row)) == 1 for row in found)


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize("name", ["\x1b[2Jx.example", "a b", "h" * 257, ""])
async def test_names_that_are_none(names: dict[str, str], name: str) -> None:
    names["127.0.0.1"] = name
    (row,) = hops(await trace("127.0.0.1", NumberOfTries="1"))
    assert (row["Host"], row["HostAddress"]) == ("127.0.0.1", "")


@pytest.mark.usefixtures("route")
async def test_more_hops_than_allowed() -> None:
    outcome = await trace("198.18.3.2", MaxHopCount="2")
    assert outcome.state == "Error_MaxHopCountExceeded"
    assert [row["Host"] for row in hops(outcome)] == ["198.18.1.2", "198.18.2.2"]
    assert "ResponseTime" not in outcome.results


async def test_a_router_that_knows_no_way(route: Ip) -> None:
    route("route add unreachable 198.18.3.0/24 metric 1 table 1")
    route("rule add to 198.18.3.0/24 table 1")
    outcome = await trace("198.18.3.2")
    assert outcome.state == "Error_NoRouteToHost"
    assert [row["Host"] for row in hops(outcome)] == ["198.18.1.2"]
    assert [row["ErrorCode"] for row in hops(outcome)] == ["1"]


@pytest.mark.usefixtures("route")
async def test_bound_to_a_device_and_a_block_larger_than_a_packet() -> None:
    outcome = await trace("198.18.3.2", Interface="to1", DataBlockSize="4000", DSCP="10")
    assert (outcome.state, len(hops(outcome))) == ("Complete", 3)
    assert (await trace("198.18.3.2", Interface="lo", MaxHopCount="1", Timeout="1")).state != "Complete"


@pytest.mark.usefixtures("lossy")
async def test_silence() -> None:
    outcome = await trace("192.0.2.2", MaxHopCount="2", NumberOfTries="2", Timeout="10")
    assert outcome.state == "Error_MaxHopCountExceeded"
    silent = {"Host": "", "HostAddress": "", "ErrorCode": "0", "RTTimes": "0,0"}
    assert hops(outcome) == [silent, silent]


@pytest.mark.usefixtures("lossy")
async def test_it_can_be_cancelled() -> None:
    with trio.move_on_after(0.05) as scope:
        await trace("192.0.2.2", Timeout="600000")
    assert scope.cancelled_caught


@pytest.mark.usefixtures("lossy")
async def test_a_test_without_end_is_ended(autojump_clock: trio.testing.MockClock) -> None:
    given = {**TRACE_ROUTE.defaults(), "Host": "192.0.2.2", "Timeout": "4294967295"}
    with pytest.raises(Failed) as caught:
        await TRACE_ROUTE.run(given, Means(device, LOG))
    assert caught.value.outcome.state == "Error_Other"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.usefixtures("namespace")
async def test_a_host_that_answers_where_nobody_should_listen(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with trio.socket.socket(family, socket.SOCK_DGRAM) as server:
        await server.bind((address, 33435))

        async def answer() -> None:
            data, source = await server.recvfrom(100)
            await server.sendto(data, source)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            outcome = await trace(address, NumberOfTries="1", Timeout="10000")
    assert outcome.state == "Complete"
    assert [(row["Host"], row["ErrorCode"]) for row in hops(outcome)] == [(address, "0")]


async def test_no_route(namespace: Ip) -> None:
    assert (await trace("192.0.2.2")).state == "Error_NoRouteToHost"


@pytest.mark.parametrize(
    ("host", "inputs", "state"),
    [
        ("127.0.0.1", {"ProtocolVersion": "IPv6"}, "Error_CannotResolveHostName"),
        ("127.0.0.1", {"Interface": "dangling"}, "Error_Internal"),
        ("127.0.0.1", {"Interface": "nosuchdevice"}, "Error_Internal"),
        ("127.0.0.1", {"DataBlockSize": "65508"}, "Error_Other"),
    ],
)
async def test_what_cannot_be_made(host: str, inputs: dict[str, str], state: str) -> None:
    outcome = await trace(host, **inputs)
    assert outcome.state == state
    assert outcome.why


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("NumberOfTries", ["1", "3"], ["0", "4"]),
        ("Timeout", ["1", "4294967295"], ["0", "4294967296"]),
        ("DataBlockSize", ["1", "65535"], ["0", "65536"]),
        ("DSCP", ["0", "63"], ["64", "-1"]),
        ("MaxHopCount", ["1", "64"], ["0", "65", ""]),
        ("Host", ["h" * 256], ["h" * 257]),
        ("RouteHops.1.Host", [], ["h"]),
    ],
)
def test_ranges(name: str, good: list[str], bad: list[str]) -> None:
    assert not [v for v in good if TRACE_ROUTE.check({name: v}, TRACE_ROUTE.defaults())]
    assert all(TRACE_ROUTE.check({name: v}, TRACE_ROUTE.defaults()) for v in bad)


def test_hops_are_parameters_and_are_kept() -> None:
    rows: list[dict[str, str]] = [{"Host": "a"}, {"Host": "b"}]
    record, _ = Record.new(TRACE_ROUTE).written({"Host": "h", "DiagnosticsState": "Requested"})
    done = record.ended(Outcome("Complete", {"RouteHops": rows}))
    path = f"{TRACE_ROUTE.path}RouteHops."
    hosts = {name: v for name, v in done.parameters().items() if name.startswith(path)}
    assert hosts == {f"{path}1.Host": "a", f"{path}2.Host": "b"}
    again = Record.new(TRACE_ROUTE).restored(dict(done.inputs), done.to_document())
    assert again.parameters() == done.parameters()
    broken: Any = {**done.to_document(), "results": {"RouteHops": "no rows", "ResponseTime": ["no text"]}}
    assert Record.new(TRACE_ROUTE).restored({}, broken).results == {
        "IPAddressUsed": "",
        "ResponseTime": "0",
        "RouteHops": [],
    }
    requested, _ = done.written({"DiagnosticsState": "Requested"})
    assert not [name for name in requested.parameters() if name.startswith(path)]
