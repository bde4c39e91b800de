"""`cwmp modules`: what software is installed beside the firmware; cwmp.firmware ``modules``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from cwmp.cli.bus import Bus, Reply

FIRMWARE = "cwmp.firmware"


def modules(bus: Bus, _options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    """All of it."""
    reply = bus.call(FIRMWARE, "modules")
    return reply, described(reply)


def described(reply: Reply) -> Iterator[str]:
    """In lines: environments, units with what of them runs, and what the ACS asked for."""
    for environment in reply["environments"]:
        free = environment["disk_free"]
        space = f", {free / 1024:.1f} MB free" if free >= 0 else ""
        state = "" if environment["enabled"] else ", disabled"
        yield f"{environment['name']} {environment['version']} ({environment['type']}{space}{state})"
    for unit in reply["units"]:
        yield f"{unit['number']:>4}  {unit['name']} {unit['version']}  {unit['status']}  {unit['uuid']}"
        for service in unit["services"]:
            starts = "starts at boot" if service["auto_start"] else "does not start at boot"
            yield f"      {service['name']}: {service['status']}, {starts}"
    if not reply["units"]:
        yield "no units" if reply["environments"] else "nothing can be installed here"
    for change in reply["changes"]:
        yield f"ChangeDUState {change['command_key']}".rstrip()
        for operation in change["operations"]:
            results = operation["results"] or [{"state": "", "version": "", "fault_code": 0, "text": ""}]
            for result in results:
                fault = f": Fault {result['fault_code']}, {result['text']}" if result["fault_code"] else ""
                state = f"{result['state']} {result['version']}".strip() or operation["phase"]
                yield f"  {operation['operation']}: {state}{fault}"


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The command's part of the command line."""
    commands.add_parser("modules", parents=[common], help="software that is installed, and what runs of it")
