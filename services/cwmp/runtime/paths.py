"""Where everything is. Each path is settable, so that several suites run side by side.

| field     | option        | variable         | default                  |
|-----------|---------------|------------------|--------------------------|
| bus       | `--bus`       | UBUS_SOCKET      | /var/run/ubus/ubus.sock  |
| uci_dir   | `--uci-dir`   | UCI_CONFIG_DIR   | /etc/config              |
| state_dir | `--state-dir` | CWMP_STATE_DIR   | /etc/cwmp                |
| run_dir   | `--run-dir`   | CWMP_RUN_DIR     | /var/run/cwmp            |
| sysroot   | `--sysroot`   | CWMP_SYSROOT     | /                        |

An option wins over a variable. With a sysroot, the defaults of the others lie below it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FIELDS = (
    ("bus", "UBUS_SOCKET", "/var/run/ubus/ubus.sock"),
    ("uci_dir", "UCI_CONFIG_DIR", "/etc/config"),
    ("state_dir", "CWMP_STATE_DIR", "/etc/cwmp"),
    ("run_dir", "CWMP_RUN_DIR", "/var/run/cwmp"),
)


@dataclass(frozen=True, slots=True)
class Paths:
    """The bus socket and the directories of one suite."""

    bus: Path
    uci_dir: Path
    state_dir: Path
    run_dir: Path
    sysroot: Path

    def system(self, path: str) -> Path:
        """`path` (absolute, as on a router) below the sysroot."""
        return self.sysroot / path.lstrip("/")

    @property
    def uci_save_dir(self) -> Path:
        """Where libuci and the `uci` command keep changes that are not committed."""
        return self.system("/tmp/.uci")  # noqa: S108  # libuci's own directory

    def options(self) -> list[str]:
        """The command line options that say the same."""
        return [
            item
            for name in ("bus", "uci_dir", "state_dir", "run_dir", "sysroot")
            for item in (f"--{name.replace('_', '-')}", str(getattr(self, name)))
        ]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the five path options."""
    group = parser.add_argument_group("paths (each also by the variable named)")
    for name, variable, default in _FIELDS:
        group.add_argument(
            f"--{name.replace('_', '-')}", metavar="PATH", help=f"{variable}; default {default}"
        )
    group.add_argument("--sysroot", metavar="PATH", help="CWMP_SYSROOT; default /")


def from_options(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Paths:
    """The paths that options, variables and defaults give, in this order of precedence."""
    sysroot = Path(options.sysroot or environ.get("CWMP_SYSROOT") or "/").absolute()
    found = {
        name: Path(
            getattr(options, name) or environ.get(variable) or sysroot / default.lstrip("/")
        ).absolute()
        for name, variable, default in _FIELDS
    }
    return Paths(sysroot=sysroot, **found)
