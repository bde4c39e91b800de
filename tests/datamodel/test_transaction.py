"""One transaction over packages, instances, ParameterKey and the answer: kill -9 before any file operation."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from tests.datamodel.offline import Datamodel
from tests.datamodel.support import Router

from cwmp.contract import Fault
from cwmp.contract.datamodel import AddObject, SetValues
from cwmp.datamodel.undo import changes_back
from cwmp.runtime import Paths
from ubuskit.uci import FileOps

SSID = "Device.WiFi.SSID.1.SSID"
HOSTNAME = "Device.DeviceInfo.HostName"
EXAMPLE = "Device.X_EXAMPLE_COM_MyPackage.Example"
NEW = {SSID: "New", HOSTNAME: "new", EXAMPLE: "new"}


class CutOps(FileOps):
    """Counts file operations, and ends the process right before number `at`."""

    def __init__(self, at: int = 0) -> None:
        self.count = 0
        self._at = at

    def _step(self) -> None:
        self.count += 1
        if self.count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

    def create(self, path: Path, mode: int) -> int:
        self._step()
        return super().create(path, mode)

    def write(self, fd: int, data: bytes) -> None:
        self._step()
        super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._step()
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)


async def _set(found: Datamodel) -> None:
    await found.writer.set_values(SetValues([*NEW], [""] * 3, [*NEW.values()], "new"), "id-1")


async def _add(found: Datamodel) -> None:
    await found.writer.add_object(AddObject("Device.WiFi.SSID.", "new"), "id-2")


async def _take_back(found: Datamodel) -> None:
    undo = found.journal.undo
    changes, left = changes_back(undo, {name: found.uci.load(name) for name in undo.packages})
    assert not left
    found.writer.take_back(changes)


Operation = Callable[[Datamodel], Awaitable[None]]


def _in_child(paths: Paths, operation: Operation, at: int) -> int:
    """Run `operation` in a process that is killed before file operation `at`; its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            found = Datamodel(paths, CutOps(at))
            trio.run(operation, found)
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def _count(paths: Paths, operation: Operation) -> int:
    ops = CutOps()
    found = Datamodel(paths, ops)
    trio.run(operation, found)
    return ops.count


def _restore(files: Router) -> Callable[[], None]:
    kept = {p: p.read_text() for p in files.paths.uci_dir.iterdir()}

    def restore() -> None:
        for path in [*files.paths.uci_dir.iterdir(), *(files.paths.state_dir / "datamodel").iterdir()]:
            path.unlink()
        for path, text in kept.items():
            path.write_text(text)
        Datamodel(files.paths).values(SSID)  # the numbers of what is there are known before

    return restore


def test_p42_set_is_all_or_nothing(files: Router) -> None:
    restore = _restore(files)
    steps = _count(files.paths, _set)
    assert steps > 20
    seen: set[str] = set()
    for at in range(1, steps + 1):
        restore()
        assert os.WTERMSIG(_in_child(files.paths, _set, at)) == signal.SIGKILL
        found = Datamodel(files.paths)
        values = found.values(*NEW)
        journal = found.journal
        if journal.parameter_key == "new":
            assert values == NEW
            assert journal.answers == {"id-1": {"status": 1}}
            assert journal.later == ["mypackage", "system", "wireless"]
            assert journal.undo.packages == ["mypackage", "system", "wireless"]
        else:
            assert values == {SSID: "OpenWrt", HOSTNAME: "OpenWrt", EXAMPLE: "factory"}
            assert not journal.answers
            assert not journal.later
            assert not journal.undo
        seen.add(journal.parameter_key)
    assert seen == {"", "new"}


def test_taking_back_is_all_or_nothing(files: Router) -> None:
    restore = _restore(files)
    trio.run(_set, Datamodel(files.paths))
    steps = _count(files.paths, _take_back)
    assert steps > 20
    seen: set[str] = set()
    for at in range(1, steps + 1):
        restore()
        trio.run(_set, Datamodel(files.paths))
        assert os.WTERMSIG(_in_child(files.paths, _take_back, at)) == signal.SIGKILL
        found = Datamodel(files.paths)
        values = found.values(*NEW)
        if found.journal.parameter_key == "new":
            assert values == NEW
            assert found.journal.undo
        else:
            assert values == {SSID: "OpenWrt", HOSTNAME: "OpenWrt", EXAMPLE: "factory"}
            assert not found.journal.undo
            assert set(found.journal.now) == {"mypackage", "system", "wireless"}
        seen.add(found.journal.parameter_key)
    assert seen == {"", "new"}


def test_p42_add_happens_once_however_often_it_is_asked_for(files: Router) -> None:
    restore = _restore(files)
    steps = _count(files.paths, _add)
    for at in range(1, steps + 1):
        restore()
        assert os.WTERMSIG(_in_child(files.paths, _add, at)) == signal.SIGKILL
        found = Datamodel(files.paths)
        trio.run(_add, found)
        assert found.journal.answers == {"id-2": {"status": 1, "instance": 2}}
        text = files.uci("wireless")
        assert text.count("config wifi-iface") == 2
        again = Datamodel(files.paths)
        assert again.values("Device.WiFi.SSID.2.Name") == {"Device.WiFi.SSID.2.Name": "wifinet_2"}
        assert again.journal.instances.peek("Device.WiFi.SSID.") == 3


def test_a_full_disk_changes_nothing(files: Router) -> None:
    class Full(FileOps):
        def write(self, fd: int, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    found = Datamodel(files.paths, Full())
    with pytest.raises(Fault) as caught:
        trio.run(_set, found)
    assert caught.value.code == 9002
    assert "No space left" in caught.value.text
    assert found.journal.parameter_key == ""
    assert found.values(SSID, EXAMPLE) == {SSID: "OpenWrt", EXAMPLE: "factory"}


def test_corrupt_state_is_set_aside(files: Router, caplog: pytest.LogCaptureFixture) -> None:
    state = files.paths.state_dir / "datamodel"
    state.mkdir()
    (state / "journal.json").write_text('{"version": 1, "parameter_key": ')
    (state / "instances.json").write_text('{"version": 1, "tables": {"Device.WiFi.SSID.": [2, [["x"]]]}}')
    found = Datamodel(files.paths)
    assert found.values(SSID) == {SSID: "OpenWrt"}
    trio.run(_set, found)
    assert Datamodel(files.paths).values(SSID) == {SSID: "New"}
    assert (state / "journal.corrupt").exists()
    assert "unusable" in caplog.text


@pytest.mark.parametrize(
    "document",
    ['{"version": 1, "owed": [], "tell": 3, "answers": {"x": {}}, "acked": null, "parameter_key": 7}'],
)
def test_a_journal_of_the_wrong_shape_counts_as_absent(files: Router, document: str) -> None:
    state = files.paths.state_dir / "datamodel"
    state.mkdir()
    (state / "journal.json").write_text(document)
    found = Datamodel(files.paths)
    assert found.journal.parameter_key == ""
    assert found.journal.owed == {}
    trio.run(_set, found)
    assert Datamodel(files.paths).values(SSID) == {SSID: "New"}
