"""NSLookupDiagnostics against name servers on loopback."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio
from tests.diagnostics.conftest import Ip

from cwmp.diagnostics import nslookup
from cwmp.diagnostics.definition import Failed, Means, Outcome
from cwmp.diagnostics.nslookup import NS_LOOKUP

LOG = logging.getLogger("test")
Answers = Callable[[dns.message.Message], dns.message.Message | None]


async def device(row: str) -> str:
    if row == "dangling":
        raise Failed("Error_Internal", "there is no such interface")
    return row


async def look_up(name: str, **inputs: str) -> Outcome:
    given = {**NS_LOOKUP.defaults(), "HostName": name, "DNSServer": "127.0.0.1", **inputs}
    try:
        with trio.fail_after(20):
            return await NS_LOOKUP.run(given, Means(device, LOG))
    except Failed as failed:
        return failed.outcome


def rows(outcome: Outcome) -> list[Mapping[str, str]]:
    found = outcome.results["Result"]
    assert not isinstance(found, str)
    return list(found)


def zone(*records: str, flags: str = "QR AA RD", rcode: int = dns.rcode.NOERROR) -> Answers:
    """A server's answers: those of ``name type data`` that are of the type asked for, and all CNAMEs."""

    def answer(question: dns.message.Message) -> dns.message.Message:
        found = dns.message.make_response(question)
        found.flags = dns.flags.from_text(flags)
        found.set_rcode(dns.rcode.Rcode(rcode))
        for record in records:
            name, kind, *data = record.split()
            if kind in ("CNAME", dns.rdatatype.to_text(question.question[0].rdtype)):
                found.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *data))
        return found

    return answer


Server = Callable[..., object]


@pytest.fixture
async def server(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Callable[..., trio.Event]:
    """Starts a name server on loopback; lookups go to its port. The event is set when it was asked."""

    def begin(answers: Answers, *, address: str = "127.0.0.1", over_tcp: Answers | None = None) -> trio.Event:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family)
        udp = socket.socket(family, socket.SOCK_DGRAM)
        listener.bind((address, 0))
        udp.bind((address, listener.getsockname()[1]))
        listener.listen()
        monkeypatch.setattr(nslookup, "_PORT", listener.getsockname()[1])
        asked = trio.Event()

        async def serve_udp() -> None:
            with trio.socket.from_stdlib_socket(udp) as sock:
                while True:
                    wire, source = await sock.recvfrom(4096)
                    asked.set()
                    answer = answers(dns.message.from_wire(wire))
                    if answer is not None:
                        await sock.sendto(b"no message", source)  # who knows what comes in
                        await sock.sendto(answer.to_wire(), source)

        async def serve_tcp(stream: trio.SocketStream) -> None:
            wire = await stream.receive_some(4096)
            if over_tcp is not None:
                answer = over_tcp(dns.message.from_wire(bytes(wire[2:])))
                assert answer is not None
                whole = answer.to_wire()
                await stream.send_all(len(whole).to_bytes(2, "big") + whole)
            await stream.aclose()

        nursery.start_soon(serve_udp)
        wrapped = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
        nursery.start_soon(trio.serve_listeners, serve_tcp, [wrapped])
        return asked

    return begin


async def test_addresses_of_both_families(server: Server) -> None:
    server(zone("host.example. A 192.0.2.1 192.0.2.2", "host.example. AAAA 2001:db8::1"))
    outcome = await look_up("host.example", NumberOfRepetitions="2")
    assert (outcome.state, outcome.results["SuccessCount"]) == ("Complete", "2")
    for row in rows(outcome):
        assert row["Status"] == "Success"
        assert row["AnswerType"] == "Authoritative"
        assert row["HostNameReturned"] == "host.example"
        assert set(row["IPAddresses"].split(",")) == {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
        assert row["DNSServerIP"] == "127.0.0.1"
        assert int(row["ResponseTime"]) >= 0


async def test_one_family_is_enough_and_aliases_are_followed(server: Server) -> None:
    server(zone("www.example. CNAME host.example.", "host.example. A 192.0.2.1", flags="QR RD RA"))
    (row,) = rows(await look_up("www.example"))
    assert (row["Status"], row["AnswerType"]) == ("Success", "NonAuthoritative")
    assert (row["HostNameReturned"], row["IPAddresses"]) == ("host.example", "192.0.2.1")


async def test_a_server_that_speaks_ipv6(server: Server) -> None:
    try:
        server(zone("host.example. A 192.0.2.1"), address="::1")
    except OSError as error:
        pytest.skip(f"no IPv6 loopback: {error}")
    (row,) = rows(await look_up("host.example", DNSServer="::1"))
    assert (row["Status"], row["DNSServerIP"]) == ("Success", "::1")


async def test_an_answer_that_was_cut_is_fetched_whole(server: Server) -> None:
    many = " ".join(f"192.0.2.{n}" for n in range(1, 60))
    server(zone(flags="QR TC"), over_tcp=zone(f"host.example. A {many}"))
    (row,) = rows(await look_up("host.example"))
    assert row["Status"] == "Success"
    assert len(row["IPAddresses"].split(",")) == 10  # what the parameter holds


async def test_an_answer_that_was_cut_and_cannot_be_fetched(server: Server) -> None:
    server(zone(flags="QR TC"))
    assert rows(await look_up("host.example"))[0]["Status"] == "Error_HostNameNotResolved"


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (zone(rcode=dns.rcode.NXDOMAIN), "Error_HostNameNotResolved"),
        (zone(), "Error_HostNameNotResolved"),
        (zone("host.example. CNAME host.example."), "Error_HostNameNotResolved"),
        (zone(rcode=dns.rcode.SERVFAIL), "Error_Other"),
        (zone(rcode=dns.rcode.REFUSED), "Error_Other"),
    ],
    ids=["no such name", "no addresses", "aliases in a circle", "the server failed", "the server refuses"],
)
async def test_no_address(server: Server, answers: Answers, status: str) -> None:
    server(answers)
    outcome = await look_up("host.example")
    assert (outcome.state, outcome.results["SuccessCount"]) == ("Error_Other", "0")
    (row,) = rows(outcome)
    assert (row["Status"], row["AnswerType"], row["IPAddresses"]) == (status, "None", "")


