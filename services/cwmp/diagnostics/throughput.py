"""What DownloadDiagnostics and UploadDiagnostics have in common: flows, what they moved, and when (TR-143, TR-181).

Theory of operation
-------------------
A run has one target and some flows to it, each a TCP connection. A flow begins (BOMTime) with the first byte of
the answer, or of the file that is sent, and ends (EOMTime) with the last byte, or with the answer. At each
beginning and end the `Meter` takes a `Moment`: the time, what all flows have moved until then, and the counters of
the interface. All results are differences between moments:

- the whole: from the first beginning to the last end;
- full loading, when every flow was at work: from the last beginning to the first end;
- one connection: from its beginning to its end;
- an increment: between two moments that the clock chose.

With TimeBasedTestDuration, counted from the first beginning, `Meter.over` tells the flows to end; else each moves
one file. One flow that fails ends the run.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import trio

from cwmp.diagnostics import network, states
from cwmp.diagnostics.definition import (
    Failed,
    Input,
    Means,
    Outcome,
    Value,
    boolean,
    choice,
    is_true,
    unsigned,
)
from cwmp.diagnostics.network import Target
from cwmp.diagnostics.times import date_time

MAX_CONNECTIONS = 8
MAX_INCREMENTS = 100

ERROR_INIT_CONNECTION_FAILED = "Error_InitConnectionFailed"
ERROR_NO_RESPONSE = "Error_NoResponse"
ERROR_TIMEOUT = "Error_Timeout"

STALL = 30.0
"""Seconds in which something must happen: a connection, an answer, the next byte."""

_TEST_DEADLINE = 3600.0
_LOOK = 0.5
"""Seconds between two looks at how far it is."""
_SIOCOUTQ = 0x5411
_SO_PRIORITY = 12
_COUNTERS = Path("/proc/net/dev")


@dataclass(frozen=True, slots=True)
class Direction:
    """Which way the file goes: as names of parameters say it."""

    bytes_name: str
    sends: bool


DOWN = Direction("TestBytesReceived", sends=False)
UP = Direction("TestBytesSent", sends=True)


class Moment(NamedTuple):
    """A time (ns since 1970), all that the flows have moved, and the interface's counters."""

    at: int
    moved: int
    received: int
    sent: int


@dataclass(slots=True, eq=False)
class Flow:
    """One connection: its times in ns since 1970, what it has moved, its beginning and end."""

    sock: socket.socket | None = None
    moved: int = 0
    open_request: int = 0
    open_response: int = 0
    requested: int = 0
    begin: Moment | None = None
    end: Moment | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    """Around what can be left at any moment when the time is over."""

    def arrived(self, direction: Direction) -> int:
        """What has moved and is not waiting in our own kernel."""
        if not direction.sends or self.sock is None or self.sock.fileno() < 0 or self.end is not None:
            return self.moved
        try:
            raw = fcntl.ioctl(self.sock, _SIOCOUTQ, bytes(4))
        except OSError:
            return self.moved
        return max(0, self.moved - int(struct.unpack("=i", raw)[0]))


