"""What is taken out of archives that come from outside, and what is not."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmp.firmware import archive
from cwmp.firmware.archive import ArchiveError
from cwmp.runtime import Paths


def member(
    name: str, data: bytes = b"text", kind: bytes = tarfile.REGTYPE, target: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    found.size = len(data) if kind == tarfile.REGTYPE else 0
    return found, data


def packed(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:  # type: ignore[call-overload]
        for info, data in members:
            file.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return buffer.getvalue()


GOOD = (
    member("./etc/config/network", b"config interface 'lan'\n"),
    member("etc/cwmp", kind=tarfile.DIRTYPE),
    member("etc/cwmp/firmware/queue.json", b"{}"),
    member("etc/localtime", kind=tarfile.SYMTYPE, target="/tmp/localtime"),
)


def copied(tmp_path: Path, data: bytes) -> dict[str, bytes]:
    source, target = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(data)
    target.unlink(missing_ok=True)
    archive.copy_backup(source, target, "etc/cwmp")
    with tarfile.open(target) as file:
        return {m.name: file.extractfile(m).read() if m.isreg() else b"" for m in file}  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_a_backup_without_our_state(tmp_path: Path, mode: str) -> None:
    found = copied(tmp_path, packed(*GOOD, mode=mode))
    assert found == {"etc/config/network": b"config interface 'lan'\n", "etc/localtime": b""}


def test_the_copy_has_nothing_that_only_newer_programs_understand(tmp_path: Path) -> None:
    info, data = member("etc/" + "x" * 90 + "/" + "y" * 90)
    info.mtime = 1.5  # type: ignore[assignment]
    copied(tmp_path, packed((info, data)))
    raw = gzip.decompress((tmp_path / "copy").read_bytes())
    kinds = {raw[i + 156 : i + 157] for i in range(0, len(raw), 512) if raw[i + 257 : i + 262] == b"ustar"}
    assert kinds == {b"L", b"0"}, "no pax headers"


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([member("etc/../usr/sbin/evil")], "elsewhere"),
        ([member("../etc/passwd")], "elsewhere"),
        ([member("usr/sbin/evil")], "outside"),
        ([member("etcetera")], "outside"),
        ([member("etc/x"), member("etc", kind=tarfile.SYMTYPE, target="/tmp")], "outside"),
        ([member("etc/x", kind=tarfile.SYMTYPE, target="/"), member("etc/x/sbin/init")], "through a link"),
        ([member("etc/console", kind=tarfile.CHRTYPE)], "no file"),
        ([member("etc/fifo", kind=tarfile.FIFOTYPE)], "no file"),
        ([member("etc/hard", kind=tarfile.LNKTYPE, target="etc/shadow")], "no file"),
        ([member("etc", kind=tarfile.DIRTYPE)], "no configuration"),
        ([member("etc/cwmp/queue.json")], "no configuration"),
        ([], "no configuration"),
    ],
)
def test_backups_that_are_refused(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], why: str
) -> None:
    with pytest.raises(ArchiveError, match=why):
        copied(tmp_path, packed(*members))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"config interface 'lan'\n",
        gzip.compress(b"no archive"),
        packed(*GOOD)[:-40],
        packed(*GOOD)[:10],
        packed(*GOOD, mode="w")[:700],
        b"\x1f\x8b" + bytes(100),
    ],
)
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveError):
        copied(tmp_path, data)


def test_what_our_own_system_backs_up_beside_is_left_out(tmp_path: Path) -> None:
    more = (member("root/.profile"), member("etc/pipe", kind=tarfile.FIFOTYPE), *GOOD)
    (tmp_path / "source").write_bytes(packed(*more))
    assert archive.copy_backup(tmp_path / "source", tmp_path / "copy", "etc/cwmp", strict=False) == 1
    assert copied(tmp_path, (tmp_path / "copy").read_bytes()), "and what is left can be restored"


def test_an_archive_that_would_fill_the_router(tmp_path: Path) -> None:
    bomb = packed(member("etc/zeros", bytes(17 << 20)))
    assert len(bomb) < 100_000
    with pytest.raises(ArchiveError, match="more than"):
        copied(tmp_path, bomb)


def test_an_archive_with_endless_entries(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="entries"):
        copied(tmp_path, packed(*(member(f"etc/{n}", b"") for n in range(8200))))


def test_no_file_becomes_privileged(tmp_path: Path) -> None:
    info, data = member("etc/script")
    info.mode = 0o6755
    source = tmp_path / "source"
    source.write_bytes(packed((info, data)))
    archive.copy_backup(source, tmp_path / "copy", "etc/cwmp")
    with tarfile.open(tmp_path / "copy") as file:
        assert file.getmembers()[0].mode == 0o755


@settings(max_examples=60)
@given(st.binary(max_size=2000), st.integers(0, 2))
def test_random_bytes_are_no_archive(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, head: int
) -> None:
    whole = (b"", b"\x1f\x8b", packed(*GOOD)[:100])[head] + data
    with pytest.raises(ArchiveError):
        copied(tmp_path_factory.mktemp("random"), whole)


def extended(keys: dict[str, str], data: bytes = b"text") -> bytes:
    info, _ = member("etc/x", data)
    info.pax_headers = keys
    return packed((info, data))


def headers(kind: bytes, size: int, *, times: int = 1) -> bytes:
    """What says more about the next entry, so many bytes of it, and there is none."""
    info = tarfile.TarInfo("etc/x")
    info.type, info.size = kind, size
    return gzip.compress((info.tobuf(tarfile.USTAR_FORMAT) + bytes(-(-size // 512) * 512)) * times, 1)


@pytest.mark.parametrize(
    "data",
    [
        extended({"mtime": "inf"}),
        extended({"mtime": "nan"}),
        extended({"mtime": "1e300"}),
        extended({"uid": "9" * 40}),
        extended({"GNU.sparse.map": "a,b", "GNU.sparse.size": "1"}),
        extended({"GNU.sparse.map": "0,1", "GNU.sparse.size": "x"}),
        extended({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "5"}, b"9" * 2048),
        extended({"linkpath": "x" * 2000}),
        headers(tarfile.XHDTYPE, 11, times=3000),
        headers(tarfile.GNUTYPE_LONGNAME, 11, times=3000),
        packed(member("etc/x", kind=tarfile.GNUTYPE_SPARSE)),
    ],
)
def test_headers_that_say_impossible_things(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveError):
        copied(tmp_path, data)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_that_would_fill_the_memory(tmp_path: Path, kind: bytes) -> None:
    bomb = headers(kind, 64 << 20)
    assert len(bomb) < 400_000
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="about one entry"):
            copied(tmp_path, bomb)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


# Web content


SITE = (
    member("index.html", b"<p>new</p>"),
    member("img", kind=tarfile.DIRTYPE),
    member("img/logo.svg", b"<svg/>"),
)


def unpacked(tmp_path: Path, data: bytes, room: int = 1 << 20) -> Path:
    source, site = tmp_path / "source", tmp_path / "www" / "portal"
    source.write_bytes(data)
    archive.unpack(source, site, lambda _: room)
    return site


def test_new_content_takes_the_place_of_the_old(tmp_path: Path) -> None:
    site = tmp_path / "www" / "portal"
    site.mkdir(parents=True)
    (site / "old.html").write_text("old")
    unpacked(tmp_path, packed(*SITE))
    assert sorted(str(p.relative_to(site)) for p in site.rglob("*")) == ["img", "img/logo.svg", "index.html"]
    assert [p.name for p in site.parent.iterdir()] == ["portal"]


@pytest.mark.parametrize(
    "data",
    [
        packed(*SITE)[:-20],
        packed(*SITE)[:-8] + bytes(8),
        packed(member("../evil")),
        packed(member("link", kind=tarfile.SYMTYPE, target="/etc")),
        packed(member("same"), member("same")),
        packed(),
        b"<html>",
    ],
)
def test_content_that_is_refused_leaves_the_old(tmp_path: Path, data: bytes) -> None:
    site = tmp_path / "www" / "portal"
    site.mkdir(parents=True)
    (site / "old.html").write_text("old")
    with pytest.raises(ArchiveError):
        unpacked(tmp_path, data)
    assert [p.name for p in site.iterdir()] == ["old.html"]
    assert [p.name for p in site.parent.iterdir()] == ["portal"]


def test_content_there_is_no_room_for(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="room"):
        unpacked(tmp_path, packed(member("large", bytes(2000))), room=1000)


@pytest.mark.parametrize("there", [False, True])
def test_what_was_cut_off_between_the_renamings(tmp_path: Path, there: bool) -> None:
    www = tmp_path / "www"
    (www / ".portal.old").mkdir(parents=True)
    (www / ".portal.old" / "old.html").write_text("old")
    if there:
        (www / "portal").mkdir()
    with pytest.raises(ArchiveError):
        unpacked(tmp_path, b"broken")
    assert [p.name for p in www.iterdir()] == ["portal"]
    assert (www / "portal" / "old.html").exists() is not there


# The client's own files


def test_what_an_upgrade_keeps_in_any_case(paths: Paths, tmp_path: Path) -> None:
    (paths.uci_dir / "cwmp").write_text("config cwmp\n")
    (paths.uci_dir / "network").write_text("config interface\n")
    (paths.state_dir / "session").mkdir()
    (paths.state_dir / "session" / "state.json").write_text("{}")
    archive.pack(paths, (paths.uci_dir / "cwmp", paths.state_dir, paths.uci_dir / "absent"), tmp_path / "own")
    with tarfile.open(tmp_path / "own") as file:
        names = file.getnames()
    assert set(names) == {"etc/config/cwmp", "etc/cwmp", "etc/cwmp/session", "etc/cwmp/session/state.json"}
    assert os.stat(tmp_path / "own").st_size > 0
