"""The blobmsg codec in Python alone: for machines without libubox, and the one that words every error.

A blobmsg element is a blob attribute whose id is its type and whose payload starts with its name:

    length of the name (16 bit), the name, a zero byte, zeros up to a multiple of four, then the value

Elements of an array have an empty name, or none at all (the attribute is not ``extended``).
Where C readers are lenient in ways that hide an attack or a bug (an attribute that does not fit is silently
the end) this one raises; where they agree on a meaning it takes theirs: a string ends at its first zero byte,
and of two elements with one name the first counts (``blobmsg_parse``).
"""

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, Final

from ubuskit.blob import EXTENDED, MAX_LENGTH, DecodeError, EncodeError, Octets
from ubuskit.blobmsg._types import MAX_DEPTH, MAX_NAME, Int8, Int16, Int32, Int64, Type, Value

_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
_WORD: Final = Struct(">I")
_NAME_LENGTH: Final = Struct(">H")
_WORD_AND_NAME_LENGTH: Final = Struct(">IH")
_DOUBLE: Final = Struct(">d")
_INT32: Final = Struct(">i")
_INT64: Final = Struct(">q")

_WIDTHS: Final = {
    Int8: (Type.INT8, 1),
    Int16: (Type.INT16, 2),
    Int32: (Type.INT32, 4),
    Int64: (Type.INT64, 8),
}
_NAMELESS: Final = b"\0\0\0\0"
_TERMINATED: Final = tuple(b"\0" + padding for padding in _PADDING)
_LONE_SURROGATE: Final = "the {} holds a lone surrogate, which has no UTF-8 form"

# Plain numbers: an enum's member costs a look-up for every element.
_ARRAY, _TABLE, _STRING = int(Type.ARRAY), int(Type.TABLE), int(Type.STRING)
_INT64_ID, _INT32_ID, _INT8_ID, _DOUBLE_ID = (
    int(Type.INT64),
    int(Type.INT32),
    int(Type.INT8),
    int(Type.DOUBLE),
)
_STRING_WORD: Final = EXTENDED | _STRING << 24
_FIXED: Final = {
    int(Type.INT64): _INT64,
    int(Type.INT32): _INT32,
    int(Type.INT16): Struct(">h"),
    int(Type.INT8): Struct(">?"),
    int(Type.DOUBLE): _DOUBLE,
}


def encode(table: Mapping[str, Value]) -> bytes:
    data = _encode_table(table, 1, {})
    if len(data) > MAX_LENGTH - 4:
        raise EncodeError(f"a message of {len(data)} bytes does not fit one attribute")
    return data


def decode(data: Octets) -> dict[str, Any]:
    return _Reader(bytes(memoryview(data))).message()


def encode_element(name: str, value: Value) -> bytes:
    """One element of a table, named and padded."""
    try:
        return _element(_name(name), *_encode_value(value, 1, {}))
    except EncodeError as error:
        error.enter(_step(name))
        raise


def _step(name: object) -> str:
    """A name as it appears in an error's path: short, and harmless in a log."""
    if isinstance(name, str) and len(name) <= 64 and name.isprintable() and name:
        return name
    return ascii(name[:64]) if isinstance(name, str) else f"<{type(name).__name__}>"


# Encoding


def _name(name: str) -> bytes:
    """A name in its header: length, name, zero byte, padding."""
    if not isinstance(name, str):
        raise EncodeError(f"a name must be a string, not {type(name).__name__}")
    octets = _octets(name, "name")
    if len(octets) > MAX_NAME:
        raise EncodeError(f"a name of {len(octets)} bytes is longer than {MAX_NAME}")
    length = len(octets) + 3
    return _NAME_LENGTH.pack(len(octets)) + octets + b"\0" + _PADDING[length & 3]


def _octets(text: str, what: str) -> bytes:
    try:
        octets = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise EncodeError(_LONE_SURROGATE.format(what)) from None
    if b"\0" in octets:
        raise EncodeError(f"the {what} holds a zero character, where C would end it")
    return octets


