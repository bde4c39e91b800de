"""Least privilege, tried: what a process is left with, and what it cannot do any more. Root only."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from cwmp.runtime import Paths, privileges
from cwmp.runtime.privileges import RIGHTS, Account, Capability

_TRY = """
import json, os, socket, sys
from pathlib import Path
from cwmp.runtime import privileges
service, uid, gid, low_ports, config, secret = sys.argv[1:]
account = privileges.Account(int(uid), int(gid)) if int(uid) else None
privileges.drop(service, account, low_ports=low_ports == "yes")

def tried(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "done"

status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(),
    "capabilities": {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh")},
    "no_new_privs": status["NoNewPrivs"].strip(),
    "become root": tried(lambda: os.setuid(0)),
    "read the configuration": tried(lambda: open(config).close()),
    "write the configuration": tried(lambda: open(config, "a").close()),
    "read a secret": tried(lambda: open(secret).close()),
    "raw socket": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()),
    "trace root": tried(lambda: open(f"/proc/{os.getppid()}/mem", "rb").close()),
    "own memory": os.stat("/proc/self/mem").st_uid,
}))
"""


@pytest.fixture
def suite(open_dir: Path, paths: Paths) -> Paths:
    """The paths of a suite in a directory that every user may enter, with a configuration of root's."""
    for directory in (paths.sysroot, paths.sysroot / "etc", paths.uci_dir):
        directory.chmod(0o755)
    config = paths.uci_dir / "cwmp"
    config.write_text("config cwmp 'cwmp'\n\toption password 'x'\n")
    config.chmod(0o600)
    return paths


