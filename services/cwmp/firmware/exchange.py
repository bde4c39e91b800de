"""One request to a file server and its answer, across redirects, challenges and proxies.

What goes wrong is a `Fault` with the code that CWMP has for it (TR-069a6 A.5.1):

| 9012 | credentials refused, or wanted                                                            |
| 9015 | name, connection, proxy, TLS, no answer                                                   |
| 9016 | no such file, redirects without end, other answers; of an upload all this is 9011         |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import field

from cwmp.contract import Fault, FaultCode
from cwmp.firmware.http import Body, Connection, ContactError, Network, Response, parse_url, shown
from cwmp.runtime.digest import Authenticator, Credentials
from cwmp.runtime.url import Url
from ubuskit.records import dataclass

MAX_REDIRECTS = 5
_MAX_EXCHANGES = 20
_REDIRECTS = frozenset({301, 302, 307, 308})
_SEE_OTHER = 303


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is, or goes to. Empty `username` and `password`: no credentials."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def authenticator(self) -> Authenticator | None:
        if not self.username and not self.password:
            return None
        return Authenticator(Credentials(self.username, self.password))


class Exchange:
    """Requests of one method to one place; `failure` is the fault for answers that are none of use."""

    def __init__(self, method: str, place: Place, network: Network, failure: FaultCode) -> None:
        self._method = method
        self._network = network
        self._failure = failure
        self._authenticator = place.authenticator
        self._url = self._parsed(place.url)
        self._asked = self._url.origin

    @asynccontextmanager
    async def answered(
        self, headers: Sequence[tuple[str, str]] = (), body: Body | None = None
    ) -> AsyncIterator[tuple[Connection, Response]]:
        """The connection and the answer that is neither challenge nor redirect.

        Raises:
            Fault: there is none.
            ContactError: the server could not be reached, or did not answer.
        """
        url, redirects = self._url, 0
        connection: Connection | None = None
        try:
            for _ in range(_MAX_EXCHANGES):
                connection, response = await self._send(connection, url, headers, body)
                if connection.proxy_refused(response):
                    connection = await _reusable(connection)
                elif response.status == 401 and self._authenticator and url.origin == self._asked:
                    if not self._authenticator.challenged(response.all("www-authenticate")):
                        raise _refused(url, "the credentials were not accepted")
                    connection = await _reusable(connection)
                elif response.status in _REDIRECTS or self._see_other(response):
                    redirects += 1
                    if redirects > MAX_REDIRECTS:
                        raise Fault(self._failure, f"{url.authority}: more than {MAX_REDIRECTS} redirects")
                    target = self._redirected(url, response)
                    connection = await _reusable(connection, stays=target.origin == url.origin)
                    url = target
                else:
                    yield connection, response
                    return
            raise Fault(self._failure, f"{url.authority} keeps asking for something else")
        finally:
            if connection is not None:
                await connection.aclose()

    def refusal(self, response: Response) -> Fault:
        """The fault for an answer that is none of use."""
        said = f"{response.status} {response.reason}".strip()
        if response.status == 401:
            why = (
                "the credentials are not for this server" if self._authenticator else "credentials are wanted"
            )
            return _refused(self._url, f"{why} ({said})")
        if response.status == 403:
            return _refused(self._url, f"access was refused ({said})")
        return Fault(self._failure, f"{self._url.authority} answered {said}")

    async def _send(
        self,
        connection: Connection | None,
        url: Url,
        headers: Sequence[tuple[str, str]],
        body: Body | None,
    ) -> tuple[Connection, Response]:
        """Send one request, over `connection` if there still is one; a server may have closed it meanwhile."""
        if connection is not None:
            try:
                return connection, await self._request(connection, url, headers, body)
            except ContactError:
                await connection.aclose()
        connection = await Connection.open(url, self._network)
        try:
            return connection, await self._request(connection, url, headers, body)
        except BaseException:
            await connection.aclose()
            raise

    async def _request(
        self, connection: Connection, url: Url, headers: Sequence[tuple[str, str]], body: Body | None
    ) -> Response:
        fields = [
            ("User-Agent", "tr069-client"),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            *headers,
        ]
        if self._authenticator and url.origin == self._asked:
            answer = self._authenticator.authorization(self._method, connection.target(url))
            if answer:
                fields.append(("Authorization", answer))
        if body is not None:
            body.file.seek(0)
        return await connection.request(self._method, url, fields, body)

    def _see_other(self, response: Response) -> bool:
        """A 303 leads a GET to the file; to a PUT it says that the file lies somewhere else already."""
        return response.status == _SEE_OTHER and self._method == "GET"

    def _parsed(self, text: str) -> Url:
        try:
            return parse_url(text)
        except ValueError as error:
            raise Fault(self._failure, f"the URL cannot be used: {error}") from None

    def _redirected(self, url: Url, response: Response) -> Url:
        location = response.get("location")
        if location is None:
            raise Fault(self._failure, f"{url.authority} redirects to nowhere ({response.status})")
        try:
            target = parse_url(location, url)
        except ValueError as error:
            raise Fault(self._failure, f"{url.authority} redirects to what cannot be used: {error}") from None
        if url.secure and not target.secure:
            raise Fault(self._failure, f"{url.authority} redirects from https to {shown(target)}: refused")
        return target


async def _reusable(connection: Connection, *, stays: bool = True) -> Connection | None:
    if stays and await connection.reuse():
        return connection
    await connection.aclose()
    return None


def _refused(url: Url, why: str) -> Fault:
    return Fault(FaultCode.FILE_SERVER_AUTHENTICATION, f"{url.authority}: {why}")
