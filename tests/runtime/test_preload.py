"""What the master does before it forks: everything is there, nothing stays open, nothing of it can stop a start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cwmp.contract import SERVICES, datamodel
from cwmp.contract.message import _packers, _unpackers

LOOK = """
import gc, json, os, signal, sys, threading
from cwmp.contract import SERVICES
before = sorted(os.listdir("/proc/self/fd"))
from cwmp.runtime import preload
{first}
found = preload.load(SERVICES)
ballast = preload.settle()
import trio
try:
    trio.lowlevel.current_trio_token()
    running = True
except RuntimeError:
    running = False
print(json.dumps({{
    "services": list(found),
    "new_fds": sorted(set(os.listdir("/proc/self/fd")) - set(before)),
    "threads": len(os.listdir("/proc/self/task")) + threading.active_count(),
    "children": open(f"/proc/self/task/{{os.getpid()}}/children").read(),
    "trio": running,
    "handlers": [n for n in range(1, 32) if n not in (2, 9, 13, 17, 19, 25)
                 and signal.getsignal(n) is not signal.SIG_DFL],
    "frozen": gc.get_freeze_count() > 10000,
    "ballast": sum(map(sys.getsizeof, ballast)),
    "loaded": [n for n in preload._LATE if n in sys.modules],
}}))
"""


def look(first: str = "", **environment: str) -> dict[str, object]:
    """What a process of its own sees after the preload; `first` is run before it."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(first=first)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path[1:]), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_nothing_is_left_open_or_running() -> None:
    seen = look()
    assert seen["services"] == list(SERVICES)
    assert seen["new_fds"] == []
    assert seen["threads"] == 2  # the main thread, as the kernel and as Python count it
    assert seen["children"] == ""
    assert seen["trio"] is False
    assert seen["handlers"] == []
    assert seen["frozen"] is True


def test_what_is_needed_later_is_there() -> None:
    seen = look()
    assert {"lxml.etree", "ssl", "encodings.idna", "gzip"} <= set(seen["loaded"])  # type: ignore[call-overload]


@pytest.mark.parametrize("allocator", ["malloc", "pymalloc", "pymalloc_debug"])
def test_ballast_is_bounded_whatever_the_allocator(allocator: str) -> None:
    assert 0 < int(str(look(PYTHONMALLOC=allocator)["ballast"])) < 7_000_000


@pytest.mark.parametrize("missing", ["lxml.etree", "gzip", "ubuskit.uci._native"])
def test_a_module_that_is_not_installed_is_left_out(missing: str) -> None:
    seen = look(f"sys.modules[{missing!r}] = None")
    assert seen["services"] == list(SERVICES)


def test_without_a_home_and_on_a_read_only_system(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert look(HOME="", TMPDIR=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")["services"] == list(SERVICES)
    assert list(tmp_path.iterdir()) == []


def test_messages_are_learnt() -> None:
    from cwmp.contract.message import learn

    learn(datamodel)
    hits = _packers.cache_info().hits, _unpackers.cache_info().hits
    assert [name for name, _ in _packers(datamodel.GetValues)] == ["paths"]
    assert [name for name, _, _ in _unpackers(datamodel.GetValues)] == ["paths"]
    assert (_packers.cache_info().hits, _unpackers.cache_info().hits) == (hits[0] + 1, hits[1] + 1)
