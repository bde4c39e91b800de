"""``python -m cwmp.lab.fleet``, which is ``cwmp fleet``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from cwmp.lab.console import run_until_signal
from cwmp.lab.fleet.plan import MAX_ROUTERS, Plan
from cwmp.lab.fleet.report import Report
from cwmp.lab.fleet.supervisor import Supervisor, WorkerEnded
from cwmp.lab.fleet.worker import allow_descriptors
from cwmp.lab.run import address_towards
from cwmp.runtime import without_credentials
from cwmp.runtime.config import OPTIONS

_DESCRIPTORS_EACH = 12
_DESCRIPTORS_BESIDE = 64
_LINE_EVERY = 10
_FIRST_PORT = 20000  # and as many as there are routers: below those that Linux gives to who asks for any
_RAM = Path("/dev/shm")


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    parts = urlsplit(options.acs)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        parser.error(f"{options.acs!r} is no http:// or https:// URL")
    if options.first_port and options.first_port + options.count > 65536:
        parser.error(f"--first-port {options.first_port}: {options.count} ports from there are too many")
    workers = min(options.workers, options.count)
    most = allow_descriptors()
    if (need := -(-options.count // workers) * _DESCRIPTORS_EACH + _DESCRIPTORS_BESIDE) > most:
        parser.error(
            f"a process may open {most} files, {need} are needed: ulimit -n {need}, or more --workers"
        )
    try:
        password = options.password_file.read_text().partition("\n")[0] if options.password_file else ""
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    directory = tempfile.mkdtemp(prefix="cwmp-fleet-", dir=_place())
    plan = Plan(
        acs_url=options.acs,
        numbers=tuple(range(options.count)),
        directory=directory,
        password=password,
        interval=options.interval,
        rate=options.rate,
        address=options.address or address_towards(parts.hostname),
        first_port=options.first_port,
        oui=options.oui,
        product_class=options.product_class,
        serial_prefix=options.serial_prefix,
        ca_file=options.ca_file,
        reboots=options.reboots,
        losses=options.losses,
        crashes=options.crashes,
        further=dict(options.option),
    )
    try:
        return _run(plan, workers, options.duration, as_json=options.json)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(plan: Plan, workers: int, duration: float, *, as_json: bool) -> int:
    report = Report(len(plan.numbers), without_credentials(plan.acs_url))
    supervisor = Supervisor(plan, workers, report, _screen(report))

    async def fleet() -> int:
        code = 0
        try:
            await supervisor.run(duration)
        except* WorkerEnded as errors:
            sys.stderr.write(f"cwmp fleet: {errors.exceptions[0]}\n")
            code = 1
        return code

    code = run_until_signal(fleet)
    if as_json:
        print(json.dumps(report.to_table(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(report.lines()))
    return code


def _screen(report: Report) -> Callable[[], None]:
    """What shows the report while it grows: a table in its place on a terminal, else a line now and then."""
    calls = drawn = 0

    def show() -> None:
        nonlocal calls, drawn
        calls += 1
        if not sys.stderr.isatty():
            if calls % _LINE_EVERY == 0:
                sys.stderr.write(report.line() + "\n")
            return
        width = shutil.get_terminal_size().columns
        lines = [line[: width - 1] for line in report.table()]
        sys.stderr.write((f"\x1b[{drawn}F" if drawn else "") + "\x1b[J" + "\n".join(lines) + "\n")
        sys.stderr.flush()
        drawn = len(lines)

    return show


def _place() -> str | None:
    """Where the routers live: in memory where that can be had, unless TMPDIR says otherwise."""
    return str(_RAM) if "TMPDIR" not in os.environ and os.access(_RAM, os.W_OK) else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cwmp fleet",
        description="Many virtual routers, with the real client code, against an ACS: a load test of it.",
        epilog="Ctrl-C ends it, with a report. Accidents come by chance, each SECONDS on average for one router.",
    )
    add = parser.add_argument
    add("--acs", required=True, metavar="URL", help="such as http://host:7547/")
    add("--count", type=_whole(1, MAX_ROUTERS), default=100, metavar="N", help="routers; default %(default)s")
    add("--interval", type=_whole(1, 2**32 - 1), default=60, metavar="SECONDS", help="PeriodicInformInterval")
    add("--rate", type=_seconds, default=20.0, metavar="N", help="routers switched on each second")
    add("--duration", type=_seconds, default=float("inf"), metavar="SECONDS", help="end after this time")
    add(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="its first line; {serial} stands for the serial number",
    )
    add("--ca-file", default="", metavar="FILE", help="PEM certificates to trust for https")
    add("--oui", default="02005E", help="ManufacturerOUI; default %(default)s")
    add("--product-class", default="Fleet", help="ProductClass; default %(default)s")
    add("--serial-prefix", default="FLEET-", help="of SerialNumber, with six digits after it")
    add("--address", default="", help="for connection requests; default the one the ACS sees")
    add(
        "--first-port",
        type=_whole(0, 65535),
        default=_FIRST_PORT,
        metavar="PORT",
        help="for those, of router 0; 0: any",
    )
    add("--reboots", type=_seconds, default=0.0, metavar="SECONDS", help="reboots of a router")
    add("--losses", type=_seconds, default=0.0, metavar="SECONDS", help="losses of its line")
    add("--crashes", type=_seconds, default=0.0, metavar="SECONDS", help="crashes of its client")
    add("--workers", type=_whole(1, 64), default=os.cpu_count() or 1, metavar="N", help="default one a core")
    add(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of /etc/config/cwmp",
    )
    add("--json", action="store_true", help="the report as JSON on standard output")
    return parser


def _whole(low: int, high: int) -> Callable[[str], int]:
    return partial(_number, low=low, high=high)


def _number(text: str, *, low: int, high: int) -> int:
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
    return int(text)


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if name not in OPTIONS:
        raise argparse.ArgumentTypeError(f"{name!r} is no option of /etc/config/cwmp")
    try:
        OPTIONS[name](value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"option {name!r}: {error}") from None
    return name, value


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return found


if __name__ == "__main__":
    sys.exit(main())
