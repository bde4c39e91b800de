"""Raw blob attributes: libubox's tagged containers, below blobmsg and below the ubus wire protocol.

One attribute is a big-endian word and a payload, padded with zeros to a multiple of four bytes:

    bit 31      extended: the payload starts with a blobmsg name
    bits 24-30  id
    bits 0-23   length of word and payload, without the padding

Padding belongs to the container: it counts in the length of whatever holds the attribute.
Everything read here may come from a hostile peer, so every length is checked before it is used and
whatever does not fit raises DecodeError. Source: libubox blob.h, blob.c.
"""

from collections.abc import Iterator
from struct import Struct
from typing import TypeAlias

__all__ = [
    "HEADER_LENGTH",
    "MAX_ID",
    "MAX_LENGTH",
    "BlobError",
    "DecodeError",
    "EncodeError",
    "Octets",
    "attribute",
    "attributes",
    "head",
]

Octets: TypeAlias = bytes | bytearray | memoryview

HEADER_LENGTH = 4
MAX_LENGTH = 0xFFFFFF
"""Largest length of one attribute, its header included: the field has 24 bits."""
MAX_ID = 0x7F
EXTENDED = 0x80000000

_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
_WORD = Struct(">I")


class BlobError(ValueError):
    """Data that is no blob, or cannot become one.

    ``reason`` says what is wrong; ``path`` where in the message it is (``values.list[3]``, empty for the
    message itself). Neither ever holds a value from the message, which may be secret.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason

    def enter(self, step: str) -> None:
        """Put the name of the enclosing element before the path; called while the error travels outwards."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{step}{joint}{self.path}"


class EncodeError(BlobError):
    """A Python value that has no form on the wire."""


class DecodeError(BlobError):
    """Bytes that are truncated, inconsistent or of an unknown type."""


def head(data: Octets, offset: int = 0) -> tuple[int, int]:
    """Id and length (header included, padding not) of the attribute whose header is at ``offset``."""
    try:
        (word,) = _WORD.unpack_from(data, offset)
    except Exception as error:
        raise DecodeError(f"attribute header cut off at byte {offset}") from error
    length = word & MAX_LENGTH
    if length < HEADER_LENGTH:
        raise DecodeError(f"attribute at byte {offset} claims {length} bytes, less than its own header")
    return word >> 24 & MAX_ID, length


def attributes(data: Octets) -> Iterator[tuple[int, memoryview]]:
    """The attributes that fill ``data``, in order, as (id, payload); the payload is a view, not a copy.

    Raises DecodeError where an attribute and its padding do not fit what is left.
    """
    view = memoryview(data).cast("B")
    offset, end = 0, len(view)
    while offset < end:
        ident, length = head(view, offset)
        following = offset + (length + 3 & ~3)
        if following > end:
            raise DecodeError(
                f"attribute at byte {offset} needs {following - offset} bytes, {end - offset} are left"
            )
        yield ident, view[offset + HEADER_LENGTH : offset + length]
        offset = following


def attribute(ident: int, payload: Octets = b"", *, extended: bool = False) -> bytes:
    """One attribute, padded. Raises EncodeError when the payload or the id does not fit its field."""
    data = bytes(payload)
    length = HEADER_LENGTH + len(data)
    if length > MAX_LENGTH:
        raise EncodeError(f"{len(data)} bytes do not fit one attribute: {MAX_LENGTH - HEADER_LENGTH} at most")
    if not 0 <= ident <= MAX_ID:
        raise EncodeError(f"attribute id {ident} is not within 0..{MAX_ID}")
    word = length | ident << 24 | (EXTENDED if extended else 0)
    return _WORD.pack(word) + data + _PADDING[length & 3]
