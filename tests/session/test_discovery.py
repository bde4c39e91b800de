"""Discovery of the ACS by DHCP: what servers say, sloppy ones too, and when it counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from cwmp.session import discovery
from cwmp.session.discovery import Discovery, Provision, option_17, option_43, option_125
from ubuskit.client import Method, Request

from .acs import start_acs
from .conftest import Suite

URL = "http://acs.example.org:7547/a?b=c"
ALL = Provision(URL, "REGION-7", 10, 3000)
FORUM = (3561).to_bytes(4, "big")


def short(*items: tuple[int, str]) -> bytes:
    return b"".join(bytes([code, len(text)]) + text.encode() for code, text in items)


def long(*items: tuple[int, str]) -> bytes:
    return b"".join(
        code.to_bytes(2, "big") + len(text).to_bytes(2, "big") + text.encode() for code, text in items
    )


def vendor(block: bytes, enterprise: bytes = FORUM) -> bytes:
    return enterprise + bytes([len(block)]) + block


VALUES = ((1, URL), (2, "REGION-7"), (3, "10"), (4, "3000"))


def test_p37_all_that_each_option_says() -> None:
    assert option_43(short(*VALUES)) == ALL
    assert option_125(vendor(short(*((code + 10, text) for code, text in VALUES)))) == ALL
    assert option_17(FORUM + long(*VALUES)) == ALL


@pytest.mark.parametrize(
    ("data", "url"),
    [
        (short((1, URL + "\0")), URL),
        (short((1, URL + "\0\0")), URL),
        (URL.encode(), URL),
        (URL.encode() + b"\0", URL),
        (b"\0\0" + short((1, URL)) + b"\xff" + b"rubbish", URL),
        (short((128, "x"), (1, URL), (200, "")), URL),
        (short((1, URL)) + b"\x02\xf0abc", URL),
        (short((1, "ftp://acs/")), ""),
        (short((1, "acs.example.org")), ""),
        (short((1, "http://acs/\x1b[2J")), ""),
        (short((1, "http://a b/")), ""),
        (b"\x01\xff" + URL.encode(), ""),
        (b"\x01", ""),
        (b"", ""),
        (b"http://", ""),
    ],
)
def test_option_43_of_sloppy_servers(data: bytes, url: str) -> None:
    assert option_43(data).acs_url == url


def test_others_enterprises_are_passed_over() -> None:
    block = vendor(short((11, URL)))
    other = vendor(short((11, "http://wrong/")), (9).to_bytes(4, "big"))
    assert option_125(other + block).acs_url == URL
    assert option_125(other) == Provision()
    assert option_17((9).to_bytes(4, "big") + long((1, URL))) == Provision()


@pytest.mark.parametrize("text", ["0", "65536", "-1", "1e3", "9" * 200, "", "\u0661"])
def test_numbers_out_of_bounds_are_left_out_and_the_rest_counts(text: str) -> None:
    found = option_43(
        b"".join(bytes([c, len(t.encode())]) + t.encode() for c, t in ((1, URL), (3, text), (4, "999")))
    )
    assert found == Provision(URL)


@given(st.binary(max_size=4096))
def test_any_bytes(data: bytes) -> None:
    for read in (option_43, option_125, option_17):
        found = read(data)
        assert len(found.acs_url) <= 2048
        assert found.acs_url.isprintable()


@given(
    st.dictionaries(
        st.sampled_from(["interface", "family", "opt43", "opt125", "opt17"]), st.text() | st.integers()
    )
)
def test_any_message(message: dict[str, Any]) -> None:
    assert not Discovery({}).heard({**message, "interface": "wan"}, "wan")


def message(interface: str = "wan", **options: bytes) -> dict[str, Any]:
    return {"interface": interface, "family": 4, **{name: data.hex() for name, data in options.items()}}


def test_ipv6_goes_before_ipv4_and_43_before_125() -> None:
    found = Discovery({})
    both = message(opt43=short((1, "http://of-43/")), opt125=vendor(short((11, "http://of-125/"))))
    assert found.heard(message(opt125=vendor(short((11, "http://of-125/")))), "wan")
    assert found.heard(both, "wan")
    assert found.found.acs_url == "http://of-43/"
    assert found.heard(message("wan6", opt17=FORUM + long((1, "http://of-17/"))), "wan")
    assert found.found.acs_url == "http://of-17/"
    assert not found.heard(both, "wan")


def test_what_does_not_count() -> None:
    found = Discovery({})
    assert not found.heard(message("lan", opt43=short((1, URL))), "wan")
    assert not found.heard({"interface": "wan", "opt43": "zz"}, "wan")
    assert not found.heard({"interface": "wan", "opt43": (short((1, URL)) + b"\0" * 5000).hex()}, "wan")
    assert found.heard(message(opt43=short((1, URL))), "wan")
    assert not found.heard(message(), "wan")  # a server that says nothing takes nothing back
    assert found.found.acs_url == URL


def kept(found: Discovery) -> Discovery:
    return Discovery(json.loads(json.dumps(found.to_document())))


def reached(found: Discovery, configured: str, now: float, *, success: bool = True) -> bool:
    return found.session_ended(reached=True, success=success, configured=configured, now=now)


def unreached(found: Discovery, configured: str, now: float) -> bool:
    return found.session_ended(reached=False, success=False, configured=configured, now=now)


def test_a_configured_url_goes_before_a_discovered_one() -> None:
    found = Discovery({})
    assert found.url("") == ""
    found.heard(message(opt43=short((1, URL))), "wan")
    assert found.url("") == URL
    assert kept(found).url("") == URL
    assert found.url("http://mine/") == "http://mine/"


def test_p37_only_a_device_that_came_by_dhcp_returns_to_it_after_300_s() -> None:
    for first, returns in (("", True), ("http://mine/", False)):
        found = Discovery({})
        found.heard(message(opt43=short((1, URL))), "wan")
        assert reached(found, first, 0.0)
        found = kept(found)
        assert not unreached(found, "http://moved/", 1000.0)
        assert not unreached(found, "http://moved/", 1299.0)
        assert found.url("http://moved/") == "http://moved/"
        assert unreached(found, "http://moved/", 1301.0) is returns
        assert found.url("http://moved/") == (URL if returns else "http://moved/")
        assert kept(found).url("http://moved/") == found.url("http://moved/")
        assert found.url("http://another/") == "http://another/"


def test_a_connection_in_between_starts_the_300_s_anew_and_neither_is_left_for_ever() -> None:
    found = Discovery({})
    found.heard(message(opt43=short((1, URL))), "wan")
    reached(found, "", 0.0)
    unreached(found, "http://moved/", 100.0)
    reached(found, "http://moved/", 200.0, success=False)
    assert not unreached(found, "http://moved/", 500.0)
    assert unreached(found, "http://moved/", 800.0)
    assert not unreached(found, "http://moved/", 900.0)
    assert unreached(found, "http://moved/", 1200.0)
    assert found.url("http://moved/") == "http://moved/"


DEFAULT = Provision("", "", 5, 2000)


def test_what_a_server_says_of_parameters_is_set_once_and_where_nobody_has() -> None:
    found = Discovery({})
    assert found.provisions(DEFAULT, DEFAULT) == Provision()
    found.heard(message(opt43=short(*VALUES)), "wan")
    assert found.provisions(DEFAULT, DEFAULT) == Provision("", "REGION-7", 10, 3000)
    assert found.provisions(Provision("", "mine", 7, 2000), DEFAULT) == Provision("", "", 0, 3000)
    found.provided()
    found = kept(found)
    now = Provision("", "REGION-7", 10, 3000)
    assert found.provisions(now, DEFAULT) == Provision()
    assert found.provisions(DEFAULT, DEFAULT) == Provision()  # the ACS has put them back
    found.heard(message(opt43=short((1, URL), (2, "REGION-8"), (3, "10"))), "wan")
    assert found.provisions(now, DEFAULT) == Provision("", "REGION-8")
    assert found.provisions(Provision("", "of the ACS", 10, 3000), DEFAULT) == Provision()


def test_a_server_may_say_something_else_than_the_url() -> None:
    found = Discovery({})
    assert found.heard(message(opt43=short((2, "CODE"))), "wan")
    assert kept(found).found == Provision("", "CODE")
    assert found.url("") == ""
    assert found.heard(message("wan6", opt17=FORUM + long((1, URL))), "wan")
    assert found.found == Provision(URL)
    assert not found.heard(message("wan6", opt17=FORUM + long((2, "OTHER"))), "wan")
    assert found.found == Provision(URL)


def test_p37_servers_are_asked_again_where_that_would_count_and_not_all_the_time() -> None:
    for first, configured, due in (
        ("", "http://moved/", True),
        ("", "", True),
        ("http://mine/", "http://mine/", False),
    ):
        found = Discovery({})
        found.heard(message(opt43=short((1, URL))), "wan")
        assert not found.renewal_due(configured=configured, now=0.0)
        reached(found, first, 0.0)
        unreached(found, configured, 100.0)
        assert not found.renewal_due(configured=configured, now=399.0)
        assert found.renewal_due(configured=configured, now=400.0) is due
        assert not found.renewal_due(configured=configured, now=699.0)
        assert found.renewal_due(configured=configured, now=700.0) is due
        reached(found, configured, 800.0, success=False)
        assert not found.renewal_due(configured=configured, now=2000.0)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda s: st.dictionaries(st.text(), s), max_leaves=9)
)
def test_an_odd_document_is_no_matter(document: object) -> None:
    found = Discovery(dict.fromkeys(("4", "6", "origin", "returned", "provided"), document))
    assert isinstance(found.url(""), str)


async def test_a_device_without_url_waits_for_dhcp_and_remembers_it(suite: Suite) -> None:
    url = suite.acs.url
    suite.configure(acs_url="")
    await suite.start()
    assert (await suite.status())["state"] == "waiting for URL"
    await suite.client.send("cwmp.dhcp", message(opt43=short((1, url), (2, "REGION-7"), (3, "7"))))
    status = await suite.ended()
    assert (status["state"], status["acs_url"], status["acs_url_from"]) == ("running", url, "dhcp")
    assert suite.acs.posts[0].events == ["0 BOOTSTRAP", "1 BOOT"]
    (given,) = suite.datamodel.named("set_values")  # before the Inform
    assert given.parameter_key is None
    assert dict(zip(given.names, given.values, strict=True)) == {
        "Device.DeviceInfo.ProvisioningCode": "REGION-7"  # the retry value was configured
    }
    assert (await suite.parameters())["URL"] == url
    await suite.kill()
    suite.reboot()
    await suite.start()
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["1 BOOT"]
    await suite.ended()
    other = await start_acs(suite.runtime.nursery if suite.runtime else pytest.fail())
    await suite.client.send("cwmp.dhcp", message("wan6", opt17=FORUM + long((1, other.url))))
    assert (await other.informs(1))[0].events == ["0 BOOTSTRAP"]
    assert (await suite.parameters())["URL"] == other.url
    suite.configure(acs_url=url)
    await suite.client.call("cwmp", "reload")
    await suite.acs.informs(3)
    assert (await suite.parameters())["URL"] == ""  # the configuration's
    assert len(suite.datamodel.named("set_values")) == 1


async def test_discovery_may_be_switched_off_and_does_not_replace_a_configured_url(suite: Suite) -> None:
    suite.configure(acs_url="", discovery=0)
    await suite.start()
    await suite.client.send("cwmp.dhcp", message(opt43=short((1, suite.acs.url))))
    suite.configure(discovery=1, acs_url=suite.acs.url)
    await suite.client.call("cwmp", "reload")
    status = await suite.ended()
    assert status["acs_url_from"] == "configuration"


async def test_p37_an_acs_out_of_reach_is_looked_for_where_dhcp_said(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "UNREACHABLE_AFTER", 0.0)
    renewed = trio.Event()

    async def renew(_: Request) -> dict[str, Any]:
        renewed.set()
        return {}

    await suite.client.add_object("network.interface.wan", {"renew": Method(renew)})
    suite.configure(acs_url="")
    await suite.start()
    await suite.client.send("cwmp.dhcp", message(opt43=short((1, suite.acs.url))))
    await suite.ended()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    suite.configure(acs_url=f"http://127.0.0.1:{port}/")
    await suite.client.call("cwmp", "reload")
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["0 BOOTSTRAP"]
    assert (await suite.ended(4))["acs_url_from"] == "dhcp"
    with trio.fail_after(10):
        await renewed.wait()
