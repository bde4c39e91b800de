"""What all tests need of the network: addresses of a host, marked and bound sockets, the time of arrival."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar, cast

import trio

from cwmp.diagnostics import states
from cwmp.diagnostics.definition import Failed

T = TypeVar("T")
Socket = socket.socket | trio.socket.SocketType
Address = tuple[str, int] | tuple[str, int, int, int]

FAMILIES: Mapping[str, int] = MappingProxyType(
    {"Any": socket.AF_UNSPEC, "IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
)
"""ProtocolVersion to address family."""

NO_ROUTE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)
ANCILLARY_BYTES = 512
"""Room for a time stamp and an error with its sender."""

_RESOLVE_DEADLINE = 20.0
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the same on every architecture OpenWrt runs on


class Target(NamedTuple):
    """An address to try."""

    family: int
    address: Address

    @property
    def shown(self) -> str:
        """The address as parameters hold it: no port, no zone."""
        return self.address[0].partition("%")[0]


async def resolve(
    host: str, version: str, *, port: int = 0, state: str = states.ERROR_CANNOT_RESOLVE
) -> list[Target]:
    """The addresses of `host` that ProtocolVersion allows, best first; at least one.

    Raises:
        Failed: there are none; with `state`.
    """
    try:
        with trio.fail_after(_RESOLVE_DEADLINE):
            found = await trio.socket.getaddrinfo(host, port, FAMILIES[version], socket.SOCK_DGRAM)
    except (trio.TooSlowError, socket.gaierror, ValueError):  # ValueError: no name at all
        raise Failed(state, f"'{host}' cannot be resolved") from None
    return [Target(family, cast(Address, address)) for family, _, _, _, address in found]


async def first_reachable(
    targets: Iterable[Target], attempt: Callable[[Target], Awaitable[T]]
) -> tuple[Target, T]:
    """The first target to which there is a route, and what `attempt` made of it: a host may have addresses of
    both families, the line only one.

    Raises:
        Failed: what `attempt` raised; Error_NoRouteToHost only for the last target.
    """
    failure = Failed(states.ERROR_NO_ROUTE, "there is no address to try")
    for target in targets:
        try:
            return target, await attempt(target)
        except Failed as failed:
            if failed.outcome.state != states.ERROR_NO_ROUTE:
                raise
            failure = failed
    raise failure


def bind_and_mark(sock: Socket, *, device: str, dscp: int) -> None:
    """Have a socket use a network device ("" for any) and mark its packets. Raises OSError."""
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)


def datagrams(family: int, *, device: str, dscp: int) -> socket.socket:
    """A UDP socket that does not block, bound, marked and with stamps.

    Raises:
        Failed: there is no such device or family here.
    """
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise Failed(states.ERROR_NO_ROUTE, f"no socket of this family: {error.strerror}") from None
    try:
        bind_and_mark(sock, device=device, dscp=dscp)
    except OSError as error:
        sock.close()
        raise Failed(states.ERROR_INTERNAL, f"no socket on '{device}': {error.strerror}") from None
    ask_for_stamps(sock)
    return sock


def ask_for_stamps(sock: Socket) -> None:
    """Have the kernel say when each packet came, so that a busy process measures the line and not itself."""
    with contextlib.suppress(OSError):  # a kernel without it: our own clock will do
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def stamp_in(ancillary: Iterable[tuple[int, int, bytes]]) -> int:
    """When a packet came, in ns since 1970; 0 where nobody says."""
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("@qq" if len(value) >= 16 else "@ii", value)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0


def took(sent_wall: int, stamp: int, took_at_most: int) -> float:
    """µs from sending to arrival, all arguments in ns: by the kernel's stamp where that can be true.

    The wall clock may have been set in between; `took_at_most` is by a clock that nobody sets.
    """
    by_kernel = stamp - sent_wall
    return (by_kernel if 0 < by_kernel <= took_at_most else took_at_most) / 1000


def unsendable(target: Target, error: OSError) -> Failed:
    """The end of a test that can send nothing."""
    state = states.ERROR_NO_ROUTE if error.errno in NO_ROUTE else states.ERROR_OTHER
    return Failed(state, f"nothing can be sent to {target.shown}: {error.strerror}")


def milliseconds(took: float) -> int:
    """µs as whole ms, rounded."""
    return int(took / 1000 + 0.5)
