"""Fetching a file: the way of the bytes from a server to storage.

The body flows: nothing but the piece that just came is in memory. Space is looked at before the first byte and
while they come, so that a server that lies about the length, or says none, cannot fill the router's RAM.

When the line breaks, the rest is asked for (RFC 9110 14), provided that the server said by what it would be known
that the file is still the same one: a strong ETag, or Last-Modified; by FTP size and date. A file that has become
another one begins anew; a server that gives another one each time is given up.

What goes wrong is a `Fault`; beside those of `exchange`: 9010 no space, 9017 broken off midway, or too slow.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import BinaryIO

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.firmware import ftp
from cwmp.firmware.exchange import Exchange, Place
from cwmp.firmware.http import ContactError, Network, Response, TruncatedError
from ubuskit.records import dataclass

_SPACE_CHECK_BYTES = 1 << 20
_MAX_RESUMES = 5
_MAX_CHANGES = 2
_PAUSE = 2.0
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that arrived whole: its size in bytes and its SHA-256 in hex."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Means:
    """What a transfer needs of its surroundings: the network, the space left in bytes, who wants to know how far
    it is (bytes, total or 0), and how long it may take in s."""

    network: Network
    space: Callable[[], int]
    progress: Callable[[int, int], None] = lambda _bytes, _total: None
    total: float = 7200.0


@dataclass(frozen=True, slots=True)
class _Mark:
    """By what a file is known to be the same one, and its length (0: not said)."""

    header: str
    validator: str = field(repr=False)
    total: int


class Arrival:
    """A file on its way to storage."""

    def __init__(self, file: BinaryIO, means: Means) -> None:
        self._file = file
        self._means = means
        self._digest = hashlib.sha256()
        self._checked = 0
        self.size = self.total = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def expect(self, total: int) -> None:
        """So many bytes are to come in all; 0: nobody says.

        Raises:
            Fault: there is no space for them.
        """
        self.total = total
        if total - self.size > self._means.space():
            raise self._no_space()

    def take(self, piece: bytes | bytearray | memoryview) -> None:
        """The next bytes. OSError when they cannot be stored; Fault as for `expect`."""
        if self.size - self._checked >= _SPACE_CHECK_BYTES:
            self._checked = self.size
            if self._means.space() <= 0:
                raise self._no_space()
        # Storage is RAM (/tmp): a write is a copy, a thread for each would cost more than it saves.
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        self._means.progress(self.size, self.total)

    def restart(self) -> None:
        """Forget what came."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = self.total = self._checked = 0

    def _no_space(self) -> Fault:
        what = f"the file of {self.total} bytes" if self.total else "the file"
        return Fault(FaultCode.DOWNLOAD_FAILURE, f"there is not enough space for {what}")


async def fetch(source: Place, target: Path, means: Means) -> Fetched:
    """Bring the file at `source` to `target`; nothing is left there when it fails.

    Raises:
        Fault: it failed, with its CWMP code.
    """
    try:
        with target.open("xb", buffering=0) as file:
            arrival = Arrival(file, means)
            with trio.fail_after(means.total):
                way = _FtpDownload if ftp.is_ftp(source.url) else _HttpDownload
                await way(source, arrival, means).run()
        return Fetched(target, arrival.size, arrival.sha256)
    except FileExistsError as error:
        raise _not_stored(error) from None
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, trio.TooSlowError):
            text = f"the file had not come within {means.total:g} s"
            raise Fault(FaultCode.COMPLETE_DOWNLOAD, text) from None
        if isinstance(error, ContactError):
            raise Fault(FaultCode.CONTACT_FILE_SERVER, str(error)) from None
        if isinstance(error, TruncatedError):
            raise Fault(FaultCode.COMPLETE_DOWNLOAD, f"the transfer broke off: {error}") from None
        if isinstance(error, OSError):
            raise _not_stored(error) from None
        raise


