"""What waits to be written: whole messages in order, the first of them perhaps begun."""

from collections import deque

__all__ = ["Outbox"]


class Outbox:
    """``size`` counts the octets not written yet."""

    __slots__ = ("_begun", "_messages", "size")

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._begun = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._messages)

    def push(self, message: bytes) -> None:
        self._messages.append(message)
        self.size += len(message)

    def pushed(self, message: bytes, written: int) -> None:
        """Take ``message`` whose first ``written`` octets are on their way already; nothing else waits."""
        self._messages.append(message)
        self._begun = written
        self.size = len(message) - written

    def front(self, limit: int = 65536) -> bytes | memoryview:
        """What to write next: one message, or several small ones in one piece."""
        first = self._messages[0]
        if self._begun:
            return memoryview(first)[self._begun :]
        if len(self._messages) == 1 or len(first) >= limit:
            return first
        size, pieces = 0, []
        for message in self._messages:
            size += len(message)
            if size > limit:
                break
            pieces.append(message)
        return b"".join(pieces) if pieces else first

    def advance(self, written: int) -> None:
        """``written`` octets of the front went out."""
        self.size -= written
        written += self._begun
        while self._messages and written >= len(self._messages[0]):
            written -= len(self._messages.popleft())
        self._begun = written
