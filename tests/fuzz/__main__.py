"""``make fuzz``: mutated inputs for everything that reads bytes from outside; see `engine` and `targets`.

make fuzz                                  2000 inputs a target, from a new seed
make fuzz T=soap N=100000
make fuzz T=soap SEED=1a2b AT=4711         once more what the output of an earlier run told
make fuzz T=soap FILE=build/fuzz/soap-...  a file, unchanged
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import secrets
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.engine import Failure, check, run
from tests.fuzz.targets import TARGETS

KEPT = Path("build/fuzz")


def main() -> int:
    options = _arguments()
    logging.disable()
    chosen = [target for target in TARGETS if options.target in {"", target.name}]
    if options.file:
        error = check(chosen[0], options.file.read_bytes())
        if error is not None:
            traceback.print_exception(error)
        print(f"{chosen[0].name}: {'failed' if error is not None else 'ok'}")
        return int(error is not None)
    print(f"seed {options.seed}")
    failed = 0
    for target in chosen:
        began = time.monotonic()
        first, count = (options.number, 1) if options.number is not None else (0, options.count)
        failure = run(target, count, options.seed, first)
        took = time.monotonic() - began
        if failure is None:
            print(f"{target.name:<16} {count:>8} inputs  {took:6.1f} s  ok", flush=True)
        else:
            failed += 1
            _tell(failure, options.seed)
    return int(failed > 0)


def _tell(failure: Failure, seed: str) -> None:
    name = failure.target.name
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{name}-{hashlib.sha256(failure.smallest).hexdigest()[:12]}"
    kept.write_bytes(failure.smallest)
    traceback.print_exception(failure.error)
    print(f"{name:<16} FAILED: {type(failure.error).__name__}: {failure.error!s:.200}")
    print(f"  again:     make fuzz T={name} SEED={seed} AT={failure.number}   ({len(failure.data)} bytes)")
    print(f"  smallest:  make fuzz T={name} FILE={kept}   ({len(failure.smallest)} bytes)")
    print(f"  to keep:   cp {kept} tests/fuzz/corpus/{name}/", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", default="", choices=["", *(t.name for t in TARGETS)])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--number", type=int, help="only this input of the run")
    parser.add_argument("--file", type=Path, help="this input, unchanged")
    options = parser.parse_args()
    if options.file and not options.target:
        parser.error("say which target the file is for")
    return options


if __name__ == "__main__":
    sys.exit(main())
