"""Messages: what stands in a frame's attributes, one class a type.

A field that is None was not there. What is there but of the wrong type counts as not there, as it does for the
daemon and libubus; attributes that do not fit their message are a ProtocolError.
``data`` and ``signature`` stay encoded (blobmsg): who only passes them on need not read them.
Object ids are random unsigned 32 bit numbers. Source: ubusmsg.h, libubus*.c, ubusd_proto.c.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, ClassVar, Final, TypeAlias

from ubuskit.blob import DecodeError, EncodeError, Octets, attribute, attributes
from ubuskit.errors import ProtocolError
from ubuskit.protocol.wire import Attr, Frame, MessageType, pack_frame
from ubuskit.records import dataclass

__all__ = [
    "AddObject",
    "Data",
    "Hello",
    "Invoke",
    "Lookup",
    "Message",
    "Monitor",
    "Notify",
    "Ping",
    "RemoveObject",
    "Status",
    "Subscribe",
    "Unsubscribe",
    "pack",
    "parse",
]

_WORD: Final = Struct(">I")
_TWO_WORDS: Final = Struct(">II")
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
_ATTRIBUTES: Final = max(Attr) + 1

# Plain numbers: an enum's member costs a look-up for every attribute.
_STATUS, _OBJPATH, _OBJID, _METHOD = int(Attr.STATUS), int(Attr.OBJPATH), int(Attr.OBJID), int(Attr.METHOD)
_OBJTYPE, _SIGNATURE, _DATA, _TARGET = (
    int(Attr.OBJTYPE),
    int(Attr.SIGNATURE),
    int(Attr.DATA),
    int(Attr.TARGET),
)
_ACTIVE, _NO_REPLY, _SUBSCRIBERS = int(Attr.ACTIVE), int(Attr.NO_REPLY), int(Attr.SUBSCRIBERS)
_USER, _GROUP = int(Attr.USER), int(Attr.GROUP)


# Writing


def _word(ident: int, value: int) -> bytes:
    return _TWO_WORDS.pack(ident << 24 | 8, value & 0xFFFFFFFF)


def _flag(ident: int, value: bool) -> bytes:
    return _WORD.pack(ident << 24 | 5) + (b"\1\0\0\0" if value else b"\0\0\0\0")


def _string(ident: int, text: str) -> bytes:
    octets = text.encode("utf-8", "surrogateescape")
    if b"\0" in octets:
        raise EncodeError("a name on the bus holds a zero character, where C would end it")
    length = len(octets) + 5
    return _WORD.pack(ident << 24 | length) + octets + b"\0" + _PADDING[length & 3]


def _nested(ident: int, data: Octets) -> bytes:
    return attribute(ident, data)


# Reading


def _read_string(octets: bytes) -> str | None:
    if not octets.endswith(b"\0"):
        return None
    return octets[: octets.index(b"\0")].decode("utf-8", "surrogateescape")


_KIND_WORD, _KIND_NESTED, _KIND_STRING, _KIND_FLAG = 1, 2, 3, 4
_KINDS: Final = tuple(
    {
        _STATUS: _KIND_WORD,
        _OBJPATH: _KIND_STRING,
        _OBJID: _KIND_WORD,
        _METHOD: _KIND_STRING,
        _OBJTYPE: _KIND_WORD,
        _SIGNATURE: _KIND_NESTED,
        _DATA: _KIND_NESTED,
        _TARGET: _KIND_WORD,
        _ACTIVE: _KIND_FLAG,
        _NO_REPLY: _KIND_FLAG,
        _SUBSCRIBERS: _KIND_NESTED,
        _USER: _KIND_STRING,
        _GROUP: _KIND_STRING,
    }.get(ident, 0)
    for ident in range(_ATTRIBUTES)
)


def _read(body: Octets) -> list[Any]:
    """The values of the attributes, by their number. The loop of ``blob.attributes`` and the readers of each type,
    spelled out: every message on the bus passes through it."""
    found: list[Any] = [None] * _ATTRIBUTES
    offset, end = 0, len(body)
    unpack = _WORD.unpack_from
    while offset < end:
        if end - offset < 4:
            raise ProtocolError("a ubus message ends inside an attribute")
        (word,) = unpack(body, offset)
        length = word & 0xFFFFFF
        ident = word >> 24 & 0x7F
        following = offset + (length + 3 & ~3)
        if length < 4 or following > end:
            raise ProtocolError(
                f"attribute {ident} of a ubus message claims {length} bytes, {end - offset} are left"
            )
        kind = _KINDS[ident] if ident < _ATTRIBUTES else 0
        if kind == _KIND_WORD:
            if length == 8:
                found[ident] = unpack(body, offset + 4)[0]
        elif kind == _KIND_NESTED:
            found[ident] = memoryview(body)[offset + 4 : offset + length]
        elif kind == _KIND_STRING:
            text = _read_string(bytes(body[offset + 4 : offset + length]))
            if text is not None:
                found[ident] = text
        elif kind == _KIND_FLAG and length == 5:
            found[ident] = body[offset + 4] != 0
        offset = following
    return found


def _read_ids(payload: memoryview | None) -> tuple[int, ...] | None:
    """SUBSCRIBERS: nameless INT32 attributes, one an object."""
    if payload is None:
        return None
    octets = bytes(payload)
    return tuple(
        _TWO_WORDS.unpack_from(octets, offset)[1]
        for offset in range(0, len(octets) - 7, 8)
        if _TWO_WORDS.unpack_from(octets, offset)[0] & 0xFFFFFF == 8
    )


# The messages


@dataclass(frozen=True, slots=True)
class Hello:
    """The daemon's first word; the frame's peer is the id it gave this client."""

    TYPE: ClassVar = MessageType.HELLO

    def body(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class Status:
    """The end of an answer. From the daemon itself it has no ``objid``; a service names its object.

    For a Notify that wants replies the daemon answers first, with the ids of the subscribers.
    """

    TYPE: ClassVar = MessageType.STATUS
    status: int | None
    objid: int | None = None
    subscribers: tuple[int, ...] | None = None

    def body(self) -> bytes:
        if self.subscribers is not None:  # the order of ubusd_handle_notify
            ids = b"".join([_word(0, ident) for ident in self.subscribers])
            return (
                _word(_OBJID, self.objid or 0) + _nested(_SUBSCRIBERS, ids) + _word(_STATUS, self.status or 0)
            )
        if self.objid is None:
            return _word(_STATUS, self.status or 0)
        return _word(_STATUS, self.status or 0) + _word(_OBJID, self.objid)


@dataclass(frozen=True, slots=True)
class Data:
    """Part of an answer: of a call (``objid``, ``data``), of a Lookup (all but ``data``), of an AddObject or
    RemoveObject (``objid``, ``objtype``)."""

    TYPE: ClassVar = MessageType.DATA
    objid: int | None = None
    data: Octets | None = None
    path: str | None = None
    objtype: int | None = None
    signature: Octets | None = None

    def body(self) -> bytes:
        parts = []
        if self.path is not None:
            parts.append(_string(_OBJPATH, self.path))
        if self.objid is not None:
            parts.append(_word(_OBJID, self.objid))
        if self.objtype is not None:
            parts.append(_word(_OBJTYPE, self.objtype))
        if self.signature is not None:
            parts.append(_nested(_SIGNATURE, self.signature))
        if self.data is not None:
            parts.append(_nested(_DATA, self.data))
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Ping:
    """Comes back as a Data with the same attributes, then a Status."""

    TYPE: ClassVar = MessageType.PING

    def body(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Asks for the objects whose path is ``path``, or starts with it when it ends with ``*``; all for None."""

    TYPE: ClassVar = MessageType.LOOKUP
    path: str | None = None

    def body(self) -> bytes:
        return b"" if self.path is None else _string(_OBJPATH, self.path)


