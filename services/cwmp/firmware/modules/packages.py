"""What the package managers have in common: running their program, and the init scripts of packages.

The program gets its arguments as they are, never through a shell, and has a deadline. Its exit status is not
believed alone: whoever calls looks at the package database afterwards. A process that outlives us holds the
package manager's lock; `settle` waits for that.

An execution unit is an init script of a package: procd says whether it runs (``service list``), its link in
``/etc/rc.d`` whether it starts at boot.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import os
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.firmware.exchange import Place
from cwmp.firmware.modules.backend import Bring
from cwmp.firmware.modules.units import Environment, ExecutionUnit, Inventory, Package, Status, Unit
from cwmp.runtime import Paths
from ubuskit.errors import UbusError
from ubuskit.records import dataclass

if TYPE_CHECKING:
    from ubuskit.client import Client

KEY = "openwrt"
"""The one environment: the system itself."""

_RUN = 600.0
_ASK = 3.0
_SCRIPT = 120.0
_SETTLE = 900.0
_LOOK_AGAIN = 1.0
_MAX_OUTPUT = 8 << 20
_MAX_SAID = 200
_MAX_FILE = 4 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,127}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:_-]{0,127}")
_INIT = "etc/init.d/"
_ADDRESS = re.compile(r"\s*<[^>]*>?")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended and what it said; None: it was ended at its deadline."""

    status: int | None
    output: str

    @property
    def said(self) -> str:
        """The end of what it said, on one line."""
        return " ".join(self.output.split())[-_MAX_SAID:] or "it does not say why"


async def run(*arguments: str | Path, deadline: float = _RUN) -> Ran:
    """Run a program to its end, without input. Should we be stopped or killed meanwhile, it goes on, since a package
    that is half installed is worse: what it says goes into memory, not into a pipe that breaks."""
    command = [str(a) for a in arguments]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/"}
    with open(os.memfd_create("output", os.MFD_CLOEXEC), "w+b", buffering=0) as output:
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
        ]
        try:
            # Not subprocess: that wants its children dead before it forgets them.
            process = os.posix_spawn(  # noqa: ASYNC221  # it does not block
                command[0], command, environment, file_actions=files, setsid=True, setsigdef=[signal.SIGPIPE]
            )
        except OSError as error:
            raise denied(f"{command[0]} cannot be run: {error.strerror}") from None
        status = await _ended(process, deadline)
        if status is None:
            return Ran(None, f"it was not over within {deadline:g} s")
        output.seek(0)
        return Ran(status, output.read(_MAX_OUTPUT).decode("utf-8", "replace"))


async def _ended(process: int, deadline: float) -> int | None:
    """The exit status of a process; None if it had to be killed."""
    descriptor = os.pidfd_open(process)
    try:
        with trio.move_on_after(deadline) as scope:
            await trio.lowlevel.wait_readable(descriptor)
        if scope.cancelled_caught:
            os.killpg(process, signal.SIGKILL)
    finally:
        os.close(descriptor)
    _, status = os.waitpid(process, 0)  # noqa: ASYNC222  # it is dead
    return None if scope.cancelled_caught else os.waitstatus_to_exitcode(status)


