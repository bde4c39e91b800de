"""Memory of the suite after a session that read everything: under the master, and as separate processes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import trio

from cwmp.lab.acs import open_acs
from cwmp.lab.acs.messages import GetParameterValues
from cwmp.lab.router import Options, open_router

BUDGET = 40.0
"""MB of PSS on x86-64 that the four services and the master may take together."""


def run(report: Callable[..., None]) -> None:
    together = trio.run(measure, False)
    separate = trio.run(measure, True)
    for service, megabytes in together.items():
        report(f"PSS after a session, {service} (under cwmpd)", megabytes, "MB", BUDGET, megabytes / BUDGET)
    total = sum(together.values())
    apart = sum(separate.values())
    report("PSS after a session, all, against the budget", total, "MB", BUDGET, total / BUDGET, 1.0)
    report("PSS after a session, all, against separate processes", total, "MB", apart, total / apart, None)


async def measure(separate: bool) -> dict[str, float]:
    """PSS in MB of each process of the suite, after it was bootstrapped and read as a whole."""
    with tempfile.TemporaryDirectory(prefix="cwmp-bench-") as directory, trio.fail_after(60):
        async with open_acs() as acs:
            options = Options({"acs_url": acs.url, "connection_request_port": "0"}, separate=separate)
            async with open_router(Path(directory) / "r", options) as router:
                async with acs.session() as session:
                    await session.rpc(GetParameterValues(["Device."]))
                found = {name: pss(pid) for name, pid in router.service_pids().items()}
                if not separate:
                    found["master"] = pss(router.suite_pid())
                return found


def pss(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) / 1024  # type: ignore[index]
