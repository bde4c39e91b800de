"""What the master does before it forks, so that its children go on sharing what it has in memory.

Theory of operation
-------------------
A page stays shared until a process writes on it, and in CPython to look at an object is to write: reference
counts, caches of types, code that specialises itself. So a child copies the pages it works with; what can be
done is to leave it less to write and fewer pages to write on:

1. What a service would import or read only later is there before the fork (`load`).
2. A cache of the interpreter that holds references to names of the start is emptied (`settle`): a child that
   uses it would let go of them one by one.
3. Free blocks between the master's objects are used up: a child's new objects lie together on pages of its own.
4. The collector never looks at what was there before the fork.
5. Where the interpreter knows immortal objects, all that is there before the fork is made immortal (`immortal`).

All of it is an economy: whatever of it fails, the services run. Nothing here opens a descriptor that stays
open, starts a thread or runs trio. What each step saves is in docs/footprint.md.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable

import cwmp.contract
from cwmp.contract.message import learn
from cwmp.runtime import immortal
from cwmp.runtime.service import Serve

_LATE = (
    "encodings.idna",  # the first host name that is looked up
    "gzip",  # the first compressed answer of an ACS
    "lxml.etree",  # the first session
    "ssl",  # the first https URL
    "ubuskit.uci._native",  # the first look into UCI
)
"""Modules that are imported at first use, when a service runs alone."""

_POOL = 16 * 1024  # of CPython's small object allocator, on 64-bit machines
_POOL_HEADER = 48
_BLOCK = 16
_LARGEST = 512
_FILL_MOST = 192 * 1024
"""Bytes for one size of block: where the allocator is another one, no more than this is wasted."""


def load(services: Iterable[str]) -> dict[str, Serve]:
    """Import `services` with all they will need; how each is to be served.

    Raises:
        ImportError: a service itself cannot be imported.
    """
    found = {service: importlib.import_module(f"cwmp.{service}.service").serve for service in services}
    for name in _LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for part in pkgutil.iter_modules(cwmp.contract.__path__):
        learn(importlib.import_module(f"cwmp.contract.{part.name}"))
    return found


def settle() -> list[object]:
    """Leave a child as little as possible to write on; the result is ballast, to be kept until the process ends."""
    gc.collect()
    clear: Callable[[], None] = getattr(sys, "_clear_type_cache", lambda: None)
    clear()
    ballast = list(_ballast()) if sys.maxsize > 2**32 and sys.implementation.name == "cpython" else []
    immortal.make()
    gc.freeze()
    return ballast


def _ballast() -> Iterable[object]:
    """Objects of every small size, until the allocator has begun a pool of its own for the next."""
    for size in range(_BLOCK, _LARGEST + 1, _BLOCK):
        for number in range(_FILL_MOST // size):
            item = _of_size(size, number)
            yield item
            if id(item) % _POOL == _POOL_HEADER:
                break


def _of_size(size: int, number: int) -> object:
    """A new object that takes a block of `size` bytes."""
    if size == sys.getsizeof(object()):
        return object()
    empty = sys.getsizeof(b"")
    return bytes(size - empty) if size > empty + 1 else float(number)
