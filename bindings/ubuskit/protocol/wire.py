"""Frames: how ubus messages follow each other on a stream socket.

    offset  size
    0       1     version, 0
    1       1     message type
    2       2     sequence number, big-endian like all that follows
    4       4     peer: a client's or an object's id, by message type
    8       4     head of the blob that holds the attributes: its length, these four bytes included
    12      n     the attributes

Source: ubusmsg.h, libubus-io.c, ubusd_main.c. The daemon and libubus refuse a blob over 1 MiB.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from ubuskit.blob import MAX_LENGTH, Octets
from ubuskit.errors import MessageTooLarge, ProtocolError

__all__ = [
    "ACL_OBJECT",
    "EVENT_OBJECT",
    "FIRST_FREE_ID",
    "MAX_BLOB",
    "MAX_BODY",
    "MONITOR_OBJECT",
    "Attr",
    "Frame",
    "FrameReader",
    "MessageType",
    "pack_frame",
]


class MessageType(IntEnum):
    """enum ubus_msg_type"""

    HELLO = 0
    STATUS = 1
    DATA = 2
    PING = 3
    LOOKUP = 4
    INVOKE = 5
    ADD_OBJECT = 6
    REMOVE_OBJECT = 7
    SUBSCRIBE = 8
    UNSUBSCRIBE = 9
    NOTIFY = 10
    MONITOR = 11


class Attr(IntEnum):
    """enum ubus_msg_attr"""

    STATUS = 1
    OBJPATH = 2
    OBJID = 3
    METHOD = 4
    OBJTYPE = 5
    SIGNATURE = 6
    DATA = 7
    TARGET = 8
    ACTIVE = 9
    NO_REPLY = 10
    SUBSCRIBERS = 11
    USER = 12
    GROUP = 13


EVENT_OBJECT: Final = 1
ACL_OBJECT: Final = 2
MONITOR_OBJECT: Final = 3
FIRST_FREE_ID: Final = 1024
"""Ids below are the daemon's own objects."""

MAX_BLOB: Final = 1 << 20
"""UBUS_MAX_MSGLEN: the largest blob of one message, its head included."""

_HEADER: Final = Struct(">BBHII")
_HEADER_LENGTH: Final = 12
_BLOB_HEAD_LENGTH: Final = 4
MAX_BODY: Final = MAX_BLOB - _BLOB_HEAD_LENGTH
"""The attributes of one message may have this many octets."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it came; ``type`` may be a number that MessageType does not know, ``body`` are attributes."""

    type: int
    seq: int
    peer: int
    body: Octets


def pack_frame(kind: int, seq: int, peer: int, body: bytes) -> bytes:
    """The octets of one message. Raises MessageTooLarge."""
    length = _BLOB_HEAD_LENGTH + len(body)
    if length > MAX_BLOB:
        raise MessageTooLarge(f"a ubus message of {length} bytes: {MAX_BLOB} at most; send it in several")
    return _HEADER.pack(0, kind, seq, peer, length) + body


class FrameReader:
    """Octets of a stream in, frames out. Holds one unfinished frame at most."""

    __slots__ = ("_held", "_need")

    def __init__(self) -> None:
        self._held = bytearray()
        self._need = _HEADER_LENGTH

    @property
    def unfinished(self) -> bool:
        """Whether a part of a frame is held."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that ``data`` completes, to be taken to the end; bodies are views, not copies.

        Raises ProtocolError at the first octets that are no frame; the reader is of no use after it.
        """
        chunk: Octets = data
        if self._held:
            self._held += data
            if len(self._held) < self._need:
                return
            chunk, self._held = self._held, bytearray()
        view = memoryview(chunk)
        offset, end = 0, len(view)
        self._need = _HEADER_LENGTH
        while end - offset >= _HEADER_LENGTH:
            version, kind, seq, peer, word = _HEADER.unpack_from(view, offset)
            length = word & MAX_LENGTH
            if version != 0:
                raise ProtocolError(f"ubus version {version} in a message header, only 0 is known")
            if not _BLOB_HEAD_LENGTH <= length <= MAX_BLOB:
                raise ProtocolError(f"a ubus message that claims {length} bytes: {MAX_BLOB} at most")
            following = offset + _HEADER_LENGTH - _BLOB_HEAD_LENGTH + length
            if following > end:
                self._need = following - offset
                break
            yield Frame(kind, seq, peer, view[offset + _HEADER_LENGTH : following])
            offset = following
        if offset < end:
            self._held += view[offset:]
