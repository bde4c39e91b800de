"""`cwmp diag`: a test now, for whoever asks; cwmp.diagnostics ``run{type, args}`` ``{state, results, why}``.

The data model and the ACS see nothing of it. On a terminal a line shows how far it is (`live`). Interrupted, it has
the service give the test up.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from cwmp.cli.bus import Bus, Reply, Unreachable
from cwmp.cli.live import shown
from cwmp.contract.faults import Fault
from ubuskit.blocking import BlockingClient
from ubuskit.errors import UbusError

DIAGNOSTICS = "cwmp.diagnostics"

Results = Mapping[str, Any]


class Test(NamedTuple):
    """A test: its type, the input that TARGET is, the one for ``-c``, inputs it needs here, and its lines."""

    type: str
    target: str
    repeats: str
    inputs: Mapping[str, str]
    lines: Callable[[Results], Iterator[str]]


def diag(bus: Bus, options: argparse.Namespace) -> tuple[Reply, Iterator[str]]:
    """Make the test; the reply has its `state`, and lines come whatever that is."""
    test = TESTS[options.test]
    inputs = {**test.inputs, test.target: options.target, **dict(options.inputs)}
    for name, value in (("ProtocolVersion", options.family), (test.repeats, options.count)):
        if value:
            inputs[name] = value
    try:
        with shown(options.bus, test.type):
            reply = bus.call(DIAGNOSTICS, "run", {"type": test.type, "args": inputs})
    except KeyboardInterrupt:
        with suppress(Fault, Unreachable, UbusError), BlockingClient(options.bus) as other:
            Bus(other, 5.0).call(DIAGNOSTICS, "cancel", {"type": test.type})
        raise
    return reply, _lines(test, reply)


def _lines(test: Test, reply: Reply) -> Iterator[str]:
    results = reply.get("results", {})
    if reply.get("state") == "Complete" or any(isinstance(v, list) and v for v in results.values()):
        yield from test.lines(results)
    if reply.get("state") != "Complete":
        yield f"{reply.get('state')}: {reply.get('why', 'see the log')}"


def _ping(results: Results) -> Iterator[str]:
    yield from _echoes(results, "ResponseTimeDetailed")


def _udp_echo(results: Results) -> Iterator[str]:
    yield from _echoes(results, "ResponseTime")


def _echoes(results: Results, suffix: str) -> Iterator[str]:
    good, lost = int(results["SuccessCount"]), int(results["FailureCount"])
    yield f"{results['IPAddressUsed']}: {good + lost} sent, {good} answered, {lost} lost"
    if good:
        yield _times(results, suffix)


def _times(results: Results, suffix: str) -> str:
    times = (int(results[f"{name}{suffix}"]) / 1000 for name in ("Minimum", "Average", "Maximum"))
    return f"round trip: least/average/most {'/'.join(f'{time:.3f}' for time in times)} ms"


def _fastest(results: Results) -> Iterator[str]:
    yield f"fastest: {results['FastestHost']} ({results['IPAddressUsed']})"
    yield _times(results, "ResponseTime")


def _route(results: Results) -> Iterator[str]:
    for number, hop in enumerate(results["RouteHops"], 1):
        times = "  ".join("*" if t == "0" else f"{t} ms" for t in hop["RTTimes"].split(","))
        address = f" ({hop['HostAddress']})" if hop["HostAddress"] else ""
        yield f"{number:2}  {hop['Host'] or '*'}{address}  {times}"


def _names(results: Results) -> Iterator[str]:
    for row in results["Result"]:
        if row["Status"] == "Success":
            kind = "" if row["AnswerType"] == "Authoritative" else ", not authoritative"
            yield f"{row['HostNameReturned']}: {row['IPAddresses'].replace(',', ' ')}"
            yield f"  from {row['DNSServerIP']} in {row['ResponseTime']} ms{kind}"
        else:
            yield f"{row['Status']} from {row['DNSServerIP']}"


def _download(results: Results) -> Iterator[str]:
    yield from _throughput(results, "TestBytesReceived")


def _upload(results: Results) -> Iterator[str]:
    yield from _throughput(results, "TestBytesSent")


def _throughput(results: Results, name: str) -> Iterator[str]:
    yield f"{results['IPAddressUsed']}: {_rate(results, name, 'BOMTime', 'EOMTime')}"
    for title, key in (("connection", "PerConnectionResult"), ("increment", "IncrementalResult")):
        times = ("BOMTime", "EOMTime") if title == "connection" else ("StartTime", "EndTime")
        for number, row in enumerate(results[key], 1):
            yield f"  {title} {number}: {_rate(row, name, *times)}"


def _rate(row: Results, name: str, begin: str, end: str) -> str:
    count = int(row[name])
    took = (datetime.fromisoformat(row[end]) - datetime.fromisoformat(row[begin])).total_seconds()
    rate = f", {count * 8 / took / 1e6:.1f} Mbit/s" if took > 0 else ""
    return f"{count / 1e6:.2f} MB in {took:.2f} s{rate}"


TESTS: Mapping[str, Test] = {
    "ping": Test("IPPing", "Host", "NumberOfRepetitions", {}, _ping),
    "traceroute": Test("TraceRoute", "Host", "NumberOfTries", {}, _route),
    "nslookup": Test("NSLookupDiagnostics", "HostName", "NumberOfRepetitions", {}, _names),
    "udpecho": Test("UDPEchoDiagnostics", "Host", "NumberOfRepetitions", {}, _udp_echo),
    "download": Test("DownloadDiagnostics", "DownloadURL", "NumberOfConnections", {}, _download),
    "upload": Test(
        "UploadDiagnostics", "UploadURL", "NumberOfConnections", {"TestFileLength": "10000000"}, _upload
    ),
    "fastest": Test("ServerSelectionDiagnostics", "HostList", "NumberOfRepetitions", {}, _fastest),
}


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The command's part of the command line."""
    parser = commands.add_parser(
        "diag",
        parents=[common],
        help="ping, traceroute, nslookup, download, upload ... from this router",
    )
    parser.add_argument("test", choices=TESTS, help="which one")
    parser.add_argument(
        "target", metavar="TARGET", help="a host, a URL, or hosts separated by commas (fastest)"
    )
    parser.add_argument(
        "-o",
        dest="inputs",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=_input,
        help="any input of the test, by its name in TR-181, like DataBlockSize=1400",
    )
    parser.add_argument("-c", dest="count", default="", metavar="N", help="repetitions, tries or connections")
    family = parser.add_mutually_exclusive_group()
    for version in ("4", "6"):
        family.add_argument(
            f"-{version}",
            dest="family",
            action="store_const",
            const=f"IPv{version}",
            default="",
            help=f"IPv{version} only",
        )
    parser.add_argument(
        "--within",
        type=seconds_up_to(86400),
        default=3600.0,
        metavar="SECONDS",
        help="how long it may take; default 3600",
    )


def _input(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.isalnum():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def seconds_up_to(most: int) -> Callable[[str], float]:
    """The type of an option that is a time in seconds."""

    def convert(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no time in seconds (up to {most})")
        return seconds

    return convert