def _element(name: bytes, kind: int, value: bytes) -> bytes:
    length = 4 + len(name) + len(value)
    if length > MAX_LENGTH:
        raise EncodeError(f"{length} bytes do not fit one attribute: {MAX_LENGTH} at most")
    return _WORD.pack(EXTENDED | kind << 24 | length) + name + value + _PADDING[length & 3]


def _encode_table(table: Mapping[str, Value], depth: int, names: dict[str, bytes]) -> bytes:
    if not isinstance(table, Mapping):
        raise EncodeError(f"a message must be a mapping, not {type(table).__name__}")
    parts: list[bytes] = []
    for name, value in table.items():
        try:
            head = names.get(name) if type(name) is str else None
            if head is None:
                head = names[name] = _name(name)
            if type(value) is str:  # by far the most common: spared two calls
                octets = value.encode("utf-8", "surrogateescape")
                length = 5 + len(head) + len(octets)
                if length <= MAX_LENGTH and 0 not in octets:
                    parts += (_WORD.pack(_STRING_WORD | length), head, octets, _TERMINATED[length & 3])
                    continue
            parts.append(_element(head, *_encode_value(value, depth, names)))
        except EncodeError as error:
            error.enter(_step(name))
            raise
        except UnicodeEncodeError:
            raise EncodeError(_LONE_SURROGATE.format("string"), _step(name)) from None
    return b"".join(parts)


def _encode_array(array: Sequence[Value], depth: int, names: dict[str, bytes]) -> bytes:
    parts: list[bytes] = []
    for index, value in enumerate(array):
        try:
            parts.append(_element(_NAMELESS, *_encode_value(value, depth, names)))
        except EncodeError as error:
            error.enter(f"[{index}]")
            raise
    return b"".join(parts)


def _encode_value(value: Value, depth: int, names: dict[str, bytes]) -> tuple[int, bytes]:
    """Type and octets of a value; ``depth`` is that of the container it stands in."""
    if isinstance(value, str):
        return _STRING, _octets(value, "string") + b"\0"
    if isinstance(value, bool):
        return _INT8_ID, b"\1" if value else b"\0"
    if isinstance(value, int):
        return _encode_integer(value)
    if isinstance(value, float):
        return _DOUBLE_ID, _DOUBLE.pack(value)
    if isinstance(value, Mapping):
        return _TABLE, _encode_table(value, _deeper(depth), names)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return _ARRAY, _encode_array(value, _deeper(depth), names)
    if value is None:
        raise EncodeError("ubus has no null; leave the element out")
    raise EncodeError(f"{type(value).__name__} has no blobmsg type")


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise EncodeError(f"tables and arrays are nested deeper than {MAX_DEPTH}")
    return depth + 1


def _encode_integer(value: int) -> tuple[int, bytes]:
    for wrapper, (kind, width) in _WIDTHS.items() if type(value) is not int else ():
        if isinstance(value, wrapper):
            bits = 8 * width
            if not -(1 << bits - 1) <= value < 1 << bits:
                raise EncodeError(f"the integer does not fit {kind.name}")
            return kind, (value & (1 << bits) - 1).to_bytes(width, "big")
    if -0x80000000 <= value <= 0x7FFFFFFF:
        return _INT32_ID, _INT32.pack(value)
    if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        return _INT64_ID, _INT64.pack(value)
    raise EncodeError("the integer does not fit 64 bits, signed")


# Decoding


