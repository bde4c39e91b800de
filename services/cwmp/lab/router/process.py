"""Child processes that a trio task waits for and that never outlive it.

Each is the leader of a process group of its own, so that what it forked goes with it. They are started from
the main thread and ask the kernel to end with it: a lab that is killed leaves nothing behind. (trio's own
`open_process` starts them from a worker thread, whose end would then be theirs.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import trio

_PR_SET_PDEATHSIG = 1
_PATIENCE = 8.0


class Process:
    """A running program. Its output is appended to a file; `inherit`: descriptors it keeps."""

    def __init__(self, command: Sequence[str], log: Path, *, inherit: Sequence[int] = ()) -> None:
        libc = ctypes.CDLL(None)

        def end_with_parent() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=inherit,
                preexec_fn=end_with_parent,  # noqa: PLW1509  # no other thread holds a lock here
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the process alone; nothing happens when it has ended."""
        self._popen.send_signal(number)

    async def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        if self.running:
            pidfd = os.pidfd_open(self.pid)
            try:
                await trio.lowlevel.wait_readable(pidfd)
            finally:
                os.close(pidfd)
        return self._popen.wait()

    async def stop(self, *, at_once: bool = False) -> None:
        """End the process and its group: SIGTERM and patience, or SIGKILL `at_once`. Cannot be cancelled."""
        with trio.CancelScope(shield=True):
            if not at_once:
                self.signal(signal.SIGTERM)
                with trio.move_on_after(_PATIENCE):
                    await self.wait()
            with contextlib.suppress(ProcessLookupError):  # nobody is left in the group
                os.killpg(self.pid, signal.SIGKILL)
            await self.wait()
