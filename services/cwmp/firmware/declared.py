"""File types of a vendor's own, each declared by a small file that names the programs which know it.

``/etc/cwmp/transfer.d/*.toml`` or, from a package, ``/usr/share/cwmp/transfer.d/*.toml`` (the first wins where both
have a file of that name)::

    file_type = "X 02005E Calibration"               # as the ACS says it; or "6 Stored Firmware Image"
    download = ["/usr/libexec/calibration", "load"]  # takes the file whose path is its last argument
    upload = ["/usr/libexec/calibration", "save"]    # writes the file whose path is its last argument
    restart = false                                  # true: what was taken is in use after a reboot

A program is run without a shell, as root, and has ten minutes. It ends with 0 when all is well, with 2 when it does
not trust the file (fault 9019), with anything else when it cannot use it (9018; an upload: 9011). One that is cut off
by a power failure is given the file again. Because of what a declaration can do, it has to be root's and writable by
nobody else.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.runtime import Paths
from ubuskit.records import dataclass

STORED_IMAGE = "6 Stored Firmware Image"

_TYPE = re.compile(r"X[ _][^\x00-\x1f]{1,62}")
_MAX_BYTES = 16 << 10
_MAX_ARGUMENTS = 16
_DEADLINE = 600.0
_NOT_TRUSTED = 2


@dataclass(frozen=True, slots=True)
class Declaration:
    """A file type; empty commands for what it cannot do."""

    file_type: str
    download: Sequence[str] = ()
    upload: Sequence[str] = ()
    restart: bool = False


def declarations(paths: Paths, log: logging.Logger) -> dict[str, Declaration]:
    """Those that hold now, by their type. What cannot be used is logged and left out."""
    files: dict[str, Path] = {}
    for directory in (paths.system("/usr/share/cwmp/transfer.d"), paths.system("/etc/cwmp/transfer.d")):
        files |= {path.name: path for path in sorted(directory.glob("*.toml"))}
    found: dict[str, Declaration] = {}
    for path in files.values():
        try:
            declaration = _read(path)
        except (OSError, ValueError) as error:
            log.warning("%s is not used: %s", path, error)
        else:
            found[declaration.file_type] = declaration
    return found


async def run(command: Sequence[str], file: Path, failure: FaultCode) -> None:
    """Have a program take, or write, `file`.

    Raises:
        Fault: it could not; 9019 when it does not trust the file, else `failure`.
    """
    name = Path(command[0]).name
    try:
        with trio.fail_after(_DEADLINE):
            done = await trio.run_process(
                [*command, str(file)],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )
    except trio.TooSlowError:
        raise Fault(failure, f"{name} was not done within {_DEADLINE:g} s") from None
    except OSError as error:
        raise Fault(failure, f"{name} cannot be run: {error.strerror}") from None
    if done.returncode == _NOT_TRUSTED and failure is FaultCode.FILE_CORRUPTED:
        raise Fault(FaultCode.FILE_AUTHENTICATION, f"{name} does not trust the file")
    if done.returncode:
        raise Fault(failure, f"{name} ended with code {done.returncode}")


def _read(path: Path) -> Declaration:
    import tomllib  # noqa: PLC0415  # of no use where nobody declares anything

    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid not in {0, os.geteuid()} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError("it has to be root's and writable by nobody else")
        table = tomllib.loads(file.read(_MAX_BYTES).decode())
    if unknown := set(table) - {"file_type", "download", "upload", "restart"}:
        raise ValueError(f"there is no '{sorted(unknown)[0]}'")
    file_type, restart = table.get("file_type"), table.get("restart", False)
    if not isinstance(file_type, str) or not (_TYPE.fullmatch(file_type) or file_type == STORED_IMAGE):
        raise ValueError(f"file_type: use 'X <vendor> <name>' or '{STORED_IMAGE}'")
    if not isinstance(restart, bool):
        raise ValueError("restart: use true or false")  # noqa: TRY004  # one kind of unusable
    declaration = Declaration(file_type, _command(table, "download"), _command(table, "upload"), restart)
    if not declaration.download and not declaration.upload:
        raise ValueError("it names neither a program for downloads nor one for uploads")
    return declaration


def _command(table: dict[str, Any], name: str) -> tuple[str, ...]:
    value = table.get(name, [])
    if (
        not isinstance(value, list)
        or len(value) > _MAX_ARGUMENTS
        or not all(isinstance(a, str) for a in value)
    ):
        raise ValueError(f"{name}: use a list of texts, the program first")
    if value and not Path(value[0]).is_absolute():
        raise ValueError(f"{name}: the program needs a path that begins with /")
    return tuple(value)
