"""``Device.SoftwareModules.``: rows that the firmware service owns, with Aliases that the datamodel keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.datamodel.conftest import StartDatamodel
from tests.datamodel.support import Acs, Owner

from cwmp.datamodel.loader import load
from cwmp.datamodel.service import mapping_directories
from cwmp.runtime import Paths

DATA = Path(__file__).parents[2].parent / "shared/data/tr181-2-19.json"
UNIT = "Device.SoftwareModules.DeploymentUnit."


@pytest.fixture
def firmware() -> Owner:
    return Owner(
        {
            f"{UNIT}3.UUID": "67c33bba-0b4d-5d50-8f40-b0e92bd5c9ec",
            f"{UNIT}3.Name": "hello",
            f"{UNIT}3.Status": "Installed",
            f"{UNIT}7.Name": "other",
            "Device.SoftwareModules.ExecutionUnit.1.Name": "hello",
            "Device.SoftwareModules.ExecutionUnit.1.RequestedState": "",
        }
    )


@pytest.mark.skipif(not DATA.exists(), reason="the published data model is not beside the project")
@pytest.mark.parametrize("name", ["SM_ExecEnvs:1", "SM_DeployAndExecUnits:1", "SM_Baseline:1"])
def test_a_profile_is_there_as_a_whole(name: str) -> None:
    root = Path("/nonexistent")
    model, _ = load(mapping_directories(Paths(root, root, root, root, root)))
    profile = next(p for p in json.loads(DATA.read_text())["profiles"] if p["name"] == name)
    for path, _access in profile["objects"]:
        assert model.find(path) is not None, path
    for path, access in profile["parameters"]:
        node = model.find(path[: path.rindex(".") + 1])
        assert node is not None, path
        assert node.parameters[path.rpartition(".")[2]].writable == (access == "readWrite"), path


async def test_rows_have_the_numbers_of_their_owner(acs: Acs) -> None:
    assert await acs.names(UNIT, True) == {f"{UNIT}3.": False, f"{UNIT}7.": False}
    found = await acs.get("Device.SoftwareModules.")
    assert found["Device.SoftwareModules.DeploymentUnitNumberOfEntries"] == "2"
    assert found["Device.SoftwareModules.ExecEnvNumberOfEntries"] == "0"
    assert found[f"{UNIT}3.Name"] == "hello"
    assert found[f"{UNIT}3.Alias"] == "cpe-3"


async def test_a_state_is_requested(acs: Acs, firmware: Owner) -> None:
    path = "Device.SoftwareModules.ExecutionUnit.1.RequestedState"
    await acs.set(**{path: "Active"})
    await acs.end()
    assert firmware.given == [{path: "Active"}]


async def test_an_alias_stays_with_its_row(
    acs: Acs, firmware: Owner, start_datamodel: StartDatamodel
) -> None:
    await acs.set(**{f"{UNIT}7.Alias": "mine"})
    assert (await acs.get(f"{UNIT}7.Alias"))[f"{UNIT}7.Alias"] == "mine"
    del firmware.values[f"{UNIT}3.Name"], firmware.values[f"{UNIT}3.UUID"], firmware.values[f"{UNIT}3.Status"]
    firmware.values[f"{UNIT}8.Name"] = "new"
    found = await acs.get(UNIT)
    assert (found[f"{UNIT}7.Alias"], found[f"{UNIT}8.Alias"]) == ("mine", "cpe-8")
