"""Takes the functions of the C extension out of cffi's hands; importing this fails where it is not built."""

from collections.abc import Callable
from typing import Any

from ubuskit._native import ffi, lib
from ubuskit.blobmsg._types import Int8, Int16, Int32, Int64


def _hand_over() -> dict[str, Callable[..., Any]]:
    names: dict[str, Any] = {cls.__name__: cls for cls in (Int8, Int16, Int32, Int64)}
    classes = set(names)
    if lib.ubuskit_hand_over(ffi.cast("uintptr_t", id(names))):
        raise ImportError("ubuskit._native does not fit this ubuskit; build it again")
    return {name: function for name, function in names.items() if name not in classes}


functions = _hand_over()
