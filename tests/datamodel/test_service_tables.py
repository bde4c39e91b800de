"""Tables whose rows live in another service: numbered by their owner, read with the object around them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.datamodel.conftest import StartDatamodel
from tests.datamodel.support import Acs, Owner

from cwmp.contract import Fault
from cwmp.datamodel.loader import load
from cwmp.datamodel.service import mapping_directories
from cwmp.runtime import Paths

ROUTE = "Device.IP.Diagnostics.X_EXAMPLE_COM_Route."
MAPPING = """
["Device.IP.Diagnostics.X_EXAMPLE_COM_Route."]
service = "diagnostics"
ResponseTime = { type = "unsignedInt" }

["Device.IP.Diagnostics.X_EXAMPLE_COM_Route.Hop.{i}."]
rows = { service = "diagnostics", where = "Host!=" }
Host = { type = "string(256)" }
Name = { type = "string(64)", write = true }

["Device.IP.Diagnostics.X_EXAMPLE_COM_Route.Hop.{i}.Try.{i}."]
rows = { service = "diagnostics" }
Time = { type = "unsignedInt", default = 7 }
"""


@pytest.fixture
def diagnostics() -> Owner:
    values = {
        "ResponseTime": "12",
        "Hop.10.Host": "ten.example",
        "Hop.2.Host": "two.example",
        "Hop.2.Try.1.Time": "3",
        "Hop.2.Try.2.Other": "",
        "Hop.3.Host": "",
        "Hop.x.Host": "no row",
        "Hop.0.Host": "no row",
    }
    return Owner({ROUTE + name: value for name, value in values.items()})


@pytest.fixture
async def acs(alone: Acs, paths: Paths, start_datamodel: StartDatamodel) -> Acs:
    directory = mapping_directories(paths)[-1]
    directory.mkdir(parents=True)
    (directory / "Route.toml").write_text(MAPPING)
    await start_datamodel()
    return alone


HOPS = {
    f"{ROUTE}Hop.2.Host": "two.example",
    f"{ROUTE}Hop.2.Name": "",
    f"{ROUTE}Hop.2.TryNumberOfEntries": "2",
    f"{ROUTE}Hop.2.Try.1.Time": "3",
    f"{ROUTE}Hop.2.Try.2.Time": "7",
    f"{ROUTE}Hop.10.Host": "ten.example",
    f"{ROUTE}Hop.10.Name": "",
    f"{ROUTE}Hop.10.TryNumberOfEntries": "0",
}


async def test_values_and_counts(acs: Acs) -> None:
    assert await acs.get(ROUTE) == {f"{ROUTE}ResponseTime": "12", f"{ROUTE}HopNumberOfEntries": "2", **HOPS}
    assert await acs.get(f"{ROUTE}Hop.") == HOPS
    assert await acs.get(f"{ROUTE}HopNumberOfEntries") == {f"{ROUTE}HopNumberOfEntries": "2"}
    assert await acs.get(f"{ROUTE}Hop.2.Try.1.Time") == {f"{ROUTE}Hop.2.Try.1.Time": "3"}


async def test_names_come_by_number(acs: Acs) -> None:
    assert await acs.names(f"{ROUTE}Hop.", True) == {f"{ROUTE}Hop.2.": False, f"{ROUTE}Hop.10.": False}
    assert (await acs.names(f"{ROUTE}Hop.10.", True))[f"{ROUTE}Hop.10.Name"] is True


@pytest.mark.parametrize("row", ["0", "1", "3", "x"])
async def test_rows_that_are_not_there(acs: Acs, row: str) -> None:
    with pytest.raises(Fault) as caught:
        await acs.get(f"{ROUTE}Hop.{row}.Host")
    assert caught.value.code == 9005


async def test_a_row_takes_values(acs: Acs, diagnostics: Owner) -> None:
    await acs.set(**{f"{ROUTE}Hop.10.Name": "tenth"})
    await acs.end()
    assert (await acs.get(f"{ROUTE}Hop.10.Name"))[f"{ROUTE}Hop.10.Name"] == "tenth"
    assert diagnostics.given == [{f"{ROUTE}Hop.10.Name": "tenth"}]


async def test_nothing_is_kept_of_the_numbers(acs: Acs, diagnostics: Owner, paths: Paths) -> None:
    """The rows of a new run are the rows of the new run, and reading them writes no flash."""
    await acs.get(ROUTE)
    kept = [path.read_text() for path in paths.state_dir.rglob("*.json")]
    assert not any("X_EXAMPLE_COM_Route" in text for text in kept)
    for name in list(diagnostics.values):
        del diagnostics.values[name]
    diagnostics.values[f"{ROUTE}Hop.1.Host"] = "one.example"
    assert list(await acs.names(f"{ROUTE}Hop.", True)) == [f"{ROUTE}Hop.1."]


def test_an_object_and_its_tables_are_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(MAPPING)
    model, problems = load([tmp_path])
    assert not problems
    node = model.find(ROUTE)
    assert node is not None
    assert {need.detail for need in node.needs()} == {ROUTE}


def test_a_service_owns_no_rows_of_others_tables(tmp_path: Path) -> None:
    text = """
["Device.X_EXAMPLE_COM_T.Row.{i}."]
rows = { keys = ["a"] }
service = "diagnostics"
A = { type = "string" }
"""
    (tmp_path / "t.toml").write_text(text)
    _, problems = load([tmp_path])
    assert [str(p).partition("toml:")[2] for p in problems] == [
        "5: Device.X_EXAMPLE_COM_T.Row.{i}.A: a service owns rows only of tables it owns: "
        'rows = { service = "..." }'
    ]
