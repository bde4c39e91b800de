"""The suite as the router runs it: `cwmpd`, or its four services as programs of their own.

Like procd, it starts again what ends by itself, after a pause.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import trio

from cwmp.contract import SERVICES
from cwmp.lab.router.process import Process
from cwmp.runtime import Paths

_RESPAWN_PAUSE = 0.5


class Suite:
    """The processes of one boot. `separate`: each service alone instead of all under the master."""

    def __init__(
        self, paths: Paths, log: Path, services: Sequence[str], *, separate: bool, patience: float
    ) -> None:
        common = [*paths.options(), "--stderr"]
        if separate:
            programs = {name: [f"cwmp.{name}", *common] for name in services}
        else:
            options = ["--services", ",".join(services), "--patience", f"{patience:g}"]
            programs = {"master": ["cwmp.runtime.master", *common, *options]}
        self._commands = {name: [sys.executable, "-m", *program] for name, program in programs.items()}
        self._log = log
        self._processes: dict[str, Process] = {}
        self._stopping = False

    @property
    def pid(self) -> int:
        """The process id of the master, or of the first service; 0 when nothing runs."""
        return next((p.pid for p in self._processes.values() if p.running), 0)

    async def run(self) -> None:
        """Keep everything running until cancelled or stopped."""
        async with trio.open_nursery() as nursery:
            for name in self._commands:
                nursery.start_soon(self._keep, name)

    async def _keep(self, name: str) -> None:
        while not self._stopping:
            process = self._processes[name] = Process(self._commands[name], self._log)
            await process.wait()
            await trio.sleep(_RESPAWN_PAUSE)

    async def stop(self, *, at_once: bool = False) -> None:
        """End everything; `at_once` as when the power is cut."""
        self._stopping = True
        async with trio.open_nursery() as nursery:
            for process in self._processes.values():
                nursery.start_soon(partial(process.stop, at_once=at_once))

    def reload(self) -> None:
        """SIGHUP, as procd's reload trigger sends it."""
        for process in self._processes.values():
            if process.running:
                process.signal(signal.SIGHUP)

    def service_pids(self) -> Mapping[str, int]:
        """The process id of each service that runs now."""
        if "master" not in self._processes:
            return {name: p.pid for name, p in self._processes.items() if p.running}
        names = {f"cwmp-{name}"[:15]: name for name in SERVICES}
        found = {}
        for pid in _children(self._processes["master"].pid):
            if (name := names.get(_comm(pid))) is not None:
                found[name] = pid
        return found

    def kill(self, service: str) -> None:
        """SIGKILL one service; whoever watches over it starts it again.

        Raises:
            LookupError: it does not run.
        """
        os.kill(self.service_pids()[service], signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
