"""What comes over ubus: blobmsg in both codecs, frames on the client's side and on the daemon's."""

from __future__ import annotations

from tests.fuzz.engine import Target

from ubuskit import blobmsg
from ubuskit.blobmsg import _pure
from ubuskit.errors import ProtocolError
from ubuskit.protocol import (
    AddObject,
    Attr,
    Connection,
    FrameReader,
    Lookup,
    MessageType,
    Status,
    Subscribe,
    pack,
    parse,
)
from ubuskit.protocol.acl import Credentials
from ubuskit.protocol.bus import Bus, Peer

_MAX_OUTBOX = 16 << 20


def codec(data: bytes) -> None:
    """The codec in use and the one in Python alone: the same table or the same refusal; what was read is written."""
    found = [_decoded(decode, data) for decode in (blobmsg.decode, _pure.decode)]
    assert found[0][0] == found[1][0]
    if isinstance(table := found[0][1], dict):
        try:
            again = blobmsg.encode(table)
        except blobmsg.EncodeError:
            return  # an element without a type reads as None, which has no way back
        assert _decoded(blobmsg.decode, again)[0] == found[0][0]
        assert blobmsg.encode(table) == _pure.encode(table)


def _decoded(decode: object, data: bytes) -> tuple[str, object]:
    """What came out, in a form in which not-a-number equals itself."""
    try:
        table = decode(data)  # type: ignore[operator]
    except blobmsg.DecodeError as error:
        return "refused", str(error)
    return repr(table), table


def client(data: bytes) -> None:
    """What a daemon sends, in one piece and in single bytes: the same events, until it breaks the rules."""
    for is_open in (False, True):
        single = [data[i : i + 1] for i in range(len(data))]
        assert _heard([data], is_open=is_open) == _heard(single, is_open=is_open)


def _heard(pieces: list[bytes], *, is_open: bool) -> list[str]:
    connection = Connection()
    if is_open:
        connection = Connection.taken_up(7, 0)
        connection.request(Lookup("*"))
    heard: list[str] = []
    try:
        for piece in pieces:
            for event in connection.receive(piece):
                heard.append(type(event).__name__)
    except ProtocolError:
        heard.append("broken")
    return heard


def daemon(data: bytes) -> None:
    """What a client sends: another one, with an object, finds everything as it was."""
    ids = iter(range(0x1000, 0x100000))
    bus = Bus(new_id=lambda: next(ids))
    sent: dict[int, bytearray] = {}

    def flush(peer: Peer) -> None:
        while peer.outbox.size:
            octets = bytes(peer.outbox.front())
            sent.setdefault(peer.id, bytearray()).extend(octets)
            peer.outbox.advance(len(octets))

    root = Credentials(0, 0, "root")
    owner = bus.connect(root, flush)
    bus.receive(owner, pack(AddObject("owned"), 1, 0))
    objid = next(iter(bus._objects))
    other = bus.connect(root, flush)
    bus.receive(other, pack(Subscribe(objid, next(ids)), 2, 0))
    try:
        for start in range(0, len(data), 97):
            bus.receive(other, data[start : start + 97])
    except ProtocolError:
        bus.disconnect(other)
    sent.pop(owner.id, None)
    bus.receive(owner, pack(Lookup("owned"), 3, 0))
    answers = [parse(frame) for frame in FrameReader().feed(bytes(sent[owner.id]))]
    assert isinstance(answers[-1], Status)
    assert answers[-1].status == 0
    assert sum(len(octets) for octets in sent.values()) < _MAX_OUTBOX
    bus.disconnect(other)
    bus.disconnect(owner)
    assert not bus.peers
    assert not bus._objects


def _words() -> tuple[bytes, ...]:
    kinds = tuple(bytes([0, kind, 0, 1, 0, 0, 0, 0]) for kind in MessageType)
    attributes = tuple(bytes([ident, 0, 0, 8]) for ident in Attr)
    return (*kinds, *attributes, b"\x83\x00\x00\x14", b"\x7f\xff\xff\xff", b"\x00\x03foo\x00")


_BLOB = (
    *(bytes([0x80 | kind, 0, 0, 12]) for kind in range(10)),
    *(b"\x00\x01a\x00", b"\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xf8\x00\x00\x00\x00\x00\x00"),
)

BUS = (
    Target("blobmsg", codec, _BLOB),
    Target("ubus_client", client, _words()),
    Target("ubus_daemon", daemon, _words()),
)
