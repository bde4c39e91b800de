"""The rollback guard: what cuts off the ACS comes back, what does not stays, and nobody else's change is touched."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.datamodel.support import CONFIG, Acs, Owner, Router

from cwmp.datamodel.undo import Touched, Undo, changes_back
from cwmp.runtime import Paths, Runtime
from ubuskit.client import Client
from ubuskit.uci import Add, Delete, Package, Section, Set

ADDRESS = "Device.IP.Interface.2.IPv4Address.1.IPAddress"
SSID = "Device.WiFi.SSID.1.SSID"
SSIDS = "Device.WiFi.SSID."
KEY = "Device.ManagementServer.ParameterKey"
HOSTNAME = "Device.DeviceInfo.HostName"

StartDatamodel = Callable[[], Awaitable[Runtime]]


def timeout(router: Router, seconds: int) -> None:
    router.set_uci("cwmp", CONFIG["cwmp"] + f"\toption rollback_timeout '{seconds}'\n")


def undo(paths: Paths) -> dict[str, Any]:
    file = paths.state_dir / "datamodel/undo.json"
    document: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return {key: value for key, value in document.items() if key != "version"}


async def remaining(client: Client) -> int:
    found: int = (await client.call("cwmp.datamodel", "status"))["rollback_in"]
    return found


async def test_what_cuts_off_the_acs_comes_back(
    acs: Acs, router: Router, session: Owner, paths: Paths
) -> None:
    timeout(router, 1)
    await acs.informed(await acs.inform("0 BOOTSTRAP"))
    before = {name: router.uci(name) for name in ("network", "wireless", "system")}
    await acs.notify(1, SSID)
    await acs.set_all({HOSTNAME: "first"}, "before")  # before the first dangerous change: it stays
    await acs.set_all({ADDRESS: "10.9.9.9", SSID: "cut off"}, "after")
    await acs.set_all({HOSTNAME: "second"}, "at last")
    assert undo(paths)["key"] == "before"
    await acs.end()
    await session.wait_raised(2)
    assert session.raised == ["2 PERIODIC", "4 VALUE CHANGE"]
    assert "option hostname 'first'" in router.uci("system")
    assert "10.9.9.9" not in router.uci("network")
    assert "cut off" not in router.uci("wireless")
    assert await acs.get(ADDRESS, SSID, KEY) == {ADDRESS: "192.168.1.1", SSID: "OpenWrt", KEY: "before"}
    assert undo(paths) == {}
    found = await acs.inform("4 VALUE CHANGE")
    assert found.value_change
    assert (
        dict(zip(found.names, found.values, strict=True)).items() >= {SSID: "OpenWrt", KEY: "before"}.items()
    )
    assert before["network"].count("option") == router.uci("network").count("option")
    assert router.told.count("network") == router.told.count("wireless") == 2


async def test_a_change_with_which_the_acs_is_reached_stays(
    acs: Acs, router: Router, session: Owner, paths: Paths, client: Client
) -> None:
    timeout(router, 8)
    await acs.set_all({ADDRESS: "10.9.9.9"}, "good")
    await acs.end()
    await acs.informed(await acs.inform("6 CONNECTION REQUEST"))  # too early to prove anything
    assert await remaining(client) >= 0
    assert undo(paths)
    await session.wait_raised(1)
    await acs.informed(await acs.inform("2 PERIODIC"))
    assert await remaining(client) == -1
    assert undo(paths) == {}
    assert "10.9.9.9" in router.uci("network")


async def test_a_reboot_in_between_arms_it_anew(
    alone: Acs, start_datamodel: StartDatamodel, router: Router, session: Owner, paths: Paths
) -> None:
    timeout(router, 3600)
    runtime = await start_datamodel()
    await alone.set_all({ADDRESS: "10.9.9.9"}, "lost")
    runtime.nursery.cancel_scope.cancel()
    paths.system("/proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
    timeout(router, 1)
    await start_datamodel()
    await session.wait_raised(2)
    assert "10.9.9.9" not in router.uci("network")
    assert await alone.get(KEY) == {KEY: ""}


async def test_after_a_reboot_the_first_inform_proves_it(
    alone: Acs, start_datamodel: StartDatamodel, router: Router, paths: Paths, client: Client
) -> None:
    runtime = await start_datamodel()
    await alone.set_all({ADDRESS: "10.9.9.9"}, "good")
    runtime.nursery.cancel_scope.cancel()
    paths.system("/proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
    await start_datamodel()
    await alone.end()
    assert 0 <= await remaining(client) <= 180
    await alone.informed(await alone.inform("1 BOOT"))
    assert undo(paths) == {}
    assert "10.9.9.9" in router.uci("network")


async def test_what_somebody_else_changed_meanwhile_stays(acs: Acs, router: Router, session: Owner) -> None:
    timeout(router, 2)
    await acs.set_all({ADDRESS: "10.9.9.9", SSID: "cut off"})
    router.set_uci("wireless", router.uci("wireless").replace("cut off", "by hand"))
    router.set_uci("network", router.uci("network") + "\nconfig interface 'guest'\n\toption proto 'none'\n")
    await acs.end()
    await session.wait_raised(2)
    assert "option ssid 'by hand'" in router.uci("wireless")
    assert "10.9.9.9" not in router.uci("network")
    assert "config interface 'guest'" in router.uci("network")


async def test_rows_come_back_with_number_alias_and_attributes_and_go_again(
    acs: Acs, router: Router, session: Owner
) -> None:
    timeout(router, 1)
    old = f"{SSIDS}{(await acs.add(SSIDS)).instance_number}."
    await acs.set_all({f"{old}SSID": "kept", f"{old}Alias": "mine"})
    await acs.notify(1, f"{old}SSID", access="")
    await acs.end()
    await session.wait_raised(1)
    await acs.informed(await acs.inform("2 PERIODIC"))
    await acs.delete(old)
    new = f"{SSIDS}{(await acs.add(SSIDS)).instance_number}."
    await acs.end()
    await session.wait_raised(3)
    values = await acs.get(SSIDS)
    assert (values[f"{old}SSID"], values[f"{old}Alias"]) == ("kept", "mine")
    assert f"{new}SSID" not in values
    assert (await acs.attributes(old))[f"{old}SSID"] == (1, "")


@pytest.mark.parametrize("by_acs", [True, False])
async def test_it_can_be_switched_off_and_local_changes_are_not_guarded(
    acs: Acs, router: Router, paths: Paths, client: Client, by_acs: bool
) -> None:
    timeout(router, 0 if by_acs else 180)
    await acs.set_all({ADDRESS: "10.9.9.9"}, "key" if by_acs else None)
    await acs.end()
    assert await remaining(client) == -1
    assert undo(paths) == {}


async def test_without_an_acs_to_reach_nothing_is_taken_back(
    acs: Acs, router: Router, paths: Paths, client: Client
) -> None:
    await acs.set_all({ADDRESS: "10.9.9.9", "Device.ManagementServer.EnableCWMP": "false"})
    assert undo(paths)
    await acs.end()
    await router.wait_told("network")
    await client.call("cwmp.datamodel", "status")
    assert await remaining(client) == -1
    assert "10.9.9.9" in router.uci("network")


async def test_a_damaged_file_is_nothing_to_take_back(
    alone: Acs, start_datamodel: StartDatamodel, paths: Paths, client: Client
) -> None:
    file = paths.state_dir / "datamodel/undo.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"version": 1, "sections": [["network", "lan", 3, 0, null, []]], "rows": 1}')
    await start_datamodel()
    assert await remaining(client) == -1


def package(*sections: Section) -> Package:
    return Package("p", {section.name: section for section in sections})


def back(one: Touched, *sections: Section) -> tuple[list[Any], list[str]]:
    found = Undo()
    found.add([one], "", "")
    changes, left = changes_back(found, {"p": package(*sections)})
    return changes.get("p", []), left


def test_anonymous_sections_are_known_by_what_is_in_them() -> None:
    edited = Touched("p", "cfg01", "rule", True, {"a": "1", "b": "2"}, {"a": "9", "c": ["3"]})
    now = Section("cfg07", "rule", True, {"a": "9", "c": ["3"]})
    other = Section("cfg01", "rule", True, {"a": "1"})
    assert back(edited, other, now) == (
        [Set("cfg07", "a", "1"), Set("cfg07", "b", "2"), Delete("cfg07", "c")],
        [],
    )
    assert back(edited, other) == ([], ["p.cfg01"])
    gone = Touched("p", "cfg01", "rule", True, {"a": "1"}, None)
    assert back(gone, other) == ([Add("rule", None, {"a": "1"})], [])


def test_named_sections_that_came_or_went() -> None:
    came = Touched("p", "x", "rule", False, None, {"a": "1"})
    assert back(came, Section("x", "rule", False, {"a": "1"})) == ([Delete("x")], [])
    assert back(came, Section("x", "rule", False, {"a": "2"})) == ([], ["p.x"])
    assert back(came) == ([], ["p.x"])
    went = Touched("p", "x", "rule", False, {"a": "1"}, None)
    assert back(went) == ([Add("rule", "x", {"a": "1"})], [])
    assert back(went, Section("x", "rule", False, {})) == ([], ["p.x"])
    assert back(came._replace(after=None)) == ([], [])


def test_the_first_before_and_the_last_after_count() -> None:
    found = Undo()
    found.add([Touched("p", "x", "t", False, {"a": "1"}, {"a": "2"})], "k0", "k1")
    found.add([Touched("p", "x", "t", False, {"a": "2"}, {"a": "3"})], "k1", "k2")
    assert (found.key, found.key_after) == ("k0", "k2")
    again = Undo()
    again.load(json.loads(json.dumps(found.document())))
    assert again.sections == {("p", "x"): Touched("p", "x", "t", False, {"a": "1"}, {"a": "3"})}
    assert changes_back(found, {"p": None}) == ({}, ["p"])


async def test_pending_changes_of_others_are_neither_lost_nor_committed(
    alone: Acs, start_datamodel: StartDatamodel, router: Router, session: Owner, paths: Paths
) -> None:
    timeout(router, 3600)
    paths.uci_save_dir.mkdir(parents=True, exist_ok=True)
    pending = {
        "system": "system.@system[0].hostname='sameaspending'\n",
        "wireless": "wireless.default_radio0.key='typed in LuCI'\nwireless.radio0.channel='100'\n",
        "network": "network.lan.ipaddr='192.168.77.1'\n+network.guest='interface'\nnetwork.guest.proto='none'\n",
    }
    for package, text in pending.items():
        (paths.uci_save_dir / package).write_text(text)

    def unharmed() -> None:
        for package, text in pending.items():
            assert (paths.uci_save_dir / package).read_text() == text
        for foreign in ("typed in LuCI", "'100'", "192.168.77.1", "guest"):
            assert foreign not in router.uci("wireless") + router.uci("network")

    runtime = await start_datamodel()
    assert "Device.IP.Interface.4.Enable" not in await alone.get("Device.IP.Interface.")
    assert await alone.get(ADDRESS) == {ADDRESS: "192.168.1.1"}, "what is not committed is not in force"
    await alone.set_all({SSID: "cut off", ADDRESS: "10.9.9.9"}, "k")
    assert "10.9.9.9" in router.uci("network")
    await alone.set_all({HOSTNAME: "sameaspending"})
    assert "sameaspending" in router.uci("system"), "somebody else's pending value is not yet the value"
    unharmed()
    runtime.nursery.cancel_scope.cancel()  # the power fails while nobody knows whether the ACS is reached
    paths.system("/proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
    timeout(router, 1)
    await start_datamodel()
    await session.wait_raised(2)
    assert "10.9.9.9" not in router.uci("network")
    assert "cut off" not in router.uci("wireless")
    unharmed()
