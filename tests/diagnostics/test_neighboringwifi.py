"""NeighboringWiFiDiagnostic: what iwinfo's scan says, as rows of Result; and how far a test is, told meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio
from tests.conftest import StartService
from tests.diagnostics.test_diagnostics_service import Session

from cwmp.contract.datamodel import GET_VALUES, GetValues, Values
from cwmp.contract.diagnostics import PROGRESS, Progress
from cwmp.contract.parameters import GetParameters, SetParameters, get_parameters, set_parameters
from cwmp.diagnostics import service
from cwmp.runtime import Runtime
from ubuskit.client import Client, Method, Request
from ubuskit.errors import UnknownError

PATH = "Device.WiFi.NeighboringWiFiDiagnostic."
PLAIN = {"bssid": "02:00:5e:00:53:a1", "channel": 6, "ssid": "Home", "signal": -61, "mode": "Master"}
RADIOS = {
    "radio0": {"up": True, "interfaces": [{"section": "default_radio0", "ifname": "phy0-ap0"}]},
    "radio1": {"up": True, "interfaces": [{"ifname": "phy1-ap0"}]},
    "radio2": {"up": False, "interfaces": []},
}


class Air:
    """netifd, rpcd's iwinfo and the data model, with what each radio hears."""

    def __init__(self) -> None:
        self.radios: Mapping[str, Any] = RADIOS
        self.heard: dict[str, Any] = {"phy0-ap0": [PLAIN], "phy1-ap0": []}

    async def serve(self, client: Client) -> None:
        await client.add_object("network.wireless", {"status": Method(self._status, {"device": str})})
        await client.add_object("iwinfo", {"scan": Method(self._scan, {"device": str})})

    async def _status(self, _: Request) -> Mapping[str, Any]:
        return self.radios

    async def _scan(self, request: Request) -> Mapping[str, Any]:
        found = self.heard[request.args["device"]]
        if found is None:
            raise UnknownError("the driver is busy")
        return {"results": found}

    async def datamodel(self, runtime: Runtime) -> None:
        async def values(_args: GetValues, _id: str) -> Any:
            names = [f"Device.WiFi.Radio.{n}.Name" for n in (1, 2, 3)]
            yield Values(
                [*names, "Device.WiFi.Radio.1.Enable"], ["string"] * 4, ["radio0", "radio1", "radio2", "1"]
            )

        runtime.peers.answer(GET_VALUES, values)
        await runtime.peers.ready()
        await trio.sleep_forever()


@pytest.fixture
async def air(client: Client, start_service: StartService) -> Air:
    found = Air()
    await found.serve(client)
    await start_service("datamodel", found.datamodel)
    return found


@pytest.fixture
async def session(air: Air, start_service: StartService) -> Session:
    found = Session()
    await start_service("session", found.serve)
    await start_service("diagnostics", service.serve)
    return found


async def look_around(client: Client) -> tuple[str, list[dict[str, str]]]:
    answer = await client.call("cwmp.diagnostics", "run", {"type": "NeighboringWiFiDiagnostic"}, timeout=20)
    return answer["state"], answer["results"]["Result"]


async def row_of(client: Client, air: Air, **entry: Any) -> dict[str, str]:
    air.heard["phy0-ap0"] = [{**PLAIN, **entry}]
    state, (row,) = await look_around(client)
    assert state == "Complete"
    return row


async def test_for_the_acs(session: Session) -> None:
    await session.peers.request(
        set_parameters("diagnostics"), SetParameters([f"{PATH}DiagnosticsState"], ["Requested"])
    )
    await session.event()
    assert session.raised[0].code == "8 DIAGNOSTICS COMPLETE"
    found = await session.peers.request(get_parameters("diagnostics"), GetParameters([PATH]))
    assert dict(zip(found.names, found.values, strict=True)) == {
        f"{PATH}DiagnosticsState": "Complete",
        f"{PATH}Result.1.Radio": "Device.WiFi.Radio.1",
        f"{PATH}Result.1.SSID": "Home",
        f"{PATH}Result.1.BSSID": "02:00:5E:00:53:A1",
        f"{PATH}Result.1.Mode": "Infrastructure",
        f"{PATH}Result.1.Channel": "6",
        f"{PATH}Result.1.SignalStrength": "-61",
        f"{PATH}Result.1.SecurityModeEnabled": "None",
        f"{PATH}Result.1.EncryptionMode": "",
        f"{PATH}Result.1.OperatingFrequencyBand": "2.4GHz",
        f"{PATH}Result.1.SupportedStandards": "b,g",
        f"{PATH}Result.1.OperatingStandards": "b,g",
        f"{PATH}Result.1.OperatingChannelBandwidth": "20MHz",
    }


@pytest.mark.parametrize(
    ("encryption", "mode"),
    [
        ({"enabled": False}, "None"),
        ({"enabled": True, "wep": ["open"]}, "WEP"),
        ({"enabled": True, "wpa": [1], "authentication": ["psk"]}, "WPA"),
        ({"enabled": True, "wpa": [2], "authentication": ["psk"]}, "WPA2"),
        ({"enabled": True, "wpa": [1, 2], "authentication": ["psk"]}, "WPA-WPA2"),
        ({"enabled": True, "wpa": [3], "authentication": ["sae"]}, "WPA3-SAE"),
        ({"enabled": True, "wpa": [2, 3], "authentication": ["psk", "sae"]}, "WPA2-PSK-WPA3-SAE"),
        ({"enabled": True, "wpa": [3], "authentication": ["owe"]}, "OWE"),
        ({"enabled": True, "wpa": [1], "authentication": ["802.1x"]}, "WPA-Enterprise"),
        ({"enabled": True, "wpa": [2], "authentication": ["802.1x"]}, "WPA2-Enterprise"),
        ({"enabled": True, "wpa": [1, 2], "authentication": ["802.1x"]}, "WPA-WPA2-Enterprise"),
        ({"enabled": True, "wpa": [3], "authentication": ["802.1x"]}, "WPA3-Enterprise"),
        ("nonsense", "None"),
    ],
)
async def test_security(encryption: Any, mode: str, session: Session, client: Client, air: Air) -> None:
    assert (await row_of(client, air, encryption=encryption))["SecurityModeEnabled"] == mode


