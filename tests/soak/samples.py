"""What the soak measures, and when a figure is bad.

Every process is sampled between two operations: memory (as `tests.bench.bench_footprint` has it), descriptors,
threads. What belongs to warm-up is left out. The rest is compared first quarter against last: memory by the median,
descriptors and threads by the least, since some of them come and go with what is under way and only a leak raises
the least.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

from tests.bench.bench_footprint import memory

T = TypeVar("T")

GROWTH = 1.0
"""MB that a process which stays up may have grown by. What rests begins anew: its figures are told, not judged."""

FEWEST = 8
"""Samples of a process below which nothing is said about its growth."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one process at one moment; MB."""

    pid: int
    pss: float
    private: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Of one service, over restarts and rests: how its last quarter differs from its first. `course`: the median of
    private memory in each quarter."""

    service: str
    samples: int
    processes: int
    pss: float
    private: float
    course: tuple[float, ...]
    private_growth: float
    descriptors: int
    descriptor_growth: int
    thread_growth: int

    @property
    def failure(self) -> str:
        """What is wrong with it, "" if nothing."""
        if self.samples < FEWEST:
            return ""
        if self.private_growth > GROWTH and self.processes == 1:
            return f"{self.service} grew by {self.private_growth:.2f} MB, more than {GROWTH:g}"
        if self.descriptor_growth > 0:
            return f"{self.service} holds {self.descriptor_growth} descriptors more"
        return f"{self.service} has {self.thread_growth} threads more" if self.thread_growth > 0 else ""


class Samples:
    """All samples of a run, by service."""

    def __init__(self) -> None:
        self._taken: defaultdict[str, list[Sample]] = defaultdict(list)

    def take(self, processes: Mapping[str, int]) -> None:
        for name, pid in processes.items():
            try:
                self.add(name, sample(pid))
            except (OSError, TypeError):  # it has just ended, or is ending: no memory of its own any more
                continue

    def add(self, service: str, taken: Sample) -> None:
        self._taken[service].append(taken)

    def growth(self) -> Iterator[Growth]:
        for service, taken in sorted(self._taken.items()):
            first, last = quarters(taken)

            def least(
                what: Callable[[Sample], int], first: list[Sample] = first, last: list[Sample] = last
            ) -> int:
                return min(map(what, last)) - min(map(what, first))

            yield Growth(
                service,
                len(taken),
                len({s.pid for s in taken}),
                median(s.pss for s in last),
                median(s.private for s in last),
                course(taken),
                median(s.private for s in last) - median(s.private for s in first),
                min(s.descriptors for s in last),
                least(lambda s: s.descriptors),
                least(lambda s: s.threads),
            )


def sample(pid: int) -> Sample:
    """Raises OSError, TypeError: there is no such process any more."""
    used = memory(pid)
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    threads = len(os.listdir(Path(f"/proc/{pid}/task")))
    return Sample(pid, used.pss, used.private, descriptors, threads)


def course(taken: Sequence[Sample]) -> tuple[float, ...]:
    size = max(1, len(taken) // 4)
    return tuple(median(s.private for s in taken[n * size : (n + 1) * size] or taken) for n in range(4))


def quarters(taken: Sequence[T]) -> tuple[list[T], list[T]]:
    """The first quarter and the last, each of one at least."""
    size = max(1, len(taken) // 4)
    return list(taken[:size]), list(taken[-size:])
