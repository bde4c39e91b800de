"""Processes, as the kernel tells of them in ``/proc/<pid>/stat`` (proc(5)), and what the processor does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_STATES = {
    "R": "Running",
    "S": "Sleeping",
    "D": "Uninterruptible",
    "Z": "Zombie",
    "T": "Stopped",
    "t": "Stopped",
    "I": "Idle",
}
_TICK = 10
"""Milliseconds: user space is always told in hundredths of a second."""
_LEAST = 20
"""Ticks in which the usage of the processor can be told at all."""

_CPU = Need("file", "/proc/stat")
_CPU_BEFORE = Need("before", "/proc/stat")


def _split(row: Row) -> tuple[str, list[str]]:
    """The name, and the fields after it: state (3 in proc(5)), parent (4)... Nothing of one that has ended."""
    text: str = row.view.snapshot.get(Need("file", f"/proc/{row.key}/stat"))
    begin, end = text.find("("), text.rfind(")")
    return (text[begin + 1 : end], text[end + 1 :].split()) if 0 <= begin < end else ("", [])


def _field(row: Row, number: int) -> str | None:
    fields = row.cached(_split, _split)[1]
    return fields[number - 3] if number - 3 < len(fields) else None


def _number(row: Row, number: int) -> int | None:
    text = _field(row, number)
    return int(text) if text is not None and text.lstrip("-").isdecimal() else None


def _cpu_time(row: Row) -> int | None:
    user, system = _number(row, 14), _number(row, 15)
    return None if user is None or system is None else (user + system) * _TICK


def _size(row: Row) -> int | None:
    size = _number(row, 23)
    return None if size is None else size >> 10


def _priority(row: Row) -> int | None:
    """0 is the highest: the kernel's 0 to 39 (nice and 20); real-time ones are below 0 there, so above all."""
    priority = _number(row, 18)
    return None if priority is None else min(max(priority, 0), 99)


def _busy(text: str) -> tuple[int, int]:
    """Ticks that were busy, and all, of the line of all processors; iowait (5th) is idle."""
    first = text.partition("\n")[0].split()
    if first[:1] != ["cpu"] or len(first) < 5:
        return 0, 0
    ticks = [int(field) for field in first[1:9]]
    idle = ticks[3] + (ticks[4] if len(ticks) > 4 else 0)
    return sum(ticks) - idle, sum(ticks)


def _usage(row: Row) -> int | None:
    """Percent, rounded up, since it was last asked for; since the start at first."""
    busy, total = _busy(row.view.snapshot.get(_CPU))
    busy_before, total_before = _busy(row.view.snapshot.get(_CPU_BEFORE))
    if total - total_before >= _LEAST:
        busy, total = busy - busy_before, total - total_before
    return None if total <= 0 else min(-(-100 * max(busy, 0) // total), 100)


command = Computed(lambda row: row.cached(_split, _split)[0] or None)
size = Computed(_size)
priority = Computed(_priority)
cpu_time = Computed(_cpu_time)
state = Computed(lambda row: _STATES.get(_field(row, 3) or "", "Sleeping"))
cpu_usage = Computed(_usage, None, _CPU, _CPU_BEFORE)
