"""Instance numbers: stable, never given twice."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cwmp.datamodel.instances import Candidate, Instances, default_alias

PATH = "Device.T."


def numbers(instances: Instances, *candidates: Candidate) -> list[int]:
    return [entry.number for entry in instances.number(PATH, candidates)]


def named(key: str, **options: Any) -> Candidate:
    return Candidate(key, False, options)


def anonymous(place: int, **options: Any) -> Candidate:
    """As libuci names it: by its place."""
    return Candidate(f"cfg{place:02x}aaaa", True, options)


def restarted(instances: Instances) -> Instances:
    again = Instances()
    again.load(json.loads(json.dumps(instances.document())))
    return again


def test_names_keep_their_numbers_whatever_the_order() -> None:
    instances = Instances()
    assert numbers(instances, named("a"), named("b")) == [1, 2]
    instances = restarted(instances)
    assert numbers(instances, named("c"), named("b"), named("a")) == [3, 2, 1]


def test_a_number_is_not_given_again() -> None:
    instances = Instances()
    numbers(instances, named("a"), named("b"))
    instances.delete(PATH, 2)
    instances = restarted(instances)
    assert numbers(instances, named("a"), named("b")) == [1, 3]
    instances.delete(PATH, 3)
    assert instances.peek(PATH) == 4


def test_who_comes_back_has_the_number_it_had() -> None:
    instances = Instances()
    numbers(instances, named("a"), named("b"))
    assert numbers(instances, named("a")) == [1]
    assert numbers(instances, named("a"), named("b")) == [1, 2]


def test_a_renamed_section_is_the_same_row() -> None:
    instances = Instances()
    numbers(instances, named("lan", proto="static", ipaddr="192.0.2.1"), named("wan", proto="dhcp"))
    instances = restarted(instances)
    found = numbers(instances, named("home", proto="static", ipaddr="192.0.2.1"), named("wan", proto="dhcp"))
    assert found == [1, 2]


def test_a_name_that_has_gone_is_not_renamed_later() -> None:
    instances = Instances()
    numbers(instances, named("a", x="1"))
    numbers(instances)
    assert numbers(instances, named("b", x="1")) == [2]


def test_anonymous_sections_are_what_they_hold() -> None:
    instances = Instances()
    one, two, three = {"dest": "1"}, {"dest": "2"}, {"dest": "3"}
    assert numbers(instances, anonymous(1, **one), anonymous(2, **two), anonymous(3, **three)) == [1, 2, 3]
    instances = restarted(instances)
    assert numbers(instances, anonymous(1, **three), anonymous(2, **two)) == [3, 2]
    assert numbers(instances, anonymous(1, **two), anonymous(2, **one)) == [2, 4]


def test_an_anonymous_section_that_was_edited_is_still_the_same() -> None:
    instances = Instances()
    rule = {"name": "web", "src": "wan", "dest": "lan", "port": "80"}
    other = {"name": "ssh", "src": "wan", "dest": "lan", "port": "22"}
    numbers(instances, anonymous(1, **rule), anonymous(2, **other))
    found = numbers(instances, anonymous(1, **other), anonymous(2, **(rule | {"port": "8080"})))
    assert found == [2, 1]
    assert numbers(instances, anonymous(1, name="new")) == [3]


def test_equal_sections_keep_their_order() -> None:
    instances = Instances()
    same = {"a": "1"}
    assert numbers(instances, anonymous(1, **same), anonymous(2, **same)) == [1, 2]
    assert numbers(instances, anonymous(1, **same), anonymous(2, **same)) == [1, 2]


def test_nothing_new_is_not_written() -> None:
    instances = Instances()
    numbers(instances, named("a", x=["1", "2"]), anonymous(2, y="1"))
    assert instances.dirty
    instances.saved()
    numbers(instances, named("a", x=["1", "2"]), anonymous(2, y="1"))
    assert not instances.dirty
    again = restarted(instances)
    numbers(again, named("a", x=["1", "2"]), anonymous(2, y="1"))
    assert not again.dirty


def test_values_are_not_in_what_is_kept() -> None:
    instances = Instances()
    numbers(instances, named("a", secret="correct horse"))
    assert "correct" not in json.dumps(instances.document())


def test_the_absent_are_bounded() -> None:
    instances = Instances()
    for host in range(2000):
        numbers(instances, Candidate(f"02:00:{host}"))
    assert len(instances.document()["tables"][PATH][1]) <= 257
    assert instances.peek(PATH) == 2001


def test_default_aliases_are_valid_and_differ() -> None:
    instances = Instances()
    keys = ["lan", "02:00:5E:00:53:01", "02-00-5E-00-53-01", "x" * 80, "x" * 80 + "y"]
    aliases = [default_alias(e) for e in instances.number(PATH, [Candidate(k) for k in keys])]
    assert aliases[0] == "cpe-lan"
    assert len(set(aliases)) == len(aliases)
    assert all(len(a) <= 64 for a in aliases)


class Sections(RuleBasedStateMachine):
    """A configuration that is edited, reordered and restarted; each section knows the number it was given."""

    @initialize()
    def start(self) -> None:
        self.instances = Instances()
        self.rows: list[dict[str, Any]] = []
        self.made = 0
        self.given: set[int] = set()

    @rule(is_anonymous=st.booleans())
    def add(self, is_anonymous: bool) -> None:
        self.made += 1
        unique = {f"o{i}": f"{self.made}-{i}" for i in range(6)}
        self.rows.append(
            {"name": f"s{self.made}", "anonymous": is_anonymous, "options": unique, "number": None}
        )
        self.look()

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if self.rows:
            self.rows.remove(data.draw(st.sampled_from(self.rows)))
            self.look()

    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        if self.rows:
            row = data.draw(st.sampled_from(self.rows))
            row["options"] = row["options"] | {"o0": f"edited-{data.draw(st.integers(0, 99))}"}
            self.look()

    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        if self.rows:
            self.made += 1
            data.draw(st.sampled_from(self.rows))["name"] = f"r{self.made}"
            self.look()

    @rule(seed=st.randoms())
    def shuffle(self, seed: Any) -> None:
        seed.shuffle(self.rows)
        self.look()

    @rule()
    def restart(self) -> None:
        self.instances = restarted(self.instances)

    def look(self) -> None:
        found = self.instances.number(
            PATH,
            [
                Candidate(f"cfg{place:02x}" if r["anonymous"] else r["name"], r["anonymous"], r["options"])
                for place, r in enumerate(self.rows)
            ],
        )
        for row, entry in zip(self.rows, found, strict=True):
            if row["number"] is None:
                assert entry.number not in self.given
                row["number"] = entry.number
                self.given.add(entry.number)
            assert row["number"] == entry.number

    @invariant()
    def numbers_differ(self) -> None:
        current = [r["number"] for r in getattr(self, "rows", [])]
        assert len(set(current)) == len(current)


TestSections = Sections.TestCase
TestSections.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_row_that_moved_is_put_back_under_its_key() -> None:
    instances = Instances()
    (entry,) = instances.number("T.", [Candidate("old")])
    kept = instances.below("T.", entry.number)
    instances.rename(entry, "T.", Candidate("new"))
    instances.put_back(kept)
    assert [e.number for e in instances.number("T.", [Candidate("old"), Candidate("new")])] == [1, 2]
