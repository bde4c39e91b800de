"""A session service on a bus, with stand-ins for its peers and an ACS on loopback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from cwmp.contract.parameters import GetParameters, get_parameters
from cwmp.runtime import Paths, Runtime
from cwmp.session.service import serve
from ubuskit.client import Client

from .acs import Acs, start_acs
from .peers import FakeDatamodel, FakeFirmware


@pytest.fixture
async def acs(nursery: trio.Nursery) -> Acs:
    return await start_acs(nursery)


@dataclass
class Suite:
    """The session service and what is around it."""

    paths: Paths
    acs: Acs
    client: Client
    datamodel: FakeDatamodel
    firmware: FakeFirmware
    _start: Callable[..., Any]
    runtime: Runtime | None = None
    _asker: Runtime | None = None

    def configure(self, **options: object) -> None:
        """Write /etc/config/cwmp: quick retries and no periodic Inform unless said otherwise."""
        values: dict[str, object] = {
            "acs_url": self.acs.url,
            "periodic_inform_enable": 0,
            "retry_minimum_wait_interval": 1,
            "retry_interval_multiplier": 1000,
            "connection_request_address": "127.0.0.1",
            "connection_request_port": 0,
            "connection_request_username": "acs",
            "connection_request_password": "secret",
            "udp_connection_request_port": 0,
        }
        values.update(options)
        lines = "".join(f"\toption {name} '{value}'\n" for name, value in values.items())
        (self.paths.uci_dir / "cwmp").write_text(f"config cwmp 'main'\n{lines}")

    async def start_peers(self) -> None:
        await self.start_datamodel()
        await self._start("firmware", self.firmware.serve)

    async def start_datamodel(self) -> Runtime:
        found: Runtime = await self._start("datamodel", self.datamodel.serve)
        return found

    async def parameters(self) -> dict[str, str]:
        """The parameters below ManagementServer that the session service owns, by their last name."""
        if self._asker is None:

            async def serve(runtime: Runtime) -> None:
                await runtime.peers.ready()
                await trio.sleep_forever()

            self._asker = await self._start("diagnostics", serve)
        assert self._asker is not None
        asked = GetParameters(["Device.ManagementServer."])
        found = await self._asker.peers.request(get_parameters("session"), asked)
        return {n.rpartition(".")[2]: v for n, v in zip(found.names, found.values, strict=True)}

    async def start(self) -> Runtime:
        """Start the session service, as after a boot."""
        self.runtime = await self._start("session", serve)
        return self.runtime

    async def kill(self) -> None:
        """End the session service as kill -9 would: it gets no chance to write or to say anything."""
        assert self.runtime is not None
        self.runtime.nursery.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked(0.01)

    def reboot(self) -> None:
        """The next start is that of another boot."""
        path = self.paths.system("/proc/sys/kernel/random/boot_id")
        path.write_text(path.read_text()[::-1].strip() + "\n")

    async def status(self) -> dict[str, Any]:
        return await self.client.call("cwmp", "status")

    async def ended(self, count: int = 1) -> dict[str, Any]:
        """The status after `count` sessions in all have ended."""
        with trio.fail_after(20):
            while True:
                status = await self.status()
                numbers = status["statistics"]
                if numbers["success"] + numbers["failure"] >= count and status["session"] == "idle":
                    return status
                await trio.testing.wait_all_tasks_blocked(0.005)


@pytest.fixture
async def suite(acs: Acs, paths: Paths, client: Client, start_service: Callable[..., Any]) -> Suite:
    found = Suite(paths, acs, client, FakeDatamodel(), FakeFirmware(), start_service)
    found.configure()
    await found.start_peers()
    return found
