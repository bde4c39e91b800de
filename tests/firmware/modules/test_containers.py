"""prplOS's container manager behind the same seam (its Ambiorix object ``SoftwareModules``, the lab's side)."""

from __future__ import annotations

import pytest
import trio
from tests.conftest import StartService
from tests.firmware.modules.conftest import Acs, Modules

from cwmp.contract.firmware import DUOperation, DUResult
from cwmp.firmware.modules.identity import uuid_of
from cwmp.lab.router.containers import Containers, Image
from ubuskit.client import Client

URL = "docker://registry.example.com/prpl/alpine:3.16"
NEW = "docker://registry.example.com/prpl/alpine:3.17"
UUID = uuid_of("alpine", "registry.example.com")


@pytest.fixture
async def containers(client: Client) -> Containers:
    found = Containers(client, {URL: Image("alpine", "3.16"), NEW: Image("alpine", "3.17")})
    await found.start()
    return found


@pytest.fixture
async def modules(start_service: StartService, containers: Containers, acs: Acs) -> Modules:
    found = Modules()
    await start_service("firmware", found.serve)
    return found


async def one(acs: Acs, operation: DUOperation) -> DUResult:
    (result,) = await acs.results(operation)
    return result


async def test_install_update_uninstall(acs: Acs, modules: Modules, containers: Containers) -> None:
    done = await one(acs, DUOperation("Install", url=URL, username="user", password="secret"))
    assert (done.fault_code, done.current_state, done.version, done.uuid) == (0, "Installed", "3.16", UUID)
    assert done.execution_unit_refs == ["Device.SoftwareModules.ExecutionUnit.1."]
    assert containers.calls == [
        (
            "InstallDU",
            {
                "URL": URL,
                "UUID": UUID,
                "ExecutionEnvRef": "generic",
                "Username": "user",
                "Password": "secret",
            },
        )
    ]
    done = await one(acs, DUOperation("Update", uuid=UUID, url=NEW))
    assert (done.fault_code, done.current_state, done.version, done.uuid) == (0, "Installed", "3.17", UUID)
    done = await one(acs, DUOperation("Uninstall", uuid=UUID))
    assert (done.fault_code, done.current_state, done.version) == (0, "Uninstalled", "3.17")
    assert not [path for path in containers.objects if path.startswith("DeploymentUnit")]
    assert modules.fetched == []  # the container manager brings images itself


async def test_parameters(acs: Acs, modules: Modules) -> None:
    await acs.results(DUOperation("Install", url=URL, execution_env_ref="Device.SoftwareModules.ExecEnv.2."))
    found = await acs.read()
    assert found["ExecEnv.1.Name"] == "generic"
    assert found["ExecEnv.2.ActiveExecutionUnits"] == "Device.SoftwareModules.ExecutionUnit.1"
    assert found["DeploymentUnit.1.ExecutionEnvRef"] == "Device.SoftwareModules.ExecEnv.2"
    assert found["DeploymentUnit.1.URL"] == URL
    assert (found["ExecutionUnit.1.Status"], found["ExecutionUnit.1.AutoStart"]) == ("Active", "true")


async def test_states(acs: Acs, modules: Modules, containers: Containers) -> None:
    await acs.results(DUOperation("Install", url=URL))
    await acs.write(ExecutionUnit_1_RequestedState="Idle", ExecutionUnit_1_AutoStart="0")
    while (found := await acs.read())["ExecutionUnit.1.Status"] != "Idle":
        assert found["ExecutionUnit.1.Status"] == "Stopping"
    assert found["ExecutionUnit.1.AutoStart"] == "false"
    assert containers.calls[-1] == ("SetRequestedState", {"RequestedState": "Idle"})


