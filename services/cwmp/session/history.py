"""The last sessions, for `ubus call cwmp history`: what each was for, each RPC with its duration, how it ended.

In memory only, and bounded: it is for a person who asks why something does not work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cwmp.runtime.clock import date_time

MAX_SESSIONS = 10
MAX_CALLS = 64


@dataclass(frozen=True, slots=True)
class Call:
    """One RPC, of either side; `seconds` until it was answered, `fault` empty where all was well."""

    method: str
    by: str
    seconds: float
    fault: str = ""

    def to_table(self) -> dict[str, Any]:
        table: dict[str, Any] = {"method": self.method, "by": self.by, "ms": round(self.seconds * 1000)}
        return {**table, "fault": self.fault} if self.fault else table


@dataclass(slots=True)
class Session:
    """Times in seconds since 1970; `result` is running, success or failure. `calls` beyond the bound are counted."""

    start: float
    why: str
    events: list[str] = field(default_factory=list)
    version: str = ""
    end: float = 0.0
    result: str = "running"
    error: str = ""
    calls: list[Call] = field(default_factory=list)
    more: int = 0

    def add(self, call: Call) -> None:
        if len(self.calls) < MAX_CALLS:
            self.calls.append(call)
        else:
            self.more += 1

    def to_table(self) -> dict[str, Any]:
        return {
            "start": date_time(self.start),
            "end": date_time(self.end) if self.end else "",
            "why": self.why,
            "events": self.events,
            "version": self.version,
            "result": self.result,
            "error": self.error,
            "calls": [call.to_table() for call in self.calls],
            "more_calls": self.more,
        }


class History:
    """At most `MAX_SESSIONS`, oldest first."""

    def __init__(self) -> None:
        self._sessions: deque[Session] = deque(maxlen=MAX_SESSIONS)

    def began(self, start: float, why: str) -> Session:
        """A session begins; what is returned is filled in by whoever runs it."""
        session = Session(start, why)
        self._sessions.append(session)
        return session

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions))

    def to_table(self) -> dict[str, Any]:
        return {"sessions": [session.to_table() for session in self._sessions]}
