"""The system's log as a vendor log file."""

from __future__ import annotations

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

LOG = "Device.DeviceInfo.VendorLogFile."


@pytest.mark.parametrize(
    ("options", "name", "size", "persistent"),
    [
        ("", "syslog", "131072", "false"),
        ("\toption log_size '256'\n", "syslog", "262144", "false"),
        ("\toption log_file '/var/log/messages'\n", "/var/log/messages", "131072", "false"),
        ("\toption log_file '/mnt/log'\n", "/mnt/log", "131072", "true"),
    ],
)
async def test_the_log(router: Router, acs: Acs, options: str, name: str, size: str, persistent: str) -> None:
    router.set_uci("system", CONFIG["system"].replace("config system\n", f"config system\n{options}"))
    values = await acs.get(LOG)
    found = [values[f"{LOG}1.{part}"] for part in ("Name", "MaximumSize", "Persistent")]
    assert found == [name, size, persistent]
