"""How far a test is, while one waits for it: one line on a terminal's standard error, of the event
``cwmp.diagnostics.progress``.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ubuskit.blocking import BlockingClient
from ubuskit.errors import UbusError

EVENT = "cwmp.diagnostics.progress"

_BAR = 24
_BYTES = frozenset({"DownloadDiagnostics", "UploadDiagnostics"})


@contextmanager
def shown(path: str, test: str) -> Iterator[None]:
    """Inside, the line is there; nothing of it stays. Does nothing where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    over, pen = threading.Event(), threading.Lock()
    # Not a thread to wait for: it hears events until the process ends.
    threading.Thread(target=_follow, args=(path, test, over, pen), daemon=True).start()
    try:
        yield
    finally:
        with pen:
            over.set()
            _draw("")


def line(told: Mapping[str, Any]) -> str:
    """One event in words."""
    done, total, rate = (int(told.get(name, 0)) for name in ("done", "total", "rate"))
    if told.get("type") in _BYTES:
        text, speed = f"{done / 1e6:.1f} MB", f", {rate * 8 / 1e6:.1f} Mbit/s" if rate else ""
    elif told.get("type") == "TraceRoute":
        text, speed = f"{done} hops", ""
    else:
        text, speed = f"{done} of {total}", ""
    if not total:
        return f"{text}{speed}"
    filled = "#" * int(min(1.0, done / total) * _BAR)
    return f"[{filled:-<{_BAR}}] {text}{speed}"


def _follow(path: str, test: str, over: threading.Event, pen: threading.Lock) -> None:
    with suppress(UbusError, OSError), BlockingClient(path, backend="socket") as client:
        for _, told in client.events(EVENT):
            with pen:
                if over.is_set():
                    return
                if told.get("type") == test:
                    _draw(line(told))


def _draw(text: str) -> None:
    width = shutil.get_terminal_size().columns
    sys.stderr.write(f"\r\x1b[K{text[: width - 1]}")
    sys.stderr.flush()
