"""kill -9 at every step of a change, 24 hours, and what others change: each change is reported once, and truly.

The service is a process of its own here, which gets no chance to say goodbye; the package manager waits where it is
told to, and survives it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio
from tests.conftest import StartService
from tests.firmware.fileserver import Exchange, FileServer, open_server
from tests.firmware.modules.conftest import Acs, Modules, PackageManager
from tests.processes import running

from cwmp.contract import Fault
from cwmp.contract.firmware import DUOperation
from cwmp.firmware.modules.opkg import Manager
from cwmp.firmware.times import Now
from cwmp.runtime import Paths
from ubuskit.client import Client

Kill = Callable[[], Awaitable[None]]


class Gate:
    """The program, which stops before it installs: says its process id, and goes on when it is let."""

    def __init__(self, root: Path) -> None:
        begun, self._hold = root / "tmp/begun", root / "tmp/hold"
        program = root / "bin/opkg"
        program.rename(root / "bin/opkg.real")
        program.write_text(
            "#!/bin/sh\n"
            f'case "$*" in *install*) if [ -p {self._hold} ]; then\n'
            f"echo $$ >{begun}; read go <{self._hold}; fi;;\nesac\n"
            f'exec {root}/bin/opkg.real "$@"\n'
        )
        program.chmod(0o755)
        for fifo in (begun, self._hold):
            os.mkfifo(fifo)
        # Open for both, so that whoever opens them next does not wait for the other side.
        self._said, self._go = (os.open(f, os.O_RDWR | os.O_NONBLOCK) for f in (begun, self._hold))

    async def begun(self) -> int:
        with trio.fail_after(20):
            await trio.lowlevel.wait_readable(self._said)
        return int(os.read(self._said, 100))

    def open(self) -> None:
        """Let it go on, and whoever comes after it pass."""
        os.write(self._go, b"go\n")
        self._hold.unlink()

    def close(self) -> None:
        os.close(self._said)
        os.close(self._go)


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with open_server() as server:
        yield server


@pytest.fixture
def opkg(paths: Paths) -> PackageManager:
    found = PackageManager("opkg", paths.sysroot, os.environ.get("OPKG", ""))
    found.install()
    return found


@pytest.fixture
def gate(opkg: PackageManager) -> Iterator[Gate]:
    found = Gate(opkg.root)
    yield found
    found.close()


async def while_waiting(acs: Acs, files: FileServer, gate: Gate, kill: Kill) -> None:
    await acs.set_open(True)
    await acs.change(DUOperation("Install", url=files.url("/hello")))
    await kill()
    await acs.set_open(False)


async def while_fetching(acs: Acs, files: FileServer, gate: Gate, kill: Kill) -> None:
    begun = trio.Event()
    there = files.routes["/hello"]

    @files.route("/hello")
    async def _(exchange: Exchange) -> None:
        files.routes["/hello"] = there
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 65000\r\n\r\nabc")
        begun.set()
        await trio.sleep_forever()

    await acs.change(DUOperation("Install", url=files.url("/hello")))
    with trio.fail_after(20):
        await begun.wait()
    await kill()


async def while_applying(acs: Acs, files: FileServer, gate: Gate, kill: Kill) -> None:
    """The package manager, too, is killed before it has done anything."""
    await acs.change(DUOperation("Install", url=files.url("/hello")))
    program = await gate.begun()
    await kill()
    os.kill(program, signal.SIGKILL)


async def while_applying_goes_on(acs: Acs, files: FileServer, gate: Gate, kill: Kill) -> None:
    """The package manager does it after we are gone."""
    await acs.change(DUOperation("Install", url=files.url("/hello")))
    program = await gate.begun()
    descriptor = os.pidfd_open(program)
    await kill()
    gate.open()
    with trio.fail_after(20):
        await trio.lowlevel.wait_readable(descriptor)
    os.close(descriptor)


Step = Callable[[Acs, FileServer, Gate, Kill], Awaitable[None]]


@pytest.mark.parametrize(
    "step", [while_waiting, while_fetching, while_applying, while_applying_goes_on], ids=lambda s: s.__name__
)
async def test_killed(
    step: Step,
    paths: Paths,
    client: Client,
    acs: Acs,
    files: FileServer,
    opkg: PackageManager,
    gate: Gate,
) -> None:
    files.serve("/hello", opkg.package("hello", "1.0-r1"))
    async with running("firmware", paths, client) as kill:
        await step(acs, files, gate, kill)
    if (opkg.root / "tmp/hold").exists():
        (opkg.root / "tmp/hold").unlink()
    fetched = len(files.requests)
    async with running("firmware", paths, client) as kill:
        while not (changes := await acs.changes()):
            with trio.fail_after(20):
                await acs.heard()
        (result,) = changes[0].results
        assert (result.fault_code, result.current_state, result.version) == (0, "Installed", "1.0-r1")
        assert len(files.requests) - fetched == (0 if step is while_applying_goes_on else 1)
        await kill()
    async with running("firmware", paths, client) as kill:  # not confirmed: told again, and the same
        assert await acs.changes() == changes
        await acs.confirm(changes[0])
        await kill()
    async with running("firmware", paths, client):
        assert await acs.changes() == []
        status = await client.call("cwmp.firmware", "modules")
        assert [(u["name"], u["version"], u["number"]) for u in status["units"]] == [("hello", "1.0-r1", 1)]
        assert status["changes"] == []
    assert not (paths.run_dir / "modules").exists()


async def test_stopped_while_the_package_manager_is_at_work(
    acs: Acs, opkg: PackageManager, gate: Gate, client: Client, start_service: StartService
) -> None:
    """It is not stopped with us: what is half installed would stay so."""
    modules = Modules({"http://h/hello": opkg.package("hello", "1.0-r1")})
    runtime = await start_service("firmware", modules.serve)
    await acs.change(DUOperation("Install", url="http://h/hello"))
    descriptor = os.pidfd_open(await gate.begun())
    runtime.nursery.cancel_scope.cancel()
    gate.open()
    with trio.fail_after(20):
        await trio.lowlevel.wait_readable(descriptor)
    os.close(descriptor)
    assert (opkg.root / "usr/share/hello/version").read_text() == "1.0-r1\n"
    await start_service("firmware", modules.serve)
    (result,) = (await acs.completed()).results
    assert (result.fault_code, result.version, len(modules.fetched)) == (0, "1.0-r1", 1)


async def test_cut_off_too_often(
    paths: Paths, client: Client, acs: Acs, files: FileServer, opkg: PackageManager, gate: Gate
) -> None:
    files.serve("/hello", opkg.package("hello", "1.0-r1"))
    for attempt in range(4):
        async with running("firmware", paths, client) as kill:
            if not attempt:
                await acs.change(DUOperation("Install", url=files.url("/hello")))
            program = await gate.begun()
            await kill()
            os.kill(program, signal.SIGKILL)
    async with running("firmware", paths, client):
        (result,) = (await acs.completed()).results
    assert (result.fault_code, result.current_state) == (9001, "Failed")
    assert result.fault_string == "given up: 4 attempts were cut off"


@pytest.mark.parametrize("manager", ["opkg"], indirect=True)
class TestIn24Hours:
    @pytest.mark.parametrize("hours", [23.9, 30.0])
    async def test_what_is_not_done_fails(
        self, hours: float, acs: Acs, modules: Modules, manager: PackageManager
    ) -> None:
        modules.serve_file("https://h/hello", manager.package("hello", "1.0-r1"))
        await acs.set_open(True)
        await acs.change(
            DUOperation("Install", url="https://h/hello"), DUOperation("Update", url="https://h/hello")
        )
        modules.now = Now(modules.now.wall, modules.now.boottime + hours * 3600, "boot")
        await acs.set_open(False)
        first, second = (await acs.completed()).results
        assert (first.fault_code, first.current_state) == (9001, "Failed")
        assert first.fault_string == "it was not done within 24 h"
        assert (second.fault_code, modules.fetched) == (9001, [])

    async def test_an_hour_for_each_operation(
        self, acs: Acs, modules: Modules, manager: PackageManager
    ) -> None:
        """What is being fetched when the 24 hours end is given up."""
        modules.holding = trio.Event()
        await acs.set_open(True)
        await acs.change(DUOperation("Install", url="https://h/hello"))
        modules.now = Now(modules.now.wall, modules.now.boottime + 24 * 3600 - 600 - 0.05, "boot")
        await acs.set_open(False)
        (result,) = (await acs.completed()).results
        assert result.fault_string == "it was not done within 24 h"
        assert modules.holding.is_set()


@pytest.mark.parametrize("manager", ["opkg"], indirect=True)
async def test_nothing_begins_while_a_session_is_open(
    acs: Acs, modules: Modules, manager: PackageManager
) -> None:
    modules.serve_file("https://h/hello", manager.package("hello", "1.0-r1"))
    await acs.set_open(True)
    acs.asked = trio.Event()
    await acs.change(DUOperation("Install", url="https://h/hello"))
    with trio.fail_after(20):
        await acs.asked.wait()
    assert modules.fetched == []
    await acs.set_open(False)
    assert (await acs.completed()).results[0].fault_code == 0


@pytest.mark.parametrize("manager", ["opkg"], indirect=True)
async def test_the_flash_is_full(acs: Acs, modules: Modules, manager: PackageManager) -> None:
    """What cannot be recorded is not promised."""
    directory = manager.root / "etc/cwmp/firmware"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ".du_changes.json.new").mkdir()  # nothing can be written under this name
    with pytest.raises(Fault) as refused:
        await acs.change(DUOperation("Install", url="https://h/hello"))
    assert refused.value.code == 9002
    assert await acs.changes() == []


async def test_somebody_at_work_is_waited_for(paths: Paths, client: Client, opkg: PackageManager) -> None:
    """After a start, what an earlier process began may still hold the package manager's lock."""
    lock = opkg.root / "var/lock/opkg.lock"
    lock.touch()
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, 2); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(lock)]
    holder = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    await holder.stdout.receive_some(1)
    manager = Manager(opkg.root / "bin/opkg", paths, client)
    with trio.move_on_after(0.05) as scope:
        await manager.settle()
    assert scope.cancelled_caught
    await holder.stdin.aclose()
    await holder.wait()
    with trio.fail_after(20):
        await manager.settle()


