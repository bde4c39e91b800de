"""Each standard parameter we declare, against the published model: type, access, enumeration, range, length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cwmp.datamodel.loader import load
from cwmp.datamodel.service import mapping_directories
from cwmp.datamodel.tree import Notify, Parameter
from cwmp.runtime import Paths

DATA = Path(__file__).parents[2].parent / "shared/data/tr181-2-19.json"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the published data model is not beside the project"
)

Bounds = list[dict[str, int]]


@pytest.fixture(scope="module")
def standard() -> tuple[dict[str, Any], dict[str, Any]]:
    document = json.loads(DATA.read_text())
    return {item["path"]: item for item in document["items"]}, document["dataTypes"]


def declared() -> dict[str, Parameter]:
    root = Path("/nonexistent")
    model, _ = load(mapping_directories(Paths(root, root, root, root, root)))
    return {
        f"{node.template}{name}": parameter
        for node in model.objects()
        for name, parameter in node.parameters.items()
        if ".X_" not in node.template + name
    }


def _values(item: dict[str, Any], items: dict[str, Any]) -> set[str]:
    """The enumeration, wherever the standard keeps it."""
    if "enumerationRef" in item:
        other = item["path"].rpartition(".")[0] + "." + item["enumerationRef"]["targetParam"]
        null = {item["enumerationRef"]["nullValue"]} if "nullValue" in item["enumerationRef"] else set()
        return _values(items[other], items) | null
    return {v if isinstance(v, str) else v["value"] for v in item.get("enum", [])}


def _read_only(item: dict[str, Any]) -> set[str]:
    return {v["value"] for v in item.get("enum", []) if isinstance(v, dict) and v.get("access") == "readOnly"}


def _inside(ours: tuple[tuple[int | None, int | None], ...], theirs: Bounds) -> bool:
    """Whether every bound of ours lies in the union of theirs (given as inclusive, adjacent ones joined)."""

    def covered(low: int | None, high: int | None) -> bool:
        reached = low
        for bound in sorted(theirs, key=lambda b: b.get("min", -(2**70))):
            least, most = bound.get("min", -(2**70)), bound.get("max", 2**70)
            at = -(2**70) if reached is None else reached
            if least <= at <= most:
                if (2**70 if high is None else high) <= most:
                    return True
                reached = most + 1
        return False

    return all(covered(low, high) for low, high in ours)


@pytest.mark.parametrize(("path", "parameter"), declared().items() if DATA.exists() else [])
def test_a_parameter_is_what_the_standard_says(
    path: str, parameter: Parameter, standard: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    items, data_types = standard
    item = items.get(path)
    assert item is not None, "no parameter of Device:2.19"
    assert item.get("status") != "deleted"
    kind = parameter.type
    assert kind.base == item["type"]
    assert kind.is_list == bool(item.get("list"))
    if parameter.writable:
        assert item["access"] == "readWrite"
    assert parameter.hidden == bool(item.get("hidden") or item.get("secured"))
    assert parameter.inform == bool(item.get("forcedInform"))
    if parameter.notify is Notify.DENY:
        assert item.get("activeNotify") == "canDeny"
    else:
        forced = {"forceEnabled": Notify.FORCED, "forceDefaultEnabled": Notify.ACTIVE}
        if "{i}" in path:  # in a table nothing is active until the ACS says so
            forced = {}
        assert parameter.notify is forced.get(item.get("activeNotify", ""), Notify.NORMAL)
    if enum := _values(item, items):
        assert set(kind.enum) | set(kind.reported) <= enum
        assert kind.enum or kind.reported
        assert not set(kind.enum) & _read_only(item)
    named = data_types.get(item.get("dataType", ""), {})
    lengths = item.get("length") or named.get("length")
    if lengths and kind.base in ("string", "hexBinary", "base64") and not enum:
        assert kind.lengths, "a length is missing"
        assert _inside(
            tuple((low or 0, high) for low, high in kind.lengths), [{"min": 0, **b} for b in lengths]
        )
    ranges = item.get("range") or named.get("range")
    if ranges:
        assert kind.ranges, "a range is missing"
        natural = {"unsignedInt": 0, "unsignedLong": 0}.get(kind.base)
        assert _inside(tuple((natural if low is None else low, high) for low, high in kind.ranges), ranges)


def test_objects_are_tables_where_the_standard_says_so(
    standard: tuple[dict[str, Any], dict[str, Any]], paths: Paths
) -> None:
    items, _ = standard
    model, _ = load(mapping_directories(paths))
    for node in model.objects():
        if ".X_" in node.template:
            continue
        item = items[node.template]
        assert item["multi"] == (node.rows is not None), node.template
        assert node.create is None or item["access"] == "readWrite", node.template
        has_alias = items.get(f"{node.template}Alias", {"status": "deleted"}).get("status") != "deleted"
        assert node.rows is None or node.alias == has_alias, node.template
        wanted = {tuple(sorted(k["params"])): k["functional"] for k in item.get("uniqueKeys", [])}
        for key in node.unique:
            assert wanted[tuple(sorted(key.parameters))] == key.functional, node.template


def test_forced_inform_parameters_are_there(standard: tuple[dict[str, Any], dict[str, Any]]) -> None:
    items, _ = standard
    forced = {path for path, item in items.items() if item.get("forcedInform")}
    assert {path for path, parameter in declared().items() if parameter.inform} == forced
