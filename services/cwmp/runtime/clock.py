"""The wall clock as the services see it: whether it was ever set, and how it is written (TR-106 3.3)."""

from __future__ import annotations

from datetime import UTC, datetime

CLOCK_IS_SET = 1_600_000_000.0
"""A clock before this (September 2020) was never set: routers without a battery start in 1970."""


def date_time(seconds: float) -> str:
    """Seconds since 1970 as a dateTime in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
