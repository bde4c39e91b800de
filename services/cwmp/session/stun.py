"""STUN messages as TR-069 uses them: RFC 3489 and the attributes of Annex G; without I/O.

A message is a type, a transaction id of 16 bytes and attributes in their order. Only what has a meaning here is
looked into: addresses (IPv4, as RFC 3489 knows no other), USERNAME, MESSAGE-INTEGRITY, ERROR-CODE and the two
attributes of Annex G. A server of RFC 5389 or later answers such a request too: its further attributes, padded to
four bytes, are passed over.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import NamedTuple

MAX_BYTES = 2048
REQUEST_BINDING = b"dslforum.org/TR-111 "
"""The value of CONNECTION-REQUEST-BINDING (Annex G.2.1.2.2)."""

_HEADER = struct.Struct("!HH16s")
_ATTRIBUTE = struct.Struct("!HH")
_IPV4 = 1
_INTEGRITY_BYTES = 20
_BLOCK = 64


class StunError(Exception):
    """This is no STUN message; the text says why."""


class Kind(IntEnum):
    """Types of messages."""

    REQUEST = 0x0001
    RESPONSE = 0x0101
    ERROR = 0x0111


class Attribute(IntEnum):
    """Types of attributes."""

    MAPPED_ADDRESS = 0x0001
    RESPONSE_ADDRESS = 0x0002
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    CONNECTION_REQUEST_BINDING = 0xC001
    BINDING_CHANGE = 0xC002


class Endpoint(NamedTuple):
    """An IPv4 address as text, and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Message:
    """`raw` is what was received, up to where its MESSAGE-INTEGRITY begins; empty where there is none."""

    kind: int
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()
    raw: bytes = b""

    def get(self, attribute: int) -> bytes | None:
        return next((value for kind, value in self.attributes if kind == attribute), None)

    def endpoint(self, attribute: int) -> Endpoint | None:
        """An address among the attributes; None where there is none of IPv4."""
        value = self.get(attribute)
        if value is None or len(value) != 8 or value[1] != _IPV4:
            return None
        return Endpoint(str(IPv4Address(value[4:])), int.from_bytes(value[2:4], "big"))

    @property
    def error(self) -> int:
        """The code of ERROR-CODE, such as 401; 0 where there is none."""
        value = self.get(Attribute.ERROR_CODE)
        if value is None or len(value) < 4:
            return 0
        return (value[2] & 7) * 100 + value[3]

    def has_integrity(self, password: str) -> bool:
        """Whether it carries a MESSAGE-INTEGRITY made with `password`.

        RFC 3489 11.2.8 pads the text with zeros to 64 bytes, later ones do not; servers do as either says.
        """
        given = self.get(Attribute.MESSAGE_INTEGRITY)
        if given is None or not self.raw:
            return False
        return any(
            hmac.compare_digest(given, _seal(text, password)) for text in (_padded(self.raw), self.raw)
        )


def endpoint(address: Endpoint) -> bytes:
    """The value of an attribute that is an address."""
    return struct.pack("!BBH4s", 0, _IPV4, address.port, IPv4Address(address.host).packed)


def username(name: str) -> bytes:
    """The value of USERNAME: spaces fill it up to four bytes (Annex G.2.1.2.3)."""
    encoded = name.encode("utf-8", "replace")
    return encoded + b" " * (-len(encoded) % 4)


def error(code: int, reason: str) -> bytes:
    """The value of ERROR-CODE, filled up with spaces."""
    return bytes([0, 0, code // 100, code % 100]) + username(reason)


def encode(message: Message, password: str = "") -> bytes:
    """The bytes of a message; with a password MESSAGE-INTEGRITY is added, as RFC 3489 has it."""
    body = b"".join(
        _ATTRIBUTE.pack(kind, len(value)) + value + b"\0" * (-len(value) % 4)
        for kind, value in message.attributes
    )
    integrity = _ATTRIBUTE.size + _INTEGRITY_BYTES if password else 0
    data = _HEADER.pack(message.kind, len(body) + integrity, message.transaction) + body
    if not password:
        return data
    seal = _seal(_padded(data), password)
    return data + _ATTRIBUTE.pack(Attribute.MESSAGE_INTEGRITY, len(seal)) + seal


def decode(data: bytes) -> Message:
    """Read a datagram.

    Raises:
        StunError: it is malformed; nothing of it is to be used.
    """
    if not _HEADER.size <= len(data) <= MAX_BYTES:
        raise StunError("its size is that of no STUN message")
    kind, length, transaction = _HEADER.unpack_from(data)
    if kind & 0xC000 or length != len(data) - _HEADER.size:
        raise StunError("it has no header of STUN, or is cut off")
    attributes: list[tuple[int, bytes]] = []
    sealed = b""
    position = _HEADER.size
    while position < len(data):
        if len(data) - position < _ATTRIBUTE.size:
            raise StunError("an attribute is cut off")
        attribute, size = _ATTRIBUTE.unpack_from(data, position)
        start = position + _ATTRIBUTE.size
        if start + size > len(data):
            raise StunError("an attribute is cut off")
        if attribute == Attribute.MESSAGE_INTEGRITY and not sealed:
            sealed = data[:position]
        attributes.append((attribute, data[start : start + size]))
        position = start + size + (-size % 4)
    return Message(kind, transaction, tuple(attributes), sealed)


def _seal(text: bytes, password: str) -> bytes:
    return hmac.new(password.encode("utf-8", "surrogateescape"), text, hashlib.sha1).digest()


def _padded(text: bytes) -> bytes:
    return text + b"\0" * (-len(text) % _BLOCK)
