"""What an Inform carries, and whether something in it changed without the ACS (TR-069a6 3.7.1.5, A.3.3.1).

That is the forced-inform parameters, and those watched ones (watching.py) that changed. A forced-inform parameter
that differs from what the ACS knows was changed by somebody else, watched or not: `4 VALUE CHANGE`. The token of
an Inform is a digest of its values, so that `informed` is understood after a restart too: if the values are still
the same, they are what the ACS has.

`0 BOOTSTRAP` begins anew: nothing counts as a change, and what is watched is counted from there. `14 HEARTBEAT`
tells nothing, so nothing is confirmed by it.

The ACS may name further parameters, each for some events or all (TR-181 ManagementServer.InformParameter): they are
added where the Inform reports no change, since one that does must have the mandated ones only (A.3.3.1).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cwmp.contract.datamodel import GetInform, Inform
from cwmp.datamodel.journal import Journal
from cwmp.datamodel.naming import INSTANCE_MODE, called, spelled
from cwmp.datamodel.paths import InvalidName, resolve
from cwmp.datamodel.reading import Reader, probe
from cwmp.datamodel.snapshot import Need, SourceFailed, Unread
from cwmp.datamodel.tree import Object, Parameter, View
from cwmp.datamodel.types import split_list
from cwmp.datamodel.watching import Watch, Watched, values_of

_DEVICE_INFO = "Device.DeviceInfo."
_IDENTITY = ("Manufacturer", "ManufacturerOUI", "ProductClass", "SerialNumber")
_BOOTSTRAP = "0 BOOTSTRAP"
_VALUE_CHANGE = "4 VALUE CHANGE"
_HEARTBEAT = "14 HEARTBEAT"
_ASKED_FOR = "Device.ManagementServer.InformParameter.{i}."
_NOTHING = "nothing"
"""The token of an Inform by which the ACS learns nothing."""
_MAX_TOKENS = 8
_MAX_CHANGES = 512
_MAX_TEXT = 128 << 10
"""Changed parameters in one Inform, and the characters of their values; the others come with the next."""


@dataclass(frozen=True, slots=True)
class _Found:
    identity: Mapping[str, str]
    forced: Mapping[str, str]
    watched: Mapping[str, str]
    asked_for: Mapping[str, str]
    view: View


class Informer:
    """Answers GET_INFORM and INFORMED."""

    def __init__(self, reader: Reader, journal: Journal, watch: Watch, log: logging.Logger) -> None:
        self._reader = reader
        self._journal = journal
        self._watch = watch
        self._log = log
        self._given: dict[str, dict[str, str]] = {}

    async def inform(self, args: GetInform) -> Inform:
        """The DeviceId, the forced-inform parameters as they are now, and what changed.

        A value that cannot be read is the one the ACS knows, so that a source that fails is no change.
        """
        if _BOOTSTRAP in args.events and self._journal.settings.pop(INSTANCE_MODE, None) is not None:
            self._journal.save()  # back to its factory value (TR-069a6 3.6.1.1)
        found = await self._read(args.events)
        values = dict(found.forced)
        confirmed = dict(values)
        changed = False
        if _BOOTSTRAP in args.events:
            confirmed |= found.watched
        elif _HEARTBEAT not in args.events:
            acked = self._journal.acked
            self._watch.notice(found.watched)
            news = [
                n for n, v in values.items() if (n in acked and acked[n] != v) or n in self._watch.changed
            ]
            more = self._changes(found)
            values |= more
            confirmed |= more
            changed = bool(news or more)
            if changed:
                self._log.info("changed since the last Inform: %s", ", ".join([*news, *more][:20]))
        if _HEARTBEAT in args.events:
            return self._made(found, values, changed=False, token=_NOTHING)
        token = _token(values)
        self._given.pop(token, None)
        self._given[token] = confirmed
        while len(self._given) > _MAX_TOKENS:
            del self._given[next(iter(self._given))]
        if not changed and _VALUE_CHANGE not in args.events:
            values = {**found.asked_for, **values}
        return self._made(found, values, changed=changed, token=token)

    def _made(self, found: _Found, values: Mapping[str, str], *, changed: bool, token: str) -> Inform:
        manufacturer, oui, product_class, serial = [found.identity.get(name, "") for name in _IDENTITY]
        return Inform(
            manufacturer,
            oui,
            product_class,
            serial,
            names=[called(found.view, name) for name in values],
            types=[self._type_of(name) for name in values],
            values=[spelled(found.view, name, value) for name, value in values.items()],
            value_change=changed,
            token=token,
        )

    async def informed(self, token: str) -> None:
        """The ACS has the values of this token. One that nobody knows any more changes nothing."""
        if token == _NOTHING:
            return
        confirmed = self._given.get(token)
        if confirmed is None:
            found = await self._read([])
            confirmed = {**found.forced, **self._changes(found)}
            if _token(confirmed) != token:
                return
        if confirmed:
            self._watch.forget(confirmed)
            self._watch.informed(confirmed)

    def _changes(self, found: _Found) -> dict[str, str]:
        """The watched values that changed, as many as fit; the others are still to come."""
        values: dict[str, str] = {}
        size = 0
        for path in self._watch.changed:
            if path in found.watched and path not in found.forced:
                size += len(path) + len(found.watched[path])
                if len(values) >= _MAX_CHANGES or size > _MAX_TEXT:
                    break
                values[path] = found.watched[path]
        return values

    async def _read(self, events: Sequence[str]) -> _Found:
        forced = list(self._reader.model.informs())
        info = self._reader.model.find(_DEVICE_INFO)
        identity = [(info, info.parameters[n]) for n in _IDENTITY if info and n in info.parameters]
        watched = list(self._watch.watched())
        needs: set[Need] = set()
        for _, parameter in forced + identity:
            needs |= parameter.source.needs
        for one in watched:
            needs |= one.needs()
        table = None if _HEARTBEAT in events else self._reader.model.find(_ASKED_FOR)
        if table is not None:
            needs |= table.way_needs() | table.needs()

        def visit(view: View) -> tuple[dict[str, str], dict[str, str]]:
            return _all(view, forced + identity, watched), self._asked_for(view, table, events)

        view, (watched_values, asked_for) = await self._reader.look(needs, visit)
        return _Found(
            {p.name: self._value(view, o, p) for o, p in identity},
            {f"{o.template}{p.name}": self._value(view, o, p) for o, p in forced},
            watched_values,
            asked_for,
            view,
        )

    def _asked_for(self, view: View, table: Object | None, events: Sequence[str]) -> dict[str, str]:
        """The parameters of enabled InformParameter rows for one of these events; as many as fit."""
        found: dict[str, str] = {}
        size = 0
        for name in _names_for(view, table, events):
            try:
                target = resolve(self._reader.model, name, wildcards=True)
                rows = target.rows(view)
            except (InvalidName, SourceFailed):
                continue
            if (parameter := target.parameter) is None:
                continue
            for row in rows:
                try:
                    value = parameter.value(row)
                except (Unread, SourceFailed):
                    continue
                size += len(row.path) + len(value)
                if len(found) >= _MAX_CHANGES or size > _MAX_TEXT:
                    self._log.warning(
                        "InformParameter names more than an Inform may carry: some are left out"
                    )
                    return found
                found[f"{row.path}{parameter.name}"] = value
        return found

    def _value(self, view: View, node: Object, parameter: Parameter) -> str:
        try:
            return parameter.value(view.only(node))
        except (SourceFailed, Unread) as failure:
            name = f"{node.template}{parameter.name}"
            self._log.warning("%s: %s", name, failure)
            return self._journal.acked.get(name, parameter.default)

    def _type_of(self, path: str) -> str:
        parameter = resolve(self._reader.model, path).parameter
        return "string" if parameter is None else parameter.type_name


def _all(view: View, wanted: list[tuple[Object, Parameter]], watched: list[Watched]) -> dict[str, str]:
    """Have `wanted` read, and give the values of `watched`."""
    for node, parameter in wanted:
        probe(view.only(node), (parameter,))
    return values_of(view, watched)


def _names_for(view: View, table: Object | None, events: Sequence[str]) -> Iterator[str]:
    """ParameterName of the rows that are for one of `events`; an empty EventList is for all."""
    if table is None:
        return
    for row in view.every(table):
        values = {name: parameter.value(row) for name, parameter in table.parameters.items()}
        wanted = split_list(values["EventList"])
        if values["Enable"] == "true" and values["ParameterName"] and (not wanted or {*wanted} & {*events}):
            yield values["ParameterName"]


def _token(values: Mapping[str, str]) -> str:
    text = "\n".join(f"{name}={value}" for name, value in sorted(values.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
