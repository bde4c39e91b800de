"""blobmsg: the same contract for every codec that is built, and native held against pure."""

import math
import os
import struct
from collections import ChainMap, OrderedDict, UserList
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ubuskit import blobmsg
from ubuskit.blobmsg import BlobError, DecodeError, EncodeError, Int8, Int16, Int32, Int64, Type, _pure

Codec = tuple[Callable[..., bytes], Callable[..., dict[str, Any]]]
CODECS: dict[str, Codec] = {"pure": (_pure.encode, _pure.decode)}
if blobmsg.backend == "native":
    CODECS["native"] = (blobmsg.encode, blobmsg.decode)


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


def test_the_native_codec_is_built_where_it_must_be() -> None:
    if os.environ.get("UBUSKIT_BACKEND"):
        assert blobmsg.backend == os.environ["UBUSKIT_BACKEND"]
    elif os.environ.get("CWMP_REQUIRE_NATIVE"):
        assert blobmsg.backend == "native"
    assert blobmsg.backend in {"native", "pure"}


# Layout, as libubox writes it


@pytest.mark.parametrize(
    ("message", "octets"),
    [
        ({}, ""),
        ({"a": 1}, "8500000c 0001 6100 00000001"),
        ({"a": -1}, "8500000c 0001 6100 ffffffff"),
        ({"a": True}, "87000009 0001 6100 01 000000"),
        ({"a": 2**31}, "84000010 0001 6100 0000000080000000"),
        ({"ab": "x"}, "8300000e 0002 616200000000 7800 0000"),
        ({"": ""}, "83000009 0000 0000 00 000000"),
        ({"a": 1.5}, "88000010 0001 6100 3ff8000000000000"),
        ({"a": [1]}, "81000014 0001 6100 8500000c 00000000 00000001"),
        ({"a": {"b": "x"}}, "82000014 0001 6100 8300000a 0001 6200 7800 0000"),
        ({"a": Int8(5)}, "87000009 0001 6100 05 000000"),
        ({"a": Int16(-2)}, "8600000a 0001 6100 fffe 0000"),
        ({"a": Int32(0xFFFFFFFE)}, "8500000c 0001 6100 fffffffe"),
        ({"a": Int64(2**64 - 2)}, "84000010 0001 6100 fffffffffffffffe"),
    ],
)
def test_layout(codec: Codec, message: dict[str, Any], octets: str) -> None:
    assert codec[0](message).hex() == octets.replace(" ", "")


def test_one_element_by_itself() -> None:
    assert blobmsg.encode_element("a", [1]) == blobmsg.encode({"a": [1]})
    with pytest.raises(EncodeError, match=r"^a\[1\]: ubus has no null"):
        blobmsg.encode_element("a", [1, None])  # type: ignore[list-item]


