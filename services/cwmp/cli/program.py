"""What the commands do: one or more ubus calls each, and lines or JSON out of the replies.

| command  | object, method                    | reply                                            |
|----------|-----------------------------------|--------------------------------------------------|
| status   | each of `OBJECTS`, ``status``     | any table                                        |
| inform   | cwmp ``inform{event}``            | any table                                        |
| reload   | cwmp ``reload``                   | any table                                        |
| get      | cwmp.datamodel ``get{paths, page}``   | ``{parameters: [{name, type, value}] [, next]}`` |
| set      | cwmp.datamodel ``set{values}``, then ``get`` | ``{status}``                          |
| names    | cwmp.datamodel ``names{path, next_level, page}`` | ``{names: [{name, writable}] [, next]}`` |
| add      | cwmp.datamodel ``add{object}``    | ``{instance, path, status}``                     |
| del      | cwmp.datamodel ``del{object}``    | ``{status}``                                     |

`next` is the page to ask for next. A reply with ``fault`` is a refusal.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cwmp.cli.arguments import parser
from cwmp.contract.faults import Fault
from ubuskit.blocking import BlockingClient
from ubuskit.errors import (
    CallTimeout,
    ConnectionFailed,
    Disconnected,
    InvalidArgument,
    MethodNotFound,
    NotFound,
    PermissionDenied,
    UbusError,
)

SESSION, DATAMODEL = "cwmp", "cwmp.datamodel"
OBJECTS = (SESSION, DATAMODEL, "cwmp.firmware", "cwmp.diagnostics")

DONE, REFUSED, UNREACHABLE = 0, 1, 3

Reply = Mapping[str, Any]


class _Unreachable(Exception):
    """The bus, or a service on it, does not answer; the text says what to do."""


class _Bus:
    """Calls with the command's time-out, errors in words, faults raised."""

    def __init__(self, client: BlockingClient, timeout: float) -> None:
        self._client = client
        self._timeout = timeout

    def call(self, obj: str, method: str, args: Reply | None = None) -> Reply:
        try:
            reply = self._client.call(obj, method, args, timeout=self._timeout)
        except NotFound:
            raise _Unreachable(f"{obj} is not on the bus: is the service running?") from None
        except CallTimeout:
            raise _Unreachable(f"{obj} did not answer within {self._timeout:g} s (--timeout)") from None
        except MethodNotFound:
            raise _Unreachable(f"{obj} has no method {method}: install matching packages") from None
        except PermissionDenied:
            raise _Unreachable(f"this user may not call {obj} {method}: try as root") from None
        except InvalidArgument:
            raise Fault(9003, f"{obj} {method} refused the arguments") from None
        except Disconnected as error:
            raise _Unreachable(str(error)) from None
        except UbusError as error:
            raise Fault(9002, f"{obj} {method}: {error}") from None
        if isinstance(fault := reply.get("fault"), dict):
            raise Fault.from_table(fault)
        return reply

    def pages(self, obj: str, method: str, args: Reply, key: str) -> list[Mapping[str, Any]]:
        """All pages of a listing, under `key` in each reply."""
        rows: list[Mapping[str, Any]] = []
        page: int | None = 0
        while page is not None:
            reply = self.call(obj, method, {**args, "page": page} if page else args)
            rows += reply.get(key, [])
            page = reply.get("next")
        return rows


def run(arguments: list[str]) -> int:
    """Run the command line; the exit code."""
    options = parser().parse_args(arguments)
    try:
        with BlockingClient(options.bus, connect_timeout=min(options.timeout, 1.0)) as client:
            reply, lines = _COMMANDS[options.command](_Bus(client, options.timeout), options)
    except Fault as fault:
        _complain(fault, options.json)
        return REFUSED
    except ConnectionFailed:
        sys.stderr.write(f"cwmp: there is no ubus daemon at {options.bus} (--bus)\n")
        return UNREACHABLE
    except (_Unreachable, UbusError) as error:
        sys.stderr.write(f"cwmp: {error}\n")
        return UNREACHABLE
    try:
        if options.json:
            print(json.dumps(reply, indent=2, ensure_ascii=False))
        else:
            for line in lines:
                print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough; Python's own flush at exit must not trip over it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


def _complain(fault: Fault, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(json.dumps({"fault": fault.to_table()}, ensure_ascii=False) + "\n")
        return
    sys.stderr.write(f"Fault {fault.code}: {fault.text}\n")
    for item in fault.parameters:
        sys.stderr.write(f"  {item.name}: {item.code} {item.text}\n")


def _status(bus: _Bus, _: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    found: dict[str, Any] = {SESSION: bus.call(SESSION, "status")}
    for name in OBJECTS[1:]:
        try:
            found[name] = bus.call(name, "status")
        except _Unreachable as error:
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


def _inform(bus: _Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    reply = bus.call(SESSION, "inform", {"event": options.event} if options.event else {})
    return reply, _indented(reply or {"inform": "on its way"}, "")


def _reload(bus: _Bus, _: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    reply = bus.call(SESSION, "reload")
    return reply, _indented(reply, "")


def _get(bus: _Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    rows = bus.pages(DATAMODEL, "get", {"paths": options.paths}, "parameters")
    return rows, (f"{row['name']} => {row['value']}" for row in rows)


def _set(bus: _Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    paths = [path for path, _ in options.values]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        raise Fault(9003, f"{', '.join(twice)} is given twice")
    reply = bus.call(DATAMODEL, "set", {"values": dict(options.values)})
    rows = bus.pages(
        DATAMODEL, "get", {"paths": paths}, "parameters"
    )  # as they read now: no password is shown
    return reply, (f"{row['name']} => {row['value']}" for row in rows)


def _names(bus: _Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    rows = bus.pages(DATAMODEL, "names", {"path": options.path, "next_level": options.next_level}, "names")
    return rows, (f"{'rw' if row['writable'] else 'ro'} {row['name']}" for row in rows)


def _add(bus: _Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    reply = bus.call(DATAMODEL, "add", {"object": options.object})
    return reply, iter([str(reply.get("path"))])


def _del(bus: _Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    return bus.call(DATAMODEL, "del", {"object": options.object}), iter([])


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


_COMMANDS: Mapping[str, Callable[[_Bus, argparse.Namespace], tuple[Any, Iterator[str]]]] = {
    "status": _status,
    "inform": _inform,
    "reload": _reload,
    "get": _get,
    "set": _set,
    "names": _names,
    "add": _add,
    "del": _del,
}
