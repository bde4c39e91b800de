"""``python -m cwmp.lab.router``: a virtual router in a directory, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import trio

from cwmp.contract import SERVICES
from cwmp.lab.console import Console, run_until_signal
from cwmp.lab.router import Options, RouterError, open_router


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m cwmp.lab.router",
        description="A virtual router: its file system in a directory, a ubus, the daemons' objects, the suite.",
    )
    parser.add_argument("--dir", required=True, type=Path, help="where it lives; made if it is not there")
    parser.add_argument("--acs-url", default="", help="option acs_url of /etc/config/cwmp")
    parser.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE", help="another option of it"
    )
    parser.add_argument(
        "--ubusd",
        default=os.environ.get("UBUSD", ""),
        metavar="PATH",
        help="the bus daemon (UBUSD); default ours",
    )
    parser.add_argument(
        "--services",
        default=",".join(SERVICES),
        metavar="A,B",
        help="which to run; default %(default)s, or none",
    )
    parser.add_argument("--separate", action="store_true", help="each service alone instead of under cwmpd")
    options = parser.parse_args(arguments)
    cwmp = {"acs_url": options.acs_url, **dict(item.partition("=")[::2] for item in options.set)}
    services = tuple(name for name in options.services.split(",") if name not in {"", "none"})
    if unknown := set(services) - set(SERVICES):
        parser.error(f"there is no service {', '.join(sorted(unknown))}")
    wanted = Options(cwmp, options.ubusd, services, options.separate)
    return run_until_signal(lambda: _run(options.dir, wanted))


async def _run(directory: Path, options: Options) -> int:
    console = Console(sys.stdout)
    try:
        async with open_router(directory, options, lambda text: console.line("router", text)) as router:
            console.line("router", f"bus {router.paths.bus}, log {router.log}; Ctrl-C stops it")
            await trio.sleep_forever()
    except (RouterError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
