"""Telling how far a test is, no more often than anybody looks."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from cwmp.contract.diagnostics import PROGRESS, Progress
from cwmp.runtime import Peers

INTERVAL = 0.5
"""Seconds from one event to the next, at least."""

KEPT = 240
"""How many of the last rates are kept for who asks instead of listening."""


class Reporter:
    """Tells of one run of the test `name`."""

    def __init__(self, name: str, peers: Peers) -> None:
        self.name = name
        self._peers = peers
        self._done = self._total = 0
        self._rates: deque[int] = deque(maxlen=KEPT)
        self._noted = trio.Event()

    def note(self, done: int, total: int) -> None:
        """So far it is now."""
        self._done, self._total = done, total
        self._noted.set()

    def so_far(self) -> dict[str, Any]:
        """``{done, total, rates}``: as in the event, with the last rates instead of one."""
        return {"done": self._done, "total": self._total, "rates": list(self._rates)}

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
            rate = max(0, round((done - before) / passed)) if passed > 0 else 0
            before, when = done, now
            self._rates.append(rate)
            await self._peers.tell(PROGRESS, Progress(self.name, done, self._total, rate))
            await trio.sleep(INTERVAL)
