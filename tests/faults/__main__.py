"""``make faults``: every fault of the table injected; what must hold, and whether it did. Exit code 1 when not."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from tests.faults.table import TABLE, Row

_HERE = Path(__file__).parent.parent


class Results:
    """A plugin that notes how each test ended."""

    def __init__(self) -> None:
        self._ended: defaultdict[str, list[str]] = defaultdict(list)
        self._reasons: defaultdict[str, set[str]] = defaultdict(set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            name = report.nodeid.removeprefix("tests/").partition("[")[0]
            self._ended[name].append(report.outcome)
            if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
                self._reasons[name].add(report.longrepr[2].removeprefix("Skipped: "))

    def of(self, row: Row) -> str:
        """In words; "BROKEN" first when a test failed, or there was none."""
        names = [
            name for name in self._ended if any(name == t or name.startswith(f"{t}::") for t in row.tests)
        ]
        missing = [t for t in row.tests if not any(name == t or name.startswith(f"{t}::") for name in names)]
        outcomes = [outcome for name in names for outcome in self._ended[name]]
        failed, passed, skipped = (outcomes.count(o) for o in ("failed", "passed", "skipped"))
        if missing or failed:
            return f"BROKEN: {failed} of {len(outcomes)} failed" + "".join(f"; not run: {t}" for t in missing)
        why = "; ".join(sorted({reason for name in names for reason in self._reasons[name]}))
        return f"held ({passed})" + (f", {skipped} skipped: {why}" if skipped else "")


def main() -> int:
    os.environ["FAULTS"] = "all"
    results = Results()
    chosen = dict.fromkeys(str(_HERE / test) for row in TABLE for test in row.tests)
    pytest.main(["-q", "--no-header", "-r", "f", *chosen, *sys.argv[1:]], plugins=[results])
    told = [(row.fault, row.holds, results.of(row)) for row in TABLE]
    widths = [max(len(line[n]) for line in told) for n in range(2)]
    print(f"\n{'fault':<{widths[0]}}  {'what must hold':<{widths[1]}}  result")
    for fault, holds, result in told:
        print(f"{fault:<{widths[0]}}  {holds:<{widths[1]}}  {result}")
    broken = sum(result.startswith("BROKEN") for _, _, result in told)
    print(f"\n{len(told)} faults, {len(told) - broken} held" + (f", {broken} BROKEN" if broken else ""))
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
