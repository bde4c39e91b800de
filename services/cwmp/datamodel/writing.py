"""SetParameterValues, AddObject, DeleteObject: all of it or nothing (TR-069a6 A.3.2.1, A.3.2.6, A.3.2.7).

Theory of operation
-------------------
Changes are made one after the other. Each goes through the same stages, and nothing has happened until the last:

    shape       list lengths, ParameterKey, duplicate names                     9003
    names       every parameter exists, its row too                            9005
    access      it is writable, in this row                                    9008
    rights      the ACS has not kept it to itself (AccessList)                  9001
    type, value the declared type, then range, length, enumeration, pattern    9006, 9007
    staging     the source takes it: references resolve, conversions invert    9007
    whole       unique keys                                                    9007
    owners      services that own parameters are asked whether they take them  9003 with theirs
    commit      one transaction: UCI packages, instances, ParameterKey, answer  9002

Up to `whole` every fault of every parameter is gathered. Within a row parameters are staged in the order the
model declares them, whatever the order in the request, so that the result does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import trio

from cwmp.contract import Fault, FaultCode, ParameterFault
from cwmp.contract.datamodel import Added, AddObject, Applied, DeleteObject, SetValues
from cwmp.datamodel.creating import Creator
from cwmp.datamodel.journal import PARAMETER_KEY, Journal
from cwmp.datamodel.naming import AUTO_CREATE
from cwmp.datamodel.paths import InvalidName, Target, resolve
from cwmp.datamodel.reading import Reader
from cwmp.datamodel.remote.mount import Mount, RemoteRows
from cwmp.datamodel.remote.mounts import Mounts
from cwmp.datamodel.setting import (
    Item,
    called_as_asked,
    check_unique,
    gather,
    keep_spelling,
    needs_of,
    prepare,
    refuse_twice,
    stage,
    summary,
)
from cwmp.datamodel.snapshot import SourceFailed, Unread
from cwmp.datamodel.staging import Call, Staging
from cwmp.datamodel.tree import Object, Parameter, Row, View
from cwmp.datamodel.types import ValueFault, split_list
from cwmp.datamodel.watching import Watch
from ubuskit import uci

_MAX_KEY = 32
_MAX_ROWS = 1024
_MAX_ROUNDS = 16


@dataclass(frozen=True, slots=True)
class Change:
    """What a change did: packages written, parameters or objects named, and whether the ACS made it."""

    packages: list[str]
    names: list[str]
    by_acs: bool
    calls: Sequence[Call] = ()
    values: Mapping[str, str] = field(default_factory=dict)


class Followers(Protocol):
    """Who acts on a change."""

    async def check(self, owned: Mapping[str, Mapping[str, str]]) -> list[ParameterFault]:
        """Ask the owners of parameters whether they take these values; their objections."""

    def guarded(self, packages: Iterable[str]) -> Sequence[str]:
        """Those of `packages` whose changes by the ACS are to be noted, in case it is not reached afterwards."""

    def schedule(self, change: Change) -> int:
        """Note in the journal who must be told, as part of the transaction; the Status of the answer."""

    def status(self, change: Change) -> int:
        """The Status of the answer, if this change were made."""

    async def follow(self, change: Change) -> None:
        """The change is durable: give owners their values, tell the others."""


class Writer:
    """Makes changes, one at a time."""

    def __init__(
        self, reader: Reader, journal: Journal, watch: Watch, followers: Followers, mounts: Mounts
    ) -> None:
        self._reader = reader
        self._watch = watch
        self._journal = journal
        self._followers = followers
        self.mounts = mounts
        self.turn = trio.Lock()
        """Held by whoever changes what the journal keeps."""

    # SetParameterValues

    async def set_values(self, args: SetValues, request_id: str, *, dry_run: bool = False) -> Applied:
        """Set all, or none. A `request_id` that was answered before a restart gets the same answer again.

        A `dry_run` ends before anything is changed; daemons that serve subtrees are not asked what they think.

        Raises:
            Fault: 9003 with one item for each bad parameter; 9002, 9004 for all.
        """
        if not len(args.names) == len(args.types) == len(args.values):
            raise Fault(FaultCode.INVALID_ARGUMENTS, "names, types and values differ in number")
        _check_key(args.parameter_key)
        async with self.turn:
            if (answer := self._journal.answers.get(request_id)) is not None:
                return Applied(answer["status"])
            await self._reader.settle()
            items, refused = self._resolve(args)
            view, _ = await self._reader.look(needs_of(items), lambda v: gather(v, items))
            staging = Staging(view)
            with self._instances_kept() as keep:
                await self._create_missing(view, items, staging)
                refuse_twice(items)
                if args.parameter_key is None:
                    self._check_rights(items)
                stage(items, staging)
                check_unique(view, items, staging)
                await self._check_owners(items, staging)
                refused |= {item.name: item.fault for item in items if item.fault is not None}
                if refused:
                    faults = [refused[name] for name in args.names if name in refused]
                    raise Fault(FaultCode.INVALID_ARGUMENTS, summary(faults, len(args.names)), faults)
                names = [item.plain for item in items]
                if dry_run:
                    by_acs = args.parameter_key is not None
                    return Applied(
                        self._followers.status(Change(staging.packages, names, by_acs, staging.calls))
                    )
                await self._before(staging, args.parameter_key)
                with called_as_asked(items):
                    async with self.mounts.applied(staging.remote.by_mount()):
                        answer, change = await self._commit(
                            staging, names, args.parameter_key, request_id, items
                        )
                keep()
            await self._followers.follow(change)
            return Applied(answer["status"])

    async def _create_missing(self, view: View, items: list[Item], staging: Staging) -> None:
        """The rows that a missing Alias names, where the ACS wants them created; what they need is read."""
        missing = [i for i in items if i.row is None and any(isinstance(n, str) for n in i.target.numbers)]
        if not missing or self._journal.settings.get(AUTO_CREATE) != "true":
            return
        creator = Creator(view, staging, self._journal.instances)
        for item in missing:
            try:
                item.row, item.fault = creator.row(item.target), None
            except InvalidName as fault:
                item.fault = ParameterFault(item.name, FaultCode.INVALID_PARAMETER_NAME, fault.reason)
            except (SourceFailed, Unread) as failure:
                raise Fault(FaultCode.INTERNAL_ERROR, f"{item.name}: {failure}") from None
        for _ in range(_MAX_ROUNDS):
            for item in missing:
                if item.row is not None:
                    prepare(item.parameter, item.row)
            if not view.snapshot.wanted:
                break
            await view.snapshot.fetch()

    @contextmanager
    def _instances_kept(self) -> Iterator[Callable[[], None]]:
        """Instances that are made are forgotten again, unless what this gives is called."""
        before = self._journal.instances.document() if self._journal.settings.get(AUTO_CREATE) else None
        made: list[bool] = []
        try:
            yield lambda: made.append(True)
        finally:
            if before is not None and not made:
                self._journal.instances.load(before)

    def _resolve(self, args: SetValues) -> tuple[list[Item], dict[str, ParameterFault]]:
        """The items whose names the model knows, and the faults of the others."""
        items: list[Item] = []
        refused: dict[str, ParameterFault] = {}
        seen: set[str] = set()
        for name, kind, text in zip(args.names, args.types, args.values, strict=True):
            if name in seen:
                again = ParameterFault(name, FaultCode.INVALID_ARGUMENTS, "set twice")
                raise Fault(FaultCode.INVALID_ARGUMENTS, f"{name} is set twice", [again])
            seen.add(name)
            try:
                target = resolve(self._reader.model, name)
            except InvalidName as fault:
                refused[name] = ParameterFault(name, FaultCode.INVALID_PARAMETER_NAME, fault.reason)
                continue
            if target.parameter is None:
                reason = "an object, not a parameter"
                refused[name] = ParameterFault(name, FaultCode.INVALID_PARAMETER_NAME, reason)
            else:
                items.append(Item(name, text, kind, target, target.parameter))
        return items, refused

    def _check_rights(self, items: list[Item]) -> None:
        """Somebody else than the ACS is writing (A.3.2.4)."""
        for item in items:
            path = item.plain.removesuffix(item.parameter.name)
            if item.parameter.name == "Alias" and item.target.node.has_alias:
                item.refuse(FaultCode.REQUEST_DENIED, "only the ACS may change an Alias (TR-069 3.6.1)")
            if not self._journal.attributes.of(path, item.parameter).local:
                item.refuse(FaultCode.REQUEST_DENIED, "only the ACS may change it (AccessList)")

    async def _check_owners(self, items: list[Item], staging: Staging) -> None:
        if staging.owned:
            objections = {fault.name: fault for fault in await self._followers.check(staging.owned)}
            for item in items:
                if item.fault is None and (found := objections.get(item.plain)) is not None:
                    item.fault = ParameterFault(item.name, found.code, found.text)

    # AddObject, DeleteObject

    async def add_object(self, args: AddObject, request_id: str) -> Added:
        """Create a row with its defaults.

        Raises:
            Fault: 9005 where there is no such table or no row can be created, 9004 where it is full.
        """
        _check_key(args.parameter_key)
        async with self.turn:
            if (answer := self._journal.answers.get(request_id)) is not None:
                return Added(answer["instance"], answer["status"])
            await self._reader.settle()
            target = resolve(self._reader.model, args.object_name)
            node, rows = target.node, target.node.rows
            target, alias = _without_alias(target)
            if target.table and node.mount is not None:
                return await self._add_remote(args, target, alias, node.mount, request_id)
            if not target.table or node.create is None or rows is None:
                raise InvalidName(args.object_name, "no row can be created here")
            view, (parent, there) = await self._reader.look(
                node.way_needs(), lambda v: (row := target.row(v), v.rows(node, row))
            )
            if len(there) >= _MAX_ROWS:
                raise Fault(FaultCode.RESOURCES_EXCEEDED, f"{args.object_name} has {len(there)} rows already")
            _refuse_taken(args.object_name, alias, there)
            path = f"{parent.path}{node.name}."
            staging = Staging(view)
            number = self._journal.instances.peek(path)
            try:
                new = rows.add(parent, node, number, staging)
            except ValueFault as fault:
                raise Fault(FaultCode.RESOURCES_EXCEEDED, f"{args.object_name}: {fault}") from None
            if new.key not in {t.key for t in rows.there(parent)}:
                raise Fault(
                    FaultCode.INTERNAL_ERROR, f"the mapping of {node.template} creates what is no row of it"
                )
            await self._before(staging, args.parameter_key)
            options = new.section.options if new.is_section and new.section is not None else None
            entry = self._journal.instances.add(path, new.key, options)
            entry.alias = alias
            answer, change = await self._commit(
                staging, [path], args.parameter_key, request_id, (), instance=entry.number
            )
            await self._followers.follow(change)
            return Added(answer["instance"], answer["status"])

    async def delete_object(self, args: DeleteObject, request_id: str) -> Applied:
        """Delete a row, all below it, and every strong reference to it.

        Raises:
            Fault: 9005 where there is no such row, or it cannot be deleted.
        """
        _check_key(args.parameter_key)
        async with self.turn:
            if (answer := self._journal.answers.get(request_id)) is not None:
                return Applied(answer["status"])
            await self._reader.settle()
            target = resolve(self._reader.model, args.object_name)
            node, rows = target.node, target.node.rows
            if isinstance(rows, RemoteRows) and not target.table and target.parameter is None:
                return await self._delete_remote(args, target, rows.mount, request_id)
            if target.table or target.parameter is not None or rows is None:
                raise InvalidName(args.object_name, "not a row of a table")
            if not node.delete:
                raise InvalidName(args.object_name, "rows of this table cannot be deleted")
            referring = [
                (o, p)
                for o in self._reader.model.objects()
                for p in o.parameters.values()
                if p.source.writable and any(_lies_in(f"{t}{{i}}.", node.template) for t in p.strong)
            ]
            needs = set(node.way_needs())
            for other, parameter in referring:
                needs |= other.way_needs() | parameter.source.needs
            view, (row, holders) = await self._reader.look(
                needs, lambda v: (row := target.row(v), list(_holders(v, referring, row)))
            )
            self._check_held(args, row)
            staging = Staging(view)
            path = row.path.removesuffix(".")
            for holder, parameter, text in holders:
                left = ",".join(p for p in split_list(text) if not _lies_in(f"{p}.", row.path))
                with suppress(ValueFault):  # it is computed, and without the row it is another
                    parameter.source.write(holder, left, staging)
            try:
                rows.remove(row, staging)
            except ValueFault as fault:
                raise InvalidName(args.object_name, str(fault)) from None
            await self._before(staging, args.parameter_key)
            table, _, number = path.rpartition(".")
            removed = [
                self._journal.instances.below(f"{table}.", int(number)),
                self._journal.attributes.below(row.path),
            ]
            self._journal.instances.delete(f"{table}.", int(number))
            answer, change = await self._commit(
                staging,
                [row.path],
                args.parameter_key,
                request_id,
                (),
                deleted=row.path,
                removed=[removed],
            )
            await self._followers.follow(change)
            return Applied(answer["status"])

    # Rows of other daemons

    def _check_held(self, args: DeleteObject, row: Row) -> None:
        """The ACS may have kept a parameter to itself: who deletes the row would change it (A.3.2.4)."""
        if args.parameter_key is None and (held := self._journal.attributes.acs_only(row.path)):
            raise Fault(FaultCode.REQUEST_DENIED, f"only the ACS may change {held} (AccessList)")

    async def _add_remote(
        self, args: AddObject, target: Target, alias: str, mount: Mount, request_id: str
    ) -> Added:
        node = target.node
        if node.create is None:
            raise InvalidName(args.object_name, "no row can be created here")

        def visit(view: View) -> str:
            parent = target.row(view)
            if alias:
                _refuse_taken(args.object_name, alias, view.rows(node, parent))
            return f"{parent.path}{node.name}."

        view, path = await self._reader.look(node.way_needs(), visit)
        staging = Staging(view)
        await self._before(staging, args.parameter_key)
        async with self.mounts.added(mount, path, {"Alias": alias} if alias else {}) as number:
            answer, change = await self._commit(
                staging, [path], args.parameter_key, request_id, (), instance=number
            )
        await self._followers.follow(change)
        return Added(answer["instance"], answer["status"])

    async def _delete_remote(
        self, args: DeleteObject, target: Target, mount: Mount, request_id: str
    ) -> Applied:
        if not target.node.delete:
            raise InvalidName(args.object_name, "rows of this table cannot be deleted")
        view, row = await self._reader.look(target.node.way_needs(), target.row)
        self._check_held(args, row)
        staging = Staging(view)
        await self._before(staging, args.parameter_key)
        async with self.mounts.deleted(mount, row.path):
            answer, change = await self._commit(
                staging, [row.path], args.parameter_key, request_id, (), deleted=row.path
            )
        await self._followers.follow(change)
        return Applied(answer["status"])

    # The transaction

    async def _before(self, staging: Staging, parameter_key: str | None) -> None:
        """All is checked. From here to the commit nothing is awaited: instances may change already."""
        if parameter_key is not None:
            await self._watch.before_acs(_touched(staging))

    async def _commit(
        self,
        staging: Staging,
        names: list[str],
        parameter_key: str | None,
        request_id: str,
        items: Iterable[Item],
        *,
        instance: int = 0,
        deleted: str = "",
        removed: Sequence[Any] = (),
    ) -> tuple[dict[str, int], Change]:
        """Make everything durable at once; nothing is awaited while it is made, so nobody sees a half of it."""
        journal = self._journal
        values = {i.plain: i.parameter.type.null if i.parameter.hidden else i.text for i in items}
        change = Change(staging.packages, names, parameter_key is not None, staging.calls, values)
        by_acs: dict[str, str] = {}
        if parameter_key is None:
            self._watch.made_here(values)
        else:
            by_acs = dict(values)
            by_acs[PARAMETER_KEY] = parameter_key

        def note() -> dict[str, int]:
            if parameter_key is not None:
                if packages := self._followers.guarded(staging.packages):
                    touched = [t for t in staging.touched() if t.package in packages]
                    journal.undo.add(touched, journal.parameter_key, parameter_key)
                    journal.undo.rows += [*removed, *_moved(staging)]
                journal.parameter_key = parameter_key
                keep_spelling(journal.spelled, items)
                self._watch.noted(by_acs)  # who made a change needs no notification of it
            if deleted:
                for path in [p for p in journal.spelled if p.startswith(deleted)]:
                    del journal.spelled[path]
                journal.attributes.delete_below(deleted)
                self._watch.deleted(deleted)
            for entry, alias in staging.aliases.values():
                journal.instances.set_alias(entry, alias)
            for entry, table, candidate in staging.renames.values():
                journal.instances.rename(entry, table, candidate)
            for service, values in staging.owned.items():
                journal.owed.setdefault(service, {}).update(values)
            journal.settings.update(staging.own)
            journal.remote = self.mounts.sealed()
            status = self._followers.schedule(change)
            return {"status": status, "instance": instance} if instance else {"status": status}

        try:
            answer = journal.commit(staging.uci, request_id, note)
        finally:
            self._reader.changed()
        if by_acs:
            await self._watch.after_acs(_touched(staging), by_acs)
        return answer, change

    def take_back(self, changes: Mapping[str, Sequence[uci.Change]]) -> None:
        """Make `changes`, which restore what `Journal.undo` holds, with all that belongs to them."""
        journal = self._journal
        undo = journal.undo

        def note() -> dict[str, int]:
            if journal.parameter_key == undo.key_after:
                journal.parameter_key = undo.key
            for instances, attributes in reversed(undo.rows):
                journal.instances.put_back(instances)
                journal.attributes.put_back(attributes)
            undo.clear()
            journal.now += [p for p in changes if p not in journal.now]
            return {}

        try:
            journal.commit(changes, "", note)
        finally:
            self._reader.changed()


def _check_key(parameter_key: str | None) -> None:
    if parameter_key is not None and len(parameter_key) > _MAX_KEY:
        raise Fault(FaultCode.INVALID_ARGUMENTS, f"ParameterKey is longer than {_MAX_KEY} characters")


def _touched(staging: Staging) -> list[str]:
    """The packages that are changed, and the paths of mounts."""
    return [*staging.packages, *(mount.path for mount in staging.remote.by_mount())]


def _without_alias(target: Target) -> tuple[Target, str]:
    """The table of a row that is named by an Alias, and that; others as they are (A.3.2.6)."""
    if target.table or target.parameter or not target.numbers or target.node.rows is None:
        return target, ""
    last = target.numbers[-1]
    return (
        (target, "")
        if isinstance(last, int)
        else (Target(target.path, target.node, target.numbers[:-1], table=True), last)
    )


def _moved(staging: Staging) -> list[Any]:
    """The rows that are to be under another key, as they are now; in the form of rows that were deleted."""
    return [
        [[[table, [entry.number, entry.key, int(entry.anonymous), entry.marks, entry.alias]]], {}]
        for entry, table, _ in staging.renames.values()
    ]


def _refuse_taken(name: str, alias: str, rows: Iterable[Row]) -> None:
    if alias and any(row.alias == alias for row in rows):
        raise InvalidName(name, f"there is an instance [{alias}] already")


def _holders(
    view: View, referring: list[tuple[Object, Parameter]], gone: Row
) -> Iterable[tuple[Row, Parameter, str]]:
    """Where the path of `gone`, or of a row below it, stands in a strong reference, outside of what goes with it."""
    for node, parameter in referring:
        try:
            rows = list(view.every(node))
        except SourceFailed as failure:
            view.note(failure)
            continue
        for row in rows:
            if _lies_in(row.path, gone.path):
                continue
            try:
                text = parameter.value(row)
                parameter.source.prepare(row)
            except (Unread, SourceFailed):
                continue
            if any(_lies_in(f"{path}.", gone.path) for path in split_list(text)):
                yield row, parameter, text


def _lies_in(path: str, other: str) -> bool:
    """Whether `path` is `other`, or something below it; both end in a dot."""
    return path.startswith(other)
