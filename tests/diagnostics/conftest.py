"""Where echo requests go: loopback, and a network namespace of the test's own."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_CLONE_NEWNET = 0x40000000

Ip = Callable[[str], None]


@pytest.fixture
def icmp_sockets() -> None:
    """Skips where no ICMP socket is allowed."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        return
    pytest.skip("neither datagram nor raw ICMP sockets are allowed here")


@pytest.fixture
def namespace() -> Iterator[Ip]:
    """A network namespace with loopback up, entered for the time of the test; the value runs ``ip``."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = shutil.which("ip")
    if program is None:
        pytest.skip("there is no ip command")
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(_CLONE_NEWNET):
            pytest.skip(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")

        def ip(arguments: str) -> None:
            done = subprocess.run([program, *arguments.split()], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"ip {arguments}: {done.stderr.strip()}")

        try:
            ip("link set lo up")
            yield ip
        finally:
            libc.setns(home, _CLONE_NEWNET)
    finally:
        os.close(home)


@pytest.fixture
def lossy(namespace: Ip) -> None:
    """A line on which all of 192.0.2.0/24 is, and that loses whatever goes in."""
    namespace("link add lossy type veth peer name lossy-end")
    namespace("addr add 192.0.2.1/24 broadcast 192.0.2.255 dev lossy")
    namespace("link set lossy up arp off")
    namespace("link set lossy-end up arp off")


@pytest.fixture
def datagram_sockets(namespace: Ip) -> None:
    """A namespace in which datagram ICMP sockets are allowed to everybody."""
    try:
        Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647")
    except OSError as error:
        pytest.skip(f"ping_group_range cannot be set: {error}")
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close()
    except OSError as error:
        pytest.skip(f"no datagram ICMP sockets even so: {error}")


@pytest.fixture
def route(namespace: Ip) -> Iterator[Ip]:
    """A way over two routers to a host: 198.18.n.1 is where we, or the router before, enter network n, .2 is the
    next one (fd00:n::/64 likewise). The host is 198.18.3.2. The value runs ``ip`` in the first router."""
    names = ["", *(f"cwmp-{os.getpid()}-{n}" for n in (1, 2, 3))]
    made: list[str] = []
    try:
        for name in names[1:]:
            namespace(f"netns add {name}")
            made.append(name)
            namespace(f"-n {name} link set lo up")
            for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                namespace(f"netns exec {name} sh -c echo${{IFS}}1>/proc/sys/net/{switch}")
            namespace(f"netns exec {name} sh -c echo${{IFS}}0>/proc/sys/net/ipv4/icmp_ratelimit")
            namespace(f"netns exec {name} sh -c echo${{IFS}}0>/proc/sys/net/ipv6/icmp/ratelimit")
        for n, (near, far) in enumerate(itertools.pairwise(names), 1):
            here = f"-n {near} " if near else ""
            namespace(f"{here}link add to{n} type veth peer name from{n} netns {far}")
            for where, device, last in ((here, f"to{n}", 1), (f"-n {far} ", f"from{n}", 2)):
                namespace(f"{where}addr add 198.18.{n}.{last}/24 dev {device}")
                namespace(f"{where}addr add fd00:{n}::{last}/64 dev {device} nodad")
                namespace(f"{where}link set {device} up")
        for n, name in enumerate(names):
            here = f"-n {name} " if name else ""
            for forward in range(n + 2, 4):
                namespace(f"{here}route add 198.18.{forward}.0/24 via 198.18.{n + 1}.2")
                namespace(f"{here}route add fd00:{forward}::/64 via fd00:{n + 1}::2")
            for back in range(1, n):
                namespace(f"{here}route add 198.18.{back}.0/24 via 198.18.{n}.1")
                namespace(f"{here}route add fd00:{back}::/64 via fd00:{n}::1")
        yield lambda arguments: namespace(f"-n {names[1]} {arguments}")
    finally:
        for name in made:
            namespace(f"netns del {name}")
