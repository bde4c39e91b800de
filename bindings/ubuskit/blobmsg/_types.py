"""What blobmsg knows and Python's types cannot say."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TypeAlias

Value: TypeAlias = "bool | int | float | str | Mapping[str, Value] | Sequence[Value]"

MAX_DEPTH = 32
"""Tables and arrays within one another, the message itself counted: json-c's own limit, so that whatever the
``ubus`` command line can bring in passes."""
MAX_NAME = 0xFFFF


class Type(IntEnum):
    """Type numbers of libubox's blobmsg.h; method signatures carry them as well."""

    UNSPEC = 0
    ARRAY = 1
    TABLE = 2
    STRING = 3
    INT64 = 4
    INT32 = 5
    INT16 = 6
    INT8 = 7
    BOOL = 7
    DOUBLE = 8


class Int8(int):
    """An integer to be sent as INT8 (ubus reads it as a boolean); -128..255."""


class Int16(int):
    """An integer to be sent as INT16; -32768..65535, comes back signed."""


class Int32(int):
    """An integer to be sent as INT32; -2**31..2**32-1, comes back signed (object ids travel so)."""


class Int64(int):
    """An integer to be sent as INT64 however small; -2**63..2**64-1, comes back signed."""
