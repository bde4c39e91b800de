"""Files: one value in /proc or /sys, or a piece of a text that a regular expression finds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.sources.base import Source
from cwmp.datamodel.template import Template

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row


class FileText(Source):
    """The file's text without the white space around it; with `field` its n-th word (from 0), with `regex`
    the first group (or the whole match) of the first match, lines separate. Variables in the path must not
    contain a slash: a value of the configuration cannot lead elsewhere."""

    def __init__(self, path: str, *, regex: str | None = None, field: int | None = None) -> None:
        self._path = Template(path)
        self._field = field
        self._regex = None if regex is None else Template(regex)
        if self._regex is not None:
            try:
                self._compiled = re.compile(self._regex.filled("x"), re.MULTILINE)
            except re.error as error:
                raise ValueError(f"'{regex}' is not a regular expression: {error}") from None
        self.dynamic = not self._path.constant or not (self._regex is None or self._regex.constant)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need("file", self._path.text)}) if self._path.constant else frozenset()

    def read(self, row: Row) -> Any:
        path = self._path.render(row, _component)
        if path is None or "\0" in path:
            return None
        text: str = row.view.snapshot.get(Need("file", path))
        if self._regex is None:
            words = text.split() if self._field is not None else [text.strip()]
            place = self._field or 0
            return words[place] if place < len(words) and words[place] else None
        compiled = self._compiled
        if not self._regex.constant:
            pattern = self._regex.render(row, re.escape)
            if pattern is None:
                return None
            compiled = re.compile(pattern, re.MULTILINE)
        found = compiled.search(text)
        return None if found is None else found[1] if compiled.groups else found[0]


def _component(value: str) -> str:
    return "\0" if "/" in value or value in ("", ".", "..") else value
