"""Memory of the suite after a session that read everything: under the master, and as separate processes.

Under the master it is measured twice: while all four services run, and when those with nothing to do rest, as they
do half a minute later on a router (here after a second).

It runs as on a router: from byte code without docstrings, asserts and columns (``-OO``, PYTHONNODEBUGRANGES),
which lies in build/bytecode and is written by a first run that is not measured.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import trio

from cwmp.contract import SERVICES
from cwmp.lab.acs import open_acs
from cwmp.lab.acs.messages import GetParameterValues
from cwmp.lab.router import Options, open_router

BUDGET = 40.0
"""MB of PSS on x86-64 that the services may take together, under the master."""

_NEVER_REST = ("session", "datamodel")

START = 1.2
"""Seconds of CPU that the suite is to take from its start to its first Inform."""

BYTECODE = Path(__file__).parent.parent.parent / "build" / "bytecode"
SETTINGS = {"PYTHONPYCACHEPREFIX": str(BYTECODE), "PYTHONOPTIMIZE": "2", "PYTHONNODEBUGRANGES": "1"}


class Memory(NamedTuple):
    """Of one process, MB. `private`: pages that it alone has written on."""

    pss: float
    private: float


def run(report: Callable[..., None]) -> None:
    with as_shipped():
        trio.run(measure, False, 0.0)
        cpu, together = trio.run(measure, False, 0.0)
        _, resting = trio.run(measure, False, 1.0)
        cpu_apart, apart = trio.run(measure, True, 0.0)
    for service in SERVICES:
        found, alone = together[service].pss, apart[service].pss
        report(f"PSS, {service} (-OO byte code), against separate", found, "MB", alone, found / alone)
    rest = sum(m.pss for name, m in resting.items() if name != "master")
    report(
        "PSS, services when idle (-OO byte code), against the budget", rest, "MB", BUDGET, rest / BUDGET, 1.0
    )
    everything = rest + resting["master"].pss
    report(
        "PSS, services when idle and master, against the budget",
        everything,
        "MB",
        BUDGET,
        everything / BUDGET,
    )
    total = sum(together[s].pss for s in SERVICES)
    report(
        "PSS, four services at work (-OO byte code), against the budget", total, "MB", BUDGET, total / BUDGET
    )
    separate = sum(m.pss for m in apart.values())
    report("PSS, four services (-OO byte code), against separate", total, "MB", separate, total / separate)
    private = sum(together[s].private for s in SERVICES)
    apart_private = sum(m.private for m in apart.values())
    report(
        "private dirty, four services, against separate",
        private,
        "MB",
        apart_private,
        private / apart_private,
    )
    everything = total + together["master"].pss
    report(
        "PSS, services at work and master, against separate",
        everything,
        "MB",
        separate,
        everything / separate,
    )
    report("CPU from start to first Inform, against 1.2 s", cpu, "s", START, cpu / START)
    report("CPU from start to first Inform, against separate", cpu, "s", cpu_apart, cpu / cpu_apart)


@contextmanager
def as_shipped() -> Iterator[None]:
    """The environment in which the suite's processes run from byte code."""
    before = dict(os.environ)
    os.environ.update(SETTINGS)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def measure(separate: bool, patience: float) -> tuple[float, dict[str, Memory]]:
    """CPU seconds until the first Inform; memory of each process, after it was bootstrapped and read as a whole.

    With `patience` (s), of those that are left when the idle ones rest.
    """
    with tempfile.TemporaryDirectory(prefix="cwmp-bench-") as directory, trio.fail_after(60):
        async with open_acs() as acs:
            settings = {"acs_url": acs.url, "connection_request_port": "0"}
            options = Options(settings, separate=separate, patience=patience)
            async with open_router(Path(directory) / "r", options) as router:

                def processes() -> dict[str, int]:
                    return dict(router.service_pids()) | ({} if separate else {"master": router.suite_pid()})

                async with acs.session() as session:
                    cpu = sum(map(cpu_time, processes().values()))
                    await session.rpc(GetParameterValues(["Device."]))
                await trio.sleep(1)  # what is done after a session is done
                while patience and len(router.service_pids()) > len(_NEVER_REST):  # noqa: ASYNC110 - processes end
                    await trio.sleep(0.1)
                return cpu, {name: memory(pid) for name, pid in processes().items()}


def cpu_time(pid: int) -> float:
    """Seconds a process has run."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def memory(pid: int) -> Memory:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()

    def megabytes(name: str) -> float:
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1]) / 1024  # type: ignore[index]

    return Memory(megabytes("Pss"), megabytes("Private_Dirty"))
