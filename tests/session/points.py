"""The table of acceptance points in docs/session.md: a test belongs to the point whose number its name has.

``python -m tests.session.points`` writes the tests into the table anew.
"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/session.md"
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_TEST = re.compile(r"^(?:async )?def (test_p(\d\d)_\w+)\(", re.MULTILINE)


def tests() -> dict[int, list[str]]:
    """By their points, as the table writes them."""
    found: dict[int, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        where = path.relative_to(TESTS).with_suffix("").as_posix()
        for name, number in _TEST.findall(path.read_text()):
            found.setdefault(int(number), []).append(f"`{where}::{name}`")
    return found


def with_tests(page: str) -> str:
    """The page with the table as it is now; a point without tests keeps what it says about that."""
    found = tests()

    def row(match: re.Match[str]) -> str:
        number, what, cell = match.groups()
        return f"| {number} | {what} | {', '.join(found.get(int(number), [])) or cell} |"

    return ROW.sub(row, page)


if __name__ == "__main__":
    PAGE.write_text(with_tests(PAGE.read_text()))
