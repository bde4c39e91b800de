"""Deployment units on a real command line: installed, updated and removed, by opkg and by apk (CWMP.md 15)."""

from __future__ import annotations

import uuid

import pytest
from tests.firmware.modules.conftest import Acs, Modules, PackageManager

from cwmp.contract import Fault
from cwmp.contract.firmware import DUOperation, DUResult

URL = "https://packages.example.com/hello"
UUID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "hello.Example."))
GIVEN = "6BA7B810-9DAD-51D1-80B4-00C04FD430C8"


def install(url: str = URL, **more: str) -> DUOperation:
    return DUOperation("Install", url=url, **more)


def update(url: str = "", **more: str) -> DUOperation:
    return DUOperation("Update", url=url, **more)


def uninstall(**more: str) -> DUOperation:
    return DUOperation("Uninstall", **more)


async def one(acs: Acs, operation: DUOperation) -> DUResult:
    (result,) = await acs.results(operation)
    return result


async def test_install_update_uninstall(acs: Acs, modules: Modules, manager: PackageManager) -> None:
    modules.serve_file(URL, manager.package("hello", "1.0-r1", service="hello"))
    done = await one(acs, install())
    assert (done.fault_code, done.current_state, done.resolved) == (0, "Installed", True)
    assert (done.uuid, done.version) == (UUID, "1.0-r1")
    assert done.deployment_unit_ref == "Device.SoftwareModules.DeploymentUnit.1."
    assert done.execution_unit_refs == ["Device.SoftwareModules.ExecutionUnit.1."]
    assert (done.start_time, done.complete_time) == ("2025-06-15T15:06:40Z",) * 2
    assert (manager.root / "usr/share/hello/version").read_text() == "1.0-r1\n"

    modules.serve_file(URL, manager.package("hello", "1.1-r1", service="hello"))
    done = await one(acs, update(uuid=UUID))
    assert (done.fault_code, done.current_state, done.version) == (0, "Installed", "1.1-r1")
    assert (done.uuid, done.deployment_unit_ref) == (UUID, "Device.SoftwareModules.DeploymentUnit.1.")
    assert (manager.root / "usr/share/hello/version").read_text() == "1.1-r1\n"

    done = await one(acs, uninstall(uuid=UUID))
    assert (done.fault_code, done.current_state, done.version) == (0, "Uninstalled", "1.1-r1")
    assert (done.uuid, done.execution_unit_refs) == (UUID, [])
    assert done.deployment_unit_ref == "Device.SoftwareModules.DeploymentUnit.1."
    assert not (manager.root / "usr/share/hello/version").exists()
    assert await acs.changes() == []
    assert not list((modules_directory := manager.root / "var/run/cwmp").glob("modules/*")), modules_directory


async def test_the_parameters_of_a_unit(acs: Acs, modules: Modules, manager: PackageManager) -> None:
    modules.serve_file(URL, manager.package("hello", "1.0-r1", service="hello"))
    await acs.results(install())
    found = await acs.read()
    assert {n: v for n, v in found.items() if n.startswith("DeploymentUnit.1.")} == {
        "DeploymentUnit.1.UUID": UUID,
        "DeploymentUnit.1.DUID": "hello",
        "DeploymentUnit.1.Name": "hello",
        "DeploymentUnit.1.Status": "Installed",
        "DeploymentUnit.1.Resolved": "true",
        "DeploymentUnit.1.URL": URL,
        "DeploymentUnit.1.Description": "An example.",
        "DeploymentUnit.1.Vendor": "Example",
        "DeploymentUnit.1.Version": "1.0-r1",
        "DeploymentUnit.1.ExecutionUnitList": "Device.SoftwareModules.ExecutionUnit.1",
        "DeploymentUnit.1.ExecutionEnvRef": "Device.SoftwareModules.ExecEnv.1",
        "DeploymentUnit.1.Installed": "2025-06-15T15:06:40Z",
        "DeploymentUnit.1.LastUpdate": "2025-06-15T15:06:40Z",
    }
    assert found["ExecEnv.1.Type"] == manager.kind
    assert found["ExecEnv.1.Status"] == "Up"
    assert int(found["ExecEnv.1.AvailableDiskSpace"]) > 0
    assert found["ExecutionUnit.1.Name"] == "hello"
    assert found["ExecutionUnit.1.Status"] == "Idle"
    assert found["ExecutionUnit.1.AutoStart"] == "false"


async def test_numbers_are_not_given_twice(acs: Acs, modules: Modules, manager: PackageManager) -> None:
    modules.serve_file(URL, manager.package("hello", "1.0-r1", service="hello"))
    await acs.results(install(), uninstall(uuid=UUID))
    done = await one(acs, install())
    assert done.deployment_unit_ref == "Device.SoftwareModules.DeploymentUnit.2."
    assert done.execution_unit_refs == ["Device.SoftwareModules.ExecutionUnit.2."]


