"""The engine's further kinds of rows, and commands, on mapping files of their own."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.datamodel.conftest import StartDatamodel
from tests.datamodel.support import Acs, Router

from cwmp.contract import Fault
from cwmp.datamodel.loader import load_files
from cwmp.runtime import Runtime
from ubuskit.client import Method, Request, open_client

T = "Device.X_EXAMPLE_COM_T."
Start = Callable[[str], Awaitable[Runtime]]


@pytest.fixture
def mapped(router: Router, alone: Acs, start_datamodel: StartDatamodel) -> Start:
    async def start(mapping: str) -> Runtime:
        router.write("/etc/cwmp/datamodel.d/T.toml", mapping)
        return await start_datamodel()

    return start


DIRECTORY = """
["Device.X_EXAMPLE_COM_T.Disk.{i}."]
rows = { directory = "/sys/block/sd*" }
Name = { type = "string(64)", row = "key" }
Path = { type = "string(256)", row = "path" }
["Device.X_EXAMPLE_COM_T.Disk.{i}.Part.{i}."]
rows = { directory = "/sys/block/{key}/part[0-9]*" }
Name = { type = "string(64)", row = "key" }
["Device.X_EXAMPLE_COM_T.Slot.{i}."]
rows = { directory = "/sys/slots/*", numbered = true }
Name = { type = "string(64)", row = "key" }
"""


async def test_rows_of_directories(mapped: Start, router: Router, alone: Acs) -> None:
    for path in ("sda/part1", "sda/part10", "sda/part2", "sda/other", "sdb/part1", "loop0/part1"):
        router.write(f"/sys/block/{path}", "")
    for name in ("3", "0", "x", "007"):
        router.write(f"/sys/slots/{name}", "")
    await mapped(DIRECTORY)
    values = await alone.get(T)
    assert values[f"{T}Disk.2.Path"] == "/sys/block/sdb"
    assert [values[f"{T}Disk.1.Part.{n}.Name"] for n in (1, 2, 3)] == ["part1", "part2", "part10"]
    assert (values[f"{T}DiskNumberOfEntries"], values[f"{T}SlotNumberOfEntries"]) == ("2", "2")
    assert {values[f"{T}Slot.{n}.Name"] for n in (3, 7)} == {"3", "007"}


async def test_a_pattern_in_a_name_is_no_pattern(mapped: Start, router: Router, alone: Acs) -> None:
    router.write("/sys/block/sd*/part1", "")
    router.write("/sys/block/sda/part1", "")
    await mapped(DIRECTORY)
    names = await alone.get(f"{T}Disk.*.Part.*.Name")
    assert len(names) == 2  # one each: the name sd* means itself


LIST = """
["Device.X_EXAMPLE_COM_T.Server.{i}."]
rows = { list = "system.ntp.server", off = "disabled_server" }
create = {}
alias = true
unique_when_enabled = ["Name"]
Name = { type = "string(64)", item = "text", write = true }
Enable = { type = "boolean", item = "enabled", write = true }
["Device.X_EXAMPLE_COM_T.Port.{i}."]
rows = { list = "mypackage.settings.ports" }
Name = { type = "string(64)", item = "text", write = true }
Enable = { type = "boolean", item = "enabled", write = true }
"""


async def test_items_of_a_list_keep_their_numbers(mapped: Start, router: Router, alone: Acs) -> None:
    await mapped(LIST)
    assert (await alone.get(f"{T}Server."))[f"{T}Server.1.Name"] == "0.openwrt.pool.ntp.org"
    number = (await alone.add(f"{T}Server.")).instance_number
    row = f"{T}Server.{number}."
    assert (await alone.get(row))[f"{row}Name"] == ""
    await alone.set_all({f"{row}Name": "ntp.example.com", f"{row}Enable": "true", f"{row}Alias": "mine"})
    await alone.set_all({f"{row}Name": "time.example.com"})
    assert "list server 'time.example.com'" in router.uci("system")
    values = await alone.get(row)
    assert (values[f"{row}Name"], values[f"{row}Alias"]) == ("time.example.com", "mine")
    await alone.set_all({f"{row}Enable": "false"})
    assert "list disabled_server 'time.example.com'" in router.uci("system")
    assert (await alone.get(row))[f"{row}Alias"] == "mine"
    await alone.delete(f"{T}Server.1.")
    assert "openwrt.pool" not in router.uci("system")
    assert (await alone.add(f"{T}Server.")).instance_number == number + 1


async def test_what_an_item_cannot_be(mapped: Start, router: Router, alone: Acs) -> None:
    await mapped(LIST)
    row = f"{T}Server.{(await alone.add(f'{T}Server.')).instance_number}."
    for values in (
        {f"{row}Enable": "true"},
        {f"{row}Name": "0.openwrt.pool.ntp.org"},
        {f"{T}Server.1.Name": ""},
    ):
        with pytest.raises(Fault):
            await alone.set_all(values)


async def test_a_list_without_a_place_for_the_disabled(mapped: Start, router: Router, alone: Acs) -> None:
    router.set_uci("mypackage", "\nconfig settings 'settings'\n\toption ports 'a b'\n")
    await mapped(LIST)
    with pytest.raises(Fault):
        await alone.add(f"{T}Port.")
    with pytest.raises(Fault):
        await alone.set_all({f"{T}Port.1.Enable": "false"})
    await alone.set_all({f"{T}Port.2.Name": "c"})
    assert "option ports 'a c'" in router.uci("mypackage")  # as it was written


_RUN = """['tool run {"how": "{key}"}', 'tool stop']"""
COMMAND = """
["Device.X_EXAMPLE_COM_T."]
Now = { type = "boolean", command = 'tool run {"how": "now"}', write = true }
Example = { type = "string(64)", uci = "mypackage.settings.example", write = true }
["Device.X_EXAMPLE_COM_T.Row.{i}."]
rows = { keys = ["a", "b"] }
let.nothing = { uci = "mypackage.settings.nothing" }
Later = { type = "boolean", command = RUN, write = true, when = "after session" }
Never = { type = "boolean", command = 'tool run {"how": "{nothing}"}', write = true }
""".replace("RUN", _RUN)


class Tool:
    """Says what it was called for; `fails` is how."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.called = trio.Event()

    def method(self, name: str) -> Method:
        async def answer(request: Request) -> None:
            self.calls.append((name, request.args.get("how")))
            self.called.set()

        return Method(answer, {"how": str})

    async def wait(self, count: int) -> None:
        with trio.fail_after(10):
            while len(self.calls) < count:
                self.called = trio.Event()
                await self.called.wait()


