"""UDPEchoDiagnostics: Device.IP.Diagnostics.UDPEchoDiagnostics. (TR-181; the client of TR-143's UDP Echo).

A packet leaves every InterTransmissionTime, whether the one before was answered or not; each has Timeout to come
back. What the server adds to it (Echo Plus) is reported for each packet, where that is wanted.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import trio

from cwmp.diagnostics import echoplus, network, states
from cwmp.diagnostics.definition import (
    Definition,
    Failed,
    Input,
    Means,
    Outcome,
    boolean,
    choice,
    is_true,
    text,
    unsigned,
)
from cwmp.diagnostics.echoplus import Header
from cwmp.diagnostics.network import Address, Target
from cwmp.diagnostics.times import date_time

MAX_RESULTS = 100
_TEST_DEADLINE = 3600.0
_MAX_PENDING = 4096
"""Packets under way at a time; older ones count as lost, whatever their Timeout."""


@dataclass(slots=True)
class Packet:
    """One packet: when it left (wall clock and steady clock) and came back, in ns; the reply's header."""

    sequence: int
    sent_wall: int
    sent: int
    deadline: float
    received_wall: int = 0
    took: float = 0.0
    header: Header | None = None

    def row(self) -> dict[str, str]:
        header = self.header or Header(self.sequence)
        return {
            "PacketSuccess": "true" if self.received_wall else "false",
            "PacketSendTime": date_time(self.sent_wall),
            "PacketReceiveTime": date_time(self.received_wall),
            "TestGenSN": str(header.gen_sn),
            "TestRespSN": str(header.resp_sn),
            "TestRespRcvTimeStamp": str(header.received),
            "TestRespReplyTimeStamp": str(header.replied),
            "TestRespReplyFailureCount": str(header.failures),
        }


@dataclass(slots=True)
class Times:
    """Round-trip times in µs, without keeping each."""

    count: int = 0
    total: float = 0.0
    shortest: float = 0.0
    longest: float = 0.0

    def add(self, took: float) -> None:
        self.shortest = min(self.shortest, took) if self.count else took
        self.longest = max(self.longest, took)
        self.total += took
        self.count += 1

    def results(self) -> dict[str, str]:
        average = self.total / self.count if self.count else 0.0
        found = {"Average": average, "Minimum": self.shortest, "Maximum": self.longest}
        return {f"{name}ResponseTime": str(int(took + 0.5)) for name, took in found.items()}


@dataclass(slots=True)
class Client:
    """A run of packets to one address over an unconnected socket; `keep` is how many to remember."""

    sock: trio.socket.SocketType
    target: Target
    size: int
    timeout: float
    interval: float
    keep: int = 0
    progress: Callable[[int, int], None] = lambda _done, _total: None
    times: Times = field(default_factory=Times)
    packets: list[Packet] = field(default_factory=list)
    _pending: dict[bytes, Packet] = field(default_factory=dict)
    _padding: bytes = b""
    _changed: trio.Event = field(default_factory=trio.Event)

    async def run(self, count: int) -> None:
        """Send `count` packets and wait for what comes back.

        Raises:
            Failed: the first cannot be sent.
        """
        self._padding = secrets.token_bytes(max(0, self.size - echoplus.SIZE))
        await self._send(0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._receive)
            for sequence in range(1, count):
                await trio.sleep(self.interval)
                with contextlib.suppress(Failed):  # the line went down: that is what the test measures
                    await self._send(sequence)
                self.progress(sequence + 1, count)
            while self._pending:
                last = max(packet.deadline for packet in self._pending.values())
                if last <= trio.current_time():
                    break
                self._changed = trio.Event()
                with trio.move_on_at(last):
                    await self._changed.wait()
            nursery.cancel_scope.cancel()

    async def _send(self, sequence: int) -> None:
        payload = (Header(sequence).pack() + self._padding)[: self.size]
        if self.size < 4:  # the number's low bytes
            payload = sequence.to_bytes(4, "big")[-self.size :]
        packet = Packet(sequence, time.time_ns(), time.perf_counter_ns(), trio.current_time() + self.timeout)
        if len(self.packets) < self.keep:
            self.packets.append(packet)
        key = payload[:4]
        self._pending.pop(key, None)
        while len(self._pending) >= _MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        self._pending[key] = packet
        try:
            await self.sock.sendto(payload, self.target.address)
        except OSError as error:
            del self._pending[key]
            raise network.unsendable(self.target, error) from None

    async def _receive(self) -> None:
        while True:
            try:
                payload, ancillary, _, source = await self.sock.recvmsg(
                    self.size + 1, network.ANCILLARY_BYTES
                )
            except OSError:
                continue
            packet = self._pending.get(payload[:4])
            if (
                packet is None
                or len(payload) != self.size
                or cast(Address, source)[:2] != self.target.address[:2]
            ):
                continue
            del self._pending[payload[:4]]
            since = time.perf_counter_ns() - packet.sent
            took = network.took(packet.sent_wall, network.stamp_in(ancillary), since)
            if took <= self.timeout * 1_000_000:
                packet.took = took
                packet.received_wall = packet.sent_wall + int(took * 1000)
                packet.header = echoplus.unpack(payload)
                self.times.add(took)
            self._changed.set()


