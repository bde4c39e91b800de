"""A fleet of real routers: in this process against a scripted ACS, and as the program people start."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from cwmp.datamodel.loader import load
from cwmp.datamodel.service import mapping_directories
from cwmp.lab.acs import (
    Acs,
    Credentials,
    GetParameterValues,
    Reboot,
    Session,
    SetParameterValues,
    Value,
    open_acs,
)
from cwmp.lab.acs.behaviour import Status
from cwmp.lab.acs.session import SessionLost
from cwmp.lab.fleet.accidents import Accident, Kind
from cwmp.lab.fleet.figures import Figures
from cwmp.lab.fleet.line import Lines
from cwmp.lab.fleet.plan import Plan
from cwmp.lab.fleet.router import Loaded, VirtualRouter
from cwmp.lab.router.sandbox import paths_of

CREDENTIALS = Credentials("02005E-Fleet-FLEET%2D000000", "key FLEET-000000")
SOON = {"retry_minimum_wait_interval": "1", "retry_interval_multiplier": "1000"}
LOG = logging.Logger("fleet")
LOG.addHandler(logging.NullHandler())
MANAGEMENT = "Device.ManagementServer."
INTERVAL = MANAGEMENT + "PeriodicInformInterval"
NAME = "Device.WiFi.SSID.1.SSID"

SwitchOn = Callable[..., Figures]


class Fate:
    """Accidents as a test wants them."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Accident](8)

    def befall(self, kind: Kind, lasts: float = 0.0) -> None:
        self._send.send_nowait(Accident(kind, lasts))

    async def __call__(self) -> Accident:
        return await self._receive.receive()


@pytest.fixture
async def acs() -> AsyncIterator[Acs]:
    async with open_acs(CREDENTIALS) as found:
        yield found
    assert found.violations == []


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(mapping_directories(paths_of(Path("/nowhere"))))


@pytest.fixture
def fate() -> Fate:
    return Fate()


@pytest.fixture
def switch_on(acs: Acs, loaded: Loaded, short_dir: Path, fate: Fate, nursery: trio.Nursery) -> SwitchOn:
    """Switch router 0 on: what it counts."""

    def start(port: int = 0) -> Figures:
        trio.socket.set_custom_socket_factory(Lines())
        figures = Figures()
        plan = Plan(
            acs.url,
            (0,),
            str(short_dir),
            password="key {serial}",
            interval=3600,
            first_port=port,
            boot_takes=0.0,
            further=SOON,
        )
        nursery.start_soon(VirtualRouter(plan, 0, loaded, figures, LOG, fate).run)
        return figures

    return start


async def knock(acs: Acs, url: str) -> int:
    try:
        return await acs.connection_request(url, "acs", "knock")
    except OSError:  # the port is closed and opened again
        return 0


async def value(session: Session, name: str) -> str:
    return (await session.rpc(GetParameterValues([name])))[name].text


async def test_a_router_is_provisioned_asked_for_a_session_and_rebooted(
    acs: Acs, switch_on: SwitchOn
) -> None:
    figures = switch_on(_free_port())
    async with acs.session() as session:
        assert session.inform.serial_number == "FLEET-000000"
        assert session.inform.codes == ["0 BOOTSTRAP", "1 BOOT"]
        await session.rpc(
            SetParameterValues(
                {
                    MANAGEMENT + "ConnectionRequestUsername": "acs",
                    MANAGEMENT + "ConnectionRequestPassword": "knock",
                    INTERVAL: Value("1800", "unsignedInt"),
                    NAME: "fleet",
                },
                "key",
            )
        )
        url = await value(session, MANAGEMENT + "ConnectionRequestURL")
    with trio.fail_after(20):
        while await knock(acs, url) != 200:  # still in its session, or with the old password
            await trio.lowlevel.checkpoint()
    async with acs.session("6 CONNECTION REQUEST") as session:
        assert await value(session, INTERVAL) == "1800"
        await session.rpc(Reboot("again"))
    async with acs.session("1 BOOT") as session:
        assert "M Reboot" in session.inform.codes
        assert "0 BOOTSTRAP" not in session.inform.codes
        assert await value(session, NAME) == "fleet"
    assert figures.accidents == {"reboot by the ACS": 1}
    assert figures.succeeded >= 2
    assert figures.requests >= 4


