"""The STUN client's sockets: keeps the binding of a port as `binding` says (TR-069a6 Annex G.2.1).

The server is the one configured, or the ACS's host; its name is looked up when it is first needed and again after it
did not answer. Our own address is that of the route to it, looked at whenever there is something to do, and every
`_LOOK` s.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket

import trio

from cwmp.runtime import Config
from cwmp.runtime.addresses import resolve
from cwmp.runtime.url import Url
from cwmp.session.binding import Keeper, Port, Send, StunSettings
from cwmp.session.stun import MAX_BYTES, Endpoint

_LOOK = 30.0
_PATIENCE = 30.0


def stun_host(config: Config) -> str:
    """The STUN server's name or address."""
    with contextlib.suppress(ValueError):
        return config.stun_server_address or Url.parse(config.acs_url).host
    return ""


async def bound(address: str, port: int) -> trio.socket.SocketType:
    """A UDP socket of IPv4, bound; "" is every address, 0 any free port. Raises OSError."""
    found = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        await found.bind((address, port))
    except BaseException:
        found.close()
        raise
    return found


class Nat:
    """The NAT in front of `primary`, a bound UDP socket of IPv4."""

    def __init__(self, config: Config, primary: trio.socket.SocketType, log: logging.Logger) -> None:
        self._host = stun_host(config)
        self._port = config.stun_server_port
        self._settings = StunSettings(
            config.stun_username,
            config.stun_password,
            config.stun_minimum_keep_alive_period,
            config.stun_maximum_keep_alive_period,
        )
        self._primary = primary
        self._log = log
        self._server: Endpoint | None = None
        self._local: Endpoint | None = None
        self._keeper: Keeper | None = None
        self._told: tuple[Endpoint, bool] | None = None
        self._problem = ""
        self._stirred = trio.Event()

    @property
    def detected(self) -> bool:
        return self._keeper is not None and self._keeper.nat_detected

    @property
    def address(self) -> Endpoint | None:
        """Where we are reached; None while that is not known."""
        return self._keeper.address if self._keeper is not None else None

    async def run(self) -> None:
        """Keep the binding until cancelled."""
        with await self._second_port() as secondary:
            self._sockets = {Port.PRIMARY: self._primary, Port.SECONDARY: secondary}
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive, secondary)
                while True:
                    await self._keep()

    async def received(self, data: bytes, port: Port = Port.PRIMARY) -> None:
        """A STUN message has arrived."""
        if self._keeper is None:
            return
        before = self._keeper.due
        await self._send(self._keeper.received(data, port, trio.current_time()))
        if self._keeper.due != before:  # what strangers send wakes nobody
            self._stirred.set()

    async def _second_port(self) -> trio.socket.SocketType:
        while True:
            try:
                return await bound(self._primary.getsockname()[0], 0)
            except OSError as error:
                self._tell(f"there is no second port: {error.strerror}")
            await trio.sleep(_LOOK)

    async def _keep(self) -> None:
        """Do what is due, and wait for what is next."""
        self._stirred = trio.Event()
        if self._server is None or (self._keeper and self._keeper.asks_anew(trio.current_time())):
            await self._find_server()
        way = self._server is not None and await self._look_at_own_address(self._server)
        until = trio.current_time() + _LOOK
        if way and self._keeper is not None:
            await self._send(self._keeper.tick(trio.current_time()))
            until = min(until, self._keeper.due)
        with trio.move_on_at(until):
            await self._stirred.wait()

    async def _find_server(self) -> None:
        try:
            with trio.fail_after(_PATIENCE):
                found = await resolve(self._host, self._port)
        except (OSError, UnicodeError, trio.TooSlowError) as error:
            reason = getattr(error, "strerror", "") or "no answer"
            self._tell(f"cannot resolve the STUN server {self._host}: {reason}")
            return
        hosts = [a.host for a in found if a.family == socket.AF_INET]
        if not hosts:
            self._tell(f"the STUN server {self._host} has no IPv4 address")
        elif self._server is None or self._server.host not in hosts or len(hosts) > 1:
            self._server = Endpoint(secrets.choice(hosts), self._port)

    async def _look_at_own_address(self, server: Endpoint) -> bool:
        """Whether there is a way to the server; when there is one again, all begins anew."""
        own, port = self._primary.getsockname()[:2]
        if own == "0.0.0.0":  # noqa: S104  # compared with, not listened on
            try:
                with await bound("", 0) as towards:
                    await towards.connect(server)
                    own = towards.getsockname()[0]
            except OSError as error:
                self._tell(f"no way to the STUN server {self._host}: {error.strerror}")
                self._local = None
                return False
        local, now = Endpoint(own, port), trio.current_time()
        if self._keeper is None:
            self._keeper = Keeper(self._settings, local, secrets.token_bytes, now)
        elif local != self._local:
            self._keeper.moved(local, now)
        self._local = local
        return True

    async def _receive(self, secondary: trio.socket.SocketType) -> None:
        while True:
            try:
                data, _ = await secondary.recvfrom(MAX_BYTES + 1)
            except OSError:  # such as an ICMP message about something that was sent
                continue
            await self.received(data, Port.SECONDARY)

    async def _send(self, sends: list[Send]) -> None:
        for send in sends:
            if self._server is not None:
                try:
                    await self._sockets[send.port].sendto(send.data, self._server)
                except OSError as error:
                    self._log.debug("STUN: %s", error.strerror)
        if self._keeper is not None:
            self._tell(self._keeper.problem)

    def _tell(self, problem: str) -> None:
        """Log what has changed."""
        if problem and problem != self._problem:
            self._log.warning("STUN: %s", problem)
        self._problem = problem
        if self._keeper is not None and not problem:
            seen = self._keeper.address, self._keeper.nat_detected
            if seen != self._told and self._keeper.known:
                self._log.info(
                    "reachable by UDP at %s port %d, %s", *seen[0], "behind a NAT" if seen[1] else "no NAT"
                )
                self._told = seen
