"""Objects of ours on the bus: methods with typed arguments, and notifications."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import trio

from ubuskit import blobmsg
from ubuskit.blob import BlobError, Octets
from ubuskit.client._link import Link
from ubuskit.errors import Disconnected, InvalidArgument, MessageTooLarge, Status, StatusError
from ubuskit.protocol import AddObject, Data, Exchange, Invoked, Notify, pack
from ubuskit.protocol import Status as StatusMessage

if TYPE_CHECKING:
    from ubuskit.client._client import Client

__all__ = ["ArgType", "Handler", "Method", "Request", "ServedObject"]

_log = logging.getLogger(__name__)

ArgType: TypeAlias = type[str] | type[int] | type[float] | type[bool] | type[dict[str, Any]] | type[list[Any]]
Handler: TypeAlias = "Callable[[Request], Awaitable[Mapping[str, Any] | None]]"

_SIGNATURE_TYPES: Final[Mapping[Any, blobmsg.Type]] = {
    str: blobmsg.Type.STRING,
    int: blobmsg.Type.INT32,
    float: blobmsg.Type.DOUBLE,
    bool: blobmsg.Type.INT8,
    dict: blobmsg.Type.TABLE,
    list: blobmsg.Type.ARRAY,
}

# uhttpd adds it to every call that comes from a browser, whatever the method's signature says.
_RPC_SESSION: Final = "ubus_rpc_session"

_MAX_RUNNING: Final = 512


@dataclass(frozen=True, slots=True)
class Method:
    """A method: what runs, and the arguments it may be given by name; each may be absent.

    The handler runs as a task of its own. What it returns is the answer; None answers with the status alone.
    It raises a StatusError to answer with that status. Any other exception is logged and answered UNKNOWN_ERROR.
    """

    handler: Handler
    args: Mapping[str, ArgType] = field(default_factory=lambda: MappingProxyType({}))


class Request:
    """One call of one of our methods. ``user`` and ``group`` are the caller's, as the daemon knows them."""

    __slots__ = ("_link", "_peer", "_seq", "_silent", "_target", "args", "group", "method", "object", "user")

    def __init__(self, path: str, event: Invoked, link: Link) -> None:
        message = event.message
        self.object = path
        self.method = message.method or ""
        self.args: dict[str, Any] = {}
        self.user = message.user
        self.group = message.group
        self._silent = message.no_reply
        self._link = link
        self._seq, self._peer, self._target = event.seq, event.peer, message.objid

    async def reply(self, data: Mapping[str, Any]) -> None:
        """Answer with one more DATA message; what the handler returns comes after all of these."""
        octets = self._data(data)
        await self._link.room()
        self._write(octets, alone=True)

    async def finish(self, data: Mapping[str, Any] | None, *, alone: bool) -> None:
        octets = b"" if data is None else self._data(data)
        await self._link.room()
        self._write(octets + self._status(Status.OK), alone=alone)

    def refuse(self, status: int) -> None:
        self._write(self._status(status), alone=True)

    def _data(self, data: Mapping[str, Any]) -> bytes:
        return pack(Data(self._target, blobmsg.encode(data)), self._seq, self._peer)

    def _status(self, status: int) -> bytes:
        return pack(StatusMessage(status, self._target), self._seq, self._peer)

    def _write(self, octets: bytes, *, alone: bool) -> None:
        if not self._silent and not self._link.closed:
            self._link.write(octets, alone=alone)


