"""Which listeners an event reaches: names and prefixes to listeners.

A pattern that ends with ``*`` matches every event that starts with what stands before it; any other only the event
of that name. Source: ubusd_event.c.
"""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

__all__ = ["Patterns", "split"]

T = TypeVar("T", bound=Hashable)


def split(pattern: str) -> tuple[str, bool]:
    """The part of a pattern that must be there, and whether more may follow."""
    return (pattern[:-1], True) if pattern.endswith("*") else (pattern, False)


class Patterns(Generic[T]):
    """Listeners by pattern. One listener may have several, and the same one more than once."""

    __slots__ = ("_by_key", "_keys")

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, bool], list[T]] = {}
        self._keys: dict[T, list[tuple[str, bool]]] = {}

    def add(self, pattern: str, listener: T) -> None:
        key = split(pattern)
        self._by_key.setdefault(key, []).append(listener)
        self._keys.setdefault(listener, []).append(key)

    def remove(self, listener: T) -> None:
        """All its patterns."""
        for key in self._keys.pop(listener, ()):
            listeners = self._by_key[key]
            listeners.remove(listener)
            if not listeners:
                del self._by_key[key]

    def listeners(self, event: str) -> Iterator[T]:
        """Everyone ``event`` reaches, each once."""
        found: dict[T, None] = {}
        for length in range(len(event) + 1):
            found.update(dict.fromkeys(self._by_key.get((event[:length], True), ())))
        found.update(dict.fromkeys(self._by_key.get((event, False), ())))
        return iter(found)
