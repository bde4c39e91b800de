"""An ACS that is not there, or is there again; what it answers instead of CWMP is in tests/lab/test_bad_acs.py."""

from __future__ import annotations

import socket

from tests.faults.conftest import repeated, thorough
from tests.lab.conftest import Lab
from tests.lab.test_bad_acs import failed_session
from tests.lab.test_kill import bootstrapped

from cwmp.lab.acs import GetParameterValues
from cwmp.lab.acs import behaviour as bad
from ubuskit.uci import Set, Uci

HOST = "Device.DeviceInfo.HostName"


def point_at(lab: Lab, url: str) -> None:
    paths = lab.router.paths
    Uci(paths.uci_dir, paths.uci_save_dir).apply({"cwmp": [Set("cwmp", "acs_url", url)]})


async def test_a_dead_acs_is_named_and_found_again(lab: Lab) -> None:
    await bootstrapped(lab)
    pids = dict(lab.router.service_pids())
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        point_at(lab, f"http://127.0.0.1:{nobody.getsockname()[1]}/acs")
        await lab.bus.call("cwmp", "reload", {})
        assert "refused" in (await failed_session(lab)).lower()
    point_at(lab, lab.acs.url)
    await lab.bus.call("cwmp", "reload", {})
    async with lab.acs.session("0 BOOTSTRAP") as session:  # another URL is another ACS (3.7.1.5)
        assert HOST in await session.rpc(GetParameterValues([HOST]))
    assert dict(lab.router.service_pids()) == pids
    assert lab.acs.violations == []


@thorough
async def test_a_hostile_acs_takes_nothing_but_its_session(lab: Lab) -> None:
    """A head without an end, entities that grow, an element a hundred thousand deep, a body that never was."""
    await bootstrapped(lab)
    pids = dict(lab.router.service_pids())
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    for raw in (
        bad.Bytes(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * (4 << 20)),
        bad.Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\nContent-Type: text/xml\r\n\r\n<a>"),
        bad.Body(f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><a>&l11;</a>'.encode()),
        bad.Body(b"<a>" * 100_000),
        bad.Body(b"<a b='" + b"c" * (9 << 20) + b"'/>"),
    ):
        lab.acs.misbehave(raw)
        assert await failed_session(lab)
    await repeated(lab)
    assert dict(lab.router.service_pids()) == pids
