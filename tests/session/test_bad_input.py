"""What an ACS should never send: the session fails with the cause in words, the retry policy goes on."""

from __future__ import annotations

import tracemalloc
from functools import partial

import pytest
import trio

from cwmp.contract import AcsFaultCode

from .acs import EMPTY, INFORM_RESPONSE, Post, Reply, answer, envelope, fault, soap
from .conftest import Suite

LAUGHS = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


def raw(*headers: str, body: bytes = b"", status: str = "200 OK") -> Reply:
    lines = [f"HTTP/1.1 {status}", *headers]
    return Reply(raw="\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


def redirect(post: Post) -> Reply:
    return Reply(302, headers=(("Location", f"/again{len(post.target)}"),))


BAD = {
    "billion laughs": (Reply(body=LAUGHS + envelope("<c:InformResponse>&b;</c:InformResponse>")), "DOCTYPE"),
    "dtd": (Reply(body=b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x">' + envelope(INFORM_RESPONSE)), "DOCTYPE"),
    "stylesheet": (
        Reply(body=b"<?xml-stylesheet href='x'?>" + envelope(INFORM_RESPONSE)),
        "processing instr",
    ),
    "too long": (Reply(body=envelope(INFORM_RESPONSE + " " * (5 << 20))), "larger than 4194304 bytes"),
    "too deep": (Reply(body=envelope("<a>" * 100 + "</a>" * 100)), "deeper than 32"),
    "too many elements": (Reply(body=envelope("<a/>" * 400_000)), "too many elements"),
    "no such encoding": (
        Reply(body=b'<?xml version="1.0" encoding="klingon"?>' + envelope("<a/>")),
        "malformed XML",
    ),
    "not in its encoding": (
        Reply(body=b'<?xml version="1.0" encoding="UTF-8"?><a>\xff\xfe</a>'),
        "malformed XML",
    ),
    "cut off": (Reply(body=envelope(INFORM_RESPONSE)[:-30]), "malformed XML"),
    "html": (raw("Content-Type: text/html", "Content-Length: 4", body=b"<p>x"), "it is text/html"),
    "two messages": (soap(INFORM_RESPONSE * 2), "the body has 2 messages"),
    "truncated chunks": (
        raw("Transfer-Encoding: chunked", "Content-Type: text/xml", body=b"ff\r\n<e:Env"),
        "closed the connection before its response was complete",
    ),
    "no chunks": (raw("Transfer-Encoding: chunked", body=b"zz\r\n"), "does not speak HTTP"),
    "header flood": (raw(*[f"X-{n}: {n}" for n in range(20_000)]), "headers are larger than 65536 bytes"),
    "cookie of 1 MB": (
        raw(f"Set-Cookie: a={'x' * (1 << 20)}", "Content-Length: 0"),
        "headers are larger than 65536 bytes",
    ),
    "two lengths": (raw("Content-Length: 1", "Content-Length: 2", body=b"xx"), "does not speak HTTP"),
    "redirect loop": (redirect, "redirected more than 5 times"),
    "redirect to nowhere": (Reply(302), "without a Location"),
    "401 loop": (
        lambda post: Reply(401, headers=(("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),)),
        "did not accept our authentication",
    ),
    "stale for ever": (
        lambda post: Reply(
            401, headers=(("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth", stale=true'),)
        ),
        "did not accept our authentication",
    ),
    "a digest without nonce": (
        Reply(401, headers=(("WWW-Authenticate", 'Digest realm="r"'),)),
        "check username and password",
    ),
    "an unknown algorithm": (
        Reply(401, headers=(("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=ROT13'),)),
        "it offered digest",
    ),
    "a scheme nobody knows": (
        Reply(401, headers=(("WWW-Authenticate", "Negotiate"),)),
        "it offered negotiate",
    ),
    "a challenge of rubbish": (Reply(401, headers=(("WWW-Authenticate", '=,"=\\'),)), "it offered nothing"),
    "a response nobody asked for": (soap("<c:TransferCompleteResponse/>"), "response to another request"),
    "an unknown response": (soap("<c:KickedResponse/>"), "nobody asked for"),
    "a request instead of the answer": (soap("<c:GetRPCMethods/>"), "request of the ACS while waiting"),
    "nothing": (EMPTY, "empty response while waiting for InformResponse"),
    "compressed": (raw("Content-Encoding: br", "Content-Length: 1", body=b"x"), "encoded its response (br)"),
    "a fault without detail": (
        soap("<e:Fault><faultcode>Server</faultcode></e:Fault>"),
        "without a CWMP fault",
    ),
    "1xx for ever": (Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), "more than 16 interim responses"),
}


@pytest.mark.parametrize("name", BAD)
async def test_the_cause_is_named_and_the_retry_is_planned(suite: Suite, name: str) -> None:
    reply, words = BAD[name]
    suite.configure(retry_minimum_wait_interval=60, username="cpe", password="secret")
    suite.acs.handler = reply if callable(reply) else lambda _: reply
    await suite.start()
    status = await suite.ended()
    error = status["last_session"]["error"]
    assert words in error
    assert len(error) < 300
    assert "secret" not in error
    assert status["next_session"]["why"] == "retry 1"
    assert status["retry_count"] == 1
    assert status["pending_events"] == ["0 BOOTSTRAP", "1 BOOT"]
    assert len(suite.acs.posts) <= 6


@pytest.mark.parametrize("code", [*range(8000, 8005), 8006, 8007, 8800, 8899, 9003, 12345])
async def test_an_inform_answered_by_any_fault(suite: Suite, code: int) -> None:
    suite.configure(retry_minimum_wait_interval=60)
    suite.acs.handler = lambda post: soap(fault(code, "so it is"), id=post.id)
    await suite.start()
    status = await suite.ended()
    assert status["last_session"]["error"] == f"the ACS refused the Inform: {code} so it is"
    assert status["next_session"]["why"] == "retry 1"


async def test_an_inform_that_has_to_be_repeated_for_ever(suite: Suite) -> None:
    suite.configure(retry_minimum_wait_interval=60)
    suite.acs.handler = lambda post: soap(fault(AcsFaultCode.RETRY_REQUEST), id=post.id)
    await suite.start()
    status = await suite.ended()
    assert "8005" in status["last_session"]["error"]
    assert len(suite.acs.posts) == 4
    assert len({post.body for post in suite.acs.posts}) == 1


async def test_compression_is_given_up_for_an_acs_that_refuses_it(suite: Suite) -> None:
    suite.configure(http_compression="GZIP")

    def handler(post: Post) -> Reply:
        return Reply(415) if "content-encoding" in post.headers else answer(post)

    suite.acs.handler = handler
    await suite.start()
    status = await suite.ended(2)
    assert status["last_session"]["result"] == "success"
    assert [post.headers.get("content-encoding") for post in suite.acs.posts] == ["gzip", None, None]


OK = b"HTTP/1.1 200 OK"
ENVELOPE = b"<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>"
ENDLESS = {
    "text": (OK, ENVELOPE, b"x" * 65536),
    "elements": (OK, ENVELOPE, b"<a/>" * 8192),
    "a comment": (OK, ENVELOPE + b"<!--", b"x" * 65536),
    "an attribute": (OK, ENVELOPE[:20], b"x" * 65536),
    "nothing but space": (OK, b"", b" " * 65536),
    "an error page": (b"HTTP/1.1 500 Oops", b"<html>", b"x" * 65536),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /x", b"", b"x" * 65536),
    "a challenge": (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic", b"", b"x" * 65536),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_response_of_100_mb_is_not_read_to_its_end(
    suite: Suite, nursery: trio.Nursery, kind: str
) -> None:
    head, beginning, more = ENDLESS[kind]
    sent: list[int] = []

    async def acs(stream: trio.SocketStream) -> None:
        sent.append(0)
        try:
            while b"</" not in await stream.receive_some(65536):
                pass
            await stream.send_all(head + b"\r\nContent-Length: 104857600\r\n\r\n" + beginning)
            while sent[-1] < 100 << 20:
                await stream.send_all(more)
                sent[-1] += len(more)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    listeners = await nursery.start(partial(trio.serve_tcp, acs, 0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]
    suite.configure(
        acs_url=f"http://127.0.0.1:{port}/", retry_minimum_wait_interval=60, username="u", password="secret"
    )
    tracemalloc.start()
    try:
        await suite.start()
        status = await suite.ended()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert status["last_session"]["result"] == "failure"
    assert len(status["last_session"]["error"]) < 300
    assert status["next_session"]["why"] == "retry 1"
    assert max(sent) < 24 << 20, "more than the limits and the sockets' buffers hold"
    assert len(sent) <= 7
    assert peak < 24 << 20


NEVER_ASKED = {
    "the same answer again": (INFORM_RESPONSE, "InformResponse"),
    "to a request we did not make": ("<c:TransferCompleteResponse/>", "response to another request"),
    "to one that is not ours to make": ("<c:GetParameterValuesResponse/>", "nobody asked for"),
    "a fault": (fault(8001), "fault"),
}


@pytest.mark.parametrize("kind", NEVER_ASKED)
async def test_answers_to_questions_never_asked_in_mid_session(suite: Suite, kind: str) -> None:
    content, words = NEVER_ASKED[kind]
    suite.configure(retry_minimum_wait_interval=60)

    def handler(post: Post) -> Reply:
        return answer(post) if post.method else soap(content)

    suite.acs.handler = handler
    await suite.start()
    status = await suite.ended()
    assert words in status["last_session"]["error"]
    assert status["next_session"]["why"] == "retry 1"
    assert status["pending_events"] == []


async def test_a_method_of_ours_asked_by_the_acs_is_unknown(suite: Suite) -> None:
    suite.acs.script("<c:Inform/>", "<c:TransferComplete/>")
    await suite.start()
    status = await suite.ended()
    faults = [post.texts("FaultCode") for post in suite.acs.posts if post.method == "Fault"]
    assert faults == [["9000"], ["9000"]]
    assert status["last_session"]["result"] == "success"
