"""What a firmware image says of itself: the metadata that OpenWrt's ``fwtool`` appends.

Blocks are appended to the image, each with a trailer of 16 bytes, so they are read from the end of the file
backwards. All numbers are big-endian::

    image | header (8) JSON trailer (16) | signature trailer (16)
    trailer: magic "FWx0", crc32, type (0 signature, 1 metadata), 3 bytes unused, size of block and trailer

Whether an image may be flashed is not decided here: the system's own check does that, CRC and signature
included. All that is taken is the version, to tell after the boot whether it runs.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

_TRAILER = struct.Struct(">4sIB3xI")
_MAGIC = b"FWx0"
_METADATA = 1
_HEADER_BYTES = 8
_MAX_METADATA = 64 * 1024
_MAX_BLOCKS = 8


def version_of(path: Path) -> str:
    """The version in the image's metadata as `version_string` writes it; "" when it does not say."""
    with path.open("rb") as file:
        metadata = _metadata(file)
    release = metadata.get("version")
    return version_string(release) if isinstance(release, Mapping) else ""


def version_string(release: Mapping[str, Any]) -> str:
    """``<version> <revision>`` of an image's metadata, or of ``release`` in the reply of ``system board``."""
    parts = (release.get("version"), release.get("revision"))
    return " ".join(p for p in parts if isinstance(p, str) and p)


def _metadata(file: BinaryIO) -> Mapping[str, Any]:
    end = file.seek(0, os.SEEK_END)
    for _ in range(_MAX_BLOCKS):
        if end < _TRAILER.size:
            break
        file.seek(end - _TRAILER.size)
        magic, _crc, kind, size = _TRAILER.unpack(file.read(_TRAILER.size))
        if magic != _MAGIC or not _TRAILER.size < size <= end:
            break
        if kind == _METADATA and size <= _MAX_METADATA:
            file.seek(end - size + _HEADER_BYTES)
            return _parsed(file.read(max(0, size - _HEADER_BYTES - _TRAILER.size)))
        end -= size
    return {}


def _parsed(raw: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(raw.rstrip(b"\0"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
