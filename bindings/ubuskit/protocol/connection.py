"""The client's side of a connection, without the connection: octets in, events out.

Theory of operation

The daemon speaks first: HELLO with the id this client has. Until then nothing is sent (state GREETING); after it
the connection is OPEN until the octets end or are none (CLOSED).

What a client asks carries a 16 bit sequence number and a peer: the id of the object meant, 0 for the daemon itself.
All that answers it carries both again: any number of DATA, then one STATUS. A request in flight is an ``Exchange``;
its number is not given to another until it is over. Who does not want to wait any longer abandons it: a late answer
finds nobody and is dropped.

A NOTIFY that wants replies is answered by the daemon first, with the ids of the subscribers, then by each of them
with a STATUS whose peer is its own id; it is over when all have answered.

What comes unasked: INVOKE (a call, an event or a notification for one of our objects), UNSUBSCRIBE (an object we
subscribed to is gone), NOTIFY (our object got its first, or lost its last, subscriber), MONITOR.
Answers to an INVOKE repeat its sequence number and peer and name the object called.

The machine knows no time: deadlines are the caller's. It does not reconnect: a new connection is a new machine.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final, TypeAlias

from ubuskit.errors import Disconnected, ProtocolError
from ubuskit.protocol.messages import (
    Data,
    Invoke,
    Message,
    Monitor,
    Notify,
    Status,
    Unsubscribe,
    pack,
    parse,
)
from ubuskit.protocol.wire import FIRST_FREE_ID, Frame, FrameReader, MessageType
from ubuskit.records import dataclass

__all__ = ["Answered", "Connected", "Connection", "Event", "Exchange", "Invoked", "State", "TooManyRequests"]

_SEQUENCES: Final = 1 << 16
MAX_IN_FLIGHT: Final = _SEQUENCES // 2


class State(Enum):
    GREETING = "the daemon has not said HELLO yet"
    OPEN = "open"
    CLOSED = "closed"


class TooManyRequests(Disconnected):
    """Half of all sequence numbers are in flight; a daemon that answers none of them is as good as gone."""


class Exchange:
    """A request in flight and what came back so far. ``owner`` is the caller's to use.

    ``status`` is None until it is over. ``from_daemon``: the daemon itself ended it, not the service called.
    ``answers`` has each subscriber's status for a Notify.
    """

    __slots__ = ("answers", "data", "from_daemon", "owner", "peer", "seq", "status", "waiting")

    def __init__(self, seq: int, peer: int, owner: Any = None) -> None:
        self.seq = seq
        self.peer = peer
        self.owner = owner
        self.data: list[Data] = []
        self.status: int | None = None
        self.from_daemon = True
        self.answers: dict[int, int] = {}
        self.waiting: set[int] | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    client_id: int


@dataclass(frozen=True, slots=True)
class Answered:
    """An exchange is over."""

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Invoked:
    """A call, an event or a notification for our object ``message.objid``; an answer repeats ``seq`` and ``peer``."""

    seq: int
    peer: int
    message: Invoke


Event: TypeAlias = Connected | Answered | Invoked | Unsubscribe | Notify | Monitor


class Connection:
    __slots__ = ("_exchanges", "_reader", "_seq", "client_id", "state")

    def __init__(self) -> None:
        self.state = State.GREETING
        self.client_id = 0
        self._reader = FrameReader()
        self._exchanges: dict[int, Exchange] = {}
        self._seq = 0

    @classmethod
    def taken_up(cls, client_id: int, sequence: int) -> "Connection":
        """An open connection that another machine has left; ``sequence``: the last number it gave."""
        connection = cls()
        connection.state = State.OPEN
        connection.client_id = client_id
        connection._seq = sequence % _SEQUENCES
        return connection

    @property
    def in_flight(self) -> int:
        return len(self._exchanges)

    @property
    def between_messages(self) -> bool:
        """Whether nothing is half received and nothing unanswered."""
        return not self._exchanges and not self._reader.unfinished

    @property
    def sequence(self) -> int:
        """The last sequence number that was given to a request."""
        return self._seq

    def request(self, message: Message, peer: int = 0, owner: Any = None) -> tuple[Exchange, bytes]:
        """Start an exchange; returns it and the octets to send. Raises MessageTooLarge, Disconnected."""
        self._must_be_open()
        seq = self._next_seq()
        octets = pack(message, seq, peer)
        exchange = Exchange(seq, peer, owner)
        if message.TYPE is MessageType.NOTIFY:
            exchange.waiting = set()
        self._exchanges[seq] = exchange
        return exchange, octets

    def message(self, message: Message, peer: int = 0) -> bytes:
        """The octets of a message that nothing answers: one with ``no_reply``."""
        self._must_be_open()
        return pack(message, self._next_seq(), peer)

    def abandon(self, exchange: Exchange) -> None:
        """Nobody waits for this exchange any longer."""
        if self._exchanges.get(exchange.seq) is exchange:
            del self._exchanges[exchange.seq]

    def close(self) -> list[Exchange]:
        """The connection is gone; returns what was in flight, unanswered."""
        self.state = State.CLOSED
        unanswered = list(self._exchanges.values())
        self._exchanges.clear()
        return unanswered

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events in what was received, to be taken to the end. Raises ProtocolError; then close."""
        if self.state is State.CLOSED:
            raise ProtocolError("octets after the end of the connection")
        for frame in self._reader.feed(data):
            if self.state is State.GREETING:
                yield self._greeting(frame)
                continue
            kind = frame.type
            if kind in (MessageType.STATUS, MessageType.DATA):
                answered = self._answer(frame)
                if answered is not None:
                    yield Answered(answered)
                continue
            if kind > MessageType.MONITOR:
                continue  # a newer daemon's; libubus ignores them too
            message = parse(frame)
            if isinstance(message, Invoke):
                yield Invoked(frame.seq, frame.peer, message)
            elif isinstance(message, Unsubscribe | Notify | Monitor):
                yield message

    def _greeting(self, frame: Frame) -> Connected:
        if frame.type != MessageType.HELLO or frame.peer < FIRST_FREE_ID:
            raise ProtocolError("what listens there is no ubus daemon: it did not say HELLO")
        self.client_id = frame.peer
        self.state = State.OPEN
        return Connected(frame.peer)

    def _answer(self, frame: Frame) -> Exchange | None:
        """The exchange that ``frame`` ends, if it does."""
        exchange = self._exchanges.get(frame.seq)
        if exchange is None:
            return None
        if exchange.waiting is not None:
            return self._notify_answer(exchange, frame)
        if exchange.peer != frame.peer:
            return None  # a late answer to an abandoned request whose number is in use again
        message = parse(frame)
        if isinstance(message, Data):
            exchange.data.append(message)
            return None
        if isinstance(message, Status):
            exchange.status = message.status
            exchange.from_daemon = message.objid is None
        return self._over(exchange)

    def _notify_answer(self, exchange: Exchange, frame: Frame) -> Exchange | None:
        message = parse(frame)
        if not isinstance(message, Status) or exchange.waiting is None:
            return None
        if frame.peer == exchange.peer and exchange.status is None:
            exchange.status = message.status
            exchange.waiting.update(message.subscribers or ())
        elif frame.peer in exchange.waiting:
            exchange.waiting.remove(frame.peer)
            exchange.answers[frame.peer] = message.status or 0
        return self._over(exchange) if exchange.status is not None and not exchange.waiting else None

    def _over(self, exchange: Exchange) -> Exchange:
        if exchange.status is None:
            raise ProtocolError("a status message without a status")
        del self._exchanges[exchange.seq]
        return exchange

    def _must_be_open(self) -> None:
        if self.state is not State.OPEN:
            raise Disconnected(f"not connected to the ubus daemon: {self.state.value}")

    def _next_seq(self) -> int:
        if len(self._exchanges) >= MAX_IN_FLIGHT:
            raise TooManyRequests(f"{MAX_IN_FLIGHT} requests are in flight and unanswered")
        seq = self._seq
        while True:
            seq = (seq + 1) % _SEQUENCES
            if seq not in self._exchanges:
                self._seq = seq
                return seq
