"""The diagnostics row by row (CWMP.md 16): every input with its range and what it is before anybody wrote it, every
result, every way to fail; and what all of them do with DSCP, Interface and IPv6. A test is named after its row.

What a test measures is held by the test files of the diagnostics.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Mapping

import pytest
import trio
from tests.diagnostics.conftest import Ip
from tests.diagnostics.test_ipping import ping
from tests.diagnostics.test_throughput import down, up
from tests.diagnostics.test_traceroute import trace
from tests.diagnostics.test_udpecho import echo, free_port

from cwmp.diagnostics import echoserver, states
from cwmp.diagnostics.definition import Definition, Input, Outcome
from cwmp.diagnostics.service import TESTS

Ranges = Mapping[str, tuple[str, list[str], list[str]]]
"""For each input its default, values it takes, and values it does not."""

NAMED = {test.name: test for test in TESTS}
LONG = "h" * 257
ANY = ("Any", ["Any", "IPv4", "IPv6"], ["", "any", "IPv5"])
INTERFACE = ("", ["", "Device.IP.Interface.1"], [LONG])
DSCP = ("0", ["0", "63"], ["-1", "64", "x", ""])
WHOLE = ["0", "-1", "1.5", "", str(2**32)]
BLOCK = ["0", "65536", "x"]
COMMON = {"CannotResolveHostName", "NoRouteToHost", "Internal", "Other"}
TRANSFER: Ranges = {
    "Interface": INTERFACE,
    "DSCP": DSCP,
    "EthernetPriority": ("0", ["0", "7"], ["8", "-1"]),
    "TimeBasedTestDuration": ("0", ["0", "999"], ["1000"]),
    "TimeBasedTestMeasurementInterval": ("0", ["0", "999"], ["1000"]),
    "TimeBasedTestMeasurementOffset": ("0", ["0", "255"], ["256"]),
    "ProtocolVersion": ANY,
    "NumberOfConnections": ("1", ["1", "8"], ["0", "9"]),
    "EnablePerConnectionResults": ("false", ["true", "false", "1", "0"], ["yes", ""]),
}
URLS = ["http://192.0.2.1/", "ftp://h/file", "http://[2001:db8::1]:8080/a?b", ""]
NO_URLS = ["https://h/", "gopher://h/", "http://user@h/", "http://h/ x", "file:///etc/passwd", "http:///"]
SIZE = 2_000_000
TIMES = {"ROMTime", "BOMTime", "EOMTime", "TCPOpenRequestTime", "TCPOpenResponseTime"}


def held(inputs: Mapping[str, Input], expected: Ranges) -> None:
    assert set(inputs) == set(expected)
    for name, (default, good, bad) in expected.items():
        assert inputs[name].default == default, name
        for value in [default, *good]:
            assert inputs[name].check(value) == "", (name, value)
        for value in bad:
            assert inputs[name].check(value) != "", (name, value)


def results(test: Definition) -> set[str]:
    return set(test.results)


def errors(test: Definition) -> set[str]:
    return {error.removeprefix("Error_") for error in test.errors}


@pytest.mark.parametrize("test", TESTS, ids=lambda t: t.name)
def test_16_1_requested_and_canceled_can_be_written_and_nothing_else(test: Definition) -> None:
    inputs = {**test.defaults(), **dict.fromkeys(test.required, "1")}
    inputs |= {name: "http://h/" for name in inputs if name.endswith("URL")}
    inputs |= {name: "1" for name in inputs if name == "TestFileLength"}
    for value in ("None", "Complete", "Error", "Error_Internal", "requested", ""):
        assert [p.code for p in test.check({"DiagnosticsState": value}, inputs)] == [9007]
    for value in ("Requested", "Canceled"):
        assert test.check({"DiagnosticsState": value}, inputs) == []


@pytest.mark.parametrize("test", [t for t in TESTS if t.required], ids=lambda t: t.name)
def test_16_1_a_request_without_what_it_needs_is_refused(test: Definition) -> None:
    wrong = test.check(
        {"DiagnosticsState": "Requested"}, {**test.defaults(), **dict.fromkeys(test.required, "")}
    )
    assert [(p.name, p.code) for p in wrong] == [(f"{test.path}DiagnosticsState", 9007)]


def test_16_2_ip_ping() -> None:
    test = NAMED["IPPing"]
    held(
        test.inputs,
        {
            "Interface": INTERFACE,
            "ProtocolVersion": ANY,
            "Host": ("", ["example.com", "192.0.2.1", "2001:db8::1"], [LONG]),
            "NumberOfRepetitions": ("3", ["1", str(2**32 - 1)], WHOLE),
            "Timeout": ("1000", ["1", str(2**32 - 1)], WHOLE),
            "DataBlockSize": ("56", ["1", "65535"], BLOCK),
            "DSCP": DSCP,
        },
    )
    times = {
        f"{which}ResponseTime{unit}"
        for which in ("Average", "Minimum", "Maximum")
        for unit in ("", "Detailed")
    }
    assert results(test) == {"IPAddressUsed", "SuccessCount", "FailureCount", *times}
    assert errors(test) == COMMON


def test_16_3_trace_route() -> None:
    test = NAMED["TraceRoute"]
    held(
        test.inputs,
        {
            "Interface": INTERFACE,
            "ProtocolVersion": ANY,
            "Host": ("", ["example.com"], [LONG]),
            "NumberOfTries": ("3", ["1", "3"], ["0", "4"]),
            "Timeout": ("5000", ["1", str(2**32 - 1)], WHOLE),
            "DataBlockSize": ("38", ["1", "65535"], BLOCK),
            "DSCP": DSCP,
            "MaxHopCount": ("30", ["1", "64"], ["0", "65"]),
        },
    )
    assert results(test) == {"IPAddressUsed", "ResponseTime", "RouteHops"}
    assert errors(test) == COMMON | {"MaxHopCountExceeded"}


def test_16_4_download_diagnostics() -> None:
    test = NAMED["DownloadDiagnostics"]
    held(test.inputs, {**TRANSFER, "DownloadURL": ("", URLS, NO_URLS)})
    loads = {
        f"{name}{full}"
        for name in ("TestBytesReceived", "TotalBytesReceived", "TotalBytesSent")
        for full in ("", "UnderFullLoading")
    }
    known = {"IPAddressUsed", "PeriodOfFullLoading", "PerConnectionResult", "IncrementalResult"}
    fixed = {
        "DownloadTransports",
        "DownloadDiagnosticMaxConnections",
        "DownloadDiagnosticsMaxIncrementalResult",
    }
    assert results(test) == known | loads | TIMES | fixed
    connecting = {"InitConnectionFailed", "NoResponse", "TransferFailed", "Timeout", "IncorrectSize"}
    by_ftp = {"PasswordRequestFailed", "LoginFailed", "NoTransferMode", "NoPASV"}
    assert errors(test) == COMMON | connecting | by_ftp


def test_16_5_upload_diagnostics() -> None:
    test = NAMED["UploadDiagnostics"]
    length = ("0", ["0", "1", str(2**64 - 1)], ["-1", str(2**64), ""])
    held(test.inputs, {**TRANSFER, "UploadURL": ("", URLS, NO_URLS), "TestFileLength": length})
    loads = {
        f"{name}{full}"
        for name in ("TestBytesSent", "TotalBytesReceived", "TotalBytesSent")
        for full in ("", "UnderFullLoading")
    }
    known = {"IPAddressUsed", "PeriodOfFullLoading", "PerConnectionResult", "IncrementalResult"}
    fixed = {"UploadTransports", "UploadDiagnosticsMaxConnections", "UploadDiagnosticsMaxIncrementalResult"}
    assert results(test) == known | loads | TIMES | fixed
    connecting = {"InitConnectionFailed", "NoResponse", "NoTransferComplete", "Timeout"}
    by_ftp = {"PasswordRequestFailed", "LoginFailed", "NoTransferMode", "NoPASV", "NoCWD", "NoSTOR"}
    assert errors(test) == COMMON | connecting | by_ftp


def test_16_6_udp_echo_config() -> None:
    held(
        echoserver.INPUTS,
        {
            "Enable": ("false", ["true", "false"], ["yes"]),
            "Interface": INTERFACE,
            "SourceIPAddress": ("", ["", "192.0.2.1", "2001:db8::1"], ["example.com", "1.2.3"]),
            "UDPPort": ("7", ["1", "65535"], ["0", "65536"]),
            "EchoPlusEnabled": ("false", ["true", "false"], ["yes"]),
        },
    )
    counters = {f"{what}{which}" for what in ("Packets", "Bytes") for which in ("Received", "Responded")}
    found = set(echoserver.Counters().results())
    assert found == counters | {"EchoPlusSupported", "TimeFirstPacketReceived", "TimeLastPacketReceived"}


def test_16_7_udp_echo_diagnostics() -> None:
    test = NAMED["UDPEchoDiagnostics"]
    held(
        test.inputs,
        {
            "Interface": INTERFACE,
            "Host": ("", ["example.com"], [LONG]),
            "Port": ("7", ["1", "65535"], ["0", "65536"]),
            "NumberOfRepetitions": ("1", ["1", str(2**32 - 1)], WHOLE),
            "Timeout": ("5000", ["1", str(2**32 - 1)], WHOLE),
            "DataBlockSize": ("24", ["1", "65535"], BLOCK),
            "DSCP": DSCP,
            "InterTransmissionTime": ("1000", ["1", "65535"], BLOCK),
            "ProtocolVersion": ANY,
            "EnableIndividualPacketResults": ("false", ["true", "1"], ["yes"]),
        },
    )
    times = {f"{which}ResponseTime" for which in ("Average", "Minimum", "Maximum")}
    counts = {"IPAddressUsed", "SuccessCount", "FailureCount", "UDPEchoDiagnosticsMaxResults"}
    assert results(test) == times | counts | {"IndividualPacketResult"}
    assert errors(test) == {"CannotResolveHostName", "Internal", "Other"}


def test_16_8_server_selection_diagnostics() -> None:
    test = NAMED["ServerSelectionDiagnostics"]
    held(
        test.inputs,
        {
            "Interface": INTERFACE,
            "ProtocolVersion": ANY,
            "Protocol": ("ICMP", ["ICMP", "UDP Echo"], ["TCP", ""]),
            "HostList": ("", ["a", ",".join("abcdefghij")], [",".join("abcdefghijk"), LONG]),
            "NumberOfRepetitions": ("3", ["1", str(2**32 - 1)], WHOLE),
            "Timeout": ("1000", ["1", str(2**32 - 1)], WHOLE),
        },
    )
    times = {f"{which}ResponseTime" for which in ("Average", "Minimum", "Maximum")}
    assert results(test) == times | {"FastestHost", "IPAddressUsed"}
    assert errors(test) == {"CannotResolveHostName", "Internal", "Other"}


def test_16_9_ns_lookup_diagnostics() -> None:
    test = NAMED["NSLookupDiagnostics"]
    held(
        test.inputs,
        {
            "Interface": INTERFACE,
            "HostName": ("", ["example.com"], [LONG]),
            "DNSServer": ("", ["", "192.0.2.53", "ns.example.com"], [LONG]),
            "Timeout": ("5000", ["0", str(2**32 - 1)], ["-1", "x"]),
            "NumberOfRepetitions": ("1", ["0", str(2**32 - 1)], ["-1", "x"]),
        },
    )
    assert results(test) == {"SuccessCount", "Result"}
    assert errors(test) == {"DNSServerNotResolved", "Internal", "Other"}


def test_16_10_self_test_and_neighboring_wifi() -> None:
    assert (NAMED["SelfTestDiagnostics"].inputs, results(NAMED["SelfTestDiagnostics"])) == ({}, {"Results"})
    wifi = NAMED["NeighboringWiFiDiagnostic"]
    assert (wifi.inputs, results(wifi), wifi.errors) == ({}, {"Result"}, ("Error",))
    assert wifi.state(states.ERROR_INTERNAL) == "Error"


async def upload_to(url: str, **inputs: str) -> Outcome:
    return await up(url, TestFileLength=10, **inputs)


async def serve_one(stream: trio.SocketStream) -> None:
    """A file for one request."""
    await stream.receive_some(65536)
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % SIZE)
    await stream.send_all(bytes(SIZE))
    await stream.aclose()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("name", ["IPPing", "TraceRoute", "Download", "Upload", "UDPEcho"])
async def test_16_dscp_is_on_the_wire(name: str, address: str, namespace: Ip, nursery: trio.Nursery) -> None:
    """Of every test that has it, in both families."""
    try:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    except OSError as error:
        pytest.skip(f"no packet sockets: {error}")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    host = f"[{address}]" if ":" in address else address
    with wire, socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((address, 0))
        listener.listen()
        if name in ("Download", "Upload"):
            wrapped = trio.SocketListener(trio.socket.from_stdlib_socket(listener.dup()))
            nursery.start_soon(trio.serve_listeners, serve_one, [wrapped])
        wire.bind(("lo", 0))
        url = f"http://{host}:{listener.getsockname()[1]}/file"
        if name == "IPPing":
            await ping(address, NumberOfRepetitions="1", DSCP="46")
        elif name == "TraceRoute":
            await trace(address, NumberOfTries="1", DSCP="46")
        elif name == "Download":
            await down(url, DSCP="46")
        elif name == "Upload":
            await upload_to(url, DSCP="46")
        else:
            await echo(address, Port=free_port(address), Timeout=50, DSCP="46")
        packet = wire.recv(2048)
    traffic_class = packet[1] if family == socket.AF_INET else (packet[0] & 15) << 4 | packet[1] >> 4
    assert traffic_class == 46 << 2


@pytest.mark.parametrize("name", ["IPPing", "TraceRoute", "Download", "Upload", "UDPEcho"])
async def test_16_the_interface_that_is_named_is_used(name: str, lossy: None) -> None:
    """What is bound to a line that leads elsewhere does not reach loopback."""
    host, device = "127.0.0.1", "lossy"
    if name == "IPPing":
        assert (await ping(host, Interface=device, NumberOfRepetitions="1", Timeout="50")).results[
            "FailureCount"
        ] == "1"
    elif name == "TraceRoute":
        found = await trace(host, Interface=device, NumberOfTries="1", Timeout="50", MaxHopCount="1")
        assert found.state == "Error_MaxHopCountExceeded"
    elif name == "UDPEcho":
        assert (await echo(host, Interface=device, Timeout=50)).results["FailureCount"] == "1"
    else:
        with socket.socket() as listener:
            listener.bind((host, 0))
            listener.listen()
            url = f"http://{host}:{listener.getsockname()[1]}/"
            with trio.move_on_after(0.2) as scope:
                await (down if name == "Download" else upload_to)(url, Interface=device)
            assert scope.cancelled_caught
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()


async def test_16_4_bytes_are_those_of_the_interface(namespace: Ip, nursery: trio.Nursery) -> None:
    """TotalBytesReceived and TotalBytesSent: everything on the interface, headers included."""
    listeners = await nursery.start(functools.partial(trio.serve_tcp, serve_one, 0, host="127.0.0.1"))
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
    found = (await down(url, Interface="lo")).results
    assert int(str(found["TestBytesReceived"])) > SIZE
    assert (
        int(str(found["TotalBytesReceived"])) > SIZE / 2
    )  # what is there at BOMTime has been counted before
    assert int(str(found["TotalBytesSent"])) > 0
    assert (await down(url)).results["TotalBytesReceived"] == "0"  # no interface, no counters
