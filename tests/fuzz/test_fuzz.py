"""The corpus, unchanged, and a bounded number of new inputs for every target; what the fuzzer itself promises."""

from __future__ import annotations

import os
import time

import pytest
from tests.fuzz import engine
from tests.fuzz.engine import Exceeded, Target
from tests.fuzz.targets import TARGETS

COUNT = int(os.environ.get("FUZZ_COUNT", "100"))
SEED = os.environ.get("FUZZ_SEED", "suite")
KEPT = [(target, name, data) for target in TARGETS for name, data in target.corpus()]


@pytest.mark.parametrize(("target", "name", "data"), KEPT, ids=[f"{t.name}/{n}" for t, n, _ in KEPT])
def test_what_is_kept_is_borne(target: Target, name: str, data: bytes) -> None:
    error = engine.check(target, data)
    if error is not None:
        raise error


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_new_is_borne(target: Target) -> None:
    failure = engine.run(target, COUNT, SEED)
    if failure is not None:
        again = f"make fuzz T={target.name} SEED={SEED} AT={failure.number}"
        raise AssertionError(f"{again}\nsmallest: {failure.smallest!r:.2000}") from failure.error


def test_every_target_has_a_corpus_of_small_files() -> None:
    assert {path.name for path in engine.CORPUS.iterdir()} == {target.name for target in TARGETS}
    assert all(data and len(data) <= 16 << 10 for _, _, data in KEPT)


def test_an_input_is_made_of_its_seed_and_its_number() -> None:
    seeds = [b"one two three", b"\0\1\2\3"]
    made = [engine.made(seeds, (b"word",), "seed", number) for number in range(200)]
    assert made == [engine.made(seeds, (b"word",), "seed", number) for number in range(200)]
    assert len(set(made)) > 150
    assert made[:50] != [engine.made(seeds, (b"word",), "other", number) for number in range(50)]


class _Told(Target):
    def corpus(self) -> list[tuple[str, bytes]]:
        return [("seed", b"some bytes to begin with")]


def test_a_failure_is_found_told_and_made_small() -> None:
    def run(data: bytes) -> None:
        if b"word" in data:
            raise KeyError("there it is")

    target = _Told("told", run, (b"word",))
    failure = engine.run(target, 500, "seed")
    assert failure is not None
    assert failure.smallest == b"word"
    assert isinstance(failure.error, KeyError)
    again = engine.run(target, 1, "seed", first=failure.number)
    assert again is not None
    assert again.data == failure.data


def test_what_costs_too_much_is_a_failure() -> None:
    def slow(data: bytes) -> None:
        for _ in range(10**8):
            abs(1)

    def large(data: bytes) -> None:
        bytearray(engine.MEMORY + 1)

    assert isinstance(engine.check(_Told("slow", slow), b"x"), Exceeded)
    assert isinstance(engine.check(_Told("large", large), b"x"), Exceeded)


def test_a_loop_that_calls_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(data: bytes) -> None:
        while data:
            pass

    monkeypatch.setattr(engine, "PATIENCE", 0.2)
    began = time.process_time()
    assert isinstance(engine.check(_Told("endless", endless), b"x"), Exceeded)
    assert time.process_time() > began