def attempt(service: str, account: pwd.struct_passwd, suite: Paths, *, low_ports: bool = False) -> dict:
    """What a process finds once it has given up what `service` does not need."""
    secret = suite.sysroot / "secret"
    secret.write_text("of root")
    secret.chmod(0o600)
    privileges.prepare(Account(account.pw_uid, account.pw_gid), suite)
    done = subprocess.run(
        [
            *(sys.executable, "-c", _TRY, service, str(account.pw_uid), str(account.pw_gid)),
            *("yes" if low_ports else "no", str(suite.uci_dir / "cwmp"), str(secret)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_session_keeps_the_configuration_and_nothing_else(account: pwd.struct_passwd, suite: Paths) -> None:
    found = attempt("session", account, suite)
    assert found["uid"] == [account.pw_uid] * 3
    assert found["gid"] == [account.pw_gid] * 3
    assert found["groups"] == []
    assert set(found["capabilities"].values()) == {0}
    assert found["no_new_privs"] == "1"
    assert found["become root"] == "PermissionError"
    assert found["read the configuration"] == "done"
    assert found["write the configuration"] == "PermissionError"
    assert found["read a secret"] == "PermissionError"
    assert found["raw socket"] == "PermissionError"
    assert found["trace root"] == "PermissionError"


def test_diagnostics_keeps_raw_sockets_and_nothing_else(account: pwd.struct_passwd, suite: Paths) -> None:
    found = attempt("diagnostics", account, suite)
    assert found["uid"] == [account.pw_uid] * 3
    assert found["groups"] == []
    assert set(found["capabilities"].values()) == {1 << Capability.NET_RAW}
    assert found["raw socket"] == "done"
    assert found["become root"] == "PermissionError"
    assert found["read the configuration"] == "PermissionError"  # the ACS's password is none of its business
    assert found["read a secret"] == "PermissionError"
    assert found["trace root"] == "PermissionError"


@pytest.mark.parametrize("service", sorted(RIGHTS))
def test_processes_of_the_same_user_cannot_look_into_each_other(
    account: pwd.struct_passwd, suite: Paths, service: str
) -> None:
    """The kernel gives the memory of a process that changed its credentials to root."""
    assert attempt(service, account, suite)["own memory"] == 0


def test_low_ports_only_where_asked_and_only_for_session(account: pwd.struct_passwd, suite: Paths) -> None:
    session = attempt("session", account, suite, low_ports=True)
    assert set(session["capabilities"].values()) == {1 << Capability.NET_BIND_SERVICE}
    diagnostics = attempt("diagnostics", account, suite, low_ports=True)
    assert set(diagnostics["capabilities"].values()) == {1 << Capability.NET_RAW}


@pytest.mark.parametrize("service", ["datamodel", "firmware"])
def test_the_others_stay_root_and_gain_nothing(
    account: pwd.struct_passwd, suite: Paths, service: str
) -> None:
    found = attempt(service, account, suite)
    assert found["uid"] == [0] * 3
    assert found["no_new_privs"] == "1"


def test_directories(account: pwd.struct_passwd, suite: Paths) -> None:
    old = suite.state_dir / "session/events.json"
    old.parent.mkdir()
    old.write_text("{}")
    privileges.prepare(Account(account.pw_uid, account.pw_gid), suite)
    mine = [suite.state_dir / "session", suite.state_dir / "diagnostics", suite.run_dir / "unprivileged"]
    for directory in mine:
        found = directory.stat()
        assert (found.st_uid, found.st_mode & 0o777) == (account.pw_uid, 0o700)
    assert old.stat().st_uid == account.pw_uid
    for directory in (suite.state_dir, suite.run_dir, suite.uci_dir, suite.uci_save_dir):
        found = directory.stat()
        assert (found.st_uid, found.st_mode & 0o022) == (0, 0)


def test_a_configuration_that_was_replaced_is_readable_again(
    account: pwd.struct_passwd, suite: Paths
) -> None:
    """`uci commit` keeps the mode of the file but gives it to root's group; what is saved has root's too."""
    them = Account(account.pw_uid, account.pw_gid)
    assert privileges.prepare(them, suite)
    assert not privileges.prepare(them, suite)
    saved = suite.uci_save_dir / "cwmp"
    saved.write_text("")
    assert saved.stat().st_gid == account.pw_gid  # before anybody looked after it
    for file in (suite.uci_dir / "cwmp", saved):
        os.chown(file, 0, 0)
        file.chmod(0o600)
    assert privileges.prepare(them, suite)
    for file in (suite.uci_dir / "cwmp", saved):
        found = file.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, account.pw_gid, 0o640)


def test_links_lead_nowhere(account: pwd.struct_passwd, suite: Paths) -> None:
    """Nobody gets a file of root's by a link that stands where ours should."""
    them = Account(account.pw_uid, account.pw_gid)
    secret = suite.sysroot / "shadow"
    secret.write_text("root:x")
    secret.chmod(0o600)
    config = suite.uci_dir / "cwmp"
    for make in (lambda: config.symlink_to(secret), lambda: config.hardlink_to(secret)):
        config.unlink()
        make()
        privileges.prepare(them, suite)
        assert (secret.stat().st_gid, secret.stat().st_mode & 0o777) == (0, 0o600)
    (suite.state_dir / "session/link").hardlink_to(secret)  # its owner may do that
    privileges.prepare(them, suite)
    assert secret.stat().st_uid == 0
    (suite.state_dir / "session/link").unlink()
    (suite.state_dir / "session").rmdir()
    (suite.state_dir / "session").symlink_to(suite.sysroot)
    with pytest.raises(OSError):
        privileges.prepare(them, suite)
    assert suite.sysroot.stat().st_uid == 0


def test_a_directory_of_somebody_else_is_refused(account: pwd.struct_passwd, suite: Paths) -> None:
    (suite.state_dir / "session").mkdir()
    os.chown(suite.state_dir / "session", account.pw_uid + 1, 0)
    with pytest.raises(PermissionError, match="remove it"):
        privileges.prepare(Account(account.pw_uid, account.pw_gid), suite)


def test_accounts(account: pwd.struct_passwd) -> None:
    them = Account(account.pw_uid, account.pw_gid)
    assert privileges.find_account(account.pw_name) == them
    assert privileges.find_account(str(account.pw_uid)) == them
    assert privileges.find_account("54321") == Account(54321, 54321)
    assert privileges.find_account("root") is None
    assert privileges.find_account("0") is None
    with pytest.raises(LookupError, match="no user 'nosuchuser'"):
        privileges.find_account("nosuchuser")


def test_a_developer_gives_up_nothing(suite: Paths) -> None:
    """Without an account (no root, no user cwmp) only the gaining of rights ends, and the paths stay."""
    assert privileges.paths_for("session", None, suite) == suite
    done = subprocess.run(
        [sys.executable, "-c", _TRY, "session", "0", "0", "no", "/dev/null", "/dev/null"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    found = json.loads(done.stdout)
    assert found["uid"] == [os.getuid()] * 3
    assert found["no_new_privs"] == "1"