@dataclass(frozen=True, slots=True)
class Invoke:
    """A method call, an event or a notification, which all reach an object as its methods.

    Sent by the daemon, calls and notifications carry the caller's ``user`` and ``group`` and the frame's peer is
    the caller's client id; events carry neither and peer 0. ``no_reply``: nobody waits for a Status.
    """

    TYPE: ClassVar = MessageType.INVOKE
    objid: int | None
    method: str | None
    data: Octets | None = b""
    no_reply: bool = False
    user: str | None = None
    group: str | None = None

    def body(self) -> bytes:
        parts = []
        if self.no_reply:
            parts.append(_flag(_NO_REPLY, True))
        if self.objid is not None:
            parts.append(_word(_OBJID, self.objid))
        if self.method is not None:
            parts.append(_string(_METHOD, self.method))
        if self.user is not None:
            parts.append(_string(_USER, self.user))
        if self.group is not None:
            parts.append(_string(_GROUP, self.group))
        if self.data is not None:
            parts.append(_nested(_DATA, self.data))
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class AddObject:
    """Registers an object. Without ``path`` it is not listed and only receives events and notifications.

    ``objtype`` names the signature of an object registered before, instead of sending it again.
    """

    TYPE: ClassVar = MessageType.ADD_OBJECT
    path: str | None = None
    signature: Octets | None = None
    objtype: int | None = None

    def body(self) -> bytes:
        parts = []
        if self.path is not None:
            parts.append(_string(_OBJPATH, self.path))
        if self.objtype is not None:
            parts.append(_word(_OBJTYPE, self.objtype))
        if self.signature is not None:
            parts.append(_nested(_SIGNATURE, self.signature))
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class RemoveObject:
    TYPE: ClassVar = MessageType.REMOVE_OBJECT
    objid: int | None

    def body(self) -> bytes:
        return b"" if self.objid is None else _word(_OBJID, self.objid)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Notifications of object ``target`` shall go to the sender's object ``objid``."""

    TYPE: ClassVar = MessageType.SUBSCRIBE
    objid: int | None
    target: int | None

    def body(self) -> bytes:
        return _pair(self.objid, self.target)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Ends a subscription; from the daemon: the object subscribed to is gone."""

    TYPE: ClassVar = MessageType.UNSUBSCRIBE
    objid: int | None
    target: int | None

    def body(self) -> bytes:
        return _pair(self.objid, self.target)


def _pair(objid: int | None, target: int | None) -> bytes:
    first = b"" if objid is None else _word(_OBJID, objid)
    return first if target is None else first + _word(_TARGET, target)


@dataclass(frozen=True, slots=True)
class Notify:
    """A notification for all subscribers of the sender's object. From the daemon: has it any (``active``)?"""

    TYPE: ClassVar = MessageType.NOTIFY
    objid: int | None
    method: str | None = None
    data: Octets | None = None
    no_reply: bool = False
    active: bool | None = None

    def body(self) -> bytes:
        parts = []
        if self.objid is not None:
            parts.append(_word(_OBJID, self.objid))
        if self.method is not None:
            parts.append(_string(_METHOD, self.method))
        if self.active is not None:
            parts.append(_flag(_ACTIVE, self.active))
        if self.no_reply:
            parts.append(_flag(_NO_REPLY, True))
        if self.data is not None:
            parts.append(_nested(_DATA, self.data))
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Monitor:
    """A copy of a message that passed the daemon, for a monitor; attributes have numbers of their own."""

    TYPE: ClassVar = MessageType.MONITOR
    client: int
    peer: int
    seq: int
    kind: int
    sent: bool
    data: Octets

    def body(self) -> bytes:
        return b"".join(
            [
                _word(0, self.client),
                _word(1, self.peer),
                _word(3, self.seq),
                _word(4, self.kind),
                _flag(2, self.sent),
                _nested(5, self.data),
            ]
        )


