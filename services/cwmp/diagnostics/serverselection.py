"""ServerSelectionDiagnostics: Device.IP.Diagnostics.ServerSelectionDiagnostics. (TR-181).

Each host of HostList is asked NumberOfRepetitions times, one packet under way at a time, by ICMP or UDP Echo (port
7). The fastest is the one with the smallest average among those that answered most often. A host that cannot be
resolved or reached is no fastest host; only where that is so for all of them, the test fails.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import trio

from cwmp.diagnostics import network, states
from cwmp.diagnostics.definition import Definition, Failed, Input, Means, Outcome, choice, text, unsigned
from cwmp.diagnostics.ipping import open_echo
from cwmp.diagnostics.network import Target
from cwmp.diagnostics.udpecho import Client, Times

_TEST_DEADLINE = 3600.0
_INTERVAL = 0.1
_MAX_HOSTS = 10
_UDP_PORT = 7
_SIZE = 24


@dataclass(frozen=True, slots=True)
class _Answered:
    """A host, the address that was asked, and its times."""

    host: str
    target: Target
    times: Times


async def run(inputs: Mapping[str, str], means: Means) -> Outcome:
    """Find the fastest server as `inputs` say.

    Raises:
        Failed: the test could not be made with any of them.
    """
    device = await means.device(inputs["Interface"])
    found: list[_Answered] = []
    failure = Failed(states.ERROR_OTHER, "HostList names no host")
    with trio.move_on_after(_TEST_DEADLINE):
        for host in _hosts(inputs["HostList"]):
            try:
                found.append(await _ask(host, inputs, device))
            except Failed as failed:
                means.log.info("ServerSelectionDiagnostics: %s: %s", host, failed)
                failure = failed
        return _outcome(found, failure)
    raise Failed(states.ERROR_OTHER, f"the test was not over within {_TEST_DEADLINE:g} s")


def _outcome(found: list[_Answered], failure: Failed) -> Outcome:
    if not found:
        raise failure
    best = min(found, key=lambda one: (-one.times.count, one.times.total))
    if not best.times.count:
        raise Failed(states.ERROR_OTHER, "no host has answered")
    results = {"FastestHost": best.host, "IPAddressUsed": best.target.shown, **best.times.results()}
    return Outcome(states.COMPLETE, results)


async def _ask(host: str, inputs: Mapping[str, str], device: str) -> _Answered:
    by_udp = inputs["Protocol"] == "UDP Echo"
    targets = await network.resolve(host, inputs["ProtocolVersion"], port=_UDP_PORT if by_udp else 0)
    count, timeout = int(inputs["NumberOfRepetitions"]), int(inputs["Timeout"]) / 1000

    async def by_icmp(target: Target) -> Times:
        times = Times()
        with open_echo(target.family, device, 0) as echo:
            for sequence in range(count):
                next_one = trio.current_time() + _INTERVAL
                payload = secrets.token_bytes(_SIZE)
                try:
                    took = await echo.ping(target.address, sequence, payload, timeout)
                except OSError as error:
                    raise network.unsendable(target, error) from None
                if took is not None:
                    times.add(took)
                if sequence + 1 < count:
                    await trio.sleep_until(next_one)
        return times

    async def by_udp_echo(target: Target) -> Times:
        times = Times()
        for sequence in range(count):
            # Each from a port of its own: a reply that comes too late is none to the next.
            with network.datagrams(target.family, device=device, dscp=0) as opened:
                sock = trio.socket.from_stdlib_socket(opened)
                await Client(sock, target, _SIZE, timeout, _INTERVAL, times=times).run(1)
            if sequence + 1 < count:
                await trio.sleep(_INTERVAL)
        return times

    target, times = await network.first_reachable(targets, by_udp_echo if by_udp else by_icmp)
    return _Answered(host, target, times)


def _hosts(value: str) -> list[str]:
    return [host for host in (item.strip() for item in value.split(",")) if host]


def _host_list(value: str) -> str:
    """A list of at most ten hosts of 256 characters."""
    items = [item.strip() for item in value.split(",")]
    if len(items) > _MAX_HOSTS:
        return f"more than {_MAX_HOSTS} hosts"
    return next((reason for item in items if (reason := text(256)(item))), "")


SERVER_SELECTION = Definition(
    name="ServerSelectionDiagnostics",
    path="Device.IP.Diagnostics.ServerSelectionDiagnostics.",
    inputs=MappingProxyType(
        {
            "Interface": Input("", text(256)),
            "ProtocolVersion": Input("Any", choice("Any", "IPv4", "IPv6")),
            "Protocol": Input("ICMP", choice("ICMP", "UDP Echo")),
            "HostList": Input("", _host_list),
            "NumberOfRepetitions": Input("3", unsigned(1)),
            "Timeout": Input("1000", unsigned(1)),
        }
    ),
    results=MappingProxyType({"FastestHost": "", "IPAddressUsed": "", **Times().results()}),
    required=("HostList",),
    errors=(states.ERROR_CANNOT_RESOLVE, states.ERROR_INTERNAL, states.ERROR_OTHER),
    run=run,
)
