"""The daemon's side of ubus, without sockets: who is connected, what objects there are, who hears what.

Theory of operation

A peer is a connected client. ``receive`` takes what it sent, acts on every message in it and puts messages into the
outboxes of whoever is concerned; each outbox then goes to the wire through the ``flush`` the peer came with, which
writes what can be written now. What cannot waits, up to 1 MiB a peer; a message beyond is dropped and counted, as
ubusd does, so a reader that sleeps costs nobody else anything.

Calls have no state here. An INVOKE goes to the object's peer with the caller's client id as the frame's peer; the
answers come back with that id and the object's, are checked to come from the object's owner, and go to the caller
with the object's id as the frame's peer. If the service dies in between, the caller's deadline ends the call.

Events are methods of the daemon's object 1: ``register`` ties a pattern to one of the sender's objects, ``send``
invokes every object with a matching pattern, once, but never one of the sender's. Removing the object ends it.

Subscriptions tie an object to a target of another client. The target's owner hears when there is a first and when
there is no more subscriber, the subscriber when the target is gone.

A lookup of everything goes on as its client reads: it stops when the outbox does not empty and is taken up again by
``drained``.

Octets that are no message raise ProtocolError from ``receive``; the shell then drops that peer, and only it.
Source: ubusd_proto.c, ubusd_obj.c, ubusd_event.c, ubusd_monitor.c, ubusd_acl.c.
"""

import secrets
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Container
from typing import Any, Final

from ubuskit import blobmsg
from ubuskit.blob import DecodeError, Octets
from ubuskit.errors import ProtocolError
from ubuskit.errors import Status as Code
from ubuskit.protocol.acl import Acl, Credentials, Right
from ubuskit.protocol.events import Patterns, split
from ubuskit.protocol.fields import Field, fields
from ubuskit.protocol.messages import (
    AddObject,
    Data,
    Hello,
    Invoke,
    Lookup,
    Message,
    Monitor,
    Notify,
    RemoveObject,
    Status,
    Subscribe,
    Unsubscribe,
    parse,
)
from ubuskit.protocol.outbox import Outbox
from ubuskit.protocol.wire import (
    ACL_OBJECT,
    EVENT_OBJECT,
    FIRST_FREE_ID,
    MAX_BLOB,
    MAX_BODY,
    MONITOR_OBJECT,
    Frame,
    FrameReader,
    MessageType,
    pack_frame,
)

__all__ = ["MAX_QUEUE", "Bus", "Peer"]

MAX_QUEUE: Final = MAX_BLOB
"""UBUS_CLIENT_MAX_TXQ_LEN: octets that may wait for one client."""
_MAX_LOOKUPS: Final = 64
_FLUSH_AT: Final = 65536

_LAST_TYPE: Final = max(MessageType)
_DAEMONS_OWN: Final = (MessageType.HELLO, MessageType.MONITOR)
"""Messages that no client may send."""


class Peer:
    """One connected client. ``dropped`` counts messages that found its outbox full."""

    __slots__ = (
        "credentials",
        "dropped",
        "flush",
        "gone",
        "id",
        "lookups",
        "monitor_seq",
        "objects",
        "outbox",
        "reader",
    )

    def __init__(self, ident: int, credentials: Credentials, flush: "Callable[[Peer], None]") -> None:
        self.id = ident
        self.credentials = credentials
        self.flush = flush
        self.reader = FrameReader()
        self.outbox = Outbox()
        self.objects: list[_Object] = []
        self.lookups: deque[_PendingLookup] = deque()
        self.monitor_seq: int | None = None
        self.dropped = 0
        self.gone = False


class _ObjectType:
    """A signature, shared by all objects that name it. ``methods``: name and encoded element."""

    __slots__ = ("id", "methods", "uses")

    def __init__(self, ident: int, methods: list[Field]) -> None:
        self.id = ident
        self.methods = [(method.name, method.encoded()) for method in methods]
        self.uses = 0


