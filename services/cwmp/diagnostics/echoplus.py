"""The UDP Echo Plus header (TR-143): five 32-bit numbers at the beginning of the payload; bytes in, bytes out."""

from __future__ import annotations

import struct
from typing import NamedTuple

_HEADER = struct.Struct("!5I")
SIZE = _HEADER.size


class Header(NamedTuple):
    """Sequence numbers of the client and of the server, µs that wrap, and the replies that could not be sent."""

    gen_sn: int
    resp_sn: int = 0
    received: int = 0
    replied: int = 0
    failures: int = 0

    def pack(self) -> bytes:
        return _HEADER.pack(*(value & 0xFFFFFFFF for value in self))


def unpack(payload: bytes) -> Header | None:
    """The header of a payload; None where it is too short to have one."""
    return Header(*_HEADER.unpack_from(payload)) if len(payload) >= SIZE else None
