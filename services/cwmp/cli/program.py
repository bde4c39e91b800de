"""What the commands do: one or more ubus calls each, and lines or JSON out of the replies.

| command  | object, method                    | reply                                            |
|----------|-----------------------------------|--------------------------------------------------|
| status   | each of `OBJECTS`, ``status``     | any table                                        |
| inform   | cwmp ``inform{event}``            | ``{accepted, info}``                             |
| reload   | cwmp ``reload``                   | any table                                        |
| reset    | cwmp ``reset``                    | ``{info}``                                       |
| history  | cwmp ``history``                  | ``{sessions: [{start, result, calls, ...}]}``    |
| trace    | cwmp ``trace{enable}``, ``traced{since}`` | ``{messages, last, more}``               |
| log      | cwmp ``log{level}``               | ``{level}``                                      |
| get      | cwmp.datamodel ``get{paths, page}``   | ``{parameters: [{name, type, value}] [, next]}`` |
| set      | cwmp.datamodel ``set{values, dry_run}``, then ``get`` | ``{status}``                 |
| names    | cwmp.datamodel ``names{path, next_level, page}`` | ``{names: [{name, writable}] [, next]}`` |
| add      | cwmp.datamodel ``add{object}``    | ``{instance, path, status}``                     |
| del      | cwmp.datamodel ``del{object}``    | ``{status}``                                     |
| model explain | cwmp.datamodel ``describe{path}``, then ``get`` | any table                     |
| diag     | cwmp.diagnostics ``run{type, args}`` | ``{state, results, why}``                     |
| transfers | cwmp.firmware ``status``, ``cancel``, ``confirm``, ``download``, ``upload`` | see `transfers` |
| modules | cwmp.firmware ``modules`` | see `modules` |

`check` is by itself (`check`), but for ``--inform``; so are `model lint` and `model coverage`.
`fleet` becomes another program (`fleet`).
`next` is the page to ask for next. A reply with ``fault`` is a refusal.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, nullcontext
from typing import Any

from cwmp.cli.arguments import parser
from cwmp.cli.bus import DATAMODEL, SESSION, Bus, Reply, Unreachable
from cwmp.cli.check import Report, check, inform
from cwmp.cli.diag import DIAGNOSTICS, diag
from cwmp.cli.fleet import fleet
from cwmp.cli.history import history
from cwmp.cli.model import OFFLINE, explain, offline
from cwmp.cli.modules import modules
from cwmp.cli.trace import trace
from cwmp.cli.transfers import transfers
from cwmp.contract.faults import Fault
from ubuskit.blocking import BlockingClient
from ubuskit.errors import ConnectionFailed, UbusError

OBJECTS = (SESSION, DATAMODEL, "cwmp.firmware", DIAGNOSTICS)

DONE, REFUSED, UNREACHABLE = 0, 1, 3


def run(arguments: list[str]) -> int:
    """Run the command line; the exit code."""
    if arguments[:1] == ["fleet"]:  # its options are its own
        return fleet(arguments[1:])
    options = parser().parse_args(arguments)
    try:
        if options.command == "fleet":  # after options that it does not have
            return fleet([])
        if options.command == "check":
            return _check(options)
        if options.command == "model" and options.action in OFFLINE:
            return offline(options)
        with BlockingClient(options.bus, connect_timeout=min(options.timeout, 1.0)) as client:
            bus = Bus(client, getattr(options, "within", options.timeout))
            reply, lines = _COMMANDS[options.command](bus, options)
            _show(reply, lines, options.json)
            if options.command == "diag" and reply.get("state") != "Complete":
                return REFUSED
            if options.command == "inform" and reply.get("accepted") is False:
                return REFUSED
    except Fault as fault:
        _complain(fault, options.json)
        return REFUSED
    except ConnectionFailed:
        sys.stderr.write(f"cwmp: there is no ubus daemon at {options.bus} (--bus)\n")
        return UNREACHABLE
    except (Unreachable, UbusError) as error:
        sys.stderr.write(f"cwmp: {error}\n")
        return UNREACHABLE
    except KeyboardInterrupt:  # how `trace follow` ends
        pass
    return DONE


def _check(options: argparse.Namespace) -> int:
    """The one command that works without the services; the bus is needed for ``--inform`` only."""
    report = check(options)
    found = report.tables() if options.json else []
    if not options.json:
        _show(None, report.lines(), False)
    if options.inform and not report.wrong:
        with BlockingClient(options.bus, connect_timeout=min(options.timeout, 1.0)) as client:
            session = Report(inform(Bus(client, options.timeout), options.timeout))
            found += session.tables() if options.json else []
            if not options.json:
                _show(None, session.lines(), False)
            report.wrong = session.wrong
    if options.json:
        _show(found, iter(()), True)
    return REFUSED if report.wrong else DONE


def _show(reply: Any, lines: Iterator[str], as_json: bool) -> None:
    """The reply as JSON, one document, or one a line where it is an iterator that goes on; or as lines."""
    try:
        if not as_json:
            shown = lines
        elif isinstance(reply, Iterator):
            shown = (json.dumps(item, ensure_ascii=False) for item in reply)
        else:
            shown = iter([json.dumps(reply, indent=2, ensure_ascii=False)])
        with closing(shown) if isinstance(shown, Generator) else nullcontext():
            for line in shown:
                print(line, flush=isinstance(reply, Iterator))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough; Python's own flush at exit must not trip over it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(fault: Fault, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(json.dumps({"fault": fault.to_table()}, ensure_ascii=False) + "\n")
        return
    sys.stderr.write(f"Fault {fault.code}: {fault.text}\n")
    for item in fault.parameters:
        sys.stderr.write(f"  {item.name}: {item.code} {item.text}\n")


def _status(bus: Bus, _: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    found: dict[str, Any] = {SESSION: bus.call(SESSION, "status")}
    for name in OBJECTS[1:]:
        try:
            found[name] = bus.call(name, "status")
        except Unreachable as error:
            found[name] = {"error": str(error)}

    def lines() -> Iterator[str]:
        for name, table in found.items():
            yield name
            yield from _indented(_brief(table), "  ")

    return found, lines()


def _brief(table: Reply) -> Reply:
    """A status for people: of a test that has not run, its state says enough."""
    tests = table.get("tests")
    if not isinstance(tests, Mapping):
        return table
    idle = {name: test["state"] for name, test in tests.items() if test.get("state") == "None"}
    return {**table, "tests": {**tests, **idle}}


def _inform(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    reply = bus.call(SESSION, "inform", {"event": options.event} if options.event else {})
    return reply, iter([str(reply.get("info") or "session starts")])


def _reload(bus: Bus, _: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    reply = bus.call(SESSION, "reload")
    return reply, _indented(reply, "")


def _reset(bus: Bus, _: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    reply = bus.call(SESSION, "reset")
    return reply, iter([f"reset: {reply.get('info', '')}"])


def _get(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    rows = bus.pages(DATAMODEL, "get", {"paths": options.paths}, "parameters")
    return rows, (f"{row['name']} => {row['value']}" for row in rows)


def _set(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    paths = [path for path, _ in options.values]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        raise Fault(9003, f"{', '.join(twice)} is given twice")
    values = dict(options.values)
    if options.dry_run:
        reply = bus.call(DATAMODEL, "set", {"values": values, "dry_run": True})
        when = "after the session that runs" if reply.get("status") else "at once"
        return reply, iter([f"would be set, in force {when}"])
    reply = bus.call(DATAMODEL, "set", {"values": values})
    rows = bus.pages(
        DATAMODEL, "get", {"paths": paths}, "parameters"
    )  # as they read now: no password is shown
    return reply, (f"{row['name']} => {row['value']}" for row in rows)


def _names(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    rows = bus.pages(DATAMODEL, "names", {"path": options.path, "next_level": options.next_level}, "names")
    return rows, (f"{'rw' if row['writable'] else 'ro'} {row['name']}" for row in rows)


def _add(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    reply = bus.call(DATAMODEL, "add", {"object": options.object})
    return reply, iter([str(reply.get("path"))])


def _del(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    return bus.call(DATAMODEL, "del", {"object": options.object}), iter([])


def _log(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    reply = bus.call(SESSION, "log", {"level": options.level} if options.level else {})
    return reply, iter([str(reply["level"])])


def _indented(value: Any, indent: str) -> Iterator[str]:
    """A table as lines ``name: value``, what is inside it indented; lists item by item."""
    items = value.items() if isinstance(value, Mapping) else ((f"{n}", v) for n, v in enumerate(value, 1))
    for name, item in items:
        if isinstance(item, Mapping | list):
            yield f"{indent}{name}:" if item else f"{indent}{name}: (none)"
            yield from _indented(item, indent + "  ")
        else:
            yield f"{indent}{name}: {_text(item)}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


_COMMANDS: Mapping[str, Callable[[Bus, argparse.Namespace], tuple[Any, Iterator[str]]]] = {
    "status": _status,
    "inform": _inform,
    "reload": _reload,
    "reset": _reset,
    "history": history,
    "trace": trace,
    "log": _log,
    "get": _get,
    "set": _set,
    "names": _names,
    "add": _add,
    "del": _del,
    "diag": diag,
    "transfers": transfers,
    "modules": modules,
    "model": explain,
}