async def test_an_execution_unit_is_started_and_stopped(
    acs: Acs, modules: Modules, manager: PackageManager
) -> None:
    modules.serve_file(URL, manager.package("hello", "1.0-r1", service="hello"))
    await acs.results(install())

    async def state(wanted: str) -> dict[str, str]:
        while (found := await acs.read())["ExecutionUnit.1.Status"] != wanted:
            assert found["ExecutionUnit.1.Status"] in ("Starting", "Stopping")
        return found

    await acs.write(ExecutionUnit_1_RequestedState="Active")
    found = await state("Active")
    assert found["ExecutionUnit.1.RequestedState"] == ""  # a command
    assert found["ExecEnv.1.ActiveExecutionUnits"] == "Device.SoftwareModules.ExecutionUnit.1"
    await acs.write(ExecutionUnit_1_AutoStart="1")
    assert (await acs.read())["ExecutionUnit.1.AutoStart"] == "true"
    assert (manager.root / "etc/rc.d/S95hello").is_symlink()
    await acs.write(ExecutionUnit_1_AutoStart="0", ExecutionUnit_1_RequestedState="Idle")
    found = await state("Idle")
    assert (found["ExecutionUnit.1.AutoStart"], found["ExecEnv.1.ActiveExecutionUnits"]) == ("false", "")
    assert found["ExecutionUnit.1.ExecutionFaultCode"] == "NoFault"


async def test_a_unit_that_does_not_start(acs: Acs, modules: Modules, manager: PackageManager) -> None:
    broken = {"etc/init.d/broken": b"#!/bin/sh\necho out of luck\nexit 3\n"}
    modules.serve_file(URL, manager.package("hello", "1.0-r1", extra=broken))
    await acs.results(install())
    await acs.write(ExecutionUnit_1_RequestedState="Active")
    while (found := await acs.read())["ExecutionUnit.1.Status"] != "Idle":
        assert found["ExecutionUnit.1.Status"] == "Starting"
    assert found["ExecutionUnit.1.ExecutionFaultCode"] == "FailureOnStart"
    assert found["ExecutionUnit.1.ExecutionFaultMessage"] == "'broken start' failed: out of luck"


@pytest.mark.parametrize("manager", ["opkg"], indirect=True)
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("ExecutionUnit_1_RequestedState", "Starting", 9007),
        ("ExecutionUnit_1_AutoStart", "perhaps", 9007),
        ("ExecutionUnit_9_RequestedState", "Active", 9005),
        ("ExecutionUnit_1_Status", "Active", 9005),
        ("ExecEnv_1_Enable", "false", 9007),
    ],
)
async def test_what_cannot_be_written(
    name: str, value: str, code: int, acs: Acs, modules: Modules, manager: PackageManager
) -> None:
    modules.serve_file(URL, manager.package("hello", "1.0-r1", service="hello"))
    await acs.results(install())
    with pytest.raises(Fault) as refused:
        await acs.write(**{name: value})
    assert [p.code for p in refused.value.parameters] == [code]


