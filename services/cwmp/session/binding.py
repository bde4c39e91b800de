"""The NAT binding of the port for UDP connection requests: found out, told and kept alive (TR-069a6 Annex G.2.1).

Theory of operation
-------------------
A `Keeper` has two ports towards one STUN server. From the primary one, where connection requests arrive, it sends
Binding Requests with CONNECTION-REQUEST-BINDING; the answer says which address and port a NAT has given us. When
that is first known, and whenever it changes, a further request with BINDING-CHANGE tells the server at once.

What keeps the binding is traffic from the primary port, at least every `maximum` s and no more often than every
`minimum`. Where the two differ, `Lifetime` searches for the longest pause the NAT forgives: after a pause, the
secondary port asks the server to answer to the primary one (RESPONSE-ADDRESS). If the answer arrives there the
binding is still alive; then, or if it does not, the primary port asks, and the next pause is another one. A server
that answers to the secondary port does not know RESPONSE-ADDRESS: the pause stays the shortest. An address that
changes from one request to the next is told again after a pause only.

One transaction at a time, each sent again as RFC 3489 9.3 says. A 401 is answered once, with MESSAGE-INTEGRITY, and
then only an answer that carries it counts. If the server does not answer, what was known of the binding stays; it
is asked again after a pause. BINDING-CHANGE is given up when it fails, until the binding changes again.

Time is an argument, in seconds of a monotonic clock; whoever has the sockets calls `tick` when `due` says so,
sends what the methods return, and shows what arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from cwmp.session import stun
from cwmp.session.stun import Attribute, Endpoint, Kind, Message

_SEND_AT = (0.0, 0.1, 0.3, 0.7, 1.5, 3.1, 4.7, 6.3, 7.9)  # s after the first
_GIVE_UP_AT = 9.5
_ASK_AGAIN = 30.0
_LONGEST = 3600.0
_PRECISION = 0.1
"""The search ends when the pause is known to this part of it."""


class Port(Enum):
    PRIMARY = "primary"
    SECONDARY = "secondary"


class _For(Enum):
    """What a transaction is for."""

    BINDING = "binding"
    CHANGE = "binding change"
    LIFETIME = "lifetime"


@dataclass(frozen=True, slots=True)
class Send:
    """A datagram for the STUN server."""

    port: Port
    data: bytes


@dataclass(frozen=True, slots=True)
class StunSettings:
    """Keep-alive periods in s; `maximum` is -1 for no limit."""

    username: str = ""
    password: str = ""
    minimum: int = 30
    maximum: int = -1


class Lifetime:
    """The search for the longest pause that keeps a binding: doubled while it does, then halved in between."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self._minimum = max(minimum, 1.0)
        self._maximum = max(self._minimum, min(maximum, _LONGEST) if maximum >= 0 else _LONGEST)
        self._forget()

    def _forget(self) -> None:
        self._kept = 0.0
        self._lost = float("inf")
        self.searching = self._maximum > self._minimum

    @property
    def pause(self) -> float:
        """How long to be silent next."""
        if not self.searching or not self._kept:
            return max(self._kept, self._minimum)
        longer = self._kept * 2 if self._lost == float("inf") else (self._kept + self._lost) / 2
        return min(longer, self._maximum)

    def survived(self) -> None:
        """The binding was alive after `pause`."""
        self._kept = self.pause
        self._settle()

    def ended(self) -> None:
        """It was not."""
        self._lost = self.pause
        self._settle()

    def not_to_be_known(self) -> None:
        """The server is of no help."""
        self._forget()
        self.searching = False

    def wrong(self) -> None:
        """A pause that was thought to keep the binding has not."""
        self._lost, self._kept = self.pause, 0.0
        self.searching = self._lost > self._minimum

    def _settle(self) -> None:
        near = self._lost - self._kept <= max(_PRECISION * self._kept, 1.0)
        if near or self._kept >= self._maximum or self._lost <= self._minimum:
            self.searching = False


@dataclass(slots=True)
class _Transaction:
    purpose: _For
    id: bytes
    data: bytes
    began: float
    sealed: bool
    sent: int = 0

    @property
    def due(self) -> float:
        return self.began + (_SEND_AT[self.sent] if self.sent < len(_SEND_AT) else _GIVE_UP_AT)

    @property
    def port(self) -> Port:
        return Port.SECONDARY if self.purpose is _For.LIFETIME else Port.PRIMARY