Message: TypeAlias = (
    Hello
    | Status
    | Data
    | Ping
    | Lookup
    | Invoke
    | AddObject
    | RemoveObject
    | Subscribe
    | Unsubscribe
    | Notify
    | Monitor
)


def _status(a: list[Any]) -> Status:
    return Status(a[_STATUS], a[_OBJID], _read_ids(a[_SUBSCRIBERS]))


def _data(a: list[Any]) -> Data:
    return Data(a[_OBJID], a[_DATA], a[_OBJPATH], a[_OBJTYPE], a[_SIGNATURE])


def _invoke(a: list[Any]) -> Invoke:
    return Invoke(a[_OBJID], a[_METHOD], a[_DATA], bool(a[_NO_REPLY]), a[_USER], a[_GROUP])


def _notify(a: list[Any]) -> Notify:
    return Notify(a[_OBJID], a[_METHOD], a[_DATA], bool(a[_NO_REPLY]), a[_ACTIVE])


_PARSERS: Final[dict[int, Callable[[list[Any]], Message]]] = {
    MessageType.HELLO: lambda a: Hello(),
    MessageType.STATUS: _status,
    MessageType.DATA: _data,
    MessageType.PING: lambda a: Ping(),
    MessageType.LOOKUP: lambda a: Lookup(a[_OBJPATH]),
    MessageType.INVOKE: _invoke,
    MessageType.ADD_OBJECT: lambda a: AddObject(a[_OBJPATH], a[_SIGNATURE], a[_OBJTYPE]),
    MessageType.REMOVE_OBJECT: lambda a: RemoveObject(a[_OBJID]),
    MessageType.SUBSCRIBE: lambda a: Subscribe(a[_OBJID], a[_TARGET]),
    MessageType.UNSUBSCRIBE: lambda a: Unsubscribe(a[_OBJID], a[_TARGET]),
    MessageType.NOTIFY: _notify,
}


def _monitor(body: Octets) -> Monitor:
    try:
        fields = dict(attributes(body))
        client, peer, seq, kind = (int.from_bytes(fields[ident][:4]) for ident in (0, 1, 3, 4))
        return Monitor(client, peer, seq, kind, fields[2][0] != 0, fields[5])
    except (DecodeError, LookupError) as error:
        raise ProtocolError(f"a monitor message that is none: {error}") from None


def parse(frame: Frame) -> Message:
    """The message in a frame. Raises ProtocolError for attributes that do not fit, and for a type unknown here."""
    parser = _PARSERS.get(frame.type)
    if parser is not None:
        return parser(_read(frame.body))
    if frame.type == MessageType.MONITOR:
        return _monitor(frame.body)
    raise ProtocolError(f"message type {frame.type} is not known")


def pack(message: Message, seq: int, peer: int) -> bytes:
    """The octets of a message. Raises MessageTooLarge, and EncodeError for a name that has no form on the wire."""
    return pack_frame(message.TYPE, seq, peer, message.body())
