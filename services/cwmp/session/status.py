"""What `ubus call cwmp status` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cwmp.runtime.clock import date_time


@dataclass(slots=True)
class LastSession:
    """Times in seconds since 1970; `result` is none, running, success or failure."""

    result: str = "none"
    error: str = ""
    start: float = 0.0
    end: float = 0.0

    def to_table(self) -> dict[str, Any]:
        return {
            "result": self.result,
            "error": self.error,
            "start": date_time(self.start) if self.start else "",
            "end": date_time(self.end) if self.end else "",
        }


@dataclass(slots=True)
class Statistics:
    """Counted since the service started."""

    sessions: int = 0
    success: int = 0
    failure: int = 0
    requests: int = 0
    connection_requests: int = 0

    def to_table(self) -> dict[str, Any]:
        return {
            "sessions": self.sessions,
            "success": self.success,
            "failure": self.failure,
            "requests": self.requests,
            "connection_requests": self.connection_requests,
        }
