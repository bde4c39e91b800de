"""What the ACS orders for all Informs to come: InformParameter and the policies of ManagementServer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.datamodel.support import Acs, Router

from cwmp.contract import Fault
from cwmp.contract import datamodel as dm
from cwmp.runtime import Paths, Runtime, config
from ubuskit.uci import Uci

SERVER = "Device.ManagementServer."
TABLE = f"{SERVER}InformParameter."
HOSTNAME = "Device.DeviceInfo.HostName"
SSIDS = "Device.WiFi.SSID.*.SSID"
SSID = "Device.WiFi.SSID.1.SSID"
EXAMPLE = "Device.X_EXAMPLE_COM_MyPackage.Example"

StartDatamodel = Callable[[], Awaitable[Runtime]]


async def asked(acs: Acs, name: str, *events: str, enable: bool = True) -> str:
    """A row for a parameter; its path."""
    row = f"{TABLE}{(await acs.add(TABLE)).instance_number}."
    values = {f"{row}ParameterName": name, f"{row}EventList": ",".join(events)}
    await acs.set_all({**values, f"{row}Enable": str(enable).lower()})
    return row


async def extra(acs: Acs, *events: str) -> dict[str, str]:
    """What an Inform says beside the mandated parameters."""
    found = await acs.inform(*events)
    mandated = set((await acs.inform("14 HEARTBEAT")).names)
    return {n: v for n, v in zip(found.names, found.values, strict=True) if n not in mandated}


async def test_parameters_for_some_events_and_for_all(acs: Acs) -> None:
    await asked(acs, HOSTNAME, "2 PERIODIC", "M ScheduleInform")
    await asked(acs, SSIDS)
    assert await extra(acs, "2 PERIODIC") == {HOSTNAME: "OpenWrt", SSID: "OpenWrt"}
    assert await extra(acs, "1 BOOT", "M ScheduleInform") == {HOSTNAME: "OpenWrt", SSID: "OpenWrt"}
    assert await extra(acs, "6 CONNECTION REQUEST") == {SSID: "OpenWrt"}
    assert await acs.get(f"{SERVER}InformParameterNumberOfEntries") == {
        f"{SERVER}InformParameterNumberOfEntries": "2"
    }


async def test_rows_by_alias(acs: Acs) -> None:
    await asked(acs, "Device.WiFi.SSID.[cpe-default_radio0].SSID")
    (found,) = (await extra(acs, "2 PERIODIC")).values()
    assert found == "OpenWrt"


async def test_types_are_those_of_the_parameters(acs: Acs) -> None:
    await asked(acs, f"{SERVER}HeartbeatPolicy.ReportingInterval")
    found = await acs.inform("2 PERIODIC")
    at = found.names.index(f"{SERVER}HeartbeatPolicy.ReportingInterval")
    assert (found.types[at], found.values[at]) == ("unsignedInt", "300")


async def test_a_change_and_a_heartbeat_leave_room_for_nothing_else(acs: Acs, router: Router) -> None:
    await asked(acs, HOSTNAME)
    await acs.notify(1, EXAMPLE)
    assert await extra(acs, "4 VALUE CHANGE") == {}
    assert await extra(acs, "14 HEARTBEAT") == {}
    router.set_uci("mypackage", "config settings 'settings'\n\toption example 'edited'\n")
    assert await extra(acs, "2 PERIODIC") == {EXAMPLE: "edited"}


async def test_what_is_not_there_not_enabled_or_secret_is_not_told(acs: Acs) -> None:
    await asked(acs, "Device.WiFi.SSID.7.SSID")
    await asked(acs, "Device.Unheard.Of.It")
    await asked(acs, HOSTNAME, enable=False)
    await asked(acs, f"{SERVER}Password")
    assert await extra(acs, "2 PERIODIC") == {f"{SERVER}Password": ""}


async def test_such_an_inform_confirms_what_it_must_also_after_a_restart(
    alone: Acs, start_datamodel: StartDatamodel, router: Router
) -> None:
    runtime = await start_datamodel()
    await asked(alone, HOSTNAME)
    await alone.informed(await alone.inform("1 BOOT"))
    router.set_uci("cwmp", router.uci("cwmp").replace("'cpe'", "'cpe'\n\toption provisioning_code 'blue'"))
    changed = await alone.inform("2 PERIODIC")
    assert changed.value_change
    await alone.informed(changed)
    again = await alone.inform("2 PERIODIC")
    assert not again.value_change
    assert HOSTNAME in again.names
    runtime.nursery.cancel_scope.cancel()
    await start_datamodel()
    after = await alone.inform("2 PERIODIC")
    assert (after.value_change, after.token) == (False, again.token)
    assert HOSTNAME in after.names


@pytest.mark.parametrize(
    "values",
    [
        {"EventList": "2 PERIODIC,4 VALUE CHANGE"},
        {"EventList": "often"},
        {"ParameterName": "Device.DeviceInfo.SoftwareVersion"},
        {"ParameterName": "Device.ManagementServer.ConnectionRequestURL"},
        {"ParameterName": "Device.DeviceInfo."},
        {"ParameterName": "Device.WiFi.SSID.*"},
        {"ParameterName": "InternetGatewayDevice.X"},
    ],
)
async def test_what_cannot_be_asked_for_is_refused(acs: Acs, values: dict[str, str]) -> None:
    row = f"{TABLE}{(await acs.add(TABLE)).instance_number}."
    given = {f"{row}{name}": value for name, value in values.items()}
    with pytest.raises(Fault) as caught:
        await acs.set_all(given)
    assert {p.name: p.code for p in caught.value.parameters} == dict.fromkeys(given, 9007)


async def test_one_row_for_a_parameter(acs: Acs) -> None:
    await asked(acs, HOSTNAME)
    with pytest.raises(Fault):
        await asked(acs, HOSTNAME)


async def test_rows_can_be_deleted(acs: Acs) -> None:
    row = await asked(acs, HOSTNAME)
    await acs.delete(row)
    assert await extra(acs, "2 PERIODIC") == {}


async def test_a_token_of_a_heartbeat_confirms_nothing(acs: Acs, router: Router) -> None:
    await acs.informed(await acs.inform("1 BOOT"))
    router.set_uci("cwmp", router.uci("cwmp").replace("'cpe'", "'cpe'\n\toption provisioning_code 'blue'"))
    await acs.informed(await acs.inform("14 HEARTBEAT"))
    assert (await acs.inform("2 PERIODIC")).value_change


async def test_policies_are_the_options_the_services_read(acs: Acs, paths: Paths) -> None:
    await acs.set_all(
        {
            f"{SERVER}HeartbeatPolicy.Enable": "true",
            f"{SERVER}HeartbeatPolicy.ReportingInterval": "60",
            f"{SERVER}HeartbeatPolicy.InitiationTime": "2026-01-01T00:00:00Z",
            f"{SERVER}AutonomousTransferCompletePolicy.Enable": "1",
            f"{SERVER}AutonomousTransferCompletePolicy.TransferTypeFilter": "Download",
            f"{SERVER}AutonomousTransferCompletePolicy.ResultTypeFilter": "Failure",
            f"{SERVER}AutonomousTransferCompletePolicy.FileTypeFilter": "1 Firmware Upgrade Image,2 Web Content",
            f"{SERVER}DUStateChangeComplPolicy.Enable": "true",
            f"{SERVER}DUStateChangeComplPolicy.OperationTypeFilter": "Install,Update",
            f"{SERVER}DUStateChangeComplPolicy.ResultTypeFilter": "Success",
            f"{SERVER}DUStateChangeComplPolicy.FaultCodeFilter": "9015,9032",
        }
    )
    found, problems = config.load(Uci(paths.uci_dir, paths.uci_save_dir), paths.uci_dir)
    assert problems == []
    assert (found.heartbeat_enable, found.heartbeat_interval) == (True, 60)
    assert found.heartbeat_time == "2026-01-01T00:00:00Z"
    assert found.autonomous_transfer_enable
    assert (found.autonomous_transfer_type, found.autonomous_transfer_result) == ("Download", "Failure")
    assert found.autonomous_transfer_file_types == ("1 Firmware Upgrade Image", "2 Web Content")
    assert (found.du_state_change_enable, found.du_state_change_result) == (True, "Success")
    assert found.du_state_change_operations == ("Install", "Update")
    assert found.du_state_change_faults == ("9015", "9032")
    await acs.set_all({f"{SERVER}AutonomousTransferCompletePolicy.FileTypeFilter": ""})
    found, problems = config.load(Uci(paths.uci_dir, paths.uci_save_dir), paths.uci_dir)
    assert (problems, found.autonomous_transfer_file_types) == ([], ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HeartbeatPolicy.ReportingInterval", "29"),
        ("HeartbeatPolicy.InitiationTime", "soon"),
        ("AutonomousTransferCompletePolicy.TransferTypeFilter", "None"),
        ("AutonomousTransferCompletePolicy.FileTypeFilter", "firmware"),
        ("DUStateChangeComplPolicy.OperationTypeFilter", "Install,Remove"),
        ("DUStateChangeComplPolicy.FaultCodeFilter", "9005"),
    ],
)
async def test_wrong_policies_are_refused(acs: Acs, name: str, value: str) -> None:
    with pytest.raises(Fault):
        await acs.set_all({f"{SERVER}{name}": value})


@pytest.mark.parametrize("notification", [3, 4, 5, 6, 7, -2])
async def test_lightweight_notifications_are_refused(acs: Acs, notification: int) -> None:
    with pytest.raises(Fault) as caught:
        await acs.notify(notification, EXAMPLE)
    assert caught.value.code == 9003
    assert (await acs.attributes(EXAMPLE))[EXAMPLE][0] == 0


async def test_the_policies_are_in_names(acs: Acs) -> None:
    async with acs.peers.stream(dm.GET_NAMES, dm.GetNames(f"{SERVER}HeartbeatPolicy.", False)) as pages:
        names = [name async for page in pages for name in page.names]
    assert len(names) == 4
