"""Telling how far a test is, no more often than anybody looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from cwmp.contract.diagnostics import PROGRESS, Progress
from cwmp.runtime import Peers

INTERVAL = 0.5
"""Seconds from one event to the next, at least."""


class Reporter:
    """Tells of one run of the test `name`."""

    def __init__(self, name: str, peers: Peers) -> None:
        self._name = name
        self._peers = peers
        self._done = self._total = 0
        self._noted = trio.Event()

    def note(self, done: int, total: int) -> None:
        """So far it is now."""
        self._done, self._total = done, total
        self._noted.set()

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell what is noted inside."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell)
            yield
            nursery.cancel_scope.cancel()

    async def _tell(self) -> None:
        before, when = 0, trio.current_time()
        while True:
            await self._noted.wait()
            self._noted = trio.Event()
            now, done = trio.current_time(), self._done
            passed = now - when
            rate = round((done - before) / passed) if passed > 0 else 0
            before, when = done, now
            await self._peers.tell(PROGRESS, Progress(self._name, done, self._total, max(0, rate)))
            await trio.sleep(INTERVAL)
