"""What is below what: LowerLayers.

    IP.Interface ---> PPP.Interface ---> Ethernet.VLANTermination ---> Ethernet.Link ---> Ethernet.Interface
                 `-----------------------^                       ^                   `--> WiFi.SSID
                                                                 |                    `-> a bridge's own port
    a bridge's own port ---> its other ports ---> Ethernet.Interface, WiFi.SSID, Ethernet.VLANTermination

netifd has the name of one device in an option that is no list; here that becomes the row it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, set_option
from cwmp.datamodel.items import change
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

IP = "Device.IP.Interface.{i}."
PORTS = "Device.Ethernet.Interface.{i}."
LINKS = "Device.Ethernet.Link.{i}."
VLANS = "Device.Ethernet.VLANTermination.{i}."
SSIDS = "Device.WiFi.SSID.{i}."
PPP = "Device.PPP.Interface.{i}."
BRIDGE_PORTS = "Device.Bridging.Bridge.{i}.Port.{i}."
_NEEDS = (netifd.NETWORK, netifd.DUMP)
_PORT_NEEDS = (
    *_NEEDS,
    netifd.DEVICES,
    Need("uci", "wireless"),
    Need("ubus", "network.wireless status"),
)


def _stands_on(row: Row, device: str) -> list[str]:
    """The VLAN or link that `device` is."""
    if not device:
        return []
    path = netifd.path_of(row, VLANS, "Name", device) or netifd.path_of(row, LINKS, "Name", device)
    return [path] if path else []


def _carried_by(row: Row, device: str) -> list[str]:
    """The port or wireless interface that `device` is."""
    path = netifd.path_of(row, PORTS, "", device) or netifd.path_of(row, SSIDS, "ifname", device)
    return [path] if path else []


def _read_ip(row: Row) -> list[str]:
    if netifd.protocol_of(row, row.key) in netifd.PPP:
        name = netifd.text(row.section, "device").removeprefix("@") or row.key
        path = netifd.path_of(row, PPP, "", row.key) or netifd.path_of(row, PPP, "", name)
        return [path] if path else []
    return _stands_on(row, netifd.device_of(row, row.key))


def _write_ip(row: Row, text: str, staging: Staging) -> None:
    if text and text == netifd.path_of(row, PPP, "", row.key):
        return
    if text in {other.path[:-1] for other in row.view.table(PPP)}:
        raise ValueFault("a PPP interface is below its own IP interface only, which was made with it")
    set_option(row, "network", "device", _device(row, text), staging)


def _device(row: Row, path: str) -> str:
    """The device that the VLAN or link at `path` is."""
    if not path:
        return ""
    for table in VLANS, LINKS:
        for name, target in row.view.by(table, "Name").items():
            if target.path[:-1] == path:
                if not name:
                    raise ValueFault(f"{path} has nothing below it yet")
                return name
    raise ValueFault(f"{path} is not a row of {VLANS[:-4]} or {LINKS[:-4]}")


def _read_ppp(row: Row) -> list[str]:
    return _stands_on(row, netifd.device_of(row, row.key))


def _write_device(row: Row, text: str, staging: Staging) -> None:
    set_option(row, "network", "device", _device(row, text), staging)


def _read_vlan(row: Row) -> list[str]:
    name = row.item.get("name", "") if isinstance(row.item, dict) else ""
    if row.section is not None:
        return _stands_on(row, netifd.text(row.section, "ifname"))
    vlan = netifd.vlan_of(row, name)
    return _stands_on(row, vlan.below) if vlan else []


def _write_vlan(row: Row, text: str, staging: Staging) -> None:
    set_option(row, "network", "ifname", _device(row, text), staging)


def _read_link(row: Row) -> list[str]:
    name = str(row.item["name"])
    if not name:
        return []
    own = netifd.path_of(row, BRIDGE_PORTS, "own", name)
    return [own] if own else _carried_by(row, name)


def _write_link(row: Row, text: str, staging: Staging) -> None:
    if text == ",".join(_read_link(row)):
        return
    if row.section is None:
        raise ValueFault("this link is what its device is: make another for another device")
    name = _named(row, text) if text else ""
    other = netifd.path_of(row, LINKS, "Name", name) if name else ""
    if other:
        raise ValueFault(f"{other} stands on it already")
    set_option(row, "network", "name", name, staging)


def _named(row: Row, path: str) -> str:
    """The device that the port, bridge or wireless interface at `path` is."""
    for table, match in (PORTS, ""), (BRIDGE_PORTS, "own"), (SSIDS, "ifname"):
        for name, target in row.view.by(table, match).items():
            if target.path[:-1] == path and name:
                return name
    raise ValueFault(f"{path} has no device that a link could stand on")


def _tables(row: Row) -> None:
    """Look at everything that a link may be on."""
    for table, match in (PORTS, ""), (BRIDGE_PORTS, "own"), (LINKS, "Name"), (SSIDS, "ifname"):
        netifd.path_of(row, table, match, "")


def _read_port(row: Row) -> list[str]:
    """Of a bridge's own port the other ports, of those what they are."""
    if row.parent is None or not row.item.get("own"):
        name = row.variable("port") or ""
        vlan = netifd.vlan_of(row, name)
        return _stands_on(row, name) if vlan is not None else _carried_by(row, name)
    return [other.path[:-1] for other in row.view.rows(row.object, row.parent) if other.path != row.path]


def _write_port(row: Row, text: str, staging: Staging) -> None:
    if text == ",".join(_read_port(row)):
        return
    if row.item.get("own"):
        raise ValueFault("a bridge's own port is above all others")
    name = ""
    if text:
        vlans = {r.path[:-1]: n for n, r in row.view.by(VLANS, "Name").items()}
        name = vlans.get(text) or _named(row, text)
        if netifd.path_of(row, SSIDS, "ifname", name) or netifd.path_of(row, BRIDGE_PORTS, "own", name):
            raise ValueFault("a bridge takes ports and VLANs; a wireless interface joins it by its network")
    change(
        row, staging, text=name or f"?{row.entry.number if row.entry else 0}", enabled=None if name else False
    )


ip = Computed(_read_ip, _write_ip, *_NEEDS)
ppp = Computed(_read_ppp, _write_device, *_NEEDS)
vlan = Computed(_read_vlan, _write_vlan, *_NEEDS)
link = Computed(_read_link, _write_link, *_PORT_NEEDS, prepare=_tables)
port = Computed(_read_port, _write_port, *_PORT_NEEDS, prepare=_tables)
