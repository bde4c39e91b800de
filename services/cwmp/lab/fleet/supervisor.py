"""Starts the workers, adds up what they count, shows it, and ends everything: on Ctrl-C, after a time, or because a
worker ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from cwmp.lab.fleet.figures import Figures
from cwmp.lab.fleet.plan import Plan
from cwmp.lab.fleet.report import Report
from cwmp.lab.fleet.worker import cpu, memory

_MAX_LINE = 1 << 20
_PERIOD = 1.0
_LEAVE = 30.0
"""How long the workers may take to end their routers; then they are killed."""


class WorkerEnded(Exception):
    """A worker ended that should not have; the text says how."""


class Supervisor:
    """`show` is called each second, after the report was updated."""

    def __init__(self, plan: Plan, workers: int, report: Report, show: Callable[[], None]) -> None:
        self._plan = plan
        self._shares = plan.shares(workers)
        self._report = report
        self._show = show
        self._latest: dict[int, Figures] = {}
        self._began = 0.0

    async def run(self, duration: float) -> None:
        """Run the fleet for `duration` s, or until it is cancelled; on return no process of it is left.

        Raises:
            WorkerEnded: one did, and the others have been ended.
        """
        self._began = trio.current_time()
        async with AsyncExitStack() as stack:
            processes = []
            for share in self._shares:
                process = await _start(share)
                stack.push_async_callback(_end, process)
                processes.append(process)
            with trio.move_on_after(duration):
                async with trio.open_nursery() as nursery:
                    for number, process in enumerate(processes):
                        nursery.start_soon(self._listen, number, process)
                    nursery.start_soon(self._follow)
            self._report.files = _bytes_below(Path(self._plan.directory))
            for process in processes:  # all at once, before the first of them is waited for
                assert process.stdin is not None
                await process.stdin.aclose()

    async def _listen(self, number: int, process: trio.Process) -> None:
        assert process.stdout is not None
        buffer = bytearray()
        async for chunk in process.stdout:
            buffer += chunk
            *lines, rest = buffer.split(b"\n")
            buffer = bytearray(rest)
            if len(buffer) > _MAX_LINE:
                raise WorkerEnded("a worker writes what are no figures")
            if lines:
                self._latest[number] = Figures.from_table(json.loads(lines[-1]))
        code = await process.wait()
        raise WorkerEnded(
            f"worker {number + 1} of {len(self._shares)} ended by itself, with exit code {code}"
        )

    async def _follow(self) -> None:
        while True:
            await trio.sleep(_PERIOD)
            figures = Figures(memory=memory(), cpu=cpu())
            for latest in self._latest.values():
                figures.add(latest)
            self._report.update(trio.current_time() - self._began, figures)
            self._show()


async def _start(share: Plan) -> trio.Process:
    """A worker that knows its plan. It is in a session of its own: Ctrl-C reaches the supervisor alone."""
    process: trio.Process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "cwmp.lab.fleet.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    await process.stdin.send_all(share.to_json().encode() + b"\n")
    return process


async def _end(process: trio.Process) -> None:
    """See it end, also when we are cancelled. What it still writes is read, so that it is not held up."""
    assert process.stdin is not None
    assert process.stdout is not None
    with trio.move_on_after(_LEAVE) as patience:
        patience.shield = True
        await process.stdin.aclose()
        async for _ in process.stdout:
            pass
        await process.wait()
    if process.returncode is None:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def _bytes_below(directory: Path) -> int:
    """What the files there take up."""
    found = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                found += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:  # routers go on meanwhile
                continue
    return found
