"""The pages in a browser, against a running router: what they show, every button, and what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.luci.conftest import NARROW, PAGES, SHOTS, WIDE, Tab
from tests.luci.lab import Lab

from cwmp.lab.acs import GetParameterNames, GetParameterValues
from cwmp.lab.acs.behaviour import Status
from cwmp.runtime.config import OPTIONS

NewTab = Callable[..., Tab]
SCRIPT = "<script>window.hit=1</script><img src=x onerror=hit=1>"
INTERVAL = "Device.ManagementServer.PeriodicInformInterval"
UBUS = re.compile("/ubus/")
CODE = "Device.DeviceInfo.ProvisioningCode"


def expect(locator: Any) -> Any:
    from playwright.sync_api import expect

    return expect(locator)


def field(page: Any, option: str) -> Any:
    return page.locator(f'.cbi-value[data-name="{option}"]').locator("input:not([type=hidden]), select").first


def row(page: Any, name: str) -> Any:
    return page.locator(f'.tr069-row[data-name="{name}"]')


def open_row(page: Any, name: str) -> None:
    row(page, name).locator(".name").click()
    expect(row(page, name)).to_have_attribute("aria-expanded", "true")


# Every page


TOO_WIDE = """document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("*")]
    .filter(e => e.getBoundingClientRect().right > innerWidth)
    .map(e => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 80)}`).slice(-5)"""
"""What sticks out of the page."""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_fits_and_takes_three_calls_at_most(
    new_tab: NewTab, lab: Lab, viewport: dict[str, int], dark: bool
) -> None:
    lab.wait_idle("success")
    tab = new_tab(viewport=viewport, dark=dark)
    SHOTS.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        tab.calls()
        page = tab.open(name)
        ours = [
            call for call in tab.calls() if (call.object, call.method) != ("uci", "changes")
        ]  # LuCI's own
        assert len(ours) <= 3, (name, ours)
        assert page.evaluate(TOO_WIDE) == [], f"{name} is too wide"
        shot = f"{name}-{'narrow' if viewport is NARROW else 'wide'}-{'dark' if dark else 'light'}.png"
        page.screenshot(path=str(SHOTS / shot))


def test_who_may_only_read_changes_nothing(new_tab: NewTab, lab: Lab) -> None:
    tab = new_tab(user="guest")
    page = tab.open("status")
    expect(page.locator(".tr069-light")).to_be_visible()
    expect(page.get_by_role("button", name="Inform now")).to_have_count(0)
    page = tab.open("diagnostics")
    expect(page.locator("#tr069-start")).to_be_disabled()
    page = tab.open("parameters")
    open_row(page, "Device.DeviceInfo.")
    expect(row(page, CODE).get_by_role("button", name="Change this value")).to_be_disabled()
    tab.expected = "403"
    page.goto(f"{lab.url}/cgi-bin/luci/admin/services/tr069/settings")
    expect(page.locator("body")).to_have_text("Forbidden")


def test_script_from_the_acs_stays_text(new_tab: NewTab, lab: Lab) -> None:
    lab.call("cwmp.datamodel", "set", values={CODE: SCRIPT})
    tab = new_tab()
    page = tab.open("status")
    expect(page.get_by_role("cell", name=SCRIPT)).to_be_visible()
    page = tab.open("parameters")
    open_row(page, "Device.DeviceInfo.")
    expect(row(page, CODE).locator(".value")).to_have_text(SCRIPT)
    row(page, CODE).get_by_role("button", name="Change this value").click()
    expect(page.locator(".tr069-change input")).to_have_value(SCRIPT)
    page = tab.open("settings")
    expect(field(page, "provisioning_code")).to_have_value(SCRIPT)
    lab.call("cwmp.datamodel", "set", values={CODE: ""})
    assert page.evaluate("window.hit === undefined")


def test_nothing_is_asked_faster_than_every_5_s_nor_while_hidden(new_tab: NewTab) -> None:
    tab = new_tab()
    tab.page.clock.install()
    for name, target in (
        ("status", "cwmp"),
        ("transfers", "cwmp.firmware"),
        ("diagnostics", "cwmp.diagnostics"),
    ):
        page = tab.open(name)
        tab.calls()
        for _ in range(10):
            with page.expect_response(UBUS):
                page.clock.run_for(5_100)
        assert 1 <= len([c for c in tab.calls() if c.object == target]) <= 12, name
        page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})")
        page.clock.run_for(60_000)
        page.evaluate("fetch('/favicon.ico').then(() => 0)")  # what was asked before has been answered
        assert not [c for c in tab.calls() if c.object == target], name


# Status


def test_inform_now_begins_a_session(new_tab: NewTab, lab: Lab) -> None:
    lab.wait_idle("success")
    before = lab.sessions()
    page = new_tab().open("status")
    expect(page.locator(".tr069-light")).to_have_attribute("data-light", "good")
    page.get_by_role("button", name="Inform now").click()
    expect(page.get_by_text("A session with the ACS begins.")).to_be_visible()
    lab.wait_idle("success", before)


def test_a_failed_session_is_explained(new_tab: NewTab, lab: Lab) -> None:
    lab.do_sync(lab.acs.misbehave_always, Status(503))
    try:
        lab.inform("failure")
        page = new_tab().open("status")
        expect(page.locator(".tr069-light")).to_have_attribute("data-light", "bad")
        expect(page.get_by_role("heading", name="The last session with the ACS failed")).to_be_visible()
        expect(page.get_by_text("The ACS refused the session.")).to_be_visible()
        expect(page.locator(".error")).to_contain_text("503")
        expect(page.get_by_text("2 PERIODIC")).to_be_visible()
        page.screenshot(path=str(SHOTS / "status-failed.png"))
    finally:
        lab.do_sync(lab.acs.misbehave_always, None)
        lab.inform()


def test_the_connection_is_tested_step_by_step(new_tab: NewTab, lab: Lab) -> None:
    page = new_tab().open("status")
    page.get_by_role("button", name="Test the connection").click()
    findings = page.locator(".tr069-facts").first
    expect(findings.get_by_text("fine").first).to_be_visible(timeout=20_000)
    expect(findings.get_by_role("rowheader").first).to_be_visible()
    assert findings.get_by_role("row").count() > 2


def test_status_goes_on_when_the_service_is_back(new_tab: NewTab, lab: Lab) -> None:
    lab.inform()
    tab = new_tab()
    tab.page.clock.install()
    page = tab.open("status")
    lab.hold_down("session")
    try:
        with page.expect_response(UBUS):
            page.clock.run_for(5_100)
        expect(page.get_by_text("The session service (cwmp) is not running.")).to_be_visible()
        expect(page.locator(".tr069-light")).to_have_attribute("data-light", "bad")
        page.get_by_role("button", name="Inform now").click()
        expect(page.locator(".tr069-note")).to_contain_text("is not running")
    finally:
        lab.let_up("session")
    with page.expect_response(UBUS):
        page.clock.run_for(5_100)
    expect(page.get_by_text("is not running.")).to_have_count(1)  # the answer to the button stays
    expect(page.get_by_role("cell", name=lab.acs.url)).to_be_visible()


# Sessions


def test_the_last_sessions_and_what_was_said_in_them(new_tab: NewTab, lab: Lab) -> None:
    tab = new_tab()
    tab.page.clock.install()
    page = tab.open("sessions")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#tr069-record")).to_have_text("Stop recording")
    lab.wants = [
        GetParameterNames("Device.WiFi."),
        GetParameterValues(["Device."]),
        GetParameterValues(["Device.No"]),
    ]
    lab.inform()
    lab.wants = []
    with page.expect_response(UBUS):
        page.clock.run_for(5_100)
    session = page.locator(".tr069-session").first
    expect(session).to_contain_text("2 PERIODIC")
    expect(session.get_by_text("success")).to_be_visible()
    if session.get_attribute("open") is None:
        session.locator("summary").click()
    methods = session.locator(".tr069-waterfall .method")
    expect(methods).to_have_text(["Inform", "GetParameterNames", "GetParameterValues", "GetParameterValues"])
    expect(session.locator(".fault")).to_contain_text("9005")
    message = page.locator(".tr069-message")
    expect(message.first).to_be_visible()
    page.locator("#tr069-messages").fill("informresponse")
    expect(message).to_have_count(1)
    message.locator("summary").click()
    expect(message.locator("pre")).to_contain_text("InformResponse")
    page.screenshot(path=str(SHOTS / "sessions-messages.png"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert "InformResponse" in download.value.path().read_text()
    page.locator("#tr069-messages").fill("")
    page.get_by_role("button", name="Stop recording").click()
    expect(page.locator("#tr069-record")).to_have_text("Record")
    assert lab.call("cwmp", "trace") == {"enabled": False}


def test_sessions_without_the_service(new_tab: NewTab, lab: Lab) -> None:
    tab = new_tab()
    lab.hold_down("session")
    try:
        page = tab.open("sessions")
        expect(page.get_by_role("alert").first).to_contain_text("The session service (cwmp) is not running.")
        page.get_by_role("button", name="Record").click()
        expect(page.get_by_role("alert")).to_have_count(2)
    finally:
        lab.let_up("session")


# Parameters


def test_the_tree_opens_and_closes_by_mouse_and_keyboard(new_tab: NewTab) -> None:
    page = new_tab().open("parameters")
    open_row(page, "Device.DeviceInfo.")
    expect(row(page, "Device.DeviceInfo.SerialNumber").locator(".value")).to_have_text("LAB-0001")
    expect(row(page, "Device.DeviceInfo.SerialNumber").locator(".type")).to_have_text("string")
    page.screenshot(path=str(SHOTS / "parameters-tree.png"))
    row(page, "Device.DeviceInfo.").locator(".name").click()
    expect(row(page, "Device.DeviceInfo.SerialNumber")).to_have_count(0)

    tree = page.get_by_role("tree")
    tree.focus()
    page.keyboard.press("Home")
    expect(page.locator(".tr069-row.current")).to_have_attribute("data-name", "Device.")
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    last = page.locator(".tr069-row.current").get_attribute("data-name")
    page.keyboard.press("ArrowRight")
    expect(row(page, last)).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tr069-row.current")).to_have_attribute("aria-level", "3")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(row(page, last)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("/")
    expect(page.locator("#tr069-search")).to_be_focused()


def test_thousands_of_parameters_are_a_few_rows(new_tab: NewTab) -> None:
    page = new_tab().open("parameters")
    page.locator("#tr069-search").fill("hosts host")
    expect(page.locator(".count")).to_contain_text("found")
    found = int(re.sub(r"\D", "", page.locator(".count").inner_text()))
    assert found >= 5000
    assert page.locator(".tr069-row").count() < 60
    expect(page.locator(".tr069-row .value").nth(0)).not_to_be_empty()
    page.get_by_role("tree").focus()
    page.keyboard.press("End")
    expect(page.locator(".tr069-row.current .value")).to_be_visible()
    assert page.locator(".tr069-row").count() < 60
    assert int(page.locator(".tr069-row.current").get_attribute("id").rsplit("-", 1)[1]) == found - 1
    page.evaluate(
        """async () => {
            const list = document.querySelector('.tr069-list');
            for (let i = 0; i < 200; i++) {
                list.scrollTop = i * 800;
                list.dispatchEvent(new Event('scroll'));
                if (document.querySelectorAll('.tr069-row').length > 60) throw new Error('too many rows');
            }
        }"""
    )
    page.locator("#tr069-search").fill("nothing has such a name")
    expect(page.locator(".count")).to_have_text("0 found")
    page.locator("#tr069-search").press("Escape")
    expect(row(page, "Device.DeviceInfo.")).to_be_visible()
    page.locator("#tr069-search").fill("provisioning")
    expect(page.locator(".count")).to_have_text("1 found")
    page.locator("#tr069-search").press("Escape")
    expect(row(page, "Device.DeviceInfo.")).to_be_visible()


def test_values_are_changed_all_or_none_and_each_mistake_is_said(new_tab: NewTab, lab: Lab) -> None:
    page = new_tab().open("parameters")
    page.locator("#tr069-search").fill("ManagementServer Periodic")
    row(page, INTERVAL).get_by_role("button", name="Change this value").click()
    interval = page.locator(f'[name="{INTERVAL}"]')
    interval.fill("often")
    interval.press("Enter")
    expect(page.locator(".tr069-error").first).to_have_text("Use a whole number.")
    interval.fill("0")  # of its type, and refused by the data model
    page.locator("#tr069-search").fill("ProvisioningCode")
    row(page, CODE).get_by_role("button", name="Change this value").click()
    code = page.locator(f'[name="{CODE}"]')
    code.fill("x" * 65)
    page.locator("#tr069-save").click()
    expect(page.get_by_text("Nothing was saved")).to_be_visible()
    expect(page.locator(".tr069-error:not(:empty)")).to_have_count(2)
    page.screenshot(path=str(SHOTS / "parameters-refused.png"))
    code.fill("green.1")
    interval.fill("1800")
    page.locator("#tr069-save").click()
    expect(page.locator(".tr069-note")).to_contain_text("Saved.")
    expect(row(page, CODE).locator(".value")).to_have_text("green.1")
    assert lab.router.uci("cwmp").sections["cwmp"].options["periodic_inform_interval"] == "1800"
    row(page, CODE).get_by_role("button", name="Change this value").click()
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".tr069-editor")).to_be_hidden()


def test_a_parameter_says_where_it_comes_from_and_who_hears_of_it(new_tab: NewTab, lab: Lab) -> None:
    page = new_tab("guest").open("parameters")
    page.locator("#tr069-search").fill("ManagementServer Periodic")
    row(page, INTERVAL).locator(".name").click()
    expect(row(page, INTERVAL).locator(".value")).not_to_be_empty()
    about = page.locator(".cbi-section", has_text=INTERVAL)
    expect(about.get_by_role("row", name="Type")).to_contain_text("unsignedInt")
    expect(about.get_by_role("row", name="Access")).to_contain_text("readWrite")
    expect(about.get_by_role("row", name="Who may change it beside the ACS")).to_contain_text("Subscriber")
    expect(about.get_by_role("row", name="The ACS is told of changes")).to_contain_text("off")
    expect(about.get_by_role("row", name="Declared in")).to_contain_text("ManagementServer.toml")
    page.screenshot(path=str(SHOTS / "parameters-about.png"), full_page=True)
    page.get_by_role("tree").focus()
    page.keyboard.press("End")
    page.keyboard.press("i")
    expect(page.get_by_role("heading", name=INTERVAL)).to_have_count(0)


def test_what_the_data_model_would_refuse_is_said_before_it_is_saved(new_tab: NewTab, lab: Lab) -> None:
    page = new_tab().open("parameters")
    page.locator("#tr069-search").fill("ManagementServer Periodic")
    row(page, INTERVAL).get_by_role("button", name="Change this value").click()
    before = lab.router.uci("cwmp").sections["cwmp"].options.get("periodic_inform_interval")
    interval = page.locator(f'[name="{INTERVAL}"]')
    expect(page.locator(".tr069-change small").last).to_contain_text("UCI cwmp")
    interval.fill("0")
    interval.blur()
    expect(page.locator(".tr069-error:not(:empty)")).to_have_count(1)
    assert lab.router.uci("cwmp").sections["cwmp"].options.get("periodic_inform_interval") == before
    interval.fill("900")
    expect(page.locator(".tr069-error:not(:empty)")).to_have_count(0)
    page.get_by_role("button", name="Discard").click()


def test_objects_are_added_and_deleted(new_tab: NewTab, lab: Lab) -> None:
    page = new_tab().open("parameters")
    for name in ("Device.DHCPv4.", "Device.DHCPv4.Server.", "Device.DHCPv4.Server.Pool."):
        open_row(page, name)
    row(page, "Device.DHCPv4.Server.Pool.").get_by_role("button", name="Add an object").click()
    note = page.locator(".tr069-note")
    expect(note).to_contain_text("Added Device.DHCPv4.Server.Pool.")
    path = note.inner_text().split("Added ")[1].split()[0]
    row(page, path).get_by_role("button", name="Delete this object").click()
    page.get_by_role("button", name="Cancel").click()
    expect(row(page, path)).to_be_visible()
    row(page, path).get_by_role("button", name="Delete this object").click()
    page.locator("#tr069-confirm").click()
    expect(note).to_contain_text("Deleted")
    expect(row(page, path)).to_have_count(0)


def test_parameters_without_a_data_model(new_tab: NewTab, lab: Lab) -> None:
    tab = new_tab()
    page = tab.open("parameters")
    lab.hold_down("datamodel")
    try:
        row(page, "Device.DHCPv4.").locator(".name").click()
        expect(page.get_by_role("alert")).to_contain_text(
            "The data model service (cwmp.datamodel) is not running."
        )
        page = tab.open("parameters")
        expect(page.get_by_role("alert")).to_contain_text("is not running.")
        tab.open("status")
        expect(page.locator("#view").get_by_text("is not running.")).to_have_count(1)
        page = tab.open("parameters")
    finally:
        lab.let_up("datamodel")
    page.get_by_role("button", name="Read anew").click()
    expect(row(page, "Device.DHCPv4.")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


# Transfers


def test_a_transfer_is_seen_and_cancelled(new_tab: NewTab, lab: Lab) -> None:
    waiting = lab.call(
        "cwmp.firmware", "download", url="http://127.0.0.1:9/a.bin", delay=3600, command_key="<b>night</b>"
    )
    moving = lab.call(
        "cwmp.firmware", "download", url=lab.slow_file(4_000_000, 1_000_000), file_size=4_000_000
    )
    page = new_tab().open("transfers")
    first, second = (page.locator(f'[data-id="{t["id"]}"]') for t in (waiting, moving))
    expect(first).to_contain_text("waiting")
    expect(first).to_contain_text("<b>night</b>")
    expect(second.get_by_role("progressbar")).to_be_visible()
    expect(second).not_to_contain_text("token")
    page.screenshot(path=str(SHOTS / "transfers-moving.png"))
    first.get_by_role("button", name="Cancel").click()
    page.locator(".modal").get_by_role("button", name="Cancel", exact=True).click()
    expect(first).to_be_visible()
    for transfer in (first, second):
        transfer.get_by_role("button", name="Cancel").click()
        page.locator("#tr069-confirm").click()
        expect(page.get_by_text("The transfer is cancelled.")).to_be_visible()
        expect(transfer.get_by_role("button")).to_have_count(0)
    assert not [
        t
        for t in lab.call("cwmp.firmware", "status")["transfers"]
        if t["state"] not in {"cancelled", "complete"}
    ]


def test_a_transfer_is_confirmed_by_somebody_at_the_router(new_tab: NewTab, lab: Lab) -> None:
    lab.schedule("http://127.0.0.1:9/night.bin", "<b>Upgrade</b> now?")
    page = new_tab().open("transfers")
    transfer = page.locator("article", has_text="night.bin")
    expect(transfer).to_contain_text("<b>Upgrade</b> now?")
    expect(transfer.locator(".windows")).to_contain_text("when it is confirmed here")
    page.screenshot(path=str(SHOTS / "transfers-confirm.png"))
    transfer.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("The transfer is confirmed.")).to_be_visible()
    expect(transfer).to_have_count(0, timeout=20_000)  # it failed, and the ACS knows


def test_transfers_without_the_service(new_tab: NewTab, lab: Lab) -> None:
    tab = new_tab()
    tab.page.clock.install()
    lab.hold_down("firmware")
    try:
        page = tab.open("transfers")
        expect(page.get_by_role("alert")).to_contain_text(
            "The firmware service (cwmp.firmware) is not running."
        )
    finally:
        lab.let_up("firmware")
    with page.expect_response(UBUS):
        page.clock.run_for(5_100)
    expect(page.get_by_text("No transfer is under way.")).to_be_visible()


# Diagnostics


def test_a_ping_is_drawn_as_it_goes(new_tab: NewTab, lab: Lab) -> None:
    if "fault" in (first := lab.call("cwmp.diagnostics", "run", type="IPPing", args={"Host": "127.0.0.1"})):
        pytest.skip(f"no ping here: {first}")
    page = new_tab().open("diagnostics")
    page.locator("#tr069-Host").fill("127.0.0.1")
    page.locator("#tr069-Repetitions").fill("3")
    page.locator("#tr069-Host").press("Enter")
    expect(page.locator(".tr069-chart .bar")).to_have_count(3)
    expect(page.get_by_role("cell", name="3 of 3 sent, 3 answered, 0 lost")).to_be_visible()
    expect(page.locator("#tr069-start")).to_be_enabled()
    page.screenshot(path=str(SHOTS / "diagnostics-ping.png"))
    page.locator("#tr069-Repetitions").fill("100")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".tr069-chart .bar")).to_have_count(1)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    expect(page.locator("#tr069-stop")).to_be_hidden()


def test_a_ping_that_cannot_be_made_says_why(new_tab: NewTab, lab: Lab) -> None:
    page = new_tab().open("diagnostics")
    for name, wrong in {
        "Host": "",
        "Repetitions": "101",
        "DataBlockSize": "0",
        "Timeout": "x",
        "DSCP": "64",
    }.items():
        page.locator(f"#tr069-{name}").fill(wrong)
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".tr069-error:not(:empty)")).to_have_count(5)
    expect(page.locator("#tr069-Host")).to_be_focused()
    for name, right in {"Repetitions": "2", "DataBlockSize": "56", "Timeout": "500", "DSCP": "0"}.items():
        page.locator(f"#tr069-{name}").fill(right)
    page.locator("#tr069-Host").fill("::1")
    page.locator("#tr069-ProtocolVersion").select_option("IPv4")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert").filter(has_text="resolve")).to_be_visible()
    lab.hold_down("diagnostics")
    try:
        page.get_by_role("button", name="Start").click()
        alert = page.get_by_role("alert").filter(
            has_text="The diagnostics service (cwmp.diagnostics) is not running."
        )
        expect(alert.first).to_be_visible()
    finally:
        lab.let_up("diagnostics")


def test_the_other_tests_are_run_with_what_the_service_names(new_tab: NewTab, lab: Lab) -> None:
    tests = lab.call("cwmp.diagnostics", "status")["tests"]
    if "TraceRoute" not in tests:
        pytest.skip("the service has no TraceRoute")
    page = new_tab().open("diagnostics")
    assert page.locator("#tr069-test option").all_inner_texts() == [
        name for name in tests if name != "IPPing"
    ]
    page.locator("#tr069-test").select_option("TraceRoute")
    page.locator("#tr069-run").click()
    expect(page.get_by_text("Host must be set first")).to_be_visible()
    page.locator("#tr069-other-Host").fill("127.0.0.1")
    page.locator("#tr069-other-DSCP").fill("64")
    page.locator("#tr069-run").click()
    expect(page.locator("#tr069-other-DSCP-error")).to_have_text("not a whole number from 0 to 63")
    page.locator("#tr069-other-DSCP").fill("0")
    page.locator("#tr069-run").click()
    expect(page.get_by_role("heading", name="RouteHops")).to_be_visible()
    expect(page.get_by_role("cell", name="127.0.0.1").first).to_be_visible()
    page.screenshot(path=str(SHOTS / "diagnostics-traceroute.png"), full_page=True)


def test_a_download_is_drawn_while_it_goes(new_tab: NewTab, lab: Lab) -> None:
    tab = new_tab()
    tab.page.clock.install()
    page = tab.open("diagnostics")
    page.locator("#tr069-test").select_option("DownloadDiagnostics")
    page.locator("#tr069-other-DownloadURL").fill(lab.slow_file(4_000_000, 1_000_000))
    with lab.heard("cwmp.diagnostics.progress"):
        page.locator("#tr069-run").click()
    with page.expect_response(UBUS):
        page.clock.run_for(5_100)
    expect(page.locator(".tr069-chart .line")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuemin", "0")
    page.screenshot(path=str(SHOTS / "diagnostics-download.png"), full_page=True)
    page.locator("#tr069-cancel").click()
    expect(page.get_by_text("The test was cancelled.").first).to_be_visible()


# Settings

WRONG = {
    "acs_url": "ftp://acs",
    "username": "x" * 257,
    "password": "x" * 257,
    "ca_file": "x" * 257,
    "client_certificate": "x" * 257,
    "client_key": "x" * 257,
    "provisioning_code": "x" * 65,
    "periodic_inform_interval": "0",
    "periodic_inform_time": "noon",
    "retry_minimum_wait_interval": "65536",
    "retry_interval_multiplier": "999",
    "default_active_notification_throttle": "-1",
    "heartbeat_interval": "29",
    "heartbeat_time": "noon",
    "autonomous_transfer_file_types": "firmware",
    "du_state_change_operations": "Install, Remove",
    "du_state_change_faults": "8001",
    "notification_poll_interval": "0",
    "connection_request_username": "x" * 257,
    "connection_request_password": "x" * 257,
    "connection_request_address": "x" * 257,
    "connection_request_port": "65536",
    "connection_request_path": "a b",
    "udp_connection_request_port": "65536",
    "stun_server_address": "a b",
    "stun_server_port": "65536",
    "stun_username": "x" * 257,
    "stun_password": "x" * 257,
    "stun_minimum_keep_alive_period": "-1",
    "stun_maximum_keep_alive_period": "-2",
    "http_proxy": "https://proxy.example.org/",
    "no_proxy": "x" * 1025,
    "manufacturer": "x" * 65,
    "manufacturer_oui": "02005e",
    "product_class": "x" * 65,
    "serial_number": "x" * 65,
    "interface": "wan;reboot",
    "rollback_timeout": "86401",
    "session_timeout": "29",
    "http_timeout": "3601",
    "web_content": "www",
}
CHOICES = {
    "log_level",
    "http_compression",
    "autonomous_transfer_type",
    "autonomous_transfer_result",
    "du_state_change_result",
}
SWITCHES = {
    "upgrade_keep_settings",
    "enable",
    "discovery",
    "periodic_inform_enable",
    "connection_request_enable",
    "stun_enable",
    "heartbeat_enable",
    "autonomous_transfer_enable",
    "du_state_change_enable",
    "compatibility",
}


def test_settings_has_every_option_and_refuses_what_the_services_refuse(new_tab: NewTab, lab: Lab) -> None:
    tab = new_tab()
    tab.expected = "contains an invalid input value"  # LuCI's form throws what it has shown
    page = tab.open("settings")
    shown = page.locator(".cbi-value[data-name]").evaluate_all("all => all.map(e => e.dataset.name)")
    assert sorted(shown) == sorted(OPTIONS)
    assert set(WRONG) | SWITCHES | CHOICES == set(OPTIONS)
    for option, wrong in WRONG.items():
        with pytest.raises(ValueError):
            OPTIONS[option](wrong)
    before = (lab.router.paths.uci_dir / "cwmp").read_text()
    for tab_name in ("ACS", "Schedule", "Reports", "Connection request", "Device", "Service"):
        page.locator(".cbi-tabmenu").get_by_role("link", name=tab_name, exact=True).click()
        for option, wrong in WRONG.items():
            if (found := field(page, option)).is_visible():
                found.fill(wrong)
                found.blur()
                expect(found).to_have_class(re.compile("cbi-input-invalid"))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".modal, .alert-message").first).to_be_visible()
    assert (lab.router.paths.uci_dir / "cwmp").read_text() == before


def test_settings_are_saved_and_taken_up(new_tab: NewTab, lab: Lab) -> None:
    tab = new_tab()
    page = tab.open("settings")
    field(page, "provisioning_code").fill("blue.2")
    page.locator(".cbi-tabmenu").get_by_role("link", name="Schedule").click()
    field(page, "periodic_inform_interval").fill("7200")
    field(page, "retry_interval_multiplier").fill("3000")
    page.locator(".cbi-tabmenu").get_by_role("link", name="Reports").click()
    field(page, "du_state_change_operations").fill("Install, Update")
    with page.expect_navigation():
        page.get_by_text("Save & Apply").first.click()
    page.wait_for_selector(".cbi-map")
    options = lab.router.uci("cwmp").sections["cwmp"].options
    assert options["provisioning_code"] == "blue.2"
    assert options["periodic_inform_interval"] == "7200"
    assert options["retry_interval_multiplier"] == "3000"
    assert options["du_state_change_operations"] == ["Install", "Update"]
    assert options["acs_url"] == lab.acs.url
    expect(field(page, "provisioning_code")).to_have_value("blue.2")
    found = lab.call("cwmp.datamodel", "get", paths=["Device.ManagementServer.CWMPRetryIntervalMultiplier"])
    assert found["parameters"][0]["value"] == "3000"


@pytest.mark.parametrize(("word", "on"), [("yes", True), ("off", False), ("perhaps", True)])
def test_switches_know_the_words_of_uci(new_tab: NewTab, lab: Lab, word: str, on: bool) -> None:
    path = lab.router.paths.uci_dir / "cwmp"
    before = path.read_text()
    path.write_text(
        before.replace("option periodic_inform_enable '0'", f"option periodic_inform_enable '{word}'")
    )
    try:
        page = new_tab().open("settings")
        page.locator(".cbi-tabmenu").get_by_role("link", name="Schedule").click()
        assert field(page, "periodic_inform_enable").is_checked() == on
    finally:
        path.write_text(before)


@pytest.mark.parametrize("content", [None, "config cwmp 'cwmp'\n\toption acs_url 'http://", "config other\n"])
def test_settings_of_a_missing_or_half_written_file(new_tab: NewTab, lab: Lab, content: str | None) -> None:
    path = lab.router.paths.uci_dir / "cwmp"
    before = path.read_text()
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    try:
        page = new_tab().open("settings")
        if content == "config other\n":
            expect(field(page, "acs_url")).to_have_value("")
        else:
            expect(page.get_by_role("alert")).to_contain_text("The configuration cannot be read")
            expect(page.get_by_text("Save & Apply")).to_have_count(0)
    finally:
        path.write_text(before)
