"""The virtual router's /sbin/sysupgrade and /sbin/logread: the options that the suite uses, and what they do.

`install` writes the programs into the sandbox. An upgrade ends in procd's method ``system sysupgrade``, as on a
router; backups are archives of the files that a router keeps: the configuration, and what /lib/upgrade/keep.d names.
"""

from __future__ import annotations

import os
import shlex
import sys
import tarfile
from pathlib import Path

from cwmp.runtime import Paths
from ubuskit.blocking import BlockingClient
from ubuskit.errors import StatusError, UbusError

KEPT = ("etc/config", "etc/cwmp")

_LOG = "daemon.info procd: - init complete -\nuser.notice kernel: the virtual router has booted\n"
_PATIENCE = 300.0


def install(paths: Paths) -> None:
    """Put the programs where a router has them."""
    call = f"main({str(paths.sysroot)!r}, sys.argv[1:])"
    code = f"import sys; from cwmp.lab.router.sysupgrade import main; sys.exit({call})"
    arguments = shlex.join([sys.executable, "-c", code])
    _program(
        paths.system("/sbin/sysupgrade"), f'UBUS_SOCKET={shlex.quote(str(paths.bus))} exec {arguments} "$@"'
    )
    _program(paths.system("/sbin/logread"), f"printf %s {shlex.quote(_LOG)}")


def _program(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def main(root: str, arguments: list[str]) -> int:
    """``sysupgrade -b FILE | -r FILE | [-q] [-f ARCHIVE] IMAGE``; the exit code."""
    match [a for a in arguments if a != "-q"]:
        case ["-b", archive]:
            backup(Path(root), Path(archive))
        case ["-r", archive]:
            restore(Path(root), Path(archive))
        case ["-f", archive, image]:
            return _upgrade(image, {"backup": archive})
        case [image]:
            return _upgrade(image, {})
        case _:
            sys.stderr.write("sysupgrade: -b FILE, -r FILE, or [-f ARCHIVE] IMAGE\n")
            return 1
    return 0


def backup(root: Path, archive: Path) -> None:
    """Write an archive of what an upgrade keeps."""
    with tarfile.open(archive, "w:gz") as file:
        for name in KEPT:
            if (root / name).exists():
                file.add(root / name, name)


def restore(root: Path, archive: Path) -> None:
    """Unpack an archive over what is there."""
    with tarfile.open(archive, "r:gz") as file:
        file.extraction_filter = getattr(tarfile, "tar_filter", None)  # since Python 3.11.4
        file.extractall(root)


def _upgrade(image: str, more: dict[str, str]) -> int:
    arguments = {
        "prefix": "/tmp/root",
        "path": image,
        "command": "/lib/upgrade/do_stage2",
        "options": {},
        **more,
    }
    try:
        with BlockingClient(os.environ["UBUS_SOCKET"]) as client:
            client.call("system", "sysupgrade", arguments, timeout=_PATIENCE)
    except StatusError as error:
        sys.stderr.write(f"sysupgrade: {error}\n")
        return int(error.status)  # as the real one ends with what ubus answered
    except UbusError:
        return 4  # the bus went down with the system
    return 0
