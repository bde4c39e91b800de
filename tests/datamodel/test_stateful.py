"""Whatever the ACS, others and restarts do, in whatever order: the tree stays consistent, numbers stay.

Others work as they do on a router: with the ``uci`` command where UCI=/path/to/uci is given, else by writing the file
as it would.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from pathlib import Path

import trio
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.datamodel.offline import Datamodel, model_in

from cwmp.contract.datamodel import AddObject, DeleteObject, SetValues
from cwmp.runtime import Paths
from ubuskit.uci import Section, Uci

UCI = os.environ.get("UCI", "")
TOP = "Device.X_EXAMPLE_COM_T."
NAMED, LOOSE = f"{TOP}Named.", f"{TOP}Loose."
MAPPING = f"""
["{TOP}"]
["{NAMED}{{i}}."]
rows = {{ uci = "things.@named" }}
create = {{ colour = "none" }}
alias = true
Token = {{ type = "string(64)", uci = "token", write = true }}
Colour = {{ type = "string(64)", uci = "colour", write = true }}
["{LOOSE}{{i}}."]
rows = {{ uci = "things.@loose" }}
delete = true
Token = {{ type = "string(64)", uci = "token", write = true }}
Friend = {{ type = "string(256)", strong = "{NAMED}", uci = "friend", write = true }}
"""

_picks = st.integers(0, 99)


class Others:
    """Who else changes the package `things`."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._file = paths.uci_dir / "things"

    def sections(self) -> list[Section]:
        return list(Uci(self._paths.uci_dir, self._paths.uci_save_dir).load("things").sections.values())

    def _uci(self, *arguments: str) -> str:
        command = [UCI, "-c", str(self._paths.uci_dir), "-t", str(self._paths.uci_save_dir), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _write(self, sections: list[Section]) -> None:
        lines = []
        for section in sections:
            lines.append(f"config {section.type}" + ("" if section.anonymous else f" '{section.name}'"))
            for name, value in section.options.items():
                quoted = str(value).replace("'", "'\\''")
                lines.append(f"\toption {name} '{quoted}'")
        self._file.write_text("\n".join(lines) + "\n")

    def add(self, kind: str, name: str, token: str) -> None:
        if UCI:
            if name:
                self._uci("set", f"things.{name}={kind}")
            else:
                name = self._uci("add", "things", kind)
            self._uci("set", f"things.{name}.token={token}")
            self._uci("set", f"things.{name}.padding={token}{token}")
            self._uci("commit", "things")
        else:
            options: dict[str, str | list[str]] = {"token": token, "padding": f"{token}{token}"}
            self._write([*self.sections(), Section(name, kind, not name, options)])

    def delete(self, name: str) -> None:
        if UCI:
            self._uci("delete", f"things.{name}")
            self._uci("commit", "things")
        else:
            self._write([s for s in self.sections() if s.name != name])

    def move(self, name: str, place: int) -> None:
        if UCI:
            self._uci("reorder", f"things.{name}={place}")
            self._uci("commit", "things")
        else:
            sections = self.sections()
            (moved,) = [s for s in sections if s.name == name]
            sections.remove(moved)
            sections.insert(place, moved)
            self._write(sections)

    def rename(self, name: str, to: str) -> None:
        if UCI:
            self._uci("rename", f"things.{name}={to}")
            self._uci("commit", "things")
        else:
            self._write(
                [Section(to, s.type, False, s.options) if s.name == name else s for s in self.sections()]
            )

    def set(self, name: str, option: str, value: str) -> None:
        if UCI:
            self._uci("set", f"things.{name}.{option}={value}")
            self._uci("commit", "things")
        else:
            sections = self.sections()
            for section in sections:
                if section.name == name:
                    section.options[option] = value
            self._write(sections)


class Tree(RuleBasedStateMachine):
    """`numbers`: the row that each token was first seen as. A token belongs to one section for ever."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory(prefix="cwmp-")
        root = Path(self._directory.name)
        self.paths = Paths(root / "bus", root / "config", root / "state", root / "run", root)
        for directory in ("config", "state", "run", "models", "tmp/.uci"):
            (root / directory).mkdir(parents=True)
        (self.paths.uci_dir / "things").write_text("")
        (root / "models/Things.toml").write_text(MAPPING)
        self.directories = (root / "models",)
        self.others = Others(self.paths)
        self.numbers: dict[str, str] = {}
        self.gone: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.tokens = (f"t{n}" for n in itertools.count(1))
        self.names = (f"s{n}" for n in itertools.count(1))
        self.requests = (f"id-{n}" for n in itertools.count(1))
        self.restart()

    def teardown(self) -> None:
        model_in.cache_clear()
        self._directory.cleanup()

    # What is there

    def rows(self) -> dict[str, str]:
        """Row to its token."""
        found = self.datamodel.values(TOP)
        return {n.removesuffix("Token"): v for n, v in found.items() if n.endswith(".Token")}

    def pick(self, table: str, place: int) -> str:
        rows = [row for row in self.rows() if row.startswith(table)]
        return rows[place % len(rows)]

    def has(self, table: str) -> bool:
        return any(row.startswith(table) for row in self.rows())

    def some_section(self, place: int) -> Section:
        sections = self.others.sections()
        return sections[place % len(sections)]

    # What happens

    @rule()
    def restart(self) -> None:
        self.datamodel = Datamodel(self.paths, directories=self.directories)

    @rule()
    def acs_adds(self) -> None:
        async def add() -> int:
            args = AddObject(NAMED, "key")
            return (await self.datamodel.writer.add_object(args, next(self.requests))).instance_number

        row = f"{NAMED}{trio.run(add)}."
        assert row not in self.numbers.values(), "a number was given again"
        token = next(self.tokens)
        self._set(f"{row}Token", token)
        self.numbers[token] = row

    @rule(place=_picks, table=st.sampled_from([NAMED, LOOSE]))
    def acs_deletes(self, place: int, table: str) -> None:
        if not self.has(table):
            return
        row = self.pick(table, place)

        async def delete() -> None:
            await self.datamodel.writer.delete_object(DeleteObject(row, "key"), next(self.requests))

        self.gone.add(self.rows()[row])
        trio.run(delete)
        assert row.removesuffix(".") not in self.datamodel.values(TOP).values(), "a reference to nothing"

    @rule(place=_picks, colour=st.sampled_from(["red", "blue", 'a "quoted" one', "it's"]))
    def acs_sets(self, place: int, colour: str) -> None:
        if self.has(NAMED):
            self._set(f"{self.pick(NAMED, place)}Colour", colour)

    @rule(place=_picks, other=_picks)
    def acs_refers(self, place: int, other: int) -> None:
        if self.has(LOOSE) and self.has(NAMED):
            target = self.pick(NAMED, other).removesuffix(".")
            name = f"{self.pick(LOOSE, place)}Friend"
            self._set(name, target)
            assert self.datamodel.values(name) == {name: target}

    @rule(place=_picks)
    def acs_names(self, place: int) -> None:
        if self.has(NAMED):
            row = self.pick(NAMED, place)
            alias = f"alias-{next(self.names)}"
            self._set(f"{row}Alias", alias)
            self.aliases[self.rows()[row]] = alias

    def _set(self, name: str, value: str) -> None:
        async def put() -> None:
            await self.datamodel.writer.set_values(
                SetValues([name], [""], [value], "key"), next(self.requests)
            )

        trio.run(put)

    @rule(kind=st.sampled_from(["named", "loose"]))
    def others_add(self, kind: str) -> None:
        self.others.add(kind, next(self.names) if kind == "named" else "", next(self.tokens))

    @precondition(lambda self: self.others.sections())
    @rule(place=_picks)
    def others_delete(self, place: int) -> None:
        section = self.some_section(place)
        self.gone.add(str(section.options.get("token")))
        self.others.delete(section.name)

    @precondition(lambda self: self.others.sections())
    @rule(place=_picks, to=_picks)
    def others_move(self, place: int, to: int) -> None:
        self.others.move(self.some_section(place).name, to % len(self.others.sections()))

    @rule(place=_picks)
    def others_rename(self, place: int) -> None:
        named = [s for s in self.others.sections() if s.type == "named"]
        if named:
            self.others.rename(named[place % len(named)].name, next(self.names))

    @rule(place=_picks)
    def others_set(self, place: int) -> None:
        named = [s for s in self.others.sections() if s.type == "named"]
        if named:
            self.others.set(named[place % len(named)].name, "colour", "by others")

    # What always holds

    @invariant()
    def a_row_is_what_it_was(self) -> None:
        rows = self.rows()
        assert len(set(rows.values())) == len(rows)
        for row, token in rows.items():
            assert token not in self.gone
            assert self.numbers.setdefault(token, row) == row, "a row has another number"
        assert len(set(self.numbers.values())) == len(self.numbers), "a number was given again"

    @invariant()
    def all_that_is_there_is_seen_and_counted(self) -> None:
        rows = self.rows()
        sections = self.others.sections()
        assert sorted(rows.values()) == sorted(str(s.options["token"]) for s in sections)
        values = self.datamodel.values(TOP)
        for table, kind in ((NAMED, "named"), (LOOSE, "loose")):
            count = len([s for s in sections if s.type == kind])
            assert values[f"{table.removesuffix('.')}NumberOfEntries"] == str(count)

    @invariant()
    def names_and_values_agree(self) -> None:
        async def names() -> set[str]:
            return {n for page in await self.datamodel.reader.names(TOP, False) for n in page.names}

        found = trio.run(names)
        assert {name for name in found if not name.endswith(".")} == set(self.datamodel.values(TOP))
        assert set(self.rows()) == {name for name in found if name[-2:-1].isdigit()}

    @invariant()
    def aliases_go_with_their_rows(self) -> None:
        values = self.datamodel.values(NAMED)
        for row, token in self.rows().items():
            if token in self.aliases and row.startswith(NAMED):
                assert values[f"{row}Alias"] == self.aliases[token]


TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=8, stateful_step_count=25, deadline=None, phases=[Phase.generate])
