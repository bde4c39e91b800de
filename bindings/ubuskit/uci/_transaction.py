"""Several files replaced at once, also across a kill or a power cut between any two file operations.

Theory of operation. For every file the new content is written to a file beside it and synced. Then a journal that
lists them comes into its place by one rename, and from this moment on the new content counts: everything after it
can be done again by anybody who finds the journal. Before it everything can be thrown away.

    write and sync each new file -> sync directories        | cut off here: nothing has happened
    write and sync the journal, rename it, sync directory   | the decision
    rename each new file over the old one, sync directories | cut off here: recover() does it again
    remove the journal, sync directory                      |

Locks. The whole transaction holds an exclusive flock on the configuration directory, which excludes its like, and
one on each configuration file, which is libuci's own and excludes ``uci commit`` and readers. libuci has two gaps
that we close from our side:

- Who waits in ``uci commit`` for a file that we replace gets the lock of the old file, reads it, and would write
  it back. So before we let go we write the new content into the old file too, and let nobody else begin a
  transaction until those who waited are through.
- ``uci commit`` lets go of its lock just before it renames its own new file. So when we have the lock we wait until
  no such file is there, and make sure that what we have locked is still what the name means; and once more right
  before the decision.
"""

import contextlib
import fcntl
import json
import logging
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ubuskit.uci._model import PackageNotFound, UciError

log = logging.getLogger(__name__)

JOURNAL = ".ubuskit-journal"
_SUFFIX = ".ubuskit"
_VERSION = 1
_POLL = 0.01
_COMMIT_GRACE = 2.0
"""How old, in seconds, another's unfinished commit must be to count as abandoned."""


class FileOps:
    """The file operations of a transaction, one method each: the seam where a test cuts the power."""

    def create(self, path: Path, mode: int) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)

    def write(self, fd: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def own(self, fd: int, uid: int, gid: int) -> None:
        os.fchown(fd, uid, gid)

    def permit(self, fd: int, mode: int) -> None:
        os.fchmod(fd, mode)

    def sync(self, fd: int) -> None:
        os.fsync(fd)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def overwrite(self, fd: int, data: bytes) -> None:
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))