async def test_9024_a_disabled_environment(acs: Acs, modules: Modules, containers: Containers) -> None:
    await acs.results(DUOperation("Install", url=URL))
    await acs.write(ExecEnv_1_Enable="false")
    assert (await acs.read())["ExecEnv.1.Status"] == "Disabled"
    for operation in (
        DUOperation("Install", url=URL, execution_env_ref="Device.SoftwareModules.ExecEnv.1"),
        DUOperation("Update", uuid=UUID, url=NEW),
        DUOperation("Uninstall", uuid=UUID),
    ):
        assert (await one(acs, operation)).fault_code == 9024
    done = await one(acs, DUOperation("Install", url=URL))  # whichever is enabled
    assert done.fault_code == 0
    assert (await acs.read())["DeploymentUnit.2.ExecutionEnvRef"] == "Device.SoftwareModules.ExecEnv.2"


async def test_one_unit_in_two_environments(acs: Acs, modules: Modules) -> None:
    for number in (1, 2):
        reference = f"Device.SoftwareModules.ExecEnv.{number}"
        assert (await one(acs, DUOperation("Install", url=URL, execution_env_ref=reference))).fault_code == 0
    assert (await one(acs, DUOperation("Install", url=URL))).fault_code == 9026
    results = await acs.results(DUOperation("Uninstall", uuid=UUID))
    assert [(r.current_state, r.deployment_unit_ref) for r in results] == [
        ("Uninstalled", "Device.SoftwareModules.DeploymentUnit.1."),
        ("Uninstalled", "Device.SoftwareModules.DeploymentUnit.2."),
    ]


async def test_all_that_hold_a_unit_are_updated_or_none(
    acs: Acs, modules: Modules, containers: Containers
) -> None:
    for number in (1, 2):
        await acs.results(
            DUOperation("Install", url=URL, execution_env_ref=f"Device.SoftwareModules.ExecEnv.{number}")
        )
    await acs.write(ExecEnv_2_Enable="false")
    results = await acs.results(DUOperation("Update", uuid=UUID, url=NEW))
    assert [(r.fault_code, r.version) for r in results] == [(9024, "3.16"), (9024, "3.16")]
    assert "Update" not in [name for name, _ in containers.calls]
    await acs.write(ExecEnv_2_Enable="true")
    results = await acs.results(DUOperation("Update", uuid=UUID, url=NEW))
    assert [(r.fault_code, r.version) for r in results] == [(0, "3.17"), (0, "3.17")]


async def test_what_it_refuses_at_once(acs: Acs, modules: Modules) -> None:
    done = await one(acs, DUOperation("Install", url="docker://registry.example.com/nothing"))
    assert (done.fault_code, done.fault_string, done.current_state) == (9016, "no such image", "Failed")


async def test_what_fails_later(acs: Acs, modules: Modules, containers: Containers) -> None:
    containers.registry[URL] = Image("alpine", "3.16", fault=9018)
    done = await one(acs, DUOperation("Install", url=URL))
    assert (done.fault_code, done.fault_string, done.current_state) == (9018, "the image is broken", "Failed")
    containers.registry[URL] = Image("alpine", "3.16", fault=7002)
    done = await one(acs, DUOperation("Install", url=URL))
    assert done.fault_code == 9001


async def test_it_takes_its_time(acs: Acs, modules: Modules, containers: Containers) -> None:
    containers.slow = True
    await acs.change(DUOperation("Install", url=URL))
    with trio.fail_after(20):
        while not [row for row in containers.objects.values() if row.get("Status") == "Installing"]:
            await acs.read()
    assert "DeploymentUnit.1.Status" not in await acs.read()  # not before it is installed
    assert await acs.changes() == []
    await containers.finish()
    (result,) = (await acs.completed()).results
    assert (result.fault_code, result.version) == (0, "3.16")


async def test_cut_off_and_found_again(acs: Acs, containers: Containers, start_service: StartService) -> None:
    containers.slow = True
    first = await start_service("firmware", Modules().serve)
    await acs.change(DUOperation("Install", url=URL))
    with trio.fail_after(20):
        while not [row for row in containers.objects.values() if row.get("Status") == "Installing"]:
            await acs.read()
    first.nursery.cancel_scope.cancel()
    await containers.finish()
    await start_service("firmware", Modules().serve)
    (result,) = (await acs.completed()).results
    assert (result.fault_code, result.version, result.uuid) == (0, "3.16", UUID)
    assert [name for name, _ in containers.calls] == ["InstallDU"]
