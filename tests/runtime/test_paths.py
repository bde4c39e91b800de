"""Options win over variables, variables over defaults; defaults lie below the sysroot."""

from __future__ import annotations

import argparse
from pathlib import Path

from cwmp.runtime.paths import Paths, add_options, from_options


def parse(arguments: list[str], environ: dict[str, str]) -> Paths:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return from_options(parser.parse_args(arguments), environ)


def test_defaults_are_the_routers() -> None:
    found = parse([], {})
    assert found.bus == Path("/var/run/ubus/ubus.sock")
    assert found.uci_dir == Path("/etc/config")
    assert found.uci_save_dir == Path("/tmp/.uci")


def test_precedence() -> None:
    environ = {"UBUS_SOCKET": "/v/bus", "CWMP_STATE_DIR": "/v/state", "CWMP_SYSROOT": "/v/root"}
    found = parse(["--bus", "/o/bus"], environ)
    assert found.bus == Path("/o/bus")
    assert found.state_dir == Path("/v/state")
    assert found.uci_dir == Path("/v/root/etc/config")
    assert found.system("/proc/uptime") == Path("/v/root/proc/uptime")


def test_options_say_the_same_again() -> None:
    found = parse(["--sysroot", "/r"], {})
    assert parse(found.options(), {"UBUS_SOCKET": "/elsewhere"}) == found
