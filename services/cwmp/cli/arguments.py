"""The command line of `cwmp`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from cwmp.cli import diag, fleet, modules, transfers
from ubuskit import DEFAULT_SOCKET

_EXAMPLES = """\
examples:
  cwmp status                                  what the client does, its last error, its next session
  cwmp inform                                  a session with the ACS now
  cwmp inform "2 PERIODIC"                     ... with this event
  cwmp check                                   why there is no session, and what to do
  cwmp history                                 the last sessions, RPC by RPC
  cwmp trace follow                            what is said between us and the ACS, as it happens
  cwmp log debug                               log every step, until the restart or `cwmp log default`
  cwmp get Device.DeviceInfo.                  everything below a path that ends in a dot
  cwmp get Device.WiFi.SSID.1.SSID Device.Time.
  cwmp set Device.WiFi.SSID.1.SSID='My network'
  cwmp set - < passwords                       lines of PATH=VALUE, seen by nobody else
  cwmp names Device.                           names, and whether they can be written (rw, ro)
  cwmp add Device.DHCPv4.Server.Pool.          a new row; prints its path
  cwmp del Device.DHCPv4.Server.Pool.2.
  cwmp diag ping 192.0.2.1                     a test from this router; also traceroute, nslookup, download ...
  cwmp transfers follow                        files on their way, with a bar; also cancel ID, confirm ID
  cwmp model explain Device.WiFi.SSID.1.SSID   where it comes from, its value, who is told of a new one
  cwmp model lint Mine.toml                    the mistakes in a mapping file
  cwmp --json get Device.DeviceInfo. | jq .

exit codes:
  0 done   1 refused, with a fault on stderr (check: something is wrong)   2 wrong usage
  3 a service or the bus is not reachable
"""


def parser(environ: Mapping[str, str] = os.environ) -> argparse.ArgumentParser:
    """The parser; its result has `command`, `json`, `bus`, `timeout` and the command's own arguments."""
    main = argparse.ArgumentParser(
        prog="cwmp",
        description="Shows and controls the TR-069 client of this router.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    main.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    _add_common(main, environ.get("UBUS_SOCKET") or DEFAULT_SOCKET, json=False, timeout=30.0)
    common = argparse.ArgumentParser(
        add_help=False
    )  # the same once more, so that they may follow the command
    _add_common(common, argparse.SUPPRESS, json=argparse.SUPPRESS, timeout=argparse.SUPPRESS)
    commands = main.add_subparsers(dest="command", metavar="COMMAND", required=True)

    commands.add_parser("status", parents=[common], help="what the services do")
    inform = commands.add_parser("inform", parents=[common], help="open a session with the ACS now")
    inform.add_argument(
        "event", nargs="?", default="", metavar="EVENT", help='an event code such as "2 PERIODIC"'
    )
    check = commands.add_parser("check", parents=[common], help="why there is no session, and what to do")
    check.add_argument("--inform", action="store_true", help="open a real session, too")
    check.add_argument(
        "--uci-dir",
        metavar="PATH",
        default=environ.get("UCI_CONFIG_DIR") or "/etc/config",
        help="the configuration (UCI_CONFIG_DIR)",
    )
    check.add_argument(
        "--sysroot", metavar="PATH", default=environ.get("CWMP_SYSROOT") or "/", help=argparse.SUPPRESS
    )
    commands.add_parser("history", parents=[common], help="the last sessions, each RPC with its duration")
    trace = commands.add_parser("trace", parents=[common], help="the messages to and from the ACS, redacted")
    trace.add_argument(
        "action", choices=("on", "off", "show", "follow"), help="follow: as they come, until interrupted"
    )
    log = commands.add_parser(
        "log", parents=[common], help="how much the services log, and to log more or less"
    )
    log.add_argument(
        "level",
        nargs="?",
        choices=("debug", "info", "warning", "error", "default"),
        help="until the services are restarted; default: as configured",
    )
    get = commands.add_parser("get", parents=[common], help="read parameters")
    get.add_argument("paths", nargs="+", metavar="PATH", help="a parameter, or a path that ends in a dot")
    put = commands.add_parser("set", parents=[common], help="set parameters, all or none")
    put.add_argument(
        "values",
        nargs="+",
        metavar="PATH=VALUE",
        type=_assignment,
        action=_Assignments,
        help="- stands for lines of PATH=VALUE on standard input: other users can see a command's arguments",
    )
    put.add_argument("--dry-run", action="store_true", help="only say whether they would be taken")
    names = commands.add_parser("names", parents=[common], help="list names")
    names.add_argument("path", nargs="?", default="", metavar="PATH", help="everything without it")
    names.add_argument("--next-level", action="store_true", help="only what is directly below PATH")
    add = commands.add_parser("add", parents=[common], help="add a row to a table")
    add.add_argument("object", metavar="OBJECT", help="the table's path, ending in a dot")
    delete = commands.add_parser("del", parents=[common], help="delete a row of a table")
    delete.add_argument("object", metavar="OBJECT", help="the row's path, ending in a dot")
    diag.add_parser(commands, common)
    transfers.add_parser(commands, common)
    modules.add_parser(commands, common)
    model = commands.add_parser(
        "model", parents=[common], help="what parameters are bound to; check mapping files"
    )
    model.add_argument(
        "action",
        choices=("explain", "lint", "coverage"),
        help="explain PATH..., lint [--model TR181.json] FILE..., coverage [--all] TR181.json",
    )
    model.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")
    commands.add_parser(
        "reset", parents=[common], help="forget ACS, events and retries: the next session is a bootstrap"
    )
    commands.add_parser("reload", parents=[common], help="have the services read their configuration again")
    commands.add_parser("fleet", add_help=False, help=fleet.HELP)
    return main


def _add_common(to: argparse.ArgumentParser, bus: str, *, json: Any, timeout: Any) -> None:
    to.add_argument("--json", action="store_true", default=json, help="print JSON instead of lines")
    to.add_argument("--bus", metavar="PATH", default=bus, help="the ubus socket (UBUS_SOCKET)")
    to.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=diag.seconds_up_to(3600),
        default=timeout,
        help="how long to wait; default 30",
    )


class _Assignments(argparse.Action):
    """Puts the lines of standard input in the place of ``-``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        found: list[tuple[str, str]] = []
        for value in values:
            if value != _FROM_INPUT:
                found.append(value)
                continue
            for number, line in enumerate(sys.stdin.read(_MOST_INPUT).splitlines(), 1):
                try:
                    found.append(_assignment(line))
                except argparse.ArgumentTypeError:  # the line may hold a secret: it is not shown
                    parser.error(f"standard input, line {number} is not PATH=VALUE")
        setattr(namespace, self.dest, found)


_FROM_INPUT = ("-", "")
_MOST_INPUT = 1 << 20


def _assignment(text: str) -> tuple[str, str]:
    if text == "-":
        return _FROM_INPUT
    path, sign, value = text.partition("=")
    if not sign or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not PATH=VALUE")
    return path, value


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib import metadata  # noqa: PLC0415  # slow, and seldom asked for

        try:
            version = metadata.version("tr069-client")
        except metadata.PackageNotFoundError:
            version = "(not installed)"
        print(f"cwmp {version}")
        parser.exit()
