"""Objects whose reference counts are never written again, so that the pages they lie on stay shared after a fork.

Since Python 3.12 an object may be immortal (PEP 683): its count has a value of its own, and whoever takes or drops
a reference leaves it alone. The interpreter makes only its own constants so. Here all objects that are there before
the fork are made so, by writing that value: none of them will go away in a child anyway, since the master keeps
the modules for its whole life.

Where the value would not be understood (another version, a build without the GIL, 32 bits) nothing is done.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import sysconfig
import types
from collections.abc import Iterable
from typing import Any

_VERSIONS = ((3, 12), (3, 13))
_IMMORTAL = 0xFFFFFFFF
"""_Py_IMMORTAL_REFCNT of these versions on 64-bit machines; the count is the first word of an object."""

_CHUNK = 512


def possible() -> bool:
    """Whether this interpreter would understand it."""
    return (
        sys.implementation.name == "cpython"
        and sys.version_info[:2] in _VERSIONS
        and sys.maxsize > 2**32
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
    )


def make() -> int:
    """Make everything that is reachable immortal; how many objects were not so before."""
    if not possible():
        return 0
    count = 0
    codes: list[types.CodeType] = []
    containers = gc.get_objects()
    for start in range(0, len(containers), _CHUNK):
        count += _mark(gc.get_referents(*containers[start : start + _CHUNK]), codes)
    while codes:  # the collector does not know what code refers to
        code = codes.pop()
        parts = (code.co_consts, code.co_names, code.co_filename, code.co_name, code.co_qualname)
        count += _mark((*parts, code.co_linetable, code.co_exceptiontable), codes)
    return count


def _mark(objects: Iterable[Any], codes: list[types.CodeType]) -> int:
    """Make `objects` immortal, and what tuples among them hold; add to `codes` what else has to be looked into."""
    count = 0
    for item in objects:
        references = ctypes.c_size_t.from_address(id(item))
        if references.value & _IMMORTAL == _IMMORTAL or isinstance(item, types.FrameType):
            continue
        references.value = _IMMORTAL
        count += 1
        if isinstance(item, types.CodeType):
            codes.append(item)
        elif type(item) is tuple:
            count += _mark(item, codes)
    return count
