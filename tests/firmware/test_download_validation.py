"""Downloads that are refused at once, with the code of TR-069a6 A.3.2.8."""

from __future__ import annotations

import dataclasses

import pytest

from cwmp.contract import Fault
from cwmp.contract.firmware import Download
from cwmp.firmware.validation import check

GOOD = Download("key", "1 Firmware Upgrade Image", "http://files.example/image.bin")


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example/image.bin",
        "https://files.example:8443/a/b?token=x",
        "HTTP://192.0.2.1/",
        "http://[2001:db8::1]:8080/image",
        "http://files.example",
        "http://files.example/me@home",
        "ftp://files.example/image",
    ],
)
def test_accepted(url: str) -> None:
    check(dataclasses.replace(GOOD, url=url))


@pytest.mark.parametrize(
    ("changes", "code", "names"),
    [
        ({"url": "http://user:pass@files.example/"}, 9003, "credentials"),
        ({"url": "http://user@files.example/"}, 9003, "credentials"),
        ({"url": "ftp://user@files.example/"}, 9003, "credentials"),
        ({"url": ""}, 9003, "URL"),
        ({"url": "files.example/image"}, 9003, "absolute"),
        ({"url": "http:///image"}, 9003, "host"),
        ({"url": "http://files.example/an image"}, 9003, "percent-encoded"),
        ({"url": "http://files.example/\r\nHost: x"}, 9003, "percent-encoded"),
        ({"url": "http://files.example/ä"}, 9003, "percent-encoded"),
        ({"url": "http://files.example:99999/"}, 9003, "URL"),
        ({"url": "http://files.example:0/"}, 9003, "port"),
        ({"url": "http://[::1/"}, 9003, "URL"),
        ({"url": "file:///etc/passwd"}, 9013, "file"),
        ({"url": "gopher://files.example/"}, 9013, "gopher"),
        ({"url": "tftp://files.example/"}, 9013, "tftp"),
        ({"file_size": -1}, 9003, "FileSize"),
        ({"file_size": 1 << 32}, 9003, "FileSize"),
        ({"delay_seconds": 1 << 32}, 9003, "DelaySeconds"),
    ],
)
def test_refused(changes: dict[str, object], code: int, names: str) -> None:
    with pytest.raises(Fault) as caught:
        check(dataclasses.replace(GOOD, **changes))
    assert caught.value.code == code
    assert names in caught.value.text


@pytest.mark.parametrize(
    ("name", "limit", "element"),
    [
        ("command_key", 32, "CommandKey"),
        ("username", 256, "Username"),
        ("password", 256, "Password"),
        ("target_file_name", 256, "TargetFileName"),
        ("success_url", 256, "SuccessURL"),
        ("failure_url", 256, "FailureURL"),
    ],
)
def test_lengths_at_and_past_the_limit(name: str, limit: int, element: str) -> None:
    check(dataclasses.replace(GOOD, **{name: "x" * limit}))
    with pytest.raises(Fault) as caught:
        check(dataclasses.replace(GOOD, **{name: "x" * (limit + 1)}))
    assert caught.value.code == 9003
    assert element in caught.value.text


def test_a_url_of_256_characters_is_the_longest() -> None:
    url = "http://files.example/".ljust(256, "a")
    check(dataclasses.replace(GOOD, url=url))
    with pytest.raises(Fault) as caught:
        check(dataclasses.replace(GOOD, url=url + "a"))
    assert (caught.value.code, caught.value.text) == (9003, "URL is longer than 256 characters")


def test_no_refusal_repeats_a_password() -> None:
    with pytest.raises(Fault) as caught:
        check(dataclasses.replace(GOOD, url="http://user:hunter2@files.example/"))
    assert "hunter2" not in str(caught.value)
