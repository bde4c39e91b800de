"""Descriptors or memory run out in a process: it says so and works again, or ends, is started again and works."""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path

import pytest
import trio
from tests.faults.conftest import ended, limited, repeated, thorough
from tests.lab.conftest import Lab
from tests.lab.test_bad_acs import failed_session
from tests.lab.test_kill import bootstrapped, inform

from cwmp.lab.acs import CpeFault, GetParameterValues, SessionLost, SetParameterValues, Upload

HOST = "Device.DeviceInfo.HostName"
KEY = "Device.ManagementServer.ParameterKey"
MUCH = {f"Device.Nothing.{number}": "x" * 80 for number in range(20_000)}
OUT_OF_MEMORY = re.compile("MemoryError|memory has run out|malformed XML: unknown error")
"""The last are libxml2's words for it."""

KNOCK = "Device.ManagementServer.ConnectionRequestURL"


def descriptors(pid: int) -> int:
    return max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1


async def test_a_session_without_descriptors_fails_and_is_made_up_for(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP") as session:
        url = (await session.rpc(GetParameterValues([KNOCK])))[KNOCK].text
    pid = lab.router.service_pids()["session"]
    async with trio.open_nursery() as nursery:
        with limited(pid, resource.RLIMIT_NOFILE, descriptors(pid)):
            assert "Too many open files" in await failed_session(lab)
            stranger = await trio.open_tcp_stream("127.0.0.1", int(url.split(":")[2].split("/")[0]))
            nursery.start_soon(stranger.send_all, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with trio.fail_after(20):
            assert (await stranger.receive_some()).startswith(b"HTTP/1.1 404")  # it waited to be accepted
        await stranger.aclose()
    await repeated(lab)
    assert lab.router.service_pids()["session"] == pid
    assert "Too many open files" in lab.log


@pytest.mark.parametrize("victim", ["datamodel", pytest.param("firmware", marks=thorough)])
async def test_others_without_descriptors_refuse_and_work_again(lab: Lab, victim: str) -> None:
    await bootstrapped(lab)
    pid = lab.router.service_pids()[victim]
    call = (
        SetParameterValues({HOST: "renamed"}, "key")
        if victim == "datamodel"
        else Upload("up", lab.acs.take_file("/log"), "4 Vendor Log File 1")
    )
    await inform(lab)
    async with lab.acs.session() as session:
        with limited(pid, resource.RLIMIT_NOFILE, descriptors(pid)), pytest.raises(CpeFault) as fault:
            await session.rpc(call)  # type: ignore[arg-type]
        assert fault.value.code == 9002
        assert "Too many open files" in fault.value.text
        await session.rpc(call)  # type: ignore[arg-type]
    assert lab.router.service_pids()[victim] == pid
    assert lab.acs.violations == []


def address_space(pid: int) -> int:
    found = re.search(r"VmSize:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def test_a_datamodel_without_memory_is_started_again_and_asked_again(lab: Lab) -> None:
    await bootstrapped(lab)
    pid = lab.router.service_pids()["datamodel"]
    await inform(lab)
    async with lab.acs.session() as session:
        await session.rpc(SetParameterValues({HOST: "kept"}, "key"))
        with limited(pid, resource.RLIMIT_AS, address_space(pid)), pytest.raises(CpeFault) as fault:
            await session.rpc(SetParameterValues(MUCH, "much"))
        assert fault.value.code in {9003, 9004}  # what the next process says to it
        found = await session.rpc(GetParameterValues(["Device."]))
    await ended(pid)
    assert (found[HOST].text, found[KEY].text) == ("kept", "key")
    assert OUT_OF_MEMORY.search(lab.log)
    assert lab.acs.violations == []


@thorough  # how much is free without asking the system decides whether anything fails
async def test_a_session_without_memory_fails_and_is_made_up_for(lab: Lab) -> None:
    await bootstrapped(lab)
    pid = lab.router.service_pids()["session"]
    await inform(lab)
    lab.acs.session_timeout = 10
    with pytest.raises(SessionLost), limited(pid, resource.RLIMIT_AS, address_space(pid)):
        async with lab.acs.session() as session:
            await session.rpc(SetParameterValues({HOST: "kept"}, "key"))
            await session.rpc(SetParameterValues(MUCH, "much"))
    async with lab.acs.session() as session:
        assert session.inform.retry_count == 1
        found = await session.rpc(GetParameterValues([HOST]))
    assert found[HOST].text == "kept"
    assert OUT_OF_MEMORY.search(lab.log)
    assert lab.acs.violations == []
