"""Fetching a file: redirects, authentication, and the way of the bytes to storage.

The body flows: nothing but the piece that just came is in memory. Space is looked at before the first byte and
while they come, so that a server that lies about the length, or says none, cannot fill the router's RAM. What
goes wrong is a `Fault` with the code that CWMP has for it (TR-069a6 A.5.1):

| 9010 | no space                             | 9016 | no such file, redirects without end, other answers |
| 9012 | credentials refused, or wanted       | 9017 | broken off midway, or too slow                     |
| 9015 | name, connection, TLS, no answer     |      |                                                    |
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import field
from pathlib import Path

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.firmware.http import (
    Connection,
    ContactError,
    Deadlines,
    MakeTls,
    Response,
    TruncatedError,
    Url,
    parse_url,
)
from cwmp.runtime.digest import Authenticator, Credentials
from ubuskit.records import dataclass

MAX_REDIRECTS = 5
_MAX_EXCHANGES = 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SPACE_CHECK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file is. Empty `username` and `password`: no credentials."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """`total` in s for the whole transfer; the rest in `deadlines`."""

    total: float = 7200.0
    deadlines: Deadlines = field(default_factory=Deadlines)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that arrived whole: its size in bytes and its SHA-256 in hex."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Means:
    """What fetching needs of its surroundings: the TLS context, the space left in bytes, who wants to know
    how far it is (bytes, total or 0), and limits."""

    make_tls: MakeTls
    space: Callable[[], int]
    progress: Callable[[int, int], None] = lambda _bytes, _total: None
    limits: Limits = field(default_factory=Limits)


async def fetch(source: Source, target: Path, means: Means) -> Fetched:
    """Bring the file at `source` to `target`; nothing is left there when it fails.

    Raises:
        Fault: it failed, with its CWMP code.
    """
    try:
        with trio.fail_after(means.limits.total):
            async with _answered(source, means) as (connection, response):
                return await _store(connection, response, target, means)
    except trio.TooSlowError:
        raise Fault(
            FaultCode.COMPLETE_DOWNLOAD, f"the file had not come within {means.limits.total:g} s"
        ) from None
    except ContactError as error:
        raise Fault(FaultCode.CONTACT_FILE_SERVER, str(error)) from None
    except TruncatedError as error:
        raise Fault(FaultCode.COMPLETE_DOWNLOAD, f"the transfer broke off: {error}") from None


@asynccontextmanager
async def _answered(source: Source, means: Means) -> AsyncIterator[tuple[Connection, Response]]:
    """A connection over which the server is sending the file."""
    url = _url(source.url)
    asked = url.origin
    authenticator = _authenticator(source)
    redirects = 0
    connection: Connection | None = None
    try:
        for _ in range(_MAX_EXCHANGES):
            connection, response = await _get(connection, url, authenticator, means)
            if response.status == 200:
                yield connection, response
                return
            if response.status == 401 and authenticator and url.origin == asked:
                if not authenticator.challenged(response.all("www-authenticate")):
                    raise _refused(url, "the credentials were not accepted")
                connection = await _reusable(connection)
            elif response.status in _REDIRECTS:
                redirects += 1
                if redirects > MAX_REDIRECTS:
                    raise Fault(
                        FaultCode.ACCESS_FILE, f"{url.authority}: more than {MAX_REDIRECTS} redirects"
                    )
                target = _redirected(url, response)
                connection = await _reusable(connection, stays=target.origin == url.origin)
                url = target
            else:
                raise _failure(url, response, bool(authenticator))
        raise Fault(FaultCode.ACCESS_FILE, f"{url.authority} keeps asking for something else")
    finally:
        if connection is not None:
            await connection.aclose()


async def _get(
    connection: Connection | None, url: Url, authenticator: Authenticator | None, means: Means
) -> tuple[Connection, Response]:
    """Send one GET, over `connection` if there still is one; a server may have closed it in the meantime."""
    headers = {"User-Agent": "tr069-client", "Accept": "*/*", "Accept-Encoding": "identity"}
    answer = authenticator.authorization("GET", url.target) if authenticator else None
    if answer:
        headers["Authorization"] = answer
    if connection is not None:
        try:
            return connection, await connection.request("GET", url, headers)
        except ContactError:
            await connection.aclose()
    connection = await Connection.open(url, means.make_tls, means.limits.deadlines)
    try:
        return connection, await connection.request("GET", url, headers)
    except BaseException:
        await connection.aclose()
        raise


async def _reusable(connection: Connection, *, stays: bool = True) -> Connection | None:
    if stays and await connection.reuse():
        return connection
    await connection.aclose()
    return None


async def _store(connection: Connection, response: Response, target: Path, means: Means) -> Fetched:
    total = response.length or 0
    digest = hashlib.sha256()
    size = checked = 0
    try:
        if total > means.space():
            raise _no_space(total)
        # Storage is RAM (/tmp): a write is a copy, a thread for each would cost more than it saves.
        with target.open("xb", buffering=0) as file:
            while piece := await connection.read():
                if size - checked >= _SPACE_CHECK_BYTES:
                    checked = size
                    if means.space() <= 0:
                        raise _no_space(total)
                file.write(piece)
                digest.update(piece)
                size += len(piece)
                means.progress(size, total)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise Fault(FaultCode.DOWNLOAD_FAILURE, f"the file could not be stored: {error.strerror}") from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Fetched(target, size, digest.hexdigest())


def _authenticator(source: Source) -> Authenticator | None:
    if not source.username and not source.password:
        return None
    return Authenticator(Credentials(source.username, source.password))


def _url(text: str) -> Url:
    try:
        return parse_url(text)
    except ValueError as error:
        raise Fault(FaultCode.ACCESS_FILE, f"the URL cannot be used: {error}") from None


def _redirected(url: Url, response: Response) -> Url:
    location = response.get("location")
    if location is None:
        raise Fault(FaultCode.ACCESS_FILE, f"{url.authority} redirects to nowhere ({response.status})")
    try:
        target = parse_url(location, str(url))
    except ValueError as error:
        raise Fault(
            FaultCode.ACCESS_FILE, f"{url.authority} redirects to what cannot be used: {error}"
        ) from None
    if url.scheme == "https" and target.scheme != "https":
        raise Fault(
            FaultCode.ACCESS_FILE, f"{url.authority} redirects from https to {target.scheme}: refused"
        )
    return target


def _failure(url: Url, response: Response, with_credentials: bool) -> Fault:
    said = f"{response.status} {response.reason}".strip()
    if response.status == 401:
        why = "the credentials are not for this server" if with_credentials else "credentials are wanted"
        return _refused(url, f"{why} ({said})")
    if response.status == 403:
        return _refused(url, f"access was refused ({said})")
    return Fault(FaultCode.ACCESS_FILE, f"{url.authority} answered {said}")


def _refused(url: Url, why: str) -> Fault:
    return Fault(FaultCode.FILE_SERVER_AUTHENTICATION, f"{url.authority}: {why}")


def _no_space(total: int) -> Fault:
    size = f"the file of {total} bytes" if total else "the file"
    return Fault(FaultCode.DOWNLOAD_FAILURE, f"there is not enough space for {size}")
