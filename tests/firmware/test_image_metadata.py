"""The metadata that fwtool appends to an image."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.firmware.image import version_of, version_string

METADATA = {
    "metadata_version": "1.1",
    "compat_version": "1.0",
    "supported_devices": ["example,board"],
    "version": {"dist": "OpenWrt", "version": "24.10.2", "revision": "r28739-d9340319c6", "board": "x"},
}


def block(image: bytes, data: bytes, kind: int) -> bytes:
    """`image` with one block appended as fwtool writes it."""
    crc = zlib.crc32(image + data) ^ 0xFFFFFFFF
    return image + data + struct.pack(">4sIB3xI", b"FWx0", crc, kind, len(data) + 16)


def with_metadata(image: bytes, text: bytes) -> bytes:
    return block(image, struct.pack(">II", 0, 0) + text, 1)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_the_version_is_found(tmp_path: Path) -> None:
    image = with_metadata(b"kernel" * 1000, json.dumps(METADATA).encode())
    assert version_of(written(tmp_path / "image", image)) == "24.10.2 r28739-d9340319c6"


def test_the_version_is_found_before_the_signature(tmp_path: Path) -> None:
    image = block(with_metadata(b"kernel", json.dumps(METADATA).encode()), b"untrusted comment: ...", 0)
    assert version_of(written(tmp_path / "image", image)) == "24.10.2 r28739-d9340319c6"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        b"no trailer at all" * 10,
        with_metadata(b"kernel", b"{not JSON"),
        with_metadata(b"kernel", b"[]"),
        with_metadata(b"kernel", b'{"version": "24.10"}'),
        with_metadata(b"kernel", b"[" * 5000),
        b"kernel" + struct.pack(">4sIB3xI", b"FWx0", 0, 1, 1 << 31),
        b"kernel" + struct.pack(">4sIB3xI", b"FWx0", 0, 1, 16),
    ],
)
def test_images_that_do_not_say_their_version(tmp_path: Path, data: bytes) -> None:
    assert version_of(written(tmp_path / "image", data)) == ""


def test_the_running_version_is_written_alike() -> None:
    board = {"distribution": "OpenWrt", "version": "24.10.2", "revision": "r28739-d9340319c6", "target": "x"}
    assert version_string(board) == version_string(METADATA["version"])  # type: ignore[arg-type]
    assert version_string({"version": "SNAPSHOT"}) == "SNAPSHOT"
    assert version_string({}) == ""


@given(st.binary(max_size=200), st.booleans())
def test_hostile_images(tmp_path_factory: pytest.TempPathFactory, data: bytes, trailer: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile"
    path.write_bytes(data + b"FWx0" + data[:12] if trailer else data)
    assert isinstance(version_of(path), str)
