"""One configuration directory: reading by the backend there is, writing by one transaction for all of them."""

import contextlib
import fcntl
import importlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

from ubuskit.uci import _pure
from ubuskit.uci._model import Applied, Change, Package, PackageNotFound, Section, UciError, valid_package
from ubuskit.uci._transaction import JOURNAL, Deadline, FileOps, Transaction, exclusive, lock, open_locked
from ubuskit.uci._write import Editor, merge, render

Files: TypeAlias = Mapping[Path, bytes] | Callable[[Applied], Mapping[Path, bytes]]

MAX_FILE = 4 * 1024 * 1024
"""Largest configuration or delta file that is read, in bytes."""

_READERS = ("native", "pyuci", "pure")


def _reader(name: str) -> ModuleType | None:
    """The module that reads packages through that backend; None where it is not built or installed."""
    try:
        return importlib.import_module(f"ubuskit.uci._{name}")
    except ImportError:
        return None


def backends() -> tuple[str, ...]:
    """The backends that work here, the preferred one first."""
    return tuple(name for name in _READERS if _reader(name) is not None)


class Uci:
    """The packages in ``confdir``, with the changes that are saved in ``savedir``.

    ``backend`` is ``native``, ``pyuci`` or ``pure``; by default UBUSKIT_BACKEND or the first that works. Every
    call reads or writes anew, nothing is kept between them; several objects, threads and processes may work on
    one directory, ``uci`` among them. A call waits at most ``lock_timeout`` seconds for others' locks. These are
    blocking calls of some milliseconds.
    """

    def __init__(
        self,
        confdir: Path | str = "/etc/config",
        savedir: Path | str = "/tmp/.uci",  # noqa: S108 - where libuci keeps it
        *,
        backend: str | None = None,
        lock_timeout: float = 10.0,
        file_ops: FileOps | None = None,
    ) -> None:
        self.confdir = Path(confdir)
        self.savedir = Path(savedir)
        self.backend, self._reader = _choose(backend or os.environ.get("UBUSKIT_BACKEND") or None)
        self._lock_timeout = lock_timeout
        self._ops = file_ops or FileOps()

    def packages(self) -> list[str]:
        """The names of all packages, sorted."""
        try:
            with os.scandir(self.confdir) as entries:
                return sorted(
                    entry.name for entry in entries if valid_package(entry.name) and entry.is_file()
                )
        except OSError as error:
            raise UciError(self.confdir, 0, error.strerror or str(error)) from error

    def load(self, package: str) -> Package:
        """One package, with the changes that are saved but not committed.

        Raises PackageNotFound, and UciError with file, line and reason for what cannot be read or understood.
        """
        path = self._path(package)
        self._recover_if_needed()
        deadline = Deadline(self._lock_timeout)
        # libuci takes the same locks, but would wait for them without end; holding them here it finds them free.
        with _open_shared(path, deadline) as file, self._open_delta(package, deadline) as delta:
            octets, saved = file.read(), delta.read() if delta else b""
            sections = None
            if self._reader and b"\0" not in octets and b"\0" not in saved:  # libuci would end the line there
                sections = self._reader.load(self.confdir, self.savedir, package)
            if sections is None:
                sections = _pure.load(path, octets, saved)
        return Package(package, _by_name(sections))

    def apply(self, changes: Mapping[str, Sequence[Change]], *, files: Files | None = None) -> Applied:
        """Make changes to several packages, and replace other files with them: all of it or nothing.

        This holds across a kill or power cut at any moment, once ``recover`` or any other call came after it.
        ``files`` are absolute paths with their new contents, or a function that gives them once it is known what
        the new sections are called; a file that is new gets mode 0600. Only what is committed is changed: what
        others have saved stays saved, and stays valid. Owner and mode of the files stay, comments go, as with
        ``uci commit``. Raises UciError, in which case nothing has changed unless its reason says so.
        """
        paths = {package: self._path(package) for package in sorted(changes)}
        deadline = Deadline(self._lock_timeout)
        with exclusive(self.confdir, deadline):
            transaction = Transaction(self.confdir, self._ops, deadline)
            transaction.recover()
            while True:
                with contextlib.ExitStack() as stack:
                    locked: dict[Path, int] = {}
                    for path in paths.values():
                        locked[path] = open_locked(path, deadline)
                        stack.callback(os.close, locked[path])
                    applied, contents = self._edit(paths, locked, changes, deadline)
                    if files:
                        contents.update(_absolute(files(applied) if callable(files) else files))
                    if not contents or transaction.run(contents, locked):
                        return applied
                deadline.wait(self.confdir, "another process keeps committing")

    def _edit(
        self,
        paths: Mapping[str, Path],
        locked: Mapping[Path, int],
        changes: Mapping[str, Sequence[Change]],
        deadline: Deadline,
    ) -> tuple[Applied, dict[Path, bytes]]:
        """What the changes come to, and the new contents of the files."""
        contents: dict[Path, bytes] = {}
        outcome = []
        for package, path in paths.items():
            with self._open_delta(package, deadline) as delta:
                saved = delta.read() if delta else b""
            deltas = _pure.parse_delta(package, _pure.decode(saved))
            editor = Editor(path, _pure.parse(path, _read(path, locked[path])).sections, deltas)
            editor.make(changes[package])
            sections, created, renamed = editor.finish()
            changed = editor.changed(sections)
            if changed:
                contents[path] = _checked(path, sections)
            outcome.append((package, created, renamed, changed))
        return merge(outcome), contents

    def recover(self) -> None:
        """Finish an apply that was cut off after its decision, clean up after one that was cut off before."""
        deadline = Deadline(self._lock_timeout)
        with exclusive(self.confdir, deadline):
            Transaction(self.confdir, self._ops, deadline).recover()

    def _recover_if_needed(self) -> None:
        if (self.confdir / JOURNAL).exists():
            self.recover()

    def _path(self, package: str) -> Path:
        if not valid_package(package):
            raise UciError(self.confdir, 0, f"{package!r} cannot be the name of a package")
        return self.confdir / package

    def _open_delta(self, package: str, deadline: Deadline) -> "_File | contextlib.nullcontext[None]":
        """What others have saved of a package; None inside where that is nothing, or none of this user's business."""
        try:
            return _open_shared(self.savedir / package, deadline)
        except PackageNotFound:
            return contextlib.nullcontext()
        except UciError as error:
            if isinstance(error.__cause__, PermissionError):
                return contextlib.nullcontext()
            raise


