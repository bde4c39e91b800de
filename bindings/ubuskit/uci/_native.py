"""UCI read by libuci: one call loads a package, walks it once and creates its sections."""

import os
from pathlib import Path

from ubuskit._extension import functions
from ubuskit.uci._model import Section

_load = functions["uci_load"]


def load(confdir: Path, savedir: Path, package: str) -> list[Section] | None:
    """The sections; None where libuci fails, whatever the reason."""
    sections: list[Section] | None = _load(
        Section, os.fsencode(confdir), os.fsencode(savedir), os.fsencode(package)
    )
    return sections
