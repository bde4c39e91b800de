"""The kernel's neighbours: its messages, whatever they hold, and the kernel itself where that may be tried."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.datamodel.neighbours import Neighbour, messages, parse, read, read_lab

MAC = bytes.fromhex("02005e005320")


def _attribute(kind: int, value: bytes) -> bytes:
    data = struct.pack("=HH", 4 + len(value), kind) + value
    return data + bytes(-len(data) % 4)


def neighbour(
    address: str = "fe80::5", mac: bytes = MAC, state: int = 2, family: int = socket.AF_INET6
) -> bytes:
    body = struct.pack("=BxxxlHBB", family, 7, state, 0, 1)
    return (
        body
        + _attribute(1, socket.inet_pton(socket.AF_INET6, address))
        + _attribute(2, mac)
        + _attribute(3, b"?")
    )


def message(kind: int, payload: bytes) -> bytes:
    data = struct.pack("=LHHLL", 16 + len(payload), kind, 2, 1, 0) + payload
    return data + bytes(-len(data) % 4)


def test_a_datagram_of_several() -> None:
    data = message(28, neighbour()) + message(28, neighbour("2001:db8::5")) + message(3, b"\0" * 4)
    found = list(messages(data))
    assert [kind for kind, _ in found] == [28, 28, 3]
    assert [parse(payload) for _, payload in found[:2]] == [
        Neighbour("fe80::5", "02:00:5e:00:53:20", "7"),
        Neighbour("2001:db8::5", "02:00:5e:00:53:20", "7"),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        neighbour(state=0x40),  # no ARP here
        neighbour(state=0x20),  # looked for in vain
        neighbour(mac=b""),
        neighbour(mac=bytes(6)),
        neighbour(family=socket.AF_INET),
        neighbour()[:9],
        neighbour()[:14],
    ],
)
def test_what_is_no_neighbour(payload: bytes) -> None:
    assert parse(payload) is None


@given(st.binary(max_size=96))
def test_anything_is_read_without_harm(data: bytes) -> None:
    for _, payload in messages(data):
        parse(payload)
    parse(data)


def test_a_virtual_router_has_them_in_a_file() -> None:
    text = "fe80::5 02:00:5e:00:53:20 br-lan\nnot one\n"
    assert read_lab(text) == [Neighbour("fe80::5", "02:00:5e:00:53:20", "br-lan")]


def test_the_kernel_answers() -> None:
    assert all(isinstance(one, Neighbour) for one in read())


_IN_A_NAMESPACE = """
for kind in dummy veth bridge; do ip link add seen type $kind 2>/dev/null && break; done
ip link set seen up &&
ip -6 neigh add fe80::5 lladdr 02:00:5e:00:53:20 nud permanent dev seen &&
exec "$0" -c 'import json; from cwmp.datamodel.neighbours import read; print(json.dumps(read()))'
"""


def test_the_kernel_s_own_neighbour() -> None:
    """In a network namespace of its own."""
    if not shutil.which("ip") or not shutil.which("unshare"):
        pytest.skip("neither ip nor unshare are here")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if Path(p).is_dir())}
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", _IN_A_NAMESPACE, sys.executable],
        env=environ, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no network namespace: {done.stderr.strip()[-100:]}")
    assert ["fe80::5", "02:00:5e:00:53:20", "seen"] in json.loads(done.stdout)
