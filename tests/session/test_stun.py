"""STUN: the codec, and the keeper of a binding against a NAT and a server made of a few lines, without sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.session import stun
from cwmp.session.binding import Keeper, Lifetime, Port, Send, StunSettings
from cwmp.session.stun import Attribute, Endpoint, Kind, Message, StunError, decode, encode

LOCAL = Endpoint("192.168.1.2", 7547)
ID = bytes(range(16))


def test_a_request_as_annex_g_has_it() -> None:
    attributes = (
        (Attribute.CONNECTION_REQUEST_BINDING, stun.REQUEST_BINDING),
        (Attribute.USERNAME, stun.username("device")),
        (Attribute.BINDING_CHANGE, b""),
    )
    assert encode(Message(Kind.REQUEST, ID, attributes)).hex() == (
        "00010028000102030405060708090a0b0c0d0e0f"
        "c0010014" + b"dslforum.org/TR-111 ".hex() + "00060008" + b"device  ".hex() + "c0020000"
    )


def test_addresses_and_errors() -> None:
    attributes = (
        (Attribute.MAPPED_ADDRESS, bytes.fromhex("0001c350c6336407")),
        (Attribute.ERROR_CODE, stun.error(401, "Unauthorized")),
    )
    found = decode(encode(Message(Kind.ERROR, ID, attributes)))
    assert found.endpoint(Attribute.MAPPED_ADDRESS) == Endpoint("198.51.100.7", 50000)
    assert found.error == 401
    assert found.endpoint(Attribute.RESPONSE_ADDRESS) is None
    assert stun.endpoint(Endpoint("198.51.100.7", 50000)) == attributes[0][1]


def test_the_answer_of_a_server_of_today() -> None:
    """With the attributes of RFC 5780, and a SOFTWARE that is padded to four bytes."""
    found = decode(
        bytes.fromhex(
            "010100409a81844529d8911830f2065e1fdb1f9b000100080001950b7f000001000400080001"
            "87dc7f0000010005000800018"
            + "7dc7f00000180220018436f7475726e2d342e362e312027476f7273742700000000"
        )
    )
    assert (found.kind, found.error) == (Kind.RESPONSE, 0)
    assert found.endpoint(Attribute.MAPPED_ADDRESS) == Endpoint("127.0.0.1", 38155)
    assert not found.has_integrity("secret")


@pytest.mark.parametrize("value", [b"", b"\0\1\0", b"\0\2" + bytes(18), bytes(8)])
def test_addresses_of_no_use(value: bytes) -> None:
    message = decode(encode(Message(Kind.RESPONSE, ID, ((Attribute.MAPPED_ADDRESS, value),))))
    assert message.endpoint(Attribute.MAPPED_ADDRESS) is None
    assert message.error == 0


@pytest.mark.parametrize("padded", [True, False])
def test_integrity_with_and_without_the_padding_of_rfc_3489(padded: bool) -> None:
    import hashlib
    import hmac

    body = b"\x00\x06\x00\x04abcd"
    text = b"\x01\x01" + (len(body) + 24).to_bytes(2, "big") + ID + body
    block = text + bytes(-len(text) % 64) if padded else text
    seal = hmac.new(b"secret", block, hashlib.sha1).digest()
    message = decode(text + b"\x00\x08\x00\x14" + seal)
    assert message.has_integrity("secret")
    assert not message.has_integrity("other")
    if padded:
        assert encode(Message(Kind.RESPONSE, ID, ((6, b"abcd"),)), "secret") == text + b"\0\x08\0\x14" + seal
    assert not decode(text[:2] + len(body).to_bytes(2, "big") + ID + body).has_integrity("secret")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(19),
        b"\x40" + bytes(19),
        b"\0\1\0\4" + ID,
        b"\0\1\0\0" + ID + b"x",
        b"\0\1\0\2" + ID + b"xx",
        b"\0\1\0\4" + ID + b"\0\1\0\1",
        b"\0\1\x08\0" + ID + bytes(2048),
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(StunError):
        decode(data)


@given(
    st.sampled_from(list(Kind)),
    st.binary(min_size=16, max_size=16),
    st.lists(st.tuples(st.integers(0, 0xFFFF).filter(lambda a: a != 8), st.binary(max_size=60)), max_size=8),
    st.text(max_size=8),
)
def test_what_is_encoded_reads_back(
    kind: Kind, transaction: bytes, attributes: list[tuple[int, bytes]], password: str
) -> None:
    message = decode(encode(Message(kind, transaction, tuple(attributes)), password))
    read = [a for a in message.attributes if a[0] != Attribute.MESSAGE_INTEGRITY]
    assert (message.kind, message.transaction, read) == (kind, transaction, attributes)
    assert message.has_integrity(password) is bool(password)


@given(st.binary(max_size=200))
def test_any_datagram(data: bytes) -> None:
    try:
        message = decode(data)
    except StunError:
        return
    message.endpoint(Attribute.MAPPED_ADDRESS)
    message.has_integrity("x")
    assert 0 <= message.error <= 955


@dataclass
class World:
    """A CPE behind a NAT, and a STUN server: `run` lets time pass. The NAT forgets a silent port after `lifetime` s
    and gives it another number then."""

    settings: StunSettings = StunSettings()  # noqa: RUF009
    lifetime: float = 100.0
    nat: bool = True
    server_up: bool = True
    knows_response_address: bool = True
    wants_password: str = ""
    seals: bool = True
    now: float = 0.0
    sent: list[tuple[float, Port, Message]] = field(default_factory=list)
    mappings: dict[Port, tuple[Endpoint, float]] = field(default_factory=dict)
    given: int = 0

    def __post_init__(self) -> None:
        self.ids = 0
        self.keeper = Keeper(self.settings, LOCAL, self.random, self.now)

    def random(self, size: int) -> bytes:
        self.ids += 1
        return self.ids.to_bytes(size, "big")

    def outside(self, port: Port) -> Endpoint:
        """What the world sees of a port that sends now."""
        if not self.nat:
            return LOCAL if port is Port.PRIMARY else Endpoint(LOCAL.host, 1)
        mapped, last = self.mappings.get(port, (None, 0.0))
        if mapped is None or self.now - last > self.lifetime:
            self.given += 1
            mapped = Endpoint("198.51.100.7", 50_000 + self.given)
        self.mappings[port] = mapped, self.now
        return mapped

    def inside(self, endpoint: Endpoint) -> Port | None:
        """Which port a datagram from outside reaches now."""
        if not self.nat:
            return Port.PRIMARY if endpoint == LOCAL else Port.SECONDARY
        for port, (mapped, last) in self.mappings.items():
            if mapped == endpoint and self.now - last <= self.lifetime:
                return port
        return None

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.keeper.due <= end:
            self.now = max(self.now, self.keeper.due)
            self.carry(self.keeper.tick(self.now))
        self.now = end

    def carry(self, sends: list[Send]) -> None:
        for send in sends:
            message = decode(send.data)
            self.sent.append((self.now, send.port, message))
            source = self.outside(send.port)
            if not self.server_up:
                continue
            target = message.endpoint(Attribute.RESPONSE_ADDRESS) if self.knows_response_address else None
            port = self.inside(target or source)
            if port is not None:
                self.carry(self.keeper.received(self.answer(message, source), port, self.now))

    def answer(self, message: Message, source: Endpoint) -> bytes:
        if self.wants_password and not message.has_integrity(self.wants_password):
            refusal = (Attribute.ERROR_CODE, stun.error(401, "Unauthorized"))
            return encode(Message(Kind.ERROR, message.transaction, (refusal,)))
        mapped = (Attribute.MAPPED_ADDRESS, stun.endpoint(source))
        seal = self.wants_password if self.seals else ""
        return encode(Message(Kind.RESPONSE, message.transaction, (mapped,)), seal)

    def kinds(self) -> list[str]:
        """What was sent, copies left out."""
        found: dict[bytes, str] = {}
        for _, _, message in self.sent:
            names = {0xC001: "binding", 0xC002: "change", 2: "lifetime"}
            found[message.transaction] = "+".join(names[a] for a, _ in message.attributes if a in names)
        return list(found.values())


def test_a_nat_is_found_and_the_server_told_at_once() -> None:
    world = World(StunSettings("device", "", 30, 30))
    world.run(0)
    assert world.kinds() == ["binding", "binding+change"]
    assert world.keeper.nat_detected
    assert world.keeper.address == Endpoint("198.51.100.7", 50_001)
    assert [m.get(Attribute.USERNAME) for _, _, m in world.sent] == [b"device  "] * 2
    assert {port for _, port, _ in world.sent} == {Port.PRIMARY}
    assert not any(m.get(Attribute.MESSAGE_INTEGRITY) for _, _, m in world.sent)


def test_without_a_nat_the_address_is_our_own() -> None:
    world = World(StunSettings("", "", 30, 30), nat=False)
    world.run(100)
    assert not world.keeper.nat_detected
    assert world.keeper.address == LOCAL
    assert all(m.get(Attribute.USERNAME) is None for _, _, m in world.sent)


def test_a_fixed_period_is_kept_and_a_new_binding_told_at_once() -> None:
    world = World(StunSettings("", "", 40, 40), lifetime=60)
    world.run(130)
    assert [t for t, _, _ in world.sent] == [0, 0, 40, 80, 120]
    assert world.kinds()[2:] == ["binding"] * 3
    world.mappings.clear()  # the NAT was restarted
    world.sent.clear()
    world.run(40)
    assert world.kinds() == ["binding", "binding+change"]
    assert world.keeper.address.port == 50_002


def test_an_address_that_is_another_one_each_time_is_no_loop() -> None:
    """A NAT with a port for each datagram, or a server that makes addresses up."""
    world = World(StunSettings("", "", 30, 30))
    now, sends, asked = 0.0, world.keeper.tick(0.0), 0
    while now < 300:
        for send in sends:
            asked += 1
            assert asked < 50, "a request for each answer"
            mapped = (Attribute.MAPPED_ADDRESS, stun.endpoint(Endpoint("198.51.100.7", 50_000 + asked)))
            answer = Message(Kind.RESPONSE, decode(send.data).transaction, (mapped,))
            sends = world.keeper.received(encode(answer), Port.PRIMARY, now)
            break
        else:
            now = world.keeper.due
            sends = world.keeper.tick(now)
    assert world.keeper.nat_detected


def test_a_server_that_is_silent_is_asked_as_rfc_3489_says_and_later_again() -> None:
    world = World(StunSettings("", "", 30, 30), server_up=False)
    world.run(20)
    times = [round(t, 3) for t, _, _ in world.sent]
    assert times == [0.0, 0.1, 0.3, 0.7, 1.5, 3.1, 4.7, 6.3, 7.9]
    assert len({m.transaction for _, _, m in world.sent}) == 1
    assert world.keeper.problem == "the STUN server does not answer"
    assert world.keeper.address == LOCAL
    world.server_up = True
    world.run(40)
    assert world.keeper.nat_detected
    assert world.keeper.problem == ""
    world.server_up = False
    world.run(600)
    assert world.keeper.nat_detected  # what was known stays
    starts = sorted({m.transaction: t for t, _, m in reversed(world.sent)}.values())
    assert all(later - earlier >= 30 for earlier, later in pairwise(starts[3:]))


def test_integrity_only_after_a_401_and_then_an_answer_must_have_it() -> None:
    world = World(StunSettings("device", "secret", 30, 30), wants_password="secret")
    world.run(0)
    sealed = [m.get(Attribute.MESSAGE_INTEGRITY) is not None for _, _, m in world.sent]
    assert sealed == [False, True, False, True]
    assert world.keeper.nat_detected
    forged = World(StunSettings("device", "secret", 30, 30), wants_password="secret", seals=False)
    forged.run(20)
    assert not forged.keeper.nat_detected


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_password_that_is_wrong_or_missing_is_no_loop(password: str) -> None:
    world = World(StunSettings("device", password, 30, 30), wants_password="secret")
    world.run(10)
    assert len(world.sent) == (2 if password else 1)
    assert world.keeper.problem == "the STUN server answers with error 401"


@pytest.mark.parametrize(
    ("minimum", "maximum", "lifetime", "low", "high"),
    [
        (10, 600, 100, 85, 100),
        (10, -1, 100, 85, 100),
        (10, 60, 1000, 60, 60),
        (30, -1, 1e9, 3600, 3600),
        (50, 600, 20, 50, 50),
        (60, 30, 1000, 60, 60),
    ],
)
def test_the_longest_pause_is_found(
    minimum: int, maximum: int, lifetime: float, low: float, high: float
) -> None:
    world = World(StunSettings("", "", minimum, maximum), lifetime)
    world.run(20_000)
    asked = [t for t, _, m in world.sent if m.get(Attribute.RESPONSE_ADDRESS)]
    assert all(
        m.get(Attribute.CONNECTION_REQUEST_BINDING) is None
        for _, port, m in world.sent
        if port is Port.SECONDARY
    )
    assert not asked or asked[-1] < 12_000
    world.sent.clear()
    world.run(20_000)
    times = [t for t, _, m in world.sent if m.get(Attribute.BINDING_CHANGE) != b""]
    pauses = {round(later - earlier, 2) for earlier, later in pairwise(times)}
    assert len(pauses) == 1
    assert low <= pauses.pop() <= high


def test_a_server_without_response_address_leaves_the_shortest_pause() -> None:
    world = World(StunSettings("", "", 20, 600), knows_response_address=False)
    world.run(100)
    assert world.kinds() == ["binding", "binding+change", "lifetime", *["binding"] * 5]


def test_a_server_that_is_away_during_the_search_teaches_nothing_wrong() -> None:
    world = World(StunSettings("", "", 20, 40), lifetime=1000)
    world.run(10)
    world.server_up = False
    world.run(60)
    world.server_up = True
    world.run(1000)
    world.sent.clear()
    world.run(200)
    assert len(world.sent) == 5


def test_a_pause_that_turns_out_too_long_is_searched_for_anew() -> None:
    world = World(StunSettings("", "", 10, 200), lifetime=1000)
    world.run(2000)
    world.lifetime = 50
    world.run(2000)
    world.sent.clear()
    world.run(1000)
    assert world.kinds() == ["binding"] * len(world.kinds())
    assert len(world.sent) in range(20, 26)


def test_an_address_of_our_own_that_changes_begins_anew_at_once() -> None:
    world = World(StunSettings("", "", 30, 30))
    world.run(10)
    world.sent.clear()
    world.mappings.clear()
    world.keeper.moved(Endpoint("192.168.1.3", 7547), world.now)
    assert not world.keeper.nat_detected
    assert world.keeper.address.host == "192.168.1.3"
    world.run(0)
    assert world.kinds() == ["binding", "binding+change"]


@given(st.lists(st.binary(max_size=60), max_size=5), st.sampled_from(list(Port)))
def test_what_strangers_send_changes_nothing(datagrams: list[bytes], port: Port) -> None:
    world = World(StunSettings("", "", 30, 30))
    world.run(10)
    known = world.keeper.address
    for data in datagrams:
        assert world.keeper.received(data, port, world.now) == []
    mapped = (Attribute.MAPPED_ADDRESS, stun.endpoint(Endpoint("203.0.113.9", 9)))
    forged = encode(Message(Kind.RESPONSE, bytes(16), (mapped,)))
    assert world.keeper.received(forged, port, world.now) == []
    assert world.keeper.address == known


@given(st.integers(0, 5000), st.integers(-1, 5000), st.lists(st.booleans(), max_size=40))
def test_the_pause_is_within_its_bounds(minimum: int, maximum: int, outcomes: list[bool]) -> None:
    found = Lifetime(minimum, maximum)
    for survived in outcomes:
        assert max(minimum, 1) <= found.pause <= max(minimum, maximum if maximum >= 0 else 3600, 1)
        if not found.searching:
            break
        if survived:
            found.survived()
        else:
            found.ended()
    assert not found.searching or len(outcomes) < 30
