"""What we want to hear: events by pattern, notifications of other objects.

Both are objects of ours without a path. A listener's gets the events of its pattern, a subscription's the
notifications of its target. A subscription follows its target's path: when the target goes it waits until an object
of that path is added again. Who may not listen to ``ubus.object.add`` looks for it every few seconds instead.
"""

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import trio

from ubuskit import blobmsg
from ubuskit.blob import BlobError
from ubuskit.client._link import Link
from ubuskit.errors import Disconnected, NotFound, Status, StatusError, status_error
from ubuskit.protocol import EVENT_OBJECT, AddObject, Exchange, Invoke, Invoked, RemoveObject, Subscribe, pack
from ubuskit.protocol import Status as StatusMessage

if TYPE_CHECKING:
    from ubuskit.client._client import Client

__all__ = ["EventHandler", "Listener", "Subscription"]

_log = logging.getLogger(__name__)

EventHandler = Callable[[str, dict[str, Any]], None]

_LOOK_AGAIN: Final = 5.0
_ANSWER_WITHIN: Final = 10.0


class _Ear:
    """An object of ours without a path, and what is called with all that reaches it."""

    def __init__(self, client: "Client", name: str, handler: EventHandler) -> None:
        self.name = name
        self._client = client
        self._handler = handler
        self._id = 0
        self.removed = False

    async def _register_object(self, link: Link) -> None:
        def settled(exchange: Exchange) -> None:
            self._id = self._client.registered(self, link, exchange)

        exchange = await link.request(AddObject(), settled=settled)
        if exchange.status:
            raise status_error(exchange.status, self.name)

    async def register(self, link: Link) -> None:
        await self._register_object(link)

    def invoked(self, link: Link, event: Invoked) -> None:
        message = event.message
        try:
            data = blobmsg.decode(message.data) if message.data is not None else {}
            self._handler(message.method or "", data)
        except BlobError as error:
            _log.warning("%s: %s came with data that is no blobmsg: %s", self.name, message.method, error)
        except Exception:
            _log.exception("%s: the handler of %s failed", self.name, message.method)
        if event.peer and not message.no_reply and not link.closed:
            link.write(pack(StatusMessage(Status.OK, message.objid), event.seq, event.peer), alone=True)

    async def close(self, *, timeout: float = 5.0) -> None:
        """Hear no more."""
        await self._client.unregister(self, timeout)


class Listener(_Ear):
    """Hears the events of one pattern, until closed."""

    def __init__(self, client: "Client", pattern: str, handler: EventHandler) -> None:
        super().__init__(client, f"listener {pattern}", handler)
        self.pattern = pattern

    async def register(self, link: Link) -> None:
        if ident := self._client.claim(self, link):
            self._id = ident
            return
        await self._register_object(link)
        ident = self._id - (1 << 32) if self._id >= 1 << 31 else self._id
        args = blobmsg.encode({"object": blobmsg.Int32(ident), "pattern": self.pattern})
        exchange = await link.request(Invoke(EVENT_OBJECT, "register", args), EVENT_OBJECT)
        if exchange.status:
            await link.request(RemoveObject(self._id))
            raise status_error(exchange.status, f"listening to {self.pattern}")


class Subscription(_Ear):
    """Hears the notifications of the object at ``path``, whichever process serves it, until closed."""

    def __init__(self, client: "Client", path: str, handler: EventHandler) -> None:
        super().__init__(client, f"subscription to {path}", handler)
        self.path = path
        self._target: int | None = None
        self._changed = trio.Event()
        self._subscribed = trio.Event()

    @property
    def active(self) -> bool:
        """Whether the object is there and its notifications come here."""
        return self._target is not None

    async def wait_active(self) -> None:
        while self._target is None:
            await self._subscribed.wait()

    def wake(self) -> None:
        """Something has changed: look whether the object is there."""
        self._changed.set()

    def target_gone(self, target: int) -> None:
        if target == self._target:
            self._lost()
            self.wake()

    def reset(self) -> None:
        """The connection is gone, and the subscription with it."""
        self._lost()

    async def register(self, link: Link) -> None:
        await self._register_object(link)
        self.wake()

    async def follow(self, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """The task that keeps it subscribed."""
        started = False
        while True:
            self._changed = trio.Event()
            with trio.move_on_after(_ANSWER_WITHIN):
                await self._try()
            if not started:
                started = True
                task_status.started()
            with trio.move_on_after(math.inf if self._target or self._client.watches else _LOOK_AGAIN):
                await self._changed.wait()

    async def _try(self) -> None:
        link = self._client.link
        if link is None or not self._id or self._target is not None:
            return
        try:
            target = await self._client.resolve(link, self.path)
            exchange = await link.request(Subscribe(self._id, target))
        except (NotFound, Disconnected):
            return
        except StatusError as error:
            _log.warning("%s: %s", self.name, error)
            return
        if exchange.status == Status.OK:
            self._target = target
            self._subscribed.set()
        elif exchange.status == Status.INVALID_ARGUMENT:
            _log.error("%s: it is this client's own object; nobody can subscribe to himself", self.name)
        elif exchange.status != Status.NOT_FOUND:
            _log.warning("%s: %s", self.name, status_error(exchange.status or 0))

    def _lost(self) -> None:
        if self._target is not None:
            self._target = None
            self._subscribed = trio.Event()
