"""Every shell script of the feed is one, for any POSIX shell with `local`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.feed.packages import FEED, OPENWRT

SCRIPTS = [
    path
    for path in sorted((*FEED.rglob("*"), *OPENWRT.rglob("*")))
    if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")
]
# local: every shell of OpenWrt has it. dynamic scope: variables of the caller. unreachable: procd calls functions.
_EXCEPT = "SC3043,SC2034,SC2154,SC2317,SC2329"


def test_they_are_found() -> None:
    assert {"cwmpd.init", "cwmp.defaults", "udhcpc.user", "odhcp6c.user", "dhcp.hotplug"} <= {
        path.name for path in SCRIPTS
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_syntax(script: Path) -> None:
    subprocess.run(["sh", "-n", str(script)], check=True, timeout=30)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(
        ["shellcheck", "--shell=dash", f"--exclude={_EXCEPT}", str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
