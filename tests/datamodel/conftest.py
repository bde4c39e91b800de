"""Fixtures: the small router of `support`, its services' stand-ins, and the datamodel on the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from tests.datamodel.support import CONFIG, FILES, PING, Acs, Owner, Router, acting_as, default_replies

from cwmp.datamodel.service import serve
from cwmp.runtime import Paths, Runtime
from ubuskit.client import open_client


@pytest.fixture
def files(paths: Paths) -> Router:
    """The router's files, nothing running."""
    router = Router(paths, default_replies())
    for package, text in CONFIG.items():
        router.set_uci(package, text)
    for path, text in FILES.items():
        router.write(path, text)
    return router


@pytest.fixture
async def router(files: Router, bus: Path) -> AsyncIterator[Router]:
    """The router with its daemons on the bus."""
    async with open_client(str(bus)) as client:
        await files.serve(client)
        yield files


@pytest.fixture
def diagnostics() -> Owner:
    return Owner({f"{PING}DiagnosticsState": "None", f"{PING}Host": "", f"{PING}NumberOfRepetitions": "4"})


@pytest.fixture
def session() -> Owner:
    return Owner({"Device.ManagementServer.ConnectionRequestURL": "http://192.0.2.33:7547/abc"})


@pytest.fixture
def firmware() -> Owner:
    return Owner({})


@pytest.fixture
async def alone(
    router: Router, bus: Path, diagnostics: Owner, firmware: Owner, session: Owner
) -> AsyncIterator[Acs]:
    """The session's side, while no datamodel runs yet."""
    async with (
        acting_as("diagnostics", bus, diagnostics),
        acting_as("firmware", bus, firmware),
        acting_as("session", bus, session) as peers,
    ):
        yield Acs(peers)


StartDatamodel = Callable[[], Awaitable[Runtime]]


@pytest.fixture
def start_datamodel(start_service: Callable[..., Awaitable[Runtime]]) -> StartDatamodel:
    return partial(start_service, "datamodel", serve)


@pytest.fixture
async def acs(alone: Acs, start_datamodel: StartDatamodel) -> Acs:
    """The session's side of a running service."""
    await start_datamodel()
    return alone
