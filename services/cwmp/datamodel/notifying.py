"""Active notification: a session is asked for when something changed that the ACS wants to know at once.

Only one is asked for at a time, never while a session runs, and none sooner than DefaultActiveNotificationThrottle
seconds after the last session that ended well (TR-069a6 3.2.1, TR-181 ManagementServer). Sessions for other
reasons carry what changed without being waited for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from cwmp.contract import Fault
from cwmp.contract.session import RAISE_EVENT, RaiseEvent
from cwmp.datamodel.watching import Watch
from cwmp.runtime import Config, Peers
from ubuskit.client import Client

VALUE_CHANGE = "4 VALUE CHANGE"
_SETTLE = 0.5
_AGAIN = 10.0
_DEADLINE = 20.0
_OBJECTS = ("service", "network.interface", "network.device")
_EVENTS = ("network.interface", "ubus.object.*")


class Notifier:
    """Looks when there is reason to, and asks the session."""

    def __init__(
        self,
        watch: Watch,
        peers: Peers,
        config: Callable[[], Config],
        session_open: Callable[[], bool],
        log: logging.Logger,
    ) -> None:
        self._watch = watch
        self._peers = peers
        self._config = config
        self._session_open = session_open
        self._log = log
        self._wake = trio.Event()
        self._happened = False
        self._asked = False
        self._not_before = -float("inf")
        self._ended = -float("inf")

    async def listen(self, bus: Client) -> None:
        """Hear of what may have changed values."""
        for path in _OBJECTS:
            await bus.subscribe(path, lambda *_: self.happened())
        for pattern in _EVENTS:
            await bus.listen(pattern, lambda *_: self.happened())

    def happened(self) -> None:
        """Something may have changed."""
        self._happened = True
        self._wake.set()

    def session_ended(self, *, success: bool) -> None:
        """What changed while it ran may be told now."""
        if success:
            self._ended = trio.current_time()
        self._wake.set()

    def informed(self) -> None:
        """The ACS has answered an Inform: what it was asked to know of is delivered."""
        self._asked = False

    def session_ready(self) -> None:
        """The session service has started; it may not have kept what it was asked."""
        self._asked = False
        self._not_before = -float("inf")
        self._wake.set()

    async def run(self) -> None:
        """Runs until it is cancelled."""
        look_at = trio.current_time() + self._config().notification_poll_interval
        while True:
            wake = self._wake = trio.Event()
            if self._happened or trio.current_time() >= look_at:
                if self._happened:
                    await trio.sleep(_SETTLE)  # one change comes as several happenings
                self._happened = False
                await self._look()
                look_at = trio.current_time() + self._config().notification_poll_interval
            due = await self._ask()
            with trio.move_on_at(min(look_at, due)):
                await wake.wait()

    async def _look(self) -> None:
        try:
            await self._watch.look()
        except Fault as fault:
            self._log.warning("changes cannot be looked for: %s", fault.text)

    async def _ask(self) -> float:
        """Ask for a session where one is due; when to try again."""
        if self._asked or self._session_open() or not self._watch.active:
            return float("inf")
        at = max(self._not_before, self._ended + self._config().default_active_notification_throttle)
        if at > trio.current_time():
            return at
        self._asked = True
        try:
            await self._peers.request(RAISE_EVENT, RaiseEvent(VALUE_CHANGE), deadline=_DEADLINE)
        except Fault as fault:
            self._log.warning("the session was not told of a changed value: %s", fault.text)
            self._asked = False
            self._not_before = trio.current_time() + _AGAIN
            return self._not_before
        return float("inf")
