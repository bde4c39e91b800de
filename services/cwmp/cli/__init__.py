"""The `cwmp` command. Quick to start: it imports no event loop and talks to the services' ubus objects."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> None:
    """The program ``cwmp``. Does not return."""
    from cwmp.cli.program import run  # noqa: PLC0415  # importing the package costs nothing

    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
