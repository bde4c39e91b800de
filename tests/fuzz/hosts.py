"""What hosts answer to the tests of diagnostics: ICMP packets, payloads of UDPEchoPlus, DNS messages; FTP servers."""

from __future__ import annotations

import contextlib
import socket
import ssl
from functools import partial

import trio
from tests.fuzz.engine import Target

from cwmp.contract import Fault, FaultCode
from cwmp.diagnostics import echoplus, icmp, nslookup, traceroute
from cwmp.firmware import ftp
from cwmp.firmware.exchange import Place
from cwmp.firmware.http import HttpError, Network

_NAME = "www.example.com"


def packet(data: bytes) -> None:
    """An ICMP packet: an answer to our request only where it is one. A payload with a header, or none."""
    for family in (socket.AF_INET, socket.AF_INET6):
        for ip_header in (False, True):
            found = icmp.reply(family, data, ip_header=ip_header)
            if found is not None:
                assert 0 <= found.identifier < 65536
                assert 0 <= found.sequence < 65536
                assert data.endswith(found.payload)
    assert 0 <= icmp.checksum(data) < 65536
    header = echoplus.unpack(data)
    if header is not None:
        assert echoplus.unpack(header.pack()) == header
    assert len(traceroute._address(data)) < 64


def dns(data: bytes) -> None:
    """A DNS message: the answer to one of our questions, or nothing."""
    questions = nslookup._questions(_NAME)
    for question in questions:
        question.id = int.from_bytes(data[:2].ljust(2, b"\0"), "big")
    answer = nslookup._answer(data, questions)
    if answer is not None:
        name, addresses = nslookup._addresses(answer)
        assert len(name) <= 1024
        assert all(len(address) < 64 for address in addresses)


def ftp_server(data: bytes) -> None:
    """What an FTP server says, whatever it is asked: the file's size, or a fault in plain words."""

    async def answer(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await stream.send_all(data)
        await trio.aclose_forcefully(stream)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
            port = listeners[0].socket.getsockname()[1]
            place = Place(f"ftp://127.0.0.1:{port}/image", "user", "geheim99")
            network = Network(_no_tls)
            try:
                async with ftp.logged_in(place, network, FaultCode.COMPLETE_DOWNLOAD) as server:
                    await server.size()
            except (Fault, HttpError) as error:
                assert "geheim99" not in str(error)
                assert len(str(error)) < 800
            nursery.cancel_scope.cancel()

    trio.run(main)


def _no_tls() -> ssl.SSLContext:
    raise AssertionError("FTP has none")


_FTP = (
    b"220 ",
    b"331 ",
    b"230 ",
    b"200 ",
    b"213 ",
    b"229 (|||",
    b"227 (127,0,0,1,",
    b"150 ",
    b"226 ",
    b"\r\n",
    b"-",
)
HOSTS = (
    Target("icmp", packet, (b"\0\0", b"\x81\0", b"\x45", b"\x02\0", b"\x0a\0", b"\0\x01")),
    Target(
        "dns",
        dns,
        (b"\xc0\x0c", b"\x03www\x07example\x03com\0", b"\0\x01\0\x01", b"\0\x05", b"\0\x1c", b"\x84\0"),
    ),
    Target("ftp", ftp_server, _FTP),
)
