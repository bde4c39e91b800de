"""TraceRoute: Device.IP.Diagnostics.TraceRoute. (TR-181).

Theory of operation
-------------------
A datagram with a hop limit of n dies at the n-th router, which says so (ICMP time exceeded); one that gets to
the host is sent to a port nobody listens on, and the host says that (port unreachable). The kernel keeps such
messages for the socket they are about in its error queue, with their sender and the address and port of the
datagram they answer. So no privilege is needed, and each try is known by the port it went to.

A route ends at the host, where somebody says that the host cannot be reached (Error_NoRouteToHost), or after
MaxHopCount (Error_MaxHopCountExceeded); the hops that were found are kept in each case.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import trio

from cwmp.diagnostics import network, states
from cwmp.diagnostics.definition import (
    Definition,
    Failed,
    Input,
    Means,
    Outcome,
    Value,
    choice,
    text,
    unsigned,
)
from cwmp.diagnostics.network import Address, Target, milliseconds, resolve

ERROR_MAX_HOP_COUNT = "Error_MaxHopCountExceeded"

_TEST_DEADLINE = 3600.0
_NAMES_DEADLINE = 5.0
_FIRST_PORT = 33434
_NAME = re.compile(r"[A-Za-z0-9._-]{1,256}")
_MSG_ERRQUEUE = 0x2000
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err, linux/errqueue.h
_FROM_ICMP = (2, 3)
_UNREACHABLE = {2: 3, 3: 1}  # by origin: ICMP and ICMPv6
_FRAGMENTATION_NEEDED = 4
_MTU_DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10), socket.AF_INET6: (socket.IPPROTO_IPV6, 23)}


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back for one try: from whom, ICMP's code, whether that ends the route, µs it took."""

    address: str
    code: int
    unreachable: bool
    took: float


@dataclass(slots=True)
class _Hop:
    """The answers to the tries with one hop limit; None for each try nobody answered."""

    answers: list[_Answer | None] = field(default_factory=list)
    name: str = ""

    @property
    def last(self) -> _Answer | None:
        return next((a for a in reversed(self.answers) if a is not None), None)

    def row(self) -> dict[str, str]:
        address = self.last.address if self.last else ""
        return {
            "Host": self.name or address,
            "HostAddress": address if self.name else "",
            "ErrorCode": str(self.last.code if self.last else 0),
            "RTTimes": ",".join(str(_time(a)) for a in self.answers),
        }


async def run(inputs: Mapping[str, str], means: Means) -> Outcome:
    """Find the route as `inputs` say.

    Raises:
        Failed: the test could not be made, or the route does not lead to the host.
    """
    device = await means.device(inputs["Interface"])

    async def attempt(target: Target) -> list[_Hop]:
        with network.datagrams(target.family, device=device, dscp=int(inputs["DSCP"])) as sock:
            try:
                return await _Trace(sock, target, inputs, means).run()
            except OSError as error:
                raise network.unsendable(target, error) from None

    targets = await resolve(inputs["Host"], inputs["ProtocolVersion"])
    target, hops = await network.first_reachable(targets, attempt)
    await _name(hops)
    return _outcome(hops, target, inputs)


