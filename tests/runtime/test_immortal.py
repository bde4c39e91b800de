"""Immortal objects: made where the interpreter knows them, left alone elsewhere, and programs go on as before."""

from __future__ import annotations

import subprocess
import sys

from cwmp.runtime import immortal

PROGRAM = """
import gc, sys, trio, ssl, json, email.message
from cwmp.runtime import immortal

class Thing:
    def __init__(self): self.names = {"a": ["b", ("c", frozenset("d"))]}
    def size(self): return len(str(self.names))

thing = Thing()
count = immortal.make()
known = immortal.possible()
assert (count > 10000) is known, count
assert (sys.getrefcount(Thing.size.__code__) > 10**9) is known
assert (sys.getrefcount(Thing.size.__code__.co_consts) > 10**9) is known
assert immortal.make() < 1000 or not known  # all but what came since is immortal already
before = sys.getrefcount(thing)
more = [thing] * 10
assert known or sys.getrefcount(thing) == before + 10

async def work():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 0)
    return thing.size()

assert trio.run(work) == thing.size()
for _ in range(3):
    gc.collect()
del thing, more
gc.collect()
json.loads("[1, {}]")
print("done")
"""


def test_a_program_goes_on_as_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path[1:])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_it_is_possible_only_where_the_value_is_understood() -> None:
    assert immortal.possible() is (
        sys.version_info[:2] in {(3, 12), (3, 13)}
        and sys.maxsize > 2**32
        and sys.implementation.name == "cpython"
    )
