"""State on flash: one small JSON document a file, one owner each, safe across power cuts (DESIGN section 9).

A document is written to a temporary file, fsynced, renamed over the old one, and the directory fsynced: after
a power cut there is the old document or the new one. It is written only when it changed, since flash wears.
A file that cannot be read as what it should be is set aside under a name that says so and reported; the
service goes on without it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

_MAX_BYTES = 4 << 20


class StateFile:
    """One document: ``{"version": n, ...}``. The caller's keys must not be ``version``.

    `older`: versions that the caller can read as well; they are replaced at the next `save`.
    """

    def __init__(self, path: Path, version: int, log: logging.Logger, *, older: Collection[int] = ()) -> None:
        self.path = path
        self._version = version
        self._readable = {version, *older}
        self._log = log
        self._written: bytes | None = None

    def load(self) -> dict[str, Any]:
        """The document without its version; ``{}`` where there is none or it had to be set aside."""
        try:
            if self.path.stat().st_size > _MAX_BYTES:
                raise ValueError(f"larger than {_MAX_BYTES} bytes")
            raw = self.path.read_bytes()
            document = json.loads(raw)
            if not isinstance(document, dict):
                raise ValueError("not a JSON object")  # noqa: TRY004  # one kind of unusable
            if document.pop("version", None) not in self._readable:
                raise ValueError(f"not version {self._version}")
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            aside = self.path.with_suffix(".corrupt")
            os.replace(self.path, aside)
            self._log.error("%s is unusable (%s): set aside as %s", self.path, error, aside.name)
            return {}
        self._written = raw
        return document

    def save(self, document: dict[str, Any]) -> None:
        """Make `document` durable before returning. Does nothing when it is what was last written.

        Raises:
            OSError: the disk is full or read-only; the old document is still there.
        """
        raw = self.encode(document)
        if raw == self._written:
            return
        write_durably(self.path, raw)
        self._written = raw

    def encode(self, document: dict[str, Any]) -> bytes:
        """The bytes `save` would write, for whoever writes them as a part of something larger."""
        return json.dumps(
            {"version": self._version, **document}, separators=(",", ":"), ensure_ascii=False
        ).encode("utf-8", "surrogatepass")

    def remove(self) -> None:
        """Forget the document; its absence is durable on return."""
        self._written = None
        self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir():
            _sync_directory(self.path.parent)


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the file at `path` as a whole, or not at all; on return it survives a power cut."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
