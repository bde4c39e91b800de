"""Which values the ACS wants to be told of, and which of them changed without it (TR-069a6 3.7.1.5, A.3.2.4).

Theory of operation
-------------------
Watched is every parameter whose Notification is passive or active. Three values count for each:

    acked    what the ACS knows: it had it in an Inform, set it itself, or asked for notification when it was so;
             on flash, written when an Inform was confirmed, not when a value changes
    seen     what it was when last looked at; in memory
    changed  its path, once `seen` was different from one look to the next; in a file that a reboot forgets,
             together with the session's undelivered 4 VALUE CHANGE. So a value that is what it was again is
             still reported, and after a reboot what is different from `acked` is

Values are looked at when something happened that may have changed them (a change made here, netifd's or procd's
notifications, an object that came or went), and every `notification_poll_interval` seconds. Parameters that
refuse active notification (counters) are looked at for an Inform only.

What the ACS changes is no news to it: its own values become `acked` with the transaction that makes them, and
after that everything else that comes from the same UCI packages is taken as it is then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cwmp.contract import Fault
from cwmp.datamodel.attributes import ACTIVE, OFF
from cwmp.datamodel.journal import Journal
from cwmp.datamodel.paths import InvalidName, Target, resolve
from cwmp.datamodel.reading import Reader, probe
from cwmp.datamodel.snapshot import Need, SourceFailed, Unread
from cwmp.datamodel.tree import Notify, Parameter, View
from cwmp.runtime import StateFile


@dataclass(frozen=True, slots=True)
class Watched:
    """Watched parameters of one object: `target` is the object's row."""

    target: Target
    parameters: tuple[Parameter, ...]

    @property
    def mount(self) -> str:
        """The path of the mount they lie in, "" where another daemon does not serve them."""
        mount = self.target.node.mount
        return "" if mount is None else mount.path

    def needs(self) -> set[Need]:
        found = set(self.target.node.way_needs())
        for parameter in self.parameters:
            if not parameter.hidden:
                found |= parameter.source.needs
        return found