async def test_a_client_that_crashes_in_a_session_comes_back_and_tells_all(
    acs: Acs, switch_on: SwitchOn, fate: Fate
) -> None:
    figures = switch_on()
    session = await acs.next_session()
    await session.ready()
    fate.befall(Kind.CRASH)
    with pytest.raises(SessionLost):
        await session.rpc(GetParameterValues(["Device."]))
        await session.end()
    async with acs.session() as session:
        assert session.inform.serial_number == "FLEET-000000"
        assert await value(session, INTERVAL) == "3600"
    assert figures.accidents == {"crash": 1}


async def test_a_line_that_is_lost_in_a_session_makes_a_retry_when_it_is_back(
    acs: Acs, switch_on: SwitchOn, fate: Fate
) -> None:
    figures = switch_on()
    session = await acs.next_session()
    await session.ready()
    fate.befall(Kind.LINE, 0.1)
    with pytest.raises(SessionLost):
        await session.rpc(GetParameterValues(["Device."]))
        await session.end()
    async with acs.session() as session:
        assert session.inform.serial_number == "FLEET-000000"
        assert session.inform.retry_count >= 1
    assert figures.accidents == {"line loss": 1}
    assert figures.disturbed >= 1
    assert figures.failed == 0


async def test_what_fails_is_counted_with_its_reason(acs: Acs, switch_on: SwitchOn) -> None:
    acs.misbehave(None, Status(503))  # after the challenge
    figures = switch_on()
    async with acs.session() as session:
        assert session.inform.retry_count == 1
    (reason,) = figures.failures
    assert "503" in reason
    assert (figures.failed, figures.disturbed) == (1, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fleet(directory: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, "-W", "error", "-m", "cwmp.cli", "fleet", *arguments]
    return command, {**os.environ, "TMPDIR": str(directory)}


async def test_the_command_runs_a_fleet_and_reports(short_dir: Path) -> None:
    ended = 0
    async with open_acs() as acs, trio.open_nursery() as nursery:
        options = ("--count", "4", "--rate", "50", "--workers", "2", "--first-port", "0", "--json")
        command, env = fleet(short_dir, "--acs", acs.url, *options)
        process = await trio.lowlevel.open_process(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        serials = set()
        with trio.fail_after(60):
            while ended < 4:
                async with acs.session() as session:
                    serials.add(session.inform.serial_number)
                ended += 1
        assert serials == {f"FLEET-{n:06}" for n in range(4)}
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stderr is not None
        with trio.fail_after(30):
            report = json.loads(b"".join([chunk async for chunk in process.stdout]))
            said = b"".join([chunk async for chunk in process.stderr]).decode()
            assert await process.wait() == 0, said
        assert report["routers"] == 4
        assert report["failures"] == {}
        nursery.cancel_scope.cancel()
    assert list(short_dir.iterdir()) == []


async def test_workers_do_not_outlive_a_supervisor_that_is_killed(short_dir: Path) -> None:
    async with open_acs() as acs:
        options = ("--count", "2", "--rate", "50", "--workers", "2", "--first-port", "0")
        command, env = fleet(short_dir, "--acs", acs.url, *options)
        process = await trio.lowlevel.open_process(command, env=env, stderr=subprocess.PIPE)
        for _ in range(2):
            async with acs.session():
                pass
        process.kill()
        await process.wait()
        assert process.stderr is not None
        with trio.fail_after(30):  # the workers have it too: it ends with the last of them
            said = b"".join([chunk async for chunk in process.stderr])
        assert said == b""
    assert list(short_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--acs", "acs.example.org"], "'acs.example.org' is no http:// or https:// URL"),
        (["--acs", "http://a/", "--count", "0"], "'0' is no whole number from 1 to 10000"),
        (["--acs", "http://a/", "--option", "colour=red"], "'colour' is no option of /etc/config/cwmp"),
        (["--acs", "http://a/", "--rate", "-1"], "'-1' is no positive number"),
        (
            ["--acs", "http://a/", "--count", "100", "--first-port", "65500"],
            "100 ports from there are too many",
        ),
        (["--acs", "http://a/", "--password-file", "/nowhere/password"], "/nowhere/password: No such file"),
    ],
)
def test_what_is_wrong_with_the_options_is_said(
    arguments: list[str], complaint: str, short_dir: Path
) -> None:
    command, env = fleet(short_dir, *arguments)
    found = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert found.returncode == 2
    assert complaint in found.stderr
    assert list(short_dir.iterdir()) == []
