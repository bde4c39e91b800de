"""The `cwmp` command as a program, against services' objects on a real bus."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from ubuskit.client import ArgType, Client, Method, Request
from ubuskit.errors import PermissionDenied

Reply = Mapping[str, Any] | None


class Result:
    def __init__(self, process: subprocess.CompletedProcess[bytes]) -> None:
        self.code = process.returncode
        self.out = process.stdout.decode()
        self.err = process.stderr.decode()


async def cwmp(bus: Path, *arguments: str, given: str = "") -> Result:
    """Run the command; all output is captured."""
    command = [sys.executable, "-W", "error", "-m", "cwmp.cli", "--bus", str(bus), *arguments]
    with trio.fail_after(30):
        done = await trio.run_process(
            command, check=False, capture_stdout=True, capture_stderr=True, stdin=given.encode()
        )
        return Result(done)


def answering(reply: Reply | Exception, seen: list[dict[str, Any]], **args: ArgType) -> Method:
    async def handler(request: Request) -> Reply:
        seen.append(request.args)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return Method(handler, args)


Serve = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def serve(client: Client) -> Serve:
    """``await serve(object, method, reply, arg=type)``: the arguments the method is called with."""

    async def add(
        obj: str, method: str, reply: Reply | Exception, /, **args: ArgType
    ) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        await client.add_object(obj, {method: answering(reply, seen, **args)})
        return seen

    return add


def parameters(**values: str) -> list[dict[str, str]]:
    return [{"name": f"Device.{name}", "type": "string", "value": value} for name, value in values.items()]


async def test_get_prints_path_and_value(bus: Path, serve: Serve) -> None:
    rows = parameters(Time="12:00", X="a => b")
    seen = await serve("cwmp.datamodel", "get", {"parameters": rows}, paths=list)
    found = await cwmp(bus, "get", "Device.Time.", "Device.X")
    assert (found.code, found.err) == (0, "")
    assert found.out == "Device.Time => 12:00\nDevice.X => a => b\n"
    assert seen == [{"paths": ["Device.Time.", "Device.X"]}]
    for arguments in (["--json", "get", "Device."], ["get", "Device.", "--json"]):
        assert json.loads((await cwmp(bus, *arguments)).out) == rows


async def test_get_asks_for_page_after_page(bus: Path, client: Client) -> None:
    async def get(request: Request) -> Reply:
        page = request.args.get("page", 0)
        return {"parameters": parameters(**{f"P{page}": "x"}), **({"next": page + 1} if page < 2 else {})}

    await client.add_object("cwmp.datamodel", {"get": Method(get, {"paths": list, "page": int})})
    found = await cwmp(bus, "get", "Device.")
    assert found.out == "Device.P0 => x\nDevice.P1 => x\nDevice.P2 => x\n"


async def test_set_sends_all_values_at_once_and_shows_how_they_read(bus: Path, client: Client) -> None:
    sent: list[dict[str, Any]] = []
    rows = parameters(A="1", B="x=y", Password="")
    methods = {
        "set": answering({"status": 0}, sent, values=dict),
        "get": answering({"parameters": rows}, [], paths=list),
    }
    await client.add_object("cwmp.datamodel", methods)
    found = await cwmp(bus, "set", "Device.A=1", "Device.B=x=y", "Device.Password=secret")
    assert (found.code, found.out) == (0, "Device.A => 1\nDevice.B => x=y\nDevice.Password => \n")
    assert sent == [{"values": {"Device.A": "1", "Device.B": "x=y", "Device.Password": "secret"}}]


async def test_a_dry_run_sets_nothing_and_says_what_would_be(bus: Path, client: Client) -> None:
    sent: list[dict[str, Any]] = []
    methods = {"set": answering({"status": 1}, sent, values=dict, dry_run=bool)}
    await client.add_object("cwmp.datamodel", methods)
    found = await cwmp(bus, "set", "--dry-run", "Device.A=1")
    assert (found.code, found.out) == (0, "would be set, in force after the session that runs\n")
    assert sent == [{"values": {"Device.A": "1"}, "dry_run": True}]


async def test_what_nobody_may_see_comes_by_standard_input(bus: Path, client: Client) -> None:
    sent: list[dict[str, Any]] = []
    methods = {
        "set": answering({"status": 0}, sent, values=dict),
        "get": answering({"parameters": parameters(A="1", Password="")}, [], paths=list),
    }
    await client.add_object("cwmp.datamodel", methods)
    found = await cwmp(bus, "set", "Device.A=1", "-", given="Device.Password= s=e\n")
    assert (found.code, found.err) == (0, "")
    assert sent == [{"values": {"Device.A": "1", "Device.Password": " s=e"}}]
    wrong = await cwmp(bus, "set", "-", given="Device.A=1\nonly a secret\n")
    assert wrong.code == 2
    assert "standard input, line 2 is not PATH=VALUE" in wrong.err
    assert "secret" not in wrong.err


async def test_a_fault_is_a_number_and_a_sentence_and_every_parameter(bus: Path, serve: Serve) -> None:
    fault = {
        "code": 9003,
        "text": "Invalid arguments",
        "parameters": [
            {"name": "Device.A", "code": 9005, "text": "there is no such parameter"},
            {"name": "Device.B", "code": 9008, "text": "it is read-only"},
        ],
    }
    await serve("cwmp.datamodel", "set", {"fault": fault}, values=dict)
    found = await cwmp(bus, "set", "Device.A=1", "Device.B=2")
    assert (found.code, found.out) == (1, "")
    assert found.err == (
        "Fault 9003: Invalid arguments\n"
        "  Device.A: 9005 there is no such parameter\n"
        "  Device.B: 9008 it is read-only\n"
    )
    found = await cwmp(bus, "--json", "set", "Device.A=1")
    assert (found.code, json.loads(found.err)) == (1, {"fault": fault})


async def test_the_same_path_twice_is_refused_before_anything_is_sent(bus: Path, serve: Serve) -> None:
    seen = await serve("cwmp.datamodel", "set", {"status": 0}, values=dict)
    found = await cwmp(bus, "set", "Device.A=1", "Device.A=2")
    assert (found.code, found.err, seen) == (1, "Fault 9003: Device.A is given twice\n", [])


async def test_names_say_what_can_be_written(bus: Path, serve: Serve) -> None:
    names = [{"name": "Device.Time.", "writable": False}, {"name": "Device.Time.Enable", "writable": True}]
    seen = await serve("cwmp.datamodel", "names", {"names": names}, path=str, next_level=bool)
    assert (await cwmp(bus, "names", "Device.")).out == "ro Device.Time.\nrw Device.Time.Enable\n"
    await cwmp(bus, "names", "--next-level")
    assert seen == [{"path": "Device.", "next_level": False}, {"path": "", "next_level": True}]


async def test_add_prints_the_path_of_the_new_row(bus: Path, serve: Serve) -> None:
    seen = await serve(
        "cwmp.datamodel", "add", {"instance": 7, "path": "Device.T.7.", "status": 0}, object=str
    )
    assert (await cwmp(bus, "add", "Device.T.")).out == "Device.T.7.\n"
    assert seen == [{"object": "Device.T."}]


async def test_del_says_nothing_when_all_is_well(bus: Path, serve: Serve) -> None:
    seen = await serve("cwmp.datamodel", "del", {"status": 0}, object=str)
    found = await cwmp(bus, "del", "Device.T.7.")
    assert (found.code, found.out, found.err) == (0, "", "")
    assert seen == [{"object": "Device.T.7."}]


async def test_inform_and_reload_reach_the_session(bus: Path, client: Client) -> None:
    informs: list[dict[str, Any]] = []
    reloads: list[dict[str, Any]] = []
    methods = {"inform": answering(None, informs, event=str), "reload": answering(None, reloads)}
    await client.add_object("cwmp", methods)
    assert (await cwmp(bus, "inform")).code == 0
    assert (await cwmp(bus, "inform", "2 PERIODIC")).code == 0
    assert (await cwmp(bus, "reload")).code == 0
    assert (informs, reloads) == ([{}, {"event": "2 PERIODIC"}], [{}])


async def test_inform_says_why_not(bus: Path, serve: Serve) -> None:
    await serve("cwmp", "inform", {"accepted": False, "info": "no session: disabled"})
    found = await cwmp(bus, "inform")
    assert (found.code, found.out) == (1, "no session: disabled\n")


SESSION = {
    "start": "2026-03-01T04:00:00Z",
    "end": "2026-03-01T04:00:01Z",
    "why": "retry 1",
    "events": ["1 BOOT"],
    "version": "1.4",
    "result": "failure",
    "error": "the ACS answered 500",
    "calls": [
        {"method": "Inform", "by": "cpe", "ms": 40},
        {"method": "AddObject", "by": "acs", "ms": 1234, "fault": "9005 no such object"},
    ],
    "more_calls": 2,
}


async def test_log_says_and_sets_the_level(bus: Path, client: Client) -> None:
    asked: list[dict[str, Any]] = []

    async def log(request: Request) -> dict[str, Any]:
        asked.append(dict(request.args))
        return {"level": request.args.get("level", "info")}

    await client.add_object("cwmp", {"log": Method(log, {"level": str})})
    assert (await cwmp(bus, "log")).out == "info\n"
    assert (await cwmp(bus, "log", "debug")).out == "debug\n"
    assert asked == [{}, {"level": "debug"}]


async def test_reset(bus: Path, serve: Serve) -> None:
    seen = await serve("cwmp", "reset", {"info": "done"})
    assert (await cwmp(bus, "reset")).out == "reset: done\n"
    assert seen == [{}]


async def test_history_is_told_newest_first(bus: Path, serve: Serve) -> None:
    first = {**SESSION, "start": "2026-03-01T03:00:00Z", "result": "success", "error": "", "calls": []}
    await serve("cwmp", "history", {"sessions": [first, SESSION]})
    found = await cwmp(bus, "history")
    assert found.out.splitlines() == [
        "2026-03-01T04:00:00Z failure: the ACS answered 500",
        "  1 BOOT (retry 1), CWMP 1.4",
        "       40 ms  we ask    Inform",
        "     1234 ms  ACS asks  AddObject  fault 9005 no such object",
        "  and 2 more",
        "2026-03-01T03:00:00Z success",
        "  1 BOOT (retry 1), CWMP 1.4",
        "  and 2 more",
    ]
    assert json.loads((await cwmp(bus, "history", "--json")).out)["sessions"][1] == SESSION


def traced(number: int) -> dict[str, Any]:
    return {
        "number": number,
        "time": "2026-03-01T04:00:00Z",
        "direction": "sent" if number % 2 else "received",
        "start": f"start {number}",
        "headers": ["Host: acs"],
        "body": "<Envelope>\n</Envelope>" if number % 2 else "",
    }


class Tracing:
    """The methods `trace` and `traced`, and how they were called."""

    def __init__(self, *, enabled: bool, messages: int) -> None:
        self.enabled = enabled
        self.messages = [traced(n) for n in range(1, messages + 1)]
        self.switched: list[bool] = []
        self.asked_again = trio.Event()

    async def trace(self, request: Request) -> Reply:
        if "enable" in request.args:
            self.enabled = request.args["enable"]
            self.switched.append(self.enabled)
        return {"enabled": self.enabled}

    async def traced(self, request: Request) -> Reply:
        since = request.args["since"]
        if since == len(self.messages):
            self.asked_again.set()
        page = self.messages[since : since + 1]
        last = page[-1]["number"] if page else len(self.messages)
        return {"enabled": True, "last": last, "more": last < len(self.messages), "messages": page}

    async def serve(self, client: Client) -> None:
        methods = {
            "trace": Method(self.trace, {"enable": bool}),
            "traced": Method(self.traced, {"since": int}),
        }
        await client.add_object("cwmp", methods)


async def test_trace_is_switched_and_shown(bus: Path, client: Client) -> None:
    tracing = Tracing(enabled=False, messages=0)
    await tracing.serve(client)
    assert (await cwmp(bus, "trace", "show")).out == "nothing was traced: cwmp trace on\n"
    assert (await cwmp(bus, "trace", "on")).out == "trace on\n"
    assert (await cwmp(bus, "trace", "show")).out == "nothing was said since it is on\n"
    tracing.messages = [traced(1), traced(2)]
    assert (await cwmp(bus, "trace", "show")).out.splitlines() == [
        ">>> 1 2026-03-01T04:00:00Z start 1",
        "Host: acs",
        "",
        "<Envelope>",
        "</Envelope>",
        "",
        "<<< 2 2026-03-01T04:00:00Z start 2",
        "Host: acs",
        "",
    ]
    assert json.loads((await cwmp(bus, "trace", "show", "--json")).out) == [traced(1), traced(2)]
    assert (await cwmp(bus, "trace", "off")).out == "trace off\n"
    assert tracing.switched == [True, False]


@pytest.mark.parametrize("before", [True, False])
async def test_trace_follow_until_interrupted_leaves_it_as_it_was(
    bus: Path, client: Client, before: bool
) -> None:
    tracing = Tracing(enabled=before, messages=3)
    await tracing.serve(client)
    command = [sys.executable, "-m", "cwmp.cli", "--bus", str(bus), "trace", "follow", "--json"]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with trio.fail_after(30):
        await tracing.asked_again.wait()
        process.send_signal(signal.SIGINT)
        output = b"".join([piece async for piece in process.stdout])
        assert await process.wait() == 0
    await process.stdout.aclose()
    assert [json.loads(line)["number"] for line in output.splitlines()] == [1, 2, 3]
    assert tracing.enabled is before


async def test_status_shows_every_service_and_names_those_that_are_not_there(bus: Path, serve: Serve) -> None:
    await serve("cwmp", "status", {"state": "running", "last_session": {"result": "success", "retries": 0}})
    await serve(
        "cwmp.datamodel",
        "status",
        {"parameters": 412, "ok": True, "packages": ["network", "cwmp"], "problems": []},
    )
    tests = {"IPPing": {"state": "None", "inputs": {"Host": ""}}, "TraceRoute": {"state": "Requested"}}
    await serve("cwmp.diagnostics", "status", {"tests": tests})
    found = await cwmp(bus, "status")
    assert found.code == 0
    assert found.out == (
        "cwmp\n"
        "  state: running\n"
        "  last_session:\n"
        "    result: success\n"
        "    retries: 0\n"
        "cwmp.datamodel\n"
        "  parameters: 412\n"
        "  ok: true\n"
        "  packages:\n"
        "    1: network\n"
        "    2: cwmp\n"
        "  problems: (none)\n"
        "cwmp.firmware\n"
        "  error: cwmp.firmware is not on the bus: is the service running?\n"
        "cwmp.diagnostics\n"
        "  tests:\n"
        "    IPPing: None\n"
        "    TraceRoute:\n"
        "      state: Requested\n"
    )
    assert json.loads((await cwmp(bus, "status", "--json")).out)["cwmp"]["state"] == "running"


async def test_what_cannot_be_reached_is_exit_code_3(bus: Path, serve: Serve) -> None:
    found = await cwmp(bus, "status")
    assert (found.code, found.err) == (3, "cwmp: cwmp is not on the bus: is the service running?\n")
    await serve("cwmp.datamodel", "get", PermissionDenied(), paths=list)
    found = await cwmp(bus, "get", "Device.")
    assert (found.code, found.err) == (3, "cwmp: this user may not call cwmp.datamodel get: try as root\n")
    found = await cwmp(bus.with_name("nowhere.sock"), "status")
    assert found.code == 3
    assert "there is no ubus daemon at" in found.err


async def test_a_service_that_does_not_answer_is_given_up_in_time(bus: Path, client: Client) -> None:
    async def never(_: Request) -> None:
        await trio.sleep_forever()

    await client.add_object("cwmp.datamodel", {"get": Method(never, {"paths": list})})
    found = await cwmp(bus, "get", "Device.", "--timeout", "0.2")
    assert (found.code, found.err) == (3, "cwmp: cwmp.datamodel did not answer within 0.2 s (--timeout)\n")


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["get"], ["set", "Device.A"], ["set", "=1"], ["get", "x", "--timeout", "soon"]]
)
async def test_wrong_usage_is_exit_code_2(bus: Path, arguments: list[str]) -> None:
    found = await cwmp(bus, *arguments)
    assert found.code == 2
    assert found.err.startswith("usage: cwmp")


def test_it_starts_without_an_event_loop() -> None:
    program = "import sys, cwmp.cli.program; sys.exit(int('trio' in sys.modules or 'lxml' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_version_and_help() -> None:
    command = [sys.executable, "-m", "cwmp.cli"]
    version = subprocess.run([*command, "--version"], check=True, capture_output=True, text=True)
    assert version.stdout.startswith("cwmp ")
    found = subprocess.run([*command, "--help"], check=True, capture_output=True, text=True)
    assert "examples:" in found.stdout
    assert "cwmp get Device.DeviceInfo." in found.stdout


async def test_a_reader_that_leaves_is_no_error(bus: Path, serve: Serve) -> None:
    rows = parameters(**{f"P{number}": "x" * 50 for number in range(5000)})
    await serve("cwmp.datamodel", "get", {"parameters": rows}, paths=list)
    line = f"{sys.executable} -W error -m cwmp.cli --bus {bus} get Device. | head -1"
    found = await trio.run_process(["sh", "-c", line], capture_stdout=True, capture_stderr=True)
    assert (found.stdout, found.stderr) == (b"Device.P0 => " + b"x" * 50 + b"\n", b"")
