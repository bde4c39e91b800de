"""Firmware images of the lab: small files that a check can find right, corrupt, or made for another board.

The layout is that of OpenWrt's ``fwtool``, all numbers big-endian::

    payload | header (8, zero) | metadata (JSON) | magic "FWx0" | CRC-32 (4) | type 1 (1) | 0 (3) | size (4)

The CRC covers all before the trailer and is not inverted at its end; `size` is that of header, metadata and
trailer. `check` answers in the shape of /usr/libexec/validate_firmware_image.
"""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOARD = "lab,router"

_MAGIC = b"FWx0"
_METADATA = 1
_HEADER = bytes(8)
_TRAILER = struct.Struct(">4sIB3xI")
_MAX_METADATA = 64 << 10


class ImageError(ValueError):
    """The file is no lab image, or is not whole; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Version:
    """What an image says it is; `version` like ``24.10.1``, `revision` like ``r28597-0425664679``."""

    version: str
    revision: str
    board: str = BOARD

    @property
    def description(self) -> str:
        return f"OpenWrt {self.version} {self.revision}"


def build(version: Version, *, size: int = 256 << 10) -> bytes:
    """An image of about `size` bytes; the same arguments give the same bytes."""
    metadata = json.dumps(
        {
            "metadata_version": "1.1",
            "compat_version": "1.0",
            "supported_devices": [version.board],
            "version": {
                "dist": "OpenWrt",
                "version": version.version,
                "revision": version.revision,
                "target": "lab/generic",
                "board": version.board,
            },
        }
    ).encode()
    body = random.Random(version.version).randbytes(size) + _HEADER + metadata
    block = len(_HEADER) + len(metadata) + _TRAILER.size
    return body + _TRAILER.pack(_MAGIC, _crc(body), _METADATA, block)


def read(path: Path) -> Version:
    """The version in the image at `path`, after its checksum was found right.

    Raises:
        ImageError: it is not a whole lab image.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if len(data) < _TRAILER.size:
        raise ImageError("the file is too short to be an image")
    body, trailer = data[: -_TRAILER.size], data[-_TRAILER.size :]
    magic, crc, kind, block = _TRAILER.unpack(trailer)
    length = block - len(_HEADER) - _TRAILER.size
    if (magic, kind) != (_MAGIC, _METADATA) or not 0 < length <= min(len(body), _MAX_METADATA):
        raise ImageError("image metadata not present")
    if _crc(body) != crc:
        raise ImageError("the checksum does not match: the image is corrupt")
    try:
        metadata = json.loads(body[-length:])
        version = metadata["version"]
        return Version(version["version"], version["revision"], metadata["supported_devices"][0])
    except (ValueError, KeyError, IndexError, TypeError):
        raise ImageError("image metadata is not what it should be") from None


def check(path: Path, board: str = BOARD) -> Mapping[str, Any]:
    """What `ubus call system validate_firmware_image` answers for the image on a router of this `board`.

    An image for another board may be forced, as on a router; a broken one may not.
    """
    try:
        fits, whole = read(path).board == board, True
    except (ImageError, OSError):
        fits = whole = False
    return {
        "tests": {"fwtool_signature": whole, "fwtool_device_match": fits},
        "valid": whole and fits,
        "forceable": whole,
        "allow_backup": whole,
    }


def _crc(data: bytes) -> int:
    return zlib.crc32(data) ^ 0xFFFFFFFF
