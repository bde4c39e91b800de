"""Types, conversions and the small notations: pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.datamodel import conversion, template, types
from cwmp.datamodel.types import TypeFault, ValueFault


@pytest.mark.parametrize(
    ("spec", "good", "bad"),
    [
        ("string(3)", ["", "abc", "äöü", " a "], ["abcd", "\x00", "\ud800"]),
        ("string(8:63)", ["12345678"], ["1234567", "x" * 64]),
        ("int", ["0", "-1", "+5", "2147483647", "-2147483648"], ["2147483648", "1.0", "", "0x10", "1e3", "١"]),
        ("unsignedInt", ["0", "4294967295"], ["-1", "4294967296", "true"]),
        ("unsignedInt[1:10,20:]", ["1", "10", "20", "99"], ["0", "11", "19"]),
        ("long", ["-9223372036854775808"], ["9223372036854775808"]),
        ("unsignedLong", ["18446744073709551615"], ["-1", "18446744073709551616"]),
        ("boolean", ["0", "1", "true", "false"], ["", "yes", "TRUE", "2"]),
        ("dateTime", ["2026-01-31T03:00:00Z", "0001-01-01T00:00:00", "2026-01-31T03:00:00.123456+01:00"],
         ["2026-02-31T03:00:00Z", "2026-01-31", "now", "2026-01-31T25:00:00Z"]),
        ("hexBinary(5:5,13:13)", ["0a" * 5, "FF" * 13], ["0a" * 6, "0", "xx" * 5]),
        ("base64(3)", ["YWJj", ""], ["YWJjZA==", "*"]),
        ("decimal", ["1", "-1.5", ".5"], ["1e5", "x", ""]),
        ("IPv4Address", ["", "192.168.1.1"], ["256.1.1.1", "1.2.3", "a.b.c.d"]),
        ("MACAddress", ["", "02:00:5e:00:53:01"], ["02-00-5e-00-53-01", "02:00:5e:00:53"]),
        ("Alias", ["", "cpe-1", "a_B"], ["1a", "a b", "a" * 65]),
    ],
)  # fmt: skip
def test_p44_what_a_type_takes(spec: str, good: list[str], bad: list[str]) -> None:
    kind = types.parse(spec)
    for text in good:
        kind.check(text)
    for text in bad:
        with pytest.raises((TypeFault, ValueFault)):
            kind.check(text)


def test_lists() -> None:
    kind = types.with_facets(types.parse("unsignedInt[1:9]"), is_list=True, items=3, list_length=8)
    assert kind.check("1, 2 ,3") == "1,2,3"
    assert kind.check("") == ""
    for text in ("1,2,3,4", "1,,2", "10", "000001,000002,000003x"):
        with pytest.raises((TypeFault, ValueFault)):
            kind.check(text)
    assert kind.name == "string"
    assert kind.text(["1", 2]) == "1,2"
    assert kind.text("1 2") == "1,2"


@given(st.integers(-(2**70), 2**70))
def test_integers_from_the_system_always_fit(number: int) -> None:
    for base in ("int", "long", "unsignedInt", "unsignedLong"):
        kind = types.parse(base)
        text = kind.text(number)
        assert text is not None
        assert kind.check(text) == text


@given(st.one_of(st.text(), st.integers(), st.booleans(), st.lists(st.text()), st.none(), st.floats()))
def test_whatever_a_source_says_becomes_a_text_of_the_type_or_nothing(raw: object) -> None:
    for base in ("int", "unsignedLong", "boolean", "string"):
        kind = types.parse(base)
        text = kind.text(raw)
        if text is not None and len(text) < types.MAX_TEXT:
            kind.check(text)


@given(st.integers(0, 10**9))
def test_durations_come_back(seconds: int) -> None:
    found = conversion.FORMATS["duration"]
    assert found.write is not None
    assert found.read(found.write(str(seconds))) == seconds


def test_conversions() -> None:
    def read(spec: dict[str, object], raw: object) -> object:
        found = conversion.build(spec)
        assert found is not None
        return found.read(raw)

    assert read({"map": {"psk2": "A", "psk2+*": "A", "*": "B"}}, "psk2+ccmp") == "A"
    assert read({"map": {"psk2": "A", "*": "B"}}, "x") == "B"
    assert read({"map": {"true": "Up"}}, True) == "Up"
    assert read({"map": {"a": "A"}}, "x") is None
    assert read({"invert": True}, "1") is False
    assert read({"scale": "1/1024"}, 2048) == 2
    assert read({"scale": 60}, "3") == 180
    assert read({"format": "netmask"}, 24) == "255.255.255.0"
    assert read({"format": "duration"}, "infinite") == -1
    assert read({"format": "mac"}, "02005e0053ab") == "02:00:5E:00:53:AB"
    assert read({"format": "epoch"}, "1893456000") == "2030-01-01T00:00:00Z"
    scale = conversion.build({"scale": 60})
    assert scale is not None
    assert scale.write is not None
    assert scale.write("120") == "2"
    with pytest.raises(ValueError, match="multiple of 60"):
        scale.write("61")
    for bad in ({"map": {}}, {"scale": "x"}, {"scale": 0}, {"invert": "yes"}, {"invert": True, "scale": 2}):
        with pytest.raises(ValueError, match=r"^[a-z].+"):
            conversion.build(bad)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("proto=static|dhcp", "dhcp", True),
        ("proto=static|dhcp", "", False),
        ("proto!=none|", "", False),
        ("key!=br-*|lo", "br-lan", False),
        ("key!=br-*|lo", "eth0", True),
        ("x=", "", True),
    ],
)
def test_conditions(text: str, value: str, holds: bool) -> None:
    assert template.condition(text).holds(value) is holds


def test_reply_paths() -> None:
    reply = {"a": [{"n": "x", "v": 1}, {"n": "y", "v": {"b.c": 2}}]}
    row: object = None
    follow = template.follow
    assert follow(reply, template.reply_path('.a[n=y].v."b.c"'), row) == 2  # type: ignore[arg-type]
    assert follow(reply, template.reply_path(".a[0].v"), row) == 1  # type: ignore[arg-type]
    for path in (".b", ".a[9]", ".a[n=z].v", ".a.b", ".a[0].v.x[1]"):
        assert follow(reply, template.reply_path(path), row) is None  # type: ignore[arg-type]
    for bad in ("a", ".", "..a", ".a[", ".a b"):
        with pytest.raises(ValueError, match="path into a reply"):
            template.reply_path(bad)


@given(st.text(max_size=40))
def test_notations_refuse_in_words_or_take(text: str) -> None:
    for parse in (
        template.condition,
        template.reply_path,
        template.ubus_call,
        template.section_name,
        template.option_name,
        template.section_type,
        types.parse,
    ):
        try:
            parse(text)
        except ValueError as error:
            assert str(error)  # anything else than a ValueError fails the test
