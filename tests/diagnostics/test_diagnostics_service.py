"""The diagnostics service on a bus: parameters, the ACS's tests, and those of others."""

from __future__ import annotations

import dataclasses
import errno
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
from tests.conftest import StartService
from tests.processes import running

from cwmp.contract import Empty, Fault
from cwmp.contract.datamodel import GET_VALUES, GetValues, Values
from cwmp.contract.diagnostics import FINISHED, Finished
from cwmp.contract.parameters import GetParameters, SetParameters, get_parameters, set_parameters
from cwmp.contract.session import GET_STATE, RAISE_EVENT, STATE, RaiseEvent, State
from cwmp.diagnostics import service
from cwmp.diagnostics.definition import Means, Outcome
from cwmp.diagnostics.ipping import IP_PING
from cwmp.runtime import Paths, Runtime, StateFile
from ubuskit.client import Client, Method, Request

PATH = "Device.IP.Diagnostics.IPPing."

pytestmark = pytest.mark.usefixtures("icmp_sockets")


class Session:
    """The session service's part, and the ACS's behind it."""

    def __init__(self) -> None:
        self.open = False
        self.raised: list[RaiseEvent] = []
        self.finished: list[Finished] = []
        self.refuses = False
        self.asked = trio.Event()
        self._changed = trio.Event()
        self._runtime: Runtime | None = None

    async def serve(self, runtime: Runtime) -> None:
        self._runtime = runtime
        runtime.peers.answer(GET_STATE, self._state)
        runtime.peers.answer(RAISE_EVENT, self._raise)
        await runtime.peers.hear(FINISHED, self.finished.append)
        await runtime.peers.ready()
        await trio.sleep_forever()

    async def _state(self, _args: Empty, _id: str) -> State:
        self.asked.set()
        return State(self.open)

    async def _raise(self, args: RaiseEvent, _id: str) -> Empty:
        if self.refuses:
            raise Fault(9002, "the flash is full")
        self.raised.append(args)
        self._changed.set()
        self._changed = trio.Event()
        return Empty()

    @property
    def peers(self) -> Any:
        assert self._runtime is not None
        return self._runtime.peers

    async def end(self) -> None:
        self.open = False
        await self.peers.tell(STATE, State(False))

    async def write(self, check_only: bool = False, **values: str) -> None:
        names = [PATH + name for name in values]
        request = SetParameters(names, list(values.values()), check_only)
        await self.peers.request(set_parameters("diagnostics"), request)

    async def read(self) -> dict[str, str]:
        found = await self.peers.request(get_parameters("diagnostics"), GetParameters([PATH]))
        return {n.removeprefix(PATH): value for n, value in zip(found.names, found.values, strict=True)}

    async def event(self, count: int = 1) -> None:
        with trio.fail_after(20):
            while len(self.raised) < count:
                changed = self._changed
                await changed.wait()


@pytest.fixture
async def session(start_service: StartService) -> Session:
    found = Session()
    await start_service("session", found.serve)
    return found


Start = Callable[[], Awaitable[Runtime]]


@pytest.fixture
def start(start_service: StartService, session: Session) -> Start:
    async def begin() -> Runtime:
        return await start_service("diagnostics", service.serve)

    return begin


async def stop(runtime: Runtime) -> None:
    runtime.nursery.cancel_scope.cancel()
    with trio.fail_after(5):
        while runtime.nursery.child_tasks:
            await trio.lowlevel.checkpoint()


