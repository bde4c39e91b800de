"""The master, ``cwmpd``: loads once what all services share, forks them, restarts what dies.

Theory of operation
-------------------
The modules are imported in one process that never runs trio, and the pages their objects lie on stay shared
between the children (postfix's pattern; `preload` has what that takes). A child that ends is started again
after a pause that doubles from 0.1 s to 30 s and is forgotten once the child has lived for 60 s. SIGTERM and
SIGINT stop everything, SIGHUP is passed on. The master holds no other state: it can be killed, and its
children end with it (PR_SET_PDEATHSIG).

Services that have nothing to do end on purpose, leaving their connection to the bus here; something to read on it
starts them again (`rest`).

As root it gives each child what that service needs and no more (`privileges`). It never reads the
configuration itself: no child inherits a secret in its memory. Whoever replaces the configuration takes it from
session's eyes, so the master looks after it every `_LOOK` s, and has it read again when it was replaced.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cwmp.contract import SERVICES
from cwmp.runtime import logs, paths, preload, privileges, rest
from cwmp.runtime.paths import Paths
from cwmp.runtime.privileges import Account
from cwmp.runtime.rest import Bed, Place
from cwmp.runtime.service import Serve, run_process

_PAUSE_FIRST = 0.1
_PAUSE_MOST = 30.0
_SETTLED = 60.0
_STOP_PATIENCE = 5.0
_LOOK = 30.0
_PR_SET_NAME, _PR_SET_PDEATHSIG = 15, 1


@dataclass(slots=True)
class _Child:
    """One service: its process, when it was started (monotonic, s), and when it is to be started next.

    `control` is the socket on which it says that it rests, `place` what it left when it did.
    """

    service: str
    pid: int = 0
    born: float = 0.0
    pause: float = 0.0
    due: float = 0.0
    control: socket.socket | None = None
    place: Place | None = None

    def wanted(self, now: float) -> bool:
        """Whether it has to be started."""
        return not self.pid and self.due <= now and (self.place is None or self.place.called())

    def let_go(self) -> None:
        """Close what is the master's, in another process."""
        if self.control is not None:
            self.control.close()
        if self.place is not None:
            self.place.close()


