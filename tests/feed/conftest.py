"""Fixtures of the feed's tests: the packages installed, an account to become, a directory that others may enter."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.feed.packages import NATIVE, Installed, install

ACCOUNT, STRANGER = "daemon", "nobody"
"""Users that every machine has: one stands in for `cwmp`, the other is anybody else."""


@pytest.fixture(scope="session")
def installed() -> Iterator[Installed]:
    """The packages in a root file system of their own."""
    if not (NATIVE / "include/uci.h").exists() or shutil.which("make") is None or shutil.which("cc") is None:
        if os.environ.get("CWMP_REQUIRE_NATIVE"):
            pytest.fail("libubox and libuci are missing: make native")
        pytest.skip("the packages are built with make, a C compiler and what `make native` installs")
    directory = Path(tempfile.mkdtemp(prefix="cwmp-feed-"))
    directory.chmod(0o755)  # the suite runs there as another user
    yield install(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def account() -> pwd.struct_passwd:
    """The user whom session and diagnostics become."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        pytest.skip(f"this machine has no user {ACCOUNT}")


@pytest.fixture
def open_dir(short_dir: Path) -> Path:
    """A directory whose path is short, and which every user may enter."""
    short_dir.chmod(0o755)
    return short_dir