class Gate:
    """A test that goes on when it is told to, in the place of IPPing's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[dict[str, str]] = []
        self.aborted = 0
        self._begins = trio.Event()
        self._go = trio.Event()
        definition = dataclasses.replace(IP_PING, run=self._run)
        monkeypatch.setattr(service, "TESTS", (definition,))

    async def _run(self, inputs: Any, means: Means) -> Outcome:
        self.begun.append(dict(inputs))
        self._begins.set()
        try:
            await self._go.wait()
        except trio.Cancelled:
            self.aborted += 1
            raise
        return Outcome("Complete", {"SuccessCount": inputs["NumberOfRepetitions"]})

    async def begins(self) -> None:
        with trio.fail_after(10):
            await self._begins.wait()
        self._begins = trio.Event()

    def go(self) -> None:
        self._go.set()
        self._go = trio.Event()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


async def test_p39_a_test_for_the_acs(start: Start, session: Session) -> None:
    session.open = True
    await start()
    assert (await session.read())["DiagnosticsState"] == "None"
    await session.write(Host="127.0.0.1", NumberOfRepetitions="2", DiagnosticsState="Requested")
    with trio.fail_after(5):
        await session.asked.wait()
    found = await session.read()
    assert (found["DiagnosticsState"], found["SuccessCount"]) == ("Requested", "0")
    assert session.raised == []
    await session.end()
    await session.event()
    found = await session.read()
    assert (found["DiagnosticsState"], found["SuccessCount"], found["FailureCount"]) == ("Complete", "2", "0")
    assert found["IPAddressUsed"] == "127.0.0.1"
    assert session.raised == [RaiseEvent("8 DIAGNOSTICS COMPLETE", "")]
    assert session.finished == [Finished("IPPing", "Complete")]


async def test_p39_an_error_is_reported_like_a_success(start: Start, session: Session) -> None:
    await start()
    await session.write(Host="127.0.0.1", ProtocolVersion="IPv6", DiagnosticsState="Requested")
    await session.event()
    assert (await session.read())["DiagnosticsState"] == "Error_CannotResolveHostName"
    assert session.finished == [Finished("IPPing", "Error_CannotResolveHostName")]


async def test_all_parameters_are_there(start: Start, session: Session) -> None:
    await start()
    assert set(await session.read()) == {"DiagnosticsState", *IP_PING.inputs, *IP_PING.results}


async def test_refusals_name_every_parameter_and_change_nothing(start: Start, session: Session) -> None:
    await start()
    before = await session.read()
    for check_only in (True, False):
        with pytest.raises(Fault) as caught:
            await session.write(check_only, Host="h", DSCP="64", SuccessCount="1", DiagnosticsState="None")
        assert caught.value.code == 9003
        assert {(p.name.removeprefix(PATH), p.code) for p in caught.value.parameters} == {
            ("DSCP", 9007),
            ("SuccessCount", 9008),
            ("DiagnosticsState", 9007),
        }
    assert await session.read() == before


async def test_a_parameter_of_no_test(start: Start, session: Session) -> None:
    await start()
    with pytest.raises(Fault) as caught:
        request = SetParameters(["Device.IP.Diagnostics.NoTest.Host"], ["h"])
        await session.peers.request(set_parameters("diagnostics"), request)
    assert [p.code for p in caught.value.parameters] == [9005]


async def test_checking_changes_nothing(start: Start, session: Session) -> None:
    await start()
    before = await session.read()
    await session.write(True, Host="127.0.0.1", DiagnosticsState="Requested")
    assert await session.read() == before


async def test_p39_canceled_while_running(start: Start, session: Session, gate: Gate) -> None:
    await start()
    await session.write(Host="h", DiagnosticsState="Requested")
    await gate.begins()
    await session.write(DiagnosticsState="Canceled")
    assert (await session.read())["DiagnosticsState"] == "None"
    await session.write(DiagnosticsState="Requested")  # and it can be asked for again
    await gate.begins()
    gate.go()
    await session.event()
    assert (gate.aborted, len(session.raised), len(session.finished)) == (1, 1, 1)


async def test_an_input_written_while_running_aborts_without_a_report(
    start: Start, session: Session, gate: Gate
) -> None:
    await start()
    await session.write(Host="h", DiagnosticsState="Requested")
    await gate.begins()
    await session.write(DSCP="10")
    assert (await session.read())["DiagnosticsState"] == "None"
    await session.write(DiagnosticsState="Requested")
    await gate.begins()
    gate.go()
    await session.event()
    assert (gate.aborted, len(session.raised)) == (1, 1)


async def test_p39_requested_while_running_starts_again_with_the_inputs_of_now(
    start: Start, session: Session, gate: Gate
) -> None:
    await start()
    await session.write(Host="first", DiagnosticsState="Requested")
    await gate.begins()
    await session.write(Host="second", NumberOfRepetitions="7", DiagnosticsState="Requested")
    await gate.begins()
    gate.go()
    await session.event()
    assert [i["Host"] for i in gate.begun] == ["first", "second"]
    found = await session.read()
    assert (found["DiagnosticsState"], found["SuccessCount"], gate.aborted) == ("Complete", "7", 1)


async def test_results_stay_until_the_next_run(start: Start, session: Session, gate: Gate) -> None:
    await start()
    await session.write(Host="h", DiagnosticsState="Requested")
    await gate.begins()
    gate.go()
    await session.event()
    await session.write(DiagnosticsState="Canceled")
    assert (await session.read())["DiagnosticsState"] == "Complete"
    await session.write(Timeout="5")
    found = await session.read()
    assert (found["DiagnosticsState"], found["SuccessCount"]) == ("None", "3")
    await session.write(DiagnosticsState="Requested")
    assert (await session.read())["SuccessCount"] == "0"


async def test_a_test_that_breaks_is_an_error_and_the_service_lives(
    start: Start, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> Outcome:
        raise ZeroDivisionError

    test = dataclasses.replace(IP_PING, run=broken)
    monkeypatch.setattr(service, "TESTS", (test,))
    await start()
    await session.write(Host="h", DiagnosticsState="Requested")
    await session.event()
    assert (await session.read())["DiagnosticsState"] == "Error_Internal"


async def test_the_event_is_raised_until_it_is_taken(start: Start, session: Session, gate: Gate) -> None:
    first = await start()
    session.refuses = True
    await session.write(Host="h", DiagnosticsState="Requested")
    await gate.begins()
    gate.go()
    with trio.fail_after(10):
        while (await session.read())["DiagnosticsState"] != "Complete":
            pass
    await stop(first)
    session.refuses = False
    await start()
    await session.event()
    assert (await session.read())["DiagnosticsState"] == "Complete"
    assert len(gate.begun) == 1


async def test_a_boot_forgets_states_and_results_but_no_inputs(
    start: Start, session: Session, gate: Gate, paths: Paths
) -> None:
    first = await start()
    await session.write(Host="h", DSCP="12", DiagnosticsState="Requested")
    await gate.begins()
    gate.go()
    await session.event()
    await stop(first)
    paths.system("/proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
    await start()
    found = await session.read()
    assert (found["DiagnosticsState"], found["SuccessCount"]) == ("None", "0")
    assert (found["Host"], found["DSCP"]) == ("h", "12")
    assert len(session.raised) == 1


async def test_what_cannot_be_recorded_is_not_promised(
    start: Start, session: Session, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start()

    def full(self: StateFile, document: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StateFile, "save", full)
    with pytest.raises(Fault) as caught:
        await session.write(Host="h", DiagnosticsState="Requested")
    assert caught.value.code == 9002
    assert (await session.read())["DiagnosticsState"] == "None"
    assert gate.begun == []


# The interface


async def with_interfaces(start_service: StartService, client: Client, device: str) -> None:
    """A datamodel that knows Device.IP.Interface.1, and netifd's object for it."""

    async def values(args: GetValues, _id: str) -> AsyncIterator[Values]:
        if args.paths != ["Device.IP.Interface.1.Name"]:
            raise Fault(9005, f"{args.paths[0]} does not exist")
        yield Values(args.paths, ["string"], ["lan"])

    async def serve(runtime: Runtime) -> None:
        runtime.peers.answer(GET_VALUES, values)
        await runtime.peers.ready()
        await trio.sleep_forever()

    async def status(_: Request) -> dict[str, Any]:
        return {"up": True, **({"l3_device": device, "device": device} if device else {})}

    await start_service("datamodel", serve)
    await client.add_object("network.interface.lan", {"status": Method(status)})


