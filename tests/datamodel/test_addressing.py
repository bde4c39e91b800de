"""Rows by Alias, in every request that may name them so, and in every answer (TR-069a6 3.6.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.datamodel.support import Acs, Owner, Router

from cwmp.contract import Fault
from cwmp.runtime import Runtime

SSIDS = "Device.WiFi.SSID."
ADDRESSES = "IPv4Address."
MODE = "Device.ManagementServer.InstanceMode"
AUTO = "Device.ManagementServer.AutoCreateInstances"

StartDatamodel = Callable[[], Awaitable[Runtime]]


async def fault_of(asking: Awaitable[Any]) -> Fault:
    with pytest.raises(Fault) as caught:
        await asking
    return caught.value


@pytest.fixture
async def acs(acs: Acs) -> Acs:
    """With aliases: SSID ``main``, interface ``lan``, its address ``first``."""
    await acs.set_all(
        {
            f"{SSIDS}1.Alias": "main",
            "Device.IP.Interface.2.Alias": "lan",
            "Device.IP.Interface.2.IPv4Address.1.Alias": "first",
        }
    )
    return acs


async def test_it_is_said_to_be_supported(acs: Acs) -> None:
    inform = await acs.inform("1 BOOT")
    values = dict(zip(inform.names, inform.values, strict=True))
    assert values["Device.ManagementServer.AliasBasedAddressing"] == "true"
    assert await acs.get(MODE, AUTO) == {MODE: "InstanceNumber", AUTO: "false"}


@pytest.mark.parametrize(
    "path",
    ["Device.IP.Interface.[lan].IPv4Address.[first].IPAddress",
     "Device.IP.Interface.2.IPv4Address.[first].IPAddress",
     "Device.IP.Interface.[lan].IPv4Address.1.IPAddress"],
)  # fmt: skip
async def test_an_answer_names_each_level_as_the_request_did(acs: Acs, path: str) -> None:
    assert await acs.get(path) == {path: "192.168.1.1"}
    assert await acs.names(path, False) == {path: True}
    assert set(await acs.attributes(path)) == {path}
    partial = path.removesuffix("IPAddress")
    names = await acs.names(partial, False)
    assert set(await acs.get(partial)) == {name for name in names if not name.endswith(".")}
    assert all(name.startswith(partial) for name in await acs.get(partial))


async def test_below_the_request_the_mode_counts(acs: Acs) -> None:
    lan = "Device.IP.Interface.[lan]."
    assert f"{lan}IPv4Address.1.IPAddress" in await acs.get(lan)
    await acs.set_all({MODE: "InstanceAlias"})
    assert f"{lan}IPv4Address.[first].IPAddress" in await acs.get(lan)
    assert "Device.IP.Interface.2.IPv4Address.[first].IPAddress" in await acs.get("Device.IP.Interface.2.")
    everything = await acs.get("")
    assert "Device.IP.Interface.[lan].IPv4Address.[first].IPAddress" in everything
    assert not any(name.startswith("Device.IP.Interface.2.") for name in everything)
    assert f"{SSIDS}[main].SSID" in everything
    assert set(await acs.names(SSIDS, True)) == {f"{SSIDS}[main]."}
    assert f"{SSIDS}[main].SSID" in await acs.attributes(SSIDS)
    assert f"{SSIDS}[main].SSID" in await acs.get(f"{SSIDS}*.SSID")


async def test_values_that_are_paths_follow_the_mode(acs: Acs) -> None:
    name = f"{SSIDS}1.LowerLayers"
    await acs.set_all({"Device.WiFi.Radio.1.Alias": "fast"})
    assert (await acs.get(name))[name] == "Device.WiFi.Radio.1"
    await acs.set_all({MODE: "InstanceAlias"})
    assert (await acs.get(name))[name] == "Device.WiFi.Radio.[fast]"


async def test_paths_by_alias_are_taken_as_values(acs: Acs, router: Router) -> None:
    await acs.set_all({"Device.WiFi.Radio.1.Alias": "fast"})
    await acs.set_all({f"{SSIDS}[main].LowerLayers": "Device.WiFi.Radio.[fast]"})
    assert "option device 'radio0'" in router.uci("wireless")
    assert (await acs.get(f"{SSIDS}1.LowerLayers"))[f"{SSIDS}1.LowerLayers"] == "Device.WiFi.Radio.1"
    fault = await fault_of(acs.set_all({f"{SSIDS}[main].LowerLayers": "Device.WiFi.Radio.[slow]"}))
    assert [p.code for p in fault.parameters] == [9007]


async def test_writing_attributes_and_deleting_by_alias(acs: Acs, router: Router) -> None:
    await acs.set_all({f"{SSIDS}[main].SSID": "by alias"}, "k")
    assert "option ssid 'by alias'" in router.uci("wireless")
    await acs.notify(1, f"{SSIDS}[main].SSID")
    assert await acs.attributes(f"{SSIDS}1.SSID") == {f"{SSIDS}1.SSID": (1, "Subscriber")}
    await acs.set_all({f"{SSIDS}1.Alias": "renamed"})
    assert await acs.attributes(f"{SSIDS}[renamed].SSID") == {f"{SSIDS}[renamed].SSID": (1, "Subscriber")}
    assert (await fault_of(acs.get(f"{SSIDS}[main].SSID"))).code == 9005
    await acs.delete(f"{SSIDS}[renamed].")
    assert await acs.names(SSIDS, True) == {}


async def test_one_parameter_under_two_names_is_set_twice(acs: Acs) -> None:
    fault = await fault_of(acs.set_all({f"{SSIDS}1.SSID": "a", f"{SSIDS}[main].SSID": "b"}))
    assert fault.code == 9003
    assert (await acs.get(f"{SSIDS}1.SSID")) == {f"{SSIDS}1.SSID": "OpenWrt"}


async def test_faults_name_parameters_as_the_request_did(acs: Acs) -> None:
    fault = await fault_of(acs.set_all({f"{SSIDS}[main].SSID": "x" * 33, f"{SSIDS}[main].Status": "Up"}))
    assert {p.name: p.code for p in fault.parameters} == {
        f"{SSIDS}[main].SSID": 9007,
        f"{SSIDS}[main].Status": 9008,
    }


async def test_adding_by_alias(acs: Acs) -> None:
    number = (await acs.add(f"{SSIDS}[guest].")).instance_number
    assert (await acs.get(f"{SSIDS}{number}.Alias")) == {f"{SSIDS}{number}.Alias": "guest"}
    assert (await fault_of(acs.add(f"{SSIDS}[guest]."))).code == 9005
    assert (await fault_of(acs.add(f"{SSIDS}7."))).code == 9005
    assert (await fault_of(acs.add("Device.Hosts.Host.[x]."))).code == 9005


async def test_a_missing_alias_is_created_where_the_acs_wants_that(
    acs: Acs, router: Router, alone: Acs
) -> None:
    wanted = {f"{SSIDS}[new].SSID": "made", f"{SSIDS}[new].Enable": "true", f"{SSIDS}[main].SSID": "old"}
    fault = await fault_of(acs.set_all(wanted))
    assert {p.name: p.code for p in fault.parameters} == {
        f"{SSIDS}[new].SSID": 9005,
        f"{SSIDS}[new].Enable": 9005,
    }
    assert router.uci("wireless").count("config wifi-iface") == 1
    await acs.set_all({AUTO: "true"})
    await acs.set_all(wanted, "auto")
    values = await acs.get(SSIDS)
    assert values[f"{SSIDS}2.SSID"] == "made"
    assert values[f"{SSIDS}2.Alias"] == "new"
    assert values[f"{SSIDS}2.Enable"] == "true"
    assert values[f"{SSIDS}1.SSID"] == "old"
    assert router.uci("wireless").count("config wifi-iface") == 2
    await acs.set_all(wanted)
    assert router.uci("wireless").count("config wifi-iface") == 2


async def test_what_is_refused_creates_nothing(acs: Acs, router: Router) -> None:
    await acs.set_all({AUTO: "true"})
    for wanted in (
        {f"{SSIDS}[new].SSID": "x" * 33},
        {f"{SSIDS}[new].SSID": "fine", f"{SSIDS}9.SSID": "there is no 9"},
        {"Device.WiFi.Radio.[new].Channel": "36"},
        {f"{SSIDS}[0bad].SSID": "x"},
    ):
        assert (await fault_of(acs.set_all(wanted))).code == 9003
    assert router.uci("wireless").count("config wifi-iface") == 1
    assert (await acs.add(SSIDS)).instance_number == 2, "no number was used up"


async def test_informs_follow_the_mode_and_bootstrap_ends_it(
    acs: Acs, router: Router, session: Owner
) -> None:
    await acs.informed(await acs.inform("0 BOOTSTRAP"))
    await acs.set_all({MODE: "InstanceAlias"})
    await acs.notify(1, f"{SSIDS}[main].SSID")
    await acs.set_all({f"{SSIDS}1.SSID": "by hand"}, None)
    found = await acs.inform("4 VALUE CHANGE")
    assert dict(zip(found.names, found.values, strict=True))[f"{SSIDS}[main].SSID"] == "by hand"
    await acs.informed(found)
    assert f"{SSIDS}[main].SSID" not in (await acs.inform("2 PERIODIC")).names
    await acs.inform("0 BOOTSTRAP")
    assert await acs.get(MODE) == {MODE: "InstanceNumber"}


@pytest.mark.parametrize(
    "path",
    [
        f"{SSIDS}[nobody].SSID",
        f"{SSIDS}[].SSID",
        f"{SSIDS}[main.SSID",
        f"{SSIDS}main].SSID",
        f"{SSIDS}[1].SSID",
        f"{SSIDS}[{'a' * 65}].SSID",
        "Device.Hosts.Host.[x].HostName",
        "Device.WiFi.[main].SSID",
        f"{SSIDS}[*].SSID",
    ],
)
async def test_no_such_alias_is_9005(acs: Acs, path: str) -> None:
    assert (await fault_of(acs.get(path))).code == 9005
    assert (await fault_of(acs.names(path, False))).code == 9005
    assert (await fault_of(acs.notify(1, path))).code == 9005


async def test_the_mode_outlives_a_restart(alone: Acs, start_datamodel: StartDatamodel) -> None:
    runtime = await start_datamodel()
    await alone.set_all({MODE: "InstanceAlias", AUTO: "true"})
    runtime.nursery.cancel_scope.cancel()
    await start_datamodel()
    assert await alone.get(MODE, AUTO) == {MODE: "InstanceAlias", AUTO: "true"}


async def test_only_the_acs_changes_an_alias(acs: Acs) -> None:
    name = f"{SSIDS}1.Alias"
    with pytest.raises(Fault) as caught:
        await acs.set_all({name: "ours"}, None)
    assert [(p.name, p.code) for p in caught.value.parameters] == [(name, 9001)]
    assert await acs.get(name) == {name: "main"}


async def test_what_the_acs_wrote_keeps_its_form(
    alone: Acs, start_datamodel: StartDatamodel, router: Router
) -> None:
    runtime = await start_datamodel()
    name = f"{SSIDS}1.LowerLayers"
    await alone.set_all(
        {"Device.WiFi.Radio.1.Alias": "fast", f"{SSIDS}1.Alias": "main", MODE: "InstanceAlias"}
    )
    await alone.set_all({name: "Device.WiFi.Radio.1"})
    assert (await alone.get(name))[name] == "Device.WiFi.Radio.1"
    runtime.nursery.cancel_scope.cancel()
    await start_datamodel()
    assert (await alone.get(name))[name] == "Device.WiFi.Radio.1"
    await alone.set_all({name: "Device.WiFi.Radio.[fast]"})
    assert (await alone.get(name))[name] == "Device.WiFi.Radio.[fast]"
    await alone.set_all({"Device.WiFi.Radio.1.Alias": "faster"})
    assert (await alone.get(name))[name] == "Device.WiFi.Radio.[faster]"
    await alone.set_all({MODE: "InstanceNumber"})
    assert (await alone.get(name))[name] == "Device.WiFi.Radio.1"
