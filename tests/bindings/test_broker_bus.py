"""The bus without sockets: rights, queues, and peers that misbehave."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ubuskit import blobmsg
from ubuskit.errors import ProtocolError
from ubuskit.errors import Status as Code
from ubuskit.protocol import (
    EVENT_OBJECT,
    MONITOR_OBJECT,
    AddObject,
    Data,
    FrameReader,
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
    pack,
    pack_frame,
    parse,
)
from ubuskit.protocol.acl import Acl, AclError, Credentials, Right, read_rules
from ubuskit.protocol.bus import MAX_QUEUE, Bus, Peer

ROOT = Credentials(0, 0, user="root", group="root")
NETWORK = Credentials(101, 101, user="network", group="network")
NOBODY = Credentials(65534, 65534, user="nobody", group="nogroup")

SIGNATURE = blobmsg.encode({"get": {}, "set": {"value": 3}})


class Caller:
    """One peer of the bus, and what it was told. While ``asleep`` it reads nothing."""

    def __init__(self, bus: Bus, who: Credentials = ROOT) -> None:
        self.asleep = False
        self.heard: list[tuple[int, int, Message]] = []
        self._bus = bus
        self._reader = FrameReader()
        self._seq = 0
        self.peer = bus.connect(who, self._flush)
        assert self.heard.pop(0) == (0, self.peer.id, Hello())

    def _flush(self, peer: Peer) -> None:
        while peer.outbox.size and not self.asleep:
            octets = bytes(peer.outbox.front())
            peer.outbox.advance(len(octets))
            for frame in self._reader.feed(octets):
                message = parse(frame)
                if isinstance(message, Data) and message.data is not None:
                    message = Data(message.objid, bytes(message.data))
                self.heard.append((frame.seq, frame.peer, message))

    def wake(self) -> None:
        self.asleep = False
        self._flush(self.peer)
        self._bus.drained(self.peer)

    def send(self, message: Message, seq: int = 0, peer: int = 0) -> None:
        self._bus.receive(self.peer, pack(message, seq, peer))

    def ask(self, message: Message, peer: int = 0) -> list[Any]:
        """The messages of the answer."""
        self._seq += 1
        self.send(message, self._seq, peer)
        answer = [heard for heard in self.heard if heard[0] == self._seq and heard[1] == peer]
        for heard in answer:
            self.heard.remove(heard)
        return [message for _, _, message in answer]

    def status(self, message: Message, peer: int = 0) -> int | None:
        last = self.ask(message, peer)[-1]
        assert isinstance(last, Status)
        return last.status

    def add(self, path: str | None = None, signature: bytes | None = SIGNATURE) -> int:
        data, status = self.ask(AddObject(path, signature if path else None))
        assert status == Status(0)
        return int(data.objid)

    def register(self, pattern: str) -> int:
        ident = self.add()
        assert self.status(Invoke(EVENT_OBJECT, "register", event_pattern(ident, pattern))) == 0
        return ident

    def take(self) -> list[Message]:
        taken, self.heard = [message for _, _, message in self.heard], []
        return taken


def event_pattern(ident: int, pattern: str) -> bytes:
    return blobmsg.encode({"object": blobmsg.Int32(ident), "pattern": pattern})


def event(name: str, **data: Any) -> Invoke:
    return Invoke(EVENT_OBJECT, "send", blobmsg.encode({"id": name, "data": data}))


@pytest.fixture
def bus() -> Bus:
    return new_bus()


def new_bus(*documents: dict[str, Any], owner: int = 0) -> Bus:
    names = {"network": 101, "dialout": 20}
    rules = [
        rule for document in documents for rule in read_rules(document, uid_of=names.get, gid_of=names.get)
    ]
    return Bus(Acl(rules, owner=owner), new_id=count(5000).__next__)


# Calls


def test_a_call_goes_to_the_objects_peer_with_the_callers_name(bus: Bus) -> None:
    service, caller = Caller(bus), Caller(bus, Credentials(0, 0, user="root", group="wheel"))
    ident = service.add("service")
    caller.send(Invoke(ident, "get", b""), seq=77, peer=ident)
    [(seq, peer, message)] = service.heard
    assert (seq, peer) == (77, caller.peer.id)
    assert message == Invoke(ident, "get", b"", user="root", group="wheel")
    service.send(Data(ident, b""), seq, peer)
    service.send(Status(0, ident), seq, peer)
    assert caller.heard == [(77, ident, Data(ident, b"")), (77, ident, Status(0, ident))]


def test_only_the_objects_owner_may_answer_for_it(bus: Bus) -> None:
    service, caller, liar = Caller(bus), Caller(bus), Caller(bus)
    ident = service.add("service")
    caller.send(Invoke(ident, "get", b""), seq=1, peer=ident)
    liar.send(Status(0, ident), seq=1, peer=caller.peer.id)
    liar.send(Data(ident, b""), seq=1, peer=caller.peer.id)
    service.send(Data(ident), seq=1, peer=caller.peer.id)
    service.send(Status(0), seq=1, peer=caller.peer.id)
    assert caller.heard == []


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (Invoke(None, "get"), Code.INVALID_ARGUMENT),
        (Invoke(4999, None), Code.INVALID_ARGUMENT),
        (Invoke(4999, "get"), Code.NOT_FOUND),
        (Invoke(500, "get"), Code.NOT_FOUND),
        (Invoke(EVENT_OBJECT, "nothing"), Code.INVALID_COMMAND),
        (Invoke(EVENT_OBJECT, "send", None), Code.INVALID_ARGUMENT),
        (Invoke(EVENT_OBJECT, "send", b""), Code.INVALID_ARGUMENT),
        (Invoke(EVENT_OBJECT, "send", b"\xff\xff\xff\xff"), Code.INVALID_ARGUMENT),
        (Invoke(EVENT_OBJECT, "send", blobmsg.encode({"id": 1, "data": {}})), Code.INVALID_ARGUMENT),
        (Invoke(EVENT_OBJECT, "send", blobmsg.encode({"id": "x", "data": []})), Code.INVALID_ARGUMENT),
        (Invoke(EVENT_OBJECT, "register", event_pattern(4999, "x")), Code.NOT_FOUND),
        (Invoke(EVENT_OBJECT, "register", event_pattern(3, "x")), Code.PERMISSION_DENIED),
        (Invoke(MONITOR_OBJECT, "nothing"), Code.METHOD_NOT_FOUND),
        (Lookup(""), Code.INVALID_ARGUMENT),
        (Lookup("nothing"), Code.NOT_FOUND),
        (Lookup("nothing*"), Code.NOT_FOUND),
        (Lookup(None), Code.OK),
        (RemoveObject(None), Code.INVALID_ARGUMENT),
        (RemoveObject(4999), Code.NOT_FOUND),
        (Subscribe(None, 1), Code.INVALID_ARGUMENT),
        (Subscribe(1, None), Code.INVALID_ARGUMENT),
        (Subscribe(4999, 4999), Code.NOT_FOUND),
        (Unsubscribe(4999, 4999), Code.NOT_FOUND),
        (Notify(4999, "x"), Code.NOT_FOUND),
        (Notify(None, "x"), Code.INVALID_ARGUMENT),
        (Hello(), Code.INVALID_COMMAND),
        (Monitor(1, 2, 3, 4, True, b""), Code.INVALID_COMMAND),
    ],
)
def test_what_cannot_be_done_has_a_status(bus: Bus, message: Message, status: Code) -> None:
    assert Caller(bus).status(message) == status


def test_an_unknown_message_type_is_an_invalid_command(bus: Bus) -> None:
    caller = Caller(bus)
    bus.receive(caller.peer, pack_frame(99, 1, 0, b""))
    assert caller.heard == [(1, 0, Status(Code.INVALID_COMMAND))]


def test_another_clients_objects_are_its_own(bus: Bus) -> None:
    owner, other = Caller(bus), Caller(bus)
    ident, ear = owner.add("mine"), owner.add()
    assert other.status(RemoveObject(ident)) == Code.PERMISSION_DENIED
    assert other.status(Notify(ident, "x", b"", no_reply=True)) == Code.PERMISSION_DENIED
    assert other.status(Subscribe(ear, ident)) == Code.INVALID_ARGUMENT
    assert other.status(Unsubscribe(ear, ident)) == Code.INVALID_ARGUMENT
    assert other.status(Invoke(EVENT_OBJECT, "register", event_pattern(ear, "x"))) == Code.PERMISSION_DENIED
    assert owner.status(Subscribe(ear, ident)) == Code.INVALID_ARGUMENT
    assert owner.status(AddObject("mine", SIGNATURE)) == Code.INVALID_ARGUMENT


def test_objects_may_share_a_signature(bus: Bus) -> None:
    owner = Caller(bus)
    first = owner.ask(AddObject("first", SIGNATURE))[0]
    second = owner.ask(AddObject("second", objtype=first.objtype))[0]
    assert second.objtype is None
    described = owner.ask(Lookup("second"))[0]
    assert (described.objtype, bytes(described.signature)) == (first.objtype, SIGNATURE)
    assert owner.ask(RemoveObject(first.objid))[0].objtype is None
    assert owner.ask(RemoveObject(second.objid))[0].objtype == first.objtype


def test_a_client_that_leaves_takes_its_objects_along(bus: Bus) -> None:
    owner, other = Caller(bus), Caller(bus)
    ident = owner.add("mine")
    ear = other.add()
    assert other.status(Subscribe(ear, ident)) == 0
    other.register("ubus.object.*")
    bus.disconnect(owner.peer)
    bus.disconnect(owner.peer)
    gone, removed = other.take()
    assert gone == Unsubscribe(ear, ident)
    assert isinstance(removed, Invoke)
    assert removed.method == "ubus.object.remove"
    assert other.status(Lookup("mine")) == Code.NOT_FOUND


# Queues


def test_what_a_sleeper_cannot_take_is_dropped_and_counted(bus: Bus) -> None:
    sleeper, sender, awake = Caller(bus), Caller(bus), Caller(bus)
    sleeper.register("flood")
    awake.register("flood")
    sleeper.asleep = True
    for number in range(20):
        assert sender.status(event("flood", number=number, text="x" * 68_000)) == 0
    assert sleeper.peer.outbox.size <= MAX_QUEUE
    waiting = len(sleeper.peer.outbox)
    assert waiting == 15
    assert bus.dropped == sleeper.peer.dropped == 20 - waiting
    assert len(awake.take()) == 20
    sleeper.wake()
    assert len(sleeper.take()) == waiting
    sender.send(event("flood"))
    assert len(sleeper.take()) == 1
    bus.disconnect(sleeper.peer)
    assert bus.dropped == 20 - waiting


def test_one_message_always_finds_room(bus: Bus) -> None:
    sleeper, sender = Caller(bus), Caller(bus)
    sleeper.register("big")
    sleeper.asleep = True
    sender.send(event("big", text="x" * ((1 << 20) - 100)))
    assert len(sleeper.peer.outbox) == 1
    sender.send(event("big", text="x" * 100))
    assert sleeper.peer.dropped == 1


def test_an_object_too_large_to_be_described_harms_nobody(bus: Bus) -> None:
    owner, reader = Caller(bus), Caller(bus)
    methods = blobmsg.encode({f"{number:02}" + "m" * 60_000: {} for number in range(17)})
    left = (1 << 20) - 4 - len(AddObject("large", methods).body())
    owner.add("large", methods + blobmsg.encode({"m" * (left - 16): {}}))
    assert reader.status(Lookup()) == 0
    assert reader.peer.dropped == 1


def test_a_lookup_of_everything_goes_on_as_its_client_reads(bus: Bus) -> None:
    owner, reader = Caller(bus), Caller(bus)
    signature = blobmsg.encode({"method" + "x" * 1000: {}})
    paths = [f"object.{number:04}" for number in range(3000)]
    for path in paths:
        owner.add(path, signature)
    reader.asleep = True
    reader.send(Lookup(), seq=9)
    assert reader.peer.outbox.size < 100_000
    while reader.peer.lookups:
        reader.wake()
        reader.asleep = True
    reader.wake()
    *found, last = reader.take()
    assert [message.path for message in found if isinstance(message, Data)] == paths
    assert last == Status(0)
    assert bus.dropped == 0


def test_lookups_that_wait_are_bounded(bus: Bus) -> None:
    owner, reader = Caller(bus), Caller(bus)
    for number in range(80):
        owner.add(f"object.{number}", blobmsg.encode({"m" * 1000: {}}))
    reader.asleep = True
    with pytest.raises(ProtocolError, match="does not read"):
        for _ in range(100):
            reader.send(Lookup())


def test_a_call_that_would_be_too_large_with_the_callers_name_is_refused(bus: Bus) -> None:
    service, caller = Caller(bus), Caller(bus)
    ident = service.add("service")
    overhead = len(Invoke(ident, "get", b"").body())
    largest = bytes((1 << 20) - 4 - overhead)
    assert caller.status(Invoke(ident, "get", largest), ident) == Code.INVALID_ARGUMENT
    assert service.heard == []


# Misbehaviour


def test_a_peer_that_sends_rubbish_hurts_nobody_else(bus: Bus) -> None:
    good, bad = Caller(bus), Caller(bus)
    ident = good.add("good")
    with pytest.raises(ProtocolError):
        bus.receive(bad.peer, b"GET / HTTP/1.1\r\n\r\n")
    bus.disconnect(bad.peer)
    assert good.ask(Lookup("good"))[0].objid == ident


@settings(max_examples=300)
@given(st.data())
def test_hostile_messages_raise_nothing_but_protocol_error(data: st.DataObject) -> None:
    bus = new_bus()
    victim, attacker = Caller(bus), Caller(bus)
    target = victim.add("victim")
    ear = attacker.add()
    monitor = Caller(bus)
    monitor.send(Invoke(MONITOR_OBJECT, "add", b""))
    word = st.sampled_from([0, 1, 2, 3, target, ear, victim.peer.id, 2**32 - 1])
    attribute = st.one_of(
        st.tuples(st.integers(0, 15), word.map(lambda value: value.to_bytes(4, "big"))),
        st.tuples(
            st.integers(0, 15), st.sampled_from([b"get\0", b"send\0", b"register\0", b"query\0", b"victim\0"])
        ),
        st.tuples(st.integers(0, 15), st.binary(max_size=12)),
    )
    for _ in range(data.draw(st.integers(1, 6))):
        pieces = []
        for ident, payload in data.draw(st.lists(attribute, max_size=6)):
            length = len(payload) + 4
            pieces.append((ident << 24 | length).to_bytes(4, "big") + payload + bytes(-length % 4))
        body = b"".join(pieces) + data.draw(st.sampled_from([b"", b"\0", b"\3\0\0\x09"]))
        try:
            bus.receive(attacker.peer, pack_frame(data.draw(st.integers(0, 12)), 1, target, body))
        except ProtocolError:
            bus.disconnect(attacker.peer)
            break
    assert victim.ask(Lookup("victim"))[0].objid == target


# Rights


def allowing(**what: Any) -> dict[str, Any]:
    return {"user": "network", **what}


def test_without_a_rule_nothing_is_allowed() -> None:
    bus = new_bus()
    root, nobody = Caller(bus), Caller(bus, NOBODY)
    ident = root.add("system")
    ear = nobody.add()
    assert nobody.status(AddObject("mine", SIGNATURE)) == Code.INVALID_ARGUMENT
    assert nobody.ask(Lookup("system")) == [Status(0)]
    assert nobody.status(Invoke(ident, "get", b""), ident) == Code.PERMISSION_DENIED
    assert nobody.status(Subscribe(ear, ident)) == Code.NOT_FOUND
    assert nobody.status(event("news")) == Code.PERMISSION_DENIED
    assert nobody.status(Invoke(EVENT_OBJECT, "register", event_pattern(ear, "*"))) == Code.PERMISSION_DENIED
    assert nobody.status(Invoke(MONITOR_OBJECT, "add", b"")) == Code.PERMISSION_DENIED
    assert root.take() == []


def test_access_is_per_method_and_shows_in_a_lookup() -> None:
    bus = new_bus(allowing(access={"system": {"methods": ["get"]}}))
    root, user = Caller(bus), Caller(bus, NETWORK)
    ident = root.add("system")
    described = user.ask(Lookup("system"))[0]
    assert blobmsg.decode(described.signature) == {"get": {}}
    user.send(Invoke(ident, "get", b""), peer=ident)
    assert [type(message) for message in root.take()] == [Invoke]
    assert user.status(Invoke(ident, "set", b""), ident) == Code.PERMISSION_DENIED


Act = Callable[[Caller, int], int | None]


@pytest.mark.parametrize(
    ("rule", "act"),
    [
        (
            {"access": {"net*": {"methods": ["*"]}}},
            lambda user, ident: user.ask(Lookup("net.lan"))[0].objid and 0,
        ),
        ({"publish": ["my.*"]}, lambda user, ident: user.status(AddObject("my.object", SIGNATURE))),
        ({"subscribe": ["net.*"]}, lambda user, ident: user.status(Subscribe(user.add(), ident))),
        ({"send": ["news.*"]}, lambda user, ident: user.status(event("news.flash"))),
        ({"send": ["news.flash"]}, lambda user, ident: user.status(event("news.flash"))),
        (
            {"listen": ["news.*"]},
            lambda user, ident: user.status(
                Invoke(EVENT_OBJECT, "register", event_pattern(user.add(), "news.*"))
            ),
        ),
    ],
)
@pytest.mark.parametrize(
    ("names", "who", "allowed"),
    [
        ({"user": "network"}, NETWORK, True),
        ({"user": "network"}, NOBODY, False),
        ({"group": "dialout"}, Credentials(1000, 20), True),
        ({"group": "dialout"}, Credentials(1000, 1000, frozenset([4, 20])), True),
        ({"group": "dialout"}, NETWORK, False),
        ({"user": "unknown"}, Credentials(0xFFFF, 0xFFFF), False),
        ({}, NETWORK, False),
    ],
)
def test_each_right_for_users_and_groups(
    rule: dict[str, Any], act: Act, names: dict[str, str], who: Credentials, allowed: bool
) -> None:
    bus = new_bus({**names, **rule})
    ident = Caller(bus).add("net.lan")
    try:
        status = act(Caller(bus, who), ident)
    except AttributeError:  # the lookup showed nothing
        status = Code.PERMISSION_DENIED
    assert (status == 0) is allowed


def test_the_bus_owner_is_trusted_like_root() -> None:
    bus = new_bus(owner=1000)
    developer = Caller(bus, Credentials(1000, 1000, user="dev", group="dev"))
    developer.add("mine")
    assert developer.status(Invoke(MONITOR_OBJECT, "add", b"")) == 0


def test_new_rules_count_at_once_and_are_an_event() -> None:
    bus = new_bus()
    root, user = Caller(bus), Caller(bus, NETWORK)
    root.register("ubus.acl.sequence")
    assert user.status(event("news")) == Code.PERMISSION_DENIED
    rules = read_rules(allowing(send=["news"]), uid_of=lambda name: 101, gid_of=lambda name: None)
    bus.set_acl(Acl(rules))
    assert user.status(event("news")) == 0
    [told] = root.take()
    assert isinstance(told, Invoke)
    assert blobmsg.decode(told.data or b"") == {"sequence": 1}


def test_rules_may_speak_to_the_object_itself() -> None:
    bus = new_bus(allowing(access={"my.object": {"acl": {"level": 3}}, "other": {"acl": {}}}))
    owner = Caller(bus)
    owner.add("my.object")
    data, status = owner.ask(Invoke(2, "query", b""))
    assert status == Status(0)
    expected = [{"obj": "my.object", "user": "network", "acl": {"level": 3}}]
    assert blobmsg.decode(data.data) == {"seq": 0, "acl": expected}


@pytest.mark.parametrize("document", [[], None, 3, "user"])
def test_a_document_that_is_no_object_says_so(document: object) -> None:
    with pytest.raises(AclError, match="must be a JSON object"):
        read_rules(document, uid_of=lambda name: 1, gid_of=lambda name: 1)


def test_what_has_no_form_on_the_bus_says_where() -> None:
    document = {"user": "network", "access": {"my.object": {"acl": {"level": None}}}}
    with pytest.raises(AclError, match=r"access, my\.object, acl: level"):
        read_rules(document, uid_of=lambda name: 1, gid_of=lambda name: 1)


def test_elements_of_the_wrong_type_are_passed_over() -> None:
    document = {
        "user": "network",
        "access": {"a": 1, "": {}, "b": {"methods": 3}},
        "send": [1, "", "ok"],
        "listen": 3,
    }
    rules = read_rules(document, uid_of=lambda name: 101, gid_of=lambda name: None)
    assert Acl(rules).allows(NETWORK, Right.SEND, "ok")
    assert not Acl(rules).allows_call(NETWORK, "b", "anything")
