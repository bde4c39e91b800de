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


@pytest.mark.parametrize(
    ("packages", "modes", "methods"),
    [
        ((), 11, "PushButton"),
        (("hostapd-common", "wpad-basic-mbedtls"), 7, ""),
        (("wpad-mini",), 4, ""),
        (("hostapd-common", "wpad-openssl"), 11, "PushButton"),
    ],
)
async def test_what_hostapd_can_is_said_by_its_package(
    router: Router, acs: Acs, packages: tuple[str, ...], modes: int, methods: str
) -> None:
    point = "Device.WiFi.AccessPoint.1."
    for package in packages:
        router.write(f"/usr/lib/opkg/info/{package}.control", f"Package: {package}\n")
    values = await acs.get(point)
    assert len(values[f"{point}Security.ModesSupported"].split(",")) == modes
    assert values[f"{point}WPS.ConfigMethodsSupported"] == methods


async def test_the_package_of_apk(router: Router, acs: Acs) -> None:
    router.write("/lib/apk/db/installed", "C:x\nP:hostapd-common\nV:1\n\nP:wpad-basic-mbedtls\nV:2\n")
    name = "Device.WiFi.AccessPoint.1.Security.ModesSupported"
    assert "Enterprise" not in (await acs.get(name))[name]


async def test_whether_an_access_point_is_on_the_air(router: Router, acs: Acs) -> None:
    name = "Device.WiFi.AccessPoint.1.Status"
    assert (await acs.get(name))[name] == "Enabled"
    router.replies["network.wireless", "status"] = {"radio0": {"up": True, "interfaces": []}}
    assert (await acs.get(name))[name] == "Error"
    router.replies["network.wireless", "status"] = {
        "radio0": {"up": False, "disabled": True, "interfaces": []}
    }
    assert (await acs.get(name))[name] == "Disabled"
    router.set_uci("wireless", CONFIG["wireless"].replace("option device 'radio0'", "option device 'radio7'"))
    assert (await acs.get(name))[name] == "Error_Misconfigured"


async def test_a_radio_that_is_a_station(router: Router, acs: Acs) -> None:
    assert (await acs.get(f"{RADIO}Upstream"))[f"{RADIO}Upstream"] == "false"
    station = "\nconfig wifi-iface 'up'\n\toption device 'radio0'\n\toption mode 'sta'\n"
    router.set_uci("wireless", CONFIG["wireless"] + station)
    assert (await acs.get(f"{RADIO}Upstream"))[f"{RADIO}Upstream"] == "true"
