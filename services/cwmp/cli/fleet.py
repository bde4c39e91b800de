"""`cwmp fleet`: many virtual routers against an ACS. It belongs to the lab, which no router has: another program."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Final

HELP: Final = "many virtual routers against an ACS, where the lab is installed; `cwmp fleet --help`"
_REFUSED = 1


def fleet(arguments: Sequence[str]) -> int:
    """Become that program. Returns, with an exit code, only where there is none."""
    if importlib.util.find_spec("cwmp.lab") is not None:
        command = [sys.executable, "-m", "cwmp.lab.fleet", *arguments]
        os.execv(sys.executable, command)  # noqa: S606  # no shell is what we want
    sys.stderr.write("cwmp: fleet needs the lab (cwmp.lab), which is not installed here: use a source tree\n")
    return _REFUSED
