"""ubus without an event loop, for commands and shell hooks: quick to start, one thing at a time.

    with BlockingClient() as bus:
        bus.call("system", "board")
        events = bus.events("ubus.object.*", timeout=30)
        bus.send("my.event", {"x": 1})
        for name, data in events: ...

Two backends, same behaviour as far as python-ubus allows:

``python-ubus``  libubus in C, where the module ``ubus`` is installed. It has *one* connection for the whole process:
                 a second BlockingClient gets the other backend while the first is open. It waits with the
                 interpreter's lock held, so no other thread runs meanwhile. It tells statuses by their text, does
                 not say why an event was refused, and its lookups know no deadline.
``socket``       this package's own protocol on a plain socket. Neither imports trio.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol, Self

from ubuskit import DEFAULT_SOCKET

__all__ = ["BlockingClient", "Signature"]

Signature = Mapping[str, Mapping[str, int]]
"""method -> argument -> blobmsg type number"""


class _Backend(Protocol):
    def call_all(
        self, obj: str, method: str, args: Mapping[str, Any], timeout: float
    ) -> list[dict[str, Any]]: ...
    def lookup(self, pattern: str, timeout: float) -> dict[str, Signature]: ...
    def send(self, event: str, data: Mapping[str, Any], timeout: float) -> None: ...
    def listen(self, pattern: str, timeout: float) -> None: ...
    def next_event(self, pattern: str, deadline: float | None) -> tuple[str, dict[str, Any]] | None: ...
    def close(self) -> None: ...


class BlockingClient:
    """A connection to the bus, opened at once. ``backend`` is the one in use; give it to choose one.

    Raises ConnectionFailed when no daemon answers at ``path`` within ``connect_timeout`` seconds.
    """

    def __init__(
        self, path: str = DEFAULT_SOCKET, *, backend: str | None = None, connect_timeout: float = 10.0
    ) -> None:
        self.path = path
        self.backend, self._backend = _open(path, backend, connect_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._backend.close()

    def call(
        self, obj: str, method: str, args: Mapping[str, Any] | None = None, *, timeout: float = 5.0
    ) -> dict[str, Any]:
        """Call a method; returns the first DATA of its answer, ``{}`` when there is none.

        Raises a StatusError by the answer's status, CallTimeout after ``timeout`` seconds, Disconnected.
        """
        answers = self.call_all(obj, method, args, timeout=timeout)
        return answers[0] if answers else {}

    def call_all(
        self, obj: str, method: str, args: Mapping[str, Any] | None = None, *, timeout: float = 5.0
    ) -> list[dict[str, Any]]:
        """``call`` for every DATA of the answer."""
        return self._backend.call_all(obj, method, args or {}, timeout)

    def lookup(self, pattern: str = "*", *, timeout: float = 5.0) -> dict[str, Signature]:
        """The objects whose path is ``pattern``, or starts with it when it ends with ``*``: path -> signature."""
        return self._backend.lookup(pattern, timeout)

    def send(self, event: str, data: Mapping[str, Any], *, timeout: float = 5.0) -> None:
        """Send an event; returns when the daemon has it."""
        self._backend.send(event, data, timeout)

    def events(
        self, pattern: str = "*", *, timeout: float | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of that name, or that start so when it ends with ``*``, from this call on.

        Ends when none has come for ``timeout`` seconds; never, without.
        """
        self._backend.listen(pattern, 5.0)
        return self._events(pattern, timeout)

    def _events(self, pattern: str, timeout: float | None) -> Iterator[tuple[str, dict[str, Any]]]:
        while (event := self._backend.next_event(pattern, timeout)) is not None:
            yield event


def _open(path: str, backend: str | None, timeout: float) -> tuple[str, _Backend]:
    if backend not in (None, "python-ubus", "socket"):
        raise ValueError(f"backend {backend!r}: it must be 'python-ubus' or 'socket'")
    if backend != "socket" and (backend is not None or find_spec("ubus") is not None):
        from ubuskit.blocking._python_ubus import InUse, PythonUbus  # noqa: PLC0415  it is not installed everywhere

        try:
            return "python-ubus", PythonUbus(path)
        except InUse:
            if backend is not None:
                raise
    from ubuskit.blocking._socket import SocketBackend  # noqa: PLC0415  not needed with the other one

    return "socket", SocketBackend(path, timeout)