class _FtpDownload:
    """A file by FTP, in as many connections as the line makes it; the same one by its size and its date."""

    def __init__(self, source: Place, arrival: Arrival, means: Means) -> None:
        self._source = source
        self._arrival = arrival
        self._network = means.network
        self._mark: tuple[int, str] | None = None

    async def run(self) -> None:
        """Until it is here. Raises what `fetch` turns into a Fault."""
        resumes = 0
        while True:
            try:
                await self._get()
            except (ContactError, TruncatedError):
                resumes += 1
                if self._mark is None or resumes > _MAX_RESUMES:
                    raise
                await trio.sleep(_PAUSE * resumes)
            else:
                return

    async def _get(self) -> None:
        arrival = self._arrival
        async with ftp.logged_in(self._source, self._network, FaultCode.ACCESS_FILE) as server:
            size, date = await server.size() or 0, await server.modified()
            mark = (size, date) if size and date else None
            if arrival.size and (mark != self._mark or not await server.skip(arrival.size)):
                arrival.restart()
            self._mark = mark
            arrival.expect(size)
            await server.retrieve(arrival.take)
        if size and arrival.size != size:
            raise TruncatedError(f"{arrival.size} of {size} bytes came")


class _HttpDownload:
    """A file by HTTP, in as many requests as the line makes it."""

    def __init__(self, source: Place, arrival: Arrival, means: Means) -> None:
        self._arrival = arrival
        self._exchange = Exchange("GET", source, means.network, FaultCode.ACCESS_FILE)
        self._mark: _Mark | None = None
        self._changes = 0

    async def run(self) -> None:
        """Until it is here. Raises what `fetch` turns into a Fault."""
        resumes = 0
        while True:
            try:
                if await self._get():
                    return
            except (ContactError, TruncatedError):
                resumes += 1
                if self._mark is None or resumes > _MAX_RESUMES:
                    raise
                await trio.sleep(_PAUSE * resumes)

    async def _get(self) -> bool:
        """Ask for what is missing; whether nothing is missing any more."""
        headers: list[tuple[str, str]] = []
        if self._arrival.size and self._mark is not None:
            headers = [("Range", f"bytes={self._arrival.size}-"), ("If-Range", self._mark.validator)]
        async with self._exchange.answered(headers) as (connection, response):
            if response.status == 200:
                if self._arrival.size:
                    self._changed()
                self._mark = _mark(response)
                self._arrival.expect(response.length or 0)
            elif headers and (response.status == 416 or not self._continues(response)):
                self._changed()
                return False
            elif response.status != 206 or not headers:
                raise self._exchange.refusal(response)
            await connection.receive(self._arrival.take)
        if self._arrival.total and self._arrival.size != self._arrival.total:
            raise TruncatedError(f"{self._arrival.size} of {self._arrival.total} bytes came")
        return True

    def _continues(self, response: Response) -> bool:
        """Whether an answer is the rest of this very file; true of those that are no 206."""
        if response.status != 206:
            return True
        found = _CONTENT_RANGE.fullmatch(response.get("content-range") or "")
        if found is None or self._mark is None:
            return False
        begin, end, total = (int(group) for group in found.groups())
        validator = response.get(self._mark.header)
        return (
            (begin, end + 1) == (self._arrival.size, total)
            and total == (self._arrival.total or total)
            and validator in {None, self._mark.validator}
        )

    def _changed(self) -> None:
        """What is there is another file than the one whose beginning came."""
        self._changes += 1
        if self._changes > _MAX_CHANGES:
            raise Fault(FaultCode.COMPLETE_DOWNLOAD, "the file changed again and again while it came")
        self._mark = None
        self._arrival.restart()


def _mark(response: Response) -> _Mark | None:
    """None when the rest of the file cannot be asked for later."""
    if (response.get("accept-ranges") or "").strip().lower() == "none":
        return None
    for header in ("etag", "last-modified"):
        value = response.get(header)
        if value and not value.startswith("W/"):
            return _Mark(header, value, response.length or 0)
    return None


def _not_stored(error: OSError) -> Fault:
    return Fault(FaultCode.DOWNLOAD_FAILURE, f"the file could not be stored: {error.strerror}")
