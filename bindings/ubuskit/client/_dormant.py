"""A connection that waits for somebody to come back to it.

Theory of operation

The daemon knows objects and listeners by the connection they were registered on, not by the process behind it. A
service with nothing to do may therefore leave its connection as it is (``Client.leave``), have another process hold
the socket, and end. What is sent to it meanwhile stays in the socket, which becomes readable. Whoever then takes the
connection up (``open_client(..., dormant=...)``) registers the same objects and listeners: those the daemon knows
already are only claimed (`Claims`), under the ids they have, and given what came for them before they were.

A connection is left only when nothing is half done on it: no request in flight, no octet waiting to be written or to
be completed, no call being served, nobody subscribed to an object of ours.
"""

import socket
from collections.abc import Mapping
from typing import Any, Final

from ubuskit.protocol import Invoked, Notify, Unsubscribe
from ubuskit.records import dataclass

__all__ = ["Claims", "Dormant"]

_MAX_PARKED: Final = 512

Parked = Invoked | Notify | Unsubscribe


@dataclass(frozen=True, slots=True)
class Dormant:
    """A connection without a process: its socket, and what the daemon knows on it (name -> id)."""

    connected: socket.socket
    client_id: int
    sequence: int
    registered: Mapping[str, int]

    def to_document(self) -> dict[str, Any]:
        """All but the socket, for JSON."""
        return {"client": self.client_id, "sequence": self.sequence, "registered": dict(self.registered)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], connected: socket.socket) -> "Dormant":
        """Raises KeyError, TypeError, ValueError."""
        registered = {str(name): int(ident) for name, ident in document["registered"].items()}
        return cls(connected, int(document["client"]), int(document["sequence"]), registered)


class Claims:
    """What a connection that was taken up has registered already and nobody has claimed yet."""

    def __init__(self, registered: Mapping[str, int]) -> None:
        self._ids = dict(registered)
        self._parked: dict[int, list[Parked]] = {ident: [] for ident in registered.values()}
        self._room = _MAX_PARKED

    def claim(self, name: str) -> tuple[int, list[Parked]]:
        """The id that `name` has, 0 if it has none; what came for it, in order."""
        ident = self._ids.pop(name, 0)
        return ident, self._parked.pop(ident, [])

    def park(self, event: Parked, ident: int) -> bool:
        """Keep `event` until the object `ident` is claimed; False when it never will be, or too much is kept."""
        kept = self._parked.get(ident)
        if kept is None or not self._room:
            return False
        self._room -= 1
        kept.append(event)
        return True
