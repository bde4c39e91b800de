"""Waiting for the end of the session with the ACS.

What cuts the connection or disturbs the line (a flash, a reboot, a speed test) has to wait until the session is
over (TR-069a6 A.3.2.8, A.3.2.9; TR-143 for diagnostics). The session service tells when one opens and ends; a
fact may be lost, so it is also asked, again and again.
"""

from __future__ import annotations

import logging

import trio

from cwmp.contract import Empty, Fault
from cwmp.contract.session import GET_STATE, STATE, State
from cwmp.runtime.peers import Peers

_ASK_AGAIN = 30.0
_LONGEST_SESSION = 3600.0


class SessionWatch:
    """Knows whether a session is open. `listen` has to be called once, before `ended`."""

    def __init__(self, peers: Peers, log: logging.Logger) -> None:
        self._peers = peers
        self._log = log
        self._told = trio.Event()

    async def listen(self) -> None:
        await self._peers.hear(STATE, self._heard)

    def _heard(self, _state: State) -> None:
        self._told.set()
        self._told = trio.Event()

    async def ended(self) -> None:
        """Return as soon as no session is open. Bounded: a session service that cannot say so within
        `_ASK_AGAIN` s holds no session, and none lasts longer than `_LONGEST_SESSION` s."""
        with trio.move_on_after(_LONGEST_SESSION):
            while True:
                told = self._told  # before asking: what is told meanwhile counts
                if not await self._open():
                    return
                with trio.move_on_after(_ASK_AGAIN):
                    await told.wait()
        self._log.warning("the session has not ended within %g s: going on without", _LONGEST_SESSION)

    async def _open(self) -> bool:
        try:
            return (await self._peers.request(GET_STATE, Empty(), deadline=_ASK_AGAIN)).open
        except Fault as fault:
            self._log.warning("the session service does not say whether a session is open: %s", fault.text)
            return False