class Watch:
    """Looks at what is watched. `changed` is what the ACS has not been told of, oldest first."""

    def __init__(self, reader: Reader, journal: Journal, volatile: StateFile, log: logging.Logger) -> None:
        self._reader = reader
        self._journal = journal
        self._volatile = volatile
        self._log = log
        self._seen: dict[str, str] = {}
        self._here: dict[str, str] = {}
        self.on_news: Callable[[dict[str, str]], None] = lambda _: None
        """Called with watched values that changed and were not set here."""
        self.changed: dict[str, None] = {}
        known = volatile.load().get("changed", [])
        if isinstance(known, list):
            self.changed.update(dict.fromkeys(path for path in known if isinstance(path, str)))

    # What is watched

    def watched(self, *, counters: bool = True) -> Iterator[Watched]:
        """All that is; without `counters` only what is worth looking at again and again."""
        attributes = self._journal.attributes
        objects: dict[str, dict[str, Parameter]] = {}
        for node in self._reader.model.objects():
            for parameter in node.parameters.values():
                if parameter.notify in (Notify.FORCED, Notify.ACTIVE):
                    objects.setdefault(node.template, {})[parameter.name] = parameter
        for path, names in attributes:
            known = objects.setdefault(path, {})
            try:
                node = resolve(self._reader.model, path).node
            except InvalidName:
                continue
            known.update((name, node.parameters[name]) for name in names if name in node.parameters)
        for path, parameters in objects.items():
            wanted = tuple(
                p
                for p in parameters.values()
                if attributes.of(path, p).notification > OFF and (counters or p.notify is not Notify.DENY)
            )
            if wanted:
                yield Watched(resolve(self._reader.model, path), wanted)

    def notification(self, path: str) -> int:
        """The Notification of a parameter, by its full path."""
        try:
            parameter = resolve(self._reader.model, path).parameter
        except InvalidName:
            return OFF
        if parameter is None:
            return OFF
        return self._journal.attributes.of(path.removesuffix(parameter.name), parameter).notification

    @property
    def active(self) -> bool:
        """Whether something changed that the ACS wants to be told of at once."""
        return any(self.notification(path) == ACTIVE for path in self.changed)

    # Looking

    async def look(self) -> None:
        """See what changed since the last time."""
        self.notice(await self._read(self.watched(counters=False)))

    async def _read(self, wanted: Iterable[Watched]) -> dict[str, str]:
        listed = list(wanted)
        needs: set[Need] = set()
        for one in listed:
            needs |= one.needs()
        if not listed:
            return {}
        _, values = await self._reader.look(needs, lambda view: values_of(view, listed))
        return values

    def notice(self, values: Mapping[str, str]) -> None:
        """These are the values now."""
        fresh = []
        news: dict[str, str] = {}
        for path, value in values.items():
            before = self._seen.get(path)
            if before is None:
                before = self._journal.acked.get(path, value)
            if before != value and path not in self.changed:
                fresh.append(path)
            if before != value and self._here.get(path) != value:
                news[path] = value
            self._seen[path] = value
        self._here.clear()
        if news:
            self.on_news(news)
        if fresh:
            self.changed.update(dict.fromkeys(fresh))
            self._log.info("changed: %s", _listed(fresh))
            self._keep()

    # What the ACS knows

    def informed(self, values: Mapping[str, str]) -> None:
        """The ACS has these values."""
        for path, value in values.items():
            if self._seen.get(path, value) == value:
                self.changed.pop(path, None)
        self._journal.acked.update(values)
        self._keep()
        self._journal.save_acked()

    def forget(self, keep: Iterable[str]) -> None:
        """Keep nothing about parameters that are no longer watched; `keep` are those informed of anyway."""
        wanted = {f"{w.target.path}{p.name}" for w in self.watched() for p in w.parameters} | set(keep)
        self._drop(lambda path: path not in wanted)

    async def before_acs(self, packages: Iterable[str]) -> None:
        """The ACS is about to change these packages, and mounts (by their paths, remote/): what others changed
        there must not be taken for its work."""
        self.notice(await self._read(self._from(packages)))

    def made_here(self, values: Mapping[str, str]) -> None:
        """Somebody else than the ACS set these, and whoever listens is told so."""
        self._here.update(values)

    def noted(self, values: Mapping[str, str]) -> None:
        """These values are part of the transaction the ACS makes."""
        acked = self._journal.acked
        acked.update((name, text) for name, text in values.items() if name in acked)

    async def after_acs(self, packages: Iterable[str], values: Mapping[str, str]) -> None:
        """The ACS has changed these packages and mounts, and parameters to these values."""
        for path, text in values.items():
            self.changed.pop(path, None)
            if path in self._seen:
                self._seen[path] = text
        self._keep()
        try:
            found = await self._read(self._from(packages))
        except Fault as fault:
            self._log.warning("what the ACS changed may be told to it again: %s", fault.text)
            return
        news = {
            p: v for p, v in found.items() if p not in self.changed and self._journal.acked.get(p, v) != v
        }
        self._seen |= found
        if news:
            self._journal.acked |= news
            self._save()

    def _from(self, packages: Iterable[str]) -> list[Watched]:
        touched = set(packages)
        needed = {Need("uci", package) for package in touched}
        return [w for w in self.watched() if w.mount in touched or needed & w.needs()] if needed else []

    async def begin(self, wanted: Iterable[Watched]) -> None:
        """Notification is asked for from now on: what was before does not count."""
        for path, value in (await self._read(wanted)).items():
            if path not in self.changed:
                self._seen[path] = self._journal.acked[path] = value

    def deleted(self, path: str) -> None:
        """A row is gone, with all below it."""
        self._drop(lambda known: known.startswith(path))

    def _drop(self, gone: Callable[[str], bool]) -> None:
        for values in (self._journal.acked, self._seen):
            for path in [p for p in values if gone(p)]:
                del values[path]
        for path in [p for p in self.changed if gone(p)]:
            del self.changed[path]

    def _keep(self) -> None:
        try:
            if self.changed:
                self._volatile.save({"changed": list(self.changed)})
            elif self._volatile.path.exists():
                self._volatile.remove()
        except OSError as error:
            self._log.warning("%s: %s", self._volatile.path, error.strerror)

    def _save(self) -> None:
        try:
            self._journal.save_acked()
        except Fault as fault:
            self._log.error("%s", fault.text)


def values_of(view: View, wanted: Iterable[Watched]) -> dict[str, str]:
    """Values by path; without those that cannot be read, and those of rows that are not there."""
    values: dict[str, str] = {}
    for one in wanted:
        try:
            row = one.target.row(view)
        except (InvalidName, Unread, SourceFailed):
            continue
        probe(row, one.parameters)
        for parameter in one.parameters:
            try:
                values[row.path + parameter.name] = parameter.value(row)
            except (Unread, SourceFailed):
                continue
    return values


def _listed(paths: list[str]) -> str:
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
