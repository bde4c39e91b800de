"""The blobmsg codec in C over libubox: one call a message. What it declines the pure codec does, or refuses."""

from collections.abc import Mapping
from typing import Any

from ubuskit._extension import functions
from ubuskit.blob import Octets
from ubuskit.blobmsg import _pure
from ubuskit.blobmsg._types import Value

_encode = functions["blobmsg_encode"]
_decode = functions["blobmsg_decode"]


def encode(table: Mapping[str, Value]) -> bytes:
    data: bytes | None = _encode(table)
    return _pure.encode(table) if data is None else data


def decode(data: Octets) -> dict[str, Any]:
    table: dict[str, Any] | None = _decode(data)
    return _pure.decode(data) if table is None else table
