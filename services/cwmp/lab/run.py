"""``python -m cwmp.lab.run``: the virtual router against any real ACS, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import trio

from cwmp.lab.console import Console, run_until_signal
from cwmp.lab.router import Options, RouterError, open_router


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m cwmp.lab.run",
        description="Keeps a virtual router running against an ACS.",
        epilog="The ACS reaches the router for connection requests at the address it is seen from.",
    )
    parser.add_argument("--acs-url", required=True, metavar="URL", help="such as http://host:7547/")
    parser.add_argument("--username", default="", help="for the ACS; default OUI-ProductClass-SerialNumber")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="its first line is the password for the ACS"
    )
    parser.add_argument("--ca-file", default="", metavar="FILE", help="PEM certificates to trust for https")
    parser.add_argument("--interval", type=int, default=300, metavar="SECONDS", help="PeriodicInformInterval")
    parser.add_argument("--serial", default="LAB-0001", help="SerialNumber; default %(default)s")
    parser.add_argument("--dir", type=Path, help="where the router lives; default a temporary directory")
    parser.add_argument(
        "--ubusd",
        default=os.environ.get("UBUSD", ""),
        metavar="PATH",
        help="the bus daemon (UBUSD); default ours",
    )
    parser.add_argument("--separate", action="store_true", help="each service alone instead of under cwmpd")
    options = parser.parse_args(arguments)
    parts = urlsplit(options.acs_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        parser.error(f"{options.acs_url!r} is no http:// or https:// URL")
    try:
        cwmp = _configuration(options)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    wanted = Options(cwmp, options.ubusd, separate=options.separate)
    if options.dir is not None:
        return run_until_signal(lambda: _run(options.dir, wanted))
    with tempfile.TemporaryDirectory(prefix="cwmp-lab-") as directory:
        return run_until_signal(lambda: _run(Path(directory), wanted))


def _configuration(options: argparse.Namespace) -> dict[str, str]:
    serial = options.serial
    password = ""
    if options.password_file is not None:
        password = options.password_file.read_text().partition("\n")[0]
    encoded = "".join(c if c.isascii() and (c.isalnum() or c == "_") else f"%{ord(c):02X}" for c in serial)
    return {
        "acs_url": options.acs_url,
        "username": options.username or f"02005E-LabRouter-{encoded}",
        "password": password,
        "ca_file": options.ca_file,
        "serial_number": serial,
        "periodic_inform_enable": "1",
        "periodic_inform_interval": str(options.interval),
        "connection_request_address": address_towards(urlsplit(options.acs_url).hostname or ""),
    }


def address_towards(host: str) -> str:
    """The address of ours that `host` sees; nothing is sent to find it out."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, 7547, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError:
        return ""


async def _run(directory: Path, options: Options) -> int:
    console = Console(sys.stdout)
    try:
        async with open_router(directory, options, lambda text: console.line("router", text)) as router:
            paths = router.paths
            console.plain(
                f"A virtual router runs against {options.cwmp['acs_url']}. To look at it:\n"
                f"  cwmp --bus {paths.bus} status\n"
                f"  cwmp --bus {paths.bus} get Device.ManagementServer.\n"
                f"  cwmp --bus {paths.bus} inform\n"
                f"  ubus -s {paths.bus} list\n"
                f"  tail -f {router.log}\n"
                f"  its file system: {paths.sysroot}\n"
                "Ctrl-C stops it."
            )
            await trio.sleep_forever()
    except (RouterError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
