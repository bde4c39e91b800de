"""GetParameterAttributes, SetParameterAttributes: what is kept, refused, ignored, and who may write then."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.datamodel.support import Acs, Router

from cwmp.contract import Fault
from cwmp.contract import datamodel as dm
from cwmp.datamodel.attributes import Attribute, Attributes
from cwmp.datamodel.sources import Const
from cwmp.datamodel.tree import Notify, Parameter
from cwmp.datamodel.types import NAMED
from cwmp.runtime import Paths, Runtime
from ubuskit.client import Client

SSID = "Device.WiFi.SSID.1.SSID"
SSIDS = "Device.WiFi.SSID."
SENT = "Device.WiFi.SSID.1.Stats.BytesSent"
VERSION = "Device.DeviceInfo.SoftwareVersion"
CONNECTION_REQUEST_URL = "Device.ManagementServer.ConnectionRequestURL"

StartDatamodel = Callable[[], Awaitable[Runtime]]


async def fault_of(awaitable: Awaitable[object]) -> int:
    with pytest.raises(Fault) as caught:
        await awaitable
    assert caught.value.text
    return caught.value.code


async def test_defaults(acs: Acs) -> None:
    found = await acs.attributes("")
    gateway = {f"Device.GatewayInfo.{name}" for name in ("ManufacturerOUI", "ProductClass", "SerialNumber")}
    active = {VERSION, "Device.DeviceInfo.ProvisioningCode", CONNECTION_REQUEST_URL, *gateway}
    assert {name for name, (notification, _) in found.items() if notification} == active
    assert {notification for notification, _ in found.values()} == {0, 2}
    assert {access for _, access in found.values()} == {"Subscriber"}
    assert set(found) == set(await acs.get(""))


async def test_p24_what_is_set_reads_back_and_later_entries_win(acs: Acs) -> None:
    await acs.peers.request(
        dm.SET_ATTRIBUTES,
        dm.SetAttributes(
            [SSIDS, SSID, SSID, "Device.WiFi.SSID.1.Enable"],
            [1, 2, dm.UNCHANGED, dm.UNCHANGED],
            [False, False, True, True],
            ["", "", "", "X_EXAMPLE_COM_Portal,Subscriber"],
        ),
    )
    found = await acs.attributes(SSIDS, "Device.WiFi.Radio.")
    assert found[SSID] == (2, "")
    assert found["Device.WiFi.SSID.1.Enable"] == (1, "Subscriber")
    assert found["Device.WiFi.SSID.1.Name"] == (1, "Subscriber")
    assert found[SENT] == (1, "Subscriber")  # passive is never refused
    assert found["Device.WiFi.Radio.1.Enable"] == (0, "Subscriber")
    assert await acs.attributes(SSID) == {SSID: (2, "")}


async def test_p24_a_refusal_changes_nothing(acs: Acs) -> None:
    before = await acs.attributes("")
    assert await fault_of(acs.notify(2, SSID, SENT)) == 9009
    assert await fault_of(acs.notify(2, SSIDS)) == 9009
    for notification in (3, 4, 5, 6, 7, -2):
        assert await fault_of(acs.notify(notification, SSID)) == 9003
    for path in ("Device.Nothing", "Device.WiFi.SSID.9.SSID", "Device.WiFi.SSID"):
        assert await fault_of(acs.notify(1, SSID, path)) == 9005
        assert await fault_of(acs.attributes(path)) == 9005
    uneven = dm.SetAttributes([SSID], [1, 1], [False], [""])
    assert await fault_of(acs.peers.request(dm.SET_ATTRIBUTES, uneven)) == 9003
    assert await acs.attributes("") == before


async def test_what_is_always_active_stays_so_and_what_is_active_at_first_can_be_changed(acs: Acs) -> None:
    await acs.notify(0, VERSION, CONNECTION_REQUEST_URL)
    assert await acs.attributes(VERSION, CONNECTION_REQUEST_URL) == {
        VERSION: (2, "Subscriber"),
        CONNECTION_REQUEST_URL: (0, "Subscriber"),
    }


async def test_p24_they_outlive_the_service_and_an_alias_and_go_with_the_row(
    alone: Acs, start_datamodel: StartDatamodel, paths: Paths
) -> None:
    runtime = await start_datamodel()
    added = await alone.add(SSIDS)
    row = f"{SSIDS}{added.instance_number}."
    await alone.notify(1, f"{row}SSID", access="")
    await alone.set_all({f"{row}Alias": "guest"})
    runtime.nursery.cancel_scope.cancel()
    await start_datamodel()
    assert (await alone.attributes(row))[f"{row}SSID"] == (1, "")
    await alone.delete(row)
    document = json.loads((paths.state_dir / "datamodel/attributes.json").read_text())
    assert document["attributes"] == {}
    again = await alone.add(SSIDS)
    row = f"{SSIDS}{again.instance_number}."
    assert (await alone.attributes(row))[f"{row}SSID"] == (0, "Subscriber")


async def test_others_may_not_change_what_the_acs_keeps_to_itself(
    acs: Acs, router: Router, client: Client
) -> None:
    row = f"{SSIDS}{(await acs.add(SSIDS)).instance_number}."
    await acs.notify(None, f"{row}SSID", SSID, access="")
    reply = await client.call("cwmp.datamodel", "set", {"values": {SSID: "mine", f"{row}Enable": True}})
    assert [(p["name"], p["code"]) for p in reply["fault"]["parameters"]] == [(SSID, 9001)]
    assert (await client.call("cwmp.datamodel", "del", {"object": row}))["fault"]["code"] == 9001
    assert "mine" not in router.uci("wireless")
    assert "instance" in await client.call("cwmp.datamodel", "add", {"object": SSIDS})
    assert await acs.set_all({SSID: "the ACS's"}) == 1
    await acs.delete(row)


async def test_over_ubus(acs: Acs, client: Client) -> None:
    wanted = [{"name": SSIDS, "notification": 1}, {"name": SSID, "access": []}]
    assert await client.call("cwmp.datamodel", "set_attributes", {"attributes": wanted}) == {}
    found = await client.call("cwmp.datamodel", "attributes", {"paths": [SSID, SENT]})
    assert found == {
        "attributes": [
            {"name": SSID, "notification": 1, "access": []},
            {"name": SENT, "notification": 1, "access": ["Subscriber"]},
        ]
    }
    for wrong in (
        "x",
        {"notification": 1},
        {"name": SSID, "notification": "1"},
        {"name": SSID, "access": [1]},
    ):
        reply = await client.call("cwmp.datamodel", "set_attributes", {"attributes": [wrong]})
        assert reply["fault"]["code"] == 9003


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 1, "attributes": 3}',
        '{"version": 1, "attributes": {"Device.": [1], "Device.WiFi.": {"A": 99, "B": "x", "C": 3, "D": -1}}}',
        '{"version": 1, "attributes": {"Device.Nothing.": {"A": 1}, "Device.WiFi.SSID.1.": {"Nothing": 2}}}',
        "nothing of the kind",
    ],
)
async def test_a_damaged_file_costs_itself(
    alone: Acs, start_datamodel: StartDatamodel, paths: Paths, text: str
) -> None:
    file: Path = paths.state_dir / "datamodel/attributes.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    await start_datamodel()
    assert (await alone.attributes(SSID))[SSID] == (0, "Subscriber")
    assert (await alone.inform("2 PERIODIC")).value_change is False
    await alone.notify(2, SSID)
    assert (await alone.attributes(SSID))[SSID] == (2, "Subscriber")


def test_only_what_differs_from_the_default_is_kept() -> None:
    kept = Attributes()
    plain = Parameter("A", NAMED["string"], Const(""))
    active = Parameter("B", NAMED["string"], Const(""), notify=Notify.ACTIVE)
    kept.set("Device.X.1.", plain, Attribute(1))
    kept.set("Device.X.1.", active, Attribute(0, local=False))
    kept.set("Device.X.10.", plain, Attribute(2))
    assert kept.count == 3
    other = Attributes()
    other.load(json.loads(json.dumps(kept.document())))
    assert (other.count, other.document()) == (3, kept.document())
    assert other.acs_only("Device.X.1.") == "Device.X.1.B"
    assert other.acs_only("Device.X.10.") == ""
    other.delete_below("Device.X.1.")
    assert other.count == 1
    kept.set("Device.X.1.", plain, Attribute(0))
    kept.set("Device.X.1.", active, Attribute(2))
    kept.set("Device.X.10.", plain, Attribute(0))
    assert (kept.count, kept.document()) == (0, {"attributes": {}})
