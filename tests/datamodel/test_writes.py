"""SetParameterValues, AddObject, DeleteObject: what is refused, what changes, who is told, what a restart keeps."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.datamodel.support import PING, Acs, Owner, Router, acting_as

from cwmp.contract import Fault, ParameterFault
from cwmp.contract import datamodel as dm
from cwmp.runtime import Runtime
from ubuskit.client import Client

SSID = "Device.WiFi.SSID.1.SSID"
KEY = "Device.ManagementServer.ParameterKey"
ADDRESS = "Device.IP.Interface.2.IPv4Address.1."
POOL = "Device.DHCPv4.Server.Pool.1."
EXAMPLE = "Device.X_EXAMPLE_COM_MyPackage.Example"
HOSTNAME = "Device.DeviceInfo.HostName"

StartDatamodel = Callable[[], Awaitable[Runtime]]


async def refused(acs: Acs, values: dict[str, str], **more: Any) -> dict[str, int]:
    with pytest.raises(Fault) as caught:
        await acs.set_all(values, "refused", **more)
    assert caught.value.code == 9003
    assert caught.value.text
    assert all(p.text for p in caught.value.parameters)
    return {p.name: p.code for p in caught.value.parameters}


async def test_values_are_set_and_seen_at_once(acs: Acs, router: Router) -> None:
    assert await acs.set_all({SSID: "Home", ADDRESS + "IPAddress": "192.168.9.1"}, "k1") == 1
    assert await acs.get(SSID, ADDRESS + "IPAddress", KEY) == {
        SSID: "Home",
        ADDRESS + "IPAddress": "192.168.9.1",
        KEY: "k1",
    }
    assert "option ssid 'Home'" in router.uci("wireless")
    assert "option ipaddr '192.168.9.1'" in router.uci("network")


async def test_p18_every_fault_is_reported_and_nothing_changes(acs: Acs, router: Router) -> None:
    before = {name: router.uci(name) for name in ("wireless", "network", "dhcp", "mypackage")}
    wrong = {
        "Device.Nothing": 9005,
        "Device.WiFi.SSID.9.SSID": 9005,
        "Device.WiFi.": 9005,
        "Device.WiFi.SSID.1.Name": 9008,
        "Device.IP.Interface.3.IPv4Address.1.IPAddress": 9008,
        SSID: 9007,
        "Device.WiFi.SSID.1.Enable": 9006,
        "Device.WiFi.SSID.1.LowerLayers": 9007,
        "Device.WiFi.AccessPoint.1.Security.ModeEnabled": 9007,
        POOL + "Interface": 9007,
        POOL + "MinAddress": 9007,
        POOL + "LeaseTime": 9007,
        ADDRESS + "SubnetMask": 9007,
    }
    values = dict.fromkeys(wrong, "x")
    values |= {
        SSID: "x" * 33,
        "Device.WiFi.SSID.1.LowerLayers": "Device.WiFi.Radio.7",
        POOL + "Interface": "Device.IP.Interface.9",
        POOL + "MinAddress": "10.0.0.1",
        POOL + "LeaseTime": "-2",
        ADDRESS + "SubnetMask": "255.0.255.0",
    }
    assert await refused(acs, values | {EXAMPLE: "fine"}) == wrong
    assert {name: router.uci(name) for name in before} == before
    assert (await acs.get(EXAMPLE, KEY)) == {EXAMPLE: "factory", KEY: ""}


async def test_p19_a_name_given_twice_refuses_all(acs: Acs) -> None:
    with pytest.raises(Fault) as caught:
        await acs.peers.request(dm.SET_VALUES, dm.SetValues([SSID, SSID], ["", ""], ["a", "b"], "k"))
    assert caught.value.code == 9003
    assert (await acs.get(SSID, KEY)) == {SSID: "OpenWrt", KEY: ""}


async def test_declared_types_must_be_the_parameters(acs: Acs) -> None:
    enable = "Device.WiFi.SSID.1.Enable"
    assert await refused(acs, {enable: "1"}, types={enable: "string"}) == {enable: 9006}
    assert await refused(acs, {enable: "maybe"}, types={enable: "boolean"}) == {enable: 9007}
    assert await acs.set_all({enable: "0"}, "k", {enable: "boolean"}) == 1
    assert (await acs.get(enable)) == {enable: "false"}


async def test_p20_no_parameters_set_just_the_key(acs: Acs, router: Router) -> None:
    assert await acs.set_all({}, "only the key") == 0
    assert (await acs.get(KEY)) == {KEY: "only the key"}
    assert await refused_key(acs, "x" * 33) == 9003
    assert router.told == []


async def refused_key(acs: Acs, key: str) -> int:
    with pytest.raises(Fault) as caught:
        await acs.set_all({}, key)
    return caught.value.code


@pytest.mark.parametrize(
    "text",
    [
        "$(reboot)",
        "`reboot`; reboot #",
        'it\'s "quoted" \\ back',
        "two\nlines\ttabs",
        "config wifi-iface 'evil'\n\toption x '1'",
        "a\u00e4\u4e16\U0001f600",
        " spaces ",
    ],
)
async def test_what_a_value_holds_is_only_text(acs: Acs, router: Router, text: str) -> None:
    await acs.set_all({EXAMPLE: text}, "k")
    assert (await acs.get(EXAMPLE)) == {EXAMPLE: text}
    assert len(await acs.names("Device.WiFi.SSID.", True)) == 1


@pytest.mark.parametrize("text", ["bell\x07", "\udc80", "x" * 65])
async def test_what_no_value_may_hold_is_refused(acs: Acs, text: str) -> None:
    assert await refused(acs, {EXAMPLE: text}) == {EXAMPLE: 9007}


@pytest.mark.parametrize("text", ["one\nwpa=0", "one\r", "\n12345678"])
async def test_what_daemons_read_by_lines_is_of_one_line(acs: Acs, text: str) -> None:
    """netifd and init scripts write options as they are into files of hostapd, dnsmasq and others."""
    for name in (
        "Device.WiFi.SSID.1.SSID",
        "Device.WiFi.AccessPoint.1.Security.KeyPassphrase",
        "Device.DHCPv4.Server.Pool.1.DomainName",
    ):
        assert await refused(acs, {name: text}) == {name: 9007}


async def test_pool_addresses_are_independent(acs: Acs, router: Router) -> None:
    await acs.set_all({POOL + "MinAddress": "192.168.1.50"}, "k")
    assert await acs.get(POOL + "MinAddress", POOL + "MaxAddress") == {
        POOL + "MinAddress": "192.168.1.50",
        POOL + "MaxAddress": "192.168.1.249",
    }
    await acs.set_all(
        {
            POOL + "MaxAddress": "192.168.1.60",
            POOL + "MinAddress": "192.168.1.55",
            POOL + "LeaseTime": "7200",
        },
        "k",
    )
    text = router.uci("dhcp")
    assert "option start '55'" in text
    assert "option limit '6'" in text
    assert "option leasetime '2h'" in text
    assert await refused(acs, {POOL + "MaxAddress": "192.168.1.10"}) == {POOL + "MaxAddress": 9007}


async def test_a_new_lan_and_its_pool_in_one_request(acs: Acs, router: Router) -> None:
    """The order in the request does not matter; what cannot be is said of the new state."""
    wrong = {POOL + "MinAddress": "192.168.7.10", ADDRESS + "SubnetMask": "255.255.255.0"}
    assert await refused(acs, wrong) == {POOL + "MinAddress": 9007}


async def test_radio_channel_and_width(acs: Acs, router: Router) -> None:
    radio = "Device.WiFi.Radio.1."
    await acs.set_all(
        {radio + "AutoChannelEnable": "false", radio + "OperatingChannelBandwidth": "40MHz"}, "k"
    )
    assert "option channel '36'" in router.uci("wireless")
    assert "option htmode 'HE40'" in router.uci("wireless")
    assert await refused(acs, {radio + "OperatingChannelBandwidth": "160MHz"}) == {
        radio + "OperatingChannelBandwidth": 9007
    }
    await acs.set_all({radio + "RegulatoryDomain": "FR ", radio + "Enable": "false"}, "k")
    assert "option country 'FR'" in router.uci("wireless")
    assert "option disabled '1'" in router.uci("wireless")


async def test_options_that_go_with_another(acs: Acs, router: Router) -> None:
    await acs.set_all({"Device.Time.LocalTimeZone": "JST-9"}, "k")
    assert "option timezone 'JST-9'" in router.uci("system")
    assert "zonename" not in router.uci("system")


async def test_a_section_is_created_when_it_is_needed(acs: Acs, router: Router) -> None:
    router.set_uci("mypackage", "")
    await acs.set_all({EXAMPLE: "new"}, "k")
    assert "config settings 'settings'" in router.uci("mypackage")
    assert (await acs.get(EXAMPLE)) == {EXAMPLE: "new"}


async def test_a_package_that_does_not_exist_cannot_be_written(acs: Acs, router: Router) -> None:
    (router.paths.uci_dir / "mypackage").unlink()
    assert await refused(acs, {EXAMPLE: "new"}) == {EXAMPLE: 9007}
    assert (await acs.get(EXAMPLE)) == {EXAMPLE: ""}


async def test_aliases_are_unique(acs: Acs) -> None:
    first, second = (f"Device.IP.Interface.{n}.Alias" for n in (1, 2))
    await acs.set_all({first: "home"}, "k")
    assert await refused(acs, {second: "home"}) == {second: 9007}
    assert await refused(acs, {second: "1st"}) == {second: 9007}
    assert await refused(acs, {second: ""}) == {second: 9007}
    await acs.set_all({first: "cpe-other", second: "home"}, "k")
    assert await acs.get(first, second) == {first: "cpe-other", second: "home"}


async def test_what_is_so_already_tells_nobody(acs: Acs, router: Router) -> None:
    assert await acs.set_all({SSID: "OpenWrt", HOSTNAME: "OpenWrt"}, "k") == 0
    await acs.end()
    await acs.set_all({HOSTNAME: "other"}, "k")
    await router.wait_told("system")


# Who is told, and when


async def test_daemons_are_told_at_once_unless_it_cuts_the_session(acs: Acs, router: Router) -> None:
    await acs.session(True)
    assert await acs.set_all({HOSTNAME: "gateway", EXAMPLE: "set"}, "k") == 0
    await router.wait_told("system", "mypackage")
    assert await acs.set_all({SSID: "Home", ADDRESS + "IPAddress": "192.168.9.1"}, "k") == 1
    assert await acs.set_all({EXAMPLE: "again"}, "k") == 0
    assert not {"network", "wireless"} & set(router.told)
    router.told.clear()
    await acs.end()
    await router.wait_told("network", "wireless")


async def test_our_own_configuration_is_told_as_a_fact(acs: Acs, router: Router) -> None:
    heard: list[dm.Changed] = []
    got = trio.Event()

    def hear(fact: dm.Changed) -> None:
        heard.append(fact)
        got.set()

    await acs.peers.hear(dm.CHANGED, hear)
    name = "Device.ManagementServer.PeriodicInformInterval"
    assert await acs.set_all({name: "60"}, "k") == 0
    with trio.fail_after(5):
        await got.wait()
    assert heard == [dm.Changed(["cwmp"], [name], "acs", ["60"])]
    assert router.told == []


async def test_what_waits_for_the_session_survives_a_restart(
    alone: Acs, session: Owner, start_datamodel: StartDatamodel, router: Router
) -> None:
    first = await start_datamodel()
    await alone.session(True)
    session.is_open = True
    assert await alone.set_all({SSID: "Home"}, "k") == 1
    first.nursery.cancel_scope.cancel()
    await start_datamodel()
    assert (await alone.get(SSID)) == {SSID: "Home"}
    assert router.told == []
    await alone.end()
    await router.wait_told("wireless")


async def test_after_a_restart_without_a_session_it_is_applied(
    alone: Acs, start_datamodel: StartDatamodel, router: Router
) -> None:
    first = await start_datamodel()
    assert await alone.set_all({SSID: "Home"}, "k") == 1
    first.nursery.cancel_scope.cancel()
    await start_datamodel()
    await router.wait_told("wireless")


async def test_a_reboot_has_told_everybody(
    alone: Acs, session: Owner, start_datamodel: StartDatamodel, router: Router
) -> None:
    session.is_open = True
    first = await start_datamodel()
    assert await alone.set_all({SSID: "Home"}, "k") == 1
    first.nursery.cancel_scope.cancel()
    router.write("/proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n")
    await start_datamodel()
    await alone.end()
    await alone.set_all({HOSTNAME: "x"}, "k")
    await router.wait_told("system")


# Parameters that services own


async def test_owners_are_asked_first_and_then_given(acs: Acs, diagnostics: Owner) -> None:
    values = {PING + "DiagnosticsState": "Requested", PING + "Host": "example.com", EXAMPLE: "both"}
    assert await acs.set_all(values, "k") == 0
    assert diagnostics.given == [{PING + "Host": "example.com", PING + "DiagnosticsState": "Requested"}]
    assert list(diagnostics.given[0]) == [PING + "Host", PING + "DiagnosticsState"]
    assert (await acs.get(PING + "Host")) == {PING + "Host": "example.com"}


async def test_an_owner_refuses_for_all(acs: Acs, diagnostics: Owner) -> None:
    def refuse(values: dict[str, str]) -> None:
        raise Fault(9003, "no", [ParameterFault(PING + "Host", 9007, "unknown host")])

    diagnostics.refuse = refuse
    wrong = await refused(acs, {PING + "Host": "?", EXAMPLE: "x", SSID: "x" * 33})
    assert wrong == {PING + "Host": 9007, SSID: 9007}
    assert diagnostics.given == []
    assert (await acs.get(EXAMPLE)) == {EXAMPLE: "factory"}


async def test_values_an_owner_never_reports_cannot_be_set(acs: Acs) -> None:
    assert await refused(acs, {PING + "DiagnosticsState": "Complete"}) == {PING + "DiagnosticsState": 9007}
    assert await refused(acs, {PING + "DSCP": "64"}) == {PING + "DSCP": 9007}


async def test_what_an_owner_is_owed_it_gets_when_it_is_back(
    alone: Acs, bus: Path, start_datamodel: StartDatamodel, router: Router, diagnostics: Owner
) -> None:
    state = router.paths.state_dir / "datamodel/journal.json"
    boot = router.paths.system("/proc/sys/kernel/random/boot_id").read_text().strip()
    state.parent.mkdir()
    owed = {"diagnostics": {PING + "Host": "example.org"}}
    state.write_text(json.dumps({"version": 1, "owed": owed, "boot": boot}))
    await start_datamodel()
    with trio.fail_after(5):
        while not diagnostics.given:
            await alone.get(PING + "Host")
    assert diagnostics.given == [owed["diagnostics"]]


# AddObject, DeleteObject


async def test_p23_rows_come_and_go_and_their_numbers_are_not_used_again(acs: Acs, router: Router) -> None:
    added = await acs.add("Device.WiFi.SSID.", "k1")
    assert (added.instance_number, added.status) == (2, 1)
    row = "Device.WiFi.SSID.2."
    await acs.set_all({row + "SSID": "Guests", row + "LowerLayers": "Device.WiFi.Radio.1"}, "k2")
    values = await acs.get(row)
    assert values[row + "SSID"] == "Guests"
    assert values[row + "Enable"] == "false"
    assert values[row + "Alias"] == "cpe-wifinet_2"
    assert "config wifi-iface 'wifinet_2'" in router.uci("wireless")
    assert await acs.delete(row, "k3") == 1
    assert "wifinet_2" not in router.uci("wireless")
    assert (await acs.get(KEY)) == {KEY: "k3"}
    assert (await acs.add("Device.WiFi.SSID.", "k4")).instance_number == 3


@pytest.mark.parametrize(
    "path",
    [
        "Device.WiFi.AccessPoint.1.AssociatedDevice.",
        "Device.WiFi.SSID.1.",
        "Device.WiFi.SSID",
        "Device.Nothing.",
        "Device.WiFi.",
        "",
    ],
)
async def test_where_no_row_can_be_created(acs: Acs, path: str) -> None:
    with pytest.raises(Fault) as caught:
        await acs.add(path)
    assert caught.value.code == 9005


@pytest.mark.parametrize(
    "path",
    [
        "Device.WiFi.AccessPoint.1.AssociatedDevice.1.",
        "Device.WiFi.SSID.",
        "Device.WiFi.SSID.7.",
        "Device.WiFi.SSID.1",
        "Device.WiFi.",
    ],
)
async def test_what_cannot_be_deleted(acs: Acs, path: str) -> None:
    with pytest.raises(Fault) as caught:
        await acs.delete(path)
    assert caught.value.code == 9005
    assert (await acs.get(KEY)) == {KEY: ""}


async def test_strong_references_to_a_deleted_row_become_null(acs: Acs, router: Router) -> None:
    pool = "Device.DHCPv4.Server.Pool.1.Interface"
    assert await acs.get(pool) == {pool: "Device.IP.Interface.2"}
    await acs.delete("Device.IP.Interface.2.")
    assert await acs.get(pool) == {pool: ""}
    assert "interface 'lan'" not in router.uci("network")
    assert "option interface 'lan'" not in router.uci("dhcp")


async def test_p42_a_request_repeated_after_a_restart_has_no_second_effect(
    alone: Acs, start_datamodel: StartDatamodel, router: Router
) -> None:
    """The runtime replays within one process; this is the same id met by a new one."""
    first = await start_datamodel()
    answers: list[Any] = []
    for _ in range(2):
        reply: list[dict[str, Any]] = []
        got = trio.Event()

        def on_reply(_event: str, table: dict[str, Any], reply: Any = reply, got: Any = got) -> None:
            if table["state"] != "working":
                reply.append(table)
                got.set()

        bus = alone.peers._bus
        listener = await bus.listen("cwmp.tester.reply", on_reply)
        request = {"id": "the-same-id", "from": "tester", "op": "add_object"}
        args = {"object_name": "Device.WiFi.SSID.", "parameter_key": "k"}
        await bus.send("cwmp.datamodel.request", {**request, "args": args})
        with trio.fail_after(5):
            await got.wait()
        await listener.close()
        answers.append(reply[0]["result"])
        first.nursery.cancel_scope.cancel()
        first = await start_datamodel()
    assert answers[0] == answers[1] == {"instance_number": 2, "status": 1}
    assert list(await alone.names("Device.WiFi.SSID.", True)) == [
        "Device.WiFi.SSID.1.",
        "Device.WiFi.SSID.2.",
    ]
    assert router.uci("wireless").count("config wifi-iface") == 2


async def test_p23_numbers_survive_reordering_renaming_and_a_restart(
    alone: Acs, start_datamodel: StartDatamodel, router: Router
) -> None:
    first = await start_datamodel()
    name = {n: (await alone.get(f"Device.IP.Interface.{n}.Name")) for n in (1, 2, 3)}
    assert [*name[2].values()] == ["lan"]
    text = router.uci("network")
    wan = text[text.index("config interface 'wan'") :]
    router.set_uci("network", wan + text.removesuffix(wan).replace("interface 'lan'", "interface 'home'"))
    first.nursery.cancel_scope.cancel()
    await start_datamodel()
    names = await alone.get("Device.IP.Interface.")
    assert names["Device.IP.Interface.1.Name"] == "loopback"
    assert names["Device.IP.Interface.2.Name"] == "home"
    assert names["Device.IP.Interface.3.Name"] == "wan"


async def test_two_writers_at_once_both_succeed(acs: Acs) -> None:
    async def add() -> None:
        numbers.append((await acs.add("Device.WiFi.SSID.")).instance_number)

    numbers: list[int] = []
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(add)
            nursery.start_soon(acs.get, "Device.WiFi.")
    assert sorted(numbers) == [2, 3, 4, 5, 6]


# The ubus object


async def test_the_ubus_object(acs: Acs, client: Client, router: Router) -> None:
    async def call(method: str, **args: Any) -> dict[str, Any]:
        return await client.call("cwmp.datamodel", method, args)

    assert await call("get", paths=[SSID]) == {
        "parameters": [{"name": SSID, "type": "string", "value": "OpenWrt"}]
    }
    assert await call("names", path="Device.WiFi.SSID.", next_level=True) == {
        "names": [{"name": "Device.WiFi.SSID.1.", "writable": True}]
    }
    assert await call("set", values={SSID: "Local", "Device.WiFi.SSID.1.Enable": False}) == {"status": 0}
    await router.wait_told("wireless")
    assert await acs.get(SSID, KEY) == {SSID: "Local", KEY: ""}
    assert await call("add", object="Device.WiFi.SSID.") == {
        "instance": 2,
        "path": "Device.WiFi.SSID.2.",
        "status": 0,
    }
    assert await call("del", object="Device.WiFi.SSID.2.") == {"status": 0}
    fault = (await call("set", values={SSID: "x" * 40, "Device.X": "y"}))["fault"]
    assert fault["code"] == 9003
    assert {p["name"]: p["code"] for p in fault["parameters"]} == {SSID: 9007, "Device.X": 9005}
    assert (await call("get", paths=["Device.Nope"]))["fault"]["code"] == 9005
    status = await call("status")
    assert status["problems"] == []
    assert status["parameters"] > 200


async def test_a_large_reply_comes_in_pages(acs: Acs, client: Client, router: Router) -> None:
    lines = (
        f"1893456000 02:00:5e:01:{n >> 8:02x}:{n & 255:02x} 10.0.{n >> 8}.{n & 255} host{n} *"
        for n in range(900)
    )
    router.write("/tmp/dhcp.leases", "\n".join(lines))
    router.write("/proc/net/arp", "")
    names: list[str] = []
    page: int | None = 0
    while page is not None:
        reply = await client.call("cwmp.datamodel", "get", {"paths": ["Device.Hosts."], "page": page})
        names += [p["name"] for p in reply["parameters"]]
        assert len(json.dumps(reply)) < 400_000
        page = reply.get("next")
    assert len(names) == len(set(names)) == 1 + 900 * 11
    assert set(names) == (await acs.get("Device.Hosts.")).keys()


async def test_a_local_change_waits_while_a_session_is_open(acs: Acs, client: Client, router: Router) -> None:
    await acs.session(True)
    while not (await client.call("cwmp.datamodel", "status"))["session_open"]:
        pass  # a fact and a call have different senders: which arrives first is open
    assert await client.call("cwmp.datamodel", "set", {"values": {SSID: "Local"}}) == {"status": 1}
    assert router.told == []
    await acs.end()
    await router.wait_told("wireless")


async def test_a_vendor_file_in_etc_is_read(
    alone: Acs, start_datamodel: StartDatamodel, router: Router
) -> None:
    router.write(
        "/etc/cwmp/datamodel.d/acme.toml",
        '["Device.X_ACME_COM_Lamp."]\nuci = "mypackage.settings=settings"\n'
        'Brightness = { type = "unsignedInt[0:100]", uci = "brightness", write = true, default = 50 }\n',
    )
    await start_datamodel()
    name = "Device.X_ACME_COM_Lamp.Brightness"
    assert await alone.get(name) == {name: "50"}
    assert await refused(alone, {name: "101"}) == {name: 9007}
    await alone.set_all({name: "7"}, "k")
    assert "option brightness '7'" in router.uci("mypackage")


async def test_an_owner_that_is_away_is_not_needed_for_others(
    router: Router, bus: Path, start_datamodel: StartDatamodel, session: Owner
) -> None:
    async with acting_as("session", bus, session) as peers:
        acs = Acs(peers)
        await start_datamodel()
        assert (await acs.get(SSID)) == {SSID: "OpenWrt"}
        assert await acs.set_all({EXAMPLE: "x"}, "k") == 0


async def test_deleting_a_row_reads_only_what_may_refer_to_it(acs: Acs, router: Router) -> None:
    await acs.add("Device.WiFi.SSID.")
    router.calls.clear()
    await acs.delete("Device.WiFi.SSID.2.")
    assert set(router.calls) <= {
        ("network.interface", "dump"),
        ("network.device", "status"),
        ("network.wireless", "status"),
    }  # links and bridge ports may be on it