class TestFaults:
    """Each fault of a result (CWMP.md 9 and 15), as the package manager's words or ours mean it."""

    async def test_9003_a_url_with_credentials(self, acs: Acs, modules: Modules) -> None:
        done = await one(acs, install("https://user:secret@packages.example.com/hello"))
        assert (done.fault_code, done.current_state) == (9003, "Failed")
        assert "secret" not in done.fault_string
        assert modules.fetched == []

    async def test_9013_a_scheme_that_is_not_supported(self, acs: Acs, modules: Modules) -> None:
        for url in ("ftp://packages.example.com/hello", "file:///etc/passwd", "docker://example.com/hello"):
            assert (await one(acs, install(url))).fault_code == 9013

    @pytest.mark.parametrize("manager", ["opkg"], indirect=True)
    @pytest.mark.parametrize(
        ("code", "reported"),
        [
            (9012, 9012),
            (9015, 9015),
            (9016, 9016),
            (9017, 9017),
            (9018, 9018),
            (9010, 9027),
            (9019, 9018),
            (9002, 9001),
        ],
    )
    async def test_fetching_fails(
        self, code: int, reported: int, acs: Acs, modules: Modules, manager: PackageManager
    ) -> None:
        modules.files[URL] = Fault(code, "so it is")
        done = await one(acs, install())
        assert (done.fault_code, done.fault_string) == (reported, "so it is")
        assert (done.current_state, done.resolved, done.deployment_unit_ref) == ("Failed", False, "")

    async def test_9018_no_package(self, acs: Acs, modules: Modules) -> None:
        modules.serve_file(URL, b"nonsense")
        assert (await one(acs, install())).fault_code == 9018

    async def test_9018_another_package_than_the_one_to_update(
        self, acs: Acs, modules: Modules, manager: PackageManager
    ) -> None:
        modules.serve_file(URL, manager.package("hello", "1.0-r1"))
        await acs.results(install())
        modules.serve_file(URL, manager.package("goodbye", "2.0-r1"))
        done = await one(acs, update(uuid=UUID))
        assert (done.fault_code, done.current_state, done.version) == (9018, "Installed", "1.0-r1")

    async def test_9022_no_uuid(self, acs: Acs, modules: Modules) -> None:
        for operation in (
            install(uuid="hello"),
            update(uuid="1-2-3"),
            uninstall(uuid=""),
            uninstall(uuid="x"),
        ):
            assert (await one(acs, operation)).fault_code == 9022

    async def test_9023_an_unknown_environment(self, acs: Acs, modules: Modules) -> None:
        for reference in ("Device.SoftwareModules.ExecEnv.7", "Device.SoftwareModules.ExecEnv.", "generic"):
            assert (await one(acs, install(execution_env_ref=reference))).fault_code == 9023

    @pytest.mark.parametrize(
        "reference", ["Device.SoftwareModules.ExecEnv.1", "Device.SoftwareModules.ExecEnv.1."]
    )
    async def test_the_environment_named(
        self, reference: str, acs: Acs, modules: Modules, manager: PackageManager
    ) -> None:
        modules.serve_file(URL, manager.package("hello", "1.0-r1"))
        assert (await one(acs, install(execution_env_ref=reference))).fault_code == 0
        assert (await one(acs, uninstall(uuid=UUID, execution_env_ref=reference))).fault_code == 0

    async def test_9025_another_architecture(
        self, acs: Acs, modules: Modules, manager: PackageManager
    ) -> None:
        modules.serve_file(URL, manager.package("hello", "1.0-r1", architecture="mips_24kc"))
        done = await one(acs, install())
        assert (done.fault_code, "mips_24kc" in done.fault_string) == (9025, True)

    async def test_9026_installed_already(self, acs: Acs, modules: Modules, manager: PackageManager) -> None:
        modules.serve_file(URL, manager.package("hello", "1.0-r1"))
        first, second, third = await acs.results(install(), install(), install(uuid=GIVEN))
        assert (first.fault_code, second.fault_code, third.fault_code) == (0, 9026, 9026)

    async def test_9027_no_space(self, acs: Acs, modules: Modules, manager: PackageManager) -> None:
        if manager.real and manager.kind == "apk":
            pytest.skip("apk itself writes how large a package is")
        modules.serve_file(URL, manager.package("hello", "1.0-r1", size=1 << 50))
        assert (await one(acs, install())).fault_code == 9027

    async def test_9028_unknown(self, acs: Acs, modules: Modules, manager: PackageManager) -> None:
        modules.serve_file(URL, manager.package("hello", "1.0-r1"))
        await acs.results(install())
        for operation in (
            update(uuid=GIVEN),
            uninstall(uuid=GIVEN),
            update(URL + "/other"),
            update(uuid=UUID, version="9"),
            uninstall(uuid=UUID, version="9"),
        ):
            done = await one(acs, operation)
            assert (done.fault_code, done.current_state) == (9028, "Failed")

    async def test_9029_other_packages_need_it(
        self, acs: Acs, modules: Modules, manager: PackageManager
    ) -> None:
        modules.serve_file(URL, manager.package("hello", "1.0-r1"))
        modules.serve_file(URL + "2", manager.package("user", "1.0-r1", depends=("hello",)))
        await acs.results(install(), install(URL + "2"))
        done = await one(acs, uninstall(uuid=UUID))
        assert (done.fault_code, done.current_state, done.version) == (9029, "Installed", "1.0-r1")
        assert (await acs.read())["DeploymentUnit.1.Name"] == "hello"

    async def test_9030_downgrade(self, acs: Acs, modules: Modules, manager: PackageManager) -> None:
        modules.serve_file(URL, manager.package("hello", "1.10-r1"))
        await acs.results(install())
        modules.serve_file(URL, manager.package("hello", "1.9-r3"))
        done = await one(acs, update(uuid=UUID))
        assert (done.fault_code, done.current_state, done.version) == (9030, "Installed", "1.10-r1")

    async def test_9003_version_where_all_are_updated(self, acs: Acs, modules: Modules) -> None:
        assert (await one(acs, update(version="1.0-r1"))).fault_code == 9003

    async def test_9032_the_same_version(self, acs: Acs, modules: Modules, manager: PackageManager) -> None:
        modules.serve_file(URL, manager.package("hello", "1.0-r1"))
        await acs.results(install())
        done = await one(acs, update(uuid=UUID))
        assert (done.fault_code, done.current_state, done.version) == (9032, "Installed", "1.0-r1")

    async def test_9001_a_dependency_that_is_not_to_be_had(
        self, acs: Acs, modules: Modules, manager: PackageManager
    ) -> None:
        modules.serve_file(URL, manager.package("hello", "1.0-r1", depends=("nosuch",)))
        done = await one(acs, install())
        assert (done.fault_code, done.current_state) == (9001, "Failed")
        assert "nosuch" in done.fault_string
        assert not [n for n in await acs.read() if n.startswith("DeploymentUnit.")]


