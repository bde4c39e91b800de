"""`cwmp model`: the data model and its mapping files.

`explain` asks the running service (cwmp.datamodel ``describe{path}`` and ``get``); `lint` and `coverage` read files
and need no service. They are the data model's own tools, imported when they are asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from cwmp.cli.bus import DATAMODEL, Bus

OFFLINE = ("lint", "coverage")


def offline(options: argparse.Namespace) -> int:
    """`lint` and `coverage`; the exit code."""
    from cwmp.datamodel.tools import main  # noqa: PLC0415  # brings an event loop, which no other command needs

    return main([options.action, *options.arguments], program="cwmp model")


def explain(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    """What each of the paths is bound to, and its value."""
    found = []
    for path in options.arguments:
        description = bus.call(DATAMODEL, "describe", {"path": path})
        (row,) = bus.call(DATAMODEL, "get", {"paths": [path]})["parameters"]
        found.append({**description, "value": row["value"]})
    return found, (line for item in found for line in _lines(item))


def _lines(item: dict[str, Any]) -> Iterator[str]:
    yield f"{item['name']} => {item['value']}"
    for key, value in item.items():
        if key not in ("name", "value") and value not in ("", []):
            yield f"  {key}: {'; '.join(value) if isinstance(value, list) else value}"
