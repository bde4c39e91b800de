"""The access rules of the package, on our broker and on the real ubusd: root, the suite's user and a stranger."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pkgutil
import pwd
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from tests.conftest import StartService
from tests.feed.conftest import STRANGER
from tests.feed.packages import FEED

from cwmp import contract
from cwmp.contract import SERVICES, Fact, Operation
from cwmp.runtime.privileges import RIGHTS
from ubuskit import broker
from ubuskit.client import Client, Method, Request, open_client
from ubuskit.protocol.acl import Acl, Credentials, Right, read_rules

RULES = FEED / "tr069-client/files/cwmp.acl.json"
PEER = Path(__file__).parent / "peer.py"

OBJECTS = {
    "session": "cwmp", "datamodel": "cwmp.datamodel", "firmware": "cwmp.firmware", "diagnostics": "cwmp.diagnostics",
}  # fmt: skip
"""What each service puts on the bus."""

METHODS = {
    "cwmp": ("status", "history", "inform", "log", "reload", "reset", "trace", "traced"),
    "cwmp.datamodel": (
        "status",
        "get",
        "names",
        "set",
        "add",
        "del",
        "describe",
        "attributes",
        "set_attributes",
    ),
    "cwmp.firmware": (
        "status",
        "queue",
        "download",
        "upload",
        "cancel",
        "confirm",
        "request_download",
        "modules",
    ),
    "cwmp.diagnostics": ("status", "run", "cancel"),
    "tr069": ("status", "inform", "command"),
}
"""What nobody but root may call: the suite's own user neither, it speaks by requests and replies."""

ALLOWED = [
    *("publish:cwmp", "publish:cwmp.diagnostics", "publish:tr069"),
    *("listen:cwmp.session.request", "listen:cwmp.session.reply", "listen:cwmp.diagnostics.request"),
    *("listen:cwmp.datamodel.changed", "listen:cwmp.firmware.transfer", "listen:cwmp.firmware.ready"),
    *("send:cwmp.datamodel.request", "send:cwmp.firmware.request", "send:cwmp.datamodel.reply"),
    *("send:cwmp.session.state", "send:cwmp.diagnostics.finished"),
    "call:network.interface.wan.status",
    "call:network.interface.wan.renew",
    *("call:network.wireless.status", "call:iwinfo.scan"),
]
REFUSED = [
    *("publish:cwmp.datamodel", "publish:cwmp.firmware", "publish:system", "publish:network.interface.wan"),
    *("listen:*", "listen:cwmp.*", "listen:cwmp.datamodel.request", "listen:cwmp.datamodel.reply"),
    *("listen:cwmp.firmware.request", "listen:cwmp.firmware.reply"),
    *("send:cwmp.datamodel.changed", "send:cwmp.firmware.transfer", "send:cwmp.firmware.ready"),
    *("send:cwmp.dhcp", "send:service.event"),
    *("call:system.reboot", "call:network.interface.wan.down"),
    "call:network.wireless.down",
]


@asynccontextmanager
async def bus(kind: str, directory: Path, nursery: trio.Nursery, user: str) -> AsyncIterator[Path]:
    """A bus under the package's rules, in which `user` stands for `cwmp`."""
    rules = directory / "acl.d"
    rules.mkdir()
    document = {**json.loads(RULES.read_text()), "user": user}
    (rules / "cwmp.json").write_text(json.dumps(document))
    socket = directory / "ubus.sock"
    if kind == "broker":
        await nursery.start(partial(broker.serve, str(socket), acl_dir=rules))
        yield socket
        return
    daemon = os.environ.get("UBUSD")
    if not daemon:
        pytest.skip("UBUSD does not name a ubusd")
    process = await trio.lowlevel.open_process(
        [daemon, "-s", str(socket), "-A", str(rules)], stderr=subprocess.DEVNULL
    )
    try:
        async with open_client(str(socket)):  # waits until it is there
            pass
        yield socket
    finally:
        process.terminate()
        await process.wait()


async def attempt(socket: Path, user: pwd.struct_passwd, steps: list[str]) -> dict[str, str]:
    """What `user` gets for each step."""
    done = await trio.run_process(
        [sys.executable, str(PEER), str(user.pw_uid), str(user.pw_gid), str(socket), *steps],
        capture_stdout=True,
        check=True,
    )
    return dict(line.split() for line in done.stdout.decode().splitlines())


