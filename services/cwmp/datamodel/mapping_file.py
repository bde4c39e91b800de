"""Mapping files as text: TOML, and the lines that a mistake is reported with."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class MappingError(ValueError):
    """A mistake, in words for the author of the file; `key` is what it is about."""

    def __init__(self, text: str, key: str = "") -> None:
        super().__init__(text)
        self.key = key


class Problem(Exception):
    """A mistake in a mapping file; `line` counts from 1, 0 is the file itself."""

    def __init__(self, file: str, line: int, text: str) -> None:
        super().__init__(file, line, text)
        self.file = file
        self.line = line
        self.text = text

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(slots=True, eq=False)
class MappingFile:
    """A file that is TOML: its objects' tables by path, and where everything stands."""

    label: str
    lines: dict[tuple[str, str], int]
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    def line(self, header: str, key: str) -> int:
        """The line of a key in the table `header`, or of the table."""
        return self.lines.get((header, key)) or self.lines.get((header, "")) or 1


def open_file(path: Path) -> tuple[MappingFile, dict[str, Any]]:
    """The file at `path`, and what it says.

    Raises:
        Problem: it cannot be read, or is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise Problem(str(path), 0, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise Problem(str(path), line, "is not UTF-8") from None
    except RecursionError:
        raise Problem(str(path), 0, "is not TOML that can be read: nested too deep") from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        reason = str(error)[: found.start()] if found else str(error)
        raise Problem(str(path), line, f"is not TOML: {reason}") from None
    return MappingFile(str(path), _line_index(text)), document


def _line_index(text: str) -> dict[tuple[str, str], int]:
    """(object, key) to line; TOML's parser keeps none. ("", "") lines are headers."""
    lines: dict[tuple[str, str], int] = {}
    header = member = ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(
            r'\s*\[\s*(?:"([^"]+)"|([A-Za-z0-9_-]+))\s*(?:\.\s*"?([A-Za-z0-9_-]+)"?)?', line
        ):
            header, member = found[1] or found[2], found[3] or ""
            lines.setdefault((header, member), number)
        elif not member and (found := re.match(r'\s*"?([A-Za-z0-9_-]+)"?\s*(?:\.[^=]*)?=', line)):
            lines.setdefault((header, found[1]), number)
    return lines
