"""What a service is given, and how one starts.

A service is ``async def serve(runtime)``: it registers what it answers, says that it is ready and runs until
it is cancelled. `run` gives it a runtime on a bus; `start` is the program around it (options, log, signals).
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import NoReturn

import trio

from cwmp.contract.session import LOG_LEVEL
from cwmp.runtime import config, logs, paths
from cwmp.runtime.config import Config
from cwmp.runtime.paths import Paths
from cwmp.runtime.peers import Peers
from cwmp.runtime.rest import Bed
from cwmp.runtime.state import StateFile
from ubuskit.client import Client, open_client
from ubuskit.uci import Uci

_UCI_PATIENCE = 2.0
"""How long, in seconds, others may hold a UCI package: the service does nothing else meanwhile."""

_NO_MEMORY = b"cwmp: stopped: memory has run out\n"

Serve = Callable[["Runtime"], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Runtime:
    """Everything a service needs of its surroundings."""

    name: str
    paths: Paths
    bus: Client
    peers: Peers
    uci: Uci
    log: logging.Logger
    nursery: trio.Nursery
    boot_id: str
    bed: Bed | None = None
    _reload: list[Callable[[], None]] = field(default_factory=list)
    _reported: set[str] = field(default_factory=set)
    _config: Config | None = None
    _level: str = ""

    def state(self, document: str, version: int, *, older: Collection[int] = ()) -> StateFile:
        """The state document ``<state_dir>/<service>/<document>.json``, at this version of its schema; `older`
        ones can be read, too."""
        path = self.paths.state_dir / self.name / f"{document}.json"
        return StateFile(path, version, self.log, older=older)

    def config(self) -> Config:
        """The configuration as it is in UCI now. What is wrong with it is logged, once."""
        found, problems = config.load(self.uci, self.paths.uci_dir, self._config)
        self._config = found
        self.log.setLevel(logs.LEVELS[self._level or found.log_level])
        texts = {str(p) for p in problems}
        for text in sorted(texts - self._reported):
            self.log.warning("%s", text)
        self._reported = texts
        return found

    async def serve_while_needed(self, work: Callable[[], Awaitable[None]], idle: Callable[[], bool]) -> None:
        """Run `work`, until the service rests (`rest`): when nobody has called it for a while and it is `idle`.

        Without a master that keeps its place on the bus a service never rests.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            if self.bed is None:
                return
            await self._rest(self.bed, lambda: idle() and not self.peers.busy)
            nursery.cancel_scope.cancel()

    async def _rest(self, bed: Bed, idle: Callable[[], bool]) -> None:
        """Return when the master has our connection."""
        while True:
            called = max(self.bus.called_at, self.peers.asked_at)
            await trio.sleep_until(called + bed.patience)
            if called < max(self.bus.called_at, self.peers.asked_at):
                continue
            dormant = None
            if idle():
                dormant = await self.bus.leave(keep=(f"cwmp.{self.name}.request",), when=idle)
            if dormant is not None:
                self.log.debug("nothing to do: resting")
                bed.rest(dormant)
                return
            await trio.sleep(bed.patience)

    def log_at(self, level: str) -> None:
        """Log at this level, whatever the configuration says; "": at that of the configuration as it is now."""
        self._level = level if level in logs.LEVELS else ""
        self.config()

    async def follow_log_level(self) -> None:
        """Log at the level the session service is told; after a restart of it, at the configured one."""
        await self.peers.hear(LOG_LEVEL, lambda told: self.log_at(told.level))
        self.peers.on_ready("session", lambda: self.log_at(""))

    def on_reload(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the configuration is to be read again (SIGHUP, method `reload`)."""
        self._reload.append(callback)

    def reload(self) -> None:
        """Read the configuration again: the level of the log, and what `on_reload` registered."""
        self.config()
        for callback in self._reload:
            callback()


async def run(
    name: str,
    serve: Serve,
    where: Paths,
    log: logging.Logger,
    *,
    started: Callable[[Runtime], None] = lambda _: None,
    connect_timeout: float | None = None,
    bed: Bed | None = None,
) -> None:
    """Run a service on the bus at `where` until it is cancelled.

    Without a `connect_timeout` it waits for the bus for as long as it takes: on a router the daemon may come
    up after us.
    """
    where.run_dir.mkdir(parents=True, exist_ok=True)
    dormant = bed.left if bed is not None else None
    async with (
        open_client(str(where.bus), connect_timeout=connect_timeout, dormant=dormant) as bus,
        trio.open_nursery() as nursery,
    ):
        runtime = Runtime(
            name=name,
            paths=where,
            bus=bus,
            peers=Peers(name, bus, nursery, log),
            uci=Uci(where.uci_dir, where.uci_save_dir, lock_timeout=_UCI_PATIENCE),
            log=log,
            nursery=nursery,
            boot_id=_boot_id(where),
            bed=bed,
        )
        started(runtime)
        if name != "session":
            await runtime.follow_log_level()
        await serve(runtime)
        nursery.cancel_scope.cancel()


def start(name: str, serve: Serve, arguments: list[str] | None = None) -> None:
    """The program of a service that runs alone: ``python -m cwmp.<name>``. Does not return."""
    parser = argparse.ArgumentParser(
        prog=f"python -m cwmp.{name}", description=f"The {name} service of cwmp."
    )
    paths.add_options(parser)
    parser.add_argument("--stderr", action="store_true", help="log to stderr instead of syslog")
    options = parser.parse_args(arguments)
    sys.exit(run_process(name, serve, paths.from_options(options), stderr=options.stderr))


def run_process(name: str, serve: Serve, where: Paths, *, stderr: bool, bed: Bed | None = None) -> int:
    """Run a service in this process until SIGTERM or SIGINT; its exit code."""
    log = logs.set_up(name, stderr=stderr, device=where.system("/dev/log"))
    try:
        trio.run(_to_the_end, name, serve, where, log, bed)
    except KeyboardInterrupt:
        pass
    except BaseException:  # the last words before the process ends; whoever started it sees the exit code
        log.exception("stopped by an error it does not know how to handle")
        return 1
    return 0


async def _to_the_end(name: str, serve: Serve, where: Paths, log: logging.Logger, bed: Bed | None) -> None:
    """The main task. After an error the process ends from here: once memory has run out, trio may have lost a task of
    its own, without which its run is cancelled and never ends."""
    try:
        await _supervised(name, serve, where, log, bed)
    except KeyboardInterrupt:
        raise
    except trio.Cancelled:
        _end(
            lambda: log.critical("stopped: the event loop has failed, most likely because memory has run out")
        )
    except BaseException:  # the last words before the process ends; whoever started it sees the exit code
        _end(lambda: log.exception("stopped by an error it does not know how to handle"))


def _end(last_words: Callable[[], None]) -> NoReturn:
    try:
        last_words()
        sys.stderr.flush()
    except MemoryError:
        os.write(2, _NO_MEMORY)  # what a line of the log needs is not there either
    finally:
        os._exit(1)


async def _supervised(name: str, serve: Serve, where: Paths, log: logging.Logger, bed: Bed | None) -> None:
    async with trio.open_nursery() as nursery:
        runtimes: list[Runtime] = []
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            nursery.start_soon(_watch_signals, signals, nursery.cancel_scope, runtimes, log)
            await run(name, serve, where, log, started=runtimes.append, bed=bed)
            nursery.cancel_scope.cancel()


async def _watch_signals(
    signals: AsyncIterator[int],
    scope: trio.CancelScope,
    runtimes: list[Runtime],
    log: logging.Logger,
) -> None:
    async for number in signals:
        if number == signal.SIGHUP:
            log.info("reload")
            for runtime in runtimes:
                runtime.reload()
        else:
            log.info("stop (%s)", signal.Signals(number).name)
            scope.cancel()


def _boot_id(where: Paths) -> str:
    """What distinguishes this boot from every other; the kernel makes it anew at each one."""
    try:
        return where.system("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
