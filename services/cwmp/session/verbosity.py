"""How much all services log: as configured, or for a while at a level an operator asks for, without writing flash."""

from __future__ import annotations

from cwmp.contract import SERVICES
from cwmp.contract.session import LOG_LEVEL, LogLevel
from cwmp.runtime import Runtime


class Verbosity:
    """The level asked for lasts as long as this service; who starts later is told."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._asked = ""
        for service in SERVICES:
            runtime.peers.on_ready(service, self._on_ready)

    @property
    def level(self) -> str:
        """The one that holds."""
        return self._asked or self._runtime.config().log_level

    async def log_at(self, level: str) -> None:
        """All services log at this level from now on; "": at that of the configuration."""
        self._asked = level
        self._runtime.log_at(level)
        self._runtime.log.info("log level: %s", self.level)
        await self.tell()

    async def tell(self) -> None:
        """Have the others log at the level that holds; they look into their configuration for it."""
        await self._runtime.peers.tell(LOG_LEVEL, LogLevel(self._asked))

    def _on_ready(self) -> None:
        if self._asked:
            self._runtime.nursery.start_soon(self.tell)
