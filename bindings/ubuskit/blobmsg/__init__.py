"""blobmsg, the data format of ubus: Python mappings to octets and back.

    table     mapping        INT8      bool
    array     list, tuple    INT16/32/64   int, signed
    string    str            DOUBLE    float

Strings are UTF-8; octets that are not survive a round trip as surrogate escapes. An int becomes INT32 where it
fits and INT64 otherwise; ``Int8``, ``Int16``, ``Int32`` and ``Int64`` say it differently. ubus has no null: None
is refused on the way out, and an element without a type reads as None.

``backend`` says which codec is in use: ``native`` (C over libubox, one call a message) where the extension is
built, else ``pure``. The environment variable UBUSKIT_BACKEND forces one. Both give the same results and errors.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from ubuskit.blob import BlobError, DecodeError, EncodeError, Octets
from ubuskit.blobmsg import _pure
from ubuskit.blobmsg._pure import encode_element
from ubuskit.blobmsg._types import MAX_DEPTH, Int8, Int16, Int32, Int64, Type, Value

__all__ = [
    "MAX_DEPTH",
    "BlobError",
    "DecodeError",
    "EncodeError",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Type",
    "Value",
    "backend",
    "decode",
    "encode",
    "encode_element",
]


def _choose(wanted: str) -> tuple[str, Any]:
    """Name and module of the codec; ``wanted`` is ``native``, ``pure`` or empty for the best there is."""
    if wanted not in {"", "native", "pure"}:
        raise ImportError(f"UBUSKIT_BACKEND={wanted}: must be native or pure")
    if wanted != "pure":
        try:
            from ubuskit.blobmsg import _native  # noqa: PLC0415 - absent where the extension is not built
        except ImportError as error:
            if wanted:
                raise ImportError(f"UBUSKIT_BACKEND=native, but there is no native codec: {error}") from error
        else:
            return "native", _native
    return "pure", _pure


backend: str
backend, _codec = _choose(os.environ.get("UBUSKIT_BACKEND", ""))
encode: Callable[[Mapping[str, Value]], bytes] = _codec.encode
"""The attributes of a table, without an outer header. Raises EncodeError."""
decode: Callable[[Octets], dict[str, Any]] = _codec.decode
"""The table that a sequence of attributes is. Raises DecodeError, and nothing else, whatever the bytes are."""
