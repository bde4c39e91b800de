"""Radios and access points: what the board and the driver say, and what becomes of it in UCI wireless."""

from __future__ import annotations

import json

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault

RADIO = "Device.WiFi.Radio.1."
BOARD = {
    "wlan": {
        "phy0": {
            "path": "platform/soc/18000000.wifi",
            "info": {
                "antenna_rx": 3,
                "antenna_tx": 3,
                "bands": {
                    "5G": {"ht": True, "vht": True, "he": True, "max_width": 160, "modes": ["HE80", "HE160"]}
                },
                "radios": [],
            },
        }
    }
}


@pytest.fixture
def radio(router: Router) -> Router:
    text = CONFIG["wireless"].replace("'mac80211'", "'mac80211'\n\toption path 'platform/soc/18000000.wifi'")
    router.set_uci("wireless", text)
    router.write("/etc/board.json", json.dumps(BOARD))
    return router


async def test_what_a_radio_can(radio: Router, acs: Acs) -> None:
    values = await acs.get(RADIO)
    expected = {
        "MaxBitRate": "2402",  # two antennas, HE, 160 MHz
        "SupportedFrequencyBands": "5GHz",
        "OperatingFrequencyBand": "5GHz",
        "OperatingStandards": "a,n,ac,ax",
        "PossibleChannels": "36,40,44,48,52",
        "ExtensionChannel": "Auto",
        "GuardInterval": "Auto",
        "IEEE80211hSupported": "true",
        "IEEE80211hEnabled": "true",
        "MCS": "-1",
        "TransmitPower": "-1",
        "TransmitPowerSupported": "-1,1,10,50,100",
        "Stats.BytesSent": "7",
        "Stats.PacketsReceived": "3",
        "Stats.Noise": "-92",
    }
    assert {name: values[f"{RADIO}{name}"] for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "value", "option", "written"),
    [
        ("OperatingStandards", "a,n,ac", "htmode", "VHT80"),
        ("OperatingStandards", "a", "htmode", "NOHT"),
        ("GuardInterval", "800nsec", "short_gi_80", "0"),
        ("IEEE80211hEnabled", "false", "doth", "0"),
        ("TransmitPower", "50", "txpower", "17"),
    ],
)
async def test_what_is_set(radio: Router, acs: Acs, name: str, value: str, option: str, written: str) -> None:
    await acs.set("k", **{f"{RADIO}{name}": value})
    assert f"option {option} '{written}'" in radio.uci("wireless")
    assert (await acs.get(f"{RADIO}{name}"))[f"{RADIO}{name}"] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OperatingStandards", "a,ax"),
        ("OperatingStandards", "a,g"),
        ("OperatingFrequencyBand", "2.4GHz"),
        ("ExtensionChannel", "AboveControlChannel"),
        ("GuardInterval", "400nsec"),
        ("TransmitPower", "42"),
        ("MCS", "7"),
    ],
)
async def test_what_the_radio_cannot(radio: Router, acs: Acs, name: str, value: str) -> None:
    before = radio.uci("wireless")
    with pytest.raises(Fault) as caught:
        await acs.set("k", **{f"{RADIO}{name}": value})
    assert [p.code for p in caught.value.parameters] == [9007]
    assert radio.uci("wireless") == before


async def test_40mhz_with_its_extension(radio: Router, acs: Acs) -> None:
    await acs.set("k", **{f"{RADIO}OperatingChannelBandwidth": "40MHz"})
    await acs.set("k", **{f"{RADIO}ExtensionChannel": "BelowControlChannel"})
    assert "option htmode 'HT40-'" in radio.uci("wireless")


async def test_an_access_point_takes_the_place_of_the_one_that_came_with_the_ssid(
    router: Router, acs: Acs
) -> None:
    """As an ACS does it: an SSID, an access point, and the reference from one to the other."""
    ssid = f"Device.WiFi.SSID.{(await acs.add('Device.WiFi.SSID.')).instance_number}"
    point = f"Device.WiFi.AccessPoint.{(await acs.add('Device.WiFi.AccessPoint.')).instance_number}."
    await acs.set(
        "k",
        **{
            f"{ssid}.SSID": "guests",
            f"{point}SSIDReference": ssid,
            f"{point}Enable": "true",
            f"{point}Security.ModeEnabled": "WPA2-Personal",
            f"{point}Security.KeyPassphrase": "not so secret",
        },
    )
    text = router.uci("wireless")
    assert text.count("config wifi-iface") == 2  # one was there before
    section = text[text.index("option ssid 'guests'") - 200 :]
    assert "option key 'not so secret'" in section
    assert "option encryption 'psk2'" in section
    values = await acs.get("Device.WiFi.AccessPoint.", f"{ssid}.")
    assert values[f"{point}SSIDReference"] == ssid
    assert values[f"{point}Enable"] == values[f"{ssid}.Enable"] == "true"
    assert len({n.split(".")[3] for n in values if n.startswith("Device.WiFi.AccessPoint.")}) == 2
    await acs.delete(point)
    assert "guests" not in router.uci("wireless")


async def test_wps_and_wep(router: Router, acs: Acs) -> None:
    point = "Device.WiFi.AccessPoint.1."
    await acs.set("k", **{f"{point}WPS.ConfigMethodsEnabled": "PushButton"})
    assert "option wps_pushbutton '1'" in router.uci("wireless")
    await acs.set("k", **{f"{point}Security.WEPKey": "0123456789"})
    assert "option key1 '0123456789'" in router.uci("wireless")
    assert (await acs.get(f"{point}Security.WEPKey"))[f"{point}Security.WEPKey"] == ""
