"""The router as a whole: power, boots, the bus, its daemons and the suite.

Theory of operation
-------------------
A boot makes the RAM half of the sandbox anew, starts a bus, puts the daemons' objects on it and starts the
suite. It lasts until somebody asks the machine to go down: the ubus methods ``system reboot`` and ``system
sysupgrade``, or `Router.power_cycle` (the plug pulled: no process gets a word). Then everything of that boot
ends, the suite first; after a sysupgrade the flash half gets the new version; the next boot begins. Only what
is on "flash" passes from one boot to the next.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from cwmp.contract import SERVICES
from cwmp.lab.router import sandbox, sysupgrade
from cwmp.lab.router.daemons import Daemons
from cwmp.lab.router.image import Version
from cwmp.lab.router.process import Process
from cwmp.lab.router.suite import Suite
from cwmp.runtime import Paths
from cwmp.runtime.rest import PATIENCE
from ubuskit.client import open_client
from ubuskit.uci import Package, Uci

_MAX_SOCKET_PATH = 107
_BUS_DEADLINE = 20.0
_LAST_WORDS = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """How a router is made.

    `cwmp`: options of ``/etc/config/cwmp`` beside the identity and a free port for connection requests.
    `ubusd`: the daemon to use; ours if empty. `services`: which of them run; `separate`: each alone instead of
    under ``cwmpd``. `patience`: seconds without a task before a service under ``cwmpd`` rests, 0 for never.
    """

    cwmp: Mapping[str, str] = field(default_factory=dict)
    ubusd: str = field(default_factory=lambda: os.environ.get("UBUSD", ""))
    services: Sequence[str] = SERVICES
    separate: bool = False
    patience: float = PATIENCE


_IDENTITY = {
    "enable": "1",
    "manufacturer": "Example",
    "manufacturer_oui": "02005E",
    "product_class": "LabRouter",
    "serial_number": "LAB-0001",
}


@dataclass(frozen=True, slots=True)
class _Down:
    """Why a boot ends. `version`: of the firmware that was flashed; `settings`: all that it was given; `reset`:
    the configuration is forgotten."""

    version: Version | None = None
    settings: bytes | None = None
    reset: bool = False
    at_once: bool = False


class RouterError(Exception):
    """The router cannot run; the text says why."""


class Router:
    """A virtual router in a directory. `open_router` makes one."""

    def __init__(self, directory: Path, options: Options, report: Callable[[str], None]) -> None:
        self.paths: Paths = sandbox.paths_of(directory)
        port = str(_free_port())
        ports = {"connection_request_port": port, "udp_connection_request_port": port}
        self._factory = {**_IDENTITY, **ports, **options.cwmp}
        self.log = directory / "log"
        self.boots = 0
        self.told: Counter[str] = Counter()  # how often procd was told that a package changed
        self.upgrades: list[Version] = []
        self._options = options
        self._report = report
        self._booted = 0.0
        self._suite: Suite | None = None
        self._bus: Process | None = None
        self._down: list[_Down] = []
        self._changed = trio.Event()
        self._failure: RouterError | None = None

    # -- what the daemons need ---------------------------------------------------------------------------------

    def uptime(self) -> float:
        return time.monotonic() - self._booted

    def reboot(self) -> None:
        self._go_down(_Down())

    def upgrade(self, version: Version, settings: bytes | None) -> None:
        self._go_down(_Down(version, settings))

    def factory_reset(self) -> None:
        self._go_down(_Down(reset=True, at_once=True))

    def config_changed(self, package: str) -> None:
        self.told[package] += 1
        self._report(f"procd: {package} changed")
        if package == "cwmp" and self._suite is not None:
            self._suite.reload()
        self._wake()

    def suite_pid(self) -> int:
        return self._suite.pid if self._suite is not None else 0

    # -- what a test or the demo does ---------------------------------------------------------------------------

    def install(self) -> None:
        """Write what a router has on flash, as far as it is not there."""
        sandbox.install(self.paths, self._factory)
        sysupgrade.install(self.paths)

    async def power_cycle(self) -> None:
        """Pull the plug and put it back; returns when the router has booted again."""
        boots = self.boots
        self._go_down(_Down(at_once=True))
        await self.until(lambda: self.boots > boots)

    async def restart_bus(self) -> None:
        """Kill the bus daemon and start it again, with everything else left running."""
        assert self._bus is not None
        await self._bus.stop(at_once=True)
        self._bus = self._start_bus()

    def kill(self, service: str) -> None:
        """SIGKILL one service. LookupError when it does not run."""
        assert self._suite is not None
        self._report(f"kill -9 {service}")
        self._suite.kill(service)

    def service_pids(self) -> Mapping[str, int]:
        """The process id of each service that runs now."""
        return self._suite.service_pids() if self._suite is not None else {}

    def uci(self, package: str) -> Package:
        """A UCI package as it is on flash now."""
        return Uci(self.paths.uci_dir, self.paths.uci_save_dir).load(package)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something about the router is true; looked at whenever the router did something.

        Raises:
            RouterError: it cannot go on.
        """
        while not condition():
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()

    # -- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Boot, and boot again after each reboot, until cancelled or nothing goes any more (see `until`)."""
        try:
            await self._boot_for_ever()
        except RouterError as failure:
            self._failure = failure
            self._wake()

    async def _boot_for_ever(self) -> None:
        while True:
            sandbox.boot(self.paths)
            self._down.clear()
            self._booted = time.monotonic()
            down = await self._one_boot()
            if down.version is not None:
                self.upgrades.append(down.version)
                sandbox.flash(self.paths, down.version)
                self._report(f"flashed {down.version.description}")
            if down.reset or down.settings is not None:
                sandbox.reset(self.paths, self._factory, down.settings)
                self._report("factory reset" if down.reset else "only the settings it was given are left")

    async def _one_boot(self) -> _Down:
        self._bus = self._start_bus()
        try:
            await self._bus_listens(self._bus)
            async with open_client(str(self.paths.bus)) as client, trio.open_nursery() as nursery:
                await Daemons(client, self).start()
                nursery.start_soon(self._count_uptime)
                options = self._options
                suite = Suite(
                    self.paths,
                    self.log,
                    options.services,
                    separate=options.separate,
                    patience=options.patience,
                )
                down = _Down()
                try:
                    if self._options.services:
                        self._suite = suite
                        nursery.start_soon(suite.run)
                    self.boots += 1
                    self._report(f"boot {self.boots}")
                    self._wake()
                    await self.until(lambda: bool(self._down))
                    down = self._down[0]
                    self._report("power cut" if down.at_once else "going down")
                    if not down.at_once:
                        await trio.sleep(_LAST_WORDS)  # the answer to who asked for it leaves first
                finally:
                    await suite.stop(at_once=down.at_once)
                    self._suite = None
                nursery.cancel_scope.cancel()
            return down
        finally:
            await self._bus.stop(at_once=True)
            self._bus = None

    def _start_bus(self) -> Process:
        self.paths.bus.unlink(missing_ok=True)
        socket = ["-s", str(self.paths.bus)]
        command = [self._options.ubusd] if self._options.ubusd else [sys.executable, "-m", "ubuskit.broker"]
        acls = self.paths.system("/usr/share/acl.d")
        acls.mkdir(parents=True, exist_ok=True)
        try:
            return Process([*command, *socket, "-A", str(acls)], self.log)
        except OSError as error:
            raise RouterError(f"{command[0]} cannot be run: {error.strerror}") from None

    async def _bus_listens(self, bus: Process) -> None:
        with trio.move_on_after(_BUS_DEADLINE):
            while bus.running:
                try:
                    await (await trio.open_unix_socket(str(self.paths.bus))).aclose()
                except OSError:
                    await trio.sleep(0.02)
                else:
                    return
        what = self._options.ubusd or "the broker"
        raise RouterError(f"{what} does not listen at {self.paths.bus}; {self.log} has its last words")

    async def _count_uptime(self) -> None:
        while True:
            sandbox.write_uptime(self.paths, self.uptime())
            await trio.sleep(1)

    def _go_down(self, down: _Down) -> None:
        self._down.append(down)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def _free_port() -> int:
    """A port for connection requests. It stays the router's over its reboots, as 7547 does on a real one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def open_router(
    directory: Path, options: Options | None = None, report: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Router]:
    """A router that has booted, in `directory`; it is stopped at the end, its files stay.

    Raises:
        RouterError: the directory's path is too long for a unix socket in it; the bus does not come up.
    """
    options = options or Options()
    router = Router(directory, options, report)
    if len(str(router.paths.bus)) > _MAX_SOCKET_PATH:
        raise RouterError(f"{router.paths.bus} is too long for a unix socket: use a shorter path")
    directory.mkdir(parents=True, exist_ok=True)
    router.install()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(router.run)
        failure: RouterError | None = None
        try:
            await router.until(lambda: router.boots > 0)
        except RouterError as error:
            failure = error  # raised below, so that it does not come out as a group
        else:
            yield router
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
