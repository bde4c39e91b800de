"""``make bench``: every figure as a ratio, candidate and baseline measured in one run.

Each ``bench_*.py`` beside this file has ``run(report)``; `report` takes ``name, value, unit, baseline, ratio,
limit`` (limit None: for orientation). Results go to the terminal and to ``build/bench.jsonl``.
Exit code 1 when a ratio is over its limit.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
OUTPUT = HERE.parent.parent / "build" / "bench.jsonl"


def main() -> int:
    wanted = sys.argv[1:]
    OUTPUT.parent.mkdir(exist_ok=True)
    over = 0
    with OUTPUT.open("w") as file:

        def report(
            name: str, value: float, unit: str, baseline: float, ratio: float, limit: float | None = None
        ) -> None:
            nonlocal over
            failed = limit is not None and ratio > limit
            over += failed
            verdict = "" if limit is None else f"<= {limit:g}  {'OVER' if failed else 'ok'}"
            print(
                f"{name:<58} {value:>12.4g} {unit:<8} {baseline:>12.4g} {ratio:>8.2f}  {verdict}", flush=True
            )
            record = {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}
            file.write(json.dumps(record | ({} if limit is None else {"limit": limit})) + "\n")

        print(f"{'':<58} {'value':>12} {'unit':<8} {'baseline':>12} {'ratio':>8}  limit")
        for path in sorted(HERE.glob("bench_*.py")):
            if wanted and not any(word in path.stem for word in wanted):
                continue
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec and spec.loader
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.run(report)
    print(f"\n{OUTPUT.relative_to(Path.cwd())} written" if OUTPUT.is_relative_to(Path.cwd()) else "")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
