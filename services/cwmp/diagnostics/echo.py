"""Sending echo requests and timing their replies.

Where the kernel lets us, a datagram ICMP socket is used (no privilege needed, see
``net.ipv4.ping_group_range``), else a raw one. The time of arrival is the kernel's where it gives one, so that
a busy process measures the line and not itself.
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from types import TracebackType
from typing import Self

import trio

from cwmp.diagnostics import icmp
from cwmp.diagnostics.icmp import Echo
from cwmp.diagnostics.network import ANCILLARY_BYTES, Address, ask_for_stamps, bind_and_mark, stamp_in, took

_SOL_RAW = 255
_ICMP_FILTER = 1
_ICMPV6_FILTER = 1
_ROOM_FOR_HEADERS = 128


class EchoSocket:
    """A socket for echo requests to addresses of one family.

    `device` binds it to a network device ("" does not), `dscp` marks what it sends.
    """

    def __init__(self, family: int, *, device: str = "", dscp: int = 0) -> None:
        """Raises OSError: there is no such device, or no ICMP socket is allowed."""
        self.family = family
        self._socket, self._raw = _open(family)
        self._identifier = secrets.randbits(16)
        try:
            bind_and_mark(self._socket, device=device, dscp=dscp)
            ask_for_stamps(self._socket)
            if self._raw:
                self._filter()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._socket.close()

    async def ping(self, address: Address, sequence: int, payload: bytes, timeout: float) -> float | None:
        """Send one request and wait for its reply at most `timeout` s: the time it took in µs, or None.

        Raises:
            OSError: it could not be sent.
        """
        echo = Echo(self._identifier, sequence & 0xFFFF, payload)
        packet = icmp.request(self.family, echo)
        sent_wall, sent = time.time_ns(), time.perf_counter_ns()
        await self._socket.sendto(packet, address)
        with trio.move_on_after(timeout):
            while True:
                arrived = await self._receive(len(payload))
                if arrived is None:
                    return None
                data, stamp = arrived
                since = time.perf_counter_ns() - sent
                found = icmp.reply(self.family, data, ip_header=self._raw and self.family == socket.AF_INET)
                if found is None or not self._answers(found, echo):
                    continue
                return took(sent_wall, stamp, since)
        return None

    async def _receive(self, size: int) -> tuple[bytes, int] | None:
        """A packet and when it came (ns since 1970; 0 unknown); None: an error came in its stead."""
        try:
            data, ancillary, _flags, _source = await self._socket.recvmsg(
                size + _ROOM_FOR_HEADERS, ANCILLARY_BYTES
            )
        except OSError:
            return None
        return data, stamp_in(ancillary)

    def _answers(self, found: Echo, sent: Echo) -> bool:
        # The kernel gives a datagram socket an identifier of its own and only the replies to it.
        same_identifier = not self._raw or found.identifier == sent.identifier
        return same_identifier and (found.sequence, found.payload) == (sent.sequence, sent.payload)

    def _filter(self) -> None:
        """A raw socket sees all ICMP: have the kernel pass echo replies only."""
        if self.family == socket.AF_INET:
            self._socket.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF ^ 1))
        else:
            words = [0xFFFFFFFF] * 8
            words[129 >> 5] ^= 1 << (129 & 31)
            self._socket.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, struct.pack("=8I", *words))


def _open(family: int) -> tuple[trio.socket.SocketType, bool]:
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    try:
        return trio.socket.socket(family, socket.SOCK_DGRAM, protocol), False
    except OSError:
        return trio.socket.socket(family, socket.SOCK_RAW, protocol), True
