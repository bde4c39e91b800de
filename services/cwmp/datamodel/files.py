"""What the datamodel reads of the file system: texts, bytes, names in directories, times of change.

Paths are the router's: those of UCI packages and of our own volatile files are wherever the service was told
they are, all others below the sysroot. Only plain files are opened, so nothing can block.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cwmp.datamodel import ethtool
from cwmp.datamodel.neighbours import LAB, Neighbour, read, read_lab
from cwmp.runtime import Paths

_MAX_FILE = 256 << 10
_MAX_NAMES = 10_000
_APART = 1.0
"""Seconds between two readings that say how fast something goes."""

_CONFIG = "/etc/config/"
_OURS = "/var/run/cwmp/"
_DIGITS = re.compile(r"(\d+)")


class Files:
    """`readers` by the kind of `Need` they serve, given its name; OSError where what is there cannot be read."""

    def __init__(self, paths: Paths, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._clock = clock
        self._samples: dict[str, list[tuple[float, str]]] = {}
        self._begun = clock()
        self._unchanged: dict[str, tuple[float, str]] = {}
        self.readers: dict[str, Callable[[str], Any]] = {
            "file": self.text,
            "bytes": self.data,
            "before": self.before,
            "directory": self.names,
            "modified": self.modified,
            "since": self.since,
            "hardware": self.hardware,
            "neighbours": self.neighbours,
        }

    def text(self, name: str) -> str:
        """The text of a file; a file that does not exist is an empty one."""
        return self.data(name).decode("utf-8", "replace")

    def data(self, name: str) -> bytes:
        """The bytes of a file, as `text`."""
        descriptor = -1
        try:
            descriptor = os.open(self._where(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EISDIR, "not a plain file")
            data = b""
            while len(data) < _MAX_FILE and (more := os.read(descriptor, _MAX_FILE - len(data))):
                data += more
        except FileNotFoundError:
            return b""
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENODEV, errno.EOPNOTSUPP, errno.ESRCH):
                return b""  # sysfs says so of an interface that is down, /proc of a process that ended
            raise
        else:
            return data
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def before(self, name: str) -> str:
        """The text as it was when it was last read here, a second ago or longer; "" where it never was."""
        now = self._clock()
        samples = self._samples.setdefault(name, [])
        while len(samples) > 1 and now - samples[1][0] >= _APART:
            del samples[0]
        known = samples[0][1] if samples and now - samples[0][0] >= _APART else ""
        if not samples or now - samples[-1][0] >= _APART:
            samples.append((now, self.text(name)))
        return known

    def since(self, name: str) -> int:
        """For how many seconds a file has said what it says, as far as was seen: a change counts from when it is
        noticed, and what was never read is taken to have been so since we run. 0 where there is no such file."""
        now, text = self._clock(), self.text(name)
        began, known = self._unchanged.get(name, (self._begun, text))
        if known != text:
            began = now
        if text:
            self._unchanged[name] = began, text
        else:
            self._unchanged.pop(name, None)
        return int(now - began) if text else 0

    def neighbours(self, _name: str) -> list[Neighbour]:
        """The IPv6 neighbours; those of a virtual router stand in a file."""
        return read() if self._paths.sysroot == Path("/") else read_lab(self.text(LAB))

    def hardware(self, device: str) -> dict[str, int]:
        """The packet counters of a device's hardware (ethtool.py). A router in a directory has them in texts."""
        if self._paths.sysroot == Path("/"):
            return ethtool.read(device)
        return ethtool.parse(self.text(f"/run/ethtool/{device}"))

    def names(self, pattern: str) -> list[str]:
        """The paths that match a pattern of ``*``, ``?`` and ``[...]``, numbers in their order."""
        root = str(self._where(""))
        found = glob.glob(glob.escape(root) + pattern)
        paths = [path[len(root) :] for path in found[:_MAX_NAMES]]
        return sorted(paths, key=lambda path: [int(p) if p.isdecimal() else p for p in _DIGITS.split(path)])

    def modified(self, name: str) -> int:
        """When a file was last changed, in seconds since 1970; 0 where it is not there."""
        try:
            return int(os.stat(self._where(name)).st_mtime)
        except FileNotFoundError:
            return 0

    def _where(self, name: str) -> Path:
        if name.startswith(_CONFIG):
            return self._paths.uci_dir / name.removeprefix(_CONFIG)
        if name.startswith(_OURS):
            return self._paths.run_dir / name.removeprefix(_OURS)
        return self._paths.system(name)
