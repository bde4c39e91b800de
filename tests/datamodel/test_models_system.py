"""Processes, the data model itself, users, USB, and what the kernel tells of hardware."""

from __future__ import annotations

import ctypes
import re

import pytest
from tests.datamodel.conftest import StartDatamodel
from tests.datamodel.support import Acs, Router

from cwmp.contract import Fault
from cwmp.datamodel.code._crypt import _function, hashed
from cwmp.datamodel.files import Files
from cwmp.runtime import Paths

STATUS = "Device.DeviceInfo.ProcessStatus."
USER = "Device.Users.User.1."
RPCD = """
config login
	option username 'root'
	option password '$p$root'
	list read '*'
	list write '*'
"""


def _stat(pid: int, name: str, state: str = "S", priority: int = 20, size: int = 1_048_576) -> str:
    return f"{pid} ({name}) {state} 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 {priority} 0 1 0 5 {size} 9 0\n"


@pytest.fixture
def processes(router: Router) -> Router:
    router.write("/proc/1/stat", _stat(1, "procd"))
    router.write("/proc/77/stat", _stat(77, "a (b) c", "R", -51))
    router.write("/proc/self/stat", _stat(9, "not a number"))
    router.write("/proc/stat", "cpu 100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    return router


async def test_processes_are_rows_under_their_own_numbers(
    processes: Router, alone: Acs, start_datamodel: StartDatamodel
) -> None:
    await start_datamodel()
    values = await alone.get(STATUS)
    assert {n.split(".")[4] for n in values if ".Process." in n} == {"1", "77"}
    process = {n.rpartition(".")[2]: v for n, v in values.items() if n.startswith(f"{STATUS}Process.77.")}
    assert process == {
        "PID": "77", "Command": "a (b) c", "Size": "1024", "Priority": "0", "CPUTime": "2000", "State": "Running",
    }  # fmt: skip
    assert values[f"{STATUS}Process.1.State"] == "Sleeping"
    assert values[f"{STATUS}ProcessNumberOfEntries"] == "2"
    assert values[f"{STATUS}CPUUsage"] == "20"


async def test_of_processes_nothing_is_kept(
    processes: Router, alone: Acs, start_datamodel: StartDatamodel
) -> None:
    await start_datamodel()
    await alone.get(STATUS)
    instances = processes.paths.state_dir / "datamodel/instances.json"
    assert not instances.exists() or "ProcessStatus" not in instances.read_text()


def test_a_file_as_it_was_before(paths: Paths) -> None:
    now = 100.0
    files = Files(paths, lambda: now)
    where = paths.system("/proc/stat")
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text("one")
    assert files.before("/proc/stat") == ""
    where.write_text("two")
    now = 100.5
    assert files.before("/proc/stat") == ""  # too short ago to tell anything
    now = 101.5
    assert files.before("/proc/stat") == "one"
    where.write_text("three")
    now = 103.0
    assert files.before("/proc/stat") == "two"


async def test_the_data_model_names_itself(acs: Acs, router: Router) -> None:
    router.write("/proc/sys/net/ipv4/ip_forward", "1\n")
    router.write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n")
    path = "Device.DeviceInfo.SupportedDataModel.1."
    values = await acs.get(path)
    assert values[f"{path}URN"] == "urn:broadband-forum-org:tr-181-2-19-1-cwmp"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", values[f"{path}UUID"])
    assert values[f"{path}Features"] == "DNSServer,Firewall,IPv6,Router,Wireless"


async def test_sensors_and_limits_of_the_kernel(acs: Acs, router: Router) -> None:
    router.write("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    router.write("/sys/class/thermal/thermal_zone0/temp", "48250\n")
    router.write("/sys/class/thermal/thermal_zone0/mode", "enabled\n")
    router.write("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n")
    values = await acs.get("Device.DeviceInfo.TemperatureStatus.", "Device.DeviceInfo.NetworkProperties.")
    sensor = "Device.DeviceInfo.TemperatureStatus.TemperatureSensor.1."
    assert values[f"{sensor}Name"] == "cpu-thermal"
    assert (values[f"{sensor}Value"], values[f"{sensor}Status"]) == ("48", "Enabled")
    assert values["Device.DeviceInfo.NetworkProperties.MaxTCPWindowSize"] == "6291456"


@pytest.fixture
async def users(router: Router, acs: Acs) -> Acs:
    router.set_uci("rpcd", RPCD)
    for name in ("luci-base", "luci-mod-status"):
        router.write(f"/usr/share/rpcd/acl.d/{name}.json", "{}")
    return acs


async def test_users_are_logins_of_rpcd(users: Acs) -> None:
    values = await users.get("Device.Users.")
    assert values[f"{USER}Username"] == "root"
    assert (values[f"{USER}Enable"], values[f"{USER}Password"]) == ("true", "")
    assert values[f"{USER}RoleParticipation"] == "Device.Users.Role.1,Device.Users.Role.2"
    assert values["Device.Users.Role.2.RoleName"] == "luci-mod-status"


async def test_a_user_is_made_and_switched_off(users: Acs, router: Router) -> None:
    added = await users.add("Device.Users.User.")
    user = f"Device.Users.User.{added.instance_number}."
    with pytest.raises(Fault):
        await users.set("k", **{f"{user}Enable": "true"})  # a login without name is none
    await users.set(
        "k",
        **{
            f"{user}Username": "operator",
            f"{user}Password": "correct horse",
            f"{user}Enable": "true",
            f"{user}RoleParticipation": "Device.Users.Role.1",
        },
    )
    text = router.uci("rpcd")
    assert "option username 'operator'" in text
    assert "correct horse" not in text
    found = re.findall(r"option password '(\$6\$[^']+)'", text)
    assert len(found) == 1
    assert _crypt("correct horse", found[0]) == found[0]  # as rpcd compares them
    assert text.count("list write 'luci-base'") == text.count("list read 'luci-base'") == 1
    await users.set("k", **{f"{user}Enable": "false"})
    assert "option username 'operator'" not in router.uci("rpcd")
    values = await users.get(user)
    assert (values[f"{user}Username"], values[f"{user}Enable"]) == ("operator", "false")


def _crypt(password: str, salt: str) -> str:
    function = _function()
    assert isinstance(function, ctypes._CFuncPtr)
    return str(function(password.encode(), salt.encode()).decode())


def test_two_hashes_of_one_password_differ() -> None:
    assert hashed("correct horse") != hashed("correct horse")


async def test_a_role_is_made_given_renamed_and_deleted(users: Acs, router: Router) -> None:
    role = f"Device.Users.Role.{(await users.add('Device.Users.Role.')).instance_number}"
    user = f"Device.Users.User.{(await users.add('Device.Users.User.')).instance_number}"
    await users.set_all({f"{role}.RoleName": "operator", f"{user}.Username": "one"})
    await users.set_all({f"{user}.RoleParticipation": f"{role},Device.Users.Role.1"})
    assert router.uci("rpcd").count("'operator'") == 3  # its own, to read, to write
    await users.set_all({f"{role}.RoleName": "helpdesk"})
    values = await users.get(f"{user}.", f"{role}.")
    assert values[f"{user}.RoleParticipation"] == f"Device.Users.Role.1,{role}"
    assert values[f"{role}.StaticRole"] == "false"
    await users.delete(f"{role}.")
    assert "helpdesk" not in router.uci("rpcd")
    assert "luci-base" in router.uci("rpcd")
    with pytest.raises(Fault):
        await users.delete("Device.Users.Role.1.")
    with pytest.raises(Fault):
        await users.set_all({"Device.Users.Role.1.RoleName": "mine"})