class Keeper:
    """Keeps one binding. `local` is the primary port's own address; `random` gives so many random bytes."""

    def __init__(
        self, settings: StunSettings, local: Endpoint, random: Callable[[int], bytes], now: float
    ) -> None:
        self.problem = ""
        """Why the binding is not known, or not for sure; empty while all is well."""
        self._settings = settings
        self._local = local
        self._mapped: Endpoint | None = None
        self._random = random
        self._lifetime = Lifetime(settings.minimum, settings.maximum)
        self._transaction: _Transaction | None = None
        self._next = now
        self._paused = False  # whether a whole pause preceded the request for the binding
        self._silent = False  # whether the request for the lifetime before it stayed without an answer

    @property
    def address(self) -> Endpoint:
        """Where we can be reached."""
        return self._mapped or self._local

    @property
    def nat_detected(self) -> bool:
        return self._mapped is not None and self._mapped != self._local

    @property
    def due(self) -> float:
        """When `tick` is to be called."""
        return self._transaction.due if self._transaction else self._next

    @property
    def known(self) -> bool:
        """Whether the server has said where we are reached."""
        return self._mapped is not None

    def asks_anew(self, now: float) -> bool:
        """Whether a server that was of no use is to be asked again now; it may be another one meanwhile."""
        return bool(self.problem) and self._transaction is None and now >= self._next

    def moved(self, local: Endpoint, now: float) -> None:
        """Our own address has changed: all begins anew, at once."""
        self._local = local
        self._mapped = None
        self._transaction = None
        self._paused = self._silent = False
        self._next = now

    def tick(self, now: float) -> list[Send]:
        """What is to be sent by now."""
        transaction = self._transaction
        if transaction is None:
            if now < self._next:
                return []
            if self._lifetime.searching and self._mapped is not None:
                return self._begin(_For.LIFETIME, now)
            self._paused = self._mapped is not None
            return self._begin(_For.BINDING, now)
        if now < transaction.due:
            return []
        if transaction.sent < len(_SEND_AT):
            transaction.sent += 1
            return [Send(transaction.port, transaction.data)]
        if transaction.purpose is _For.LIFETIME:
            self._silent = True  # the binding has ended, unless the server does not answer at all
            return self._begin(_For.BINDING, now)
        return self._failed(transaction, "the STUN server does not answer", now)

    def received(self, data: bytes, port: Port, now: float) -> list[Send]:
        """Something has arrived at a port; what is no answer of the server's is passed over."""
        transaction = self._transaction
        try:
            message = stun.decode(data)
        except stun.StunError:
            return []
        if transaction is None or message.transaction != transaction.id:
            return []
        if message.kind == Kind.ERROR:
            return self._refused(transaction, message, now)
        if message.kind != Kind.RESPONSE:
            return []
        if transaction.purpose is _For.LIFETIME:
            return self._lifetime_known(port, now)
        mapped = message.endpoint(Attribute.MAPPED_ADDRESS)
        if mapped is None or (transaction.sealed and not message.has_integrity(self._settings.password)):
            return []
        return self._bound(transaction, mapped, now)

    def _begin(self, purpose: _For, now: float, *, sealed: bool = False) -> list[Send]:
        attributes: list[tuple[int, bytes]] = []
        if purpose is _For.LIFETIME:
            attributes.append((Attribute.RESPONSE_ADDRESS, stun.endpoint(self.address)))
        else:
            attributes.append((Attribute.CONNECTION_REQUEST_BINDING, stun.REQUEST_BINDING))
            if self._settings.username:
                attributes.append((Attribute.USERNAME, stun.username(self._settings.username)))
            if purpose is _For.CHANGE:
                attributes.append((Attribute.BINDING_CHANGE, b""))
        message = Message(Kind.REQUEST, self._random(16), tuple(attributes))
        data = stun.encode(message, self._settings.password if sealed else "")
        self._transaction = _Transaction(purpose, message.transaction, data, now, sealed)
        return self.tick(now)

    def _refused(self, transaction: _Transaction, message: Message, now: float) -> list[Send]:
        if transaction.purpose is _For.LIFETIME:
            self._lifetime.not_to_be_known()
            return self._begin(_For.BINDING, now)
        if message.error == 401 and self._settings.password and not transaction.sealed:
            return self._begin(transaction.purpose, now, sealed=True)
        return self._failed(transaction, f"the STUN server answers with error {message.error}", now)

    def _failed(self, transaction: _Transaction, problem: str, now: float) -> list[Send]:
        self._transaction = None
        self._silent = False
        if transaction.purpose is _For.BINDING:
            self.problem = problem
            self._next = now + max(self._settings.minimum, _ASK_AGAIN)
        else:
            self._next = now + self._lifetime.pause
        return []

    def _lifetime_known(self, port: Port, now: float) -> list[Send]:
        if port is Port.PRIMARY:
            self._lifetime.survived()
        else:
            self._lifetime.not_to_be_known()
        return self._begin(_For.BINDING, now)

    def _bound(self, transaction: _Transaction, mapped: Endpoint, now: float) -> list[Send]:
        self.problem = ""
        self._transaction = None
        if transaction.purpose is _For.CHANGE and mapped != self._mapped:
            self._next = now + max(self._settings.minimum, _ASK_AGAIN)  # else this would have no end
            return []
        before, self._mapped = self._mapped, mapped
        if self._silent:
            self._lifetime.ended()
        elif self._paused and mapped != before:
            self._lifetime.wrong()
        self._paused = self._silent = False
        self._next = now + self._lifetime.pause
        return [] if mapped == before else self._begin(_For.CHANGE, now)
