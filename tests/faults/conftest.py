"""What the faults need: a running router, flash that can be full, limits on processes that run."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trio
from tests.lab.conftest import Lab, lab

from cwmp.lab.acs import Session, SessionLost

__all__ = ["Flash", "ended", "flash", "lab", "limited", "own_mounts", "repeated", "thorough"]

thorough = pytest.mark.skipif("FAULTS" not in os.environ, reason="part of `make faults` only")

_CLONE_NEWNS, _MS_RDONLY, _MS_REMOUNT, _MS_REC, _MS_PRIVATE = 0x20000, 1, 32, 1 << 14, 1 << 18
_SIZE = 256 << 10


@pytest.fixture(scope="session")
def own_mounts() -> None:
    """What the main thread mounts, and what it starts sees, is its own: nobody else has it, it ends with us."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        pytest.skip(f"a file system of its own cannot be mounted: {os.strerror(ctypes.get_errno())}")


class Flash:
    """A file system of `_SIZE` bytes where the suite has its state."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._filler = directory / "filler"

    def mount(self) -> None:
        """Put it over the directory, with what is there."""
        there = self._directory.with_name("state-before")
        shutil.copytree(self._directory, there)
        self._mount(0, f"size={_SIZE}".encode())
        shutil.copytree(there, self._directory, dirs_exist_ok=True)
        shutil.rmtree(there)

    def fail(self, how: str) -> None:
        if how == "read-only":
            self._mount(_MS_REMOUNT | _MS_RDONLY)
            return
        with self._filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def heal(self, how: str) -> None:
        if how == "read-only":
            self._mount(_MS_REMOUNT)
        else:
            self._filler.unlink()

    def unmount(self) -> None:
        self._libc.umount2(bytes(self._directory), 2)

    def _mount(self, flags: int, data: bytes | None = None) -> None:
        if self._libc.mount(b"tmpfs", bytes(self._directory), b"tmpfs", flags, data):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@pytest.fixture
async def flash(own_mounts: None, lab: Lab) -> AsyncIterator[Flash]:
    """The flash of a router that has been bootstrapped."""
    async with lab.acs.session("0 BOOTSTRAP"):
        pass
    found = Flash(lab.router.paths.state_dir)
    found.mount()
    yield found
    found.unmount()


@contextmanager
def limited(pid: int, which: int, soft: int) -> Iterator[None]:
    """A process that runs may use only so much of something; after the block as before, if it is still there."""
    before = resource.prlimit(pid, which)
    resource.prlimit(pid, which, (soft, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, which, before)


async def ended(pid: int) -> None:
    """Wait for the end of a process that is not ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with trio.fail_after(20):
            await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)


async def repeated(lab: Lab) -> Session:
    """The session that makes up for one that failed, to its end. Those that failed after their Inform come first."""
    while True:
        try:
            async with lab.acs.session() as session:
                await session.ready()
        except SessionLost:
            continue
        if session.inform.retry_count:
            return session
