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

from ubuskit.blob import BlobError, DecodeError, EncodeError
from ubuskit.blobmsg._pure import decode, encode, encode_element
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

backend: str = "pure"