class _Object:
    __slots__ = ("id", "notices", "path", "peer", "subscribers", "targets", "type")

    def __init__(self, ident: int, peer: Peer, kind: _ObjectType | None) -> None:
        self.id = ident
        self.peer = peer
        self.type = kind
        self.path: str | None = None
        self.subscribers: list[_Object] = []  # the newest first, as ubusd tells them
        self.targets: list[_Object] = []
        self.notices = 0

    def next_notice(self) -> int:
        self.notices = self.notices + 1 & 0xFFFF
        return self.notices


class _PendingLookup:
    """A lookup of everything; ``done`` is the last path that was answered."""

    __slots__ = ("done", "frame")

    def __init__(self, frame: Frame) -> None:
        self.frame = Frame(frame.type, frame.seq, frame.peer, b"")
        self.done = ""


class _Refused(Exception):
    """Ends an action with a status."""

    def __init__(self, status: Code) -> None:
        super().__init__(status)
        self.status = status


class Bus:
    def __init__(self, acl: Acl | None = None, *, new_id: Callable[[], int] | None = None) -> None:
        self.acl = acl or Acl()
        self.peers: dict[int, Peer] = {}
        self.acl_sequence = 0
        self._new_id = new_id or (lambda: secrets.randbits(32))
        self._objects: dict[int, _Object] = {}
        self._types: dict[int, _ObjectType] = {}
        self._paths: dict[str, _Object] = {}
        self._sorted_paths: list[str] = []
        self._patterns: Patterns[_Object] = Patterns()
        self._monitors: dict[int, Peer] = {}
        self._event_seq = 0
        self._unflushed: dict[int, Peer] = {}
        self._dropped_by_gone = 0

    # For the shell

    @property
    def dropped(self) -> int:
        """Messages dropped so far because a client did not read."""
        return self._dropped_by_gone + sum(peer.dropped for peer in self.peers.values())

    def connect(self, credentials: Credentials, flush: Callable[[Peer], None]) -> Peer:
        """A client has connected. ``flush(peer)`` writes from ``peer.outbox`` what can be written without waiting."""
        peer = Peer(self._free_id(self.peers), credentials, flush)
        self.peers[peer.id] = peer
        self._send(peer, Hello(), 0, peer.id)
        self._flush()
        return peer

    def receive(self, peer: Peer, data: bytes) -> None:
        """A client sent ``data``. Raises ProtocolError: then ``disconnect`` it."""
        try:
            for frame in peer.reader.feed(data):
                self._handle(peer, frame)
        finally:
            self._flush()

    def drained(self, peer: Peer) -> None:
        """A client's outbox that was not empty after a flush has become so."""
        while peer.lookups and not peer.outbox.size:
            lookup = peer.lookups[0]
            if not self._go_on(peer, lookup):
                break
            peer.lookups.popleft()
            self._answer(peer, lookup.frame, Code.OK)
            self._flush()

    def disconnect(self, peer: Peer) -> None:
        """A client is gone, and its objects, patterns and subscriptions with it."""
        if self.peers.pop(peer.id, None) is None:
            return
        peer.gone = True
        self._dropped_by_gone += peer.dropped
        self._monitors.pop(peer.id, None)
        for entry in list(reversed(peer.objects)):
            self._remove(entry)
        self._unflushed.pop(peer.id, None)
        self._flush()

    def set_acl(self, acl: Acl) -> None:
        """New access rules; who listens to ``ubus.acl.sequence`` hears of it."""
        self.acl = acl
        self.acl_sequence += 1
        self._emit(None, "ubus.acl.sequence", blobmsg.encode({"sequence": self.acl_sequence}))
        self._flush()

    # Sending

    def _send(self, peer: Peer, message: Message, seq: int, ref: int) -> None:
        self._send_body(peer, message.TYPE, seq, ref, message.body())

    def _send_body(self, peer: Peer, kind: int, seq: int, ref: int, body: bytes) -> None:
        if kind != MessageType.MONITOR and self._monitors:
            self._copy_to_monitors(peer, kind, seq, ref, body, sent=True)
        if peer.gone:
            return
        if len(body) > MAX_BODY:
            peer.dropped += 1
            return
        outbox = peer.outbox
        frame = pack_frame(kind, seq, ref, body)
        if outbox.size and outbox.size + len(frame) > MAX_QUEUE:
            peer.flush(peer)
            if outbox.size and outbox.size + len(frame) > MAX_QUEUE:
                peer.dropped += 1
                return
        outbox.push(frame)
        self._unflushed[peer.id] = peer

    def _flush(self) -> None:
        unflushed, self._unflushed = self._unflushed, {}
        for peer in unflushed.values():
            peer.flush(peer)

    def _answer(self, peer: Peer, frame: Frame, status: Code) -> None:
        self._send(peer, Status(status), frame.seq, frame.peer)

    def _copy_to_monitors(
        self, peer: Peer, kind: int, seq: int, ref: int, body: Octets, *, sent: bool
    ) -> None:
        copy = Monitor(peer.id, ref, seq, kind, sent, body).body()
        for monitor in list(self._monitors.values()):
            monitor.monitor_seq = (monitor.monitor_seq or 0) + 1 & 0xFFFF
            self._send_body(monitor, MessageType.MONITOR, monitor.monitor_seq, 0, copy)

    # Receiving

    def _handle(self, peer: Peer, frame: Frame) -> None:
        if self._monitors:
            self._copy_to_monitors(peer, frame.type, frame.seq, frame.peer, frame.body, sent=False)
        try:
            status = self._act(peer, frame)
        except _Refused as refusal:
            status = refusal.status
        if status is not None:
            self._answer(peer, frame, status)

    def _act(self, peer: Peer, frame: Frame) -> Code | None:
        if frame.type in _DAEMONS_OWN or frame.type > _LAST_TYPE:
            return Code.INVALID_COMMAND
        match parse(frame):
            case Invoke() as invoke:
                return self._invoke(peer, frame, invoke)
            case Data() | Status() as answer:
                self._forward_answer(peer, frame, answer)
                return None
            case Notify() as notify:
                return self._notify(peer, frame, notify)
            case Lookup() as lookup:
                return self._lookup(peer, frame, lookup)
            case AddObject() as add:
                return self._add_object(peer, frame, add)
            case RemoveObject() as remove:
                return self._remove_object(peer, frame, remove)
            case Subscribe() as subscribe:
                return self._subscribe(peer, subscribe)
            case Unsubscribe() as unsubscribe:
                return self._unsubscribe(peer, unsubscribe)
            case _:  # PING: what it carried comes back
                self._send_body(peer, MessageType.DATA, frame.seq, frame.peer, bytes(frame.body))
                return Code.OK

    def _object(self, ident: int | None) -> _Object:
        if ident is None:
            raise _Refused(Code.INVALID_ARGUMENT)
        found = self._objects.get(ident)
        if found is None:
            raise _Refused(Code.NOT_FOUND)
        return found

    # Calls

    def _invoke(self, peer: Peer, frame: Frame, invoke: Invoke) -> Code | None:
        if invoke.method is None or invoke.objid is None:
            return Code.INVALID_ARGUMENT
        if invoke.objid < FIRST_FREE_ID:
            return self._invoke_daemon(peer, frame, invoke)
        target = self._object(invoke.objid)
        if target.path is not None and not self.acl.allows_call(peer.credentials, target.path, invoke.method):
            return Code.PERMISSION_DENIED
        return self._forward(peer, frame.seq, target, invoke.method, invoke.data, no_reply=False)

    def _forward(
        self, caller: Peer, seq: int, target: _Object, method: str, data: Octets | None, *, no_reply: bool
    ) -> Code | None:
        who = caller.credentials
        body = Invoke(target.id, method, data, no_reply, who.user, who.group).body()
        if len(body) > MAX_BODY:
            return (
                Code.INVALID_ARGUMENT
            )  # it came without the caller's names; with them nobody could receive it
        self._send_body(target.peer, MessageType.INVOKE, seq, caller.id, body)
        return None

    def _forward_answer(self, peer: Peer, frame: Frame, answer: Data | Status) -> None:
        complete = answer.status is not None if isinstance(answer, Status) else answer.data is not None
        if answer.objid is None or not complete:
            return
        entry = self._objects.get(answer.objid)
        caller = self.peers.get(frame.peer)
        if entry is not None and entry.peer is peer and caller is not None:
            self._send_body(caller, frame.type, frame.seq, entry.id, bytes(frame.body))

    def _notify(self, peer: Peer, frame: Frame, notify: Notify) -> Code | None:
        if notify.method is None or notify.objid is None:
            return Code.INVALID_ARGUMENT
        entry = self._object(notify.objid)
        if entry.peer is not peer:
            return Code.PERMISSION_DENIED
        subscribers = list(entry.subscribers)
        if not notify.no_reply:
            ids = tuple(subscriber.id for subscriber in subscribers)
            self._send(peer, Status(Code.OK, entry.id, ids), frame.seq, frame.peer)
        for subscriber in subscribers:
            self._forward(peer, frame.seq, subscriber, notify.method, notify.data, no_reply=notify.no_reply)
        return None

    # Objects

    def _add_object(self, peer: Peer, frame: Frame, add: AddObject) -> Code:
        kind = self._type(add)
        if add.path is not None and (
            add.path in self._paths or not self.acl.allows(peer.credentials, Right.PUBLISH, add.path)
        ):
            return Code.INVALID_ARGUMENT
        entry = _Object(self._free_id(self._objects), peer, kind)
        if kind is not None:
            self._types[kind.id] = kind
            kind.uses += 1
        self._objects[entry.id] = entry
        peer.objects.append(entry)
        if add.path is not None:
            entry.path = add.path
            self._paths[add.path] = entry
            insort(self._sorted_paths, add.path)
            self._emit_object_event("ubus.object.add", entry)
        announced = kind.id if kind is not None and add.signature is not None else None
        self._send(peer, Data(entry.id, objtype=announced), frame.seq, frame.peer)
        return Code.OK

    def _type(self, add: AddObject) -> _ObjectType | None:
        """The signature meant; a new one becomes known only when an object uses it."""
        if add.objtype is not None:
            return self._types.get(add.objtype)
        if add.signature is None:
            return None
        try:
            return _ObjectType(self._free_id(self._types), list(fields(add.signature)))
        except DecodeError:
            return None

    def _remove_object(self, peer: Peer, frame: Frame, remove: RemoveObject) -> Code:
        entry = self._object(remove.objid)
        if entry.peer is not peer:
            return Code.PERMISSION_DENIED
        last = entry.type is not None and entry.type.uses == 1
        self._send(
            peer,
            Data(entry.id, objtype=entry.type.id if entry.type is not None and last else None),
            frame.seq,
            frame.peer,
        )
        self._remove(entry)
        return Code.OK

    def _remove(self, entry: _Object) -> None:
        for target in list(entry.targets):
            self._end_subscription(entry, target)
        for subscriber in list(entry.subscribers):
            message = Unsubscribe(subscriber.id, entry.id)
            self._send(subscriber.peer, message, subscriber.next_notice(), 0)
            self._end_subscription(subscriber, entry)
        self._patterns.remove(entry)
        if entry.path is not None:
            self._emit_object_event("ubus.object.remove", entry)
            del self._paths[entry.path]
            self._sorted_paths.pop(bisect_left(self._sorted_paths, entry.path))
        entry.peer.objects.remove(entry)
        del self._objects[entry.id]
        if entry.type is not None:
            entry.type.uses -= 1
            if not entry.type.uses:
                del self._types[entry.type.id]

    def _free_id(self, taken: Container[int]) -> int:
        while True:
            ident = self._new_id()
            if ident >= FIRST_FREE_ID and ident not in taken:
                return ident

    # Lookups

    def _lookup(self, peer: Peer, frame: Frame, lookup: Lookup) -> Code | None:
        pattern = lookup.path
        if pattern is None:
            return self._lookup_all(peer, frame)
        if not pattern:
            return Code.INVALID_ARGUMENT
        if not pattern.endswith("*"):
            if pattern not in self._paths:
                return Code.NOT_FOUND
            self._describe(peer, frame, self._paths[pattern])
            return Code.OK
        prefix = pattern[:-1]
        first = bisect_left(self._sorted_paths, prefix)
        found = False
        for path in self._sorted_paths[first:]:
            if not path.startswith(prefix):
                break
            found = True
            self._describe(peer, frame, self._paths[path])
        return Code.OK if found else Code.NOT_FOUND

    def _lookup_all(self, peer: Peer, frame: Frame) -> Code | None:
        if len(peer.lookups) >= _MAX_LOOKUPS:
            raise ProtocolError(f"{_MAX_LOOKUPS} lookups wait for a client that does not read")
        lookup = _PendingLookup(frame)
        if not peer.lookups and self._go_on(peer, lookup):
            return Code.OK
        peer.lookups.append(lookup)
        return None

    def _go_on(self, peer: Peer, lookup: _PendingLookup) -> bool:
        """Answer a lookup of everything until it is done or the client must read first; says which."""
        at = bisect_left(self._sorted_paths, lookup.done)
        for path in self._sorted_paths[at:]:
            if path == lookup.done:
                continue
            if peer.outbox.size >= _FLUSH_AT:
                peer.flush(peer)
                if peer.outbox.size:
                    return False
            self._describe(peer, lookup.frame, self._paths[path])
            lookup.done = path
        return True

    def _describe(self, peer: Peer, frame: Frame, entry: _Object) -> None:
        """What one object is, with the methods that ``peer`` may call; nothing if it has methods but none of them."""
        if entry.type is None or entry.path is None:
            return
        allowed = [
            encoded
            for name, encoded in entry.type.methods
            if self.acl.allows_call(peer.credentials, entry.path, name)
        ]
        if allowed or not entry.type.methods:
            message = Data(entry.id, None, entry.path, entry.type.id, b"".join(allowed))
            self._send(peer, message, frame.seq, frame.peer)

    # Subscriptions

    def _subscribe(self, peer: Peer, subscribe: Subscribe) -> Code:
        if subscribe.objid is None or subscribe.target is None:
            return Code.INVALID_ARGUMENT
        entry = self._object(subscribe.objid)
        if entry.peer is not peer:
            return Code.INVALID_ARGUMENT
        target = self._object(subscribe.target)
        if target.peer is peer:
            return Code.INVALID_ARGUMENT
        if target.path is None:
            ours, theirs = peer.credentials, target.peer.credentials
            if ours.user != theirs.user and ours.group != theirs.group:
                return Code.NOT_FOUND
        elif not self.acl.allows(peer.credentials, Right.SUBSCRIBE, target.path):
            return Code.NOT_FOUND
        target.subscribers.insert(0, entry)
        entry.targets.insert(0, target)
        if len(target.subscribers) == 1:
            self._tell_owner(target)
        return Code.OK

    def _unsubscribe(self, peer: Peer, unsubscribe: Unsubscribe) -> Code:
        if unsubscribe.objid is None or unsubscribe.target is None:
            return Code.INVALID_ARGUMENT
        entry = self._object(unsubscribe.objid)
        if entry.peer is not peer:
            return Code.INVALID_ARGUMENT
        for target in entry.targets:
            if target.id == unsubscribe.target:
                self._end_subscription(entry, target)
                return Code.OK
        return Code.NOT_FOUND

    def _end_subscription(self, entry: _Object, target: _Object) -> None:
        entry.targets.remove(target)
        target.subscribers.remove(entry)
        if not target.subscribers:
            self._tell_owner(target)

    def _tell_owner(self, target: _Object) -> None:
        message = Notify(target.id, active=bool(target.subscribers))
        self._send(target.peer, message, target.next_notice(), 0)

    # The daemon's own objects

    def _invoke_daemon(self, peer: Peer, frame: Frame, invoke: Invoke) -> Code | None:
        if invoke.objid == EVENT_OBJECT:
            if invoke.method == "register":
                return self._register(peer, _table(invoke.data))
            if invoke.method == "send":
                return self._send_event(peer, _table(invoke.data))
            return Code.INVALID_COMMAND
        if invoke.objid == ACL_OBJECT:
            return self._query_acl(peer, frame) if invoke.method == "query" else Code.INVALID_COMMAND
        if invoke.objid == MONITOR_OBJECT:
            return self._monitor(peer, invoke.method)
        return Code.NOT_FOUND

    def _register(self, peer: Peer, table: dict[str, Field]) -> Code:
        ident, pattern = table.get("object"), table.get("pattern")
        if ident is None or pattern is None:
            return Code.INVALID_ARGUMENT
        if ident.type != blobmsg.Type.INT32 or pattern.type != blobmsg.Type.STRING:
            return Code.INVALID_ARGUMENT
        if ident.number() < FIRST_FREE_ID:
            return Code.PERMISSION_DENIED
        entry = self._object(ident.number())
        text = pattern.text()
        if entry.peer is not peer or not text:
            return Code.PERMISSION_DENIED
        if not self.acl.allows(peer.credentials, Right.LISTEN, split(text)[0]):
            return Code.PERMISSION_DENIED
        self._patterns.add(text, entry)
        return Code.OK

    def _send_event(self, peer: Peer, table: dict[str, Field]) -> Code:
        ident, data = table.get("id"), table.get("data")
        if ident is None or data is None:
            return Code.INVALID_ARGUMENT
        if ident.type != blobmsg.Type.STRING or data.type != blobmsg.Type.TABLE:
            return Code.INVALID_ARGUMENT
        event = ident.text()
        if event.startswith("ubus.") or not self.acl.allows(peer.credentials, Right.SEND, event):
            return Code.PERMISSION_DENIED
        self._emit(peer, event, data.value)
        return Code.OK

    def _emit(self, sender: Peer | None, event: str, data: Octets) -> None:
        listeners = [entry for entry in self._patterns.listeners(event) if entry.peer is not sender]
        if not listeners:
            return
        rest = Invoke(None, event, data).body()
        for entry in listeners:
            self._event_seq = self._event_seq + 1 & 0xFFFF
            body = RemoveObject(entry.id).body() + rest
            self._send_body(entry.peer, MessageType.INVOKE, self._event_seq, 0, body)

    def _emit_object_event(self, event: str, entry: _Object) -> None:
        ident = entry.id - (1 << 32) if entry.id >= 1 << 31 else entry.id
        self._emit(None, event, blobmsg.encode({"id": blobmsg.Int32(ident), "path": entry.path or ""}))

    def _query_acl(self, peer: Peer, frame: Frame) -> Code:
        """What the rules say to the peer's objects themselves ("acl" in an access entry)."""
        entries: list[dict[str, Any]] = []
        for entry in reversed(peer.objects):
            for rule in self.acl.private_rules(entry.path) if entry.path is not None else ():
                who = {"user": rule.user} if rule.user is not None else {"group": rule.group}
                entries.append({"obj": entry.path, **who, "acl": rule.private})
        data = blobmsg.encode({"seq": self.acl_sequence, "acl": entries})
        self._send(peer, Data(ACL_OBJECT, data), frame.seq, frame.peer)
        return Code.OK

    def _monitor(self, peer: Peer, method: str | None) -> Code:
        """Who watches everything must be trusted with everything."""
        if not self.acl.trusts(peer.credentials):
            return Code.PERMISSION_DENIED
        if method == "add":
            peer.monitor_seq = 0
            self._monitors[peer.id] = peer
        elif method == "remove":
            self._monitors.pop(peer.id, None)
        else:
            return Code.METHOD_NOT_FOUND
        return Code.OK


def _table(data: Octets | None) -> dict[str, Field]:
    """The fields of a call's arguments; of two with one name the first, as blobmsg_parse has it."""
    if data is None:
        raise _Refused(Code.INVALID_ARGUMENT)
    found: dict[str, Field] = {}
    try:
        for item in fields(data):
            found.setdefault(item.name, item)
    except DecodeError:
        raise _Refused(Code.INVALID_ARGUMENT) from None
    return found
