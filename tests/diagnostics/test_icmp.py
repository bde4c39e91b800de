"""ICMP echo packets."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.diagnostics.icmp import Echo, checksum, reply, request

IP_HEADER = bytes.fromhex("450000240000400040017caf7f0000017f000001")
OPTIONS = b"\x46" + IP_HEADER[1:] + b"\x01\x01\x01\x00"
ECHO = Echo(0x1234, 7, b"payload")


def as_reply(family: int, packet: bytes) -> bytes:
    return bytes([0 if family == socket.AF_INET else 129]) + packet[1:]


def test_a_request_of_ipv4() -> None:
    packet = request(socket.AF_INET, Echo(0x0001, 0x0002, b"abcdefgh"))
    assert packet == bytes.fromhex("0800666700010002") + b"abcdefgh"
    assert checksum(packet) == 0


def test_a_request_of_ipv6_leaves_the_checksum_to_the_kernel() -> None:
    assert request(socket.AF_INET6, ECHO) == bytes.fromhex("8000000012340007") + b"payload"


def test_the_checksum_of_rfc1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2
    assert checksum(b"\x01") == 0xFFFF ^ 0x0100


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_its_reply(family: int) -> None:
    assert reply(family, as_reply(family, request(family, ECHO)), ip_header=False) == ECHO


@pytest.mark.parametrize("header", [IP_HEADER, OPTIONS])
def test_a_reply_behind_an_ip_header(header: bytes) -> None:
    packet = header + as_reply(socket.AF_INET, request(socket.AF_INET, ECHO))
    assert reply(socket.AF_INET, packet, ip_header=True) == ECHO


def test_a_request_is_no_reply() -> None:
    assert reply(socket.AF_INET, request(socket.AF_INET, ECHO), ip_header=False) is None


@given(st.sampled_from([socket.AF_INET, socket.AF_INET6]), st.binary(max_size=80), st.booleans())
def test_hostile_packets(family: int, packet: bytes, ip_header: bool) -> None:
    found = reply(family, packet, ip_header=ip_header)
    assert found is None or len(found.payload) <= len(packet) - 8


@given(st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=100))
def test_any_echo_comes_back(identifier: int, sequence: int, payload: bytes) -> None:
    echo = Echo(identifier, sequence, payload)
    packet = request(socket.AF_INET, echo)
    assert checksum(packet) == 0
    assert reply(socket.AF_INET, as_reply(socket.AF_INET, packet), ip_header=False) == echo
