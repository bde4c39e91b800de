"""A router that nobody has told of an ACS: what its provider's DHCP server says becomes parameters, and a session."""

from __future__ import annotations

from pathlib import Path

import trio

from cwmp.lab.acs import GetParameterValues, open_acs
from cwmp.lab.router import Options, open_router
from ubuskit.client import Client, open_client
from ubuskit.errors import NotFound

CODE = "Device.DeviceInfo.ProvisioningCode"
URL = "Device.ManagementServer.URL"
WAIT = "Device.ManagementServer.CWMPRetryMinimumWaitInterval"


def sub_options(*texts: str) -> str:
    """Option 43, in hexadecimal."""
    return b"".join(bytes([n, len(t)]) + t.encode() for n, t in enumerate(texts, 1)).hex()


async def until_it_waits(bus: Client) -> None:
    with trio.fail_after(20):
        while True:
            try:
                status = await bus.call("cwmp", "status")
            except NotFound:
                status = {}
            if status.get("state") == "waiting for URL":
                return
            await trio.testing.wait_all_tasks_blocked(0.005)


async def test_all_that_dhcp_says(short_dir: Path) -> None:
    async with (
        open_acs() as acs,
        open_router(short_dir / "lab", Options({})) as router,
        open_client(str(router.paths.bus)) as bus,
    ):
        await until_it_waits(bus)
        option = sub_options(acs.url, "REGION-7", "9")
        await bus.send("cwmp.dhcp", {"interface": "wan", "family": 4, "opt43": option})
        async with acs.session("0 BOOTSTRAP") as session:
            assert session.inform.parameters[CODE].text == "REGION-7"
            found = await session.rpc(GetParameterValues([URL, WAIT]))
            assert {name: value.text for name, value in found.items()} == {URL: acs.url, WAIT: "9"}
    written = (router.paths.uci_dir / "cwmp").read_text()
    assert "REGION-7" in written
    assert "acs_url" not in written
