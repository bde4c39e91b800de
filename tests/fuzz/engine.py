"""A small fuzzer: mutates what is in a corpus and gives it to a target, until a count is reached or a target fails.

Theory of operation
-------------------
Input number `n` of a run depends on the seed of the run and on `n` alone, so a failure is repeated by naming both.
A target fails by any exception that it does not catch itself. What it may spend is counted, not timed: calls of
functions (`CALLS`, and so many for each byte of input), and of every eighth input the memory held at the peak
(`MEMORY`). Only a loop that calls nothing at all needs a clock: a signal after `PATIENCE` seconds of CPU.

What failed is made smaller, as long as it fails the same way, and is then worth a file in the corpus: those are
given to their target unchanged by every run of the test suite.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

CORPUS = Path(__file__).parent / "corpus"

CALLS = 100_000
CALLS_PER_BYTE = 16
MEMORY = 16 << 20
PATIENCE = 30.0
_MAX_INPUT = 96 << 10
_MEMORY_EVERY = 8

_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 4095, 65535, 65536, 1 << 20)
_BYTES = bytes([0, 1, 9, 10, 13, 32, 34, 37, 38, 39, 44, 58, 59, 60, 61, 62, 91, 92, 127, 128, 192, 255])


class Exceeded(Exception):
    """A target has spent more than inputs of this size may cost."""


@dataclass(frozen=True)
class Target:
    """Something that reads bytes from outside. `words` are what its language is made of."""

    name: str
    run: Callable[[bytes], None]
    words: tuple[bytes, ...] = ()

    @property
    def directory(self) -> Path:
        return CORPUS / self.name

    def corpus(self) -> list[tuple[str, bytes]]:
        """File names and contents, in the same order everywhere."""
        return [(path.name, path.read_bytes()) for path in sorted(self.directory.iterdir())]


@dataclass(frozen=True)
class Failure:
    """What went wrong: with which input, the how-manieth of its run, and the smallest that fails alike."""

    target: Target
    number: int
    data: bytes
    smallest: bytes
    error: BaseException


def made(seeds: Sequence[bytes], words: Sequence[bytes], seed: str, number: int) -> bytes:
    """Input `number` of the run with this seed."""
    chance = random.Random(f"{seed}:{number}")
    data = bytearray(chance.choice(seeds))
    for _ in range(min(int(chance.expovariate(0.4)) + 1, 12)):
        chance.choice(_MUTATIONS)(data, chance, seeds, words)
        del data[_MAX_INPUT:]
    return bytes(data)


def check(target: Target, data: bytes, *, memory: bool = True) -> BaseException | None:
    """Give one input to a target; what it did not bear, if anything."""
    try:
        with _patience(), _memory(memory), _counted(CALLS + CALLS_PER_BYTE * len(data)):
            target.run(data)
    except Exception as error:
        return error
    return None


def run(target: Target, count: int, seed: str, first: int = 0) -> Failure | None:
    """Give it `count` inputs; the first failure, made small."""
    seeds = [data for _, data in target.corpus()]
    for number in range(first, first + count):
        data = made(seeds, target.words, seed, number)
        error = check(target, data, memory=number % _MEMORY_EVERY == 0)
        if error is not None:
            return Failure(target, number, data, smaller(target, data, type(error)), error)
    return None


def smaller(target: Target, data: bytes, kind: type[BaseException], rounds: int = 400) -> bytes:
    """A part of `data` that fails with the same kind of error."""
    step = max(len(data) // 2, 1)
    while step and rounds > 0:
        position = 0
        while position < len(data) and rounds > 0:
            rounds -= 1
            shorter = data[:position] + data[position + step :]
            if type(check(target, shorter)) is kind:
                data = shorter
            else:
                position += step
        step //= 2
    return data


# Mutations: each changes `data` in place


def _flip(data: bytearray, chance: random.Random, *_: Any) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _byte(data: bytearray, chance: random.Random, *_: Any) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice(_BYTES)


def _number(data: bytearray, chance: random.Random, *_: Any) -> None:
    """A number in binary where one may stand: a length, a type, an id."""
    width = chance.choice((1, 2, 4))
    value = chance.choice((*_NUMBERS, len(data), len(data) - 4, -1, -2)) % (1 << 8 * width)
    at = chance.randrange(max(len(data) - width, 0) + 1)
    data[at : at + width] = value.to_bytes(width, chance.choice(("big", "little")))


def _digits(data: bytearray, chance: random.Random, *_: Any) -> None:
    places = [i for i, octet in enumerate(data) if 48 <= octet < 58]
    if places:
        at = chance.choice(places)
        data[at : at + 1] = str(chance.choice((*_NUMBERS, -1, 1 << 63, 10**30))).encode()


def _delete(data: bytearray, chance: random.Random, *_: Any) -> None:
    start, end = _slice(data, chance)
    del data[start:end]


def _repeat(data: bytearray, chance: random.Random, *_: Any) -> None:
    start, end = _slice(data, chance)
    data[end:end] = data[start:end] * chance.choice((1, 1, 2, 8, 64, 1024))


def _insert(data: bytearray, chance: random.Random, _seeds: Any, words: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice(words) if words else chance.randbytes(chance.randrange(1, 9))


def _replace(data: bytearray, chance: random.Random, _seeds: Any, words: Sequence[bytes]) -> None:
    """One word by another."""
    there = [word for word in words if word in data]
    if there:
        data[:] = data.replace(chance.choice(there), chance.choice(words), 1)


def _splice(data: bytearray, chance: random.Random, seeds: Sequence[bytes], _words: Any) -> None:
    other = chance.choice(seeds)
    start, end = _slice(other, chance)
    at, until = _slice(data, chance)
    data[at:until] = other[start:end]


def _cut(data: bytearray, chance: random.Random, *_: Any) -> None:
    del data[chance.randrange(len(data) + 1) :]


_MUTATIONS: Sequence[Callable[..., None]] = (
    *(_flip, _byte, _number, _digits, _delete, _repeat),
    *(_insert, _insert, _replace, _splice, _splice, _cut),
)


def _slice(data: Sequence[int], chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(start + int(chance.expovariate(1 / 16)) + 1, len(data))


# What is spent


@contextmanager
def _counted(limit: int) -> Iterator[None]:
    """Count calls in this thread."""
    calls = 0

    def called(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        if event in {"call", "c_call"}:
            calls += 1
            if calls > limit:
                sys.setprofile(None)
                raise Exceeded(f"more than {limit} calls")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def _memory(wanted: bool) -> Iterator[None]:
    if not wanted or tracemalloc.is_tracing():
        yield
        return
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if peak > MEMORY:
        raise Exceeded(f"{peak} bytes of memory at once, of {MEMORY} allowed")


@contextmanager
def _patience() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def tired(*_: object) -> None:
        raise Exceeded(f"not ready after {PATIENCE:g} s of CPU")

    before = signal.signal(signal.SIGPROF, tired)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
