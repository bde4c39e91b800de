"""Where echo requests go: loopback, and a network namespace of the test's own."""

from __future__ import annotations

import ctypes
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
