"""blobmsg: a message of 1000 strings, against a C walk over libubox."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import _floor

from ubuskit import blobmsg
from ubuskit.blobmsg import _pure

STRINGS = 1000
REPEATS = 20
LIMITS = {"encode": 3.2, "decode": 10.0}


def run(report: Callable[..., None]) -> None:
    message = {f"key{n}": f"some value number {n}" for n in range(STRINGS)}
    data = _pure.encode(message)
    codecs = {"pure": _pure.encode} | ({"native": blobmsg.encode} if blobmsg.backend == "native" else {})
    work: dict[str, Callable[[], object]] = {}
    for name in codecs:
        codec = _pure if name == "pure" else blobmsg
        work[f"{name} encode"] = partial(_repeat, codec.encode, message)
        work[f"{name} decode"] = partial(_repeat, codec.decode, data)
    floor = _floor.floor()
    if floor is not None:
        assert floor.floor_encode(1) == len(data)
        assert floor.floor_decode(data, len(data), 1)
        work["C encode"] = partial(floor.floor_encode, REPEATS)
        work["C decode"] = partial(floor.floor_decode, data, len(data), REPEATS)
    seconds = {name: total / REPEATS for name, total in _floor.best(work, rounds=30).items()}
    for name in codecs:
        for direction, limit in LIMITS.items():
            value = seconds[f"{name} {direction}"]
            baseline = seconds.get(f"C {direction}", value)
            report(
                f"blobmsg {direction}, {STRINGS} strings, {name} / C walk",
                value * 1e6,
                "us",
                baseline * 1e6,
                value / baseline,
                limit if name == "native" and floor is not None else None,
            )


def _repeat(work: Callable[[object], object], argument: object) -> None:
    for _ in range(REPEATS):
        work(argument)