class Deadline:
    """Until when to wait for locks; time on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def wait(self, file: Path, what: str) -> None:
        if time.monotonic() >= self._end:
            raise UciError(file, 0, f"{what}; gave up waiting for it")
        time.sleep(_POLL)


def lock(fd: int, operation: int, file: Path, deadline: Deadline) -> None:
    """flock with a deadline."""
    while True:
        try:
            fcntl.flock(fd, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            deadline.wait(file, "another process has it locked")
        else:
            return


@contextlib.contextmanager
def exclusive(confdir: Path, deadline: Deadline) -> Iterator[None]:
    """The only transaction in this directory."""
    try:
        fd = os.open(confdir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UciError(confdir, 0, _text(error)) from error
    try:
        lock(fd, fcntl.LOCK_EX, confdir, deadline)
        yield
    finally:
        os.close(fd)


def open_locked(path: Path, deadline: Deadline) -> int:
    """A configuration file open for reading and writing under libuci's exclusive lock."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise PackageNotFound(path, 0, "there is no such package") from None
        except OSError as error:
            raise UciError(path, 0, _text(error)) from error
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise PackageNotFound(path, 0, "not a regular file")
            lock(fd, fcntl.LOCK_EX, path, deadline)
            if is_ours(path, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        deadline.wait(path, "another process is committing it")


def is_ours(path: Path, fd: int) -> bool:
    """Whether the locked file is the one the name means, and nobody is about to put another in its place."""
    return not _commit_under_way(path) and _is_current(fd, path)


def _commit_under_way(path: Path) -> bool:
    """Whether libuci has a new content of this file that it is about to rename."""
    now = time.time()
    for entry in path.parent.glob(f".{path.name}.uci-*"):
        with contextlib.suppress(FileNotFoundError):
            if abs(now - entry.stat().st_mtime) < _COMMIT_GRACE:
                return True
    return False


def _is_current(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _let_through(path: Path, fd: int, deadline: Deadline) -> None:
    """Unlock a file that has been replaced, and wait for those who waited for it meanwhile."""
    key = _lock_key(fd)
    waiting = key and any("->" in line for line in _locks(key))
    fcntl.flock(fd, fcntl.LOCK_UN)
    if waiting:
        with contextlib.suppress(UciError):
            while _locks(key) or _commit_under_way(path):
                deadline.wait(path, "another process is committing it")


def _lock_key(fd: int) -> str:
    """The kernel's name, in /proc, of the file that we have locked; empty where it tells none."""
    with contextlib.suppress(OSError):
        held = re.search(r"lock:.* (\S+:\S+:\d+) ", Path(f"/proc/self/fdinfo/{fd}").read_text())
        return held[1] if held else ""
    return ""


def _locks(key: str) -> list[str]:
    """Who has a file locked, or waits for it: the lines of /proc/locks."""
    with contextlib.suppress(OSError):
        return [line for line in Path("/proc/locks").read_text().splitlines() if f" {key} " in line]
    return []


class Transaction:
    """Replaces files under the journal of one configuration directory; its exclusive lock is the caller's."""

    def __init__(self, confdir: Path, ops: FileOps, deadline: Deadline) -> None:
        self._journal = confdir / JOURNAL
        self._ops = ops
        self._deadline = deadline

    def run(self, contents: Mapping[Path, bytes], locked: Mapping[Path, int]) -> bool:
        """Replace all of ``contents``; ``locked`` holds the descriptors of those that are open and locked.

        False, and nothing done, where somebody got at one of those in spite of its lock.
        """
        targets = {Path(os.path.realpath(path)): path for path in contents}
        fresh = {target: _beside(target) for target in targets}
        draft = _beside(self._journal)
        try:
            for target, path in targets.items():
                self._write(fresh[target], contents[path], _status(target))
            self._sync_directories(fresh.values())
            record = {"version": _VERSION, "replace": [os.fspath(target) for target in targets]}
            self._write(draft, json.dumps(record).encode(), None)
            if not all(is_ours(path, fd) for path, fd in locked.items()):
                _discard(*fresh.values(), draft)
                return False
            self._ops.rename(draft, self._journal)
        except OSError as error:
            _discard(*fresh.values(), draft)
            raise UciError(
                error.filename or self._journal.parent, 0, f"nothing was changed: {_text(error)}"
            ) from error
        try:
            self._sync_directories([self._journal])
            self._finish(fresh)
        except OSError as error:
            raise UciError(
                self._journal, 0, f"cut short, will be finished on the next use: {_text(error)}"
            ) from error
        for path, fd in locked.items():
            if path in contents:
                # For those who wait for the lock of the file that has gone; if it fails they see the old content.
                with contextlib.suppress(OSError):
                    self._ops.overwrite(fd, contents[path])
                _let_through(path, fd, self._deadline)
        return True

    def recover(self) -> None:
        """Finish what the journal holds; without one throw away what did not get as far as that."""
        targets = self._read_journal()
        try:
            if targets is not None:
                log.warning("%s: finishing an interrupted change of %d files", self._journal, len(targets))
                with contextlib.ExitStack() as stack:
                    for target in sorted(targets):
                        if target.is_file():
                            stack.callback(os.close, open_locked(target, self._deadline))
                    self._finish({target: _beside(target) for target in targets})
            for path in self._journal.parent.glob(f".*{_SUFFIX}"):
                self._ops.unlink(path)
        except OSError as error:
            raise UciError(
                self._journal, 0, f"cannot finish an interrupted change: {_text(error)}"
            ) from error

    def _read_journal(self) -> list[Path] | None:
        try:
            record = json.loads(self._journal.read_bytes())
            if record["version"] != _VERSION:
                raise UciError(
                    self._journal, 0, f"written by another version ({record['version']}); remove it"
                )
            return [Path(path) for path in record["replace"]]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UciError(self._journal, 0, _text(error)) from error
        except (ValueError, KeyError, TypeError):
            damaged = self._journal.with_suffix(".damaged")
            log.exception("%s: not readable, set aside as %s", self._journal, damaged)
            os.replace(self._journal, damaged)
            return None

    def _finish(self, fresh: Mapping[Path, Path]) -> None:
        for target, source in fresh.items():
            if source.exists():
                self._ops.rename(source, target)
        self._sync_directories(fresh)
        self._ops.unlink(self._journal)
        self._sync_directories([self._journal])

    def _write(self, path: Path, data: bytes, like: os.stat_result | None) -> None:
        fd = self._ops.create(path, 0o600)
        try:
            self._ops.write(fd, data)
            if like is not None:
                made = os.fstat(fd)
                if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
                    self._ops.own(fd, like.st_uid, like.st_gid)
                self._ops.permit(fd, stat.S_IMODE(like.st_mode))
            self._ops.sync(fd)
        finally:
            os.close(fd)

    def _sync_directories(self, paths: Iterable[Path]) -> None:
        for directory in sorted({path.parent for path in paths}):
            try:
                fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # removed since the journal was written, and what was in it with it
            try:
                self._ops.sync(fd)
            finally:
                os.close(fd)


def _beside(path: Path) -> Path:
    """Where the new content of a file is kept until it takes its place; always the same, so nothing piles up."""
    return path.with_name(f".{path.name}{_SUFFIX}")


def _discard(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _text(error: OSError) -> str:
    return error.strerror or str(error)
