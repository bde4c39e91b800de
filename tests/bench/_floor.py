"""Compiles floor.c against the libraries that the extension uses, and measures fairly."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
DECLARATIONS = """
size_t floor_encode(int repeats);
size_t floor_decode(const char *data, size_t length, int repeats);
size_t floor_uci(const char *confdir, const char *savedir, int packages);
"""


def floor() -> Any:
    """The C baseline; None, with a word about it, where libubox and libuci are missing."""
    from cffi import FFI

    prefix = Path(os.environ.get("UBUSKIT_PREFIX", PROJECT / "build" / "native" / "usr"))
    if not (prefix / "include" / "uci.h").exists():
        print("no libubox and libuci here (make native brings them): no C baseline for the codec and UCI")
        return None
    directory = PROJECT / "build" / "bench"
    directory.mkdir(parents=True, exist_ok=True)
    builder = FFI()
    builder.cdef(DECLARATIONS)
    builder.set_source(
        "floor",
        DECLARATIONS,
        sources=[str(HERE / "floor.c")],
        include_dirs=[str(prefix / "include")],
        library_dirs=[str(prefix / "lib")],
        runtime_library_dirs=[str(prefix / "lib")],
        libraries=["ubox", "uci"],
        extra_compile_args=["-O2", "-std=gnu11", "-w"],
    )
    spec = util.spec_from_file_location("floor", builder.compile(tmpdir=str(directory)))
    assert spec and spec.loader
    module = util.module_from_spec(spec)
    sys.modules["floor"] = module
    spec.loader.exec_module(module)
    return module.lib


def best(candidates: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Seconds of the best round of each; the rounds take turns, so that a slow moment meets all of them."""
    results = dict.fromkeys(candidates, float("inf"))
    for _ in range(rounds):
        for name, work in candidates.items():
            start = time.perf_counter()
            work()
            results[name] = min(results[name], time.perf_counter() - start)
    return results