class _Trace:
    def __init__(self, sock: socket.socket, target: Target, inputs: Mapping[str, str], means: Means) -> None:
        self._socket = sock
        self._target = target
        self._tries = int(inputs["NumberOfTries"])
        self._timeout = int(inputs["Timeout"]) / 1000
        self._payload = bytes(int(inputs["DataBlockSize"]))
        self._most = int(inputs["MaxHopCount"])
        self._progress = means.progress
        self._port = _FIRST_PORT
        family = socket.AddressFamily(target.family)
        self._error = _RECVERR[family]
        sock.setsockopt(*self._error, 1)
        sock.setsockopt(*_MTU_DISCOVER[family], 0)  # a block larger than a packet is cut on the way
        self._limit = (
            (socket.IPPROTO_IP, socket.IP_TTL)
            if family == socket.AF_INET
            else (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
        )

    async def run(self) -> list[_Hop]:
        """The hops. Raises OSError where nothing can be sent from the beginning."""
        hops: list[_Hop] = []
        with trio.move_on_after(_TEST_DEADLINE):
            for limit in range(1, self._most + 1):
                self._socket.setsockopt(*self._limit, limit)
                hop = _Hop()
                for _ in range(self._tries):
                    hop.answers.append(await self._try(first=limit == 1))
                hops.append(hop)
                self._progress(limit, 0)
                if any(a and (a.unreachable or a.address == self._target.shown) for a in hop.answers):
                    break
            return hops
        raise Failed(states.ERROR_OTHER, f"the test was not over within {_TEST_DEADLINE:g} s")

    async def _try(self, *, first: bool) -> _Answer | None:
        self._port += 1
        host, _, *scope = self._target.address
        sent_wall, sent = time.time_ns(), time.perf_counter_ns()
        try:
            self._socket.sendto(self._payload, (host, self._port, *scope))
        except OSError:
            if first:
                raise
            return None
        with trio.move_on_after(self._timeout):
            while True:
                await trio.lowlevel.wait_readable(self._socket)
                for queue in (_MSG_ERRQUEUE, 0):
                    with contextlib.suppress(
                        OSError
                    ):  # that queue is empty, or tells what the other says better
                        found = self._answer(queue, sent_wall, sent)
                        if found is not None:
                            return found
        return None

    def _answer(self, queue: int, sent_wall: int, sent: int) -> _Answer | None:
        """The next message in a queue of the socket; None when it is about something else."""
        _, ancillary, _, about = self._socket.recvmsg(64, network.ANCILLARY_BYTES, queue)
        since = time.perf_counter_ns() - sent
        if about[1] != self._port:
            return None
        if not queue:  # somebody listens there, and answered
            shown = about[0].partition("%")[0]
            return _Answer(shown, 0, False, network.took(sent_wall, network.stamp_in(ancillary), since))
        error = next((v for level, kind, v in ancillary if (level, kind) == self._error), b"")
        if len(error) < _ERROR.size:
            return None
        _, origin, kind, code, _, _, _ = _ERROR.unpack_from(error)
        address = _address(error[_ERROR.size :])
        if origin not in _FROM_ICMP or not address:
            return None
        unreachable = kind == _UNREACHABLE[origin] and not (origin == 2 and code == _FRAGMENTATION_NEEDED)
        return _Answer(
            address, code, unreachable, network.took(sent_wall, network.stamp_in(ancillary), since)
        )


def _address(raw: bytes) -> str:
    """The address in a socket address of the kernel; "" where there is none."""
    if len(raw) < 8:
        return ""
    (family,) = struct.unpack_from("=H", raw)
    if family == socket.AF_INET:
        return socket.inet_ntop(family, raw[4:8])
    return socket.inet_ntop(family, raw[8:24]) if family == socket.AF_INET6 and len(raw) >= 24 else ""


async def _name(hops: list[_Hop]) -> None:
    """Find the hops' names, as far as name servers say them in time."""

    async def find(hop: _Hop, address: Address) -> None:
        with contextlib.suppress(OSError):
            name, _ = await trio.socket.getnameinfo(address, socket.NI_NAMEREQD)
            if _NAME.fullmatch(name):  # whoever owns the address chose it
                hop.name = name

    with trio.move_on_after(_NAMES_DEADLINE):
        async with trio.open_nursery() as nursery:
            for hop in hops:
                if hop.last is not None:
                    nursery.start_soon(find, hop, (hop.last.address, 0))


def _outcome(hops: list[_Hop], target: Target, inputs: Mapping[str, str]) -> Outcome:
    results: dict[str, Value] = {"IPAddressUsed": target.shown, "RouteHops": [hop.row() for hop in hops]}
    end = [a for a in hops[-1].answers if a is not None]
    if any(a.address == target.shown for a in end):
        took = [a.took for a in end if a.address == target.shown]
        results["ResponseTime"] = str(max(1, milliseconds(sum(took) / len(took))))
        return Outcome(states.COMPLETE, results)
    if any(a.unreachable for a in end):
        why = f"{end[-1].address} says that {target.shown} cannot be reached"
        return Outcome(states.ERROR_NO_ROUTE, results, why)
    why = f"{target.shown} is more than {inputs['MaxHopCount']} hops away, or silent"
    return Outcome(ERROR_MAX_HOP_COUNT, results, why)


def _time(answer: _Answer | None) -> int:
    """RTTimes: whole ms, at least 1; 0 for a try without answer."""
    return 0 if answer is None else max(1, milliseconds(answer.took))


TRACE_ROUTE = Definition(
    name="TraceRoute",
    path="Device.IP.Diagnostics.TraceRoute.",
    inputs=MappingProxyType(
        {
            "Interface": Input("", text(256)),
            "ProtocolVersion": Input("Any", choice("Any", "IPv4", "IPv6")),
            "Host": Input("", text(256)),
            "NumberOfTries": Input("3", unsigned(1, 3)),
            "Timeout": Input("5000", unsigned(1)),
            "DataBlockSize": Input("38", unsigned(1, 65535)),
            "DSCP": Input("0", unsigned(0, 63)),
            "MaxHopCount": Input("30", unsigned(1, 64)),
        }
    ),
    results=MappingProxyType({"IPAddressUsed": "", "ResponseTime": "0", "RouteHops": ()}),
    required=("Host",),
    errors=(
        states.ERROR_CANNOT_RESOLVE,
        states.ERROR_NO_ROUTE,
        ERROR_MAX_HOP_COUNT,
        states.ERROR_INTERNAL,
        states.ERROR_OTHER,
    ),
    run=run,
)
