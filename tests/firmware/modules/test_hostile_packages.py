"""Packages that were made to end the service, or to fill its memory, before opkg ever sees them."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any, cast

import pytest

from cwmp.contract import Fault
from cwmp.firmware.modules import opkg
from cwmp.runtime import Paths


def packed(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def headers(size: int, *, times: int = 1) -> bytes:
    """What says more about the next entry, so many bytes of it, and there is none."""
    info = tarfile.TarInfo("control")
    info.type, info.size = tarfile.XHDTYPE, size
    return gzip.compress((info.tobuf(tarfile.USTAR_FORMAT) + bytes(-(-size // 512) * 512)) * times, 1)


@pytest.mark.parametrize("data", [headers(64 << 20), headers(11, times=3000)], ids=["large", "many"])
@pytest.mark.parametrize("inside", [False, True])
def test_headers_without_end(tmp_path: Path, data: bytes, inside: bool) -> None:
    file = tmp_path / "package.ipk"
    file.write_bytes(packed("./control.tar.gz", data) if inside else data)
    tracemalloc.start()
    try:
        with pytest.raises(Fault, match="no package of opkg"):
            opkg.examine(file)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


async def test_a_size_that_is_no_number_of_bytes(tmp_path: Path) -> None:
    control = packed("./control", b"Package: hello\nInstalled-Size: " + b"9" * 5000 + b"\n")
    (tmp_path / "package.ipk").write_bytes(packed("./control.tar.gz", control))
    manager = opkg.Manager(tmp_path / "opkg", Paths(*[tmp_path] * 5), cast(Any, None))
    assert (await manager.examine(tmp_path / "package.ipk"))["size"] == 0