@dataclass(slots=True, eq=False)
class Meter:
    """All flows of a run, and what its results are made of."""

    direction: Direction
    device: str
    connections: int
    over: bool = False
    flows: list[Flow] = field(default_factory=list)
    increments: list[tuple[Moment, Moment]] = field(default_factory=list)
    begun: trio.Event = field(default_factory=trio.Event)

    def now(self) -> Moment:
        moved = sum(flow.arrived(self.direction) for flow in self.flows)
        return Moment(time.time_ns(), moved, *self._counters())

    def _counters(self) -> tuple[int, int]:
        """Bytes received and sent on the interface; 0 where none is named, or nobody knows."""
        if self.device:
            with contextlib.suppress(OSError):
                for line in _COUNTERS.read_text().splitlines():
                    name, _, columns = line.partition(":")
                    if name.strip() == self.device:
                        numbers = columns.split()
                        return int(numbers[0]), int(numbers[8])
        return 0, 0

    def begins(self, flow: Flow) -> None:
        """The first byte is here, or on its way. Only the first time counts."""
        if flow.begin is None:
            flow.begin = self.now()
            self.begun.set()

    def ends(self, flow: Flow) -> None:
        """The last byte, or the answer, is here. Only the last time counts."""
        flow.end = None
        flow.end = self.now()

    def results(self, *, per_connection: bool) -> dict[str, Value]:
        """The parameters, once every flow has begun and ended."""
        begins = sorted(flow.begin for flow in self.flows if flow.begin)
        ends = sorted(flow.end for flow in self.flows if flow.end)
        if not begins or not ends:
            return {}
        loaded = ends[0].at - begins[-1].at
        first, last = (begins[-1], ends[0]) if loaded > 0 else (ends[0], ends[0])
        name = self.direction.bytes_name
        whole = self._between(begins[0], ends[-1])
        whole[name] = str(sum(flow.moved for flow in self.flows))
        return {
            "ROMTime": date_time(min((flow.requested for flow in self.flows if flow.requested), default=0)),
            "BOMTime": date_time(begins[0].at),
            "EOMTime": date_time(ends[-1].at),
            **whole,
            **{f"{key}UnderFullLoading": value for key, value in self._between(first, last).items()},
            "PeriodOfFullLoading": str(max(0, loaded) // 1000),
            "TCPOpenRequestTime": date_time(max(flow.open_request for flow in self.flows)),
            "TCPOpenResponseTime": date_time(max(flow.open_response for flow in self.flows)),
            "PerConnectionResult": [self._row(flow) for flow in self.flows] if per_connection else [],
            "IncrementalResult": [
                {**self._between(a, b), "StartTime": date_time(a.at), "EndTime": date_time(b.at)}
                for a, b in self.increments
            ],
        }

    def _between(self, first: Moment, last: Moment) -> dict[str, str]:
        return {
            self.direction.bytes_name: str(last.moved - first.moved),
            "TotalBytesReceived": str(max(0, last.received - first.received)),
            "TotalBytesSent": str(max(0, last.sent - first.sent)),
        }

    def _row(self, flow: Flow) -> dict[str, str]:
        begin, end = flow.begin or Moment(0, 0, 0, 0), flow.end or Moment(0, 0, 0, 0)
        return {
            "ROMTime": date_time(flow.requested),
            "BOMTime": date_time(begin.at),
            "EOMTime": date_time(end.at),
            **self._between(begin, end),
            self.direction.bytes_name: str(flow.moved),
            "TCPOpenRequestTime": date_time(flow.open_request),
            "TCPOpenResponseTime": date_time(flow.open_response),
        }


@dataclass(frozen=True, slots=True)
class Job:
    """What each flow has to do: `length` is the size of a file to send, `timed` that it goes on until `over`."""

    url: SplitResult
    target: Target
    meter: Meter
    dscp: int
    priority: int
    length: int
    timed: bool

    async def connect(self, flow: Flow, port: int) -> socket.socket:
        """A connection to the target; the flow keeps the times of its first one.

        Raises:
            Failed: there is none.
        """
        family, address = self.target
        where = f"{self.target.shown} port {port}"
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            raise Failed(states.ERROR_NO_ROUTE, f"no socket of this family: {error.strerror}") from None
        try:
            self._prepare(sock)
            asked = time.time_ns()
            flow.open_request = flow.open_request or asked
            with trio.fail_after(STALL):
                # On a duplicate: what trio closes when it is cancelled is not ours.
                with trio.socket.from_stdlib_socket(sock.dup()) as connecting:
                    await connecting.connect((address[0], port, *address[2:]))
            flow.open_response = flow.open_response or time.time_ns()
        except trio.TooSlowError:
            sock.close()
            raise Failed(ERROR_INIT_CONNECTION_FAILED, f"{where} does not answer") from None
        except OSError as error:
            sock.close()
            state = states.ERROR_NO_ROUTE if error.errno in network.NO_ROUTE else ERROR_INIT_CONNECTION_FAILED
            raise Failed(state, f"{where}: {error.strerror}") from None
        except BaseException:
            sock.close()
            raise
        return sock

    def _prepare(self, sock: socket.socket) -> None:
        try:
            network.bind_and_mark(sock, device=self.meter.device, dscp=self.dscp)
            sock.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, self.priority)
        except OSError as error:
            where = f" on '{self.meter.device}'" if self.meter.device else ""
            why = f"no socket{where} with EthernetPriority {self.priority}: {error.strerror}"
            raise Failed(states.ERROR_INTERNAL, why) from None


Transfer = Callable[[Job, Flow], Awaitable[None]]
"""Moves one flow's data: calls `begins` and `ends`, counts in `moved`; raises Failed."""