@pytest.mark.parametrize(
    ("interface", "device", "state"),
    [
        ("", "lo", "Complete"),
        ("Device.IP.Interface.1", "lo", "Complete"),
        ("Device.IP.Interface.1.", "lo", "Complete"),
        ("Device.IP.Interface.1", "nosuchdevice", "Error_Internal"),
        ("Device.IP.Interface.1", "", "Error_Internal"),
        ("Device.IP.Interface.2", "lo", "Error_Internal"),
        ("Device.WiFi.Radio.1", "lo", "Error_Internal"),
        ("../lan", "lo", "Error_Internal"),
    ],
)
async def test_the_interface(
    start: Start,
    start_service: StartService,
    session: Session,
    client: Client,
    interface: str,
    device: str,
    state: str,
) -> None:
    await with_interfaces(start_service, client, device)
    await start()
    await session.write(
        Host="127.0.0.1", NumberOfRepetitions="1", Interface=interface, DiagnosticsState="Requested"
    )
    await session.event()
    assert (await session.read())["DiagnosticsState"] == state


# Methods


async def test_run_answers_with_the_results_and_leaves_the_parameters_alone(
    start: Start, session: Session, client: Client
) -> None:
    await start()
    before = await session.read()
    arguments = {"type": "ipping", "args": {"Host": "127.0.0.1", "NumberOfRepetitions": 2}}
    answer = await client.call("cwmp.diagnostics", "run", arguments)
    assert answer["state"] == "Complete"
    assert (answer["results"]["SuccessCount"], answer["results"]["IPAddressUsed"]) == ("2", "127.0.0.1")
    assert set(answer["results"]) == set(IP_PING.results)
    assert await session.read() == before
    assert (session.raised, session.finished) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "only IPPing"),
        ({"type": "Teleport"}, "only IPPing"),
        ({"type": "IPPing"}, "Host"),
        ({"type": "IPPing", "args": {"Host": "h", "DSCP": 64}}, "DSCP"),
        ({"type": "IPPing", "args": {"Host": "h", "Speed": 1}}, "Speed"),
        ({"type": "IPPing", "args": {"Host": "h", "Timeout": [1]}}, "Timeout"),
        ({"type": "IPPing", "args": {"Host": "h", "Timeout": True}}, "Timeout"),
    ],
)
async def test_run_refuses(start: Start, client: Client, arguments: dict[str, Any], says: str) -> None:
    await start()
    fault = (await client.call("cwmp.diagnostics", "run", arguments))["fault"]
    assert fault["code"] == 9003
    assert says in fault["text"]


