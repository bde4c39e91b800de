"""All mounts of a model: asked for their shape, listened to, and changed as part of a transaction.

Theory of operation
-------------------
A mount is asked for its shape when the service starts, when its daemon's object appears on the bus, when a
notification or an answer says that the shape changed, and no sooner than `_AGAIN` after it could not be had. A
request waits for that (`settle`), a few seconds at most; with none stale it waits for nothing.

What a daemon keeps cannot be in our transaction. So a change that concerns daemons is made in this order, with
a note of it on flash (`Journal.remote`) before anything else:

    noted     old and new values
    staged    each daemon takes its values: Ambiorix puts them in force, bbfdm prepares them. Where one refuses,
              those before it are taken back, and nothing has changed
    sealed    our own commit, which makes the note "commit" (bbfdm) or nothing (Ambiorix)
    committed bbfdm's own commit

A note that a restart finds is acted upon as soon as its daemon answers: staged values are taken back where they
are still the new ones, sealed ones are committed. Rows are not noted: a power cut between a daemon's ``add`` and
our commit leaves a row that nobody was told of, one after ``del`` a row that is gone.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from cwmp.contract import Fault, FaultCode, ParameterFault
from cwmp.datamodel.remote.mount import Backend, Mount, graft
from cwmp.datamodel.remote.schema import Assignment, Readings, Refused, RemoteError
from cwmp.datamodel.snapshot import Need, SourceFailed
from ubuskit.client import Client

if TYPE_CHECKING:
    from cwmp.datamodel.journal import Journal
    from cwmp.datamodel.tree import Model

_DESCRIBE = 10.0
_SETTLE = 5.0
_AGAIN = 30.0
_SHAPE = ("dm:object-added", "dm:object-removed", "dm:root-added")


class Mounts:
    """The mounts of `model`."""

    def __init__(self, model: Model, bus: Client, journal: Journal, log: logging.Logger) -> None:
        self._bus = bus
        self._journal = journal
        self._log = log
        self.happened: Callable[[], None] = lambda: None
        """Called when values may have changed."""
        self._nodes = {
            node.mount.path: node
            for node in model.objects()
            if node.mount is not None and node.mount.path == node.template
        }
        self._mounts = {path: node.mount for path, node in self._nodes.items() if node.mount is not None}
        self._asking = {path: trio.Lock() for path in self._mounts}
        self._not_before = dict.fromkeys(self._mounts, -float("inf"))
        self._left = set(journal.remote)
        for mount in self._mounts.values():
            mount.backend = _backend(mount, bus)

    @property
    def unreachable(self) -> list[str]:
        """The paths of those that never said what they serve."""
        return [path for path, mount in self._mounts.items() if not mount.described]

    async def run(self) -> None:
        """Listen, and ask for the shapes; runs until all that is done."""
        if not self._mounts:
            return
        await self._bus.listen("ubus.object.add", self._object_added)
        for mount in self._mounts.values():
            hear = partial(self._notified, mount)
            if event := mount.daemon.event:
                await self._bus.listen(event, hear)
            else:
                for name in mount.daemon.objects:
                    await self._bus.subscribe(name, hear)
        await self.settle()

    def _object_added(self, _event: str, data: dict[str, Any]) -> None:
        for path, mount in self._mounts.items():
            if data.get("path") in mount.daemon.objects:
                mount.stale = True
                self._not_before[path] = -float("inf")
                self.happened()

    def _notified(self, mount: Mount, kind: str, _data: dict[str, Any]) -> None:
        mount.stale |= kind in _SHAPE or mount.daemon.by_instances
        self.happened()

    # Shape

    async def settle(self) -> None:
        """Have the shapes that may have changed asked for again. Waits a while at most, and never fails."""
        now = trio.current_time()
        stale = [
            path
            for path, mount in self._mounts.items()
            if (mount.stale and now >= self._not_before[path]) or self._asking[path].locked()
        ]
        if not stale:
            return
        with trio.move_on_after(_SETTLE):
            async with trio.open_nursery() as nursery:
                for path in stale:
                    nursery.start_soon(self._describe, path)

    async def _describe(self, path: str) -> None:
        async with self._asking[path]:
            mount = self._mounts[path]
            if not mount.stale or trio.current_time() < self._not_before[path]:
                return
            mount.stale = False
            self._not_before[path] = trio.current_time() + _AGAIN  # also where we are cancelled
            failure = "no answer"
            shape = None
            try:
                with trio.move_on_after(_DESCRIBE):
                    shape = await mount.daemon.describe()
            except RemoteError as error:
                failure = str(error)
            finally:
                mount.stale |= shape is None
            if shape is None:
                self._log.warning("%s is served by nobody: %s", path, failure)
                return
            graft(self._nodes[path], shape, mount)
            self._not_before[path] = -float("inf")
            await self._finish(mount)

    async def _finish(self, mount: Mount) -> None:
        """What a restart, or a daemon that went away, left half done."""
        if mount.path not in self._left:
            return
        try:
            await self._undo(mount, self._journal.remote.get(mount.path, {}))
        except RemoteError as error:
            self._log.error("a change that was cut off cannot be finished: %s", error)
            return
        self._left.discard(mount.path)
        self._drop_notes([mount.path])

    async def _undo(self, mount: Mount, note: Mapping[str, Any]) -> None:
        if note.get("commit"):
            self._log.info("%s: what was accepted is committed", mount)
            await mount.daemon.commit()
        elif note:
            self._log.warning("%s: a change that was cut off is taken back", mount)
            await mount.daemon.revert(_assignments(note))

    # Reading

    async def read(self, need: Need) -> Any:
        """What a need of the kind ``remote`` gives. Raises SourceFailed."""
        mount = self._mounts[need.name]
        what, _, path = need.detail.partition(" ")
        backend = mount.daemon
        try:
            if what == "tree":
                return Readings(await backend.tree(path))
            return await (backend.rows(path) if what == "rows" else backend.get(path))
        except RemoteError as error:
            raise SourceFailed(str(error)) from None

    # Writing

    @asynccontextmanager
    async def applied(self, changes: Mapping[Mount, list[Assignment]]) -> AsyncIterator[None]:
        """Around our commit: the daemons have the new values when it begins, the old ones again where it fails.

        Raises:
            Fault: 9003 with one item for each parameter that a daemon refused; 9002.
        """
        if not changes:
            yield
            return
        if left := [str(m) for m in changes if m.path in self._left]:
            raise Fault(FaultCode.INTERNAL_ERROR, f"{left[0]}: a former change is still to be taken back")
        with trio.CancelScope(shield=True):
            self._journal.remote = {mount.path: _note(items) for mount, items in changes.items()}
            self._journal.save()
            begun: list[Mount] = []
            try:
                for mount, items in changes.items():
                    begun.append(mount)
                    await mount.daemon.stage(items)
                yield
            except Refused as refused:
                begun.pop()
                await self._take_back(begun, changes)
                faults = [ParameterFault(f"{mount.path}{r.path}", r.code, r.text) for r in refused.refusals]
                raise Fault(FaultCode.INVALID_ARGUMENTS, f"{mount}: {refused}", faults) from None
            except RemoteError as error:
                await self._take_back(begun, changes)
                raise Fault(FaultCode.INTERNAL_ERROR, str(error)) from None
            except BaseException:
                await self._take_back(begun, changes)
                raise
            await self._commit([mount for mount in changes if mount.daemon.two_phase])

    def sealed(self) -> dict[str, Any]:
        """The notes as our commit makes them: what is in force needs none, what is staged is to be committed."""
        return {
            path: {"commit": True}
            for path in self._journal.remote
            if path not in self._left and self._mounts[path].daemon.two_phase
        } | {path: note for path, note in self._journal.remote.items() if path in self._left}

    @asynccontextmanager
    async def added(self, mount: Mount, path: str, values: dict[str, str]) -> AsyncIterator[int]:
        """Around our commit: the number of a new row of the table at the full `path`.

        Raises:
            Fault: the daemon's, or 9002.
        """
        table = path[len(mount.path) :]
        with trio.CancelScope(shield=True):
            number = await self._asked(mount, table, mount.daemon.add(table, dict(values)))
            try:
                yield int(number)
            except BaseException:
                try:
                    await mount.daemon.delete(f"{table}{number}.")
                    await mount.daemon.revert([])
                except (Refused, RemoteError) as error:
                    self._log.error("row %s%s stays, which nobody was told of: %s", path, number, error)
                raise
            await self._changed_rows(mount)

    @asynccontextmanager
    async def deleted(self, mount: Mount, path: str) -> AsyncIterator[None]:
        """Around our commit: the row at the full `path` is deleted when it begins."""
        with trio.CancelScope(shield=True):
            await self._asked(mount, path[len(mount.path) :], mount.daemon.delete(path[len(mount.path) :]))
            try:
                yield
            except BaseException:
                try:
                    await mount.daemon.revert([])
                except RemoteError as error:
                    self._log.error("%s is gone: %s", path, error)
                raise
            await self._changed_rows(mount)

    async def _asked(self, mount: Mount, path: str, asking: Any) -> Any:
        try:
            return await asking
        except Refused as refused:
            one = refused.refusals[0]
            code = FaultCode.INVALID_PARAMETER_NAME if one.code == FaultCode.NOT_WRITABLE else one.code
            raise Fault(code, f"{mount.path}{path}: {one.text}") from None
        except RemoteError as error:
            raise Fault(FaultCode.INTERNAL_ERROR, str(error)) from None

    async def _changed_rows(self, mount: Mount) -> None:
        mount.stale |= mount.daemon.by_instances
        if mount.daemon.two_phase:
            await self._commit([mount])

    async def _commit(self, mounts: Sequence[Mount]) -> None:
        """It is accepted and durable here; what cannot be committed now is when the daemon is back."""
        done = []
        for mount in mounts:
            try:
                await mount.daemon.commit()
                done.append(mount.path)
            except RemoteError as error:
                self._log.error("accepted, but not applied yet: %s", error)
                self._journal.remote[mount.path] = {"commit": True}
                self._left.add(mount.path)
                mount.stale = True
        self._drop_notes(done)

    async def _take_back(self, begun: Iterable[Mount], changes: Mapping[Mount, list[Assignment]]) -> None:
        kept = dict(self._journal.remote) or {m.path: _note(items) for m, items in changes.items()}
        for mount in changes:
            try:
                if mount in begun or mount.daemon.two_phase:
                    await mount.daemon.revert(changes[mount])
            except RemoteError as error:
                self._log.error("a change is to be taken back when its daemon answers: %s", error)
                self._left.add(mount.path)
                mount.stale = True
        self._journal.remote = {path: note for path, note in kept.items() if path in self._left}
        self._save()

    def _drop_notes(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._journal.remote.pop(path, None)
        self._save()

    def _save(self) -> None:
        try:
            self._journal.save()
        except Fault as fault:
            self._log.error("%s", fault.text)


def _backend(mount: Mount, bus: Client) -> Backend:
    """The talk of the mount's kind; imported where there is one."""
    if mount.kind == "ambiorix":
        from cwmp.datamodel.remote.ambiorix import Ambiorix  # noqa: PLC0415

        return Ambiorix(bus, mount.where)
    from cwmp.datamodel.remote.bbfdm import Bbfdm  # noqa: PLC0415

    return Bbfdm(bus, mount.where)


def _note(changes: Iterable[Assignment]) -> dict[str, Any]:
    """``{"set": [[path, new, old], ...]}``."""
    return {"set": [[c.path, dict(c.new), dict(c.old)] for c in changes]}


def _assignments(note: Mapping[str, Any]) -> list[Assignment]:
    try:
        return [Assignment(str(path), dict(new), dict(old)) for path, new, old in note["set"]]
    except (KeyError, TypeError, ValueError):
        return []
