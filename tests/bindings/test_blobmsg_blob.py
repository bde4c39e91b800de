"""Raw blob attributes: built, iterated, and hostile lengths refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ubuskit.blob import MAX_LENGTH, DecodeError, EncodeError, attribute, attributes, head

pairs = st.lists(st.tuples(st.integers(0, 127), st.binary(max_size=40)), max_size=8)


@given(pairs)
def test_what_was_built_is_iterated(content: list[tuple[int, bytes]]) -> None:
    data = b"".join(attribute(ident, payload) for ident, payload in content)
    assert len(data) % 4 == 0
    assert [(ident, bytes(payload)) for ident, payload in attributes(data)] == content


def test_layout_is_big_endian_with_the_id_on_top_and_zero_padding() -> None:
    assert attribute(3, b"abcde") == bytes.fromhex("03000009 6162636465 000000")
    assert attribute(3, b"", extended=True) == bytes.fromhex("83000004")
    assert head(bytes.fromhex("00000000 03000009"), 4) == (3, 9)


@given(pairs.filter(bool), st.data())
def test_every_truncation_is_refused_or_a_clean_prefix(
    content: list[tuple[int, bytes]], draw: st.DataObject
) -> None:
    parts = [attribute(ident, payload) for ident, payload in content]
    data = b"".join(parts)
    cut = draw.draw(st.integers(0, len(data) - 1))
    ends = {sum(map(len, parts[:n])) for n in range(len(parts) + 1)}
    if cut in ends:
        assert len(list(attributes(data[:cut]))) < len(content)
    else:
        with pytest.raises(DecodeError):
            list(attributes(data[:cut]))


@given(st.binary(max_size=64))
def test_hostile_bytes_never_raise_anything_else(data: bytes) -> None:
    try:
        list(attributes(data))
    except DecodeError as error:
        assert "byte" in str(error)


@pytest.mark.parametrize(
    "data", ["00000003", "00000000 00000004", "0000", "00ffffff 00000000", "00000005 61"]
)
def test_lengths_that_lie(data: str) -> None:
    with pytest.raises(DecodeError):
        list(attributes(bytes.fromhex(data)))


def test_a_payload_or_id_that_does_not_fit_its_field() -> None:
    assert len(attribute(0, bytes(MAX_LENGTH - 4))) == MAX_LENGTH + 1
    with pytest.raises(EncodeError, match="do not fit"):
        attribute(0, bytes(MAX_LENGTH - 3))
    for ident in (-1, 128):
        with pytest.raises(EncodeError, match="id"):
            attribute(ident)
