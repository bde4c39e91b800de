"""`cwmp transfers`: files on their way to and from this router; cwmp.firmware ``status``, ``download``, ``upload``,
``cancel``, ``confirm``.

``follow`` looks twice a second, as often as there is news, and draws one bar where it writes to a terminal.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from cwmp.cli.bus import Bus, Reply
from cwmp.contract.faults import Fault

FIRMWARE = "cwmp.firmware"

_PAUSE = 0.5  # s between two looks of `follow`
_BAR = 24
_TYPES = {"download": "1 Firmware Upgrade Image", "upload": "3 Vendor Configuration File 1"}


def transfers(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    """Do what is asked for; by default list what there is."""
    action, subject = options.action, options.subject
    if (action in {"list", "follow"}) != (subject is None):
        raise Fault(9003, f"transfers {action}: {'takes nothing more' if subject else 'say which'}")
    if action == "follow":
        return _changes(bus), _followed(bus, terminal=sys.stdout.isatty())
    if action == "list":
        reply = bus.call(FIRMWARE, "status")
        found = reply.get("transfers", [])
        return found, (line for t in found for line in described(t)) if found else iter(["no transfers"])
    if action in _TYPES:
        reply = bus.call(FIRMWARE, action, {"url": subject, "file_type": options.type or _TYPES[action]})
        return reply, iter([f"transfer {reply.get('id')}"])
    reply = bus.call(FIRMWARE, action, {"id": subject})
    return reply, iter([f"transfer {subject}: {action}{'ed' if action == 'confirm' else 'led'}"])


def described(transfer: Reply) -> Iterator[str]:
    """A transfer in lines."""
    yield f"{transfer['id']}  {_state(transfer)}  {transfer['file_type']}"
    key = f"  (CommandKey {transfer['command_key']})" if transfer.get("command_key") else ""
    yield f"  {transfer['method']} {transfer['url']}{key}"
    if "bytes" in transfer:
        yield f"  {bar(transfer)}"
    if transfer.get("confirmation_needed"):
        said = f": {transfer['user_message']}" if transfer.get("user_message") else ""
        yield f"  has to be confirmed{said} (cwmp transfers confirm {transfer['id']})"
    if transfer.get("fault_code"):
        yield f"  Fault {transfer['fault_code']}: {transfer['fault_string']}"


def bar(transfer: Reply) -> str:
    """How far it has come: ``[#####-----]  50%  5.0 of 10.0 MB, 1.2 MB/s``."""
    done, total, rate = (int(transfer.get(name, 0)) for name in ("bytes", "total", "rate"))
    speed = f", {rate / 1e6:.1f} MB/s" if rate else ""
    if not total:
        return f"[{'-' * _BAR}]  {done / 1e6:.1f} MB{speed}"
    part = min(1.0, done / total)
    filled = "#" * int(part * _BAR)
    return f"[{filled:-<{_BAR}}] {int(part * 100):3}%  {done / 1e6:.1f} of {total / 1e6:.1f} MB{speed}"


def _state(transfer: Reply) -> str:
    if transfer["state"] == "complete":
        return "failed" if transfer.get("fault_code") else "complete"
    if transfer["state"] == "queued" and transfer.get("due_in"):
        return f"queued, due in {transfer['due_in']} s"
    return str(transfer["state"])


def _looks(bus: Bus) -> Iterator[list[Mapping[str, Any]]]:
    """What there is, again and again, until nothing is left to be done."""
    while True:
        found = list(bus.call(FIRMWARE, "status").get("transfers", []))
        yield found
        if all(t["state"] == "complete" for t in found):
            return
        time.sleep(_PAUSE)


def _changes(bus: Bus) -> Iterator[Mapping[str, Any]]:
    """Each transfer when something about it is new."""
    known: dict[str, Mapping[str, Any]] = {}
    for found in _looks(bus):
        for transfer in found:
            if known.get(transfer["id"]) != transfer:
                yield transfer
        known = {t["id"]: t for t in found}


def _followed(bus: Bus, *, terminal: bool) -> Iterator[str]:
    """The lines of a transfer whenever its state is new, and between them, on a terminal, its bar."""
    states: dict[str, str] = {}
    for found in _looks(bus):
        for transfer in found:
            if states.get(transfer["id"]) != transfer["state"]:
                _draw("" if terminal else None)
                states[transfer["id"]] = transfer["state"]
                yield from described(transfer)
        _draw(next((bar(t) for t in found if "bytes" in t), "") if terminal else None)
    _draw("" if terminal else None)


def _draw(text: str | None) -> None:
    """Put `text` in the place of the line that the cursor is in; None: there is no terminal."""
    if text is not None:
        width = shutil.get_terminal_size().columns
        sys.stdout.write(f"\r\x1b[K{text[: width - 1]}")
        sys.stdout.flush()


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The command's part of the command line."""
    parser = commands.add_parser(
        "transfers",
        parents=[common],
        help="files on their way: list, follow, cancel, confirm, download, upload",
    )
    parser.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=("list", "follow", "cancel", "confirm", "download", "upload"),
        help="follow: as it happens, until nothing is left to be done",
    )
    parser.add_argument(
        "subject", nargs="?", metavar="ID|URL", help="a transfer's id; for download, upload a URL"
    )
    parser.add_argument(
        "--type",
        default="",
        metavar="FILETYPE",
        help="as TR-069 has it; default an image for download, the configuration for upload",
    )
