"""IPPing: Device.IP.Diagnostics.IPPing. (TR-181; CWMP's ping).

Losing every reply is an outcome like any other: Complete, with FailureCount as large as NumberOfRepetitions.
An error is what keeps the test from being made.
"""

from __future__ import annotations

import errno
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import trio

from cwmp.diagnostics import states
from cwmp.diagnostics.definition import Definition, Failed, Input, Means, Outcome, choice, text, unsigned
from cwmp.diagnostics.echo import EchoSocket
from cwmp.diagnostics.network import Target, first_reachable, milliseconds, resolve, unsendable

_TEST_DEADLINE = 3600.0
"""NumberOfRepetitions and Timeout have no upper bound in the standard; the test has one."""

_INTERVAL = 0.1
"""Seconds from one request to the next, at least: a test is no flood."""


@dataclass(slots=True)
class Times:
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
            found[f"{name}ResponseTime"] = str(milliseconds(took))
            found[f"{name}ResponseTimeDetailed"] = str(int(took + 0.5))
        return found


async def run(inputs: Mapping[str, str], means: Means) -> Outcome:
    """Ping as `inputs` say.

    Raises:
        Failed: the test could not be made.
    """
    device = await means.device(inputs["Interface"])
    targets = await resolve(inputs["Host"], inputs["ProtocolVersion"])

    async def attempt(target: Target) -> Times:
        with open_echo(target.family, device, int(inputs["DSCP"])) as echo:
            return await _ping(echo, target, inputs, means)

    target, times = await first_reachable(targets, attempt)
    return Outcome(states.COMPLETE, {"IPAddressUsed": target.shown, **times.results()})


async def _ping(echo: EchoSocket, target: Target, inputs: Mapping[str, str], means: Means) -> Times:
    timeout = int(inputs["Timeout"]) / 1000
    payload = secrets.token_bytes(int(inputs["DataBlockSize"]))
    times = Times()
    with trio.move_on_after(_TEST_DEADLINE):
        for sequence in range(int(inputs["NumberOfRepetitions"])):
            next_one = trio.current_time() + _INTERVAL
            try:
                times.add(await echo.ping(target.address, sequence, payload, timeout))
            except OSError as error:
                if sequence == 0:
                    raise unsendable(target, error) from None
                times.add(None)  # the line went down in the middle of the test: that is what it measures
            means.progress(sequence + 1, int(inputs["NumberOfRepetitions"]))
            if sequence + 1 < int(inputs["NumberOfRepetitions"]):
                await trio.sleep_until(next_one)
        return times
    raise Failed(states.ERROR_OTHER, f"the test was not over within {_TEST_DEADLINE:g} s")


def open_echo(family: int, device: str, dscp: int) -> EchoSocket:
    """A socket for echo requests. Raises Failed where there can be none."""
    try:
        return EchoSocket(family, device=device, dscp=dscp)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            raise Failed(states.ERROR_NO_ROUTE, f"no socket of this family: {error.strerror}") from None
        where = f" on '{device}'" if device else ""
        raise Failed(states.ERROR_INTERNAL, f"no ICMP socket{where}: {error.strerror}") from None


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
    results=MappingProxyType({"IPAddressUsed": "", **Times().results()}),
    required=("Host",),
    errors=(
        states.ERROR_CANNOT_RESOLVE,
        states.ERROR_NO_ROUTE,
        states.ERROR_INTERNAL,
        states.ERROR_OTHER,
    ),
    run=run,
)
