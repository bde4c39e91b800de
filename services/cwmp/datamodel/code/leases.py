"""Who holds a lease: of dnsmasq in its lease file, of odhcpd in what it tells over ubus.

A line of the file is ``expiry MAC address name client-id``; 0 is never, ``*`` is nothing. odhcpd tells seconds that
are left, -1 for ever.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.code.dhcp_sections import DHCP, NETWORK, interface_name, text_of
from cwmp.datamodel.code.ipv4 import interface_of
from cwmp.datamodel.snapshot import Need, SourceFailed
from cwmp.datamodel.tables import There

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_FILE = "/tmp/dhcp.leases"  # noqa: S108  # dnsmasq's own
_DUMP = Need("ubus", "network.interface dump")
_V4 = Need("ubus", "dhcp ipv4leases")
_V6 = Need("ubus", "dhcp ipv6leases")
NEIGHBOURS = Need("neighbours", "IPv6")
_DUID_OF_ADDRESS = re.compile(r"(?:0001[0-9a-f]{4}[0-9a-f]{8}|0003[0-9a-f]{4})([0-9a-f]{12})")
_TRUE = frozenset({"1", "on", "yes", "true", "enabled"})
_MAC = re.compile(r"[0-9a-f]{12}")
_HOSTNAME, _CLIENT_ID = 12, 61
_V6_DUID, _V6_FQDN = 1, 39
_EVER = 0


def file_need(row: Row) -> Need:
    """The lease file of dnsmasq."""
    for section in row.view.snapshot.package("dhcp").of_type("dnsmasq"):
        if path := text_of(section, "leasefile"):
            return Need("file", path)
    return Need("file", _FILE)


def leases(row: Row) -> list[dict[str, Any]]:
    """Every lease of IPv4: ``mac, address, expires, name, client``, texts empty where nothing is known."""
    found: list[dict[str, Any]] = row.view.root.cached(_find_leases, _find_leases)
    return found


def _find_leases(row: Row) -> list[dict[str, Any]]:
    found = []
    for line in row.view.snapshot.get(file_need(row)).splitlines():
        words = line.split()
        if len(words) >= 4 and words[0].isdecimal():
            name, client = words[3], words[4] if len(words) > 4 else "*"
            found.append({
                "expires": int(words[0]), "mac": words[1].lower(), "address": words[2],
                "name": "" if name == "*" else name, "client": "" if client == "*" else client,
            })  # fmt: skip
    return found + _of_odhcpd(row)


def _of_odhcpd(row: Row) -> list[dict[str, Any]]:
    """Leases of odhcpd, where it is the one that serves IPv4."""
    package = row.view.snapshot.package("dhcp")
    if not any(text_of(s, "maindhcp") in _TRUE for s in package.of_type("odhcpd")):
        return []
    found = []
    for lease in _device_leases(row, _V4):
        mac = str(lease.get("mac", "")).lower()
        if _MAC.fullmatch(mac):
            found.append({
                "expires": ends(lease.get("valid")), "mac": ":".join(mac[i : i + 2] for i in range(0, 12, 2)),
                "address": str(lease.get("address", "")), "name": str(lease.get("hostname", "")), "client": "",
            })  # fmt: skip
    return found


def _device_leases(row: Row, need: Need, device: str = "") -> list[Mapping[str, Any]]:
    try:
        devices = row.view.snapshot.get(need).get("device", {})
    except SourceFailed as failure:  # no odhcpd, no leases of it
        row.view.note(failure)
        return []
    return [
        lease
        for name, one in devices.items()
        if isinstance(one, dict) and device in ("", name)
        for lease in one.get("leases", [])
        if isinstance(lease, dict)
    ]


def ends(seconds: Any) -> int:
    """When a lifetime is over, in seconds since 1970; 0 for never."""
    if not isinstance(seconds, int) or seconds < 0 or seconds >= 2**32 - 1:
        return _EVER
    return int(time.time()) + seconds


# DHCPv4: a pool's clients are those whose address is in the network of its interface


def _clients(pool: Row) -> list[There]:
    network = interface_of(pool.view.snapshot.package("network").sections.get(interface_name(pool)))
    if network is None:
        return []
    return [There(lease["mac"], None, lease) for lease in leases(pool) if _inside(lease["address"], network)]


def _inside(address: str, interface: ipaddress.IPv4Interface) -> bool:
    try:
        return ipaddress.IPv4Address(address) in interface.network
    except ValueError:
        return False


def _options(client: Row) -> list[There]:
    """What of the request dnsmasq keeps, under the option's number."""
    found = []
    if name := client.item["name"]:
        found.append(There(str(_HOSTNAME), None, {"value": name.encode().hex()}))
    if digits := client.item["client"].replace(":", ""):
        found.append(There(str(_CLIENT_ID), None, {"value": digits}))
    return found


