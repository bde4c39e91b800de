"""``python -m ubuskit.broker``: the daemon as a program. SIGHUP reads the access rules again, SIGTERM ends it."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from ubuskit import DEFAULT_SOCKET
from ubuskit.broker import AddressTaken, Broker, serve


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ubuskit.broker", description="A ubus daemon.")
    parser.add_argument(
        "-s", dest="socket", default=DEFAULT_SOCKET, metavar="SOCKET", help="default: %(default)s"
    )
    parser.add_argument(
        "-A",
        dest="acl_dir",
        type=Path,
        default=Path("/usr/share/acl.d"),
        metavar="ACLDIR",
        help="access rules; default: %(default)s",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        trio.run(_run, options.socket, options.acl_dir)
    except (AddressTaken, OSError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1
    return 0


async def _run(path: str, acl_dir: Path) -> None:
    with trio.open_signal_receiver(signal.SIGHUP, signal.SIGTERM, signal.SIGINT) as signals:
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            try:
                broker: Broker = await nursery.start(partial(serve, path, acl_dir=acl_dir))
            except (AddressTaken, OSError) as error:
                failure = error  # raised below, so that it does not come out as a group
            else:
                async for number in signals:
                    if number != signal.SIGHUP:
                        break
                    broker.reload_acl()
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure


if __name__ == "__main__":
    sys.exit(main())
