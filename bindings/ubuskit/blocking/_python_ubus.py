"""The blocking client over python-ubus, whose one connection is the process's."""

import importlib
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from ubuskit.errors import (
    CallTimeout,
    ConnectionFailed,
    Disconnected,
    NotFound,
    Status,
    UbusError,
    UnknownError,
    status_error,
)

__all__ = ["InUse", "PythonUbus"]

_ERROR: Final = "ubus error occured: "  # sic
_BY_TEXT: Final = {status.text: status for status in Status}
_MAX_EVENTS: Final = 1024
_SLICE: Final = 0.02
_LOOK_AFTER: Final = 0.5


class InUse(UbusError):
    """python-ubus is connected already, and has one connection only."""


class PythonUbus:
    def __init__(self, path: str) -> None:
        self._ubus = importlib.import_module("ubus")
        self._events: dict[str, deque[tuple[str, dict[str, Any]]]] = {}
        if self._ubus.get_connected():
            raise InUse(f"python-ubus is connected to {self._ubus.get_socket_path()} already")
        try:
            self._ubus.connect(socket_path=path)
        except OSError:
            raise ConnectionFailed(f"no ubus daemon answers at {path}") from None
        self._open = True
        self._seen_alive = time.monotonic()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._ubus.disconnect()

    def call_all(
        self, obj: str, method: str, args: Mapping[str, Any], timeout: float
    ) -> list[dict[str, Any]]:
        self._must_be_open()
        try:
            answers: list[dict[str, Any]] = self._ubus.call(
                obj, method, dict(args), max(int(timeout * 1000), 1)
            )
        except RuntimeError as error:
            raise _translated(error, f"{obj} {method}") from None
        return answers

    def lookup(self, pattern: str, timeout: float) -> dict[str, Mapping[str, Mapping[str, int]]]:
        self._must_be_open()
        try:
            found: dict[str, Mapping[str, Mapping[str, int]]] = self._ubus.objects(pattern)
        except RuntimeError as error:
            raise _translated(error, f"lookup {pattern}") from None
        return found

    def send(self, event: str, data: Mapping[str, Any], timeout: float) -> None:
        self._must_be_open()
        if not self._ubus.send(event, dict(data)):
            raise UnknownError(f"event {event}: the daemon refused it")

    def listen(self, pattern: str, timeout: float) -> None:
        self._must_be_open()
        if pattern in self._events:
            return
        queue = self._events[pattern] = deque(maxlen=_MAX_EVENTS)
        self._ubus.listen((pattern, lambda event, data: queue.append((event, data))))

    def next_event(self, pattern: str, timeout: float | None) -> tuple[str, dict[str, Any]] | None:
        queue = self._events[pattern]
        deadline = None if timeout is None else time.monotonic() + timeout
        while not queue:
            self._must_be_open()
            left = 1.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return None
            self._loop(left)
        return queue.popleft()

    def _loop(self, seconds: float) -> None:
        """Let libubus run for a moment. Its loop does not end when an event comes, so the moment is short; nor does
        it tell that the connection is gone, so the daemon is asked something now and then."""
        self._ubus.loop(max(int(min(seconds, _SLICE) * 1000), 1))
        now = time.monotonic()
        if now - self._seen_alive >= _LOOK_AFTER:
            try:
                self._ubus.objects("ubus.none")
            except RuntimeError:
                raise Disconnected("the ubus daemon closed the connection") from None
            self._seen_alive = now

    def _must_be_open(self) -> None:
        if not self._open:
            raise Disconnected("this client is closed")


def _translated(error: RuntimeError, what: str) -> UbusError:
    """python-ubus tells what happened by a text alone."""
    text = str(error)
    if text.endswith("was not found."):
        return NotFound(f"{what}: no such object on the bus")
    status = _BY_TEXT.get(text.removeprefix(_ERROR))
    if status is Status.CONNECTION_FAILED:
        return Disconnected(f"{what}: the connection to the ubus daemon is lost")
    if status is Status.TIMEOUT:
        return CallTimeout(f"{what}: no answer in time")
    return UnknownError(f"{what}: {text}") if status is None else status_error(status, what)
