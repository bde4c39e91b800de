"""Archives from outside: what is in them is looked at before any of it is written anywhere.

Everything here blocks and belongs into a thread. Archives are tar, plain or by gzip; they may say whatever they
like about names, links and sizes, so none of that is believed: only plain files and directories (in a backup
symbolic links too) with names below one directory are taken, each of them counted against a limit first.
"""

from __future__ import annotations

import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cwmp.runtime import Paths

MAX_BACKUP_BYTES = 16 << 20
_MAX_MEMBERS = 8192
_MAX_NAME = 1024
_MAX_EXTENSION = 16 << 10
_MAX_GLOBAL = 64
_MOST_PADDING = 1 << 20
_PIECE = 64 << 10

# What tarfile raises of what it reads: numbers that are none or too large, extensions of extensions without end.
_DAMAGED = (
    tarfile.TarError,
    zlib.error,
    EOFError,
    ValueError,
    OverflowError,
    LookupError,
    RecursionError,
    FileExistsError,
)


class ArchiveError(Exception):
    """The archive cannot be used; the text says why."""


class BoundedMember(tarfile.TarInfo):
    """An entry whose header cannot take more memory than it deserves. What precedes a header to say more of it (long
    names, pax) is read at once and whatever its size; the map of a sparse file has no end but the archive's."""

    _EXTENSIONS = frozenset(
        {
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
        }
    )

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """What every version of `tarfile` does with a header it has read. Raises ArchiveError."""
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise ArchiveError("it has a sparse file")
        if self.type in self._EXTENSIONS and self.size > _MAX_EXTENSION:
            raise ArchiveError(f"it says more than {_MAX_EXTENSION} bytes about one entry")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]  # not among its stubs

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise ArchiveError("it has a sparse file")


def copy_backup(source: Path, target: Path, without: str, *, strict: bool = True) -> int:
    """Copy a backup of the configuration, as ``sysupgrade -b`` makes it; how many files it has.

    Whatever may not be restored, since it is not below ``etc`` or no plain file, is refused, or, not `strict`, left
    out: our own system may back up more. What is below `without` (such as ``etc/cwmp``) is always left out: the
    state of this client is no configuration, and that of another day would have it do things twice.

    Raises:
        ArchiveError: it is none.
        OSError: `target` cannot be written.
    """
    links: set[PurePosixPath] = set()
    files = 0
    with _reading(source) as archive, _writing(target) as copy:
        for member, name in _members(archive, MAX_BACKUP_BYTES):
            if (why := _unfit(member, name, links)) is not None:
                if strict:
                    raise ArchiveError(f"it {why}: {_shown(name)}")
                continue
            if name.is_relative_to(without):
                continue
            member.name, member.mode, member.pax_headers = str(name), member.mode & 0o777, {}
            if member.issym():
                links.add(name)
            files += member.isreg()
            copy.addfile(member, archive.extractfile(member) if member.isreg() else None)
    if not files:
        raise ArchiveError("there is no configuration in it")
    return files


def _unfit(member: tarfile.TarInfo, name: PurePosixPath, links: set[PurePosixPath]) -> str | None:
    """Why a part of a backup may not be restored; None when it may."""
    if name.parts[:1] != ("etc",) or (len(name.parts) == 1 and not member.isdir()):
        return "has something outside /etc"
    if any(parent in links for parent in name.parents):
        return "leads through a link"
    if not (member.issym() or member.isdir() or member.isreg()):
        return "has something that is no file"
    return None


def unpack(source: Path, directory: Path, space: Callable[[Path], int]) -> int:
    """Have `directory` hold the content of an archive instead of what it held; how many files there are.

    The new content is complete before the old one goes. `space` says how many bytes a directory has room for.

    Raises:
        ArchiveError: it cannot be used; the old content is there.
        OSError: it cannot be written; likewise.
    """
    new, old = (directory.with_name(f".{directory.name}.{suffix}") for suffix in ("new", "old"))
    _put_back(directory, old)
    shutil.rmtree(new, ignore_errors=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        new.mkdir(mode=0o755)
        files = _unpack_into(source, new, space(new))
        if directory.exists():
            directory.rename(old)
        new.rename(directory)
    except BaseException:
        _put_back(directory, old)
        shutil.rmtree(new, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return files


def pack(paths: Paths, sources: Iterable[Path], target: Path) -> None:
    """An archive of files and directories below the sysroot, with the names they have there."""
    with _writing(target) as archive:
        for source in sources:
            if source.exists() and source.is_relative_to(paths.sysroot):
                archive.add(source, str(source.relative_to(paths.sysroot)))


def _unpack_into(source: Path, directory: Path, room: int) -> int:
    files = 0
    with _reading(source) as archive:
        for member, name in _members(archive, room):
            target = directory / name
            if member.isdir():
                target.mkdir(mode=0o755, parents=True, exist_ok=True)
            elif member.isreg():
                files += 1
                target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                content = archive.extractfile(member)
                if content is None:
                    raise ArchiveError(f"it is damaged at {_shown(name)}")
                with target.open("xb") as file:
                    shutil.copyfileobj(content, file)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
            else:
                raise ArchiveError(f"it has something that is neither file nor directory: {_shown(name)}")
    if not files:
        raise ArchiveError("there is no file in it")
    return files


def _put_back(directory: Path, old: Path) -> None:
    """Undo what was cut off between the two renamings."""
    if old.exists():
        if directory.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(directory)


def _writing(target: Path) -> tarfile.TarFile:
    """An archive that BusyBox understands whole."""
    return tarfile.open(target, "x:gz", format=tarfile.GNU_FORMAT, compresslevel=6)


@contextmanager
def _reading(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with source.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        with tarfile.open(source, "r:gz" if compressed else "r:", tarinfo=BoundedMember) as archive:
            yield archive
    except _DAMAGED as error:
        raise ArchiveError(f"it is no archive, or damaged: {str(error)[:80]}") from None
    except OSError as error:
        if error.errno is None:  # how gzip says that data is damaged
            raise ArchiveError(f"it is no archive, or damaged: {str(error)[:80]}") from None
        raise


def _members(archive: tarfile.TarFile, room: int) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath]]:
    size = 0
    for count, member in enumerate(archive, 1):
        size += max(0, member.size)
        if count > _MAX_MEMBERS:
            raise ArchiveError(f"it has more than {_MAX_MEMBERS} entries")
        if size > room:
            raise ArchiveError(f"what is in it takes more than the {room} bytes there is room for")
        member.pax_headers = {}  # all entries are kept until the end
        name = PurePosixPath(member.name.lstrip("/"))
        longest = max(map(len, (member.name, member.linkname, member.uname, member.gname)))
        if len(archive.pax_headers) > _MAX_GLOBAL:
            raise ArchiveError(f"it says more than {_MAX_GLOBAL} things about all that is in it")
        if ".." in name.parts or "\0" in member.name or longest > _MAX_NAME:
            raise ArchiveError(f"it has a name that leads elsewhere: {_shown(name)}")
        if name.parts:
            yield member, name
    _to_the_end(archive)


def _to_the_end(archive: tarfile.TarFile) -> None:
    """Read what follows the last entry: only there it shows whether compressed data is whole and right."""
    left = _MOST_PADDING
    while archive.fileobj is not None and (piece := archive.fileobj.read(_PIECE)):
        left -= len(piece)
        if left < 0:
            raise ArchiveError("there is far too much after its end")


def _shown(name: PurePosixPath) -> str:
    return str(name).encode("ascii", "backslashreplace").decode("ascii")[:80]
