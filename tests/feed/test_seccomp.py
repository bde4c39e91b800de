"""The system calls that a jail refuses to session and diagnostics are none that they make: a suite of separate
services is traced through the demo."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.feed.packages import FEED, PROJECT

FILTER = json.loads((FEED / "tr069-client/files/cwmp.seccomp.json").read_text())
REFUSED: list[str] = FILTER["syscalls"][0]["names"]

_TRIO_LOOKS_FOR_LIBPTHREAD = r'execve\("[^"]*/(ldconfig|gcc|cc|ld|objdump)"'
"""ctypes.util.find_library in trio, once, for the names of threads; it does without, as on every router."""

_TRACED = """#!/bin/sh
case "$2" in
	cwmp.session|cwmp.diagnostics)
		exec 9>{ended}
		exec {strace} -D --seccomp-bpf -f -qq -e trace={calls} -o "{directory}/$2.$$" {python} "$@" ;;
esac
exec {python} "$@"
"""
_DEMO = """
import sys
from pathlib import Path
from cwmp.lab import demo
from cwmp.lab.console import Console, run_until_signal
sys.executable = sys.argv[2]
sys.exit(run_until_signal(lambda: demo._demo(Console(sys.stdout), Path(sys.argv[1]), separate=True)))
"""


def test_the_file_is_one_that_procd_reads() -> None:
    """As containers have it: names unknown on an architecture are passed over there."""
    assert FILTER["defaultAction"] == "SCMP_ACT_ALLOW"
    (rule,) = FILTER["syscalls"]
    assert rule["action"] == "SCMP_ACT_ERRNO"
    assert len(REFUSED) == len(set(REFUSED)) < 256  # a jump in the kernel's filter is one byte
    assert {"execve", "execveat", "ptrace", "process_vm_writev", "bpf", "mount"} <= set(REFUSED)


def test_nothing_that_is_refused_is_needed(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    work, traces, python = tmp_path / "demo", tmp_path / "traces", tmp_path / "python3"
    ended = tmp_path / "ended"  # open for writing as long as anything is traced
    os.mkfifo(ended)
    end = os.open(ended, os.O_RDONLY | os.O_NONBLOCK)
    for directory in (work, traces):
        directory.mkdir()
    calls = ",".join(f"?{name}" for name in REFUSED)
    python.write_text(
        _TRACED.format(strace=strace, calls=calls, directory=traces, python=sys.executable, ended=ended)
    )
    python.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", _DEMO, str(work), str(python)],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    os.set_blocking(end, True)
    assert os.read(end, 1) == b""
    os.close(end)
    found = {path.name: path.read_text() for path in traces.iterdir()}
    if any("PTRACE" in text or "Operation not permitted" in text for text in found.values()):
        pytest.skip("this machine lets nobody trace")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name.split(".")[1] for name in found} == {"session", "diagnostics"}
    for name, text in found.items():
        calls_made = [line for line in text.splitlines() if re.match(r"\d+ +\w+\(", line)]
        own, *rest = calls_made  # the first is strace's, by which the service starts
        assert "execve(" in own
        assert not [line for line in rest if not re.search(_TRIO_LOOKS_FOR_LIBPTHREAD, line)], name
