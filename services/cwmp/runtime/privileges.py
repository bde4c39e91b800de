"""Least privilege: what each service keeps of the master's rights, and the files it then still needs.

Theory of operation
-------------------
The master runs as root, and so do datamodel (it writes the configuration) and firmware (it flashes). What talks
to the network needs no root: session and diagnostics become the user `USER` right after the fork, before they
read anything that came from outside. The master does the two things for them that need root, before each fork
and at each reload, since UCI replaces files and then gives them back to root:

- their directories exist and are theirs: ``<state_dir>/<service>`` and, for what need not survive a reboot,
  ``<run_dir>/<user>``. They are apart from root's, whose files they could otherwise rename.
- ``/etc/config/cwmp``, with the ACS password, can be read by the user's group. Of the services that are not
  root only session is in that group. What is saved and not committed counts as well; it lies in a directory
  whose files are given to that group as they are made.

A process gives up its rights for good: no capability is left in its bounding set but those in `RIGHTS`, and
no_new_privs keeps every program it might start from gaining one. Since the credentials changed, the kernel lets
other processes of the same user neither trace it nor read its memory.

Where the master is not root (a developer's machine), or there is no such user, nothing is given up but the right
to gain more.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pwd
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

from cwmp.runtime.config import PACKAGE
from cwmp.runtime.paths import Paths

USER = "cwmp"

_NO_GROUP = 65534
_PR_CAPBSET_DROP, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 24, 8, 38, 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522


class Capability(IntEnum):
    """Those that a service may keep; numbers of linux/capability.h."""

    NET_BIND_SERVICE = 10
    NET_RAW = 13


@dataclass(frozen=True, slots=True)
class Rights:
    """What a service keeps that is not root. `configuration`: it may read /etc/config/cwmp."""

    configuration: bool = False
    capabilities: frozenset[Capability] = frozenset()


RIGHTS: Mapping[str, Rights] = {
    "session": Rights(configuration=True),
    "diagnostics": Rights(capabilities=frozenset({Capability.NET_RAW})),
}
"""The services that are not root. Diagnostics sends ICMP, for which the kernel wants CAP_NET_RAW."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user whom the services in `RIGHTS` become."""

    uid: int
    gid: int


def find_account(wanted: str = "") -> Account | None:
    """The account `wanted` names (a name or a number), `USER` without one; None when nothing is to be dropped.

    That is: when this process is not root, root is what is wanted, or nothing is wanted and there is no `USER`.

    Raises:
        LookupError: there is no user of that name.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwuid(int(wanted)) if wanted.isdecimal() else pwd.getpwnam(wanted or USER)
    except KeyError:
        if wanted.isdecimal():
            return Account(int(wanted), int(wanted))
        if wanted:
            raise LookupError(f"there is no user '{wanted}'") from None
        return None
    return Account(entry.pw_uid, entry.pw_gid) if entry.pw_uid else None


def paths_for(service: str, account: Account | None, where: Paths) -> Paths:
    """`where`, as `service` is to see it once it has given up its rights."""
    if account is None or service not in RIGHTS:
        return where
    return replace(where, run_dir=_run_dir(where))


def prepare(account: Account, where: Paths) -> bool:
    """Make the directories of the services in `RIGHTS`, and let session read the configuration.

    Returns whether session could not read it before: then it is not the file that was read last.

    Raises:
        OSError: it cannot be done; the services would not work.
    """
    for directory in (where.state_dir, where.run_dir):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
    for service in RIGHTS:
        _hand_over(where.state_dir / service, account)
    _hand_over(_run_dir(where), account)
    where.uci_save_dir.mkdir(mode=0o755, parents=True, exist_ok=True)  # or whoever comes first would own it
    with _directory_of_root(where.uci_save_dir) as saves:
        if saves is not None and os.fstat(saves).st_gid != account.gid:
            os.fchown(saves, 0, account.gid)
            os.fchmod(saves, 0o2755)
    saved = _let_read(where.uci_save_dir, PACKAGE, account)
    return _let_read(where.uci_dir, PACKAGE, account) or saved


def drop(service: str, account: Account | None, *, low_ports: bool = False) -> None:
    """Give up what `service` does not need; for good, and for the calling process.

    `low_ports`: session may listen on ports below 1024 (connection requests on port 80, say).

    Raises:
        OSError: the kernel refused; the process must not go on.
    """
    rights = RIGHTS.get(service)
    if account is not None and rights is not None:
        kept = set(rights.capabilities)
        if low_ports and service == "session":
            kept.add(Capability.NET_BIND_SERVICE)
        _become(account, rights, {c for c in kept if c in _held()})
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _become(account: Account, rights: Rights, kept: set[Capability]) -> None:
    for number in range(_last_capability() + 1):
        if number not in kept:
            _prctl(_PR_CAPBSET_DROP, number)
    gid = account.gid if rights.configuration else _NO_GROUP
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setresuid(account.uid, account.uid, account.uid)
    _set_capabilities(kept)
    for capability in kept:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _held() -> Iterator[int]:
    """The capabilities this process has; in a container root may have few."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            yield from (n for n in range(64) if mask >> n & 1)


def _last_capability() -> int:
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text())


def _set_capabilities(kept: set[Capability]) -> None:
    mask = sum(1 << capability for capability in kept)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, struct.pack("=6I", low, low, low, high, high, high)):
        raise _error("capset")


def _prctl(option: int, *values: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [*values, *[0] * (4 - len(values))]
    if libc.prctl(option, *[ctypes.c_ulong(value) for value in arguments]):
        raise _error(f"prctl {option}")


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def _run_dir(where: Paths) -> Path:
    return where.run_dir / "unprivileged"


def _hand_over(directory: Path, account: Account) -> None:
    """Have `directory` be the account's alone, with the files in it.

    Files are handed over only with the directory itself: while it is root's, nobody else can have put a link to
    some other file there.

    Raises:
        OSError: what has this name is no directory, or somebody else's.
    """
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        owner = os.fstat(descriptor).st_uid
        if owner == account.uid:
            return
        if owner != 0:
            raise PermissionError(errno.EPERM, f"belongs to uid {owner}: remove it", str(directory))
        for name in os.listdir(descriptor):
            os.chown(name, account.uid, account.gid, dir_fd=descriptor, follow_symlinks=False)
        os.fchown(descriptor, account.uid, account.gid)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _directory_of_root(path: Path) -> Iterator[int | None]:
    """A descriptor of a directory; None when there is none of root's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor if os.fstat(descriptor).st_uid == 0 else None
    finally:
        os.close(descriptor)


def _let_read(directory: Path, name: str, account: Account) -> bool:
    """Let the account's group read a file of root's; whether it could not. Anything else of that name stays."""
    with _directory_of_root(directory) as parent:
        if parent is None:
            return False
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=parent)
        except OSError:  # it is not there, or a link
            return False
        try:
            found = os.fstat(descriptor)
            wanted = (account.gid, 0o640)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != 0 or found.st_nlink != 1:
                return False
            if (found.st_gid, stat.S_IMODE(found.st_mode)) == wanted:
                return False
            os.fchown(descriptor, 0, account.gid)
            os.fchmod(descriptor, 0o640)
        finally:
            os.close(descriptor)
    return True
