"""Points in time as parameters hold them: UTC, in µs (TR-181 dateTime)."""

from __future__ import annotations

from datetime import UTC, datetime

UNKNOWN_TIME = "0001-01-01T00:00:00Z"
"""What has not happened (TR-106 3.2.2)."""


def date_time(ns: int) -> str:
    """A time in ns since 1970; 0 has not happened."""
    if not ns:
        return UNKNOWN_TIME
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06}Z"
