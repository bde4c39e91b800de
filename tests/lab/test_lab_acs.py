"""The lab's ACS: its sessions, what it holds against a CPE, authentication, misbehaviour on demand."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlsplit

import pytest
import trio
import trustme
from tests.lab.cpe import FAULT, TRANSFER_COMPLETE, VALUES, Cpe, connect, envelope, inform, playing

from cwmp.lab.acs import (
    Acs,
    CpeFault,
    Credentials,
    GetParameterValues,
    RequestDownload,
    SessionLost,
    SetParameterValues,
    Violation,
    auth,
    behaviour,
    open_acs,
)
from cwmp.lab.acs.http import Abort, Request, Response, serve


async def test_a_session_from_inform_to_204() -> None:
    async def play(cpe: Cpe) -> None:
        status, _, body = await cpe.post(inform("0 BOOTSTRAP", "1 BOOT"))
        assert status == 200
        assert b"InformResponse" in body
        assert b">i-1<" in body
        status, _, call = await cpe.post()
        assert b"<string>Device.X</string>" in call
        status, _, body = await cpe.answer_to(call, VALUES)
        assert (status, body) == (204, b"")

    async with open_acs() as acs, playing(acs.url, play):
        async with acs.session() as session:
            assert session.inform.codes == ["0 BOOTSTRAP", "1 BOOT"]
            assert session.inform.parameters["Device.RootDataModelVersion"].text == "2.19"
            values = await session.rpc(GetParameterValues(["Device.X"]))
        assert (values["Device.X"].text, values["Device.X"].type) == ("7", "unsignedInt")
        assert acs.violations == []
        assert [e.direction for e in acs.timeline] == ["<-", "->"]


async def test_transfer_complete_is_answered_before_the_script_has_its_turn() -> None:
    async def play(cpe: Cpe) -> None:
        await cpe.post(inform("7 TRANSFER COMPLETE", "M Download"))
        status, _, body = await cpe.post(envelope(TRANSFER_COMPLETE, "t"))
        assert status == 200
        assert b"TransferCompleteResponse" in body
        assert (await cpe.post())[0] == 204

    async with open_acs() as acs, playing(acs.url, play), acs.session() as session:
        await session.ready()
        assert [t.command_key for t in session.transfers] == ["k"]


async def test_what_the_cpe_reports_is_kept_in_order_and_read_strictly() -> None:
    wanted = "<c:RequestDownload><FileType>2 Web Content</FileType>{}</c:RequestDownload>"
    argument = "<ArgStruct><Name>n</Name><Value>v</Value></ArgStruct>"
    arguments = f'<FileTypeArg e:arrayType="c:ArgStruct[1]">{argument}</FileTypeArg>'

    async def play(cpe: Cpe) -> None:
        await cpe.post(inform("7 TRANSFER COMPLETE", "9 REQUEST DOWNLOAD"))
        _, _, body = await cpe.post(envelope(wanted.format(arguments), "w"))
        assert b"RequestDownloadResponse" in body
        await cpe.post(envelope(TRANSFER_COMPLETE, "t"))
        assert (await cpe.post(envelope(wanted.format(""), "x")))[0] == 400

    async with open_acs() as acs, playing(acs.url, play):
        session = await acs.next_session()
    assert [type(report).__name__ for report in session.reports] == ["RequestDownload", "TransferComplete"]
    assert session.reports[0] == RequestDownload("2 Web Content", {"n": "v"})
    assert [t.command_key for t in session.transfers] == ["k"]
    assert acs.violations == ["RequestDownload has no FileTypeArg"]


async def test_a_fault_of_the_cpe_comes_with_all_its_parameters() -> None:
    async def play(cpe: Cpe) -> None:
        await cpe.post(inform())
        _, _, call = await cpe.post()
        await cpe.answer_to(call, FAULT.format(faultcode="Client"))

    async with open_acs() as acs, playing(acs.url, play):
        async with acs.session() as session:
            with pytest.raises(CpeFault) as caught:
                await session.rpc(SetParameterValues({"Device.X": "1"}))
        assert caught.value.code == 9003
        assert [(p.name, p.code) for p in caught.value.parameters] == [("Device.X", 9008)]


async def test_a_wrong_faultcode_is_a_violation() -> None:
    async def play(cpe: Cpe) -> None:
        await cpe.post(inform())
        _, _, call = await cpe.post()
        await cpe.answer_to(call, FAULT.format(faultcode="Server"))

    async with open_acs() as acs, playing(acs.url, play), acs.session() as session:
        with pytest.raises(Violation, match="faultcode Server"):
            await session.rpc(SetParameterValues({"Device.X": "1"}))


async def test_sessions_without_the_wanted_event_are_let_go() -> None:
    async def play(cpe: Cpe) -> None:
        for code in ("2 PERIODIC", "6 CONNECTION REQUEST"):
            cpe.cookies.clear()
            await cpe.post(inform(code))
            assert (await cpe.post())[0] == 204

    async with (
        open_acs() as acs,
        playing(acs.url, play),
        acs.session("6 CONNECTION REQUEST") as session,
    ):
        assert session.inform.codes == ["6 CONNECTION REQUEST"]


async def test_a_session_is_lost_with_the_connection_that_left_a_post_unanswered() -> None:
    async def play(cpe: Cpe) -> None:
        await cpe.post(inform())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cpe.post)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    async with open_acs() as acs, playing(acs.url, play):
        with pytest.raises(SessionLost):
            async with acs.session() as session:
                await session.lost.wait()


async def test_a_new_inform_loses_the_open_session() -> None:
    async def play(cpe: Cpe) -> None:
        await cpe.post(inform())
        cpe.cookies.clear()
        await cpe.post(inform())
        assert (await cpe.post())[0] == 204

    async with open_acs() as acs, playing(acs.url, play):
        with pytest.raises(SessionLost):
            async with acs.session() as session:
                await session.lost.wait()
        async with acs.session():
            pass


XML = {"Content-Type": "text/xml", "SOAPAction": ""}


@pytest.mark.parametrize(
    ("headers", "body", "rule"),
    [
        ({"SOAPAction": ""}, b"", "an empty POST with soapaction"),
        ({"Content-Type": "text/xml"}, b"", "an empty POST with content-type"),
        ({"Content-Type": "text/xml"}, inform(), "without a SOAPAction"),
        ({"Content-Type": "application/xml", "SOAPAction": ""}, inform(), "content type application/xml"),
        ({}, b"", "belongs to no session"),
        (XML, b"<a>", "not well-formed"),
        (XML, b"<a/>", "not a SOAP Envelope"),
        (XML, envelope(""), "exactly one Body"),
        (XML, envelope("<Inform/>"), "in no CWMP namespace"),
        (XML, envelope(VALUES), "belongs to no session"),
        (XML, inform().replace(b"EventStruct[1]", b"EventStruct[2]"), "announces"),
        (XML, inform().replace(b' i:type="x:string"', b""), "no xsi:type"),
        (XML, inform().replace(b"<RetryCount>0</RetryCount>", b""), "the Inform's arguments"),
        (XML, inform("1 BOOT", "1 BOOT"), "comes twice"),
    ],
)
async def test_what_the_standard_forbids_is_held_against_the_cpe(
    headers: dict[str, str], body: bytes, rule: str
) -> None:
    async with open_acs() as acs, connect(acs.url) as cpe:
        assert (await cpe.post(body, headers))[0] == 400
        assert len(acs.violations) == 1
        assert rule in acs.violations[0]


async def test_a_missing_cookie_is_held_against_the_cpe() -> None:
    async with open_acs() as acs, connect(acs.url) as cpe:
        await cpe.post(inform())
        cpe.cookies.remove("balancer=b7")
        assert (await cpe.post())[0] == 400
        assert "one of the session's two cookies" in acs.violations[0]


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256"])
async def test_digest_lets_the_right_one_in_once_a_count(algorithm: str) -> None:
    async with open_acs(Credentials("cpe", "secret", algorithm=algorithm)) as acs, connect(acs.url) as cpe:
        status, headers, _ = await cpe.post(inform())
        assert status == 401
        challenge = headers["www-authenticate"]
        assert f"algorithm={algorithm}" in challenge
        wrong = auth.answer(challenge, "cpe", "wrong", "POST", "/acs")
        assert (await cpe.post(inform(), {**XML, "Authorization": wrong}))[0] == 401
        right = auth.answer(challenge, "cpe", "secret", "POST", "/acs")
        assert (await cpe.post(inform(), {**XML, "Authorization": right}))[0] == 200
        status, headers, _ = await cpe.post(b"", {"Authorization": right})
        assert status == 401
        assert "stale=true" in headers["www-authenticate"]


def test_digest_computes_what_the_rfc_prints() -> None:
    """The example of RFC 7616 3.9.1."""
    fields = {
        "realm": "http-auth@example.org",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    }
    expected = {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }
    for algorithm, value in expected.items():
        found = auth.response("Mufasa", "Circle of Life", "GET", "/dir/index.html", algorithm, fields)
        assert found == value


async def test_basic() -> None:
    async with open_acs(Credentials("cpe", "secret", "Basic")) as acs, connect(acs.url) as cpe:
        status, headers, _ = await cpe.post(inform())
        assert (status, headers["www-authenticate"]) == (401, 'Basic realm="lab"')
        headers = {**XML, "Authorization": "Basic Y3BlOnNlY3JldA=="}
        assert (await cpe.post(inform(), headers))[0] == 200


async def test_tls() -> None:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with open_acs(tls=server) as acs, connect(acs.url, client) as cpe:
        assert acs.url.startswith("https://localhost:")
        assert (await cpe.post(inform()))[0] == 200


@pytest.mark.parametrize(
    ("how", "status", "body"),
    [
        (behaviour.Status(500, b"oops"), 500, b"oops"),
        (behaviour.Status(401), 401, b""),
        (behaviour.HTML, 200, behaviour.HTML.body),
        (behaviour.BROKEN_XML, 200, behaviour.BROKEN_XML.body),
        (behaviour.NOT_SOAP, 200, behaviour.NOT_SOAP.body),
        (behaviour.EMPTY, 204, b""),
        (behaviour.Redirect("http://elsewhere/"), 302, b""),
    ],
)
async def test_misbehaviour_is_for_one_post(how: behaviour.Behaviour, status: int, body: bytes) -> None:
    async with open_acs() as acs, connect(acs.url) as cpe:
        acs.misbehave(how)
        found = await cpe.post(inform())
        assert (found[0], found[2]) == (status, body)
        assert (await cpe.post(inform()))[0] == 200


@pytest.mark.parametrize("how", [behaviour.Close(), behaviour.Bytes(b"\x00\xffgarbage\r\n\r\n")])
async def test_an_answer_that_is_no_http(how: behaviour.Behaviour) -> None:
    async with open_acs() as acs, connect(acs.url) as cpe:
        acs.misbehave(how)
        with pytest.raises(ConnectionError):
            await cpe.post(inform())


async def test_it_hangs_until_released() -> None:
    async def play(cpe: Cpe) -> None:
        with pytest.raises(ConnectionError):
            await cpe.post(inform())

    async with open_acs() as acs:
        acs.misbehave(behaviour.Hang())
        async with playing(acs.url, play):
            await acs.hung()
            acs.release()


async def test_a_soap_fault_waits_for_the_message_that_passed_authentication() -> None:
    async with open_acs(Credentials("cpe", "secret", "Basic")) as acs, connect(acs.url) as cpe:
        acs.misbehave(behaviour.SoapFault(8005, "again"))
        assert (await cpe.post(inform()))[0] == 401
        headers = {**XML, "Authorization": "Basic Y3BlOnNlY3JldA=="}
        _, _, body = await cpe.post(inform(), headers)
        assert b"<FaultCode>8005</FaultCode>" in body


async def test_files_are_served_and_counted() -> None:
    from cwmp.lab.acs import http

    data = bytes(range(256)) * 1000
    async with open_acs() as acs:
        url = acs.serve_file("/image.bin", data)
        status, headers, body = await http.get(url, {})
        assert (status, headers["content-length"]) == (200, "256000")
        assert hashlib.sha256(body).digest() == hashlib.sha256(data).digest()
        assert acs.downloads == {"/image.bin": 1}
        guarded = acs.serve_file("/secret.bin", b"x", Credentials("user", "pass", "Basic"))
        assert (await http.get(guarded, {}))[0] == 401
        assert (await http.get(guarded, {"Authorization": "Basic dXNlcjpwYXNz"}))[2] == b"x"
        assert (await http.get(url + "x", {}))[0] == 404


async def test_files_are_taken() -> None:
    async with open_acs() as acs:
        url = urlsplit(acs.take_file("/put", Credentials("user", "pass", "Basic")))
        async with connect(acs.url) as cpe:
            assert await cpe.put(url.path, b"data") == 401
            assert await cpe.put(url.path, b"data", {"Authorization": "Basic dXNlcjpwYXNz"}) == 201
            assert await cpe.put("/acs", b"data") == 405
            assert await cpe.put("/elsewhere", b"data") == 404
        assert acs.uploads == {"/put": b"data"}


def _device(handler: Callable[[Request], Response]) -> Callable[[trio.SocketStream], Awaitable[None]]:
    async def handle(request: Request) -> Response | Abort:
        return handler(request)

    return lambda stream: serve(stream, 1, handle)


@pytest.mark.parametrize(("password", "status"), [("right", 200), ("wrong", 401)])
async def test_a_connection_request_answers_the_digest_challenge(
    nursery: trio.Nursery, password: str, status: int
) -> None:
    guard = auth.Guard(Credentials("acs", "right"))

    def handler(request: Request) -> Response:
        challenge = guard.check(request.headers.get("authorization"), "GET", request.target)
        return Response(401, headers=[("WWW-Authenticate", challenge)]) if challenge else Response(200)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(partial(trio.serve_listeners, _device(handler)), listeners)
    port = listeners[0].socket.getsockname()[1]
    async with open_acs() as acs:
        assert await acs.connection_request(f"http://127.0.0.1:{port}/abc", "acs", password) == status
    nursery.cancel_scope.cancel()


async def test_an_unclaimed_session_does_not_hang_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    """Over streams in memory, since a virtual clock and real sockets do not go together."""
    acs = Acs(None, lambda _: None)
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(acs.serve, ours)
        cpe = Cpe(theirs, "/acs")
        await cpe.post(inform())
        assert (await cpe.post())[0] == 204
        assert trio.current_time() >= acs.session_timeout
        nursery.cancel_scope.cancel()
