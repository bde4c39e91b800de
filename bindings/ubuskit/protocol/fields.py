"""The first level of an encoded blobmsg table, without decoding what is below it.

The daemon passes most data on unread; what it must know are a few fields, while a message may hold a megabyte.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ubuskit.blob import DecodeError, Octets, attribute, attributes

__all__ = ["Field", "fields"]


@dataclass(frozen=True, slots=True)
class Field:
    """One element: its blobmsg type number, its value's octets, and ``payload``: name and value as they came."""

    name: str
    type: int
    value: memoryview
    payload: memoryview

    def encoded(self) -> bytes:
        """The element as it stood in its table."""
        return attribute(self.type, self.payload, extended=True)

    def text(self) -> str:
        """A STRING's value."""
        octets = bytes(self.value)
        return octets.partition(b"\0")[0].decode("utf-8", "surrogateescape")

    def number(self) -> int:
        """An INT32's value, unsigned."""
        return int.from_bytes(self.value)


def fields(table: Octets) -> Iterator[Field]:
    """The elements of a table. Raises DecodeError."""
    for kind, payload in attributes(table):
        if len(payload) < 4:
            raise DecodeError("an element without a name")
        length = int.from_bytes(payload[:2])
        start = (length + 3 + 3) & ~3
        if start > len(payload) or payload[2 + length] != 0:
            raise DecodeError("an element's name does not fit it")
        name = bytes(payload[2 : 2 + length]).decode("utf-8", "surrogateescape")
        yield Field(name, kind, payload[start:], payload)
