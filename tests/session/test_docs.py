"""docs/session.md is true: its diagram is the engine's, the tests it names are there."""

from __future__ import annotations

import re

import pytest

from cwmp.session._transitions import TABLE

from . import points
from .conftest import Suite
from .diagram import PAGE, diagram, with_diagram


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


def test_every_point_is_in_the_table_with_the_tests_that_have_its_number() -> None:
    page, found = PAGE.read_text(), points.tests()
    rows = points.ROW.findall(page)
    assert [int(number) for number, _, _ in rows] == list(range(1, 45))
    assert set(found) <= set(range(1, 45))
    assert points.with_tests(page) == page, "run: python -m tests.session.points"
    for number, _, cell in rows:
        assert cell.startswith("not built: ") is (int(number) not in found), f"point {number} has no test"


@pytest.mark.parametrize("name", ["cwmp", "tr069"])
async def test_the_methods_of_the_objects_are_in_the_page(suite: Suite, name: str) -> None:
    suite.configure(compatibility=1)
    await suite.start()
    await suite.ended()
    table = PAGE.read_text().partition(f"| method of `{name}` |")[2].partition("\n\n")[0]
    told = {
        method: set(re.findall(r"`(\w+)`", arguments.partition(":")[0]))
        for method, arguments in re.findall(r"^\| `(\w+)` \|([^|]*)\|", table, re.MULTILINE)
    }
    (served,) = await suite.client.lookup(name)
    assert told == {method: set(arguments) for method, arguments in served.signature.items()}


async def test_the_keys_of_a_status_are_in_the_page(suite: Suite) -> None:
    await suite.start()
    page = PAGE.read_text()
    assert [key for key in await suite.ended() if f"`{key}`" not in page] == []
