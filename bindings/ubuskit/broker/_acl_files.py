"""The directory of access rules: which of its files count, and the rules in them."""

import json
import logging
import os
import stat
from pathlib import Path
from typing import Final

from ubuskit.broker._credentials import gid_of, uid_of
from ubuskit.protocol.acl import Acl, AclError, Rule, read_rules

__all__ = ["load_acl"]

_log = logging.getLogger(__name__)
_MAX_SIZE: Final = 1 << 20
_FORBIDDEN: Final = stat.S_IWGRP | stat.S_IWOTH | stat.S_IXOTH


def load_acl(directory: Path | None) -> Acl:
    """All ``*.json`` files of ``directory``; one that is not good is logged and passed over.

    A file counts only if it belongs to root (or to the user this daemon runs as) and nobody else may write it:
    rules that anybody can write protect nothing.
    """
    owner = os.geteuid()
    rules: list[Rule] = []
    for path in sorted(directory.glob("*.json")) if directory is not None else ():
        try:
            rules += _read(path, owner)
        except (OSError, AclError) as error:
            _log.error("%s: %s; its rules do not count", path, error)
    return Acl(rules, owner=owner)


def _read(path: Path, owner: int) -> list[Rule]:
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            return []
        if (state.st_uid, state.st_gid) != (0, 0) and state.st_uid != owner:
            raise AclError("it must belong to root (chown root:root)")
        if state.st_mode & _FORBIDDEN:
            raise AclError("others may write it (chmod 0644)")
        octets = file.read(_MAX_SIZE + 1)
    if len(octets) > _MAX_SIZE:
        raise AclError(f"larger than {_MAX_SIZE} bytes")
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise AclError(f"no JSON: {error}") from None
    return read_rules(document, uid_of=uid_of, gid_of=gid_of)
