"""Where files are while they are on their way: a directory in RAM of our own, empty when nothing runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cwmp.runtime import Paths

_RESERVE = 4 << 20
"""Bytes that stay free: a router without a page left cannot even flash."""


class Storage:
    """The directory ``<run_dir>/firmware``."""

    def __init__(self, paths: Paths) -> None:
        self._directory = paths.run_dir / "firmware"
        self._meminfo = paths.system("/proc/meminfo")

    def clear(self) -> None:
        """Forget every file; the directory is there afterwards."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self.prepare()

    def prepare(self) -> None:
        """See to it that the directory is there."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, transfer_id: str) -> Path:
        """Where the file of a transfer is; what is made of it has the same name but for its suffix."""
        return self._directory / f"{transfer_id}.file"

    def remove(self, transfer_id: str) -> None:
        """Forget the files of a transfer."""
        for path in self._directory.glob(f"{transfer_id}.*"):
            path.unlink(missing_ok=True)

    def space(self) -> int:
        """Bytes that may still be written: what the file system has, and no more than the memory behind it,
        since its size promises memory that other things may be using."""
        status = os.statvfs(self._directory)
        free = status.f_bavail * status.f_frsize
        available = self._available_memory()
        return max(0, (free if available is None else min(free, available)) - _RESERVE)

    def _available_memory(self) -> int | None:
        try:
            for line in self._meminfo.read_text().splitlines():
                name, _, rest = line.partition(":")
                if name == "MemAvailable":
                    return int(rest.split()[0]) * 1024
        except (OSError, ValueError, IndexError):
            pass
        return None