class _Reader:
    """One message being read, and the names met so far: those that repeat are decoded once."""

    __slots__ = ("_data", "_names")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._names: dict[bytes, str] = {}

    def message(self) -> dict[str, Any]:
        return self._table(0, len(self._data), 1)

    def _table(self, offset: int, end: int, depth: int) -> dict[str, Any]:
        table: dict[str, Any] = {}
        data, names = self._data, self._names
        while offset < end:
            word, name_length = (
                _WORD_AND_NAME_LENGTH.unpack_from(data, offset) if end - offset >= 8 else (0, 0)
            )
            stop = offset + (word & MAX_LENGTH)
            after_name = offset + 6 + name_length
            start = offset + 4 + (name_length + 6 & ~3)
            if not word & EXTENDED or start > stop or (stop + 3 & ~3) > end or data[after_name]:
                raise self._fault(offset, end)
            octets = data[offset + 6 : after_name]
            name = names.get(octets)
            if name is None:
                if 0 in octets:
                    raise DecodeError(f"the name at byte {offset + 6} of the message holds a zero byte")
                name = names[octets] = octets.decode("utf-8", "surrogateescape")
            try:
                value = self._value(word, start, stop, depth)
            except DecodeError as error:
                error.enter(_step(name))
                raise
            table.setdefault(name, value)
            offset = stop + 3 & ~3
        return table

    def _fault(self, offset: int, end: int) -> DecodeError:
        """What is wrong with the element of a table at ``offset``."""
        try:
            word, _ = self._head(offset, end)
            if word & EXTENDED:
                self._value_offset(offset, word & MAX_LENGTH)
        except DecodeError as error:
            return error
        return DecodeError(f"the element at byte {offset} of the message is in a table but has no name")

    def _array(self, offset: int, end: int, depth: int) -> list[Any]:
        array: list[Any] = []
        while offset < end:
            try:
                word, following = self._head(offset, end)
                start = self._value_offset(offset, word & MAX_LENGTH) if word & EXTENDED else offset + 4
                array.append(self._value(word, start, offset + (word & MAX_LENGTH), depth))
            except DecodeError as error:
                error.enter(f"[{len(array)}]")
                raise
            offset = following
        return array

    def _head(self, offset: int, end: int) -> tuple[int, int]:
        """The word of the element at ``offset`` and the offset of the one that follows."""
        if end - offset < 4:
            raise DecodeError(f"element header cut off at byte {offset} of the message")
        (word,) = _WORD.unpack_from(self._data, offset)
        length = word & MAX_LENGTH
        following: int = offset + (length + 3 & ~3)
        if length < 4 or following > end:
            raise DecodeError(
                f"the element at byte {offset} of the message claims {length} bytes where {end - offset} are left"
            )
        return word, following

    def _value_offset(self, offset: int, length: int) -> int:
        """Where the value of the element at ``offset`` starts, after its name."""
        if length >= 8:
            _, name_length = _WORD_AND_NAME_LENGTH.unpack_from(self._data, offset)
            start: int = offset + 4 + (name_length + 6 & ~3)
            if start <= offset + length and not self._data[offset + 6 + name_length]:
                return start
        raise DecodeError(f"the name at byte {offset + 4} of the message is cut off or not terminated")

    def _value(self, word: int, start: int, end: int, depth: int) -> Any:
        kind = word >> 24 & 0x7F
        if kind == _STRING:
            if start == end or self._data[end - 1]:
                raise DecodeError("a string without its terminating zero byte")
            text = self._data[start : end - 1].decode("utf-8", "surrogateescape")
            return text if "\0" not in text else text[: text.index("\0")]
        fixed = _FIXED.get(kind)
        if fixed is not None:
            if end - start != fixed.size:
                raise DecodeError(f"{Type(kind).name} of {end - start} bytes instead of {fixed.size}")
            return fixed.unpack_from(self._data, start)[0]
        if kind in (_TABLE, _ARRAY):
            if depth >= MAX_DEPTH:
                raise DecodeError(f"tables and arrays are nested deeper than {MAX_DEPTH}")
            decode_container = self._table if kind == _TABLE else self._array
            return decode_container(start, end, depth + 1)
        if kind == Type.UNSPEC:
            return None
        raise DecodeError(f"{kind} is no blobmsg type")
