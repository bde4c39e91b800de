"""The suite as it is installed: bytecode in a root file system, an interpreter with the packages it depends on.

As root, session and diagnostics become another user; there is no other way to see that least privilege is enough.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from tests.feed.packages import FEED, PROJECT, Installed

from cwmp.contract import SERVICES
from cwmp.runtime import Paths
from ubuskit import broker
from ubuskit.client import Client, open_client

RULES = FEED / "tr069-client/files/cwmp.acl.json"


def rules_for(user: str, directory: Path) -> Path:
    """The package's access rules with `user` in the place of `cwmp`."""
    path = directory / "rules.json"
    path.write_text(json.dumps({**json.loads(RULES.read_text()), "user": user}))
    return path


def demo(installed: Installed, directory: Path, *arguments: str, **environ: str) -> str:
    """Run the lab's demo with the installed suite; what it prints."""
    work = directory / "demo"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.feed.demo", str(work), str(installed.python), *arguments],
        cwd=PROJECT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_runs_from_the_packages(installed: Installed, open_dir: Path) -> None:
    assert " steps, " in demo(installed, open_dir, CWMP_USER="root" if os.geteuid() == 0 else "")


def test_the_demo_runs_unprivileged(installed: Installed, account: pwd.struct_passwd, open_dir: Path) -> None:
    rules = rules_for(account.pw_name, open_dir)
    assert " steps, " in demo(installed, open_dir, str(rules), CWMP_USER=account.pw_name)
    left = {
        path.relative_to(open_dir / "demo/root"): path.lstat()
        for path in (open_dir / "demo/root/etc/cwmp").rglob("*")
    }
    assert not [path for path, found in left.items() if found.st_mode & 0o077 and stat.S_ISREG(found.st_mode)]
    owners = {path.parts[2]: found.st_uid for path, found in left.items() if len(path.parts) == 3}
    assert owners == {
        "session": account.pw_uid, "diagnostics": account.pw_uid, "datamodel": 0, "firmware": 0,
    }  # fmt: skip


@asynccontextmanager
async def master(installed: Installed, where: Paths, user: str) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process(
        [str(installed.python), "-m", "cwmp.runtime.master", *where.options(), "--stderr", "--user", user],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def running(
    installed: Installed, where: Paths, user: str, nursery: trio.Nursery, directory: Path
) -> AsyncIterator[tuple[trio.Process, Client]]:
    """A master whose four services are ready, on a bus with the package's rules."""
    acl = directory / "acl.d"
    acl.mkdir()
    rules_for(user, directory).rename(acl / "cwmp.json")
    await nursery.start(partial(broker.serve, str(where.bus), acl_dir=acl))
    for path in (where.sysroot, where.sysroot / "etc", where.uci_dir):
        path.chmod(0o755)
    (where.uci_dir / "cwmp").write_text("config cwmp 'cwmp'\n\toption connection_request_enable '0'\n")
    (where.uci_dir / "cwmp").chmod(0o600)
    async with open_client(str(where.bus)) as client:
        send, receive = trio.open_memory_channel[str](100)
        for service in SERVICES:
            await client.listen(
                f"cwmp.{service}.ready", lambda event, _: send.send_nowait(event.split(".")[1])
            )
        async with master(installed, where, user) as process:
            missing = set(SERVICES)
            while missing:
                missing.discard(await receive.receive())
            yield process, client


def services(pid: int) -> dict[str, dict[str, str]]:
    """The status of each child of the master in /proc, by its process's name."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        lines = Path(f"/proc/{child}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        found[status["Name"].removeprefix("cwmp-")] = status
    return found


async def test_processes(
    installed: Installed, account: pwd.struct_passwd, open_dir: Path, paths: Paths, nursery: trio.Nursery
) -> None:
    with trio.fail_after(30):
        async with running(installed, paths, account.pw_name, nursery, open_dir) as (process, client):
            found = services(process.pid)
            users = {name[:7]: int(status["Uid"].split()[0]) for name, status in found.items()}
            assert users == {"session": account.pw_uid, "diagnos": account.pw_uid, "datamod": 0, "firmwar": 0}
            assert {status["NoNewPrivs"] for status in found.values()} == {"1"}
            assert (await client.call("cwmp", "status"))["state"] == "waiting for URL"


@pytest.mark.parametrize(
    "wake",
    [
        pytest.param(signal.SIGHUP, id="reload"),
        pytest.param(signal.SIGCHLD, id="unannounced"),  # the master looks whenever it is awake
    ],
)
async def test_session_reads_what_uci_replaced(
    installed: Installed,
    account: pwd.struct_passwd,
    open_dir: Path,
    paths: Paths,
    nursery: trio.Nursery,
    wake: signal.Signals,
) -> None:
    with trio.fail_after(30):
        async with running(installed, paths, account.pw_name, nursery, open_dir) as (process, client):
            config = paths.uci_dir / "cwmp"
            fresh = config.with_name(".cwmp.new")
            fresh.write_text("config cwmp 'cwmp'\n\toption enable '0'\n")
            fresh.chmod(0o600)
            fresh.rename(config)
            process.send_signal(wake)
            while (await client.call("cwmp", "status"))["state"] != "disabled":
                await trio.lowlevel.checkpoint()
            assert config.stat().st_gid == account.pw_gid


async def test_an_unknown_user_is_refused(installed: Installed, paths: Paths) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    done = await trio.run_process(
        [str(installed.python), "-m", "cwmp.runtime.master", *paths.options(), "--user", "nosuchuser"],
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"there is no user 'nosuchuser'" in done.stderr
