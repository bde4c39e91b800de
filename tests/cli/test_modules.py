"""`cwmp modules`, against an object like the firmware service's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.test_cli import answering, cwmp

from cwmp.cli.modules import described
from ubuskit.client import Client

REPLY: dict[str, Any] = {
    "environments": [
        {
            "number": 1,
            "name": "OpenWrt",
            "type": "apk",
            "version": "25.12.0",
            "enabled": True,
            "disk_free": 51200,
        }
    ],
    "units": [
        {
            "number": 3,
            "name": "hello",
            "version": "1.1-r1",
            "uuid": "4e9a7fcd-25a5-5ccd-bf29-7bb6a0e9e4a1",
            "url": "https://packages.example.com/hello.apk",
            "status": "Installed",
            "services": [{"name": "hellod", "status": "Active", "auto_start": True}],
        }
    ],
    "changes": [
        {
            "id": "1",
            "command_key": "night",
            "operations": [
                {
                    "operation": "Install",
                    "phase": "done",
                    "results": [
                        {"state": "Failed", "version": "", "fault_code": 9016, "text": "no such file"}
                    ],
                },
                {"operation": "Update", "phase": "queued", "results": []},
            ],
        }
    ],
}
SHOWN = """\
OpenWrt 25.12.0 (apk, 50.0 MB free)
   3  hello 1.1-r1  Installed  4e9a7fcd-25a5-5ccd-bf29-7bb6a0e9e4a1
      hellod: Active, starts at boot
ChangeDUState night
  Install: Failed: Fault 9016, no such file
  Update: queued
"""


async def test_what_is_shown(client: Client, bus: Path) -> None:
    await client.add_object("cwmp.firmware", {"modules": answering(REPLY, [])})
    assert (await cwmp(bus, "modules")).out == SHOWN
    assert json.loads((await cwmp(bus, "modules", "--json")).out) == REPLY


def test_where_nothing_can_be_installed() -> None:
    assert list(described({"environments": [], "units": [], "changes": []})) == [
        "nothing can be installed here"
    ]
