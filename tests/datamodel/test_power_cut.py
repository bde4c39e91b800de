"""The power is cut before any file operation of a transaction, and what was not synced is gone.

`Disk` keeps what a flash would: contents that were synced, and names of directories that were. Two kinds of file
system are tried: one that keeps nothing else, and one whose names are all there but with empty files behind them.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from tests.datamodel.offline import Datamodel
from tests.datamodel.support import PING, Router

from cwmp.contract.datamodel import AddObject, DeleteObject, SetValues
from ubuskit.uci import FileOps

SSID = "Device.WiFi.SSID.1.SSID"
ALIAS = "Device.WiFi.SSID.1.Alias"
HOSTNAME = "Device.DeviceInfo.HostName"
EXAMPLE = "Device.X_EXAMPLE_COM_MyPackage.Example"
MODE = "Device.ManagementServer.InstanceMode"
HOST = f"{PING}Host"
OLD = {SSID: "OpenWrt", HOSTNAME: "OpenWrt", EXAMPLE: "factory"}
NEW = {SSID: "New", HOSTNAME: "new", EXAMPLE: "new"}


class Cut(BaseException):
    """There is no power any more."""


class Disk(FileOps):
    """The operations, as `FileOps`, and what is left of them after a cut before number `at`."""

    def __init__(self, at: int = 0) -> None:
        self.count = 0
        self._at = at
        self._content: dict[int, bytes] = {}
        self._synced: dict[int, bytes] = {}
        self._names: dict[Path, int | None] = {}
        self._synced_names: dict[Path, int | None] = {}

    def _step(self) -> None:
        self.count += 1
        if self._at and self.count >= self._at:
            raise Cut

    def _node(self, fd: int) -> int:
        return os.fstat(fd).st_ino

    def _known(self, path: Path) -> None:
        """A file that was there before: durable."""
        if path not in self._names:
            if path.exists():
                node = path.stat().st_ino
                self._content.setdefault(node, path.read_bytes())
                self._synced.setdefault(node, self._content[node])
                self._names[path] = self._synced_names[path] = node
            else:
                self._names[path] = self._synced_names[path] = None

    def create(self, path: Path, mode: int) -> int:
        self._known(path)
        self._step()
        fd = super().create(path, mode)
        self._names[path] = self._node(fd)
        self._content[self._node(fd)] = b""
        self._synced[self._node(fd)] = b""
        return fd

    def write(self, fd: int, data: bytes) -> None:
        self._step()
        super().write(fd, data)
        self._content[self._node(fd)] += data

    def sync(self, fd: int) -> None:
        self._step()
        super().sync(fd)
        where = Path(os.readlink(f"/proc/self/fd/{fd}"))
        if where.is_dir():
            self._synced_names |= {path: node for path, node in self._names.items() if path.parent == where}
        else:
            self._synced[self._node(fd)] = self._content[self._node(fd)]

    def rename(self, source: Path, target: Path) -> None:
        self._known(source)
        self._known(target)
        self._step()
        super().rename(source, target)
        self._names[target], self._names[source] = self._names[source], None

    def unlink(self, path: Path) -> None:
        self._known(path)
        self._step()
        super().unlink(path)
        self._names[path] = None

    def overwrite(self, fd: int, data: bytes) -> None:
        self._step()
        super().overwrite(fd, data)
        self._synced[self._node(fd)] = data[: len(data) // 2]  # what a torn write leaves

    def lose(self, *, names_are_ahead: bool) -> None:
        """Make the directories what they are when the power is back."""
        names = self._names if names_are_ahead else self._synced_names
        for path in self._names:
            node = names.get(path)
            if node is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(self._synced[node])


Operation = Callable[[Datamodel], Awaitable[object]]


def _cut(files: Router, operation: Operation, at: int, *, names_are_ahead: bool) -> None:
    disk = Disk(at)
    found = Datamodel(files.paths, disk)
    with pytest.raises(Cut):
        trio.run(operation, found)
    disk.lose(names_are_ahead=names_are_ahead)


def _steps(files: Router, operation: Operation) -> int:
    disk = Disk()
    trio.run(operation, Datamodel(files.paths, disk))
    return disk.count


@pytest.fixture
def restore(files: Router) -> Callable[[], None]:
    kept = {p: p.read_text() for p in files.paths.uci_dir.iterdir()}

    def back() -> None:
        state = files.paths.state_dir / "datamodel"
        for path in [*files.paths.uci_dir.iterdir(), *(state.iterdir() if state.exists() else ())]:
            path.unlink()
        for path, text in kept.items():
            path.write_text(text)
        Datamodel(files.paths).values(SSID)

    return back


async def _set(found: Datamodel) -> None:
    wanted = {**NEW, ALIAS: "mine", MODE: "InstanceAlias", HOST: "host.example"}
    await found.writer.set_values(SetValues([*wanted], [""] * len(wanted), [*wanted.values()], "new"), "id-1")


async def _delete(found: Datamodel) -> None:
    await found.writer.delete_object(DeleteObject("Device.WiFi.SSID.1.", "new"), "id-2")


async def _add(found: Datamodel) -> None:
    await found.writer.add_object(AddObject("Device.WiFi.SSID.", "new"), "id-3")


@pytest.mark.parametrize("names_are_ahead", [False, True])
def test_a_set_is_all_or_nothing(files: Router, restore: Callable[[], None], names_are_ahead: bool) -> None:
    restore()
    steps = _steps(files, _set)
    assert steps > 20
    seen = set()
    for at in range(1, steps + 1):
        restore()
        _cut(files, _set, at, names_are_ahead=names_are_ahead)
        found = Datamodel(files.paths)
        journal = found.journal
        seen.add(journal.parameter_key)
        # by number and by alias: the mode is part of the transaction
        values = {n.replace("[mine]", "1"): v for n, v in found.values(*OLD).items()}
        alias = next(iter(found.values(ALIAS).values()))
        if journal.parameter_key == "new":
            assert (values, alias, journal.settings) == (NEW, "mine", {MODE: "InstanceAlias"})
            assert journal.owed == {"diagnostics": {HOST: "host.example"}}
            assert journal.answers == {"id-1": {"status": 1}}
        else:
            assert (values, alias, journal.settings) == (OLD, "cpe-default_radio0", {})
            assert (journal.owed, dict(journal.answers)) == ({}, {})
    assert seen == {"", "new"}


@pytest.mark.parametrize("names_are_ahead", [False, True])
@pytest.mark.parametrize(("operation", "rows"), [(_delete, ["1", ""]), (_add, ["1", "12"])])
def test_rows_come_and_go_with_the_key(
    files: Router, restore: Callable[[], None], operation: Operation, rows: list[str], names_are_ahead: bool
) -> None:
    restore()
    steps = _steps(files, operation)
    seen = set()
    for at in range(1, steps + 1, 2):
        restore()
        _cut(files, operation, at, names_are_ahead=names_are_ahead)
        found = Datamodel(files.paths)
        there = "".join(n.split(".")[3] for n in found.values("Device.WiFi.SSID.") if n.endswith(".SSID"))
        assert there == rows[found.journal.parameter_key == "new"]
        assert found.journal.instances.peek("Device.WiFi.SSID.") == (3 if "2" in there else 2)
        seen.add(there)
    assert seen == set(rows)
