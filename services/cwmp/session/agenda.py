"""When the next session is due, and why; without I/O.

Three things make one due: an event (at once, also in the middle of a wait for a retry), a periodic instant
(which is an event of its own), and the retry of a session that failed. After a session that ended well but left
an event undelivered the next one waits as a retry would, so that an ACS that refuses the same request for ever
is not asked for ever (TR-069a6 3.2.1.1).

A heartbeat (Annex O) is a session of its own, at instants of its own. One that falls into the repetition of
another session waits for the end of it; one that falls due while an earlier one is undelivered is left out.

Times are seconds of a monotonic clock, except `wall`, seconds since 1970. A step of the wall clock moves the
periodic instants that follow it.
"""

from __future__ import annotations

from collections.abc import Callable

from cwmp.session.schedule import Periodic, retry_wait

_CLOCK_STEP = 2.0
LOOK_AGAIN = 60.0
"""How long to sleep at most: the wall clock may be stepped meanwhile."""


class _Instants:
    """The instants of a `Periodic` on the monotonic clock: `at` is the next."""

    def __init__(self) -> None:
        self.at: float | None = None
        self._periodic: Periodic | None = None
        self._offset = 0.0

    def configure(self, periodic: Periodic | None, *, wall: float, now: float) -> None:
        """Those that hold from now on; other ones arm anew (TR-181 ManagementServer)."""
        if periodic != self._periodic:
            self._periodic = periodic
            self._arm(wall, now)

    def passed(self, *, wall: float, now: float) -> bool:
        """Whether one has passed since this was last asked; late ones count once."""
        if self.at is None:
            return False
        late = now >= self.at
        if late or abs((wall - now) - self._offset) > _CLOCK_STEP:
            self._arm(wall, now)
        return late

    def _arm(self, wall: float, now: float) -> None:
        self._offset = wall - now
        self.at = now + self._periodic.wait(wall, now) if self._periodic else None


class Agenda:
    """The one place that knows when. `random` gives numbers from 0 to 1."""

    def __init__(self, random: Callable[[], float]) -> None:
        self.retries = 0
        """Which retry comes next, for the window; starts anew with the service (and so with a reboot)."""
        self._random = random
        self._minimum, self._multiplier = 5, 2000
        self._why = ""
        self._retry_at: float | None = None
        self._periodic = _Instants()
        self._heartbeat = _Instants()
        self._heartbeat_waits = False

    def configure(
        self,
        periodic: Periodic | None,
        minimum: int,
        multiplier: int,
        *,
        heartbeat: Periodic | None = None,
        wall: float,
        now: float,
    ) -> None:
        """The configuration that holds from now on."""
        self._minimum, self._multiplier = minimum, multiplier
        self._periodic.configure(periodic, wall=wall, now=now)
        self._heartbeat.configure(heartbeat, wall=wall, now=now)
        self._heartbeat_waits = self._heartbeat_waits and heartbeat is not None

    def event(self, why: str) -> None:
        """Something the ACS has to learn of: a session is due at once."""
        self._why = self._why or why

    def nothing_left(self) -> None:
        """What `event` was called for has been delivered meanwhile."""
        self._why = ""

    def forget(self) -> None:
        """There was no session before, and so no failure."""
        self.retries = 0
        self._why = ""
        self._retry_at = None

    @property
    def by_event(self) -> bool:
        """Whether the next session is due because of an event."""
        return bool(self._why)

    def periodic_due(self, *, wall: float, now: float) -> bool:
        """Whether a periodic instant has passed since this was last asked; late ones count once."""
        return self._periodic.passed(wall=wall, now=now)

    def heartbeat_due(self, *, undelivered: bool, wall: float, now: float) -> bool:
        """Whether a heartbeat is to be told now; `undelivered` says that one is on its way already."""
        self._heartbeat_waits |= self._heartbeat.passed(wall=wall, now=now)
        if undelivered:
            self._heartbeat_waits = False
        due = self._heartbeat_waits and self._retry_at is None
        self._heartbeat_waits = self._heartbeat_waits and not due
        return due

    def began(self) -> None:
        """A session opens now: events from here on are for another one."""
        self._why = ""
        self._retry_at = None

    def ended(self, *, complete: bool, now: float) -> None:
        """The session is over; `complete` if it ended well and nothing it was for is left."""
        if complete:
            self.retries = 0
        else:
            self.retries += 1
            wait = retry_wait(self.retries, self._minimum, self._multiplier, self._random)
            self._retry_at = now + wait

    def next(self, now: float) -> tuple[float | None, str]:
        """When the next session is due (None: nothing is planned), and why."""
        if self._why:
            return now, self._why
        if self._retry_at is not None:
            return self._retry_at, f"retry {self.retries}"
        plans = ((self._periodic.at, "periodic inform"), (self._heartbeat.at, "heartbeat"))
        return min(((at, why) for at, why in plans if at is not None), default=(None, ""))

    def next_look(self, now: float) -> float:
        """When to ask again at the latest."""
        times = (self._retry_at, self._periodic.at, self._heartbeat.at)
        return min([now + LOOK_AGAIN, *(t for t in times if t is not None)])
