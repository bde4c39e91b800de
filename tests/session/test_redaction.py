"""No secret is seen in a trace, however it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.lab import acs as lab
from cwmp.lab.acs import soap as wire
from cwmp.session import redaction, soap
from cwmp.session.redaction import is_secret

from .acs import envelope

TR181 = Path(__file__).parents[2].parent / "shared/data/tr181-2-19.json"
SECRET = "gR7tesecret"


def shown(data: bytes, *secrets: str) -> str:
    return redaction.message(data, len(data), secrets)


def setting(name: str, value: str) -> str:
    return f"<ParameterValueStruct><Name>{name}</Name><Value>{value}</Value></ParameterValueStruct>"


def setting_list(*rows: str) -> str:
    return (
        f"<c:SetParameterValues><ParameterList>{''.join(rows)}</ParameterList>"
        "<ParameterKey>42</ParameterKey></c:SetParameterValues>"
    )


PASSWORD = "Device.Users.User.1.Password"


@pytest.mark.parametrize(
    "content",
    [
        setting_list(setting(PASSWORD, SECRET)),
        setting_list(setting("Device.WiFi.AccessPoint.1.Security.KeyPassphrase", SECRET)),
        setting_list(setting("Device.X_VENDOR_Portal.admin_pwd", SECRET)),
        setting_list(setting("Device.X_VENDOR_Portal.Pem", f"-----BEGIN PRIVATE KEY----- {SECRET}")),
        setting_list(setting("Device.USPAgent.ControllerTrust.Challenge.1.Value", SECRET)),
        setting_list(setting(f" {PASSWORD}\n", f"<![CDATA[{SECRET}]]>")),
        setting_list(setting(PASSWORD, "".join(f"&#{ord(c)};" for c in SECRET))),
        setting_list(setting(PASSWORD, f"{SECRET[:4]}<!-- -->{SECRET[4:]}")),
        setting_list(setting(PASSWORD, f"<b>{SECRET}</b>")),
        setting_list(setting(PASSWORD, f"<b/>{SECRET}")),
        setting_list(f"<x><Value>{SECRET}</Value><Name>{PASSWORD}</Name></x>"),
        setting_list(f"<x><Name>{PASSWORD}</Name><Name>Device.A</Name><Value>{SECRET}</Value></x>"),
        f"<c:Download><Username>u</Username><Password>{SECRET}</Password></c:Download>",
        f"<c:Download><URL>http://user:{SECRET}@files/x</URL></c:Download>",
        f"<c:Download><URL>http://files/x?signature={SECRET}</URL></c:Download>",
        setting_list(setting("Device.ManagementServer.URL", f"https://user:{SECRET}@acs/")),
    ],
)
def test_a_secret_in_any_spelling(content: str) -> None:
    for data in (envelope(content), envelope(content).decode().encode("utf-16")):
        text = shown(data)
        assert SECRET not in text
        assert "***" in text or "<b/>" in text  # text beside elements means nothing and is left out
        assert "Envelope" in text


@pytest.mark.parametrize(
    "rpc",
    [
        lab.Download("k", "http://h/f?x=SECRET", username=SECRET, password=SECRET),
        lab.Upload("k", f"http://u:{SECRET}@h/", username=SECRET, password=SECRET),
        lab.ScheduleDownload("k", "http://h/f", [lab.Window(0, 1)], username=SECRET, password=SECRET),
        lab.ChangeDUState(
            [lab.Install("http://h/m", "", SECRET, SECRET), lab.Update("", "", "", SECRET, SECRET)]
        ),
        lab.ChangeDUState([lab.Install("http://h/m", "", SECRET, SECRET)], nested=True),
    ],
    ids=lambda rpc: type(rpc).__name__,
)
def test_credentials_for_files_and_modules_are_secret(rpc: Any) -> None:
    element = wire.element(rpc.method)
    rpc.write(element)
    data = wire.write(element, id="7")
    assert SECRET.encode() in data
    text = shown(data)
    assert SECRET not in text
    assert "<Username>***</Username>" in text
    assert "<Password>***</Password>" in text
    assert "http://" in text


def test_configured_passwords_are_found_wherever_they_are() -> None:
    text = shown(
        envelope(setting_list(setting("Device.A", f"see {SECRET}!"), setting("Device.B", "abc"))), SECRET
    )
    assert SECRET not in text
    assert "abc" in text
    assert "<Value>***</Value>" in shown(envelope(setting_list(setting("Device.B", "abc"))), "abc")


def test_the_rest_is_there_to_be_read() -> None:
    text = shown(
        envelope(
            setting_list(setting("Device.Time.Enable", "a &amp; b\x1b".replace("\x1b", "&#127;"))), id="7"
        )
    )
    assert "<Name>Device.Time.Enable</Name>" in text
    assert "<Value>a &amp; b?</Value>" in text
    assert "<ParameterKey>42</ParameterKey>" in text
    assert '<ID mustUnderstand="1">7</ID>' in text


@pytest.mark.parametrize("cut", [200, 400, 480, 520, 560])
def test_what_is_cut_off_or_damaged_is_not_shown_from_there_on(cut: int) -> None:
    data = envelope(setting_list(setting(PASSWORD, SECRET)))
    for piece in (data[:cut], data[:cut] + b"</broken>&" + data[cut:]):
        text = redaction.message(piece, len(piece) + 1, ())
        assert SECRET not in text
        assert "bytes in all)" in text


@pytest.mark.parametrize("start", [b"<!DOCTYPE x [<!ENTITY e 'v'>]>", b"<?xml-stylesheet href='x'?>"])
def test_what_soap_forbids_is_not_read(start: bytes) -> None:
    text = shown(start + envelope(setting_list(setting("Device.A", "&e;"))))
    assert "not read" in text
    assert "Envelope" not in text


def test_a_depth_bomb_and_a_long_message_stay_small() -> None:
    assert "nested too deep" in shown(b"<a>" * 5000)
    values = soap.ValueList()
    values.add(["Device.A"] * 20000, ["string"] * 20000, ["x"] * 20000)
    body = soap.encode(soap.GetParameterValuesResponse(values), soap.Header(id="1"))
    data = b"".join(body.chunks())
    assert len(shown(data)) < 100 * 1024


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    assert isinstance(shown(data), str)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("Authorization", f"Basic {SECRET}", "Basic ***"),
        ("authorization", f'Digest username="u", response="{SECRET}"', "Digest ***"),
        ("Authorization", SECRET, "***"),
        ("Proxy-Authorization", f"Basic {SECRET}", "Basic ***"),
        ("Cookie", f"session={SECRET}; b={SECRET}", "session=***"),
        ("Set-Cookie", f"session={SECRET}; Path=/", "session=***"),
        ("Set-Cookie", SECRET, "***"),
        ("Location", f"http://u:{SECRET}@host/a?t={SECRET}", "http://***@host/a?***"),
        ("X-Echo", f"it is {SECRET}", "***"),
        ("Host", "acs.example.org", "acs.example.org"),
    ],
)
def test_headers(name: str, value: str, text: str) -> None:
    assert redaction.header(name, value, [SECRET]) == text


def test_every_hidden_or_secured_parameter_of_tr181_is_secret_and_few_others_are() -> None:
    if not TR181.exists():
        pytest.skip("the data model as JSON is not at hand")
    items = json.loads(TR181.read_text())["items"]
    parameters = [i for i in items if i["kind"] == "parameter"]
    hidden = {i["path"].replace("{i}", "1") for i in parameters if i.get("hidden") or i.get("secured")}
    assert hidden
    assert {path for path in hidden if not is_secret(path)} == set()
    others = {i["path"].replace("{i}", "1") for i in parameters} - hidden
    assert len([path for path in others if is_secret(path)]) < len(others) / 100
    assert not is_secret("Device.ManagementServer.ParameterKey")
    assert not is_secret("CommandKey")
