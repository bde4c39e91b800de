"""Instance numbers: given once, kept over reboots, never given again (TR-069a6 A.3.2.6, TR-106 3.4).

What makes a row the same row
-----------------------------
- A row that is not a UCI section (an entry of a reply, a lease) is its key.
- A named section is its name. Where a name is gone and a new one holds exactly what the old one held, the
  section was renamed and stays the row it was.
- An anonymous section has no name that lasts: libuci's ``cfg0a1b2c`` counts its place in the file, so deleting
  or moving one section renames all behind it. Writing names or ids into somebody's configuration because it
  was read is not an option either. So an anonymous section is its content: for each we keep a mark of 16 bits
  an option. Equal marks in the order of the file come first (moves, deletions), then, among those left over,
  the pairs that have the most options in common, at least half (an edit). The rest is new.

Rows that are absent keep their number for the time they come back (a wireless section that was switched to
another mode, a host that left), except anonymous sections, which nothing could recognize. The numbers of the
absent are bounded a table; the high-water mark is not touched by that.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

_MAX_ABSENT = 256
_NOT_IN_ALIAS = re.compile("[^A-Za-z0-9_-]")


class Candidate(NamedTuple):
    """A row that is there now: its key, and its options where it is a UCI section."""

    key: str
    anonymous: bool = False
    options: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Entry:
    """What is kept of a row. `digest` lives for this process only and saves computing `marks` at each read."""

    number: int
    key: str
    anonymous: bool = False
    marks: str = ""
    alias: str = ""
    digest: int | None = None


@dataclass(slots=True)
class _Table:
    next: int
    entries: dict[int, Entry]
    by_key: dict[str, Entry]


class Instances:
    """The numbers of all tables. `dirty` says that `document` has changed since `saved` was called."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self.dirty = False

    def number(self, path: str, candidates: Sequence[Candidate]) -> list[Entry]:
        """The entries of the rows of the table at `path`, in the order of `candidates`."""
        table = self._tables.get(path)
        if table is None:
            if not candidates:
                return []
            table = self._tables[path] = _Table(1, {}, {})
        found: list[Entry | None] = []
        complete = True
        for candidate in candidates:
            entry = None if candidate.anonymous else table.by_key.get(candidate.key)
            if entry is None:
                complete = False
            elif candidate.options is not None and _digest(candidate.options) != entry.digest:
                self._mark(entry, candidate)
            found.append(entry)
        if not complete:
            self._match(table, candidates, found)
        entries = [e for e in found if e is not None]
        if len(table.entries) > len(entries):
            self._forget_absent(table, entries)
        return entries

    def add(self, path: str, key: str, options: Mapping[str, Any] | None) -> Entry:
        """The entry of a row that is about to be created under `key`; `options` where it is a UCI section."""
        table = self._tables.setdefault(path, _Table(1, {}, {}))
        return self._new(table, Candidate(key, False, options))

    def rename(self, entry: Entry, path: str, candidate: Candidate) -> None:
        """The row of `entry` in the table at `path` is about to be `candidate`. What had its key is no more.

        Its Alias stays what it was, the one that its key gave it too (TR-106 3.6.1).
        """
        table = self._tables[path]
        other = table.by_key.get(candidate.key)
        if other is not None and other is not entry:
            self.delete(path, other.number)
        if entry.key != candidate.key:
            entry.alias = entry.alias or default_alias(entry)
        entry.anonymous = candidate.anonymous
        self._rename(table, entry, candidate)

    def adopt(self, path: str, numbers: Sequence[int]) -> list[Entry]:
        """The entries of rows that somebody else numbers; what is kept of them is their Alias."""
        table = self._tables.setdefault(path, _Table(1, {}, {}))
        for number in [n for n in table.entries if n not in numbers]:
            self.dirty = bool(table.entries.pop(number).alias) or self.dirty
        return [table.entries.setdefault(number, Entry(number, str(number))) for number in numbers]

    def peek(self, path: str) -> int:
        """The number the next new row gets."""
        table = self._tables.get(path)
        return table.next if table else 1

    def delete(self, path: str, number: int) -> None:
        """Forget a row of the table at `path`, and all tables below it. Its number is not given again."""
        table = self._tables[path]
        entry = table.entries.pop(number)
        if table.by_key.get(entry.key) is entry:
            del table.by_key[entry.key]
        self._forget_below(f"{path}{number}.")
        self.dirty = True

    def below(self, path: str, number: int) -> list[list[Any]]:
        """What `delete` would forget: ``[table, [number, key, anonymous, marks, alias]]`` each."""
        row = f"{path}{number}."
        return [
            [table, [e.number, e.key, int(e.anonymous), e.marks, e.alias]]
            for table, kept in self._tables.items()
            for e in kept.entries.values()
            if (table == path and e.number == number) or table.startswith(row)
        ]

    def put_back(self, rows: Iterable[Any]) -> None:
        """Have rows again that `below` gave, where nobody has their key now; one that is there under another key
        is under this one again. What is none is ignored."""
        for item in rows:
            try:
                path, (number, key, anonymous, marks, alias) = item
                entry = Entry(int(number), str(key), bool(anonymous), str(marks), str(alias))
            except (TypeError, ValueError):
                continue
            table = self._tables.setdefault(str(path), _Table(1, {}, {}))
            if not entry.anonymous and entry.key in table.by_key:
                continue
            if (moved := table.entries.get(entry.number)) is not None:
                if not entry.anonymous:
                    self._rename(table, moved, Candidate(entry.key))
                continue
            table.entries[entry.number] = entry
            table.next = max(table.next, entry.number + 1)
            if not entry.anonymous:
                table.by_key[entry.key] = entry
            self.dirty = True

    def set_alias(self, entry: Entry, alias: str) -> None:
        entry.alias = alias
        self.dirty = True

    def document(self) -> dict[str, Any]:
        """What is kept on flash: ``{"tables": {path: [next, [[number, key, anonymous, marks, alias], ...]]}}``."""
        return {
            "tables": {
                path: [
                    table.next,
                    [[e.number, e.key, int(e.anonymous), e.marks, e.alias] for e in table.entries.values()],
                ]
                for path, table in self._tables.items()
            }
        }

    def load(self, document: Mapping[str, Any]) -> None:
        """Take up what `document` gave.

        Raises:
            ValueError: it is not such a document.
        """
        tables: dict[str, _Table] = {}
        try:
            for path, (following, rows) in document.get("tables", {}).items():
                entries = {
                    int(number): Entry(int(number), str(key), bool(anonymous), str(marks), str(alias))
                    for number, key, anonymous, marks, alias in rows
                }
                keys = {e.key: e for e in entries.values() if not e.anonymous}
                tables[str(path)] = _Table(max([int(following) - 1, *entries]) + 1, entries, keys)
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"instance numbers: {error}") from None
        self._tables = tables
        self.dirty = False

    def saved(self) -> None:
        """`document` is on flash now."""
        self.dirty = False

    def _match(self, table: _Table, candidates: Sequence[Candidate], found: list[Entry | None]) -> None:
        """Find the rows whose key did not, in the order that the module's docstring gives."""
        taken = {e.number for e in found if e is not None}
        free = [e for e in table.entries.values() if e.number not in taken]
        marks = [_marks(c.options) if c.options is not None else "" for c in candidates]
        for place, candidate in enumerate(candidates):
            if found[place] is None and (marks[place] or candidate.anonymous):
                same = next(
                    (e for e in free if e.marks == marks[place] and e.anonymous == candidate.anonymous), None
                )
                if same is not None:
                    free.remove(same)
                    found[place] = same
                    self._rename(table, same, candidate)
        self._match_edited(table, candidates, found, marks, [e for e in free if e.anonymous])
        for place, candidate in enumerate(candidates):
            if found[place] is None:
                found[place] = self._new(table, candidate)

    def _match_edited(
        self,
        table: _Table,
        candidates: Sequence[Candidate],
        found: list[Entry | None],
        marks: Sequence[str],
        free: list[Entry],
    ) -> None:
        pairs = [
            (_in_common(entry.marks, marks[place]), -abs(place - rank), place, entry.number)
            for place, candidate in enumerate(candidates)
            if found[place] is None and candidate.anonymous
            for rank, entry in enumerate(free)
        ]
        for likeness, _, place, number in sorted(pairs, reverse=True):
            entry = table.entries[number]
            if likeness >= 0.5 and found[place] is None and entry in free:
                free.remove(entry)
                found[place] = entry
                self._rename(table, entry, candidates[place])
        for gone in free:
            del table.entries[gone.number]
            self.dirty = True

    def _new(self, table: _Table, candidate: Candidate) -> Entry:
        entry = Entry(table.next, candidate.key, candidate.anonymous)
        table.next += 1
        table.entries[entry.number] = entry
        if not candidate.anonymous:
            table.by_key[entry.key] = entry
        self._mark(entry, candidate)
        self.dirty = True
        return entry

    def _rename(self, table: _Table, entry: Entry, candidate: Candidate) -> None:
        if entry.key != candidate.key:
            if table.by_key.get(entry.key) is entry:
                del table.by_key[entry.key]
            entry.key = candidate.key
            self.dirty = True
        if not candidate.anonymous:
            table.by_key[entry.key] = entry
        self._mark(entry, candidate)

    def _mark(self, entry: Entry, candidate: Candidate) -> None:
        if candidate.options is None:
            return
        entry.digest = _digest(candidate.options)
        marks = _marks(candidate.options)
        if marks != entry.marks:
            entry.marks = marks
            self.dirty = True

    def _forget_absent(self, table: _Table, present: Sequence[Entry]) -> None:
        numbers = {e.number for e in present}
        absent = [n for n in table.entries if n not in numbers]
        gone = [n for n in absent if table.entries[n].anonymous]
        kept = [n for n in absent if not table.entries[n].anonymous]
        for number in gone + kept[: max(0, len(kept) - _MAX_ABSENT)]:
            entry = table.entries.pop(number)
            if table.by_key.get(entry.key) is entry:
                del table.by_key[entry.key]
            self.dirty = True
        for number in kept:
            if number in table.entries and table.entries[number].marks:
                table.entries[
                    number
                ].marks = ""  # gone is gone: only a change between two reads is a renaming
                table.entries[number].digest = None
                self.dirty = True

    def _forget_below(self, prefix: str) -> None:
        for path in [p for p in self._tables if p.startswith(prefix)]:
            del self._tables[path]


