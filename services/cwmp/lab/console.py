"""What the lab's programs print, and how they end."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Awaitable, Callable
from typing import TextIO

import trio

_BOLD, _GREEN, _RED, _DIM, _PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


class Console:
    """Lines ``seconds  who  text``; colours only on a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._colours = out.isatty()
        self._began = time.monotonic()

    def title(self, text: str) -> None:
        """A step's title, set off by a blank line."""
        self._print("\n" + self._paint(_BOLD, text))

    def line(self, who: str, text: str, took: float | None = None) -> None:
        """One thing that happened now. `took` in s."""
        now = self._paint(_DIM, f"{time.monotonic() - self._began:8.3f}")
        duration = "" if took is None else self._paint(_DIM, f"  {took * 1000:.0f} ms")
        self._print(f"{now}  {who:<7} {text}{duration}")

    def plain(self, text: str) -> None:
        self._print(text)

    def good(self, text: str) -> None:
        self._print(self._paint(_GREEN, text))

    def bad(self, text: str) -> None:
        self._print(self._paint(_RED, text))

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colours else text

    def _print(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


def run_until_signal(main: Callable[[], Awaitable[int]], *, stopped: int = 0) -> int:
    """Run `main`; SIGINT and SIGTERM cancel it, so that it cleans up. Its exit code, or `stopped`."""
    logging.getLogger("ubuskit").addHandler(logging.NullHandler())  # a router that reboots loses its bus

    async def guarded() -> int:
        code = stopped
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                    async for _ in signals:
                        nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            code = await main()
            nursery.cancel_scope.cancel()
        return code

    return trio.run(guarded)