class Master:
    """Keeps `services` running until it is told to stop."""

    def __init__(
        self,
        services: tuple[str, ...],
        where: Paths,
        *,
        stderr: bool,
        account: Account | None = None,
        low_ports: bool = False,
        patience: float = rest.PATIENCE,
    ) -> None:
        self._where = where
        self._stderr = stderr
        self._account = account
        self._low_ports = low_ports
        self._patience = patience
        self._children = [_Child(service) for service in services]
        self._log = logs.set_up("master", stderr=stderr, device=where.system("/dev/log"))
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._serve: dict[str, Serve] = {}
        self._ballast: list[object] = []

    def run(self) -> int:
        """Fork, wait and restart; the exit code once everything has stopped."""
        watched = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, rest.WAKE}
        signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        self._serve = preload.load(child.service for child in self._children)
        self._ballast = preload.settle()
        gc.disable()  # a collection here would touch pages that are to stay shared; the children collect again
        while True:
            now = time.monotonic()
            for child in self._children:
                if child.wanted(now):
                    self._fork(child)
            due = [child.due for child in self._children if not child.pid and child.place is None]
            wait = max(0.0, min(due) - time.monotonic()) if due else 3600.0
            if self._account is not None:
                wait = min(wait, _LOOK)
            received = signal.sigtimedwait(watched, wait)
            number = received.si_signo if received else 0
            if number in {signal.SIGTERM, signal.SIGINT}:
                self._log.info("stop (%s)", signal.Signals(number).name)
                return self._stop()
            if self._prepare() or number == signal.SIGHUP:
                self._signal(signal.SIGHUP)
            self._reap()

    def _prepare(self) -> bool:
        """See to the files of those who give up their rights; whether the configuration was replaced."""
        if self._account is None:
            return False
        try:
            return privileges.prepare(self._account, self._where)
        except OSError as error:
            self._log.error("session and diagnostics will not find their files: %s", error)
            return False

    def _fork(self, child: _Child) -> None:
        self._prepare()
        parent = os.getpid()
        control, childs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            control.close()
            self._be(child, childs, parent)
        childs.close()
        if child.place is not None:
            child.place.close()
        child.pid, child.born, child.control, child.place = pid, time.monotonic(), control, None
        self._log.debug("%s runs as process %d", child.service, pid)

    def _be(self, child: _Child, control: socket.socket, parent: int) -> NoReturn:
        """The child's side: become the service, with nothing left of the master."""
        code, service = 1, child.service
        try:
            for other in self._children:
                if other is not child:
                    other.let_go()
            privileges.drop(service, self._account, low_ports=self._low_ports)
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # after that: new credentials forget it
            self._libc.prctl(_PR_SET_NAME, f"cwmp-{service}".encode()[:15])
            if os.getppid() != parent:  # it died before we asked to be told
                os._exit(1)
            signal.pthread_sigmask(signal.SIG_SETMASK, set())
            gc.enable()
            left = (
                child.place.take_up() if child.place is not None else None
            )  # unread as long as this was root
            bed = Bed(self._patience, control, left) if self._patience else None
            where = privileges.paths_for(service, self._account, self._where)
            code = run_process(service, self._serve[service], where, stderr=self._stderr, bed=bed)
        except OSError as error:  # a service answers for its own: only what comes before it ends here
            self._log.error("%s cannot be started: %s", service, error)
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            now = time.monotonic()
            child.pid = 0
            if self._rests(child, now):
                continue
            settled = now - child.born >= _SETTLED
            child.pause = _PAUSE_FIRST if settled or not child.pause else min(child.pause * 2, _PAUSE_MOST)
            child.due = now + child.pause
            self._log.warning("%s ended (%s): again in %.1f s", child.service, _how(status), child.pause)

    def _rests(self, child: _Child, now: float) -> bool:
        """Whether a child that ended has left its place. One that had hardly begun is not believed."""
        place = Place.of(child.control) if child.control is not None else None
        if child.control is not None:
            child.control.close()
            child.control = None
        if place is not None and now - child.born < self._patience:
            place.close()
            return False
        if place is not None:
            place.watch()
            child.place, child.pause, child.due = place, 0.0, 0.0
        return place is not None

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.pid:
                os.kill(child.pid, number)

    def _stop(self) -> int:
        """SIGTERM to all, SIGKILL to what is left after `_STOP_PATIENCE` seconds."""
        self._signal(signal.SIGTERM)
        end = time.monotonic() + _STOP_PATIENCE
        while any(child.pid for child in self._children):
            left = end - time.monotonic()
            if left <= 0:
                self._signal(signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, max(0.1, left))
            for child in self._children:
                if child.pid and os.waitpid(child.pid, os.WNOHANG)[0]:
                    child.pid = 0
        return 0


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit code {os.WEXITSTATUS(status)}"


def main(arguments: list[str] | None = None) -> None:
    """The program ``cwmpd``."""
    parser = argparse.ArgumentParser(prog="cwmpd", description="Runs the services of tr069-client.")
    paths.add_options(parser)
    parser.add_argument("--stderr", action="store_true", help="log to stderr instead of syslog")
    parser.add_argument(
        "--services", default=",".join(SERVICES), metavar="A,B", help="which to run; default all four"
    )
    parser.add_argument(
        "--user",
        default=os.environ.get("CWMP_USER", ""),
        metavar="NAME",
        help="whom session and diagnostics become if this is root (CWMP_USER); "
        f"default {privileges.USER}, if there is such a user and no --sysroot; root: nobody else",
    )
    parser.add_argument(
        "--low-ports", action="store_true", help="let session listen on ports below 1024 as that user"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=rest.PATIENCE,
        metavar="SECONDS",
        help="how long firmware and diagnostics wait for something to do before they rest, in memory no more; "
        f"default {rest.PATIENCE:g}, 0: for ever",
    )
    options = parser.parse_args(arguments)
    services = tuple(options.services.split(","))
    if unknown := set(services) - set(SERVICES):
        parser.error(f"there is no service {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}")
    where = paths.from_options(options)
    try:  # by itself only on a router: in a sandbox all files are the developer's
        account = privileges.find_account(options.user or ("" if where.sysroot == Path("/") else "root"))
    except LookupError as error:
        parser.error(str(error))
    master = Master(
        services,
        where,
        stderr=options.stderr,
        account=account,
        low_ports=options.low_ports,
        patience=max(0.0, options.patience),
    )
    sys.exit(master.run())


if __name__ == "__main__":
    main()
