"""Full reads of many parameters, half of them UCI and half of them ubus: the datamodel's own CPU.

The bus is left out (its own benchmark has it); replies are decoded from their bytes, as they would arrive.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import trio

from cwmp.datamodel.instances import Instances
from cwmp.datamodel.loader import load
from cwmp.datamodel.reading import Reader
from cwmp.datamodel.service import mapping_directories
from cwmp.datamodel.snapshot import System
from cwmp.runtime import Paths
from ubuskit import blobmsg
from ubuskit.uci import Uci

_TARGET = 12.0
"""Microseconds a parameter on the reference machine."""


class _Bus:
    """Answers calls with replies that are decoded anew each time."""

    def __init__(self, replies: dict[str, dict[str, Any]]) -> None:
        self._replies = {name: blobmsg.encode(reply) for name, reply in replies.items()}

    async def call(self, name: str, method: str, _args: object, timeout: float) -> dict[str, Any]:
        return blobmsg.decode(self._replies[f"{name} {method}"])


def _router(root: Path, interfaces: int) -> tuple[Paths, _Bus]:
    paths = Paths(root / "bus", root / "config", root / "state", root / "run", root)
    paths.uci_dir.mkdir()
    sections, dump, devices = [], [], {}
    counters = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_errors", "tx_errors", "rx_dropped",
                "tx_dropped", "multicast", "collisions")  # fmt: skip
    for number in range(interfaces):
        name, device = f"net{number}", f"eth{number}"
        address = f"10.{number >> 8}.{number & 255}.1"
        sections.append(
            f"config interface '{name}'\n\toption proto 'static'\n\toption device '{device}'\n"
            f"\toption ipaddr '{address}'\n\toption netmask '255.255.255.0'\n\toption mtu '1500'\n"
            f"\toption metric '{number}'\n"
        )
        dump.append({"interface": name, "up": True, "uptime": 7, "l3_device": device, "proto": "static",
                     "ipv4-address": [{"address": address, "mask": 24}]})  # fmt: skip
        statistics = dict.fromkeys(counters, number * 1000)
        devices[device] = {"type": "bridge", "up": True, "mtu": 1500, "statistics": statistics}
    (paths.uci_dir / "network").write_text("\n".join(sections))
    return paths, _Bus({"network.interface dump": {"interface": dump}, "network.device status": devices})


def _measure(interfaces: int, rounds: int) -> tuple[int, float]:
    """Parameters in ``Device.IP.Interface.``, and CPU microseconds for each."""
    log = logging.getLogger("bench")
    with tempfile.TemporaryDirectory() as directory:
        paths, bus = _router(Path(directory), interfaces)
        model, _ = load(mapping_directories(paths))
        system = System(paths, Uci(paths.uci_dir, paths.uci_save_dir), cast(Any, bus), cast(Any, None))
        reader = Reader(model, system, Instances(), dict, lambda: None, log)

        async def read() -> int:
            return sum([len(page.names) for page in await reader.values(["Device.IP.Interface."])])

        async def main() -> tuple[int, float]:
            count = await read()
            best = float("inf")
            for _ in range(rounds):
                start = time.process_time()
                await read()
                best = min(best, time.process_time() - start)
            return count, best * 1e6 / count

        return trio.run(main)


def run(report: Callable[..., None]) -> None:
    count, cost = _measure(94, 20)
    report(f"datamodel: full read, {count} parameters, each", cost, "us", _TARGET, cost / _TARGET, 1.0)
    many, dear = _measure(1560, 3)
    report(f"datamodel: full read, {many} parameters, each", dear, "us", cost, dear / cost, 1.3)