@pytest.fixture
async def tool(router: Router, bus: Path) -> Any:
    found = Tool()
    async with open_client(str(bus)) as client:
        await client.add_object("tool", {"run": found.method("run"), "stop": found.method("stop")})
        yield found


async def test_a_command_is_done_once_and_reads_null(mapped: Start, tool: Tool, alone: Acs) -> None:
    await mapped(COMMAND)
    assert await alone.set_all({f"{T}Now": "false"}) == 0
    assert await alone.set_all({f"{T}Now": "true", f"{T}Example": "x"}) == 0
    await tool.wait(1)
    assert tool.calls == [("run", "now")]
    assert (await alone.get(f"{T}Now"))[f"{T}Now"] == "false"


async def test_a_command_that_waits_for_the_session_s_end(
    mapped: Start, tool: Tool, alone: Acs, router: Router
) -> None:
    await mapped(COMMAND)
    await alone.session(True)
    assert await alone.set_all({f"{T}Row.2.Later": "true"}) == 1
    journal = json.loads((router.paths.state_dir / "datamodel/journal.json").read_text())
    assert journal["calls"]["later"] == [["tool run", '{"how":"b"}'], ["tool stop", ""]]
    assert tool.calls == []
    await alone.end()
    await tool.wait(2)
    assert tool.calls == [("run", "b"), ("stop", None)]


async def test_nothing_is_done_where_something_else_is_refused(mapped: Start, tool: Tool, alone: Acs) -> None:
    await mapped(COMMAND)
    for values in ({f"{T}Now": "true", f"{T}Example": "x" * 65}, {f"{T}Row.1.Never": "true"}):
        with pytest.raises(Fault):
            await alone.set_all(values)
    await alone.set_all({f"{T}Now": "true"})
    await tool.wait(1)
    assert len(tool.calls) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '["Device.X_EXAMPLE_COM_T."]\nA = { type = "boolean", command = "x", write = true }',
            "is not a ubus call",
        ),
        ('["Device.X_EXAMPLE_COM_T."]\nA = { type = "boolean", command = "a b .c" }', "without a path"),
        ('["Device.X_EXAMPLE_COM_T."]\nA = { type = "boolean", command = "a b", when = "soon" }', "no when"),
        ('["Device.X_EXAMPLE_COM_T."]\nA = { type = "boolean", item = "text" }', "of a list have items"),
        (
            '["Device.X_EXAMPLE_COM_T.R.{i}."]\nrows = { list = "a.b.c" }\nA = { type = "string(1)", item = "x" }',
            "text and enabled",
        ),
        ('["Device.X_EXAMPLE_COM_T.R.{i}."]\nrows = { list = "c" }', "is no list"),
        ('["Device.X_EXAMPLE_COM_T.R.{i}."]\nrows = { list = "a.b.c" }\ncreate = {}', "only rows"),
        ('["Device.X_EXAMPLE_COM_T.R.{i}."]\nrows = { directory = "/x/*" }\ncreate = {}', "only rows"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "T.toml"
    file.write_text(text)
    _, problems = load_files([file])
    assert [problem in str(p) for p in problems] == [True], [str(p) for p in problems]
