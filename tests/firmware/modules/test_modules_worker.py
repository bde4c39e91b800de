"""The worker against a system in memory: what is read while it changes something, and hostile package files."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.modules.conftest import Acs, Modules, PackageManager

from cwmp.contract import Fault
from cwmp.contract.firmware import DUOperation, DUResult
from cwmp.firmware.exchange import Place
from cwmp.firmware.modules import packages
from cwmp.firmware.modules.backend import Bring
from cwmp.firmware.modules.catalog import Catalog, Noticed
from cwmp.firmware.modules.changes import Applying, Change, Changes, Phase, Task
from cwmp.firmware.modules.opkg import examine
from cwmp.firmware.modules.units import Environment, Inventory, Package, Status, Target, Unit
from cwmp.firmware.modules.worker import Store, Surroundings, Worker
from cwmp.firmware.times import Now
from cwmp.lab.router.packages import Wanted, opkg_package

LOG = logging.getLogger("test")
HOME = Environment("home", "Home", "memory")


class Memory:
    """A backend whose units are in memory. `fails` are what operations raise, `lies`: it does nothing then."""

    schemes = frozenset({"http"})

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}
        self.reading: trio.Event | None = None
        self.go_on = trio.Event()
        self.fails: Fault | None = None
        self.lies = False

    async def inventory(self) -> Inventory:
        found = Inventory([HOME], list(self.units.values()))
        if self.reading is not None:
            reading, self.reading = self.reading, None
            reading.set()
            await self.go_on.wait()
        return found

    async def prepare(self, source: Place, environment: Environment, bring: Bring) -> Package:
        name, version = source.url.rpartition("/")[2].split("-")
        return Package(name, name, "V", version, source.url)

    async def compare(self, first: str, second: str) -> int:
        return (first > second) - (first < second)

    async def install(self, package: Package, environment: Environment, uuid: str) -> None:
        if not self.lies:
            self.units[package.key] = Unit(package.key, "home", package.name, "V", package.version)
        self._ends()

    async def update(self, unit: Unit, package: Package) -> None:
        if not self.lies:
            self.units[unit.key] = dataclasses.replace(unit, version=package.version)
        self._ends()

    async def uninstall(self, unit: Unit) -> None:
        if not self.lies:
            del self.units[unit.key]
        self._ends()

    def _ends(self) -> None:
        if self.fails is not None:
            raise self.fails

    async def request_state(self, unit: Unit, key: str, state: Status) -> None:
        raise AssertionError(key)

    async def set_auto_start(self, unit: Unit, key: str, *, enable: bool) -> None:
        raise AssertionError(key)

    async def enable(self, environment: Environment, *, enable: bool) -> None:
        raise AssertionError(environment)

    async def settle(self) -> None:
        return


class Setting:
    """A worker with what is around it."""

    def __init__(self) -> None:
        self.backend = Memory()
        self.noticed: list[Noticed] = []
        self.told = trio.Event()
        self.store = Store(Changes(), Catalog(begun=True), lambda _: None, lambda _: None)
        self.worker = Worker(
            self.store,
            self.backend,
            Surroundings(
                clock=lambda: Now(1_750_000_000.0, 100.0, "boot"),
                session_ended=trio.lowlevel.checkpoint,
                going_down=trio.Lock(),
                bring=self._bring,
                told=self._tell,
                noticed=lambda _, noticed: self.noticed.extend(noticed),
                log=LOG,
            ),
        )

    @asynccontextmanager
    async def _bring(self) -> AsyncIterator[Bring]:
        async def bring(_source: Place, _suffix: str) -> Path:
            raise AssertionError("nothing is fetched here")

        yield bring

    async def _tell(self, _change: str) -> None:
        self.told.set()

    async def done(self, *operations: DUOperation) -> list[DUResult]:
        """Carry operations out: their results."""
        now = self.worker._clock()
        name = str(len(self.store.changes.changes))
        self.store.keep(self.store.changes.add(Change(name, name, "", now, [Task(o) for o in operations])))
        self.told = trio.Event()
        self.worker.look()
        with trio.fail_after(20):
            await self.told.wait()
        change = next(c for c in self.store.changes.changes if c.id == name)
        return [result for task in change.tasks for result in task.results]


@pytest.fixture
async def setting(nursery: trio.Nursery) -> Setting:
    found = Setting()
    nursery.start_soon(found.worker.run)
    return found


INSTALL = DUOperation("Install", url="http://h/a-1")


async def test_who_reads_meanwhile_notices_nothing(setting: Setting, nursery: trio.Nursery) -> None:
    """What was read before a change of ours is not held against what we know after it."""
    await setting.worker.see()
    setting.backend.reading = reading = trio.Event()
    nursery.start_soon(setting.worker.see)
    await reading.wait()
    (result,) = await setting.done(INSTALL)
    setting.backend.go_on.set()
    await trio.testing.wait_all_tasks_blocked()
    assert (result.fault_code, setting.noticed) == (0, [])
    assert [k.number for k in setting.store.catalog.units] == [1]


@pytest.mark.parametrize("operation", [DUOperation("Update", url="http://h/a-2"), DUOperation("Uninstall")])
async def test_what_is_there_decides(setting: Setting, operation: DUOperation) -> None:
    """Whatever the system says of it: what failed and was done all the same is a success, and the reverse."""
    (installed,) = await setting.done(INSTALL)
    operation = dataclasses.replace(operation, uuid=installed.uuid)
    setting.backend.lies = True
    (result,) = await setting.done(operation)
    assert (result.fault_code, result.current_state, result.version) == (9001, "Installed", "1")
    assert result.fault_string == "the system says that it was done, but it was not"
    setting.backend.lies, setting.backend.fails = False, Fault(9018, "out of luck")
    (result,) = await setting.done(operation)
    assert (result.fault_code, result.current_state == "Installed") == (0, operation.kind == "Update")
    assert setting.noticed == []


async def test_cut_off_between_the_deed_and_its_result(setting: Setting) -> None:
    """The unit is gone, from the catalog as well: its result still says which it was."""
    (installed,) = await setting.done(INSTALL)
    setting.backend.units.clear()
    store, now = setting.store, setting.worker._clock()
    applying = Applying("home", "a", installed.uuid, "", "1", number=1)
    task = Task(
        DUOperation("Uninstall", uuid=installed.uuid),
        Phase.WORKING,
        1,
        0.0,
        True,
        [Target("home", "a")],
        applying,
    )
    store.know(store.catalog.removed("home", "a"))
    store.keep(store.changes.add(Change("cut", "cut", "", now, [task])))
    setting.told = trio.Event()
    setting.worker.look()
    with trio.fail_after(20):
        await setting.told.wait()
    (result,) = store.changes.changes[-1].tasks[0].results
    assert (result.fault_code, result.current_state, result.version) == (0, "Uninstalled", "1")
    assert result.deployment_unit_ref == "Device.SoftwareModules.DeploymentUnit.1."


async def test_an_install_that_fails_leaves_no_unit(setting: Setting) -> None:
    setting.backend.lies, setting.backend.fails = True, Fault(9018, "out of luck")
    (result,) = await setting.done(INSTALL)
    assert (result.fault_code, result.current_state, result.deployment_unit_ref) == (9018, "Failed", "")
    assert setting.store.catalog.units == ()


HELLO = opkg_package(Wanted("hello", "1.0"))
"""One for all examples: the time it was made at is in it."""


@settings(max_examples=25)
@given(st.data())
def test_hostile_packages(data: st.DataObject) -> None:
    """A package file that was damaged anywhere is examined, or refused with 9018."""
    raw = bytearray(HELLO)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        raw[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))
    with tempfile.NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        try:
            assert isinstance(examine(Path(file.name)), dict)
        except Fault as fault:
            assert fault.code == 9018


@pytest.mark.parametrize("manager", ["opkg"], indirect=True)
@pytest.mark.parametrize("name", ["--force", "../../etc/passwd", "", "a b", "-o", "a" * 200])
async def test_names_that_are_none(name: str, acs: Acs, modules: Modules, manager: PackageManager) -> None:
    modules.serve_file("https://h/p", manager.package(name, "1.0"))
    (result,) = await acs.results(DUOperation("Install", url="https://h/p"))
    assert (result.fault_code, result.current_state) == (9018, "Failed")


class TestPrograms:
    async def test_what_one_says_and_how_it_ends(self) -> None:
        ran = await packages.run("/bin/sh", "-c", "echo out; echo err >&2; cat; exit 3")
        assert (ran.status, ran.output) == (3, "out\nerr\n")
        assert (await packages.run("/bin/sh", "-c", "kill -9 $$")).status == -9

    async def test_its_deadline(self) -> None:
        """It is ended, and whatever it has started."""
        command = ("/bin/sh", "-c", "echo begun; sleep 60 & wait")
        ran = await packages.run(*command, deadline=0.2)
        assert (ran.status, ran.said) == (None, "it was not over within 0.2 s")

    async def test_none_that_can_be_run(self, tmp_path: Path) -> None:
        with pytest.raises(Fault) as refused:
            await packages.run(tmp_path / "nothing")
        assert refused.value.code == 9001


def test_nothing_of_it_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, cwmp.firmware.service; print(*sorted(m for m in sys.modules if 'firmware.modules' in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cwmp.firmware.modules", "cwmp.firmware.modules.door"]
