"""A running router with the whole suite, and an ACS it knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cwmp.lab.acs import Acs, Credentials, open_acs
from cwmp.lab.router import Options, Router, open_router
from ubuskit.client import Client, open_client

CREDENTIALS = Credentials("02005E-LabRouter-LAB%2D0001", "secret")


@dataclass(frozen=True, slots=True)
class Lab:
    """`bus` follows the router over its reboots."""

    router: Router
    acs: Acs
    bus: Client

    @property
    def log(self) -> str:
        return self.router.log.read_text()


@pytest.fixture
async def lab(short_dir: Path, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    """The lab: an ACS with Digest, and a router that has been told of it. Retries come quickly."""
    async with open_acs(CREDENTIALS) as acs:
        cwmp = {
            "acs_url": acs.url,
            "username": CREDENTIALS.username,
            "password": CREDENTIALS.password,
            "periodic_inform_enable": "0",
            "connection_request_address": "127.0.0.1",
            "connection_request_username": "acs",
            "connection_request_password": "knock",
            "retry_minimum_wait_interval": "1",
            "retry_interval_multiplier": "1000",
        }
        async with (
            open_router(short_dir / "lab", Options(cwmp)) as router,
            open_client(str(router.paths.bus)) as bus,
        ):
            yield Lab(router, acs, bus)
        print(router.log.read_text())  # shown when the test failed