# Round trips

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12) | st.binary(
    max_size=12
).map(lambda octets: octets.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
edges = st.sampled_from([-(2**63), 2**63 - 1, -(2**31), 2**31 - 1, 2**31, -(2**31) - 1, 0, 1, -1])
numbers = st.booleans() | edges | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
values = st.recursive(
    texts | numbers,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
messages = st.dictionaries(texts, values, max_size=5)


def _typed(value: Any) -> Any:
    """A value with its types spelled out, since True == 1 == 1.0."""
    if isinstance(value, dict):
        return {name: _typed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_typed(inner) for inner in value]
    return type(value), value


@given(messages)
def test_round_trip(message: dict[str, Any]) -> None:
    for name, (encode, decode) in CODECS.items():
        octets = encode(message)
        assert octets == _pure.encode(message), name
        assert len(octets) % 4 == 0
        for form in (octets, bytearray(octets), memoryview(b"?" + octets)[1:]):
            assert _typed(decode(form)) == _typed(message), name


def test_order_of_a_table_is_kept(codec: Codec) -> None:
    encode, decode = codec
    assert list(decode(encode({"z": 1, "a": 2, "m": 3}))) == ["z", "a", "m"]


def test_integers_come_back_signed_and_int8_as_bool(codec: Codec) -> None:
    encode, decode = codec
    message = {
        "a": Int8(200),
        "b": Int16(0xFFFF),
        "c": Int32(0xFFFFFFFF),
        "d": Int64(2**64 - 1),
        "e": Int8(0),
    }
    assert _typed(decode(encode(message))) == _typed({"a": True, "b": -1, "c": -1, "d": -1, "e": False})


def test_special_floats(codec: Codec) -> None:
    encode, decode = codec
    back = decode(encode({"nan": math.nan, "inf": -math.inf, "zero": -0.0}))
    assert math.isnan(back["nan"]) and back["inf"] == -math.inf
    assert math.copysign(1, back["zero"]) == -1


def test_every_mapping_and_sequence_is_taken(codec: Codec) -> None:
    encode, decode = codec
    message: Mapping[str, Any] = MappingProxyType(
        {
            "t": (1, 2),
            "u": UserList(["x"]),
            "c": ChainMap({"y": 1}),
            "o": OrderedDict(z=True),
            "k": Type.TABLE,
        }
    )
    assert decode(encode(message)) == {"t": [1, 2], "u": ["x"], "c": {"y": 1}, "o": {"z": True}, "k": 2}


def test_repeated_names_are_one_string(codec: Codec) -> None:
    encode, decode = codec
    rows = decode(encode({"rows": [{"some name": n} for n in range(50)]}))["rows"]
    assert len({id(name) for row in rows for name in row}) == 1


# What has no form on the wire


def _deep(levels: int) -> dict[str, Any]:
    message: Any = {}
    for level in range(levels - 1):
        message = {"a": message} if level % 2 else [message]
    return message if isinstance(message, dict) else {"a": message}


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"a": None}, "a: ubus has no null"),
        ({"a": {"b": [1, None]}}, "a.b[1]: ubus has no null"),
        ({"a": [[1], [{"x": b"y"}]]}, "a[1][0].x: bytes has no blobmsg type"),
        ({"a": {1}}, "a: set has no blobmsg type"),
        ({"a": 2**63}, "a: the integer does not fit 64 bits"),
        ({"a": -(2**63) - 1}, "a: the integer does not fit 64 bits"),
        ({"a": Int8(256)}, "a: the integer does not fit INT8"),
        ({"a": Int16(-32769)}, "a: the integer does not fit INT16"),
        ({"a": Int32(2**32)}, "a: the integer does not fit INT32"),
        ({"a": Int64(2**64)}, "a: the integer does not fit INT64"),
        ({"a": "x\0y"}, "a: the string holds a zero character"),
        ({"a": "\ud800"}, "a: the string holds a lone surrogate"),
        ({"a\0b": 1}, r"'a\x00b': the name holds a zero character"),
        ({"x": {"\ud800": 1}}, r"x.'\ud800': the name holds a lone surrogate"),
        ({1: 2}, "<int>: a name must be a string, not int"),
        ({"n" * 0x10000: 1}, "'nnnn"),
        ([1], "a message must be a mapping, not list"),
        ("abc", "a message must be a mapping, not str"),
        (_deep(34), "nested deeper than 32"),
        ({"a": "x" * 0xFFFFFF}, "do not fit one attribute"),
        ({"a": "x" * 0x800000, "b": "x" * 0x800000}, "does not fit one attribute"),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
def test_what_cannot_be_encoded_is_named_with_its_path(codec: Codec, message: Any, complaint: str) -> None:
    with pytest.raises(EncodeError) as caught:
        codec[0](message)
    assert complaint in str(caught.value)
    assert isinstance(caught.value, BlobError) and isinstance(caught.value, ValueError)


def test_values_never_appear_in_an_error(codec: Codec) -> None:
    for value in ("hunter2\0", 2**70 + 12345, b"hunter2"):
        with pytest.raises(EncodeError) as caught:
            codec[0]({"password": value})
        assert "hunter2" not in repr(caught.value) and "12345" not in repr(caught.value)


def test_a_table_within_itself_is_refused(codec: Codec) -> None:
    loop: dict[str, Any] = {}
    loop["a"] = [loop]
    with pytest.raises(EncodeError, match="nested deeper"):
        codec[0](loop)


def test_the_deepest_message_passes(codec: Codec) -> None:
    encode, decode = codec
    deepest = _deep(31)
    assert decode(encode(deepest)) == deepest


# What arrives


