"""NSLookupDiagnostics: Device.DNS.Diagnostics.NSLookupDiagnostics. (TR-181).

Each repetition asks one name server for the IPv4 and the IPv6 addresses of a name, side by side, and is a row of
Result. It has succeeded when it gave an address. The test is Complete when one repetition has succeeded.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import trio

from cwmp.diagnostics import network, states
from cwmp.diagnostics.definition import Definition, Failed, Input, Means, Outcome, Value, text, unsigned
from cwmp.diagnostics.network import Target, milliseconds

if TYPE_CHECKING:
    from dns.message import Message

ERROR_SERVER_NOT_RESOLVED = "Error_DNSServerNotResolved"
NOT_AVAILABLE = "Error_DNSServerNotAvailable"
NOT_RESOLVED = "Error_HostNameNotResolved"
TIMEOUT = "Error_Timeout"

_PORT = 53
_RESOLV_CONF = "/etc/resolv.conf"
_TEST_DEADLINE = 3600.0
_INTERVAL = 0.1
_MAX_ROWS = 100
"""The data model has no parameter for this bound; SuccessCount counts the others too."""
_MAX_ADDRESSES = 10
_MAX_MESSAGE = 65535


@dataclass(slots=True)
class _Lookup:
    """One repetition: the answers to its two questions, and how long the last of them took in µs."""

    answers: list[Message] = field(default_factory=list)
    took: float = 0.0
    failure: str = ""

    def row(self, server: Target) -> dict[str, str]:
        import dns.rcode  # noqa: PLC0415  # a large package, and few ask for this test

        row = {
            "Status": states.ERROR_OTHER,
            "AnswerType": "None",
            "HostNameReturned": "",
            "IPAddresses": "",
            "DNSServerIP": server.shown,
            "ResponseTime": str(milliseconds(self.took)) if self.answers else "0",
        }
        addresses: list[str] = []
        for answer in self.answers:
            name, found = _addresses(answer)
            if found and not addresses:
                row["AnswerType"] = "Authoritative" if answer.flags & _AUTHORITATIVE else "NonAuthoritative"
                row["HostNameReturned"] = name[:256]
            addresses += found
        if addresses:
            row["Status"] = "Success"
            row["IPAddresses"] = ",".join(addresses[:_MAX_ADDRESSES])
        elif any(a.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) for a in self.answers):
            row["Status"] = NOT_RESOLVED
        elif self.failure:
            row["Status"] = self.failure
        return row


_AUTHORITATIVE = 0x0400
_TRUNCATED = 0x0200


async def run(inputs: Mapping[str, str], means: Means) -> Outcome:
    """Look a name up as `inputs` say.

    Raises:
        Failed: the test could not be made.
    """
    device = await means.device(inputs["Interface"])
    name = inputs["DNSServer"] or _default_server()
    server = (await network.resolve(name, "Any", port=_PORT, state=ERROR_SERVER_NOT_RESOLVED))[0]
    rows: list[dict[str, str]] = []
    succeeded = done = 0
    with trio.move_on_after(_TEST_DEADLINE):
        next_one = trio.current_time()
        for _ in range(int(inputs["NumberOfRepetitions"])):
            await trio.sleep_until(next_one)
            next_one = trio.current_time() + _INTERVAL
            questions = _questions(inputs["HostName"])
            lookup = await _look_up(questions, server, device, int(inputs["Timeout"]) / 1000)
            row = lookup.row(server)
            succeeded += row["Status"] == "Success"
            done += 1
            means.progress(done, int(inputs["NumberOfRepetitions"]))
            if len(rows) < _MAX_ROWS:
                rows.append(row)
        results: dict[str, Value] = {"SuccessCount": str(succeeded), "Result": rows}
        if succeeded:
            return Outcome(states.COMPLETE, results)
        return Outcome(
            states.ERROR_OTHER, results, f"every lookup failed, the first with {rows[0]['Status']}"
        )
    raise Failed(states.ERROR_OTHER, f"the test was not over within {_TEST_DEADLINE:g} s")


async def _look_up(questions: list[Message], server: Target, device: str, timeout: float) -> _Lookup:
    lookup = _Lookup()
    with network.datagrams(server.family, device=device, dscp=0) as opened:
        sock = trio.socket.from_stdlib_socket(opened)
        sent_wall, sent = time.time_ns(), time.perf_counter_ns()
        try:
            with trio.fail_after(timeout):
                await sock.connect(server.address)
                for question in questions:
                    await sock.send(question.to_wire())
                while questions:
                    wire, ancillary, _, _ = await sock.recvmsg(_MAX_MESSAGE, network.ANCILLARY_BYTES)
                    since = time.perf_counter_ns() - sent
                    answer = _answer(wire, questions)
                    if answer is None:
                        continue
                    lookup.took = network.took(sent_wall, network.stamp_in(ancillary), since)
                    if answer.flags & _TRUNCATED:
                        answer = await _by_tcp(questions, answer, server, device) or answer
                        lookup.took = (time.perf_counter_ns() - sent) / 1000
                    lookup.answers.append(answer)
                    questions = [q for q in questions if q.id != answer.id]
        except trio.TooSlowError:
            lookup.failure = TIMEOUT
        except OSError:
            lookup.failure = NOT_AVAILABLE
    return lookup


async def _by_tcp(questions: list[Message], cut: Message, server: Target, device: str) -> Message | None:
    """The whole of an answer that was cut; None where it is not to be had."""
    (question,) = [q for q in questions if q.id == cut.id]
    wire = question.to_wire()
    with trio.socket.socket(server.family, socket.SOCK_STREAM) as sock:
        try:
            network.bind_and_mark(sock, device=device, dscp=0)
            await sock.connect(server.address)
            stream = trio.SocketStream(sock)
            await stream.send_all(len(wire).to_bytes(2, "big") + wire)
            received = bytearray()
            while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
                chunk = await stream.receive_some(4096)
                if not chunk:
                    return None
                received += chunk
        except (OSError, trio.BrokenResourceError):
            return None
    return _answer(bytes(received[2:]), [question])


def _questions(name: str) -> list[Message]:
    import dns.exception  # noqa: PLC0415
    import dns.message  # noqa: PLC0415

    try:
        return [dns.message.make_query(name, kind, use_edns=0, payload=1232) for kind in ("A", "AAAA")]
    except (dns.exception.DNSException, ValueError) as error:
        raise Failed(states.ERROR_OTHER, f"HostName '{name}' is no name: {error}") from None


def _answer(wire: bytes, questions: list[Message]) -> Message | None:
    """The answer to one of the questions; None where it is something else, or damaged."""
    import dns.exception  # noqa: PLC0415
    import dns.message  # noqa: PLC0415

    try:
        found = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError):
        return None
    return found if any(q.is_response(found) for q in questions) else None


def _addresses(answer: Message) -> tuple[str, list[str]]:
    """The name at the end of the answer's aliases, and its addresses."""
    import dns.exception  # noqa: PLC0415

    try:
        chain = answer.resolve_chaining()  # type: ignore[attr-defined]
    except (dns.exception.DNSException, AttributeError):  # no QueryMessage: it answers nothing
        return "", []
    found = [] if chain.answer is None else [record.address for record in chain.answer]
    return chain.canonical_name.to_text(omit_final_dot=True), found


def _default_server() -> str:
    """The first name server the system uses."""
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        servers = dns.resolver.Resolver(_RESOLV_CONF).nameservers
    except (dns.exception.DNSException, OSError) as error:
        raise Failed(ERROR_SERVER_NOT_RESOLVED, f"{_RESOLV_CONF} names no server: {error}") from None
    return str(servers[0])


NS_LOOKUP = Definition(
    name="NSLookupDiagnostics",
    path="Device.DNS.Diagnostics.NSLookupDiagnostics.",
    inputs=MappingProxyType(
        {
            "Interface": Input("", text(256)),
            "HostName": Input("", text(256)),
            "DNSServer": Input("", text(256)),
            "Timeout": Input("5000", unsigned(0)),
            "NumberOfRepetitions": Input("1", unsigned(0)),
        }
    ),
    results=MappingProxyType({"SuccessCount": "0", "Result": ()}),
    required=("HostName", "Timeout", "NumberOfRepetitions"),
    errors=(ERROR_SERVER_NOT_RESOLVED, states.ERROR_INTERNAL, states.ERROR_OTHER),
    run=run,
)
