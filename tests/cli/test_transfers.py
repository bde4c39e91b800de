"""`cwmp transfers`, against an object like the firmware service's."""

from __future__ import annotations

import json
import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.cli.test_cli import answering, cwmp

from cwmp.cli.transfers import bar, described
from ubuskit.client import Client, Method, Request

OBJECT = "cwmp.firmware"

MOVING = {
    "id": "0011",
    "state": "downloading",
    "origin": "acs",
    "method": "Download",
    "command_key": "night",
    "file_type": "1 Firmware Upgrade Image",
    "url": "http://files.example/image",
    "bytes": 5_000_000,
    "total": 10_000_000,
    "rate": 1_200_000,
}
DONE = {k: v for k, v in MOVING.items() if k not in {"bytes", "total", "rate"}} | {
    "state": "complete",
    "fault_code": 9018,
    "fault_string": "the image failed the system's check",
}


def test_the_bar() -> None:
    assert bar(MOVING) == "[############------------]  50%  5.0 of 10.0 MB, 1.2 MB/s"
    assert bar({"bytes": 1_500_000, "total": 0}) == "[------------------------]  1.5 MB"
    assert bar({"bytes": 11, "total": 10}).startswith(f"[{'#' * 24}] 100%")


def test_what_waits_for_somebody_says_so() -> None:
    asking = {**MOVING, "state": "queued", "confirmation_needed": True, "user_message": "Now?"}
    assert any("Now? (cwmp transfers confirm 0011)" in line for line in described(asking))


async def scripted(client: Client, looks: list[list[dict[str, Any]]]) -> list[tuple[str, Any]]:
    """An object whose status goes through `looks`; what it was asked for beside."""
    asked: list[tuple[str, Any]] = []
    left: Iterator[list[dict[str, Any]]] = iter(looks)
    last: list[dict[str, Any]] = []

    async def status(_: Request) -> dict[str, Any]:
        nonlocal last
        last = next(left, last)
        return {"transfers": last}

    def taking(name: str, reply: dict[str, Any]) -> Method:
        async def take(request: Request) -> dict[str, Any]:
            asked.append((name, request.args))
            return reply

        return Method(take, {"id": str, "url": str, "file_type": str})

    methods = {name: taking(name, {}) for name in ("cancel", "confirm")}
    started = {name: taking(name, {"id": "0012", "status": 1}) for name in ("download", "upload")}
    await client.add_object(OBJECT, {"status": Method(status), **methods, **started})
    return asked


async def test_a_list(bus: Path, client: Client) -> None:
    await scripted(client, [[MOVING, DONE]])
    found = await cwmp(bus, "transfers")
    assert found.out.splitlines() == [
        "0011  downloading  1 Firmware Upgrade Image",
        "  Download http://files.example/image  (CommandKey night)",
        "  [############------------]  50%  5.0 of 10.0 MB, 1.2 MB/s",
        "0011  failed  1 Firmware Upgrade Image",
        "  Download http://files.example/image  (CommandKey night)",
        "  Fault 9018: the image failed the system's check",
    ]
    assert json.loads((await cwmp(bus, "transfers", "--json")).out) == [MOVING, DONE]


async def test_nothing_to_list(bus: Path, client: Client) -> None:
    await scripted(client, [[]])
    assert (await cwmp(bus, "transfers")).out == "no transfers\n"


@pytest.mark.parametrize("action", ["cancel", "confirm"])
async def test_what_is_done_to_one(bus: Path, client: Client, action: str) -> None:
    asked = await scripted(client, [[]])
    assert (await cwmp(bus, "transfers", action, "0011")).code == 0
    assert asked == [(action, {"id": "0011"})]
    assert (await cwmp(bus, "transfers", action)).code == 1


async def test_beginning_one(bus: Path, client: Client) -> None:
    asked = await scripted(client, [[]])
    found = await cwmp(bus, "transfers", "upload", "http://files.example/x", "--type", "4 Vendor Log File 1")
    assert found.out == "transfer 0012\n"
    assert asked == [("upload", {"url": "http://files.example/x", "file_type": "4 Vendor Log File 1"})]


async def test_following_to_the_end(bus: Path, client: Client) -> None:
    await scripted(client, [[MOVING], [MOVING], [DONE]])
    lines = (await cwmp(bus, "transfers", "follow")).out.splitlines()
    assert [line for line in lines if line.startswith("0011")] == [
        "0011  downloading  1 Firmware Upgrade Image",
        "0011  failed  1 Firmware Upgrade Image",
    ]
    assert "\x1b" not in "".join(lines)


async def test_following_as_json(bus: Path, client: Client) -> None:
    await scripted(client, [[MOVING], [MOVING], [DONE]])
    lines = (await cwmp(bus, "transfers", "follow", "--json")).out.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["downloading", "complete"]


async def test_a_bar_on_a_terminal(bus: Path, client: Client) -> None:
    await scripted(client, [[MOVING], [DONE]])
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "cwmp.cli", "--bus", str(bus), "transfers", "follow"]
        with trio.fail_after(30):
            await trio.run_process(command, stdout=theirs)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "\r\x1b[K[############------------]  50%" in shown


async def test_a_refusal(bus: Path, client: Client) -> None:
    fault = {"fault": {"code": 9021, "text": "the transfer is applying: it cannot be cancelled"}}
    await client.add_object(OBJECT, {"cancel": answering(fault, [], id=str)})
    found = await cwmp(bus, "transfers", "cancel", "0011")
    assert (found.code, "9021" in found.err) == (1, True)