class PackageManager:
    """What `opkg` and `apk` are both."""

    schemes = frozenset({"http", "https"})
    kind = ""
    vendor = "OpenWrt"

    def __init__(self, program: Path, paths: Paths, bus: Client) -> None:
        self.program = program
        self.paths = paths
        self._bus = bus

    # -- what the two differ in -------------------------------------------------------------------------------

    lock = ""
    suffix = ""

    async def installed(self) -> Iterable[tuple[Unit, Sequence[str]]]:
        """The packages that are deployment units, each with its files."""
        raise LookupError(self.kind)

    async def examine(self, file: Path) -> Mapping[str, Any]:
        """What a package file says of itself: ``name``, ``version``, ``vendor``, ``architecture``, ``size`` (bytes
        it takes, 0 unknown). Raises Fault."""
        raise LookupError(self.kind)

    async def architectures(self) -> Iterable[str]:
        """Those that can be installed."""
        raise LookupError(self.kind)

    # -- what they share --------------------------------------------------------------------------------------

    async def inventory(self) -> Inventory:
        """See `Backend`."""
        running = await self._running()
        units = []
        for unit, files in await self.installed():
            scripts = sorted({f.removeprefix(_INIT) for f in files if f.startswith(_INIT)})
            found = tuple(self._script(name, running) for name in scripts)
            units.append(dataclasses.replace(unit, execution_units=found))
        return Inventory([self._environment()], units)

    async def prepare(self, source: Place, environment: Environment, bring: Bring) -> Package:
        """See `Backend`."""
        file = await bring(source, self.suffix)
        found = await self.examine(file)
        name, version = str(found.get("name", "")), str(found.get("version", ""))
        if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
            raise unusable("the package does not say its name and version")
        architecture = str(found.get("architecture", ""))
        if architecture not in await self.architectures():
            raise Fault(
                FaultCode.EXECUTION_ENVIRONMENT_MISMATCH,
                f"the package is for '{architecture[:32]}', which this device is not",
            )
        needed = int(found.get("size", 0)) >> 10
        if 0 <= environment.disk_free < needed:
            raise Fault(
                FaultCode.SYSTEM_RESOURCES_EXCEEDED,
                f"the package needs {needed} KiB, there is space for {environment.disk_free} KiB",
            )
        vendor = vendor_of(str(found.get("vendor", ""))) or self.vendor
        trusted = source.url.lower().startswith("https:")
        return Package(name, name, vendor, version, source.url, file, trusted)

    async def request_state(self, unit: Unit, key: str, state: Status) -> None:
        """See `Backend`."""
        await self._init(key, "start" if state == Status.ACTIVE else "stop")

    async def set_auto_start(self, unit: Unit, key: str, *, enable: bool) -> None:
        """See `Backend`."""
        await self._init(key, "enable" if enable else "disable")

    async def enable(self, environment: Environment, *, enable: bool) -> None:
        """See `Backend`: the system itself can only be enabled."""

    async def settle(self) -> None:
        """See `Backend`: whoever is at work holds the lock."""
        with trio.move_on_after(_SETTLE):
            while self._locked():  # noqa: ASYNC110  # nobody tells when a lock is let go
                await trio.sleep(_LOOK_AGAIN)

    # -- parts ------------------------------------------------------------------------------------------------

    def text(self, path: str, limit: int = _MAX_FILE) -> str:
        """A file of the system; "" where there is none, and no more than `limit` bytes of it."""
        try:
            with self.paths.system(path).open("rb") as file:
                return file.read(limit).decode("utf-8", "replace")
        except OSError:
            return ""

    def _environment(self) -> Environment:
        release = dict(
            line.split("=", 1) for line in self.text("/etc/openwrt_release").splitlines() if "=" in line
        )
        total, free = _disk(self.paths)
        memory = {
            name: int(rest.split()[0])
            for name, _, rest in (line.partition(":") for line in self.text("/proc/meminfo").splitlines())
            if rest.split() and rest.split()[0].isdecimal()
        }
        return Environment(
            key=KEY,
            name=release.get("DISTRIB_ID", "").strip("'\"") or "OpenWrt",
            kind=self.kind,
            vendor=self.vendor,
            version=release.get("DISTRIB_RELEASE", "").strip("'\"")[:32],
            disk_total=total,
            disk_free=free,
            memory_total=memory.get("MemTotal", -1),
            memory_free=memory.get("MemAvailable", -1),
        )

    async def _running(self) -> frozenset[str]:
        """The services of which an instance runs."""
        try:
            services = await self._bus.call("service", "list", timeout=_ASK)
        except UbusError:
            return frozenset()
        return frozenset(
            name
            for name, service in services.items()
            if isinstance(service, Mapping)
            for instance in _values(service.get("instances"))
            if isinstance(instance, Mapping) and instance.get("running") is True
        )

    def _script(self, name: str, running: frozenset[str]) -> ExecutionUnit:
        links = _names(self.paths.system("/etc/rc.d"))
        starts = any(re.fullmatch(r"S[0-9]{2}" + re.escape(name), link) for link in links)
        return ExecutionUnit(name, name, Status.ACTIVE if name in running else Status.IDLE, starts)

    async def _init(self, name: str, action: str) -> None:
        script = self.paths.system("/etc/init.d") / name
        if not _NAME.fullmatch(name) or not os.access(script, os.X_OK):
            raise denied(f"there is no init script '{name[:64]}'")
        ran = await run(script, action, deadline=_SCRIPT)
        if ran.status != 0:
            raise denied(f"'{name} {action}' failed: {ran.said}")

    def _locked(self) -> bool:
        """Whether somebody holds the package manager's lock, of whichever kind."""
        try:
            descriptor = os.open(self.paths.system(self.lock), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in (errno.EAGAIN, errno.EACCES)
        finally:
            os.close(descriptor)
        return False


def failure(ran: Ran, meanings: Mapping[str, tuple[FaultCode, str]]) -> Fault:
    """The fault that a program's words mean; `meanings` maps what they contain."""
    for words, (code, text) in meanings.items():
        if match := re.search(words, ran.output, re.IGNORECASE):
            said = " ".join(ran.output[match.start() :].split())[:_MAX_SAID]
            return Fault(code, f"{text}: {said}")
    return denied(f"the package manager failed: {ran.said}")


def vendor_of(maintainer: str) -> str:
    """A maintainer without the address."""
    return _ADDRESS.sub("", maintainer).strip()[:128]


def unusable(text: str) -> Fault:
    return Fault(FaultCode.FILE_CORRUPTED, text)


def denied(text: str) -> Fault:
    """9001: of the codes that results of operations may have, the one for everything else."""
    return Fault(FaultCode.REQUEST_DENIED, text)


def _disk(paths: Paths) -> tuple[int, int]:
    """Size and free space of where packages go, in KiB."""
    overlay = paths.system("/overlay")
    try:
        status = os.statvfs(overlay if overlay.is_dir() else paths.sysroot)
    except OSError:
        return -1, -1
    return (status.f_blocks * status.f_frsize) >> 10, (status.f_bavail * status.f_frsize) >> 10


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _values(table: object) -> Iterable[Any]:
    return table.values() if isinstance(table, Mapping) else ()
