"""GetParameterAttributes and SetParameterAttributes (TR-069a6 A.3.2.4, A.3.2.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import trio

from cwmp.contract import Empty, Fault, FaultCode
from cwmp.contract.datamodel import UNCHANGED, Attributes, SetAttributes
from cwmp.datamodel import attributes as kept
from cwmp.datamodel.journal import Journal
from cwmp.datamodel.paths import resolve
from cwmp.datamodel.reading import NamedParameters, Reader
from cwmp.datamodel.tree import Notify, Parameter
from cwmp.datamodel.types import split_list
from cwmp.datamodel.watching import Watch, Watched

_PAGE = 36_000
_PER_ITEM = 60

_Chosen = Sequence[NamedParameters]


class Annotator:
    """Reads and sets attributes. `turn` is held while they change (writing.py)."""

    def __init__(self, reader: Reader, journal: Journal, watch: Watch, turn: trio.Lock) -> None:
        self._reader = reader
        self._journal = journal
        self._watch = watch
        self._turn = turn

    @property
    def attributes(self) -> kept.Attributes:
        return self._journal.attributes

    async def get(self, paths: Sequence[str]) -> Iterator[Attributes]:
        """The pages of the attributes of what `paths` name, as GetParameterValues resolves them."""
        await self._reader.settle()
        targets = [resolve(self._reader.model, path, wildcards=True) for path in paths]
        found = await self._reader.parameters(targets)
        return self._pages([one for chosen in found for one in chosen])

    def _pages(self, found: _Chosen) -> Iterator[Attributes]:
        names: list[str] = []
        notifications: list[int] = []
        access: list[str] = []
        size = 0
        for row, parameters, path in found:
            for parameter in parameters:
                attribute = self._journal.attributes.of(row.path, parameter)
                names.append(path + parameter.name)
                notifications.append(attribute.notification)
                access.append(kept.SUBSCRIBER if attribute.local else "")
                size += len(names[-1]) + _PER_ITEM
                if size > _PAGE:
                    yield Attributes(names, notifications, access)
                    names, notifications, access, size = [], [], [], 0
        yield Attributes(names, notifications, access)

    async def set(self, args: SetAttributes, _request_id: str = "") -> Empty:
        """Set all, in their order, or none. Done again it changes nothing, so the request's id does not matter.

        Raises:
            Fault: 9003 for a Notification there is none, 9005, 9009 for an active one that is refused, 9004.
        """
        if (
            not len(args.names)
            == len(args.notifications)
            == len(args.access_changes)
            == len(args.access_lists)
        ):
            raise Fault(FaultCode.INVALID_ARGUMENTS, "names, notifications and access lists differ in number")
        for name, notification in zip(args.names, args.notifications, strict=True):
            if notification not in (UNCHANGED, kept.OFF, kept.PASSIVE, kept.ACTIVE):
                raise Fault(
                    FaultCode.INVALID_ARGUMENTS, f"{name}: Notification {notification} is none we have"
                )
        await self._reader.settle()
        targets = [resolve(self._reader.model, name) for name in args.names]
        chosen = await self._reader.parameters(targets)
        wanted = list(zip(chosen, args.notifications, args.access_changes, args.access_lists, strict=True))
        for found, notification, _, _ in wanted:
            if notification == kept.ACTIVE:
                _refuse_denied(found)
        async with self._turn:
            await self._set(wanted)
        return Empty()

    async def _set(self, wanted: Sequence[tuple[_Chosen, int, bool, str]]) -> None:
        beginning: dict[str, dict[str, Parameter]] = {}
        for found, notification, changes_access, access in wanted:
            for row, parameters, _ in found:
                for parameter in parameters:
                    if self._apply(row.path, parameter, notification, changes_access, access):
                        beginning.setdefault(row.path, {})[parameter.name] = parameter
        try:
            if self._journal.attributes.count > kept.MAX_KEPT:
                raise Fault(
                    FaultCode.RESOURCES_EXCEEDED,
                    f"attributes are kept for {kept.MAX_KEPT} parameters at most",
                )
            await self._watch.begin(
                Watched(resolve(self._reader.model, path), tuple(parameters.values()))
                for path, parameters in beginning.items()
            )
            self._journal.save_attributes()
        except BaseException:
            self._journal.reload_attributes()
            raise

    def _apply(
        self, path: str, parameter: Parameter, notification: int, changes_access: bool, access: str
    ) -> bool:
        """Set one; whether it is watched from now on."""
        old = self._journal.attributes.of(path, parameter)
        new = old
        if notification != UNCHANGED and parameter.notify is not Notify.FORCED:
            new = new._replace(notification=notification)
        if changes_access:
            new = new._replace(local=kept.SUBSCRIBER in split_list(access))
        self._journal.attributes.set(path, parameter, new)
        return old.notification == kept.OFF < new.notification


def _refuse_denied(found: _Chosen) -> None:
    for row, parameters, _ in found:
        for parameter in parameters:
            if parameter.notify is Notify.DENY:
                raise Fault(
                    FaultCode.NOTIFICATION_REJECTED,
                    f"{row.path}{parameter.name} changes all the time: no active notification",
                )
