"""HTTP authentication: the vectors of RFC 2617, 7616 and 7617, and servers as they are."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.runtime.digest import Authenticator, Challenge, Credentials, basic, parse_challenges

MUFASA = Credentials("Mufasa", "Circle of Life")
RFC7616_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
RFC7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def fields(authorization: str | None) -> dict[str, str]:
    assert authorization is not None
    (challenge,) = parse_challenges([authorization])
    assert challenge.scheme == "digest"
    return dict(challenge.parameters)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc7616_3_9_1(algorithm: str, response: str) -> None:
    client = Authenticator(MUFASA, make_cnonce=lambda: RFC7616_CNONCE)
    assert client.challenged([RFC7616.format(algorithm)])
    sent = fields(client.authorization("GET", "/dir/index.html"))
    assert sent == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": RFC7616_CNONCE,
        "qop": "auth",
        "response": response,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }


def test_rfc2617_3_5_and_the_count_increments() -> None:
    client = Authenticator(Credentials("Mufasa", "Circle Of Life"), make_cnonce=lambda: "0a4f113b")
    assert client.challenged(
        [
            'Digest realm="testrealm@host.com", qop="auth,auth-int", '
            'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        ]
    )
    sent = fields(client.authorization("GET", "/dir/index.html"))
    assert sent["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in sent, "a server that named none may not know the word"
    assert fields(client.authorization("GET", "/dir/index.html"))["nc"] == "00000002"


def test_without_qop_the_answer_is_the_one_of_rfc2069() -> None:
    client = Authenticator(Credentials("u", "p"))
    assert client.challenged(['Digest realm="r", nonce="n"'])
    sent = fields(client.authorization("POST", "/"))
    ha1, ha2 = hashlib.md5(b"u:r:p").hexdigest(), hashlib.md5(b"POST:/").hexdigest()
    assert sent["response"] == hashlib.md5(f"{ha1}:n:{ha2}".encode()).hexdigest()
    assert not sent.keys() & {"qop", "nc", "cnonce"}


def test_md5_sess_keeps_the_nonces_its_session_began_with() -> None:
    client = Authenticator(Credentials("u", "p"), make_cnonce=lambda: "c")
    assert client.challenged(['Digest realm="r", nonce="n", qop="auth", algorithm=MD5-sess'])
    ha1 = hashlib.md5(hashlib.md5(b"u:r:p").hexdigest().encode() + b":n:c").hexdigest()
    ha2 = hashlib.md5(b"POST:/acs").hexdigest()
    for count in ("00000001", "00000002"):
        expected = hashlib.md5(f"{ha1}:n:{count}:c:auth:{ha2}".encode()).hexdigest()
        assert fields(client.authorization("POST", "/acs"))["response"] == expected


def test_basic_of_rfc7617() -> None:
    assert basic(Credentials("Aladdin", "open sesame")) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic(Credentials("test", "123£")) == "Basic dGVzdDoxMjPCow=="
    client = Authenticator(Credentials("Aladdin", "open sesame"))
    assert client.challenged(['Basic realm="WallyWorld"'])
    assert client.authorization("GET", "/") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize(
    "headers",
    [
        ['Basic realm="b"', 'Digest realm="d", nonce="m"', 'Digest realm="d", nonce="s", algorithm=SHA-256'],
        ['Basic realm="b", Digest realm="d", nonce="m", Digest realm="d", nonce="s", algorithm=SHA-256'],
    ],
)
def test_the_strongest_challenge_is_answered(headers: list[str]) -> None:
    client = Authenticator(MUFASA)
    assert client.challenged(headers)
    assert fields(client.authorization("GET", "/"))["nonce"] == "s"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Negotiate",
        'Digest realm="no nonce"',
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest realm="r", nonce="n", algorithm=SHA-512-256',
        'Basic realm="' + "x" * 10000 + '"',
    ],
)
def test_what_we_cannot_answer_is_not_answered(header: str) -> None:
    client = Authenticator(MUFASA)
    assert not client.challenged([header])
    assert client.authorization("GET", "/") is None


def test_a_challenge_after_the_answer_is_a_refusal() -> None:
    client = Authenticator(MUFASA)
    assert client.challenged(['Digest realm="r", nonce="1", qop="auth"'])
    client.authorization("GET", "/")
    assert not client.challenged(['Digest realm="r", nonce="2", qop="auth"'])


def test_a_stale_nonce_is_replaced_but_not_forever() -> None:
    client = Authenticator(MUFASA)
    assert client.challenged(['Digest realm="r", nonce="0", qop="auth"'])
    answers = 0
    while client.authorization("GET", "/") and client.challenged(
        [f'Digest realm="r", nonce="{answers}x", qop="auth", stale=TRUE']
    ):
        answers += 1
    assert answers == 3


def test_a_server_may_challenge_again_after_it_has_accepted() -> None:
    client = Authenticator(MUFASA)
    assert client.challenged(['Digest realm="r", nonce="1", qop="auth"'])
    client.authorization("POST", "/")
    client.accepted()
    assert client.challenged(['Digest realm="r", nonce="2", qop="auth"'])
    sent = fields(client.authorization("POST", "/"))
    assert (sent["nonce"], sent["nc"]) == ("2", "00000001")


def test_names_that_are_not_ascii_and_names_to_be_hashed() -> None:
    client = Authenticator(Credentials("Jäsøn Doe", "Secret, or not?"))
    assert client.challenged(['Digest realm="r", nonce="1", qop="auth", charset=UTF-8'])
    assert "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe," in (client.authorization("GET", "/") or "")
    assert client.challenged(['Digest realm="r", nonce="1", stale=true, userhash=true'])
    sent = fields(client.authorization("GET", "/"))
    assert sent["username"] == hashlib.md5("Jäsøn Doe:r".encode()).hexdigest()
    assert sent["userhash"] == "true"


def test_quotes_and_commas_inside_values() -> None:
    (challenge,) = parse_challenges(['Digest realm="a \\"b\\", c\\\\", nonce=bare , qop = "auth"'])
    assert challenge == Challenge("digest", {"realm": 'a "b", c\\', "nonce": "bare", "qop": "auth"})
    client = Authenticator(MUFASA)
    client.challenged(['Digest realm="a \\"b\\"", nonce="n"'])
    assert 'realm="a \\"b\\""' in (client.authorization("GET", "/") or "")


def test_no_password_in_any_repr() -> None:
    assert "Circle" not in repr(MUFASA)


@given(st.lists(st.text(max_size=60), max_size=4))
def test_hostile_challenges_never_raise(headers: list[str]) -> None:
    client = Authenticator(MUFASA)
    if client.challenged(headers):
        assert client.authorization("GET", "/")


@given(
    st.dictionaries(
        st.sampled_from(["realm", "nonce", "opaque", "domain"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
        min_size=1,
    )
)
def test_quoted_values_come_through(parameters: dict[str, str]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = "Digest " + ", ".join(f"{k}={quoted(v)}" for k, v in parameters.items())
    assert parse_challenges([header]) == [Challenge("digest", parameters)]