async def test_a_silent_server(server: Server) -> None:
    server(lambda _: None)
    (row,) = rows(await look_up("host.example", Timeout="20"))
    assert (row["Status"], row["ResponseTime"]) == ("Error_Timeout", "0")


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(nslookup, "_PORT", taken.getsockname()[1])
    (row,) = rows(await look_up("host.example"))
    assert row["Status"] == "Error_DNSServerNotAvailable"


async def test_no_way_to_the_server(namespace: Ip) -> None:
    (row,) = rows(await look_up("host.example", DNSServer="192.0.2.53"))
    assert row["Status"] == "Error_DNSServerNotAvailable"


async def test_some_succeed(server: Server) -> None:
    good, asked = zone("host.example. A 192.0.2.1"), []

    def sometimes(question: dns.message.Message) -> dns.message.Message:
        asked.append(question)
        return (good if len(asked) > 2 else zone())(question)

    server(sometimes)
    outcome = await look_up("host.example", NumberOfRepetitions="2")
    assert (outcome.state, outcome.results["SuccessCount"]) == ("Complete", "1")
    assert [row["Status"] for row in rows(outcome)] == ["Error_HostNameNotResolved", "Success"]


async def test_no_more_rows_than_fit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nslookup, "_MAX_ROWS", 2)
    server(zone("host.example. A 192.0.2.1"))
    outcome = await look_up("host.example", NumberOfRepetitions="3")
    assert (len(rows(outcome)), outcome.results["SuccessCount"]) == (2, "3")


async def test_the_systems_server(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server(zone("host.example. A 192.0.2.1"))
    (tmp_path / "resolv.conf").write_text("search example\nnameserver 127.0.0.1\n")
    monkeypatch.setattr(nslookup, "_RESOLV_CONF", str(tmp_path / "resolv.conf"))
    assert rows(await look_up("host.example", DNSServer=""))[0]["DNSServerIP"] == "127.0.0.1"


@pytest.mark.parametrize("text", ["", None, "nameserver\n"])
async def test_no_systems_server(text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if text is not None:
        (tmp_path / "resolv.conf").write_text(text)
    monkeypatch.setattr(nslookup, "_RESOLV_CONF", str(tmp_path / "resolv.conf"))
    assert (await look_up("host.example", DNSServer="")).state == "Error_DNSServerNotResolved"


@pytest.mark.parametrize(
    ("inputs", "state"),
    [
        ({"DNSServer": "::1::"}, "Error_DNSServerNotResolved"),
        ({"Interface": "dangling"}, "Error_Internal"),
        ({"Interface": "nosuchdevice"}, "Error_Internal"),
        ({"HostName": "a" * 64}, "Error_Other"),
        ({"HostName": "a..b"}, "Error_Other"),
    ],
)
async def test_what_cannot_be_made(
    inputs: dict[str, str], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def only_numeric(*args: object, **_: object) -> object:
        return socket.getaddrinfo(*args, flags=socket.AI_NUMERICHOST)  # type: ignore[arg-type]

    monkeypatch.setattr(trio.socket, "getaddrinfo", only_numeric)
    outcome = await look_up(inputs.pop("HostName", "host.example"), **inputs)
    assert outcome.state == state
    assert outcome.why


async def test_it_can_be_cancelled(server: Callable[..., trio.Event], nursery: trio.Nursery) -> None:
    asked = server(lambda _: None)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as inner:
            inner.start_soon(lambda: look_up("host.example", Timeout="600000"))
            await asked.wait()
            scope.cancel()
    assert scope.cancelled_caught


async def test_a_test_without_end_is_ended(autojump_clock: trio.testing.MockClock, lossy: None) -> None:
    given = {**NS_LOOKUP.defaults(), "HostName": "h", "DNSServer": "192.0.2.2", "Timeout": "4294967295"}
    with pytest.raises(Failed) as caught:
        await NS_LOOKUP.run(given, Means(device, LOG))
    assert caught.value.outcome.state == "Error_Other"


@pytest.mark.parametrize("name", ["HostName", "Timeout", "NumberOfRepetitions"])
def test_what_it_cannot_do_without(name: str) -> None:
    inputs = {**NS_LOOKUP.defaults(), "HostName": "h"}
    assert not NS_LOOKUP.check({"DiagnosticsState": "Requested"}, inputs)
    nothing = "" if name == "HostName" else "0"
    (wrong,) = NS_LOOKUP.check({"DiagnosticsState": "Requested", name: nothing}, inputs)
    assert (wrong.code, name in wrong.text) == (9007, True)
