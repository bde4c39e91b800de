"""The object cwmp.datamodel for other daemons: what docs/ubus.md shows, dry runs, rights, and events."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.datamodel.support import Acs, Router

from ubuskit.client import Client

DOCS = Path(__file__).parents[2] / "docs"
SSID = "Device.WiFi.SSID.1.SSID"
STATUS = "Device.IP.Interface.2.Status"


def examples() -> list[tuple[str, dict[str, Any], dict[str, Any] | None]]:
    """Method, arguments and reply (where one is shown) of every call in docs/ubus.md."""
    text = (DOCS / "ubus.md").read_text()
    found = []
    for call in re.finditer(r"    # ubus call cwmp\.datamodel (\w+)(?: '(.*)')?\n((?:    .*\n)*)", text):
        shown = "".join(line[4:] for line in call[3].splitlines(keepends=True))
        found.append((call[1], json.loads(call[2] or "{}"), json.loads(shown) if shown else None))
    return found


async def test_the_examples_are_true(acs: Acs, client: Client) -> None:
    methods = set()
    for method, args, reply in examples():
        found = await client.call("cwmp.datamodel", method, args)
        methods.add(method)
        assert reply is None or found == reply, f"{method} {args}"
        assert reply is not None or "fault" not in found
    served = (await client.lookup("cwmp.datamodel"))[0].signature
    assert methods == set(served), "every method is shown"
    table = (DOCS / "ubus.md").read_text()
    for name in await client.call("cwmp.datamodel", "status"):
        assert f"`{name}`" in table


async def test_a_dry_run_checks_everything_and_changes_nothing(
    acs: Acs, client: Client, router: Router
) -> None:
    before = {path.name: path.read_text() for path in router.paths.uci_dir.iterdir()}

    async def dry(**values: Any) -> dict[str, Any]:
        return await client.call("cwmp.datamodel", "set", {"values": values, "dry_run": True})

    assert await dry(**{SSID: "New", "Device.DeviceInfo.HostName": "new"}) == {"status": 0}
    fault = (await dry(**{SSID: "x" * 40, "Device.Nothing": "1", STATUS: "Up"}))["fault"]
    assert {p["name"]: p["code"] for p in fault["parameters"]} == {
        SSID: 9007,
        "Device.Nothing": 9005,
        STATUS: 9008,
    }
    await acs.set_all({"Device.ManagementServer.AutoCreateInstances": "true"})
    assert await dry(**{"Device.WiFi.SSID.[new].SSID": "New"}) == {"status": 0}
    assert {p.name: p.read_text() for p in router.paths.uci_dir.iterdir()} == before
    assert (await acs.add("Device.WiFi.SSID.")).instance_number == 2
    assert await acs.get(SSID) == {SSID: "OpenWrt"}
    await acs.session(True)
    while not (await client.call("cwmp.datamodel", "status"))["session_open"]:
        pass
    assert await dry(**{SSID: "New"}) == {"status": 1}


async def test_what_the_acs_keeps_to_itself_stays_so(acs: Acs, client: Client) -> None:
    await acs.notify(None, SSID, access="")
    for args in ({"values": {SSID: "x"}}, {"values": {SSID: "x"}, "dry_run": True}):
        fault = (await client.call("cwmp.datamodel", "set", args))["fault"]
        assert [p["code"] for p in fault["parameters"]] == [9001]
    by_alias = {"values": {"Device.WiFi.SSID.[cpe-default_radio0].SSID": "x"}}
    fault = (await client.call("cwmp.datamodel", "set", by_alias))["fault"]
    assert [p["code"] for p in fault["parameters"]] == [9001]
    for row in ("Device.WiFi.SSID.1.", "Device.WiFi.SSID.[cpe-default_radio0]."):
        assert (await client.call("cwmp.datamodel", "del", {"object": row}))["fault"]["code"] == 9001


class Heard:
    """Events of one name, as they come."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._more = trio.Event()

    def __call__(self, _name: str, data: dict[str, Any]) -> None:
        self.events.append(data)
        self._more.set()

    async def next(self) -> dict[str, Any]:
        with trio.fail_after(10):
            while not self.events:
                self._more = trio.Event()
                await self._more.wait()
        return self.events.pop(0)


@pytest.fixture
async def heard(acs: Acs, client: Client) -> AsyncIterator[Heard]:
    found = Heard()
    await client.listen("cwmp.datamodel.changed", found)
    yield found


async def test_every_change_is_told_with_its_values(acs: Acs, client: Client, heard: Heard) -> None:
    password = "Device.ManagementServer.Password"
    await acs.set_all({SSID: "Home", password: "secret"})
    assert await heard.next() == {
        "packages": ["cwmp", "wireless"],
        "names": [SSID, password],
        "by": "acs",
        "values": ["Home", ""],
        "more": False,
    }
    await client.call("cwmp.datamodel", "add", {"object": "Device.WiFi.SSID."})
    added = await heard.next()
    assert (added["by"], added["names"], added["values"]) == ("local", ["Device.WiFi.SSID."], [""])


async def test_a_watched_value_that_changes_by_itself_is_told(
    acs: Acs, client: Client, router: Router, heard: Heard
) -> None:
    await acs.informed(await acs.inform("0 BOOTSTRAP"))
    await acs.notify(1, SSID)
    await acs.inform("2 PERIODIC")
    router.set_uci("wireless", router.uci("wireless").replace("OpenWrt", "By hand"))
    await acs.inform("2 PERIODIC")
    event = await heard.next()
    assert (event["by"], event["names"], event["values"]) == ("system", [SSID], ["By hand"])
    await client.call("cwmp.datamodel", "set", {"values": {SSID: "Set here"}})
    await acs.inform("2 PERIODIC")
    assert (await heard.next())["by"] == "local"
    await acs.set_all({"Device.DeviceInfo.HostName": "last"})
    assert (await heard.next())["by"] == "acs", "what was set here is not told twice"


async def test_a_large_change_is_told_in_part(acs: Acs, heard: Heard, router: Router) -> None:
    router.set_uci(
        "wireless",
        "config wifi-device 'radio0'\n"
        + "".join(
            f"config wifi-iface 'w{n}'\n\toption mode 'ap'\n\toption ssid 'n{n}'\n" for n in range(600)
        ),
    )
    await acs.set_all({f"Device.WiFi.SSID.{n}.SSID": "same" for n in range(1, 601)})
    event = await heard.next()
    assert len(event["names"]) == len(event["values"]) == 512
    assert event["more"] is True


def test_no_role_may_change_attributes() -> None:
    files = [*(DOCS.parent / "openwrt-feed").rglob("*.json")]
    assert any("acl" in path.name or "acl.d" in path.parts for path in files)
    assert not any("set_attributes" in path.read_text() for path in files)
