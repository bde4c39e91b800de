"""Which changes the ACS is told of, when, and which it is not."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import trio
from tests.datamodel.support import Acs, Owner, Router

from cwmp.contract import datamodel as dm
from cwmp.runtime import Paths, Runtime
from ubuskit.client import Client

SSID = "Device.WiFi.SSID.1.SSID"
EXAMPLE = "Device.X_EXAMPLE_COM_MyPackage.Example"
HOSTNAME = "Device.DeviceInfo.HostName"
PASSWORD = "Device.ManagementServer.Password"
URL = "Device.ManagementServer.ConnectionRequestURL"
COUNT = "Device.WiFi.SSIDNumberOfEntries"
SENT = "Device.WiFi.SSID.1.Stats.BytesSent"

StartDatamodel = Callable[[], Awaitable[Runtime]]


def example(router: Router, value: str) -> None:
    """Somebody edits the file."""
    router.set_uci("mypackage", f"config settings 'settings'\n\toption example '{value}'\n")


async def something_happened(client: Client) -> None:
    await client.send("network.interface", {"action": "ifup", "interface": "lan"})


async def changes(acs: Acs, *events: str) -> dict[str, str]:
    """What an Inform says beyond the forced parameters; the ACS answers it."""
    plain = await acs.inform("0 BOOTSTRAP")
    found = await acs.inform(*(events or ("2 PERIODIC",)))
    await acs.informed(found)
    values = dict(zip(found.names, found.values, strict=True))
    changed = {name: value for name, value in values.items() if name not in plain.names}
    assert found.value_change or not changed
    return changed


async def test_p25_passive_ones_wait_for_the_next_inform(acs: Acs, router: Router, session: Owner) -> None:
    await acs.notify(1, EXAMPLE, SSID)
    assert await changes(acs) == {}
    example(router, "edited")
    found = await acs.inform("2 PERIODIC")
    assert found.value_change
    assert dict(zip(found.names, found.types, strict=True))[EXAMPLE] == "string"
    assert await changes(acs) == {EXAMPLE: "edited"}
    assert await changes(acs) == {}
    assert session.raised == []


async def test_an_inform_that_is_not_answered_is_told_again(acs: Acs, router: Router) -> None:
    await acs.notify(1, EXAMPLE)
    example(router, "edited")
    assert EXAMPLE in (await acs.inform("2 PERIODIC")).names
    assert EXAMPLE in (await acs.inform("1 BOOT")).names


async def test_p25_active_ones_ask_for_a_session_once(
    acs: Acs, router: Router, session: Owner, client: Client
) -> None:
    await acs.notify(2, EXAMPLE, SSID)
    example(router, "edited")
    await something_happened(client)
    await session.wait_raised(1)
    assert session.raised == ["4 VALUE CHANGE"]
    example(router, "edited again")
    await acs.end(success=False)
    await client.call("cwmp.datamodel", "set", {"values": {SSID: "by LuCI"}})
    assert await changes(acs, "4 VALUE CHANGE") == {EXAMPLE: "edited again", SSID: "by LuCI"}
    await acs.end()
    example(router, "factory")
    await something_happened(client)
    await session.wait_raised(2)


async def test_p27_a_value_that_is_what_it_was_again_is_told(
    acs: Acs, router: Router, session: Owner, client: Client
) -> None:
    await acs.notify(2, EXAMPLE)
    example(router, "edited")
    await something_happened(client)
    await session.wait_raised(1)
    example(router, "factory")
    assert await changes(acs) == {EXAMPLE: "factory"}


async def test_p26_what_the_acs_changes_is_no_news(acs: Acs, session: Owner, client: Client) -> None:
    await acs.notify(2, EXAMPLE, SSID, PASSWORD, HOSTNAME, COUNT)
    await acs.set_all({EXAMPLE: "set", SSID: "set", PASSWORD: "set and secret", HOSTNAME: "set"})
    await acs.add("Device.WiFi.SSID.")
    assert await changes(acs) == {}
    await client.call("cwmp.datamodel", "add", {"object": "Device.WiFi.SSID."})
    await session.wait_raised(1)
    assert await changes(acs) == {COUNT: "3"}


async def test_what_others_changed_before_the_acs_did_something_else_is_told(
    acs: Acs, router: Router
) -> None:
    await acs.notify(1, EXAMPLE, SSID, "Device.WiFi.SSID.1.Enable")
    router.set_uci("wireless", router.uci("wireless").replace("'OpenWrt'", "'by hand'"))
    await acs.set_all({"Device.WiFi.SSID.1.Enable": "false"})
    assert await changes(acs) == {SSID: "by hand"}
    router.set_uci("wireless", router.uci("wireless").replace("'by hand'", "'by hand again'"))
    await acs.set_all({SSID: "by the ACS"})
    assert await changes(acs) == {}


async def test_p25_nothing_is_asked_while_a_session_runs(acs: Acs, router: Router, session: Owner) -> None:
    await acs.notify(2, EXAMPLE)
    await acs.session(True)
    example(router, "edited")
    assert await changes(acs) == {EXAMPLE: "edited"}  # in the Inform of that session, say
    example(router, "edited again")
    await acs.peers.tell(dm.CHANGED, dm.Changed([]))
    assert session.raised == []
    found = await acs.inform("2 PERIODIC")
    assert EXAMPLE in found.names
    await acs.end()
    await session.wait_raised(1)


async def test_the_throttle_delays_sessions_that_only_notify(
    acs: Acs, router: Router, session: Owner, client: Client
) -> None:
    await acs.set_all({"Device.ManagementServer.DefaultActiveNotificationThrottle": "3600"})
    await acs.notify(2, EXAMPLE)
    await acs.end()
    example(router, "edited")
    await something_happened(client)
    with trio.fail_after(10):
        while not (await client.call("cwmp.datamodel", "status"))["changed"]:
            pass
    assert session.raised == []
    assert await changes(acs, "6 CONNECTION REQUEST") == {EXAMPLE: "edited"}
    await acs.set_all({"Device.ManagementServer.DefaultActiveNotificationThrottle": "0"})
    example(router, "edited again")
    await something_happened(client)
    await session.wait_raised(1)


async def test_a_restart_of_the_service_forgets_nothing(
    alone: Acs, start_datamodel: StartDatamodel, router: Router, session: Owner, client: Client
) -> None:
    runtime = await start_datamodel()
    await alone.notify(2, EXAMPLE)
    await alone.notify(1, SSID)
    example(router, "edited")
    await something_happened(client)
    await session.wait_raised(1)
    runtime.nursery.cancel_scope.cancel()
    example(router, "factory")  # returned, which only the file in /var/run knows
    router.set_uci("wireless", router.uci("wireless").replace("'OpenWrt'", "'by hand'"))  # unseen by anybody
    await start_datamodel()
    assert await changes(alone) == {EXAMPLE: "factory", SSID: "by hand"}


async def test_flash_is_written_when_the_acs_knows_not_when_values_change(
    acs: Acs, router: Router, paths: Paths, session: Owner, client: Client
) -> None:
    await acs.notify(2, EXAMPLE)
    files = sorted((paths.state_dir / "datamodel").iterdir())
    before = [(file.name, file.stat().st_ino, file.stat().st_mtime_ns) for file in files]
    example(router, "edited")
    await something_happened(client)
    await session.wait_raised(1)
    found = await acs.inform("4 VALUE CHANGE")
    assert [(file.name, file.stat().st_ino, file.stat().st_mtime_ns) for file in files] == before
    await acs.informed(found)
    document = json.loads((paths.state_dir / "datamodel/acked.json").read_text())
    assert document["acked"][EXAMPLE] == "edited"


async def test_bootstrap_counts_from_there_and_a_heartbeat_tells_nothing(acs: Acs, router: Router) -> None:
    await acs.notify(1, EXAMPLE)
    example(router, "edited")
    beat = await acs.inform("14 HEARTBEAT")
    assert EXAMPLE not in beat.names
    assert not beat.value_change
    await acs.informed(beat)
    assert EXAMPLE in (await acs.inform("2 PERIODIC")).names
    boot = await acs.inform("0 BOOTSTRAP", "1 BOOT")
    assert EXAMPLE not in boot.names
    await acs.informed(boot)
    assert await changes(acs) == {}


async def test_counters_are_looked_at_for_an_inform_only(
    acs: Acs, router: Router, client: Client, session: Owner
) -> None:
    await acs.notify(1, SENT)
    await acs.notify(2, EXAMPLE)
    router.replies["network.device", "status"]["phy0-ap0"]["statistics"]["tx_bytes"] += 1
    try:
        calls = router.calls["network.device", "status"]
        example(router, "edited")
        await something_happened(client)
        await session.wait_raised(1)
        assert router.calls["network.device", "status"] == calls
        assert await changes(acs) == {EXAMPLE: "edited", SENT: "8"}
    finally:
        router.replies["network.device", "status"]["phy0-ap0"]["statistics"]["tx_bytes"] -= 1


async def test_one_of_another_service_is_looked_at_too(acs: Acs, session: Owner, client: Client) -> None:
    assert await changes(acs) == {}
    session.values[URL] = "http://192.0.2.34:7547/abc"
    await something_happened(client)
    await session.wait_raised(1)
    found = await acs.inform("4 VALUE CHANGE")
    assert found.value_change
    await acs.informed(found)
    assert not (await acs.inform("2 PERIODIC")).value_change


async def test_many_changes_come_in_several_informs(
    alone: Acs, start_datamodel: StartDatamodel, router: Router
) -> None:
    lines = [f'P{n} = {{ type = "string(16)", uci = "p{n}", write = true }}\n' for n in range(600)]
    text = '["Device.X_EXAMPLE_COM_Many."]\nuci = "mypackage.settings=settings"\n' + "".join(lines)
    router.write("/etc/cwmp/datamodel.d/Many.toml", text)
    await start_datamodel()
    await alone.notify(1, "Device.X_EXAMPLE_COM_Many.")
    options = "".join(f"\toption p{n} 'new'\n" for n in range(600))
    router.set_uci("mypackage", f"config settings 'settings'\n{options}")
    first = await changes(alone)
    second = await changes(alone)
    assert len(first) == 512
    assert len({**first, **second}) == 600
    assert await changes(alone) == {}
