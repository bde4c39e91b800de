"""The door the ACS knocks at: when the ports of connection requests are open, and where they are.

The port for HTTP is open while the configuration says so and there is an ACS to open a session with; otherwise it
is closed and ConnectionRequestURL is empty (TR-181 HTTPConnectionRequestEnable). The URL's path is random and the
device's own; its host is the address configured, or that of the interface the ACS is reached by (of the family of
IP it was reached by), or our end of the last connection to the ACS.

The port for UDP has no switch in TR-181: it is open unless the configuration has none, while there is somebody who
could be let in, or STUN is to be done. A further way to ask (XMPP, Annex K) would be a third thing that `keep` keeps.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from cwmp.runtime import Config, Runtime
from cwmp.session.connection_request import Gate, Listener
from cwmp.session.nat import stun_host
from cwmp.session.udp_door import UdpDoor
from ubuskit import UbusError

_STATE_VERSION = 1


_Settings = tuple[object, ...] | None
"""What a port depends on; None where it has to be closed."""


class Door:
    """Opens and closes the ports. `busy` says whether a session is open; `knocked` that one is asked for."""

    def __init__(self, runtime: Runtime, busy: Callable[[], bool], knocked: Callable[[], None]) -> None:
        self._bus = runtime.bus
        self._log = runtime.log
        self._busy = busy
        self._knocked = knocked
        self._state = runtime.state("connection_request", _STATE_VERSION)
        self._random_path = ""
        self._config = Config(enable=False)
        self._changed = trio.Event()
        self._listener: Listener | None = None
        self._udp = UdpDoor(runtime, knocked)
        self._interface_addresses: list[str] = []
        self._local_address = ""

    def configure(self, config: Config) -> None:
        """What holds from now on."""
        before, self._config = self._config, config
        if self._listener is not None and _let_in(before) != _let_in(config):
            self._listener.gate = self._gate()
        self._changed.set()
        self._changed = trio.Event()

    def connected_from(self, address: str) -> None:
        """Our address on the connection to the ACS."""
        self._local_address = address or self._local_address

    async def keep(self, config: Config) -> None:
        """Keep the ports as they are configured; runs until it is cancelled, and then they are closed."""
        self._config = config
        self._random_path = self._load_path()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep, _http_settings, self._listen)
            nursery.start_soon(self._keep, _udp_settings, self._udp.serve)

    async def _keep(
        self, settings_of: Callable[[Config], _Settings], serve: Callable[[Config], Awaitable[None]]
    ) -> None:
        while True:
            settings = settings_of(self._config)
            async with trio.open_nursery() as nursery:
                if settings is not None:
                    nursery.start_soon(serve, self._config)
                while settings == settings_of(self._config):
                    await self._changed.wait()
                nursery.cancel_scope.cancel()

    async def _listen(self, config: Config) -> None:
        self._listener = Listener(self._gate(), self._knocked, self._log)
        try:
            await self._listener.serve(config.connection_request_address, config.connection_request_port)
        finally:
            self._listener = None

    def _gate(self) -> Gate:
        config = self._config
        username, password = config.connection_request_username, config.connection_request_password
        if not (username and password):
            self._log.warning("connection requests: without user name and password nobody is let in")
        return Gate(f"/{self._path()}", username, password, self._busy)

    def url(self) -> str:
        """ConnectionRequestURL; empty while nobody listens or no address is known."""
        host = self._host()
        if self._listener is None or not self._listener.port or not host:
            return ""
        return f"http://{f'[{host}]' if ':' in host else host}:{self._listener.port}/{self._path()}"

    def udp_address(self) -> str:
        """UDPConnectionRequestAddress; empty while nobody listens or no address is known."""
        return self._udp.address(self._ipv4())

    @property
    def nat_detected(self) -> bool:
        """NATDetected."""
        return self._udp.nat_detected

    def _host(self) -> str:
        by_ipv6 = ":" in self._local_address
        same_family = sorted(self._interface_addresses, key=lambda address: (":" in address) is not by_ipv6)
        return self._config.connection_request_address or next(iter(same_family), self._local_address)

    def _ipv4(self) -> str:
        known = (self._config.connection_request_address, *self._interface_addresses, self._local_address)
        return next((address for address in known if address and ":" not in address), "")

    async def find_address(self) -> None:
        """Ask netifd for the address of the interface the ACS reaches us by."""
        name = f"network.interface.{self._config.interface}"
        try:
            status = await self._bus.call(name, "status", timeout=5.0)
        except UbusError as error:
            self._log.debug("%s: %s", name, error)
            return
        found = [_first_address(status, key) for key in ("ipv4-address", "ipv6-address")]
        self._interface_addresses = [address for address in found if address]

    def _path(self) -> str:
        return (self._config.connection_request_path or self._random_path).lstrip("/")

    def _load_path(self) -> str:
        """Random, so that strangers do not find it, and the same for ever (TR-069a6 3.2.2.1)."""
        path = self._state.load().get("path")
        if isinstance(path, str) and path:
            return path
        path = secrets.token_urlsafe(16)
        try:
            self._state.save({"path": path})
        except OSError as error:
            self._log.error("the path of connection requests cannot be kept: %s", error.strerror)
        return path


def _http_settings(config: Config) -> _Settings:
    """Who is let in, and by which path, changes without closing the port: somebody may be at the door."""
    if not (config.enable and config.acs_url and config.connection_request_enable):
        return None
    return config.connection_request_address, config.connection_request_port


def _let_in(config: Config) -> _Settings:
    return (
        config.connection_request_path,
        config.connection_request_username,
        config.connection_request_password,
    )


def _udp_settings(config: Config) -> _Settings:
    asked_for = config.connection_request_username and config.connection_request_password
    if not (config.enable and config.acs_url and config.udp_connection_request_port):
        return None
    if not (asked_for or config.stun_enable) or ":" in config.connection_request_address:
        return None
    stun: _Settings = None
    if config.stun_enable:
        stun = (
            stun_host(config),
            config.stun_server_port,
            config.stun_username,
            config.stun_password,
            config.stun_minimum_keep_alive_period,
            config.stun_maximum_keep_alive_period,
        )
    return (
        config.connection_request_address,
        config.udp_connection_request_port,
        config.connection_request_username,
        config.connection_request_password,
        stun,
    )


def _first_address(status: Mapping[str, Any], key: str) -> str:
    for entry in status.get(key) or ():
        if isinstance(entry, dict) and isinstance(address := entry.get("address"), str):
            return address
    return ""
