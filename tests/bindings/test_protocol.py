"""Frames, messages and the client's machine, fed with octets alone."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ubuskit.blob import EncodeError
from ubuskit.errors import Disconnected, MessageTooLarge, ProtocolError
from ubuskit.protocol import (
    AddObject,
    Answered,
    Connected,
    Connection,
    Data,
    Frame,
    FrameReader,
    Hello,
    Invoke,
    Invoked,
    Lookup,
    Message,
    MessageType,
    Monitor,
    Notify,
    Ping,
    RemoveObject,
    State,
    Status,
    Subscribe,
    Unsubscribe,
    pack,
    pack_frame,
    parse,
)

ids = st.integers(0, 2**32 - 1)
some_id = st.none() | ids
texts = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=40)
some_text = st.none() | texts
octets = st.binary(max_size=64)
some_octets = st.none() | octets

messages: st.SearchStrategy[Message] = st.one_of(
    st.just(Hello()),
    st.builds(Status, ids, some_id),
    st.builds(Status, st.just(0), ids, st.lists(ids, max_size=5).map(tuple)),
    st.builds(Data, some_id, some_octets, some_text, some_id, some_octets),
    st.just(Ping()),
    st.builds(Lookup, some_text),
    st.builds(Invoke, some_id, some_text, some_octets, st.booleans(), some_text, some_text),
    st.builds(AddObject, some_text, some_octets, some_id),
    st.builds(RemoveObject, some_id),
    st.builds(Subscribe, some_id, some_id),
    st.builds(Unsubscribe, some_id, some_id),
    st.builds(Notify, some_id, some_text, some_octets, st.booleans(), st.none() | st.booleans()),
    st.builds(Monitor, ids, ids, st.integers(0, 65535), st.integers(0, 255), st.booleans(), octets),
)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def read(pieces: list[bytes]) -> list[Frame]:
    reader = FrameReader()
    return [Frame(f.type, f.seq, f.peer, bytes(f.body)) for piece in pieces for f in reader.feed(piece)]


@given(messages, st.integers(0, 65535), ids)
def test_what_is_packed_is_parsed(message: Message, seq: int, peer: int) -> None:
    [frame] = read([pack(message, seq, peer)])
    assert (frame.type, frame.seq, frame.peer) == (message.TYPE, seq, peer)
    assert parse(frame) == message


@given(st.lists(messages, max_size=8), st.lists(st.integers(0, 2000), max_size=12))
def test_frames_may_be_split_anywhere(sent: list[Message], cuts: list[int]) -> None:
    stream = b"".join(pack(message, number, number) for number, message in enumerate(sent))
    whole = read([stream])
    assert [parse(frame) for frame in whole] == sent
    assert read(split(stream, cuts)) == whole
    assert read([stream[i : i + 1] for i in range(len(stream))]) == whole


@given(st.binary(max_size=300))
def test_hostile_octets_are_a_protocol_error_or_messages(data: bytes) -> None:
    try:
        for frame in FrameReader().feed(data):
            parse(frame)
    except ProtocolError:
        pass


@given(st.integers(0, 12), st.binary(max_size=200))
def test_hostile_attributes_are_a_protocol_error_or_a_message(kind: int, body: bytes) -> None:
    try:
        message = parse(Frame(kind, 1, 1, body))
    except ProtocolError:
        return
    assert kind == message.TYPE


@given(messages, st.data())
def test_a_flipped_bit_raises_nothing_else(message: Message, data: st.DataObject) -> None:
    stream = bytearray(pack(message, 7, 9))
    bit = data.draw(st.integers(0, len(stream) * 8 - 1))
    stream[bit // 8] ^= 1 << bit % 8
    try:
        for frame in FrameReader().feed(bytes(stream)):
            parse(frame)
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("01 00 0000 00000000 00000004", "ubus version 1"),
        ("00 00 0000 00000000 00000003", "claims 3 bytes"),
        ("00 00 0000 00000000 00100001", "claims 1048577 bytes"),
        ("00 00 0000 00000000 00ffffff", "claims 16777215 bytes"),
    ],
)
def test_a_header_that_is_none(header: str, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        list(FrameReader().feed(bytes.fromhex(header)))


def test_frames_before_a_bad_one_are_delivered() -> None:
    delivered: list[Frame] = []
    with pytest.raises(ProtocolError):
        delivered.extend(FrameReader().feed(pack(Ping(), 1, 0) + b"\xff" * 12))
    assert [frame.seq for frame in delivered] == [1]


def test_the_largest_message_and_one_more() -> None:
    body = bytes((1 << 20) - 4)
    [frame] = read([pack_frame(MessageType.PING, 1, 0, body)])
    assert len(frame.body) == len(body)
    with pytest.raises(MessageTooLarge, match="1048577 bytes"):
        pack_frame(MessageType.PING, 1, 0, body + b"x")


def test_attributes_of_the_wrong_type_count_as_not_there() -> None:
    two_bytes = bytes.fromhex("03000006 aabb0000")  # OBJID
    unterminated = bytes.fromhex("04000005 41000000")  # METHOD
    assert parse(Frame(5, 0, 0, two_bytes + unterminated)) == Invoke(None, None, None)


def test_an_attribute_that_does_not_fit_is_a_protocol_error() -> None:
    for body in ("03000008 0000", "03000003", "030000ff 00000001", "0300"):
        with pytest.raises(ProtocolError):
            parse(Frame(5, 0, 0, bytes.fromhex(body)))


def test_strings_end_at_their_first_zero_and_may_be_no_utf8() -> None:
    body = bytes.fromhex("0400000a 61ff00620000 0000")
    message = parse(Frame(5, 0, 0, body))
    assert isinstance(message, Invoke)
    assert message.method == "a\udcff"
    assert parse(read([pack(Lookup("a\udcff"), 0, 0)])[0]) == Lookup("a\udcff")
    with pytest.raises(EncodeError):
        pack(Lookup("a\0b"), 0, 0)


# The client's machine

HELLO = pack(Hello(), 0, 0x12345678)


def opened() -> Connection:
    connection = Connection()
    assert list(connection.receive(HELLO)) == [Connected(0x12345678)]
    return connection


def test_the_daemon_speaks_first() -> None:
    connection = Connection()
    with pytest.raises(Disconnected, match="HELLO"):
        connection.request(Ping())
    assert list(connection.receive(HELLO[:5])) == []
    assert list(connection.receive(HELLO[5:])) == [Connected(0x12345678)]
    assert connection.state is State.OPEN


@pytest.mark.parametrize("octets", [pack(Ping(), 0, 99999), pack(Hello(), 0, 1), b"HTTP/1.1 400 Bad Request"])
def test_something_else_listens_there(octets: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Connection().receive(octets))


def answers(*messages: tuple[Message, int, int]) -> bytes:
    return b"".join(pack(message, seq, peer) for message, seq, peer in messages)


def test_data_comes_before_the_status_that_ends_it() -> None:
    connection = opened()
    exchange, _ = connection.request(Invoke(5000, "get"), 5000)
    data = (Data(5000, b"one"), exchange.seq, 5000), (Data(5000, b"two"), exchange.seq, 5000)
    assert list(connection.receive(answers(*data))) == []
    assert exchange.status is None
    [event] = connection.receive(answers((Status(0, 5000), exchange.seq, 5000)))
    assert event == Answered(exchange)
    assert [part.data for part in exchange.data] == [b"one", b"two"]
    assert (exchange.status, exchange.from_daemon, connection.in_flight) == (0, False, 0)


def test_a_status_without_an_object_is_the_daemons_own() -> None:
    connection = opened()
    exchange, _ = connection.request(Invoke(5000, "get"), 5000)
    list(connection.receive(answers((Status(4), exchange.seq, 5000))))
    assert (exchange.status, exchange.from_daemon) == (4, True)


def test_answers_find_their_request_by_number_and_peer() -> None:
    connection = opened()
    first, _ = connection.request(Invoke(5000, "a"), 5000)
    second, _ = connection.request(Invoke(6000, "b"), 6000)
    stranger = (Status(0, 7000), first.seq, 7000)
    late = (Status(0, 5000), 60000, 5000)
    assert list(connection.receive(answers(stranger, late))) == []
    events = connection.receive(answers((Status(1), second.seq, 6000), (Status(2), first.seq, 5000)))
    assert list(events) == [Answered(second), Answered(first)]


def test_an_abandoned_request_is_forgotten() -> None:
    connection = opened()
    exchange, _ = connection.request(Invoke(5000, "a"), 5000)
    connection.abandon(exchange)
    assert list(connection.receive(answers((Status(0, 5000), exchange.seq, 5000)))) == []
    assert exchange.status is None


def test_sequence_numbers_wrap_at_16_bit_and_skip_those_in_flight() -> None:
    connection = opened()
    kept, _ = connection.request(Ping())
    seen = []
    for _ in range(2 * 65536):
        exchange, _ = connection.request(Ping())
        seen.append(exchange.seq)
        connection.abandon(exchange)
    assert max(seen) == 65535
    assert kept.seq not in seen


def test_requests_in_flight_are_bounded() -> None:
    connection = opened()
    with pytest.raises(Disconnected, match="32768 requests"):
        for _ in range(65536):
            connection.request(Ping())


def test_a_notification_is_over_when_all_subscribers_have_answered() -> None:
    connection = opened()
    exchange, _ = connection.request(Notify(5000, "tick", b""), 5000)
    seq = exchange.seq
    assert list(connection.receive(answers((Status(0, 5000, (7000, 8000)), seq, 5000)))) == []
    assert list(connection.receive(answers((Status(9, 8000), seq, 8000)))) == []
    assert list(connection.receive(answers((Status(0, 7000), seq, 7000)))) == [Answered(exchange)]
    assert exchange.answers == {8000: 9, 7000: 0}


def test_a_notification_without_subscribers_is_over_at_once() -> None:
    connection = opened()
    exchange, _ = connection.request(Notify(5000, "tick", b""), 5000)
    events = list(connection.receive(answers((Status(0, 5000, ()), exchange.seq, 5000))))
    assert events == [Answered(exchange)]


def test_what_comes_unasked() -> None:
    connection = opened()
    invoke = Invoke(5000, "do", b"", True, "root", "root")
    messages: list[Any] = [Unsubscribe(1, 2), Notify(5000, active=True), Monitor(1, 2, 3, 4, True, b"")]
    stream = answers((invoke, 3, 77777), *((message, 0, 0) for message in messages))
    unknown = pack_frame(200, 0, 0, b"")
    assert list(connection.receive(stream + unknown)) == [Invoked(3, 77777, invoke), *messages]


def test_closing_hands_back_what_was_in_flight() -> None:
    connection = opened()
    exchange, _ = connection.request(Ping())
    assert connection.close() == [exchange]
    with pytest.raises(Disconnected):
        connection.request(Ping())


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_hostile_octets_after_the_greeting(data: bytes, cuts: list[int]) -> None:
    connection = opened()
    connection.request(Invoke(5000, "get"), 5000)
    connection.request(Notify(5000, "tick", b""), 6000)
    try:
        for piece in split(data, cuts):
            list(connection.receive(piece))
    except ProtocolError:
        pass
