"""Fixtures around the firmware service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.conftest import StartService
from tests.firmware.fileserver import FileServer, open_server
from tests.firmware.surroundings import Datamodel, Procd, Session

from ubuskit.client import Client


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    """A file server that has ``/image``."""
    async with open_server() as server:
        server.serve("/image", b"new firmware " * 5000)
        yield server


@pytest.fixture
async def procd(client: Client) -> Procd:
    found = Procd()
    await found.serve(client)
    return found


@pytest.fixture
async def session(start_service: StartService) -> Session:
    found = Session()
    await start_service("session", found.serve)
    return found


@pytest.fixture
async def datamodel(start_service: StartService) -> Datamodel:
    found = Datamodel()
    await start_service("datamodel", found.serve)
    return found
