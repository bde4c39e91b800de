"""``python -m ubuskit.broker`` as a process: its socket, its signals, its rules for real users."""

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import ubuskit.blocking._socket  # noqa: F401  # now: who is nobody may not be able to read it
from ubuskit import blobmsg
from ubuskit.blocking import BlockingClient
from ubuskit.broker import AddressTaken, serve
from ubuskit.client import Client, Method, Request, open_client
from ubuskit.errors import PermissionDenied, StatusError
from ubuskit.protocol import AddObject, Data, FrameReader, Invoke, pack, parse

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


class Program:
    def __init__(self, path: Path, *arguments: str) -> None:
        self.path = str(path)
        command = [sys.executable, "-m", "ubuskit.broker", "-s", self.path, *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Its exit status and what it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


Start = Callable[..., Program]


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Where another user may go, too; pytest closes its own directories to others, also while a test runs."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def start(open_path: Path) -> Iterator[Start]:
    programs: list[Program] = []

    def start(*arguments: str) -> Program:
        programs.append(Program(open_path / "ubus.sock", *arguments))
        return programs[-1]

    yield start
    for program in programs:
        if program.process.returncode is None:
            program.process.kill()
            program.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_cleanly_and_removes_its_socket(start: Start, number: int) -> None:
    program = start()
    async with open_client(program.path, reconnect=False):
        assert os.stat(program.path).st_mode & 0o777 == 0o666
        assert program.end(number) == (0, "")
    assert not os.path.exists(program.path)


async def test_a_socket_that_nobody_serves_is_replaced(start: Start, open_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(open_path / "ubus.sock"))
    program = start()
    async with open_client(program.path):
        pass
    program.process.kill()
    program.process.communicate()
    assert os.path.exists(program.path)
    async with open_client(start().path):
        pass


async def test_it_refuses_to_replace_a_daemon_that_answers(start: Start) -> None:
    program = start()
    async with open_client(program.path) as client:
        second = start()
        _, said = second.process.communicate(timeout=20)
        assert second.process.returncode == 1
        assert f"another ubus daemon answers at {program.path}" in said
        assert await client.lookup() == []


async def test_it_refuses_to_replace_what_is_no_socket(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(AddressTaken, match="is no socket"):
        await serve(path)
    assert path.read_text() == "data"


async def test_another_daemons_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "ubus.sock"
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, path)
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            nursery.cancel_scope.cancel()
            await trio.lowlevel.cancel_shielded_checkpoint()
    assert path.exists()


async def test_rubbish_costs_only_its_sender_the_connection(start: Start, heard: Any) -> None:
    program = start()
    async with open_client(program.path) as client, await trio.open_unix_socket(program.path) as stream:
        await client.listen("*", heard)
        await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        with trio.fail_after(20):
            while await stream.receive_some(4096):
                pass
        async with open_client(program.path) as other:
            await other.send("still", {"here": True})
            assert await heard.until(1) == [("still", {"here": True})]
    _, said = program.end()
    assert "is dropped: ubus version" in said


async def test_drops_are_counted_and_logged(start: Start) -> None:
    program = start()
    async with open_client(program.path) as sender, await trio.open_unix_socket(program.path) as sleeper:
        reader = FrameReader()
        await sleeper.send_all(pack(AddObject(), 1, 0))
        ident = None
        while ident is None:
            for frame in reader.feed(bytes(await sleeper.receive_some(4096))):
                message = parse(frame)
                if isinstance(message, Data):
                    ident = message.objid or 0
        number = blobmsg.Int32(ident - (1 << 32) if ident >= 1 << 31 else ident)
        pattern = blobmsg.encode({"object": number, "pattern": "flood"})
        await sleeper.send_all(pack(Invoke(1, "register", pattern), 2, 1))
        await sleeper.receive_some(4096)
        for _ in range(40):
            await sender.send("flood", {"text": "x" * 68_000})
    _, said = program.end()
    assert "does not read: messages for it are dropped" in said


# Rights of real users


def rules(directory: Path, name: str, **document: Any) -> Path:
    path = directory / name
    path.write_text(json.dumps(document))
    path.chmod(0o644)
    return path


def as_nobody(action: Callable[[], None]) -> Callable[[], None]:
    """``action``, for a process that may give up being root."""
    nobody = pwd.getpwnam("nobody")

    def run() -> None:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        action()

    return run


async def greet(request: Request) -> dict[str, str | None]:
    return {"user": request.user, "group": request.group}


@forks
@needs_root
async def test_what_a_user_may_do_is_what_the_files_say(start: Start, open_path: Path, in_child: Any) -> None:
    acl = open_path / "acl.d"
    acl.mkdir()
    rules(acl, "nobody.json", user="nobody", access={"greeter": {"methods": ["greet"]}}, send=["allowed.*"])
    rules(acl, "writable.json", user="nobody", send=["forbidden"]).chmod(0o666)
    os.chown(rules(acl, "foreign.json", user="nobody", send=["forbidden"]), 65534, 65534)
    (acl / "broken.json").write_text("{")
    program = start("-A", str(acl))

    def try_everything() -> None:
        with BlockingClient(program.path, backend="socket") as bus:
            assert bus.call("greeter", "greet")["user"] == "nobody"
            assert list(bus.lookup()["greeter"]) == ["greet"]
            assert "hidden" not in bus.lookup()
            bus.send("allowed.thing", {})
            for forbidden in (
                lambda: bus.call("greeter", "other"),
                lambda: bus.send("forbidden", {}),
                lambda: bus.events("anything"),
            ):
                try:
                    forbidden()
                except PermissionDenied:
                    continue
                raise AssertionError("it was allowed")

    async with open_client(program.path) as root:
        await root.add_object("greeter", {"greet": Method(greet), "other": Method(greet)})
        await root.add_object("hidden", {"greet": Method(greet)})
        await trio.to_thread.run_sync(in_child, as_nobody(try_everything))
    _, said = program.end()
    for name, reason in (("writable", "may write it"), ("foreign", "belong to root"), ("broken", "no JSON")):
        assert [line for line in said.splitlines() if f"{name}.json" in line and reason in line]


@forks
@needs_root
async def test_sighup_reads_the_rules_again(start: Start, open_path: Path, heard: Any, in_child: Any) -> None:
    acl = open_path / "acl.d"
    acl.mkdir()
    program = start("-A", str(acl))

    def send() -> None:
        with BlockingClient(program.path, backend="socket") as bus:
            bus.send("news", {})

    async def denied(client: Client) -> None:
        with pytest.raises(AssertionError, match="PermissionDenied"):
            await trio.to_thread.run_sync(in_child, as_nobody(send))

    async with open_client(program.path) as root:
        await root.listen("*", heard)
        await denied(root)
        rules(acl, "nobody.json", user="nobody", send=["news"])
        program.process.send_signal(signal.SIGHUP)
        assert (await heard.until(1))[0] == ("ubus.acl.sequence", {"sequence": 1})
        await trio.to_thread.run_sync(in_child, as_nobody(send))
        assert (await heard.until(2))[1] == ("news", {})


@needs_root
async def test_a_broken_rule_file_is_no_reason_to_stop(start: Start, open_path: Path) -> None:
    acl = open_path / "acl.d"
    acl.mkdir()
    (acl / "deep.json").write_text("[" * 100_000)
    (acl / "list.json").write_text("[]")
    (acl / "directory.json").mkdir()
    program = start("-A", str(acl))
    async with open_client(program.path) as root:
        with pytest.raises(StatusError):
            await root.call("nobody", "home")
