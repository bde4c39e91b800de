"""``python -m cwmp.lab.demo``: a router is provisioned, read, diagnosed and upgraded by an ACS, on this machine."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import trio

from cwmp.lab.acs import Acs, Credentials, Entry, open_acs
from cwmp.lab.console import Console, run_until_signal
from cwmp.lab.router import Options, Router, RouterError, open_router
from cwmp.lab.story import STEPS, Failed, Story
from ubuskit import blobmsg
from ubuskit.client import open_client
from ubuskit.uci import Uci

_DEADLINE = 120.0
_CREDENTIALS = Credentials("02005E-LabRouter-LAB%2D0001", "not a secret in a lab")
_LOG_LINES = 40
_STOPPED = 130


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m cwmp.lab.demo",
        description="An ACS provisions, reads, diagnoses and upgrades a virtual router: four services on a real bus.",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the directory, with the router's files and log"
    )
    parser.add_argument("--separate", action="store_true", help="each service alone instead of under cwmpd")
    options = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="cwmp-demo-"))
    console = Console(sys.stdout)
    code = 1
    try:
        code = run_until_signal(
            lambda: _demo(console, directory, separate=options.separate), stopped=_STOPPED
        )
    finally:
        if options.keep:
            console.plain(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if code == 0:
        console.good("demo: ok")
    elif code == _STOPPED:
        console.bad("demo: stopped")
    return code


async def _demo(console: Console, directory: Path, *, separate: bool) -> int:
    def note(entry: Entry) -> None:
        console.line(f"acs {entry.direction}", entry.text, entry.took)

    failed = ""
    log = directory / "log"
    with trio.move_on_after(_DEADLINE) as deadline:
        async with open_acs(_CREDENTIALS, on_entry=note) as acs:
            options = Options(_configuration(acs), separate=separate)
            try:
                async with open_router(
                    directory, options, lambda text: console.line("router", text)
                ) as router:
                    failed = await _tell(console, acs, router)
            except (RouterError, OSError) as error:
                failed = f"the router does not boot: {error}"
    if deadline.cancelled_caught:
        failed = f"it was not done within {_DEADLINE:g} s"
    if not failed:
        return 0
    console.bad(f"\ndemo: failed: {failed}")
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    console.plain(f"the last lines of the suite's log ({len(lines)} in all; --keep keeps it):")
    for line in lines[-_LOG_LINES:]:
        console.plain(f"  {line}")
    return 1


def _configuration(acs: Acs) -> dict[str, str]:
    return {
        "acs_url": acs.url,
        "username": _CREDENTIALS.username,
        "password": _CREDENTIALS.password,
        "periodic_inform_enable": "1",
        "periodic_inform_interval": "3600",
        "connection_request_address": "127.0.0.1",
        "retry_minimum_wait_interval": "1",
    }


async def _tell(console: Console, acs: Acs, router: Router) -> str:
    """Go through the steps; why it failed, or nothing."""
    bus = os.path.basename(os.environ["UBUSD"]) if os.environ.get("UBUSD") else "our own broker"
    uci = Uci(router.paths.uci_dir, router.paths.uci_save_dir).backend
    console.plain(f"backends: blobmsg {blobmsg.backend}, uci {uci}, bus {bus}")
    began = time.monotonic()
    async with open_client(str(router.paths.bus)) as client:
        story = Story(acs, router, client, console)
        for number, (title, step) in enumerate(STEPS, 1):
            console.title(f"{number}. {title}")
            try:
                await step(story)
            except Failed as failure:
                return f"step {number} ({title}): {failure}"
            except trio.TooSlowError:
                return f"step {number} ({title}): nothing more was heard of the router"
            except Exception as error:
                return f"step {number} ({title}): {type(error).__name__}: {error}"
    if acs.violations:
        return f"against the standard: {'; '.join(acs.violations)}"
    console.plain(f"\n{len(STEPS)} steps, {acs.informs} sessions, {time.monotonic() - began:.1f} s")
    return ""


if __name__ == "__main__":
    sys.exit(main())
