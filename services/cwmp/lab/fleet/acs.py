"""``python -m cwmp.lab.fleet.acs``: the lab's ACS on a port of its own, which wants nothing and ends each session.

What a fleet costs and how fast it is can be measured against it, since it adds next to nothing of its own.
"""

from __future__ import annotations

import argparse
import math
import sys

import trio

from cwmp.lab.acs import Acs, open_acs
from cwmp.lab.console import Console, run_until_signal

_PERIOD = 10.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cwmp.lab.fleet.acs", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default any free one")
    options = parser.parse_args(arguments)
    return run_until_signal(lambda: _run(options.port))


async def _run(port: int) -> int:
    console = Console(sys.stdout)
    async with open_acs(port=port) as acs, trio.open_nursery() as nursery:
        console.plain(f"An ACS listens at {acs.url}. Ctrl-C stops it.")
        nursery.start_soon(_dismiss_all, acs)
        seen = 0
        while True:
            await trio.sleep(_PERIOD)
            console.line(
                "acs", f"{(acs.informs - seen) / _PERIOD:.1f} sessions/s, {len(acs.violations)} violations"
            )
            seen = acs.informs
    return 0


async def _dismiss_all(acs: Acs) -> None:
    while True:
        (await acs.next_session(timeout=math.inf)).dismiss()
        acs.timeline.clear()


if __name__ == "__main__":
    sys.exit(main())
