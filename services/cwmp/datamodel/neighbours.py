"""The kernel's IPv6 neighbours: which address is behind which MAC address, on which device.

There is no file of them in /proc, as there is of ARP: the kernel is asked over netlink (RTM_GETNEIGH of rtnetlink(7),
its answers are in the machine's own byte order). A virtual router, whose files lie below a sysroot, keeps them in the
file `LAB`: ``address MAC device``, a line each.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

LAB = "/proc/net/neighbours6"

_REQUEST, _DUMP = 0x01, 0x300
_DONE, _ERROR, _NEW, _GET = 3, 2, 28, 30
_DESTINATION, _LINK_ADDRESS = 1, 2
_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""Reachable, stale, delay, probe, permanent: states in which the MAC address is known."""

_HEADER = struct.Struct("=LHHLL")
_NEIGHBOUR = struct.Struct("=BxxxlHBB")
_ATTRIBUTE = struct.Struct("=HH")
_TIMEOUT = 1.0
_MAX_DATAGRAMS, _DATAGRAM = 256, 65536


class Neighbour(NamedTuple):
    """One of them; the device by its index, or by name in a virtual router."""

    address: str
    mac: str
    device: str


def read() -> list[Neighbour]:
    """All that the kernel knows now. Raises OSError."""
    found: list[Neighbour] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_TIMEOUT)  # it answers at once
        body = _NEIGHBOUR.pack(socket.AF_INET6, 0, 0, 0, 0)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _GET, _REQUEST | _DUMP, 1, 0) + body)
        for _ in range(_MAX_DATAGRAMS):
            for kind, payload in messages(netlink.recv(_DATAGRAM)):
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    code = -struct.unpack_from("=l", payload)[0] if len(payload) >= 4 else 0
                    raise OSError(code, "the kernel does not tell its neighbours")
                if kind == _NEW and (one := parse(payload)) is not None:
                    found.append(one._replace(device=_name(one.device)))
    return found


def read_lab(text: str) -> list[Neighbour]:
    """Those in the file of a virtual router."""
    lines = (line.split() for line in text.splitlines())
    return [Neighbour(*words) for words in lines if len(words) == len(Neighbour._fields)]


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and payload of each message in a datagram; what is cut off is left out."""
    place = 0
    while place + _HEADER.size <= len(data):
        size, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, place)
        if size < _HEADER.size or place + size > len(data):
            return
        yield kind, data[place + _HEADER.size : place + size]
        place += size + -size % 4


def parse(payload: bytes) -> Neighbour | None:
    """A neighbour whose MAC address is known; None for others."""
    if len(payload) < _NEIGHBOUR.size:
        return None
    family, index, state, _flags, _type = _NEIGHBOUR.unpack_from(payload)
    address = mac = b""
    place = _NEIGHBOUR.size
    while place + _ATTRIBUTE.size <= len(payload):
        size, kind = _ATTRIBUTE.unpack_from(payload, place)
        if size < _ATTRIBUTE.size or place + size > len(payload):
            break
        value = payload[place + _ATTRIBUTE.size : place + size]
        address = value if kind == _DESTINATION else address
        mac = value if kind == _LINK_ADDRESS else mac
        place += size + -size % 4
    if family != socket.AF_INET6 or not state & _KNOWN or len(address) != 16 or len(mac) != 6 or not any(mac):
        return None
    return Neighbour(socket.inet_ntop(socket.AF_INET6, address), mac.hex(":"), str(index))


def _name(index: str) -> str:
    try:
        return socket.if_indextoname(int(index))
    except OSError:
        return ""
