"""The DHCP clients' hooks: one event each, and nothing of what a server sends gets into it but hexadecimal digits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.feed.packages import FEED

FILES = FEED / "tr069-client/files"
UDHCPC, ODHCP6C = FILES / "udhcpc.user", FILES / "odhcp6c.user"
HOTPLUG = FILES / "dhcp.hotplug"

_UBUS = """#!/bin/sh
for argument; do printf '%s\\n' "$argument"; done >> "$SENT"
"""


def sent(directory: Path, hook: Path, *arguments: str, **environ: str) -> list[str]:
    """What the hook gave to the `ubus` command."""
    (directory / "ubus").write_text(_UBUS)
    (directory / "ubus").chmod(0o755)
    found = directory / "sent"
    found.unlink(missing_ok=True)
    done = subprocess.run(
        ["sh", str(hook), *arguments],
        env={"PATH": f"{directory}:{os.environ['PATH']}", "SENT": str(found), **environ},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    return found.read_text().splitlines() if found.exists() else []


@pytest.mark.parametrize("event", ["bound", "renew"])
def test_options_of_dhcp(tmp_path: Path, event: str) -> None:
    verb, name, data = sent(tmp_path, UDHCPC, event, INTERFACE="wan", opt43="0104ab", opt125="00000de9")
    assert (verb, name) == ("send", "cwmp.dhcp")
    assert json.loads(data) == {"interface": "wan", "family": 4, "opt43": "0104ab", "opt125": "00000de9"}


def test_option_of_dhcpv6(tmp_path: Path) -> None:
    _, name, data = sent(tmp_path, ODHCP6C, "eth0", "bound", INTERFACE="wan6", OPTION_17="00000DE9")
    assert name == "cwmp.dhcp"
    assert json.loads(data) == {"interface": "wan6", "family": 6, "opt17": "00000DE9"}


@pytest.mark.parametrize("event", ["deconfig", "leasefail", "nak"])
def test_other_events_of_dhcp_are_none_of_ours(tmp_path: Path, event: str) -> None:
    assert sent(tmp_path, UDHCPC, event, INTERFACE="wan", opt43="01") == []


@pytest.mark.parametrize("event", ["stopped", "unbound", "ra-updated"])
def test_other_events_of_dhcpv6_are_none_of_ours(tmp_path: Path, event: str) -> None:
    assert sent(tmp_path, ODHCP6C, "eth0", event, INTERFACE="wan6", OPTION_17="01") == []


@pytest.mark.parametrize(
    "value",
    ["", '","x":"', "$(reboot)", "`reboot`", "01; reboot", "0x01", "\n", "\u00e9", "01" * 4097],
    ids=lambda value: value[:12].encode("unicode_escape").decode(),
)
def test_what_is_not_hexadecimal_or_too_long_is_left_out(tmp_path: Path, value: str) -> None:
    _, _, data = sent(tmp_path, UDHCPC, "bound", INTERFACE="wan", opt43=value, opt125="01")
    assert json.loads(data) == {"interface": "wan", "family": 4, "opt125": "01"}
    _, _, data = sent(tmp_path, ODHCP6C, "eth0", "bound", INTERFACE="wan6", OPTION_17=value)
    assert json.loads(data) == {"interface": "wan6", "family": 6}


def test_nuls_and_four_kilobytes_arrive(tmp_path: Path) -> None:
    value = "00" * 4096
    _, _, data = sent(tmp_path, UDHCPC, "bound", INTERFACE="wan", opt43=value)
    assert json.loads(data)["opt43"] == value


@pytest.mark.parametrize("name", ["", 'w","x":"', "$(reboot)"])
def test_an_interface_of_no_name_is_none(tmp_path: Path, name: str) -> None:
    assert sent(tmp_path, UDHCPC, "bound", INTERFACE=name, opt43="01") == []


needs_hexdump = pytest.mark.skipif(
    shutil.which("hexdump") is None, reason="the hook takes hexdump of BusyBox: no hexdump here"
)

LAN = {"MACADDR": "02:00:5e:00:53:20", "ACTION": "add", "DNSMASQ_CPEWAN_OUI": "02005E"}


@needs_hexdump
def test_a_device_in_the_lan(tmp_path: Path) -> None:
    said = {"DNSMASQ_CPEWAN_SERIAL": 'a","x":"$(reboot) `', "DNSMASQ_CPEWAN_CLASS": "TV set"}
    verb, name, data = sent(tmp_path, HOTPLUG, **LAN, **said)
    assert (verb, name) == ("send", "cwmp.lease")
    assert json.loads(data) == {
        "action": "add",
        "mac": LAN["MACADDR"],
        "oui": b"02005E".hex(),
        "serial": said["DNSMASQ_CPEWAN_SERIAL"].encode().hex(),
        "class": b"TV set".hex(),
    }


@pytest.mark.parametrize(
    "change", [{"MACADDR": 'x","y":"'}, {"MACADDR": ""}, {"ACTION": "reboot"}, {"DNSMASQ_CPEWAN_OUI": ""}]
)
def test_other_leases_are_none_of_ours(tmp_path: Path, change: dict[str, str]) -> None:
    assert sent(tmp_path, HOTPLUG, **{**LAN, **change}) == []


@needs_hexdump
def test_a_lease_that_ends_is_always_told(tmp_path: Path) -> None:
    _, _, data = sent(tmp_path, HOTPLUG, ACTION="remove", MACADDR=LAN["MACADDR"])
    assert json.loads(data)["action"] == "remove"