async def test_run_says_why_a_test_could_not_be_made(start: Start, client: Client) -> None:
    await start()
    arguments = {"type": "IPPing", "args": {"Host": "127.0.0.1", "Interface": "nonsense"}}
    answer = await client.call("cwmp.diagnostics", "run", arguments)
    assert (answer["state"], "nonsense" in answer["why"]) == ("Error_Internal", True)


async def test_tests_wait_for_each_other_and_can_be_cancelled(
    start: Start, session: Session, client: Client, gate: Gate, nursery: trio.Nursery
) -> None:
    await start()
    answers: list[dict[str, Any]] = []
    ended = trio.Event()

    async def run() -> None:
        answers.append(
            await client.call("cwmp.diagnostics", "run", {"type": "IPPing", "args": {"Host": "l"}})
        )
        if len(answers) == 2:
            ended.set()

    await session.write(Host="acs", DiagnosticsState="Requested")
    await gate.begins()
    for _ in range(2):
        nursery.start_soon(run)
    with trio.fail_after(10):
        while len((await client.call("cwmp.diagnostics", "status"))["running"]) < 3:
            pass
        assert len(gate.begun) == 1
        assert await client.call("cwmp.diagnostics", "cancel", {"type": "IPPing"}) == {"cancelled": 2}
        await ended.wait()
    assert [a["state"] for a in answers] == ["Canceled", "Canceled"]
    gate.go()  # the ACS's test is none of their business
    await session.event()
    assert (await session.read())["DiagnosticsState"] == "Complete"


async def test_status(start: Start, session: Session, client: Client) -> None:
    await start()
    status = await client.call("cwmp.diagnostics", "status")
    assert status["tests"]["IPPing"]["state"] == "None"
    assert status["tests"]["IPPing"]["inputs"]["DSCP"] == "0"
    assert status["running"] == []


# kill -9


async def test_p39_a_promised_test_is_made_even_if_the_service_is_killed(
    session: Session, client: Client, paths: Paths
) -> None:
    session.open = True
    async with running("diagnostics", paths, client) as kill:
        await session.write(Host="127.0.0.1", NumberOfRepetitions="1", DiagnosticsState="Requested")
        await kill()
    session.open = False
    async with running("diagnostics", paths, client) as kill:
        await session.event()
        assert (await session.read())["DiagnosticsState"] == "Complete"
        await kill()
    async with running("diagnostics", paths, client):
        found = await session.read()
        assert (found["DiagnosticsState"], found["SuccessCount"]) == ("Complete", "1")
