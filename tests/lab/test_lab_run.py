"""The lab's programs: the router against any ACS, and the router alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from cwmp.lab.acs import Credentials, GetParameterValues, open_acs


@asynccontextmanager
async def program(directory: Path, *arguments: str) -> AsyncIterator[trio.Process]:
    """A program of the lab, stopped by Ctrl-C at the end of the block, when it must end well."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-u", "-m", *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(directory)},
    )
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    process.send_signal(signal.SIGINT)
    with trio.fail_after(20):
        assert await process.wait() == 0
    assert process.stdout is not None
    await process.stdout.aclose()


async def said(process: trio.Process, words: str) -> str:
    """What it printed, up to these words."""
    assert process.stdout is not None
    text = ""
    with trio.fail_after(30):
        while words not in text:
            chunk = await process.stdout.receive_some()
            assert chunk, text
            text += chunk.decode()
    return text


async def test_run_keeps_a_router_at_an_acs_and_says_how_to_look_at_it(
    short_dir: Path, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    async with open_acs(Credentials("02005E-LabRouter-A%2DB", "secret")) as acs:
        options = ["--acs-url", acs.url, "--serial", "A-B", "--password-file", str(password)]
        async with program(short_dir, "cwmp.lab.run", *options) as process:
            text = await said(process, "Ctrl-C stops it.")
            assert "cwmp --bus " in text
            assert " status\n" in text
            async with acs.session() as session:
                assert session.inform.serial_number == "A-B"
                url = "Device.ManagementServer.ConnectionRequestURL"
                found = await session.rpc(GetParameterValues([url]))
                assert found[url].text.startswith("http://127.0.0.1:")
        assert acs.violations == []
    assert list(short_dir.iterdir()) == []


def test_run_names_a_wrong_url() -> None:
    command = [sys.executable, "-m", "cwmp.lab.run", "--acs-url", "acs.example.org"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert found.returncode == 2
    assert "'acs.example.org' is no http:// or https:// URL" in found.stderr


async def test_the_router_alone_keeps_its_directory(short_dir: Path) -> None:
    place = short_dir / "router"
    async with program(short_dir, "cwmp.lab.router", "--dir", str(place), "--services", "none") as process:
        await said(process, "Ctrl-C stops it")
        assert (place / "ubus.sock").is_socket()
    assert (place / "root/etc/config/network").exists()