def _raw(kind: int, value: bytes, name: bytes | None = b"a") -> bytes:
    header = b"" if name is None else struct.pack(">H", len(name)) + name + b"\0"
    header += bytes(-len(header) % 4)
    length = 4 + len(header) + len(value)
    word = length | kind << 24 | (0 if name is None else 0x80000000)
    return struct.pack(">I", word) + header + value + bytes(-length % 4)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (_raw(Type.UNSPEC, b""), {"a": None}),
        (_raw(Type.UNSPEC, b"anything"), {"a": None}),
        (_raw(Type.STRING, b"abc\0def\0"), {"a": "abc"}),
        (_raw(Type.STRING, b"\xff\xfe\0"), {"a": "\udcff\udcfe"}),
        (_raw(Type.INT8, b"\x05"), {"a": True}),
        (_raw(Type.INT32, bytes(4)) + _raw(Type.STRING, b"x\0"), {"a": 0}),
        (
            _raw(Type.ARRAY, _raw(Type.INT8, b"\0", None) + _raw(Type.INT8, b"\1", b"named")),
            {"a": [False, True]},
        ),
        (_raw(Type.INT8, b"\1", b""), {"": True}),
        (_raw(Type.INT8, b"\1", b"\xff"), {"\udcff": True}),
    ],
)
def test_what_c_readers_agree_on(codec: Codec, octets: bytes, message: dict[str, Any]) -> None:
    assert _typed(codec[1](octets)) == _typed(message)


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        (b"\0", "cut off at byte 0"),
        (_raw(7, b"\1")[:-1], "claims 9 bytes where 11 are left"),
        (_raw(7, b"\1") + b"\0\0", "cut off at byte 12"),
        (b"\x87\0\0\3", "claims 3 bytes"),
        (b"\x87\0\0\4", "name at byte 4"),
        (b"\x87\0\0\x08\0\2ab", "cut off or not terminated"),
        (b"\x87\0\0\x08\xff\xff\0\0", "cut off or not terminated"),
        (b"\x87\0\0\x09\0\1ab\1\0\0\0", "cut off or not terminated"),
        (_raw(7, b"\1", b"a\0b"), "name at byte 6 of the message holds a zero byte"),
        (_raw(7, b"\1", None), "has no name"),
        (_raw(2, _raw(1, _raw(7, b""), b"x"), b"t"), "t.x[0]: INT8 of 0 bytes instead of 1"),
        (_raw(5, b"\0\0\0"), "a: INT32 of 3 bytes instead of 4"),
        (_raw(4, bytes(9)), "a: INT64 of 9 bytes instead of 8"),
        (_raw(8, bytes(4)), "a: DOUBLE of 4 bytes instead of 8"),
        (_raw(3, b""), "a: a string without its terminating zero byte"),
        (_raw(3, b"abc"), "a: a string without its terminating zero byte"),
        (_raw(3, b"a\0c"), "a: a string without its terminating zero byte"),
        (_raw(9, b""), "a: 9 is no blobmsg type"),
        (_raw(127, b""), "a: 127 is no blobmsg type"),
        (
            _raw(1, b"\0\0\0\x0c"),
            "a[0]: the element at byte 8 of the message claims 12 bytes where 4 are left",
        ),
        (_raw(1, b"\0\0"), "a[0]: element header cut off"),
    ],
)
def test_malformed_bytes(codec: Codec, octets: bytes, complaint: str) -> None:
    with pytest.raises(DecodeError) as caught:
        codec[1](octets)
    assert complaint in str(caught.value)


def test_depth_of_what_arrives_is_bounded(codec: Codec) -> None:
    octets = _raw(7, b"\1")
    for _ in range(31):
        octets = _raw(2, octets)
    assert codec[1](octets)
    with pytest.raises(DecodeError, match="nested deeper"):
        codec[1](_raw(2, octets))


def _same(octets: bytes) -> None:
    """Every codec gives the same table, or the same complaint, and nothing else."""
    outcomes = []
    for _, decode in CODECS.values():
        try:
            outcomes.append(repr(decode(octets)))
        except DecodeError as error:
            outcomes.append(f"{error.path}|{error.reason}")
    assert len(set(outcomes)) == 1


@given(messages, st.data())
def test_truncated_messages(message: dict[str, Any], draw: st.DataObject) -> None:
    octets = _pure.encode(message)
    _same(octets[: draw.draw(st.integers(0, len(octets)))])


@given(messages.filter(bool), st.data())
def test_messages_with_a_byte_changed(message: dict[str, Any], draw: st.DataObject) -> None:
    octets = bytearray(_pure.encode(message))
    octets[draw.draw(st.integers(0, len(octets) - 1))] = draw.draw(st.integers(0, 255))
    _same(bytes(octets))


@given(st.binary(max_size=80))
def test_random_bytes(octets: bytes) -> None:
    _same(octets)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.binary(max_size=9), st.none() | st.binary(max_size=5)), max_size=4
    )
)
def test_well_framed_elements_of_any_type(elements: list[tuple[int, bytes, bytes | None]]) -> None:
    inner = b"".join(_raw(kind, value, name) for kind, value, name in elements)
    _same(inner)
    _same(_raw(1, inner))
    _same(_raw(2, inner) + _raw(3, b"\0"))


CORPUS = Path(__file__).parent / "data" / "blobmsg"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.hex")), ids=lambda path: path.stem)
def test_captured_messages(codec: Codec, path: Path) -> None:
    """Messages as libubox wrote them: encoded again they are the same octets."""
    octets = bytes.fromhex(path.read_text())
    encode, decode = codec
    assert encode(decode(octets)) == octets
