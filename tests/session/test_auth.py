"""The server side of Digest, and cookies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.runtime.digest import Authenticator, Credentials
from cwmp.session.auth import Guard, Verdict
from cwmp.session.cookies import CookieJar

NOW = 1_800_000_000.0


def guard(username: str = "acs", password: str = 'se"cret') -> Guard:
    return Guard(username, password, "cwmp", b"key")


def answer(challenge: str, *, username: str = "acs", password: str = 'se"cret', target: str = "/p") -> str:
    client = Authenticator(Credentials(username, password))
    assert client.challenged([challenge])
    found = client.authorization("GET", target)
    assert found is not None
    return found


def test_vector_of_rfc_2617() -> None:
    """RFC 2617 3.5, with its own nonce taken for ours."""

    class Fixed(Guard):
        def _fresh(self, nonce: str, now: float) -> bool:
            return nonce == "dcd98b7102dd2f0e8b11d0f600bfb0c093"

    header = (
        'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", '
        'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    server = Fixed("Mufasa", "Circle Of Life", "testrealm@host.com", b"key")
    assert server.check("GET", "/dir/index.html", header, NOW) is Verdict.ACCEPTED
    assert Fixed("Mufasa", "other", "testrealm@host.com", b"key").check(
        "GET", "/dir/index.html", header, NOW
    ) is (Verdict.DENIED)


def test_right_credentials_pass_once() -> None:
    server = guard()
    header = answer(server.challenge(NOW))
    assert server.check("GET", "/p", header, NOW + 1) is Verdict.ACCEPTED
    assert server.check("GET", "/p", header, NOW + 2) is Verdict.STALE  # a replay


def test_a_nonce_serves_as_long_as_its_count_goes_up() -> None:
    server = guard()
    client = Authenticator(Credentials("acs", 'se"cret'))
    assert client.challenged([server.challenge(NOW)])
    first, second = (client.authorization("GET", "/p") or "" for _ in range(2))
    assert server.check("GET", "/p", second, NOW) is Verdict.ACCEPTED
    assert server.check("GET", "/p", first, NOW) is Verdict.STALE


def test_old_and_foreign_nonces_are_stale() -> None:
    server = guard()
    assert server.check("GET", "/p", answer(server.challenge(NOW)), NOW + 61) is Verdict.STALE
    other = Guard("acs", 'se"cret', "cwmp", b"another key")
    assert server.check("GET", "/p", answer(other.challenge(NOW)), NOW) is Verdict.STALE
    assert "stale=true" in server.challenge(NOW, stale=True)


def test_wrong_user_password_target_method_or_realm_is_denied() -> None:
    server = guard()
    challenge = server.challenge(NOW)
    for header in (
        answer(challenge, username="other"),
        answer(challenge, password="other"),
        answer(challenge, target="/q"),
        answer(challenge).replace("MD5", "SHA-256"),
        answer(challenge.replace('"cwmp"', '"x"')),
        answer(challenge).replace("qop=auth", "qop=auth-int"),
        answer(challenge).replace("nc=00000001", "nc=1"),
        "Basic YWNzOnNlY3JldA==",
        "Digest",
        "",
    ):
        assert server.check("GET", "/p", header, NOW) is Verdict.DENIED
    assert server.check("POST", "/p", answer(challenge), NOW) is Verdict.DENIED


def test_a_client_without_qop_passes_once() -> None:
    """RFC 2069 clients: some old ACSs."""
    server = guard()
    header = answer(server.challenge(NOW).replace('qop="auth", ', ""))
    assert "qop" not in header
    assert server.check("GET", "/p", header, NOW) is Verdict.ACCEPTED
    assert server.check("GET", "/p", header, NOW) is Verdict.STALE


@pytest.mark.parametrize(("username", "password"), [("", ""), ("acs", ""), ("", "secret")])
def test_nobody_is_let_in_without_configured_credentials(username: str, password: str) -> None:
    server = guard(username, password)
    header = answer(server.challenge(NOW), username=username or "x", password=password)
    assert server.check("GET", "/p", header, NOW) is Verdict.DENIED


@given(st.text(max_size=200))
def test_any_authorization_is_judged(header: str) -> None:
    assert guard().check("GET", "/p", header, NOW) is Verdict.DENIED
    assert guard().check("GET", "/p", "Digest " + header, NOW) is Verdict.DENIED


def test_used_nonces_are_forgotten_when_they_are_old() -> None:
    server = guard()
    for n in range(400):
        now = NOW + n
        assert server.check("GET", "/p", answer(server.challenge(now)), now) is Verdict.ACCEPTED
    assert len(server._used) <= 61


def jar(*headers: str) -> str:
    found = CookieJar()
    for header in headers:
        found.store(header, NOW)
    return found.header()


def test_cookies_of_all_forms() -> None:
    assert jar("a=1; Path=/; Secure; HttpOnly", "b=x y") == "a=1; b=x y"
    assert jar("a=1", "a=2") == "a=2"
    assert jar('s="quoted"; Version=1; Path="/acs"') == 's="quoted"'
    assert jar("a=1; Version=1, b=2; Version=1") == "a=1; b=2"
    assert jar("a=1; Expires=Wed, 09 Jun 2055 10:18:14 GMT") == "a=1"
    assert jar("a=") == "a="


def test_cookies_that_end_are_gone() -> None:
    assert jar("a=1", "b=2", "a=; Max-Age=0") == "b=2"
    assert jar("a=1", "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT") == ""
    assert jar("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT") == "a=1"
    assert jar("a=1; Expires=nonsense; Max-Age=x") == "a=1"


def test_what_is_no_cookie_or_too_much_is_left_out() -> None:
    assert jar("novalue", "=x", "a b=1", "c=\x01", "d=a\r\nX: y") == ""
    assert len(jar(f"big={'x' * (1 << 20)}", *(f"c{n}={'y' * 1000}" for n in range(100)))) <= 16 * 1024
    assert jar("small=1", f"big={'x' * (1 << 20)}") == "small=1"
    assert len(jar(f"a={'x' * 4000}", f"b={'y' * 4000}")) == 8006  # at least 512 bytes must do


@given(st.text(max_size=100))
def test_any_set_cookie_is_read(header: str) -> None:
    assert "\n" not in jar(header)