async def measure(
    url: str, inputs: Mapping[str, str], means: Means, direction: Direction, transfers: Mapping[str, Transfer]
) -> Outcome:
    """Run a test to `url` as `inputs` say, by the transfer of its scheme.

    Raises:
        Failed: it could not be made.
    """
    device = await means.device(inputs["Interface"])
    parts = urlsplit(url)
    transfer = transfers[parts.scheme.lower()]
    targets = await network.resolve(parts.hostname or "", inputs["ProtocolVersion"])
    duration = int(inputs["TimeBasedTestDuration"])

    async def attempt(target: Target) -> Meter:
        meter = Meter(direction, device, int(inputs["NumberOfConnections"]))
        job = Job(
            parts,
            target,
            meter,
            dscp=int(inputs["DSCP"]),
            priority=int(inputs["EthernetPriority"]),
            length=int(inputs.get("TestFileLength", "0")),
            timed=duration > 0,
        )
        with trio.move_on_after(_TEST_DEADLINE):
            await _run(job, transfer, inputs, means)
            return meter
        raise Failed(ERROR_TIMEOUT, f"the test was not over within {_TEST_DEADLINE:g} s")

    target, meter = await network.first_reachable(targets, attempt)
    results = meter.results(per_connection=is_true(inputs["EnablePerConnectionResults"]))
    return Outcome(states.COMPLETE, {"IPAddressUsed": target.shown, **results})


async def _run(job: Job, transfer: Transfer, inputs: Mapping[str, str], means: Means) -> None:
    failures: list[Failed] = []
    meter, duration = job.meter, int(inputs["TimeBasedTestDuration"])
    async with trio.open_nursery() as everything:

        async def flow_of(flow: Flow) -> None:
            try:
                await transfer(job, flow)
            except Failed as failed:
                failures.append(failed)
                everything.cancel_scope.cancel()

        everything.start_soon(_tell, meter, job.length * meter.connections, means)
        async with trio.open_nursery() as flows:
            if duration:
                offset = int(inputs["TimeBasedTestMeasurementOffset"])
                interval = int(inputs["TimeBasedTestMeasurementInterval"])
                everything.start_soon(_keep_time, meter, duration, offset, interval)
            for _ in range(meter.connections):
                meter.flows.append(Flow())
                flows.start_soon(flow_of, meter.flows[-1])
        everything.cancel_scope.cancel()
    if failures:
        raise failures[0]


async def _tell(meter: Meter, total: int, means: Means) -> None:
    """Tell how many bytes have moved, of `total`."""
    while True:
        await trio.sleep(_LOOK)
        means.progress(sum(flow.arrived(meter.direction) for flow in meter.flows), total)


async def _keep_time(meter: Meter, duration: int, offset: int, interval: int) -> None:
    """Take the increments that fit into `duration`, and end the flows after it; all in s."""
    await meter.begun.wait()
    start = trio.current_time()
    before: Moment | None = None
    marks = range(offset, duration + 1, interval) if interval else range(0)
    for mark in marks[: MAX_INCREMENTS + 1]:
        await trio.sleep_until(start + mark)
        after = meter.now()
        if before is not None:
            meter.increments.append((before, after))
        before = after
    await trio.sleep_until(start + duration)
    meter.over = True
    for flow in meter.flows:
        flow.scope.cancel()


def is_url(*schemes: str) -> Callable[[str], str]:
    """A URL of one of these schemes without credentials, or nothing."""

    def check(value: str) -> str:
        if not value:
            return ""
        if len(value) > 2048 or not re.fullmatch(r"[!-~]+", value):
            return "not a URL of at most 2048 printable characters"
        try:
            parts = urlsplit(value)
            known = parts.scheme.lower() in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known:
            return f"not a URL of {' or '.join(schemes)}"
        return "a URL with a user or password is not used" if "@" in parts.netloc else ""

    return check


INPUTS: Mapping[str, Input] = MappingProxyType(
    {
        "DSCP": Input("0", unsigned(0, 63)),
        "EthernetPriority": Input("0", unsigned(0, 7)),
        "TimeBasedTestDuration": Input("0", unsigned(0, 999)),
        "TimeBasedTestMeasurementInterval": Input("0", unsigned(0, 999)),
        "TimeBasedTestMeasurementOffset": Input("0", unsigned(0, 255)),
        "ProtocolVersion": Input("Any", choice("Any", "IPv4", "IPv6")),
        "NumberOfConnections": Input("1", unsigned(1, MAX_CONNECTIONS)),
        "EnablePerConnectionResults": Input("false", boolean),
    }
)
"""What both tests take beside their own."""


def no_results(direction: Direction) -> dict[str, Value]:
    """What both tests give, before a run."""
    whole = (direction.bytes_name, "TotalBytesReceived", "TotalBytesSent")
    times = ("ROMTime", "BOMTime", "EOMTime", "TCPOpenRequestTime", "TCPOpenResponseTime")
    return {
        "IPAddressUsed": "",
        **{name: date_time(0) for name in times},
        **dict.fromkeys(whole, "0"),
        **{f"{name}UnderFullLoading": "0" for name in whole},
        "PeriodOfFullLoading": "0",
        "PerConnectionResult": (),
        "IncrementalResult": (),
    }
