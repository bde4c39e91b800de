"""What a person sees of a fleet: the table while it runs, the report at its end, and the same as JSON."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from cwmp.lab.fleet.figures import Figures, Latencies

_WINDOW = 10.0
_SHOWN_REASONS = 8
_PERCENTILES = (0.5, 0.9, 0.99)


class Report:
    """Figures over time. `count` routers at `acs_url`; times in seconds since the start."""

    def __init__(self, count: int, acs_url: str) -> None:
        self._count = count
        self._acs_url = acs_url
        self._recent: deque[tuple[float, int, float]] = deque([(0.0, 0, 0.0)])
        self._now = 0.0
        self._most = 0
        self.figures = Figures()
        self.files = 0
        """Bytes of the routers' file systems."""

    def update(self, now: float, figures: Figures) -> None:
        """What holds now."""
        self._now, self.figures = now, figures
        self._most = max(self._most, figures.memory)
        self._recent.append((now, self._sessions, figures.cpu))
        while len(self._recent) > 2 and now - self._recent[1][0] >= _WINDOW:
            self._recent.popleft()

    @property
    def _sessions(self) -> int:
        return self.figures.succeeded + self.figures.failed + self.figures.disturbed

    def _pace(self) -> tuple[float, float]:
        """Sessions a second and cores in use, over the last seconds."""
        (began, sessions, cpu), (ended, sessions_now, cpu_now) = self._recent[0], self._recent[-1]
        took = ended - began
        return ((sessions_now - sessions) / took, (cpu_now - cpu) / took) if took > 0 else (0.0, 0.0)

    def line(self) -> str:
        """All in one line, where there is no terminal."""
        f, (rate, cores) = self.figures, self._pace()
        return (
            f"{_clock(self._now)}  {f.states['up']}/{self._count} up  {f.succeeded} sessions ({rate:.1f}/s)  "
            f"{f.failed} failed  inform p50 {_ms(f.inform.percentile(0.5))} p99 {_ms(f.inform.percentile(0.99))}  "
            f"{f.memory / 1e6:.0f} MB  {cores:.2f} cores"
        )

    def table(self) -> Iterator[str]:
        """The lines of the live table."""
        f, (rate, cores) = self.figures, self._pace()
        yield f"{self._count} routers at {self._acs_url}  {_clock(self._now)}"
        on = sum(f.states.values())
        states = {"up": f.states["up"], **{s: n for s, n in sorted(f.states.items()) if n and s != "up"}}
        if on < self._count:
            states["not yet on"] = self._count - on
        yield "routers    " + ", ".join(f"{n} {state}" for state, n in states.items())
        yield (
            f"sessions   {f.succeeded} succeeded, {f.failed} failed, {f.disturbed} cut by us, {f.open} open; "
            f"{rate:.1f}/s, {f.requests} requests of the ACS"
        )
        yield from self._latencies()
        if f.accidents:
            yield "accidents  " + ", ".join(f"{n} {kind}" for kind, n in sorted(f.accidents.items()))
        yield f"machine    {f.memory / 1e6:.0f} MB, {cores:.2f} cores"
        yield from self._failures()

    def lines(self) -> Iterator[str]:
        """The report at the end."""
        yield from self.table()
        f = self.figures
        if f.events:
            yield "events     " + ", ".join(f"{n} {event}" for event, n in sorted(f.events.items()))
        table = self.to_table()
        yield (
            f"a router   {table['mb_per_router']:.2f} MB ({table['files_mb_per_router']:.2f} of it files), "
            f"{table['cpu_ms_per_session']:.1f} ms of CPU a session, all included"
        )
        yield f"overall    {table['sessions_per_second']:.2f} sessions/s, {table['cores']:.2f} cores"

    def _latencies(self) -> Iterator[str]:
        yield "                 p50       p90       p99       max"
        for name, found in (("inform", self.figures.inform), ("session", self.figures.session)):
            values = [*(found.percentile(share) for share in _PERCENTILES), found.longest]
            yield f"{name:<10}" + "".join(f"{_ms(value):>10}" for value in values)

    def _failures(self) -> Iterator[str]:
        if not self.figures.failures:
            return
        yield "failures"
        ranked = self.figures.failures.most_common()
        for reason, number in ranked[:_SHOWN_REASONS]:
            yield f"  {number:>6}  {reason}"
        if left := sum(number for _, number in ranked[_SHOWN_REASONS:]):
            yield f"  {left:>6}  for other reasons"

    def to_table(self) -> dict[str, Any]:
        """The report as JSON: times in s, latencies in ms, memory in MB (10^6 bytes) at its most."""
        f = self.figures
        memory = self._most + self.files
        return {
            "acs_url": self._acs_url,
            "routers": self._count,
            "seconds": round(self._now, 1),
            "states": {state: n for state, n in f.states.items() if n},
            "sessions": {"succeeded": f.succeeded, "failed": f.failed, "cut_by_us": f.disturbed},
            "sessions_per_second": round(self._sessions / self._now, 3) if self._now else 0.0,
            "failures": dict(f.failures.most_common()),
            "events": dict(f.events),
            "accidents": dict(f.accidents),
            "requests_of_the_acs": f.requests,
            "inform_ms": _quantiles(f.inform),
            "session_ms": _quantiles(f.session),
            "memory_mb": round(memory / 1e6, 1),
            "mb_per_router": round(memory / 1e6 / self._count, 3),
            "files_mb_per_router": round(self.files / 1e6 / self._count, 3),
            "cpu_seconds": round(f.cpu, 2),
            "cores": round(f.cpu / self._now, 3) if self._now else 0.0,
            "cpu_ms_per_session": round(f.cpu * 1000 / self._sessions, 1) if self._sessions else 0.0,
        }


def _quantiles(found: Latencies) -> dict[str, float]:
    values = {f"p{share * 100:g}": found.percentile(share) for share in _PERCENTILES}
    return {name: round(value * 1000, 1) for name, value in {**values, "max": found.longest}.items()}


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
