"""The diagnostics service as others see it: parameters for the data model, methods for everybody.

Object ``cwmp.diagnostics``::

    run     {type, args: {name: value}}   {state, results: {...}} or {fault: {code, text, parameters}}
    status  {}                            {tests: {type: {state, inputs, results}}, running: [types],
                                           progress: {type: {done, total, rates: [per s]}}}
    cancel  {type}                        {cancelled: n}: tests started by `run`

Results are by parameter name; a table is an array of rows.

`run` makes a test for its caller and answers with what came out; the data model and the ACS see nothing of it.
Values are XML text; numbers and booleans are taken as well. A caller wants a time limit that suits the test.
How far it is, is told meanwhile: event ``cwmp.diagnostics.progress`` ``{type, done, total, rate}``; `status` has the
same with the rates of the last two minutes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import trio

from cwmp.contract import Empty, Fault, FaultCode, ParameterFault
from cwmp.contract.diagnostics import FINISHED, Finished
from cwmp.contract.parameters import (
    GetParameters,
    Parameters,
    SetParameters,
    get_parameters,
    set_parameters,
)
from cwmp.contract.session import RAISE_EVENT, RaiseEvent
from cwmp.diagnostics import echoserver, neighboringwifi, selftest, states
from cwmp.diagnostics.definition import Definition, Means
from cwmp.diagnostics.download import DOWNLOAD
from cwmp.diagnostics.echoserver import EchoServer
from cwmp.diagnostics.interface import device_of
from cwmp.diagnostics.ipping import IP_PING
from cwmp.diagnostics.neighboringwifi import NEIGHBORING_WIFI
from cwmp.diagnostics.nslookup import NS_LOOKUP
from cwmp.diagnostics.progress import Reporter
from cwmp.diagnostics.record import Record
from cwmp.diagnostics.runner import Runner, perform
from cwmp.diagnostics.selftest import SELF_TEST
from cwmp.diagnostics.serverselection import SERVER_SELECTION
from cwmp.diagnostics.traceroute import TRACE_ROUTE
from cwmp.diagnostics.udpecho import UDP_ECHO
from cwmp.diagnostics.upload import UPLOAD
from cwmp.runtime import Runtime, StateFile
from cwmp.runtime.quiet import SessionWatch
from ubuskit.client import Method, Request

OBJECT = "cwmp.diagnostics"

TESTS: tuple[Definition, ...] = (
    IP_PING,
    TRACE_ROUTE,
    NS_LOOKUP,
    UDP_ECHO,
    DOWNLOAD,
    UPLOAD,
    SERVER_SELECTION,
    SELF_TEST,
    NEIGHBORING_WIFI,
)
"""All there are; a new one needs its module, a line here, and its parameters in the data model."""

_EVENT = "8 DIAGNOSTICS COMPLETE"
_MAX_LOCAL = 8


async def serve(runtime: Runtime) -> None:
    """Run the service until it is cancelled."""
    service = _Service(runtime)
    await service.start()
    await runtime.peers.ready()
    await runtime.serve_while_needed(service.run, service.idle)


class _Service:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._line = trio.Lock()
        self._means = Means(
            lambda row: device_of(row, runtime.peers, runtime.bus),
            runtime.log,
            selftest.checks(runtime),
            neighboringwifi.scanner(runtime),
        )
        self._session = SessionWatch(runtime.peers, runtime.log)
        self._inputs = runtime.state("inputs", 1)
        self._progress = StateFile(runtime.paths.run_dir / "diagnostics.json", 1, runtime.log)
        self._local: list[tuple[Reporter, trio.CancelScope]] = []
        inputs, progress = self._inputs.load(), self._progress.load()
        kept = progress.get("tests") if progress.get("boot_id") == runtime.boot_id else None
        self._runners = {
            test.name: Runner(
                Record.new(test).restored(
                    inputs.get(test.name), kept.get(test.name) if isinstance(kept, dict) else None
                ),
                means=self._means,
                session=self._session,
                line=self._line,
                save=self._save,
                report=self._report,
                log=runtime.log,
            )
            for test in TESTS
        }
        self._echo = EchoServer(inputs.get(echoserver.NAME), means=self._means, save=self._save_echo)
        self._owners: tuple[Runner | EchoServer, ...] = (*self._runners.values(), self._echo)

    async def start(self) -> None:
        peers = self._runtime.peers
        peers.answer(get_parameters("diagnostics"), self._get_parameters)
        peers.answer(set_parameters("diagnostics"), self._set_parameters)
        await self._session.listen()
        await self._runtime.bus.add_object(
            OBJECT,
            {
                "run": Method(_with_faults(self._on_run), {"type": str, "args": dict}),
                "status": Method(self._on_status),
                "cancel": Method(_with_faults(self._on_cancel), {"type": str}),
            },
        )

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for owner in self._owners:
                nursery.start_soon(owner.run)

    def idle(self) -> bool:
        """Whether no test runs or waits, and no echo is served."""
        return not self._local and not any(owner.active for owner in self._owners)

    # Parameters

    async def _get_parameters(self, args: GetParameters, _request_id: str) -> Parameters:
        found: dict[str, str] = {}
        for owner in self._owners:
            for name, value in owner.parameters().items():
                if any(name.startswith(path) for path in args.paths):
                    found[name] = value
        return Parameters(list(found), list(found.values()))

    async def _set_parameters(self, args: SetParameters, _request_id: str) -> Empty:
        if len(args.names) != len(args.values):
            raise Fault(FaultCode.INTERNAL_ERROR, "as many values as names are needed")
        wanted, wrong = self._sorted(dict(zip(args.names, args.values, strict=True)))
        for owner, values in wanted:
            wrong += owner.check(values)
        if wrong:
            raise Fault(FaultCode.INVALID_ARGUMENTS, "some parameters cannot be set", wrong)
        if not args.check_only:
            for owner, values in wanted:
                self._write(owner, values)
        return Empty()

    def _sorted(
        self, values: Mapping[str, str]
    ) -> tuple[list[tuple[Runner | EchoServer, dict[str, str]]], list[ParameterFault]]:
        """Values by owner, with names without their path; and what belongs to none."""
        by_owner: dict[Runner | EchoServer, dict[str, str]] = {}
        wrong: list[ParameterFault] = []
        for name, value in values.items():
            owner = next((o for o in self._owners if name.startswith(o.path)), None)
            if owner is None:
                text = "no test has this parameter"
                wrong.append(ParameterFault(name, FaultCode.INVALID_PARAMETER_NAME, text))
            else:
                by_owner.setdefault(owner, {})[name.removeprefix(owner.path)] = value
        return list(by_owner.items()), wrong

    def _write(self, owner: Runner | EchoServer, values: Mapping[str, str]) -> None:
        try:
            owner.write(values)
        except OSError as error:
            raise Fault(
                FaultCode.INTERNAL_ERROR, f"it could not be recorded durably: {error.strerror}"
            ) from None

    def _save(self, record: Record) -> None:
        records = {name: runner.record for name, runner in self._runners.items()}
        records[record.definition.name] = record
        self._save_inputs(records, self._echo.inputs)
        self._progress.save(
            {
                "boot_id": self._runtime.boot_id,
                "tests": {name: r.to_document() for name, r in records.items()},
            }
        )

    def _save_echo(self, inputs: Mapping[str, str]) -> None:
        self._save_inputs({name: runner.record for name, runner in self._runners.items()}, inputs)

    def _save_inputs(self, records: Mapping[str, Record], echo: Mapping[str, str]) -> None:
        inputs = {name: dict(record.inputs) for name, record in records.items()}
        self._inputs.save({**inputs, echoserver.NAME: dict(echo)})

    async def _report(self, definition: Definition, state: str) -> bool:
        await self._runtime.peers.tell(FINISHED, Finished(definition.name, state))
        try:
            await self._runtime.peers.request(RAISE_EVENT, RaiseEvent(_EVENT))
        except Fault as fault:
            self._runtime.log.warning("'%s' could not be raised: %s", _EVENT, fault.text)
            return False
        return True

    # Methods

    async def _on_run(self, request: Request) -> Mapping[str, Any]:
        test = _test(request)
        given = {name: _text(value) for name, value in request.args.get("args", {}).items()}
        inputs = {**test.defaults(), **given}
        wrong = test.check(given, inputs)
        if wrong:
            named = "; ".join(f"{p.name.removeprefix(test.path)}: {p.text}" for p in wrong)
            raise Fault(FaultCode.INVALID_ARGUMENTS, named, wrong)
        if missing := test.missing(inputs):
            raise Fault(FaultCode.INVALID_ARGUMENTS, missing)
        reporter = Reporter(test.name, self._runtime.peers)
        means = dataclasses.replace(self._means, progress=reporter.note)
        with self._started(reporter) as scope:
            async with reporter.telling():
                outcome = await perform(test, inputs, means, self._line)
        if scope.cancelled_caught:
            return {"state": states.CANCELED, "results": {}}
        answer = {"state": outcome.state, "results": {**test.results, **outcome.results}}
        return {**answer, "why": outcome.why} if outcome.why else answer

    @contextmanager
    def _started(self, reporter: Reporter) -> Iterator[trio.CancelScope]:
        if len(self._local) >= _MAX_LOCAL:
            raise Fault(FaultCode.RESOURCES_EXCEEDED, f"{_MAX_LOCAL} tests are running or waiting already")
        with trio.CancelScope() as scope:
            entry = (reporter, scope)
            self._local.append(entry)
            try:
                yield scope
            finally:
                self._local.remove(entry)

    async def _on_status(self, _request: Request) -> Mapping[str, Any]:
        return {
            "tests": {
                name: {
                    "state": runner.record.state,
                    "inputs": dict(runner.record.inputs),
                    "results": dict(runner.record.results),
                }
                for name, runner in self._runners.items()
            },
            "running": [reporter.name for reporter, _ in self._local]
            + [name for name, r in self._runners.items() if r.record.state == states.REQUESTED],
            "progress": {reporter.name: reporter.so_far() for reporter, _ in self._local},
        }

    async def _on_cancel(self, request: Request) -> Mapping[str, Any]:
        test = _test(request)
        scopes = [scope for reporter, scope in self._local if reporter.name == test.name]
        for scope in scopes:
            scope.cancel()
        return {"cancelled": len(scopes)}


def _test(request: Request) -> Definition:
    wanted = request.args.get("type", "")
    for test in TESTS:
        if test.name.lower() == wanted.lower():
            return test
    names = ", ".join(test.name for test in TESTS)
    raise Fault(FaultCode.INVALID_ARGUMENTS, f"there is no test '{wanted[:64]}', only {names}")


def _text(value: Any) -> str:
    """A value from ubus as XML text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else "?"


def _with_faults(
    handler: Callable[[Request], Awaitable[Mapping[str, Any]]],
) -> Callable[[Request], Awaitable[Mapping[str, Any]]]:
    """A method whose Faults are its answer: the caller reads the code and a sentence, not a bare status."""

    async def method(request: Request) -> Mapping[str, Any]:
        try:
            return await handler(request)
        except Fault as fault:
            return {"fault": fault.to_table()}

    return method
