"""Connection requests by UDP: what counts, and what is passed over."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.session.udp_request import UdpGate, UdpRequest, Verdict, parse

PASSWORD = "pass wörd"


def datagram(
    ts: int | str = 1000,
    id: str = "1",
    un: str = "acs",
    cn: str = "AbC",
    *,
    password: str = PASSWORD,
    form: str = "GET http://198.51.100.7:50000?{query} HTTP/1.1\r\n\r\n",
    upper: bool = False,
    extra: str = "",
) -> bytes:
    """A request by a second reading of the annex."""
    text = f"{ts}{id}{un}{cn}"
    sig = hmac.new(password.encode(), text.encode(), hashlib.sha1).hexdigest()
    query = "&".join(
        f"{name}={quote(value, safe='')}"
        for name, value in (("ts", str(ts)), ("id", id), ("un", un), ("cn", cn))
    )
    return form.format(query=f"{query}&sig={sig.upper() if upper else sig}{extra}").encode()


def gate(username: str = "acs", password: str = PASSWORD) -> UdpGate:
    return UdpGate(username, password)


def test_a_known_signature() -> None:
    request = UdpRequest("1700000000", "77", "user", "AbC", "3c5a7db3b8b1ac6ec3bd4a1eac3e8ba2e5fbf9c5")
    expected = hmac.new(b"secret", b"170000000077userAbC", hashlib.sha1).hexdigest()
    assert not request.signed("secret")
    assert UdpRequest("1700000000", "77", "user", "AbC", expected.upper()).signed("secret")


@pytest.mark.parametrize(
    "given",
    [
        datagram(),
        datagram(upper=True),
        datagram(form="GET http://198.51.100.7:50000/?{query} HTTP/1.1\r\nHost: 198.51.100.7\r\n\r\n"),
        datagram(form="GET http://198.51.100.7?{query} HTTP/1.0"),
        datagram(extra="&x=1"),
    ],
)
def test_p29_requests_that_count(given: bytes) -> None:
    assert gate().decide(given, 0.0) is Verdict.ACCEPTED


def test_p29_names_are_decoded_before_they_are_signed() -> None:
    found = UdpGate("a c&s=ü", PASSWORD)
    assert found.decide(datagram(un="a c&s=ü", cn="1+1%"), 0.0) is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (b"", Verdict.MALFORMED),
        (b"GET / HTTP/1.1\r\n\r\n", Verdict.MALFORMED),
        (datagram(form="POST http://h:1?{query} HTTP/1.1\r\n\r\n"), Verdict.MALFORMED),
        (datagram(form="GET http://h:1/path?{query} HTTP/1.1\r\n\r\n"), Verdict.MALFORMED),
        (datagram(form="GET https://h:1?{query} HTTP/1.1\r\n\r\n"), Verdict.MALFORMED),
        (datagram(form="GET http://[h?{query} HTTP/1.1\r\n\r\n"), Verdict.MALFORMED),
        (datagram(form="GET http://h:1?{query}"), Verdict.MALFORMED),
        (datagram(ts="x"), Verdict.MALFORMED),
        (datagram(ts="9" * 30), Verdict.MALFORMED),
        (datagram(id=""), Verdict.MALFORMED),
        (datagram(extra="&ts=5"), Verdict.MALFORMED),
        (datagram().replace(b"&cn=", b"&nc="), Verdict.MALFORMED),
        (datagram(extra="&x=" + "y" * 4000), Verdict.MALFORMED),
        (datagram(un="other"), Verdict.DENIED),
        (datagram(password="other"), Verdict.DENIED),
        (datagram().replace(b"ts=1000", b"ts=2000"), Verdict.DENIED),
        (datagram().replace(b"id=1", b"id=2"), Verdict.DENIED),
        (datagram(ts=0), Verdict.REPLAYED),
    ],
)
def test_p29_requests_that_do_not(given: bytes, verdict: Verdict) -> None:
    found = gate()
    assert found.decide(given, 0.0) is verdict
    assert found.last == (0, "")


def test_p29_each_counts_once_and_none_that_is_older() -> None:
    found = gate()
    first = datagram(1000, "1")
    assert [found.decide(first, 0.0) for _ in range(3)] == [Verdict.ACCEPTED, *[Verdict.REPLAYED] * 2]
    assert found.decide(datagram(1000, "2"), 1.0) is Verdict.REPLAYED
    assert found.decide(datagram(999, "2"), 1.0) is Verdict.REPLAYED
    assert found.decide(datagram(1001, "1"), 1.0) is Verdict.REPLAYED
    assert found.decide(datagram(5000, "3", password="guess"), 1.0) is Verdict.DENIED
    assert found.decide(datagram(1001, "2"), 1.0) is Verdict.ACCEPTED
    restarted = UdpGate("acs", PASSWORD, found.last)
    assert restarted.decide(datagram(1001, "2"), 0.0) is Verdict.REPLAYED


@pytest.mark.parametrize("ts", [1700000000, 1700000000123, 1700000000123456])
@pytest.mark.parametrize("digits", [*range(-6, 0), *range(1, 8)])
@pytest.mark.parametrize("first", [True, False])
def test_digits_moved_between_ts_and_id_make_no_newer_request(ts: int, digits: int, first: bool) -> None:
    """Nothing separates them under the signature: who listens could make newer ones of an old one."""
    found, heard, cut = gate(), str(ts) + "47110815", len(str(ts)) + digits
    moved = datagram(heard[:cut], heard[cut:])
    if first:
        assert found.decide(datagram(ts, "47110815"), 0.0) is Verdict.ACCEPTED
        assert found.decide(moved, 1.0) is not Verdict.ACCEPTED
    else:  # after a boot nobody knows better
        found.decide(moved, 1.0)
    later = ts + 10 ** (len(str(ts)) - 10)  # a second
    assert found.decide(datagram(later, "4712"), 2.0) is Verdict.ACCEPTED, "the ACS is not locked out"


def test_nobody_is_let_in_without_user_name_and_password() -> None:
    assert gate(password="").decide(datagram(password=""), 0.0) is Verdict.DENIED
    assert gate(username="").decide(datagram(un=""), 0.0) is Verdict.DENIED


def test_in_a_flood_none_counts_beyond_the_rate_and_a_copy_may_later() -> None:
    found = UdpGate("acs", PASSWORD)
    assert found.decide(datagram(), 0.0) is Verdict.ACCEPTED
    verdicts = [found.decide(datagram(2000 + n, f"x{n}"), 1.0) for n in range(20)]
    assert verdicts.count(Verdict.ACCEPTED) == 11
    assert verdicts[-1] is Verdict.TOO_MANY
    for _ in range(50):
        assert found.decide(datagram(9000, "9", password="guess"), 2.0) is Verdict.DENIED
    assert found.decide(datagram(3000, "y"), 62.0) is Verdict.ACCEPTED


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda t: f"GET http://h?{t} HTTP/1.1".encode()))
def test_any_datagram(data: bytes) -> None:
    assert gate().decide(data, 0.0) is not Verdict.ACCEPTED
    parse(data)


@given(st.integers(1, 2**62), st.text(min_size=1, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_what_the_acs_signs_reads_back(ts: int, id: str, un: str, cn: str) -> None:
    found = parse(datagram(ts, id, un, cn))
    assert found is not None
    assert (found.ts, found.id, found.un, found.cn) == (str(ts), id, un, cn)
    assert found.signed(PASSWORD)
