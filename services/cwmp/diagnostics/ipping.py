"""IPPing: Device.IP.Diagnostics.IPPing. (TR-181; CWMP's ping).

Losing every reply is an outcome like any other: Complete, with FailureCount as large as NumberOfRepetitions.
An error is what keeps the test from being made.
"""

from __future__ import annotations

import errno
import math
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import trio

from cwmp.diagnostics import states
from cwmp.diagnostics.definition import Definition, Failed, Input, Means, Outcome, choice, text, unsigned
from cwmp.diagnostics.echo import Address, EchoSocket

_RESOLVE_DEADLINE = 20.0
_TEST_DEADLINE = 3600.0
"""NumberOfRepetitions and Timeout have no upper bound in the standard; the test has one."""

_INTERVAL = 0.1
"""Seconds from one request to the next, at least: a test is no flood."""

_FAMILIES: Mapping[str, int] = MappingProxyType(
    {"Any": socket.AF_UNSPEC, "IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
)
_NO_ROUTE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)


@dataclass(slots=True)
class _Times:
    """Round-trip times in µs, without keeping each."""

    count: int = 0
    lost: int = 0
    total: float = 0.0
    shortest: float = math.inf
    longest: float = 0.0

    def add(self, took: float | None) -> None:
        if took is None:
            self.lost += 1
            return
        self.count += 1
        self.total += took
        self.shortest = min(self.shortest, took)
        self.longest = max(self.longest, took)

    def results(self) -> dict[str, str]:
        average = self.total / self.count if self.count else 0.0
        shortest = self.shortest if self.count else 0.0
        found = {"SuccessCount": str(self.count), "FailureCount": str(self.lost)}
        for name, took in (("Average", average), ("Minimum", shortest), ("Maximum", self.longest)):
            found[f"{name}ResponseTime"] = str(int(took / 1000 + 0.5))
            found[f"{name}ResponseTimeDetailed"] = str(int(took + 0.5))
        return found


async def run(inputs: Mapping[str, str], means: Means) -> Outcome:
    """Ping as `inputs` say.

    Raises:
        Failed: the test could not be made.
    """
    device = await means.device(inputs["Interface"])
    addresses = await _resolve(inputs["Host"], _FAMILIES[inputs["ProtocolVersion"]])
    failure = Failed(states.ERROR_NO_ROUTE, "there is no address to try")
    for family, address in addresses:
        try:
            with _socket(family, device, int(inputs["DSCP"])) as echo:
                times = await _ping(echo, address, inputs)
        except Failed as failed:
            if failed.outcome.state != states.ERROR_NO_ROUTE:
                raise
            failure = failed  # a host may have addresses of both families, the line only one
        else:
            return Outcome(states.COMPLETE, {"IPAddressUsed": _shown(address), **times.results()})
    raise failure


async def _ping(echo: EchoSocket, address: Address, inputs: Mapping[str, str]) -> _Times:
    timeout = int(inputs["Timeout"]) / 1000
    payload = secrets.token_bytes(int(inputs["DataBlockSize"]))
    times = _Times()
    with trio.move_on_after(_TEST_DEADLINE):
        for sequence in range(int(inputs["NumberOfRepetitions"])):
            next_one = trio.current_time() + _INTERVAL
            try:
                times.add(await echo.ping(address, sequence, payload, timeout))
            except OSError as error:
                if sequence == 0:
                    raise _unsendable(address, error) from None
                times.add(None)  # the line went down in the middle of the test: that is what it measures
            if sequence + 1 < int(inputs["NumberOfRepetitions"]):
                await trio.sleep_until(next_one)
        return times
    raise Failed(states.ERROR_OTHER, f"the test was not over within {_TEST_DEADLINE:g} s")


async def _resolve(host: str, family: int) -> Sequence[tuple[int, Address]]:
    """The addresses of a host, best first."""
    try:
        with trio.fail_after(_RESOLVE_DEADLINE):
            found = await trio.socket.getaddrinfo(host, None, family, socket.SOCK_DGRAM)
    except (trio.TooSlowError, socket.gaierror, ValueError):  # ValueError: no name at all
        raise Failed(states.ERROR_CANNOT_RESOLVE, f"'{host}' cannot be resolved") from None
    return [(family, cast(Address, address)) for family, _, _, _, address in found]


def _socket(family: int, device: str, dscp: int) -> EchoSocket:
    try:
        return EchoSocket(family, device=device, dscp=dscp)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            raise Failed(states.ERROR_NO_ROUTE, f"no socket of this family: {error.strerror}") from None
        where = f" on '{device}'" if device else ""
        raise Failed(states.ERROR_INTERNAL, f"no ICMP socket{where}: {error.strerror}") from None


def _unsendable(address: Address, error: OSError) -> Failed:
    state = states.ERROR_NO_ROUTE if error.errno in _NO_ROUTE else states.ERROR_OTHER
    return Failed(state, f"nothing can be sent to {_shown(address)}: {error.strerror}")


def _shown(address: Address) -> str:
    return address[0].partition("%")[0]


IP_PING = Definition(
    name="IPPing",
    path="Device.IP.Diagnostics.IPPing.",
    inputs=MappingProxyType(
        {
            "Interface": Input("", text(256)),
            "ProtocolVersion": Input("Any", choice("Any", "IPv4", "IPv6")),
            "Host": Input("", text(256)),
            "NumberOfRepetitions": Input("3", unsigned(1)),
            "Timeout": Input("1000", unsigned(1)),
            "DataBlockSize": Input("56", unsigned(1, 65535)),
            "DSCP": Input("0", unsigned(0, 63)),
        }
    ),
    results=MappingProxyType({"IPAddressUsed": "", **_Times().results()}),
    required=("Host",),
    run=run,
)
