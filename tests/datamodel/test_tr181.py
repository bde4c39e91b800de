"""Each standard parameter we declare, against the published model: type, access, enumeration, range, length."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cwmp.datamodel import tools
from cwmp.datamodel.loader import load
from cwmp.datamodel.service import mapping_directories
from cwmp.datamodel.sources import Const, PythonCode, Reference, ServiceOwned
from cwmp.datamodel.sources.command import Command
from cwmp.datamodel.tree import Notify, Parameter
from cwmp.runtime import Paths

DATA = Path(__file__).parents[2].parent / "shared/data/tr181-2-19.json"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the published data model is not beside the project"
)

Bounds = list[dict[str, int]]


@pytest.fixture(scope="module")
def standard_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DATA.read_text())
    return document


@pytest.fixture(scope="module")
def standard(standard_document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return {item["path"]: item for item in standard_document["items"]}, standard_document["dataTypes"]


@pytest.fixture(scope="module")
def installed(standard_document: dict[str, Any]) -> list[tools.Profile]:
    return tools.coverage(tools.installed_model(Path("/nonexistent")), standard_document)


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
    if isinstance(limits := item.get("list"), dict):
        if most := limits.get("maxItems"):
            assert kind.items is not None, "the greatest number of items is missing"
            assert kind.items <= most
        if most := max((bound.get("max", 0) for bound in limits.get("totalLength", [])), default=0):
            assert kind.list_length is not None, "the greatest length of the list is missing"
            assert kind.list_length <= most
    if parameter.writable and not enum and (item.get("pattern") or named.get("pattern")):
        assert kind.pattern is not None or isinstance(parameter.source, PythonCode), "a pattern is missing"
    if not isinstance(parameter.source, ServiceOwned):
        assert isinstance(parameter.source, Command) == bool(item.get("command"))
    if isinstance(parameter.source, Reference):
        kinds = {"strong" if parameter.strong else "weak"}
        assert kinds == {item.get("pathRef", {}).get("refType")}


@pytest.mark.parametrize(("path", "parameter"), declared().items() if DATA.exists() else [])
def test_what_is_written_here_is_a_value_there(
    path: str, parameter: Parameter, standard: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """Defaults and constants are values that the standard allows."""
    items, _ = standard
    item = items[path]
    texts = [parameter.default] if parameter.default != parameter.type.null else []
    source = parameter.source
    if isinstance(source, Const):
        texts.append(parameter.type.text(source.value) or "")
    for text in texts:
        kind = parameter.type
        allowed = replace(kind, enum=kind.enum + kind.reported) if kind.enum else kind
        assert allowed.check(text) == text
        if patterns := item.get("pattern"):
            assert any(re.fullmatch(pattern, part) for part in text.split(",") for pattern in patterns)


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
        ours = {tuple(sorted(key.parameters)) for key in node.unique} | {("Alias",)}
        for names in (
            wanted if node.rows is not None else ()
        ):  # of what cannot be written the system sees to it
            there = [node.parameters[name] for name in names if name in node.parameters]
            complete = len(there) == len(names) and any(parameter.writable for parameter in there)
            assert names in ours or not complete, f"{node.template}: {names}"
        enable = item.get("enableParameter")
        assert node.create is None or enable is None or enable in node.parameters, node.template


def test_forced_inform_parameters_are_there(standard: tuple[dict[str, Any], dict[str, Any]]) -> None:
    items, _ = standard
    forced = {path for path, item in items.items() if item.get("forcedInform")}
    assert {path for path, parameter in declared().items() if parameter.inform} == forced


# What this project covers.
PROFILES = (
    "Baseline:4", "Time:2", "IPInterface:2", "IPv6Interface:1", "PPPInterface:2", "EthernetInterface:2",
    "EthernetLink:1", "VLANTermination:1", "Bridge:1", "VLANBridge:1", "WiFiRadio:1", "WiFiSSID:2",
    "WiFiAccessPoint:2", "Routing:2", "IPv6Routing:1", "NAT:1", "DHCPv4Client:1", "DHCPv4Server:1",
    "DHCPv4ServerClientInfo:1", "DHCPv6Client:1", "DHCPv6Server:1", "DHCPv6ServerClientInfo:1",
    "RouterAdvertisement:1", "NeighborDiscovery:1", "DNSRelay:1", "SimpleFirewall:1", "AdvancedFirewall:1",
    "Hosts:3", "MemoryStatus:1", "ProcessStatus:1", "VendorLogFiles:1", "SupportedDataModel:2", "User:2",
    "USBInterface:1", "DeviceAssociation:1", "GatewayInfo:1", "UDPConnReq:1", "InformParameters:1",
    "HeartbeatPolicy:1", "AutonXferComplPolicy:1", "IPPing:1", "IPPingDetailed:1", "TraceRoute:1", "Download:1",
    "DownloadTCP:1", "Upload:1", "UploadTCP:1", "UDPEcho:1", "UDPEchoPlus:1", "UDPEchoDiag:1",
    "ServerSelectionDiag:1", "NSLookupDiag:1", "SelfTestDiag:1",
)  # fmt: skip


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_covered(
    name: str, standard_document: dict[str, Any], installed: list[tools.Profile]
) -> None:
    """Each profile of the standard that this project claims: every object and parameter of it is declared."""
    assert any(p["name"].lstrip("_") == name for p in standard_document["profiles"]), "no such profile"
    assert [p.missing for p in installed if p.name.lstrip("_") == name and p.missing] == []