async def test_what_beacons_tell(session: Session, client: Client, air: Air) -> None:
    row = await row_of(
        client,
        air,
        channel=36,
        mhz=5180,
        mode="Ad-Hoc",
        ht_operation={"channel_width": 2040},
        vht_operation={"channel_width": 80},
        he_operation={},
        encryption={
            "enabled": True,
            "wpa": [2],
            "authentication": ["psk"],
            "ciphers": ["tkip", "ccmp", "gcmp"],
        },
    )
    assert (row["Mode"], row["OperatingFrequencyBand"]) == ("AdHoc", "5GHz")
    assert (row["SupportedStandards"], row["OperatingChannelBandwidth"]) == ("a,n,ac,ax", "80MHz")
    assert row["EncryptionMode"] == "TKIP,AES"
    assert (await row_of(client, air, channel=5, band=6))["OperatingFrequencyBand"] == "6GHz"
    assert (await row_of(client, air, signal=7))["SignalStrength"] == "0"
    assert (await row_of(client, air, ssid="ö" * 20))["SSID"] == "ö" * 16


async def test_a_network_is_reported_once_and_hostile_entries_not_at_all(
    session: Session, client: Client, air: Air
) -> None:
    other = {**PLAIN, "bssid": "02:00:5E:00:53:A2", "channel": 36}
    air.heard = {
        "phy0-ap0": ["x", {}, {**PLAIN, "channel": 0}, {**PLAIN, "bssid": "x"}, PLAIN],
        "phy1-ap0": [
            PLAIN,
            other,
            *({**PLAIN, "bssid": f"02:00:00:00:{n // 256:02x}:{n % 256:02x}"} for n in range(300)),
        ],
    }
    state, found = await look_around(client)
    assert (state, len(found)) == ("Complete", 256)
    assert [(r["BSSID"][-2:], r["Radio"][-1]) for r in found[:2]] == [("A1", "1"), ("A2", "2")]


async def test_a_radio_that_does_not_scan_costs_its_own(session: Session, client: Client, air: Air) -> None:
    air.heard = {"phy0-ap0": None, "phy1-ap0": [PLAIN]}
    state, (row,) = await look_around(client)
    assert (state, row["Radio"]) == ("Complete", "Device.WiFi.Radio.2")
    air.heard = {"phy0-ap0": None, "phy1-ap0": None}
    assert await look_around(client) == ("Error", [])


async def test_no_radio_is_up(session: Session, client: Client, air: Air) -> None:
    air.radios = {"radio2": RADIOS["radio2"], "odd": "nonsense"}
    assert await look_around(client) == ("Error", [])


class TestProgress:
    """Of what is started by `run`: event ``cwmp.diagnostics.progress``, at most twice a second."""

    async def test_of_a_ping(self, session: Session, client: Client, icmp_sockets: None) -> None:
        told: list[Progress] = []
        await session.peers.hear(PROGRESS, told.append)
        args = {"Host": "127.0.0.1", "NumberOfRepetitions": 7}
        before = trio.current_time()
        answer = await client.call("cwmp.diagnostics", "run", {"type": "IPPing", "args": args}, timeout=20)
        took = trio.current_time() - before
        assert answer["state"] == "Complete"
        assert {(p.type, p.total) for p in told} == {("IPPing", 7)}
        assert told[0].done == 1
        assert [p.done for p in told] == sorted({p.done for p in told})
        assert len(told) <= took / 0.5 + 1

    async def test_in_the_status_for_who_asks(
        self, session: Session, client: Client, nursery: trio.Nursery
    ) -> None:
        """With the last rates; nothing is left of it when the test is over."""
        asked: list[dict[str, Any]] = []
        heard = trio.Event()
        await client.listen("cwmp.diagnostics.progress", lambda *_: heard.set())

        async def look() -> None:
            await heard.wait()
            asked.append((await client.call("cwmp.diagnostics", "status"))["progress"])
            await client.call("cwmp.diagnostics", "cancel", {"type": "UDPEchoDiagnostics"})

        nursery.start_soon(look)
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as silent:
            await silent.bind(("127.0.0.1", 0))
            args = {
                "Host": "127.0.0.1",
                "Port": silent.getsockname()[1],
                "Timeout": 1,
                "NumberOfRepetitions": 50,
            }
            ran = {"type": "UDPEchoDiagnostics", "args": args}
            answer = await client.call("cwmp.diagnostics", "run", ran, timeout=20)
        assert answer["state"] == "Canceled"
        ((name, progress),) = asked[0].items()
        assert (name, progress["total"]) == ("UDPEchoDiagnostics", 50)
        assert 1 <= progress["done"] < 50
        assert progress["rates"]
        assert (await client.call("cwmp.diagnostics", "status"))["progress"] == {}

    async def test_not_of_what_the_acs_asks_for(self, session: Session) -> None:
        told: list[Progress] = []
        await session.peers.hear(PROGRESS, told.append)
        await session.write(Host="127.0.0.1", NumberOfRepetitions="2", DiagnosticsState="Requested")
        await session.event()
        assert told == []