async def run(inputs: Mapping[str, str], means: Means) -> Outcome:
    """Send packets as `inputs` say.

    Raises:
        Failed: the test could not be made.
    """
    device = await means.device(inputs["Interface"])
    targets = await network.resolve(inputs["Host"], inputs["ProtocolVersion"], port=int(inputs["Port"]))
    count = int(inputs["NumberOfRepetitions"])

    async def attempt(target: Target) -> Client:
        with network.datagrams(target.family, device=device, dscp=int(inputs["DSCP"])) as sock:
            client = Client(
                trio.socket.from_stdlib_socket(sock),
                target,
                size=int(inputs["DataBlockSize"]),
                timeout=int(inputs["Timeout"]) / 1000,
                interval=int(inputs["InterTransmissionTime"]) / 1000,
                keep=MAX_RESULTS if is_true(inputs["EnableIndividualPacketResults"]) else 0,
                progress=means.progress,
            )
            with trio.move_on_after(_TEST_DEADLINE):
                await client.run(count)
                return client
        raise Failed(states.ERROR_OTHER, f"the test was not over within {_TEST_DEADLINE:g} s")

    target, client = await network.first_reachable(targets, attempt)
    return Outcome(
        states.COMPLETE,
        {
            "IPAddressUsed": target.shown,
            "SuccessCount": str(client.times.count),
            "FailureCount": str(count - client.times.count),
            **client.times.results(),
            "IndividualPacketResult": [packet.row() for packet in client.packets],
        },
    )


UDP_ECHO = Definition(
    name="UDPEchoDiagnostics",
    path="Device.IP.Diagnostics.UDPEchoDiagnostics.",
    inputs=MappingProxyType(
        {
            "Interface": Input("", text(256)),
            "Host": Input("", text(256)),
            "Port": Input("7", unsigned(1, 65535)),
            "NumberOfRepetitions": Input("1", unsigned(1)),
            "Timeout": Input("5000", unsigned(1)),
            "DataBlockSize": Input("24", unsigned(1, 65535)),
            "DSCP": Input("0", unsigned(0, 63)),
            "InterTransmissionTime": Input("1000", unsigned(1, 65535)),
            "ProtocolVersion": Input("Any", choice("Any", "IPv4", "IPv6")),
            "EnableIndividualPacketResults": Input("false", boolean),
        }
    ),
    results=MappingProxyType(
        {
            "IPAddressUsed": "",
            "SuccessCount": "0",
            "FailureCount": "0",
            **Times().results(),
            "UDPEchoDiagnosticsMaxResults": str(MAX_RESULTS),
            "IndividualPacketResult": (),
        }
    ),
    required=("Host",),
    errors=(states.ERROR_CANNOT_RESOLVE, states.ERROR_INTERNAL, states.ERROR_OTHER),
    run=run,
)