def default_alias(entry: Entry) -> str:
    """The alias of a row that the ACS gave none: ``cpe-`` and its name, so that equal devices have equal ones."""
    if entry.anonymous or entry.key.startswith("?"):  # items.py: it has no name yet
        return f"cpe-{entry.number}"
    name = _NOT_IN_ALIAS.sub("-", entry.key)[:48]
    return f"cpe-{name}" if name == entry.key else f"cpe-{name}-{entry.number}"


def _digest(options: Mapping[str, Any]) -> int:
    try:
        return hash((tuple(options), tuple(options.values())))
    except TypeError:  # there are lists among the values
        return hash(repr(options))


def _marks(options: Mapping[str, Any]) -> str:
    """Four hexadecimal digits an option, sorted: enough to tell equal from similar, too little to tell values."""
    items = (f"{option}={value}".encode("utf-8", "surrogateescape") for option, value in options.items())
    return "".join(sorted(f"{zlib.crc32(item) & 0xFFFF:04x}" for item in items))


def _in_common(one: str, other: str) -> float:
    """How much of the larger is also in the other: 0 to 1."""
    a = {one[i : i + 4] for i in range(0, len(one), 4)}
    b = {other[i : i + 4] for i in range(0, len(other), 4)}
    return len(a & b) / max(len(a), len(b), 1)
