"""An ACS that misbehaves: the service lives on, says clearly what was wrong, and comes back."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from tests.lab.conftest import Lab

from cwmp.lab.acs import behaviour as bad


async def failed_session(lab: Lab) -> str:
    """Have a session opened now and wait for its end; what `status` says went wrong."""
    over = trio.Event()
    states: list[bool] = []

    def on_state(_: str, table: dict[str, Any]) -> None:
        states.append(table["open"])
        if states[-2:] == [True, False]:
            over.set()

    listener = await lab.bus.listen("cwmp.session.state", on_state)
    await lab.bus.call("cwmp", "inform", {})
    with trio.fail_after(20):
        await over.wait()
    await listener.close()
    last = (await lab.bus.call("cwmp", "status"))["last_session"]
    assert last["result"] == "failure"
    return str(last["error"])


async def test_each_kind_of_nonsense_is_named_and_survived(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass
    pids = dict(lab.router.service_pids())
    for how, words in [
        (bad.Close(), "closed"),
        (bad.Status(500, b"oops"), "500"),
        (bad.Status(503), "503"),
        (bad.Status(404), "404"),
        (bad.HTML, "no CWMP message"),
        (bad.BROKEN_XML, "XML"),
        (bad.NOT_SOAP, "SOAP"),
        (bad.EMPTY, "empty"),
        (bad.Body(b""), "empty"),
        (bad.Bytes(b"\x00\xff\xfe garbage\r\n\r\n"), "HTTP"),
        (bad.SoapFault(8002, "out of order"), "8002"),
        (bad.SoapFault(8006), "8006"),
    ]:
        lab.acs.misbehave(how)
        error = await failed_session(lab)
        assert words.lower() in error.lower(), (how, error)
    lab.acs.misbehave_always(bad.Status(401))
    assert "401" in await failed_session(lab)
    lab.acs.misbehave_always(bad.Redirect(lab.acs.url))
    assert "redirect" in (await failed_session(lab)).lower()
    lab.acs.misbehave_always(None)
    async with lab.acs.session() as session:  # by itself
        assert session.inform.retry_count > 0
    assert dict(lab.router.service_pids()) == pids
    assert lab.acs.violations == []


async def test_while_an_acs_hangs_the_service_answers(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass
    lab.acs.misbehave(bad.Hang())
    await lab.bus.call("cwmp", "inform", {})
    await lab.acs.hung()
    status = await lab.bus.call("cwmp", "status", timeout=2)
    assert status["last_session"]["result"] == "running"
    lab.acs.release()
    async with lab.acs.session() as session:
        assert session.inform.retry_count == 1


async def test_the_first_contact_is_made_however_long_it_takes(lab: Lab) -> None:
    """What the bootstrap is for stays undelivered until an Inform was answered."""
    lab.acs.misbehave(bad.Close(), None, bad.HTML)
    while True:
        async with lab.acs.session() as session:
            codes = session.inform.codes
            break
    assert {"0 BOOTSTRAP", "1 BOOT"} <= set(codes)


async def test_eight_thousand_and_five_is_sent_again(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass
    lab.acs.misbehave(bad.SoapFault(8005, "try again"))
    await lab.bus.call("cwmp", "inform", {})
    async with lab.acs.session() as session:
        assert session.inform.retry_count == 0


@pytest.mark.parametrize("status", [302, 307])
async def test_a_redirect_holds_for_the_session(lab: Lab, status: int) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass
    lab.acs.misbehave(bad.Redirect(lab.acs.url.replace("127.0.0.1", "localhost"), status))
    await lab.bus.call("cwmp", "inform", {})
    async with lab.acs.session() as session:
        await session.ready()
    assert lab.acs.violations == []
