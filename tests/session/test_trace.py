"""`history`, `trace` and `traced` of the ubus object `cwmp`."""

from __future__ import annotations

import json
from typing import Any

from cwmp.contract import Fault
from cwmp.session.history import MAX_CALLS, MAX_SESSIONS, Call, History
from cwmp.session.trace import MAX_CHARACTERS, MAX_MESSAGES, Trace

from .acs import EMPTY, Post, Reply, answer, fault, soap
from .conftest import Suite

GET = "<c:GetParameterValues><ParameterNames><string>Device.</string></ParameterNames></c:GetParameterValues>"
SET = (
    "<c:SetParameterValues><ParameterList><ParameterValueStruct><Name>Device.Users.User.1.Password</Name>"
    '<Value xsi:type="xsd:string">open-sesame</Value></ParameterValueStruct></ParameterList>'
    "<ParameterKey/></c:SetParameterValues>"
)


async def history(suite: Suite) -> list[dict[str, Any]]:
    found = await suite.client.call("cwmp", "history")
    sessions: list[dict[str, Any]] = found["sessions"]
    return sessions


async def test_history_tells_each_rpc_and_how_it_ended(suite: Suite) -> None:
    suite.acs.script(GET, "<c:Kicked/>", SET)
    await suite.start()
    await suite.ended()
    (session,) = await history(suite)
    assert session["events"] == ["0 BOOTSTRAP", "1 BOOT"]
    assert (session["result"], session["error"], session["version"]) == ("success", "", "1.2")
    assert session["start"] <= session["end"]
    assert [(c["by"], c["method"]) for c in session["calls"]] == [
        ("cpe", "Inform"),
        ("acs", "GetParameterValues"),
        ("acs", "Kicked"),
        ("acs", "SetParameterValues"),
    ]
    assert all(c["ms"] >= 0 for c in session["calls"])
    assert [c["fault"] for c in session["calls"] if "fault" in c] == [session["calls"][2]["fault"]]
    assert "9000" in session["calls"][2]["fault"]


async def test_history_says_why_a_session_failed_and_what_was_refused(suite: Suite) -> None:
    suite.datamodel.fault = Fault(9005, "there is no such parameter")
    suite.acs.script(GET, fault(8000))
    await suite.start()
    await suite.ended()
    first = (await history(suite))[0]
    assert first["result"] == "failure"
    assert "fault of the ACS" in first["error"]
    assert "9005" in first["calls"][1]["fault"]
    suite.acs.handler = lambda post: Reply(500)
    await suite.client.call("cwmp", "inform", {})
    await suite.ended(2)
    second = (await history(suite))[1]
    assert "500" in second["error"]
    assert second["calls"][0]["fault"] == "no usable answer"


def test_history_is_bounded() -> None:
    kept = History()
    for number in range(MAX_SESSIONS + 3):
        session = kept.began(float(number + 1), "test")
    for _ in range(MAX_CALLS + 5):
        session.add(Call("GetParameterNames", "acs", 0.1))
    sessions = kept.to_table()["sessions"]
    assert len(sessions) == MAX_SESSIONS
    assert len(sessions[-1]["calls"]) == MAX_CALLS
    assert sessions[-1]["more_calls"] == 5


async def test_nothing_is_traced_unless_asked_for(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    assert await suite.client.call("cwmp", "traced") == {
        "enabled": False,
        "last": 0,
        "more": False,
        "messages": [],
    }


async def test_a_trace_shows_both_directions_and_no_secret(suite: Suite) -> None:
    suite.configure(
        acs_url=f"http://user:in-the-url@127.0.0.1:{suite.acs.port}/acs?token=in-the-query",
        username="cpe",
        password="of-the-cpe",
        enable=0,
    )
    asked = [SET, "<c:Download/>"]

    def handler(post: Post) -> Reply:
        if "authorization" not in post.headers:
            return Reply(401, headers=(("WWW-Authenticate", 'Basic realm="of-the-cpe"'),))
        if post.method == "Inform":
            reply = answer(post)
            return Reply(body=reply.body, headers=(("Set-Cookie", "id=in-the-cookie"),))
        return soap(asked.pop(0), id="1") if asked else EMPTY

    suite.acs.handler = handler
    await suite.start()
    assert await suite.client.call("cwmp", "trace", {"enable": True}) == {"enabled": True}
    configuration = suite.paths.uci_dir / "cwmp"
    configuration.write_text(configuration.read_text().replace("option enable '0'", "option enable '1'"))
    await suite.client.call("cwmp", "reload")
    await suite.ended()
    found = await suite.client.call("cwmp", "traced")
    text = json.dumps(found)
    for secret in ("open-sesame", "in-the-url", "in-the-query", "of-the-cpe", "in-the-cookie", "Y3BlO"):
        assert secret not in text
    messages = found["messages"]
    assert [m["number"] for m in messages] == list(range(1, len(messages) + 1))
    assert [m["direction"] for m in messages[:4]] == ["sent", "received", "sent", "received"]
    assert [m["start"] for m in messages[:2]] == ["POST /acs?*** HTTP/1.1", "HTTP/1.1 401"]
    assert "Authorization: Basic ***" in messages[2]["headers"]
    assert "<EventCode>0 BOOTSTRAP</EventCode>" in messages[2]["body"]
    assert "set-cookie: id=***" in messages[3]["headers"]
    assert any("<Name>Device.Users.User.1.Password</Name>" in m["body"] for m in messages)
    since = messages[3]["number"]
    later = await suite.client.call("cwmp", "traced", {"since": since})
    assert later["messages"][0]["number"] == since + 1
    assert await suite.client.call("cwmp", "trace", {"enable": False}) == {"enabled": False}
    await suite.client.call("cwmp", "inform", {})
    await suite.ended(2)
    assert (await suite.client.call("cwmp", "traced"))["last"] == found["last"]


def test_the_ring_is_bounded_and_read_page_by_page() -> None:
    trace = Trace()
    trace.enabled = True
    body = b"<a>" + (b"<b>" + b"x" * 1900 + b"</b>") * 6 + b"</a>"
    for _ in range(MAX_MESSAGES + 100):
        with trace.receiving(200, "OK", [("Content-Type", "text/xml")]) as show:
            show(body)
    seen: list[int] = []
    since = 0
    size = 0
    while True:
        page = trace.since(since)
        seen += [m["number"] for m in page["messages"]]
        size += sum(len(m["body"]) for m in page["messages"])
        since = page["last"]
        if not page["more"]:
            break
    assert seen == list(range(seen[0], MAX_MESSAGES + 101))
    assert len(seen) <= MAX_MESSAGES
    assert size <= MAX_CHARACTERS
