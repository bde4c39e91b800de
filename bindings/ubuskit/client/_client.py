"""The client: one connection after another, and what lives longer than each of them.

Theory of operation

One task owns the connection: it dials with back-off, reads until the connection ends, and dials again. A new
connection is first given back what was registered on the one before (objects, listeners, subscriptions), then the
client is *connected* and waiting calls go out. What was in flight when a connection ended fails with Disconnected:
whether the other side acted on it, nobody knows.

Ids of objects are looked up once and kept. When the daemon itself says that it knows no such id (a service's own
NOT_FOUND names the object it comes from), the service has restarted: its path is looked up again, once.

Handlers of methods run in a nursery that lives as long as the client; listeners' handlers are plain functions, called
by the reading task in the order of arrival.
"""

import logging
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import trio

from ubuskit import DEFAULT_SOCKET, blobmsg
from ubuskit.blob import BlobError
from ubuskit.client._dormant import Claims, Dormant
from ubuskit.client._link import Link
from ubuskit.client._listeners import EventHandler, Listener, Subscription
from ubuskit.client._served import Method, ServedObject
from ubuskit.errors import (
    CallTimeout,
    ConnectionFailed,
    Disconnected,
    NotFound,
    ParseError,
    PermissionDenied,
    Status,
    StatusError,
    UbusError,
    status_error,
)
from ubuskit.protocol import (
    EVENT_OBJECT,
    Connected,
    Connection,
    Event,
    Exchange,
    Invoke,
    Invoked,
    Lookup,
    Notify,
    RemoveObject,
    Unsubscribe,
    pack,
)
from ubuskit.protocol import Status as StatusMessage

__all__ = ["DEFAULT_SOCKET", "Client", "ObjectInfo", "open_client"]

_log = logging.getLogger(__name__)
T = TypeVar("T")