# DHCPv6: a client is a DUID; each of its leases is of addresses or of prefixes


def _device(pool: Row) -> str:
    name = interface_name(pool)
    for interface in pool.view.snapshot.get(_DUMP).get("interface", []):
        if interface.get("interface") == name:
            return str(interface.get("l3_device", ""))
    return ""


def _v6_clients(pool: Row) -> list[There]:
    device = _device(pool)
    found: dict[str, dict[str, Any]] = {}
    for lease in _device_leases(pool, _V6, device) if device else ():
        duid = str(lease.get("duid", "")).lower()
        client = found.setdefault(
            duid, {"duid": duid, "name": "", "active": False, "addresses": [], "prefixes": []}
        )
        client["name"] = client["name"] or str(lease.get("hostname", ""))
        client["active"] = client["active"] or "bound" in lease.get("flags", [])
        client["addresses"] += [a for a in lease.get("ipv6-addr", []) if isinstance(a, dict)]
        client["prefixes"] += [p for p in lease.get("ipv6-prefix", []) if isinstance(p, dict)]
    return [There(duid, None, client) for duid, client in found.items() if duid]


def mac_of(duid: str) -> str:
    """The MAC address that a DUID was made of (RFC 8415 11.2, 11.4); "" of one that was made otherwise."""
    found = _DUID_OF_ADDRESS.fullmatch(duid)
    return "" if found is None else ":".join(found[1][i : i + 2] for i in range(0, 12, 2))


def _source(row: Row) -> str | None:
    """Its address on the link: DHCPv6 is spoken from that (RFC 8415 16), and the kernel knows whose it is."""
    mac = mac_of(row.key)
    seen = [one.address for one in row.view.snapshot.get(NEIGHBOURS) if mac and one.mac == mac]
    return next((address for address in seen if ipaddress.IPv6Address(address).is_link_local), None)


def _numbered(member: str) -> ComputedRows:
    """The entries of a client's list, counted."""

    def find(client: Row) -> list[There]:
        return [There(str(place), None, entry) for place, entry in enumerate(client.item[member], 1)]

    return ComputedRows(find, numbered=True)


def _v6_options(client: Row) -> list[There]:
    found = [There(str(_V6_DUID), None, {"value": client.item["duid"]})]
    if name := client.item["name"].encode():
        label = bytes([0, len(name)]) + name  # RFC 4704: flags, then a name that is not complete
        found.append(There(str(_V6_FQDN), None, {"value": label.hex()}))
    return found


def _lifetime(member: str) -> Computed:
    return Computed(lambda row: ends(row.item.get(member)))


def _prefix(row: Row) -> str:
    return f"{row.item.get('address', '')}/{row.item.get('prefix-length', 64)}"


clients = ComputedRows(_clients, DHCP, NETWORK)
options = ComputedRows(_options, numbered=True)
v6_clients = ComputedRows(_v6_clients, DHCP, _DUMP, _V6)
v6_addresses, v6_prefixes = _numbered("addresses"), _numbered("prefixes")
v6_options = ComputedRows(_v6_options, numbered=True)
preferred, valid = _lifetime("preferred-lifetime"), _lifetime("valid-lifetime")
prefix = Computed(_prefix)
source = Computed(_source, None, NEIGHBOURS)
