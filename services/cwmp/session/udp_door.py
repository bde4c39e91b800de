"""The port for connection requests by UDP (TR-069a6 Annex G).

It is IPv4's, as STUN of Annex G is; by IPv6 there is no NAT, and HTTP does. What arrives is told apart by its
first byte: 0 and 1 begin a STUN message, which is `nat`'s, a letter begins a connection request, which `udp_request`
judges. A connection request is never answered.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from cwmp.runtime import Config, Runtime, StateFile
from cwmp.session.nat import Nat, bound
from cwmp.session.udp_request import MAX_BYTES, UdpGate, Verdict

_STATE_VERSION = 1
_BIND_AGAIN = 10.0
_STUN = frozenset({0, 1})


class UdpDoor:
    """`knocked` is told that a session is asked for."""

    def __init__(self, runtime: Runtime, knocked: Callable[[], None]) -> None:
        self.port = 0
        """Where it listens; 0 while it does not."""
        self._log = runtime.log
        self._knocked = knocked
        path = runtime.paths.run_dir / "session" / "udp_request.json"
        self._accepted = StateFile(path, _STATE_VERSION, runtime.log)
        self._nat: Nat | None = None

    @property
    def nat_detected(self) -> bool:
        return self._nat is not None and self._nat.detected

    def address(self, host: str) -> str:
        """UDPConnectionRequestAddress, where `host` is our own address; empty while nobody listens."""
        known = self._nat.address if self._nat is not None else None
        host, port = known or (host, self.port)
        if not self.port or not host:
            return ""
        return host if port == 80 else f"{host}:{port}"

    async def serve(self, config: Config) -> None:
        """Listen as it is configured, until cancelled; then the port is closed."""
        with await self._bind(config) as primary:
            self.port = primary.getsockname()[1]
            self._log.info("connection requests by UDP: listening on port %d", self.port)
            try:
                async with trio.open_nursery() as nursery:
                    if config.stun_enable:
                        self._nat = Nat(config, primary, self._log)
                        nursery.start_soon(self._nat.run)
                    await self._receive(config, primary)
            finally:
                self.port = 0
                self._nat = None

    async def _bind(self, config: Config) -> trio.socket.SocketType:
        address, port = config.connection_request_address, config.udp_connection_request_port
        while True:
            try:
                return await bound(address, port)
            except OSError as error:
                self._log.error(
                    "connection requests by UDP: cannot listen on %s port %d: %s; next try in %g s",
                    address or "every address",
                    port,
                    error.strerror or error,
                    _BIND_AGAIN,
                )
            await trio.sleep(_BIND_AGAIN)

    async def _receive(self, config: Config, primary: trio.socket.SocketType) -> None:
        username, password = config.connection_request_username, config.connection_request_password
        gate = UdpGate(username, password, self._last())
        while True:
            try:
                data, _ = await primary.recvfrom(MAX_BYTES + 1)
            except OSError:  # such as an ICMP message about something that was sent
                continue
            if data[:1] and data[0] not in _STUN:
                self._judge(gate, data)
            elif self._nat is not None:
                await self._nat.received(data)

    def _judge(self, gate: UdpGate, data: bytes) -> None:
        verdict = gate.decide(data, trio.current_time())
        if verdict is not Verdict.ACCEPTED:  # copies of one that was accepted are the rule
            self._log.debug("connection request by UDP passed over: %s", verdict.value)
            return
        self._log.info("connection request by UDP accepted")
        try:
            self._accepted.save({"ts": gate.last[0], "id": gate.last[1]})
        except OSError as error:
            self._log.error("the last connection request cannot be kept: %s", error.strerror)
        self._knocked()

    def _last(self) -> tuple[int, str]:
        """Of the request accepted last since the boot: it must not count again."""
        kept = self._accepted.load()
        ts, number = kept.get("ts"), kept.get("id")
        return (ts, number) if isinstance(ts, int) and isinstance(number, str) else (0, "")