class TestByHand:
    """A package that somebody on the router installs, updates or removes (CWMP.md 15, autonomous changes)."""

    def configure(self, paths: Paths, **options: str) -> None:
        lines = "".join(f"\toption {name} '{value}'\n" for name, value in options.items())
        (paths.uci_dir / "cwmp").write_text(f"\nconfig cwmp 'cwmp'\n{lines}")

    def put(self, manager: PackageManager, version: str) -> str:
        suffix = "ipk" if manager.kind == "opkg" else "apk"
        file = manager.root / f"tmp/hello.{suffix}"
        file.write_bytes(manager.package("hello", version))
        return str(file)

    async def test_is_reported_where_the_policy_says_so(
        self, acs: Acs, modules: Modules, manager: PackageManager, paths: Paths
    ) -> None:
        self.configure(paths, du_state_change_enable="1")
        await acs.read()
        manager.by_hand("install", self.put(manager, "1.0-r1"))
        change = await acs.completed()
        (result,) = change.results
        assert (change.autonomous, change.command_key) == (True, "")
        assert (result.operation, result.current_state, result.version) == ("Install", "Installed", "1.0-r1")
        assert result.deployment_unit_ref == "Device.SoftwareModules.DeploymentUnit.1."
        manager.by_hand("install", self.put(manager, "1.1-r1"))
        (result,) = (await acs.completed()).results
        assert (result.operation, result.version) == ("Update", "1.1-r1")
        manager.by_hand("remove", "hello")
        (result,) = (await acs.completed()).results
        assert (result.operation, result.current_state, result.version) == (
            "Uninstall",
            "Uninstalled",
            "1.1-r1",
        )
        assert await acs.changes() == []

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"du_state_change_enable": "1", "du_state_change_result": "Failure"},
            {"du_state_change_enable": "1", "du_state_change_operations": "Update"},
        ],
    )
    async def test_is_not_reported_otherwise(
        self, options: dict[str, str], acs: Acs, modules: Modules, manager: PackageManager, paths: Paths
    ) -> None:
        self.configure(paths, **options)
        await acs.read()
        manager.by_hand("install", self.put(manager, "1.0-r1"))
        assert await acs.changes() == []
        assert (await acs.read())["DeploymentUnit.1.Name"] == "hello"
        assert await acs.changes() == []