async def test_the_uuid_that_was_given(acs: Acs, modules: Modules, manager: PackageManager) -> None:
    modules.serve_file(URL, manager.package("hello", "1.0-r1"))
    assert (await one(acs, install(uuid=GIVEN))).uuid == GIVEN.lower()
    assert (await one(acs, uninstall(uuid=GIVEN))).fault_code == 0


async def test_which_units_an_update_means(acs: Acs, modules: Modules, manager: PackageManager) -> None:
    names = ("one", "two")
    for name in names:
        modules.serve_file(f"{URL}/{name}", manager.package(name, "1-r0"))
    await acs.results(*(install(f"{URL}/{name}") for name in names))
    for name in names:
        modules.serve_file(f"{URL}/{name}", manager.package(name, "2-r0"))
    done = await one(acs, update(f"{URL}/one"))  # the one that came from there
    assert (done.fault_code, done.version) == (0, "2-r0")
    done, other = await acs.results(update())  # all
    assert [done.fault_code, other.fault_code, other.version] == [9032, 0, "2-r0"]
    modules.serve_file(f"{URL}/new", manager.package("one", "3-r0"))
    found = {r.uuid for r in (done, other)}
    done = await one(acs, update(f"{URL}/new", uuid=done.uuid))  # that one, from somewhere else now
    assert (done.fault_code, done.version, done.uuid in found) == (0, "3-r0", True)
    assert (await acs.read())["DeploymentUnit.1.URL"] == f"{URL}/new"


async def test_results_are_in_the_order_of_the_operations(
    acs: Acs, modules: Modules, manager: PackageManager
) -> None:
    operations = []
    for n in range(16):
        url = f"{URL}/{n}"
        if n % 4:
            modules.serve_file(url, manager.package(f"p{n}", "1-r0"))
        operations.append(install(url))
    await acs.change(*operations, key="sixteen")
    change = await acs.completed()
    assert (change.command_key, change.autonomous) == ("sixteen", False)
    assert [r.fault_code for r in change.results] == [0 if n % 4 else 9016 for n in range(16)]
    with pytest.raises(Fault) as refused:
        await acs.change(*operations, install())
    assert refused.value.code == 9004


async def test_credentials_are_no_arguments_and_leave_the_flash(
    acs: Acs, modules: Modules, manager: PackageManager
) -> None:
    modules.serve_file(URL, manager.package("hello", "1.0-r1"))
    await acs.results(install(username="user", password="secret"))
    assert [(s.username, s.password) for s in modules.fetched] == [("user", "secret")]
    kept = [f.read_text() for f in (manager.root / "etc/cwmp").rglob("*.json")]
    assert kept
    assert not [text for text in kept if "secret" in text]


async def test_an_untrusted_package_over_http(acs: Acs, modules: Modules, manager: PackageManager) -> None:
    """apk refuses it: nothing says whose it is. opkg's files have no signature that could be missing."""
    url = modules.serve_file("http://packages.example.com/hello", manager.package("hello", "1.0-r1"))
    expected = 9018 if manager.kind == "apk" else 0
    assert (await one(acs, install(url))).fault_code == expected


async def test_what_the_firmware_brought_is_no_unit(
    acs: Acs, modules: Modules, manager: PackageManager
) -> None:
    (manager.root / "tmp/base").write_bytes(manager.package("base", "1.0-r1"))
    file = (manager.root / "tmp/base").rename(
        manager.root / f"tmp/base.{'ipk' if manager.kind == 'opkg' else 'apk'}"
    )
    manager.by_hand("install", str(file))
    assert [v for n, v in (await acs.read()).items() if n.endswith(".DUID")] == ["base"]
    for name in ("usr/lib/opkg/status", "etc/apk/world"):
        if (manager.root / name).exists():
            image = manager.root / "rom" / name
            image.parent.mkdir(parents=True)
            image.write_bytes((manager.root / name).read_bytes())
    assert [v for n, v in (await acs.read()).items() if n.endswith(".DUID")] == []
