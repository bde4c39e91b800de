"""Parameter lists of any length.

An array names its length before its first element (`arrayType`) and HTTP the length of the whole body, but a
list arrives page by page and may have 50 000 parameters. So the elements are written as text at once and, beyond
what any list may take, kept compressed: markup and paths compress about fifteenfold, and compressing costs about
as much as writing.
A list can be read as often as the request has to be sent (401, redirect).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from cwmp.session.soap.text import escape_all, to_bytes

_CHUNK = 64 * 1024
_PLAIN = 384 * 1024
_MAX_COMPRESSED = 8 << 20
_MAX_BYTES = 256 << 20

_XSD_TYPES = {
    name: f"xsd:{name}"
    for name in (
        "string",
        "int",
        "unsignedInt",
        "long",
        "unsignedLong",
        "boolean",
        "dateTime",
        "hexBinary",
        "decimal",
    )
} | {"base64": "xsd:base64Binary"}


class ListTooLong(Exception):
    """A list is longer than we are ready to send."""


class _Spool:
    """Bytes, written once, then read in chunks as often as wanted; what is beyond `_PLAIN` is compressed."""

    def __init__(self, max_compressed: int, max_bytes: int) -> None:
        self.length = 0
        self._max_compressed = max_compressed
        self._max_bytes = max_bytes
        self._plain: list[bytes] = []
        self._size = 0
        self._chunks: list[bytes] = []
        self._compress = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)

    def write(self, data: bytes) -> None:
        self.length += len(data)
        if self.length <= _PLAIN:
            self._plain.append(data)
        else:
            self._keep(self._compress.compress(data))
        if self.length > self._max_bytes or self._size > self._max_compressed:
            self._plain.clear()
            self._chunks.clear()
            raise ListTooLong(f"a list of more than {self.length >> 20} MiB")

    def finish(self) -> None:
        self._keep(self._compress.flush())

    def _keep(self, compressed: bytes) -> None:
        if compressed:
            self._chunks.append(compressed)
            self._size += len(compressed)

    def read(self) -> Iterator[bytes]:
        for plain in self._plain:
            for start in range(0, len(plain), _CHUNK):
                yield plain[start : start + _CHUNK]
        expand = zlib.decompressobj(-zlib.MAX_WBITS)
        for chunk in self._chunks:
            pending = chunk
            while pending:
                if data := expand.decompress(pending, _CHUNK):
                    yield data
                pending = expand.unconsumed_tail
        if data := expand.flush():
            yield data


class _List:
    """The elements of an array as text. `finish` it before it is read."""

    item = ""

    def __init__(self, max_compressed: int = _MAX_COMPRESSED, max_bytes: int = _MAX_BYTES) -> None:
        self.count = 0
        self._spool = _Spool(max_compressed, max_bytes)
        self._finished = False

    @property
    def length(self) -> int:
        """How many bytes `chunks` gives."""
        return self._spool.length

    def finish(self) -> None:
        """Nothing is added any more."""
        if not self._finished:
            self._finished = True
            self._spool.finish()

    def chunks(self) -> Iterator[bytes]:
        """The elements, in pieces of at most 64 KiB; may be called again."""
        self.finish()
        return self._spool.read()

    def _add(self, rows: list[str]) -> None:
        self.count += len(rows)
        self._spool.write(to_bytes("".join(rows)))


class ValueList(_List):
    """ParameterValueStructs (TR-069a6 A.3.2.2)."""

    item = "cwmp:ParameterValueStruct"

    def add(self, names: Sequence[str], types: Sequence[str], values: Sequence[str]) -> None:
        """One page; the three have the same length.

        Raises:
            ListTooLong: the list is over its limit and has been dropped.
        """
        kinds = {t: _XSD_TYPES.get(t, "xsd:string") for t in set(types)}
        self._add(
            [
                f"<ParameterValueStruct><Name>{name}</Name>"
                f'<Value xsi:type="{xsd}">{value}</Value></ParameterValueStruct>'
                for name, xsd, value in zip(
                    escape_all(names),
                    map(kinds.__getitem__, types),
                    escape_all(values),
                    strict=True,
                )
            ]
        )


class AttributeList(_List):
    """ParameterAttributeStructs (TR-069a6 A.3.2.5)."""

    item = "cwmp:ParameterAttributeStruct"

    def add(
        self, names: Sequence[str], notifications: Sequence[int], access_lists: Sequence[Sequence[str]]
    ) -> None:
        """One page; the three have the same length.

        Raises:
            ListTooLong: the list is over its limit and has been dropped.
        """
        access = {
            entries: f'<AccessList soap-enc:arrayType="xsd:string[{len(entries)}]">'
            f"{''.join(f'<string>{e}</string>' for e in escape_all(entries))}</AccessList>"
            for entries in set(map(tuple, access_lists))
        }
        self._add(
            [
                f"<ParameterAttributeStruct><Name>{name}</Name><Notification>{notification}</Notification>"
                f"{access[tuple(entries)]}</ParameterAttributeStruct>"
                for name, notification, entries in zip(
                    escape_all(names), notifications, access_lists, strict=True
                )
            ]
        )


class InfoList(_List):
    """ParameterInfoStructs (TR-069a6 A.3.2.3)."""

    item = "cwmp:ParameterInfoStruct"

    def add(self, names: Sequence[str], writable: Sequence[bool]) -> None:
        """One page; both have the same length.

        Raises:
            ListTooLong: the list is over its limit and has been dropped.
        """
        self._add(
            [
                f"<ParameterInfoStruct><Name>{name}</Name>"
                f"<Writable>{'1' if w else '0'}</Writable></ParameterInfoStruct>"
                for name, w in zip(escape_all(names), writable, strict=True)
            ]
        )
