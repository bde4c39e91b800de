"""Who is at the other end of a unix socket, as the kernel says."""

import grp
import pwd
import socket
from pathlib import Path
from struct import Struct
from typing import Final

from ubuskit.protocol.acl import Credentials

__all__ = ["gid_of", "peer_credentials", "uid_of"]

_UCRED: Final = Struct("iII")
_MAX_GROUPS: Final = 64


def peer_credentials(connection: socket.socket) -> Credentials:
    """Raises OSError. A number without a name (a container's user) is its own name."""
    octets = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(octets)
    return Credentials(uid, gid, _supplementary_groups(pid), _user_name(uid), _group_name(gid))


def uid_of(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def gid_of(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _supplementary_groups(pid: int) -> frozenset[int]:
    """SO_PEERCRED knows the primary group alone; ubusd reads the others here as well."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    for line in status.splitlines():
        if line.startswith("Groups:"):
            return frozenset(int(gid) for gid in line.split()[1 : 1 + _MAX_GROUPS])
    return frozenset()
