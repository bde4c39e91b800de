"""The door the ACS knocks at: when the port of connection requests is open, and what its URL is.

The port is open while the configuration says so and there is an ACS to open a session with; otherwise it is
closed and ConnectionRequestURL is empty (TR-181 HTTPConnectionRequestEnable). The URL's path is random and the
device's own; its host is the address configured, or that of the interface the ACS is reached by, or our end of
the last connection to the ACS.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import trio

from cwmp.runtime import Config, Runtime
from cwmp.session.connection_request import Gate, Listener
from ubuskit import UbusError

_STATE_VERSION = 1


class Door:
    """Opens and closes the port. `busy` says whether a session is open; `knocked` that one is asked for."""

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
        self._interface_address = ""
        self._local_address = ""

    def configure(self, config: Config) -> None:
        """What holds from now on."""
        self._config = config
        self._changed.set()

    def connected_from(self, address: str) -> None:
        """Our address on the connection to the ACS."""
        self._local_address = address or self._local_address

    async def keep(self, config: Config) -> None:
        """Keep the port as it is configured; runs until it is cancelled, and then the port is closed."""
        self._config = config
        self._random_path = self._load_path()
        while True:
            settings = _settings(self._config)
            async with trio.open_nursery() as nursery:
                if settings is not None:
                    nursery.start_soon(self._listen, self._config)
                while settings == _settings(self._config):
                    self._changed = trio.Event()
                    await self._changed.wait()
                nursery.cancel_scope.cancel()
            self._listener = None

    async def _listen(self, config: Config) -> None:
        username, password = config.connection_request_username, config.connection_request_password
        if not (username and password):
            self._log.warning("connection requests: without user name and password nobody is let in")
        gate = Gate(f"/{self._path()}", username, password, self._busy)
        self._listener = Listener(gate, self._knocked, self._log)
        await self._listener.serve(config.connection_request_address, config.connection_request_port)

    def url(self) -> str:
        """ConnectionRequestURL; empty while nobody listens or no address is known."""
        host = self._config.connection_request_address or self._interface_address or self._local_address
        if self._listener is None or not self._listener.port or not host:
            return ""
        return f"http://{f'[{host}]' if ':' in host else host}:{self._listener.port}/{self._path()}"

    async def find_address(self) -> None:
        """Ask netifd for the address of the interface the ACS reaches us by."""
        name = f"network.interface.{self._config.interface}"
        try:
            status = await self._bus.call(name, "status", timeout=5.0)
        except UbusError as error:
            self._log.debug("%s: %s", name, error)
            return
        self._interface_address = _first_address(status, "ipv4-address") or _first_address(
            status, "ipv6-address"
        )

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


def _settings(config: Config) -> tuple[object, ...] | None:
    """What the port depends on; None where it has to be closed."""
    if not (config.enable and config.acs_url and config.connection_request_enable):
        return None
    return (
        config.connection_request_address,
        config.connection_request_port,
        config.connection_request_path,
        config.connection_request_username,
        config.connection_request_password,
    )


def _first_address(status: Mapping[str, Any], key: str) -> str:
    for entry in status.get(key) or ():
        if isinstance(entry, dict) and isinstance(address := entry.get("address"), str):
            return address
    return ""
