"""UCI read by libuci through pyuci, an independent binding that a firmware may have already.

It does not tell which sections are anonymous; that is seen from the names, which libuci makes from the type. And it
looks into the system's own savedir besides the one it is given, which only matters where these differ.
"""

import os
import re
from pathlib import Path

from uci import Uci, UciException  # type: ignore[import-not-found,unused-ignore]

from ubuskit.uci._model import Option, Section, type_hash

_ANONYMOUS = re.compile(r"cfg[0-9a-f]{2,}([0-9a-f]{4})")


def load(confdir: Path, savedir: Path, package: str) -> list[Section] | None:
    """The sections; None where pyuci fails, which it also does with values that are not UTF-8."""
    try:
        with Uci(confdir=os.fspath(confdir), savedir=os.fspath(savedir)) as context:
            return [
                _section(name, context.get(package, name), options)
                for name, options in context.get_all(package).items()
            ]
    except (UciException, UnicodeError, SystemError):
        return None


def _section(name: str, kind: str, values: dict[str, str | tuple[str, ...]]) -> Section:
    options: dict[str, Option] = {
        option: value if isinstance(value, str) else list(value) for option, value in values.items()
    }
    made = _ANONYMOUS.fullmatch(name)
    return Section(name, kind, made is not None and made[1] == type_hash(kind), options)
