"""Shapers of sqm-scripts, where it is installed."""

from __future__ import annotations

import pytest
from tests.datamodel.support import Acs, Router

from cwmp.contract import Fault

SHAPER = "Device.QoS.Shaper.1."
SQM = """
config queue 'eth0'
	option enabled '1'
	option interface 'eth0'
	option download '85000'
	option upload '10000'
"""


async def test_a_queue_is_a_shaper(router: Router, acs: Acs) -> None:
    assert (await acs.get("Device.QoS."))["Device.QoS.ShaperNumberOfEntries"] == "0"
    router.set_uci("sqm", SQM)
    values = await acs.get(SHAPER)
    expected = {"Enable": "true", "Interface": "Device.IP.Interface.3", "ShapingRate": "10000000"}
    assert {name: values[f"{SHAPER}{name}"] for name in expected} == expected
    assert values[f"{SHAPER}Status"] == "Error"  # it is not at work
    router.write("/var/run/sqm/eth0.state", "IFACE=eth0\n")
    assert (await acs.get(f"{SHAPER}Status"))[f"{SHAPER}Status"] == "Enabled"


async def test_a_limit_is_set(router: Router, acs: Acs) -> None:
    router.set_uci("sqm", SQM)
    await acs.set_all({f"{SHAPER}ShapingRate": "2500000"})
    assert "option upload '2500'" in router.uci("sqm")
    await acs.set_all({f"{SHAPER}ShapingRate": "-1"})
    assert "option upload '0'" in router.uci("sqm")
    with pytest.raises(Fault):
        await acs.set_all({f"{SHAPER}ShapingRate": "1500"})
