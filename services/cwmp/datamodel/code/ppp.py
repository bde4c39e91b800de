"""PPP: what is set for a connection, and what pppd, netifd and the kernel know of it.

When it is made: ``demand`` (idle seconds) makes it follow the traffic, ``auto 0`` the operator. ``keepalive`` is how
many echoes may be lost, and after how many seconds one is sent: ``5 1``; a comma will do, too.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_IDLE = "300"
"""Seconds until a connection on demand ends, where IdleDisconnectTime does not say."""


def _on_demand(row: Row) -> bool:
    text = option(row, "demand")
    return text.isdecimal() and int(text) > 0


def _read_trigger(row: Row) -> str:
    if option(row, "auto") in ("0", "off", "no", "false", "disabled"):
        return "Manual"
    return "OnDemand" if _on_demand(row) else "AlwaysOn"


def _write_trigger(row: Row, text: str, staging: Staging) -> None:
    if text == _read_trigger(row):
        return
    set_option(row, "network", "auto", "0" if text == "Manual" else "", staging)
    if text == "OnDemand":
        if not _on_demand(row):
            set_option(row, "network", "demand", _IDLE, staging)
    else:
        set_option(row, "network", "demand", "", staging)


_KEEPALIVE = (5, 1)
"""Lost echoes and seconds, where `keepalive` does not say (ppp.sh)."""


def _keepalive(row: Row) -> tuple[int, int]:
    numbers = [int(n) for n in re.split("[ ,]+", option(row, "keepalive").strip()) if n.isdecimal()]
    retries, interval = (*numbers[:2], *_KEEPALIVE[len(numbers[:2]) :])
    return retries, interval


def _write_echo(row: Row, text: str, staging: Staging) -> None:
    set_option(row, "network", "keepalive", f"{_keepalive(row)[0]} {text}", staging)


def _write_retry(row: Row, text: str, staging: Staging) -> None:
    set_option(row, "network", "keepalive", f"{text} {_keepalive(row)[1]}", staging)


def _interface(row: Row) -> Any:
    """What netifd says of it; of the objects below, too."""
    return netifd.interfaces(row).get(row.key, {})


def _read_session(row: Row) -> int | None:
    """The number of the session on the device below. The kernel prints it as it lies in memory."""
    device = netifd.device_of(row, row.key)
    for line in row.view.snapshot.get(_SESSIONS).splitlines()[1:]:
        words = line.split()
        if len(words) == 3 and words[2] == device:
            return int.from_bytes(int(words[0], 16).to_bytes(4, "big")[2:], sys.byteorder)
    return None


def _read_dns(row: Row) -> list[str]:
    return [server for server in _interface(row).get("dns-server", []) if ":" not in server][:2]


def _identifier(address: str) -> str | None:
    """The last 64 bits of a link-local address, as an IPv6 address that has only those."""
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return None
    return str(ipaddress.IPv6Address(int(found) & (2**64 - 1))) if found.is_link_local else None


def _interfaces_on(row: Row) -> list[Any]:
    """Those on the connection: its own, and the one that netifd made for IPv6."""
    device = _interface(row).get("l3_device")
    return [i for i in netifd.interfaces(row).values() if device and i.get("l3_device") == device]


def _read_local(row: Row) -> str | None:
    for interface in _interfaces_on(row):
        for one in interface.get("ipv6-address", []):
            if found := _identifier(str(one.get("address"))):
                return found
    return None


def _read_remote(row: Row) -> str | None:
    for interface in _interfaces_on(row):
        for route in interface.get("route", []):
            if found := _identifier(str(route.get("nexthop"))):
                return found
    return None


_SESSIONS = Need("file", "/proc/net/pppoe")
echo = Computed(lambda row: _keepalive(row)[1], _write_echo, netifd.NETWORK)
echo_retry = Computed(lambda row: _keepalive(row)[0], _write_retry, netifd.NETWORK)
session_id = Computed(_read_session, None, _SESSIONS, netifd.NETWORK, netifd.DUMP)
dns_servers = Computed(_read_dns, None, netifd.DUMP)
local_identifier = Computed(_read_local, None, netifd.DUMP)
remote_identifier = Computed(_read_remote, None, netifd.DUMP)
trigger = Computed(_read_trigger, _write_trigger, Need("uci", "network"))
