"""docs/session.md is true: its diagram is the engine's, the tests it names are there."""

from __future__ import annotations

import re
from pathlib import Path

from cwmp.session._transitions import TABLE

from .diagram import PAGE, diagram, with_diagram

TESTS = Path(__file__).parents[1]
_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_TEST = re.compile(r"`(\w+/\w+)::(\w+)`")


def test_the_diagram_is_that_of_the_engine() -> None:
    page = PAGE.read_text()
    assert diagram() in page
    assert with_diagram(page) == page, "run: python -m tests.session.diagram"


def test_the_diagram_has_every_state_and_step() -> None:
    drawn = diagram()
    for state, row in TABLE.items():
        assert f"    {state.name}: {state.value}" in drawn
        for event in row:
            assert event.value in drawn


def test_every_point_is_in_the_table_and_every_test_it_names_exists() -> None:
    rows = _ROW.findall(PAGE.read_text())
    assert [int(number) for number, _, _ in rows] == list(range(1, 45))
    for number, _, cell in rows:
        named = _TEST.findall(cell)
        assert named or cell.startswith("not built: "), f"point {number} has no test"
        for file, name in named:
            source = (TESTS / f"{file}.py").read_text()
            assert f"def {name}(" in source, f"point {number}: there is no test {file}::{name}"


def test_every_test_named_after_a_point_is_in_its_row() -> None:
    rows = {int(number): cell for number, _, cell in _ROW.findall(PAGE.read_text())}
    for path in sorted(TESTS.glob("*/test_*.py")):
        for name in re.findall(r"def (test_p\d\d_\w+)\(", path.read_text()):
            assert f"::{name}`" in rows[int(name[6:8])], f"{name} is not in its row"