class _File:
    """A regular file, open for reading under libuci's shared lock."""

    __slots__ = ("_fd", "_path")

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd

    def read(self) -> bytes:
        return _read(self._path, self._fd)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _open_shared(path: Path, deadline: Deadline) -> _File:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise PackageNotFound(path, 0, "there is no such package") from None
    except OSError as error:
        raise UciError(path, 0, error.strerror or str(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise PackageNotFound(path, 0, "not a regular file")
        lock(fd, fcntl.LOCK_SH, path, deadline)
        _check_size(path, fd)
    except BaseException:
        os.close(fd)
        raise
    return _File(path, fd)


def _check_size(path: Path, fd: int) -> int:
    size = os.fstat(fd).st_size
    if size > MAX_FILE:
        raise UciError(path, 0, f"{size} bytes are too many for a configuration file: {MAX_FILE} at most")
    return size


def _read(path: Path, fd: int) -> bytes:
    try:
        return os.pread(fd, _check_size(path, fd), 0)
    except OSError as error:
        raise UciError(path, 0, error.strerror or str(error)) from error


def _choose(wanted: str | None) -> tuple[str, ModuleType | None]:
    """Name and reading module of a backend; the pure one needs no module of its own."""
    for name in (wanted,) if wanted else _READERS:
        if name not in _READERS:
            raise ValueError(f"{name} is no UCI backend: {', '.join(_READERS)}")
        reader = _reader(name)
        if reader is not None:
            return name, None if name == "pure" else reader
    raise ValueError(f"the UCI backend {wanted} is not available here: {', '.join(backends())}")


def _by_name(sections: Sequence[Section]) -> dict[str, Section]:
    table: dict[str, Section] = {}
    for section in sections:
        table.setdefault(section.name, section)
    return table


def _checked(path: Path, sections: Sequence[Section]) -> bytes:
    """The new text of a package, read back before it counts."""
    text = render(sections)
    back = _pure.parse(path, text).sections
    expected = [
        Section(
            section.name, section.type, section.anonymous, {k: v for k, v in section.options.items() if v}
        )
        for section in sections
    ]
    if back != expected or len(text) > MAX_FILE:
        raise UciError(path, 0, "these changes have no form that UCI would read back")
    return text


def _absolute(files: Mapping[Path, bytes]) -> Mapping[Path, bytes]:
    for path in files:
        if not path.is_absolute():
            raise UciError(path, 0, "must be an absolute path")
    return files
