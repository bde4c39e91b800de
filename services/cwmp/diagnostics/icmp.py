"""ICMP echo packets, IPv4 (RFC 792) and IPv6 (RFC 4443): bytes in, bytes out."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_HEADER = struct.Struct("!BBHHH")
_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
_SHORTEST_IP_HEADER = 20


@dataclass(frozen=True, slots=True)
class Echo:
    """An echo request or reply; `identifier` and `sequence` have 16 bits."""

    identifier: int
    sequence: int
    payload: bytes


def request(family: int, echo: Echo) -> bytes:
    """An echo request. The checksum is right for IPv4; for IPv6 the kernel writes it."""
    kind = _REQUEST[socket.AddressFamily(family)]
    head = _HEADER.pack(kind, 0, 0, echo.identifier, echo.sequence)
    check = checksum(head + echo.payload) if family == socket.AF_INET else 0
    return _HEADER.pack(kind, 0, check, echo.identifier, echo.sequence) + echo.payload


def reply(family: int, packet: bytes, *, ip_header: bool) -> Echo | None:
    """The echo reply in `packet`, behind its IP header if there is one; None when it is something else."""
    if ip_header:
        if len(packet) < _SHORTEST_IP_HEADER:
            return None
        packet = packet[(packet[0] & 15) * 4 :]
    if len(packet) < _HEADER.size:
        return None
    kind, code, _check, identifier, sequence = _HEADER.unpack_from(packet)
    if kind != _REPLY[socket.AddressFamily(family)] or code != 0:
        return None
    return Echo(identifier, sequence, packet[_HEADER.size :])


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