class ServedObject:
    """An object of ours. ``subscribers``: whether anybody has subscribed to it."""

    def __init__(self, client: "Client", path: str, methods: Mapping[str, Method]) -> None:
        self.path = path
        self.name = f"object {path}"
        self.methods = dict(methods)
        self.subscribers = False
        self.removed = False
        self._client = client
        self._id = 0
        self._running = 0

    async def notify(
        self, kind: str, data: Mapping[str, Any], *, replies: bool = False, timeout: float = 5.0
    ) -> list[int]:
        """Tell all subscribers. With ``replies`` waits until each has answered and returns their statuses."""
        encoded = blobmsg.encode(data)

        async def tell(link: Link) -> list[int]:
            message = Notify(self._id, kind, encoded, no_reply=not replies)
            if not replies:
                await link.send(message, self._id)
                return []
            exchange = await link.request(message, self._id)
            return list(exchange.answers.values())

        return await self._client.within(timeout, f"{self.path}: notify {kind}", tell)

    async def remove(self, *, timeout: float = 5.0) -> None:
        """Take the object off the bus."""
        await self._client.unregister(self, timeout)

    # For the client

    @property
    def busy(self) -> bool:
        """Whether a call is being served or somebody has subscribed."""
        return self.subscribers or self._running > 0

    async def register(self, link: Link) -> None:
        if ident := self._client.claim(self, link):
            self._id = ident
            return

        def settled(exchange: Exchange) -> None:
            self._id = self._client.registered(self, link, exchange)

        exchange = await link.request(AddObject(self.path, self._signature()), settled=settled)
        if exchange.status:
            raise InvalidArgument(
                f"the daemon refused the object {self.path!r}: another has its name,"
                f" or the access rules do not let this user publish it"
            )

    def invoked(self, link: Link, event: Invoked) -> None:
        self._client.called_at = trio.current_time()
        request = Request(self.path, event, link)
        method = self.methods.get(request.method)
        if method is None:
            request.refuse(Status.METHOD_NOT_FOUND)
            return
        try:
            request.args = _arguments(event.message.data, method.args)
        except (InvalidArgument, BlobError) as error:
            _log.warning("%s %s: %s", self.path, request.method, error)
            request.refuse(Status.INVALID_ARGUMENT)
            return
        if self._running >= _MAX_RUNNING:
            _log.error(
                "%s %s: %d calls are running, no more are taken", self.path, request.method, _MAX_RUNNING
            )
            request.refuse(Status.UNKNOWN_ERROR)
            return
        self._running += 1
        self._client.start(self._run, method, request)

    async def _run(self, method: Method, request: Request) -> None:
        try:
            answer = await method.handler(request)
            await request.finish(answer, alone=self._running == 1)
        except StatusError as error:
            _log.debug("%s %s: %s", self.path, request.method, error)
            request.refuse(error.status)
        except (BlobError, MessageTooLarge) as error:
            _log.error("%s %s: the answer cannot be sent: %s", self.path, request.method, error)
            request.refuse(Status.UNKNOWN_ERROR)
        except Disconnected as error:
            _log.debug("%s %s: nobody to answer: %s", self.path, request.method, error)
            request.refuse(Status.UNKNOWN_ERROR)
        except Exception:
            _log.exception("%s %s: the handler failed", self.path, request.method)
            request.refuse(Status.UNKNOWN_ERROR)
        finally:
            self._running -= 1

    def _signature(self) -> bytes:
        return blobmsg.encode(
            {
                name: {arg: int(_SIGNATURE_TYPES[kind]) for arg, kind in method.args.items()}
                for name, method in self.methods.items()
            }
        )


def _arguments(data: Octets | None, declared: Mapping[str, ArgType]) -> dict[str, Any]:
    """The arguments of a call, checked against the method's. Raises InvalidArgument, DecodeError."""
    if data is None:
        raise InvalidArgument("a call without an argument table")
    args = blobmsg.decode(data)
    for name, value in list(args.items()):
        wanted = declared.get(name)
        if wanted is None:
            if name != _RPC_SESSION:
                raise InvalidArgument(
                    f"it has no argument {_shown(name)}; it has {sorted(declared) or 'none'}"
                )
            del args[name]
        elif type(value) is not wanted and not (wanted is float and type(value) is int):
            raise InvalidArgument(
                f"argument {name!r} must be {wanted.__name__}, it was given {type(value).__name__}"
            )
    return args


def _shown(name: str) -> str:
    return ascii(name[:64])
