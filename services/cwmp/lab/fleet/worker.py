"""One process with its share of the routers: ``python -m cwmp.lab.fleet.worker``, started by the supervisor.

On standard input it is told its plan, one line of JSON (so that no password is among its arguments), and the end of
standard input ends it: whatever becomes of the supervisor, no worker is left behind. Each second it writes one line
of JSON, the figures of its routers.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import random
import resource
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO

import trio

from cwmp.datamodel.loader import load
from cwmp.datamodel.service import mapping_directories
from cwmp.lab.fleet.accidents import Accident, Kind, draw
from cwmp.lab.fleet.figures import Figures
from cwmp.lab.fleet.line import Lines
from cwmp.lab.fleet.plan import Plan
from cwmp.lab.fleet.router import VirtualRouter
from cwmp.lab.router.sandbox import paths_of
from cwmp.runtime.preload import load as preload

_PERIOD = 1.0
_MAX_PLAN = 1 << 20
_PAGE = resource.getpagesize()
_QUIET = ("ubuskit", "cwmp")


def main() -> int:
    allow_descriptors()
    plan = Plan.from_json(sys.stdin.buffer.readline(_MAX_PLAN).decode())
    for name in _QUIET:  # of a router that goes down its clients have much to say
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    try:
        trio.run(work, plan, sys.stdin.buffer, sys.stdout.buffer)
    except KeyboardInterrupt:
        pass
    finally:
        for number in plan.numbers:
            shutil.rmtree(Path(plan.directory) / str(number), ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: the other workers and the supervisor see to theirs
            Path(plan.directory).rmdir()
    return 0


def allow_descriptors() -> int:
    """As many as this process may have; how many that are."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


async def work(plan: Plan, orders: BinaryIO, to: BinaryIO) -> None:
    """Run the routers of `plan` until `orders` ends, and write figures to `to`."""
    trio.socket.set_custom_socket_factory(Lines())
    preload(("session", "datamodel"))
    loaded = load(mapping_directories(paths_of(Path(plan.directory))))
    gc.freeze()  # what all share need not be looked through for each
    log = logging.Logger("fleet")
    log.addHandler(logging.NullHandler())
    figures = Figures()
    chance = random.Random()
    between = {Kind.REBOOT: plan.reboots, Kind.LINE: plan.losses, Kind.CRASH: plan.crashes}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_with, orders, nursery.cancel_scope)
        nursery.start_soon(_tell, figures, to, nursery.cancel_scope)
        for number in plan.numbers:
            router = VirtualRouter(plan, number, loaded, figures, log, partial(_befall, chance, between))
            nursery.start_soon(router.run)
            await trio.sleep(1.0 / plan.rate)


async def _befall(chance: random.Random, between: Mapping[Kind, float]) -> Accident:
    """The next accident of a router, when it happens."""
    drawn = draw(chance, between)
    if drawn is None:
        await trio.sleep_forever()
    wait, accident = drawn
    await trio.sleep(wait)
    return accident


async def _end_with(orders: BinaryIO, scope: trio.CancelScope) -> None:
    async with trio.lowlevel.FdStream(os.dup(orders.fileno())) as stream:
        while await stream.receive_some():
            pass
    scope.cancel()


async def _tell(figures: Figures, to: BinaryIO, scope: trio.CancelScope) -> None:
    async with trio.lowlevel.FdStream(os.dup(to.fileno())) as stream:
        while True:
            await trio.sleep(_PERIOD)
            figures.memory, figures.cpu = memory(), cpu()
            try:
                await stream.send_all(json.dumps(figures.to_table()).encode() + b"\n")
            except trio.BrokenResourceError:
                scope.cancel()


def memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def cpu() -> float:
    """Seconds of CPU this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
