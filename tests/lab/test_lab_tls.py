"""The suite and an ACS over TLS: the certificate is what decides."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from cwmp.lab.acs import Credentials, GetParameterValues, open_acs
from cwmp.lab.router import Options, open_router
from ubuskit.client import open_client
from ubuskit.errors import NotFound


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(found)
    return found


async def test_a_session_over_tls_with_basic(short_dir: Path, authority: trustme.CA) -> None:
    ca_file = short_dir / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with open_acs(Credentials("cpe", "secret", "Basic"), tls=context(authority, "localhost")) as acs:
        cwmp = {"acs_url": acs.url, "ca_file": str(ca_file), "username": "cpe", "password": "secret"}
        async with open_router(short_dir / "lab", Options(cwmp)):
            async with acs.session("0 BOOTSTRAP") as session:
                found = await session.rpc(GetParameterValues(["Device.ManagementServer.URL"]))
                assert found["Device.ManagementServer.URL"].text == acs.url
            assert acs.violations == []


@pytest.mark.parametrize(("name", "trusted"), [("localhost", False), ("acs.example.org", True)])
async def test_a_certificate_that_does_not_convince_ends_it(
    short_dir: Path, authority: trustme.CA, name: str, trusted: bool
) -> None:
    """Signed by a stranger, or made out to somebody else: nothing is sent, and `status` says why."""
    ca_file = short_dir / "ca.pem"
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(ca_file))
    async with open_acs(tls=context(authority, name)) as acs:
        cwmp = {"acs_url": acs.url, "ca_file": str(ca_file)}
        async with (
            open_router(short_dir / "lab", Options(cwmp)) as router,
            open_client(str(router.paths.bus)) as bus,
        ):
            with trio.fail_after(20):
                while True:
                    try:
                        status = await bus.call("cwmp", "status")
                    except NotFound:
                        await trio.lowlevel.checkpoint()
                    else:
                        if status["last_session"]["result"] == "failure":
                            break
            assert "certificate" in status["last_session"]["error"].lower()
            assert acs.informs == 0
