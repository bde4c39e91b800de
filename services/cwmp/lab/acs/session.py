"""One session as the ACS's script sees it.

Theory of operation
-------------------
The CPE drives: it posts, the ACS answers, and only an answer can carry a request of the ACS. So a session has
a *turn*. It is the CPE's until it posts something that leaves the answer to us (an empty POST, or its response
to our request); then it is ours until the script calls `rpc` or ends the session. Requests of the CPE
(TransferComplete, GetRPCMethods and the like) are answered at once and only noted.

Two tasks meet here: the one that serves the CPE's connection (`give_turn`) and the script (`rpc`, `end`). A
session is *lost* when the CPE's connection goes while a post of it is unanswered, or when the CPE begins a new
session; the script then gets `SessionLost`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from cwmp.lab.acs import soap
from cwmp.lab.acs.calls import Inform, Report, TransferComplete
from cwmp.lab.acs.messages import Rpc
from cwmp.lab.acs.soap import Envelope, Violation

R = TypeVar("R")


class SessionLost(Exception):
    """The CPE went away in the middle of the session."""


@dataclass(frozen=True, slots=True)
class Call:
    """What the serving task is to send: a request, under its ID."""

    id: str
    method: str
    document: bytes


@dataclass(eq=False)
class Session:
    """A session that an Inform opened. `reports` are the requests the CPE has made of us so far."""

    number: int
    inform: Inform
    namespace: str
    timeout: float = 60.0
    reports: list[Report] = field(default_factory=list)
    claimed: bool = False
    dismissed: bool = False
    ended: trio.Event = field(default_factory=trio.Event)
    lost: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)
        self._posts_in, self._posts = trio.open_memory_channel[Envelope | None](0)
        self._calls_in, self._calls = trio.open_memory_channel[Call | None](0)
        self._ours = False

    @property
    def transfers(self) -> list[TransferComplete]:
        return [report for report in self.reports if isinstance(report, TransferComplete)]

    # -- the script's side --------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Wait until the turn is ours: the CPE has nothing more to request.

        Raises:
            SessionLost: it went away.
            trio.TooSlowError: it did not come within `timeout` seconds.
        """
        if not self._ours:
            post = await self._next_post()
            if post is not None:
                raise Violation(f"the CPE sent a {post.method} that nobody asked for")
            self._ours = True

    async def rpc(self, rpc: Rpc[R]) -> R:
        """Call the CPE.

        Raises:
            CpeFault: it answered with a fault.
            Violation: its answer is not what the standard demands.
            SessionLost, trio.TooSlowError: as for `ready`.
        """
        await self.ready()
        element = soap.element(rpc.method, self.namespace)
        rpc.write(element)
        id = f"acs-{self.number}-{next(self._ids)}"
        answer = await self.exchange(
            Call(id, rpc.method, soap.write(element, id=id, namespace=self.namespace))
        )
        if answer.method == "Fault":
            raise soap.fault(answer.body)
        if answer.method != f"{rpc.method}Response":
            raise Violation(f"the answer to {rpc.method} is a {answer.method}")
        return rpc.read(answer.body)

    async def exchange(self, call: Call) -> Envelope:
        """Send a request as it is and return the CPE's answer to it. Raises as `rpc` does, but for faults."""
        await self.ready()
        self._ours = False
        with trio.fail_after(self.timeout):
            await self._hand_over(call)
        answer = await self._next_post()
        self._ours = True
        if answer is None:
            raise Violation(f"the answer to {call.method} is an empty POST")
        if answer.id != call.id:
            raise Violation(f"the answer to {call.method} has the ID {answer.id!r}, not {call.id!r}")
        return answer

    async def end(self) -> None:
        """Let the session end: the CPE gets 204 once the turn is ours. Raises as `ready` does."""
        if not self.ended.is_set():
            await self.ready()
            with trio.fail_after(self.timeout):
                await self._hand_over(None)
                await self.ended.wait()

    async def _hand_over(self, call: Call | None) -> None:
        try:
            await self._calls_in.send(call)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise SessionLost(f"session {self.number} broke off") from None

    async def _next_post(self) -> Envelope | None:
        try:
            with trio.fail_after(self.timeout):
                return await self._posts.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise SessionLost(f"session {self.number} broke off") from None

    # -- the server's side --------------------------------------------------------------------------------------

    async def give_turn(self, post: Envelope | None) -> Call | None:
        """Give the turn to the script: what the CPE posted. Returns what to answer; None ends the session."""
        if self.dismissed or self.lost.is_set():
            return None
        try:
            with trio.move_on_after(math.inf if self.claimed else self.timeout) as patience:
                await self._posts_in.send(post)
            if patience.cancelled_caught:  # nobody wanted it
                self.dismiss()
                return None
            return await self._calls.receive()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.EndOfChannel):
            return None

    def lose(self) -> None:
        """The CPE is gone: whoever waits for it is told."""
        if not self.ended.is_set() and not self.lost.is_set():
            self.lost.set()
            self._posts_in.close()
            self._calls.close()

    def dismiss(self) -> None:
        """Nobody is interested: it ends as soon as the turn is ours."""
        self.dismissed = True
        self._posts.close()
        self._calls_in.close()