_TIMEOUT: Final = 5.0
_GREETING_WITHIN: Final = 10.0
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object on the bus. ``signature``: method -> argument -> blobmsg type number."""

    path: str
    id: int
    signature: Mapping[str, Mapping[str, int]]


class _Registered(Protocol):
    """What the daemon knows under an id. ``removed``: it must not come back with the next connection."""

    name: str
    removed: bool

    async def register(self, link: Link) -> None: ...
    def invoked(self, link: Link, event: Invoked) -> None: ...


@asynccontextmanager
async def open_client(
    path: str = DEFAULT_SOCKET,
    *,
    reconnect: bool = True,
    connect_timeout: float | None = 10.0,
    dormant: Dormant | None = None,
) -> AsyncIterator["Client"]:
    """Connect to the daemon at ``path``; leaving the block closes the connection.

    With ``dormant``, a connection that a client before had left, that one is taken up first.

    Tries again until ``connect_timeout`` seconds have passed, then raises ConnectionFailed; None waits for ever.
    Without ``reconnect`` the client is of no more use when its connection ends.
    """
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        client = Client(path, nursery, reconnect=reconnect, dormant=dormant)
        try:
            await client._open(connect_timeout)
            yield client
        except BaseException as error:
            failure = error  # raised outside the nursery, which would make a group of it
        client._closed = True
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class Client:
    """A connection to the bus; made by ``open_client``."""

    def __init__(
        self, path: str, nursery: trio.Nursery, *, reconnect: bool, dormant: Dormant | None = None
    ) -> None:
        self.path = path
        self.link: Link | None = None
        """The connection, while the client is connected."""
        self.watches = False
        """Whether this client hears of objects that are added."""
        self.called_at = trio.current_time()
        """When one of our methods was called last, by trio's clock, or since when there is this client."""
        self._dormant = dormant
        self._claims = Claims({})
        self._nursery = nursery
        self._reconnect = reconnect
        self._up = trio.Event()
        self._closed = False
        self._reason = "it was not tried yet"
        self._ids: dict[str, int] = {}
        self._registered: dict[_Registered, int] = {}
        self._by_id: dict[int, _Registered] = {}
        self._watcher: Listener | None = None
        self._follow_scopes: dict[Subscription, trio.CancelScope] = {}
        self._on_connect: list[Callable[[], None]] = []

    # Connection

    @property
    def connected(self) -> bool:
        return self.link is not None

    async def wait_connected(self) -> None:
        """Raises Disconnected when the client will not connect any more."""
        await self._connection()

    def on_connect(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` each time the client is connected again and all it had registered is so again."""
        self._on_connect.append(callback)

    async def leave(self, *, keep: Collection[str], when: Callable[[], bool]) -> Dormant | None:
        """Leave the connection, with all objects and the listeners to the patterns ``keep`` still registered.

        What comes from then on waits in the socket for whoever takes the connection up; this client is of no more
        use, and its block has to be left. None, and nothing is changed, while the connection is busy, or ``when``
        says at the last moment that it should not be left.
        """
        link = self.link
        if link is None or not self._quiet(link):
            return None
        dropped = [
            what
            for what in self._registered
            if isinstance(what, Subscription) or (isinstance(what, Listener) and what.pattern not in keep)
        ]
        try:
            for what in dropped:
                await link.request(RemoveObject(self._registered[what]))
            if self._quiet(link) and when():
                self._closed = True
                kept = {what.name: ident for what, ident in self._registered.items() if what not in dropped}
                return Dormant(link.leave(), link.connection.client_id, link.connection.sequence, kept)
        except Disconnected:
            return None  # they are registered again with the next connection
        for what in dropped:
            if isinstance(what, Subscription):
                what.reset()
            await what.register(link)
        return None

    def claim(self, what: _Registered, link: Link) -> int:
        """The id under which the daemon knows ``what`` already, from before this connection was taken up, or 0."""
        ident, came = self._claims.claim(what.name)
        if ident:
            self._by_id[ident] = what
            self._registered[what] = ident
            for event in came:
                self._deliver(link, event, ident)
        return ident

    # Calls

    async def call(
        self, obj: str, method: str, args: Mapping[str, Any] | None = None, *, timeout: float = _TIMEOUT
    ) -> dict[str, Any]:
        """Call a method; returns the first DATA of its answer, ``{}`` when there is none.

        Raises a StatusError by the answer's status, CallTimeout after ``timeout`` seconds, Disconnected,
        MessageTooLarge, EncodeError.
        """
        answers = await self.call_all(obj, method, args, timeout=timeout)
        return answers[0] if answers else {}

    async def call_all(
        self, obj: str, method: str, args: Mapping[str, Any] | None = None, *, timeout: float = _TIMEOUT
    ) -> list[dict[str, Any]]:
        """``call`` for every DATA of the answer: some services send several."""
        encoded = blobmsg.encode(args) if args else b""
        with trio.CancelScope(deadline=trio.current_time() + timeout):
            link = self.link or await self._connection()
            exchange = await self._invoke(link, obj, method, encoded)
            try:
                answers = [blobmsg.decode(part.data) for part in exchange.data if part.data is not None]
            except BlobError as error:
                raise ParseError(f"{obj} {method}: the answer is no blobmsg: {error}") from None
            if exchange.status:
                failure = status_error(exchange.status, f"{obj} {method}")
                failure.data = answers
                raise failure
            return answers
        raise self._timed_out(f"{obj} {method}", timeout)

    async def lookup(self, pattern: str = "*", *, timeout: float = _TIMEOUT) -> list[ObjectInfo]:
        """The objects whose path is ``pattern``, or starts with it when it ends with ``*``; none is no error."""

        async def look(link: Link) -> list[ObjectInfo]:
            exchange = await link.request(Lookup(None if pattern == "*" else pattern))
            if exchange.status == Status.NOT_FOUND:
                return []
            if exchange.status:
                raise status_error(exchange.status, f"lookup {pattern}")
            return [
                ObjectInfo(found.path, found.objid, blobmsg.decode(found.signature or b""))
                for found in exchange.data
                if found.path is not None and found.objid is not None
            ]

        return await self.within(timeout, f"lookup {pattern}", look)

    # Events

    async def send(self, event: str, data: Mapping[str, Any], *, timeout: float = _TIMEOUT) -> None:
        """Send an event; returns when the daemon has it. It reaches every listener but this client's own.

        Raises PermissionDenied for ``ubus.*`` and where access rules forbid it.
        """
        encoded = blobmsg.encode({"id": event, "data": data})

        async def tell(link: Link) -> None:
            exchange = await link.request(Invoke(EVENT_OBJECT, "send", encoded), EVENT_OBJECT)
            if exchange.status:
                raise status_error(exchange.status, f"event {event}")

        await self.within(timeout, f"event {event}", tell)

    async def listen(self, pattern: str, handler: EventHandler, *, timeout: float = _TIMEOUT) -> Listener:
        """Call ``handler(event, data)`` for every event of that name, or that starts so when it ends with ``*``.

        The handler is a plain, quick function; events come in the order they arrived.
        """
        listener = Listener(self, pattern, handler)
        await self._register(listener, timeout, f"listening to {pattern}")
        return listener

    async def subscribe(self, path: str, handler: EventHandler, *, timeout: float = _TIMEOUT) -> Subscription:
        """Call ``handler(kind, data)`` for every notification of the object at ``path``, now or when it appears."""
        await self._watch_objects(timeout)
        subscription = Subscription(self, path, handler)
        await self._register(subscription, timeout, f"subscription to {path}")
        await self._nursery.start(self._follow, subscription)
        return subscription

    # Objects

    async def add_object(
        self, path: str, methods: Mapping[str, Method], *, timeout: float = _TIMEOUT
    ) -> ServedObject:
        """Publish an object. Raises InvalidArgument when its name is taken or access rules forbid it."""
        served = ServedObject(self, path, methods)
        await self._register(served, timeout, f"object {path}")
        return served

    # For the parts of this package

    async def within(self, timeout: float, what: str, action: Callable[[Link], Awaitable[T]]) -> T:
        """``action`` on the connection, waited for if need be. Raises CallTimeout."""
        with trio.CancelScope(deadline=trio.current_time() + timeout):
            return await action(self.link or await self._connection())
        raise self._timed_out(what, timeout)

    def start(self, function: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run a task that lives as long as this client."""
        self._nursery.start_soon(function, *args)

    def registered(self, what: _Registered, link: Link, exchange: Exchange) -> int:
        """The daemon has answered an AddObject: remember whose id it gave; 0 if it gave none."""
        ident = exchange.data[0].objid if exchange.data and not exchange.status else None
        if not ident:
            return 0
        if what.removed:  # while the request was on its way
            link.write(link.connection.message(RemoveObject(ident)), alone=True)
            return 0
        self._by_id[ident] = what
        self._registered[what] = ident
        return ident

    async def unregister(self, what: _Registered, timeout: float) -> None:
        """Forget an object of ours, here and on the daemon."""
        ident = self._forget(what)
        if ident:
            try:
                await self.within(
                    timeout, "removal of an object", lambda link: link.request(RemoveObject(ident))
                )
            except Disconnected:
                return  # with the connection went the object

    async def _register(self, what: _Registered, timeout: float, name: str) -> None:
        """Register something new; when that fails nothing of it stays."""
        try:
            await self.within(timeout, name, what.register)
        except BaseException:
            ident = self._forget(what)
            if ident and self.link is not None:
                self.link.write(self.link.connection.message(RemoveObject(ident)), alone=True)
            raise

    def _forget(self, what: _Registered) -> int:
        """The id that the daemon still knows it under, or 0."""
        what.removed = True
        ident = self._registered.pop(what, 0)
        if isinstance(what, Subscription) and what in self._follow_scopes:
            self._follow_scopes.pop(what).cancel()
        return ident if self._by_id.pop(ident, None) is not None else 0

    async def resolve(self, link: Link, path: str) -> int:
        """The id of the object at ``path``, as the daemon knows it now. Raises NotFound, StatusError."""
        self._ids.pop(path, None)
        exchange = await link.request(Lookup(path))
        if exchange.status and exchange.status != Status.NOT_FOUND:
            raise status_error(exchange.status, f"lookup {path}")
        for found in exchange.data:
            if found.objid is not None:
                self._ids[path] = found.objid
                return found.objid
        raise NotFound(f"no object {path!r} on the bus at {self.path}")

    async def _invoke(self, link: Link, obj: str, method: str, args: bytes) -> Exchange:
        ident = self._ids.get(obj)
        if ident is not None:
            exchange = await link.request(Invoke(ident, method, args), ident)
            if exchange.status != Status.NOT_FOUND or not exchange.from_daemon:
                return exchange
        ident = await self.resolve(link, obj)
        return await link.request(Invoke(ident, method, args), ident)

    async def _connection(self) -> Link:
        while self.link is None:
            if self._closed:
                raise Disconnected(
                    f"the connection to the ubus daemon at {self.path} has ended: {self._reason}"
                )
            await self._up.wait()
        return self.link

    def _timed_out(self, what: str, timeout: float) -> CallTimeout:
        if self.link is None:
            return CallTimeout(f"{what}: no connection to {self.path} within {timeout:g} s: {self._reason}")
        return CallTimeout(f"{what}: no answer within {timeout:g} s")

    # Subscriptions

    async def _watch_objects(self, timeout: float) -> None:
        if self._watcher is not None:
            return
        try:
            self._watcher = await self.listen("ubus.object.add", self._object_added, timeout=timeout)
            self.watches = True
        except PermissionDenied:
            _log.info(
                "this user may not listen to ubus.object.add: objects subscribed to are looked for instead"
            )

    def _object_added(self, _: str, data: dict[str, Any]) -> None:
        for subscription in self._follow_scopes:
            if subscription.path == data.get("path"):
                subscription.wake()

    async def _follow(
        self, subscription: Subscription, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.CancelScope() as scope:
            self._follow_scopes[subscription] = scope
            await subscription.follow(task_status)

    # The task that owns the connection

    async def _open(self, timeout: float | None) -> None:
        self._nursery.start_soon(self._run)
        with trio.CancelScope(deadline=math.inf if timeout is None else trio.current_time() + timeout):
            await self._connection()
            return
        raise ConnectionFailed(f"no ubus daemon answers at {self.path}: {self._reason}")

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        if self._dormant is not None:
            await self._use(self._take_up(self._dormant))
        while not self._closed:
            link = self._dial()
            if link is not None:
                await self._use(link)
                if link.connection.client_id:
                    pause = _FIRST_PAUSE
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _dial(self) -> Link | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(self.path)
        except OSError as error:
            connection.close()
            self._reason = error.strerror or str(error)
            return None
        return Link(connection)

    def _take_up(self, dormant: Dormant) -> Link:
        self._claims = Claims(dormant.registered)
        dormant.connected.setblocking(False)
        return Link(dormant.connected, Connection.taken_up(dormant.client_id, dormant.sequence))

    async def _use(self, link: Link) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(link.write_rest)
                if link.connection.client_id:
                    await self._settle(link, nursery)
                else:
                    nursery.start_soon(self._expect_greeting, link)
                await link.read(partial(self._take, link, nursery))
                nursery.cancel_scope.cancel()
        finally:
            self._lost(link)

    async def _expect_greeting(self, link: Link) -> None:
        await trio.sleep(_GREETING_WITHIN)
        if not link.connection.client_id:
            link.reason = "it accepted the connection but said nothing"
            link.close()

    def _take(self, link: Link, nursery: trio.Nursery, event: Event) -> None:
        try:
            self._handle(link, nursery, event)
        except Exception:
            _log.exception("a message from the ubus daemon failed")

    def _handle(self, link: Link, nursery: trio.Nursery, event: Event) -> None:
        if isinstance(event, Connected):
            nursery.start_soon(self._settle, link, nursery)
        elif isinstance(event, Invoked | Unsubscribe | Notify):
            ident = (event.message.objid if isinstance(event, Invoked) else event.objid) or 0
            if not self._claims.park(event, ident):
                self._deliver(link, event, ident)

    def _deliver(self, link: Link, event: Invoked | Unsubscribe | Notify, ident: int) -> None:
        """Give what came for the object ``ident`` of ours to it."""
        what = self._by_id.get(ident)
        if isinstance(event, Invoked):
            if what is not None:
                what.invoked(link, event)
            elif event.peer and not event.message.no_reply:
                answer = StatusMessage(Status.NOT_FOUND, event.message.objid)
                link.write(pack(answer, event.seq, event.peer), alone=True)
        elif isinstance(event, Unsubscribe):
            if isinstance(what, Subscription):
                what.target_gone(event.target or 0)
        elif isinstance(what, ServedObject):
            what.subscribers = bool(event.active)

    async def _settle(self, link: Link, nursery: trio.Nursery) -> None:
        """Give a new connection back what was registered on the one before."""
        again = list(self._registered)
        for what in again:
            if what.removed:
                continue
            try:
                await what.register(link)
            except Disconnected:
                return
            except UbusError as error:
                _log.warning("after the reconnect: %s; trying again", error)
                nursery.start_soon(self._register_later, link, what)
        self.link = link
        up, self._up = self._up, trio.Event()
        up.set()
        if again:
            _log.info("connected to the ubus daemon at %s again", self.path)
        for callback in self._on_connect:
            try:
                callback()
            except Exception:
                _log.exception("a callback for the new connection failed")

    async def _register_later(self, link: Link, what: _Registered) -> None:
        """Its name may still belong to the process that had it before."""
        pause = _FIRST_PAUSE
        while True:
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            if what.removed:
                return
            try:
                await what.register(link)
            except Disconnected:
                return
            except StatusError:
                continue
            return

    def _quiet(self, link: Link) -> bool:
        """Whether nothing is under way, on the connection or in an object of ours."""
        return link.quiet and not any(
            isinstance(what, ServedObject) and what.busy for what in self._registered
        )

    def _lost(self, link: Link) -> None:
        link.close()
        self._claims = Claims({})
        self._reason = link.reason
        self._ids.clear()
        self._by_id.clear()
        for what in self._registered:
            if isinstance(what, Subscription):
                what.reset()
            elif isinstance(what, ServedObject):
                what.subscribers = False
        if self.link is link:
            self.link = None
            if self._closed:
                return
            if self._reconnect:
                _log.warning("the connection to the ubus daemon at %s is lost: %s", self.path, link.reason)
            else:
                self._closed = True
                self._up.set()