@pytest.mark.parametrize("kind", ["broker", "ubusd"])
async def test_three_users(
    account: pwd.struct_passwd, open_dir: Path, nursery: trio.Nursery, kind: str
) -> None:
    async def nothing(_: Request) -> dict[str, str]:
        return {}

    with trio.fail_after(30):
        async with bus(kind, open_dir, nursery, account.pw_name) as socket, open_client(str(socket)) as root:
            for name, methods in {
                "network.interface.wan": ("status", "renew", "down"),
                "network.wireless": ("status", "down"),
                "iwinfo": ("scan",),
                "system": ("reboot",),
            }.items():
                await root.add_object(name, {method: Method(nothing) for method in methods})
            ours = await attempt(socket, account, ALLOWED + REFUSED)
            assert {step: ours[step] for step in ALLOWED} == dict.fromkeys(ALLOWED, "ok")
            assert not [step for step in REFUSED if ours[step] == "ok"]
            strangers = await attempt(socket, pwd.getpwnam(STRANGER), ALLOWED + REFUSED)
            assert not [step for step, answer in strangers.items() if answer == "ok"]
            everything = [step for step in ALLOWED + REFUSED if not step.startswith("publish:")]
            roots = await attempt(socket, pwd.getpwuid(0), everything)
            assert set(roots.values()) == {"ok"}
            for name, names in METHODS.items():
                await root.add_object(name, {method: Method(nothing) for method in names})
            calls = [f"call:{name}.{method}" for name, names in METHODS.items() for method in names]
            for user in (account, pwd.getpwnam(STRANGER)):
                assert "ok" not in (await attempt(socket, user, calls)).values()
            assert set((await attempt(socket, pwd.getpwuid(0), calls)).values()) == {"ok"}


@pytest.fixture(scope="module")
def may() -> Callable[[Right, str], bool]:
    """Whether the suite's user has a right."""
    rules = read_rules(json.loads(RULES.read_text()), uid_of=lambda _: 7547, gid_of=lambda _: None)
    acl, user = Acl(rules), Credentials(7547, 7547)
    return lambda right, name: acl.allows(user, right, name)


def spoken() -> list[Operation | Fact]:
    """All operations and facts there are in the contract; those of parameters are the owner's."""
    found: list[Operation | Fact] = []
    for module in pkgutil.iter_modules(contract.__path__):
        members = vars(importlib.import_module(f"cwmp.contract.{module.name}")).values()
        found += [member for member in members if isinstance(member, (Operation, Fact))]
    return found


def test_the_rules_cover_the_contract(may: Callable[[Right, str], bool]) -> None:
    """Whatever the unprivileged services have to say or to hear, they may; facts and requests that are added later
    have to be added to the rules."""
    for service in RIGHTS:
        assert may(Right.PUBLISH, OBJECTS[service])
        assert may(Right.LISTEN, f"cwmp.{service}.request")
        assert may(Right.LISTEN, f"cwmp.{service}.reply")
        assert may(Right.SEND, f"cwmp.{service}.ready")
    for service in SERVICES:
        assert may(Right.LISTEN, f"cwmp.{service}.ready")
        assert may(Right.SEND, f"cwmp.{service}.request")
        assert may(Right.SEND, f"cwmp.{service}.reply")
    for message in spoken():
        if isinstance(message, Fact):
            assert may(Right.LISTEN, message.event)
            assert may(Right.SEND, message.event) == (message.service in RIGHTS), message.event


def test_facts_have_no_place_for_secrets() -> None:
    """Who may hear them is more than who may know: no credentials, and no URLs, which may hold some."""
    facts = [message for message in spoken() if isinstance(message, Fact)]
    assert len(facts) >= 8
    for fact in facts:
        names = {field.name for field in dataclasses.fields(fact.message)}
        assert not names & {"username", "password", "url", "args"}, fact.event


async def test_the_methods_are_those_of_the_services(client: Client, start_service: StartService) -> None:
    """METHODS leaves none out that changes something or tells of something."""
    for service in SERVICES:
        await start_service(service, importlib.import_module(f"cwmp.{service}.service").serve)
    for found in await client.lookup("cwmp*"):
        missing = set(found.signature) - set(METHODS[found.path])
        assert not missing, found.path


def test_nobody_without_privileges_can_pass_for_a_root_service(may: Callable[[Right, str], bool]) -> None:
    for service in set(SERVICES) - RIGHTS.keys():
        assert not may(Right.PUBLISH, OBJECTS[service])
        assert not may(Right.LISTEN, f"cwmp.{service}.request")
        assert not may(Right.SEND, f"cwmp.{service}.ready")
    assert not may(Right.SEND, "cwmp.dhcp")
