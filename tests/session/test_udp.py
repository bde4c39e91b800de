"""Connection requests by UDP over real sockets: the session service, a STUN server, and a NAT between them."""

from __future__ import annotations

import socket

import pytest
import trio

from cwmp.lab.acs.auth import Credentials
from cwmp.lab.acs.stun import Stun, open_stun

from .acs import Post, Reply, answer
from .conftest import Suite
from .nat import nat_before
from .test_udp_request import datagram

USER, PASSWORD = "acs", "secret"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def until_reachable(suite: Suite, nat: bool, other_than: str = "") -> str:
    """UDPConnectionRequestAddress, once NATDetected says so."""
    with trio.fail_after(20):
        while True:
            found = await suite.parameters()
            address = found["UDPConnectionRequestAddress"]
            if address not in {"", other_than} and found["NATDetected"] == str(nat).lower():
                return address
            await trio.testing.wait_all_tasks_blocked(0.005)


async def asks_for_a_session(suite: Suite, stun: Stun, address: str, count: int) -> None:
    await stun.connection_request(address, USER, PASSWORD)
    informs = await suite.acs.informs(count)
    assert informs[-1].events == ["6 CONNECTION REQUEST"]
    with trio.fail_after(10):
        while (await suite.status())["session"] != "idle":
            await trio.testing.wait_all_tasks_blocked(0.005)


async def test_p29_without_stun_the_port_is_our_own_and_each_request_counts_once(suite: Suite) -> None:
    port = free_port()
    suite.configure(udp_connection_request_port=port)
    await suite.start()
    await suite.ended()
    assert await until_reachable(suite, nat=False) == f"127.0.0.1:{port}"
    async with open_stun() as stun:
        await stun.connection_request(f"127.0.0.1:{port}", USER, "guess")
        await stun.connection_request(f"127.0.0.1:{port}", "somebody", PASSWORD)
        await stun.connection_request(f"127.0.0.1:{port}", USER, PASSWORD, ts=0)
        await asks_for_a_session(suite, stun, f"127.0.0.1:{port}", 2)
        await suite.kill()
        await suite.start()  # no boot: what was accepted is remembered
        await until_reachable(suite, nat=False)
        await stun.connection_request(f"127.0.0.1:{port}", USER, PASSWORD, ts=1)
        await asks_for_a_session(suite, stun, f"127.0.0.1:{port}", 3)
        assert stun.requests == []
    assert (await suite.status())["statistics"]["connection_requests"] == 1


async def test_p29_one_that_comes_in_a_session_brings_another(suite: Suite) -> None:
    port = free_port()
    suite.configure(udp_connection_request_port=port)
    await suite.start()
    await suite.ended()
    request = datagram(1000, "1", USER, password=PASSWORD)

    def ask_within(post: Post) -> Reply:
        if not post.body:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as acs:
                acs.sendto(request, ("127.0.0.1", port))
        return answer(post)

    suite.acs.handler = ask_within
    await suite.client.call("cwmp", "inform", {"event": "PERIODIC"})
    informs = await suite.acs.informs(3)
    assert [p.events for p in informs[1:]] == [["2 PERIODIC"], ["6 CONNECTION REQUEST"]]
    await suite.ended(3)
    assert (await suite.status())["statistics"][
        "connection_requests"
    ] == 1  # the copy of the third counts not


async def test_behind_a_nat_the_server_learns_of_it_and_of_each_change(suite: Suite) -> None:
    async with open_stun(Credentials("device", "stun-secret")) as stun, nat_before(stun) as nat:
        suite.configure(
            udp_connection_request_port=free_port(),
            stun_enable=1,
            stun_server_address="127.0.0.1",
            stun_server_port=nat.port,
            stun_username="device",
            stun_password="stun-secret",
            stun_minimum_keep_alive_period=1,
            stun_maximum_keep_alive_period=1,
        )
        await suite.start()
        await suite.ended()
        binding = await stun.binding()
        address = await until_reachable(suite, nat=True)
        assert address == str(binding)
        await asks_for_a_session(suite, stun, address, 2)
        nat.restart()
        other = await until_reachable(suite, nat=True, other_than=address)
        await stun.until(lambda requests: requests[-1].changed and str(requests[-1].source) == other)
        await asks_for_a_session(suite, stun, other, 3)
        assert stun.violations == []
        assert {r.username for r in stun.requests} == {"device"}
        assert stun.refused == len(stun.requests)  # each is asked for its MESSAGE-INTEGRITY


async def test_the_secondary_port_finds_out_whether_the_binding_lives(suite: Suite) -> None:
    async with open_stun() as stun, nat_before(stun) as nat:
        suite.configure(
            udp_connection_request_port=free_port(),
            stun_enable=1,
            stun_server_address="127.0.0.1",
            stun_server_port=nat.port,
            stun_minimum_keep_alive_period=0,
            stun_maximum_keep_alive_period=2,
        )
        await suite.start()
        await stun.until(lambda requests: any(r.response_address for r in requests))
        count = len(stun.requests)
        await stun.until(lambda requests: len(requests) > count)
        probe = next(r for r in stun.requests if r.response_address)
        assert probe.response_address == await stun.binding()
        assert probe.source != probe.response_address
        assert not probe.tagged
        assert stun.requests[count].source == probe.response_address
        assert stun.violations == []


async def test_stun_enabled_and_disabled_while_it_runs(suite: Suite) -> None:
    async with open_stun() as stun, nat_before(stun) as nat:
        options = {
            "udp_connection_request_port": free_port(),
            "stun_server_address": "127.0.0.1",
            "stun_server_port": nat.port,
            "connection_request_password": "",
        }
        suite.configure(**options)
        runtime = await suite.start()
        await suite.ended()
        assert (await suite.parameters())["UDPConnectionRequestAddress"] == ""  # nobody could be let in
        suite.configure(**options, stun_enable=1)
        runtime.reload()
        assert await until_reachable(suite, nat=True) == str(await stun.binding())
        suite.configure(**options | {"connection_request_password": PASSWORD})
        runtime.reload()
        port = options["udp_connection_request_port"]
        assert await until_reachable(suite, nat=False) == f"127.0.0.1:{port}"
        suite.configure(enable=0)
        runtime.reload()
        with trio.fail_after(10):
            while (await suite.parameters())["UDPConnectionRequestAddress"]:
                await trio.testing.wait_all_tasks_blocked(0.005)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            closed.bind(("127.0.0.1", int(str(port))))


async def test_a_stun_server_nobody_knows_is_named(suite: Suite, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    suite.configure(udp_connection_request_port=port, stun_enable=1, stun_server_address="stun.invalid")
    await suite.start()
    await suite.ended()
    with trio.fail_after(20):
        while "cannot resolve the STUN server stun.invalid" not in caplog.text:
            await trio.testing.wait_all_tasks_blocked(0.005)
    async with open_stun() as stun:
        await asks_for_a_session(suite, stun, f"127.0.0.1:{port}", 2)
