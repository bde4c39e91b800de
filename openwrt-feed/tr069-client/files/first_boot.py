"""What the package does once, at the first boot with it: fill in ``/etc/config/cwmp`` where it is empty.

In this order; an option that has a value keeps it, so whatever comes first wins:

1. From ``/etc/config/easycwmp``, or from the sections ``acs`` and ``cpe`` that icwmp keeps in ``/etc/config/cwmp``.
   Those stay as they are. ``/etc/cwmp/migration`` then says, by name, what became of every option.
2. The device's identity, from ``/etc/board.json`` and the device tree.
3. Where there is no URL yet: have the DHCP clients of the WAN ask for the ACS's (TR-069a6 3.1).
4. Have dnsmasq tell devices in the LAN that name themselves to it who their gateway is (TR-069a6 Annex F).

All of it is one transaction, and running it again changes nothing. Secrets appear in no message.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cwmp.runtime.config import OPTIONS
from ubuskit.uci import Add, Change, Package, PackageNotFound, Section, Set, Uci, UciError

VENDOR_CLASS = "dslforum.org"
_TAG = "cpewan-id,"
_ENTERPRISE = 3561
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")  # dnsmasq's init script splits the list at spaces
_EASYCWMP_LEVELS = {"0": "error", "1": "error", "2": "warning", "3": "info", "4": "debug"}
_ICWMP_LEVELS = {"DEBUG": "debug", "INFO": "info", "NOTICE": "info", "WARNING": "warning"}


@dataclass(frozen=True, slots=True)
class Target:
    """The option that takes over an old one; `convert` gives its value, or None when it has none."""

    option: str
    convert: Callable[[str], str | None] = lambda text: text


@dataclass(frozen=True, slots=True)
class Gone:
    """An old option without counterpart, and why."""

    why: str


_OWN = "we find that out ourselves"
_UNKNOWN = Gone("this program has no such option")
_VERIFIED = Gone("the ACS's certificate is always verified; name its authority in ca_file")
_PROTOCOL = Gone("the protocol needs no such switch here")

EASYCWMP: Mapping[str, Mapping[str, Target | Gone]] = {
    "local": {
        "enable": Target("enable"),
        "interface": Target("interface"),
        "port": Target("connection_request_port"),
        "username": Target("connection_request_username"),
        "password": Target("connection_request_password"),
        "provisioning_code": Target("provisioning_code"),
        "logging_level": Target("log_level", _EASYCWMP_LEVELS.get),
        "ubus_socket": Gone(_OWN),
        "date_format": _PROTOCOL,
        "authentication": Gone("connection requests are always authenticated by Digest"),
    },
    "acs": {
        "url": Target("acs_url"),
        "username": Target("username"),
        "password": Target("password"),
        "periodic_enable": Target("periodic_inform_enable"),
        "periodic_interval": Target("periodic_inform_interval"),
        "periodic_time": Target("periodic_inform_time"),
        "ssl_cacert": Target("ca_file"),
        "parameter_key": Gone("it belongs to the ACS, which sets it anew"),
        "http100continue_disable": _PROTOCOL,
        "ssl_cert": Target("client_certificate"),
        "ssl_verify": _VERIFIED,
    },
    "device": {
        "manufacturer": Target("manufacturer"),
        "oui": Target("manufacturer_oui", str.upper),
        "product_class": Target("product_class"),
        "serial_number": Target("serial_number"),
        "hardware_version": Target("hardware_version"),
        "software_version": Gone(_OWN),
    },
}

ICWMP: Mapping[str, Mapping[str, Target | Gone]] = {
    "acs": {
        "url": Target("acs_url"),
        "userid": Target("username"),
        "passwd": Target("password"),
        "periodic_inform_enable": Target("periodic_inform_enable"),
        "periodic_inform_interval": Target("periodic_inform_interval"),
        "periodic_inform_time": Target("periodic_inform_time"),
        "retry_min_wait_interval": Target("retry_minimum_wait_interval"),
        "retry_interval_multiplier": Target("retry_interval_multiplier"),
        "dhcp_discovery": Gone("DHCP is asked whenever there is no URL"),
        "dhcp_url": Gone("the DHCP server gives it anew"),
        "compression": Target("http_compression"),
        "ssl_capath": Gone("name one file with the certificates in ca_file"),
        "insecure_enable": _VERIFIED,
        "ipv6_enable": Gone("IPv4 and IPv6 are both tried"),
        "http_disable_100continue": _PROTOCOL,
    },
    "cpe": {
        "enable": Target("enable"),
        "default_wan_interface": Target("interface"),
        "interface": Target("interface"),
        "manufacturer": Target("manufacturer"),
        "manufacturer_oui": Target("manufacturer_oui", str.upper),
        "product_class": Target("product_class"),
        "serial_number": Target("serial_number"),
        "model_name": Target("model_name"),
        "description": Target("description"),
        "userid": Target("connection_request_username"),
        "passwd": Target("connection_request_password"),
        "port": Target("connection_request_port"),
        "path": Target("connection_request_path"),
        "provisioning_code": Target("provisioning_code"),
        "session_timeout": Target("session_timeout"),
        "log_severity": Target("log_level", lambda text: _ICWMP_LEVELS.get(text.upper(), "error")),
        "software_version": Gone(_OWN),
        "amd_version": Gone("the version is agreed upon with the ACS"),
        "instance_mode": Gone("instances have numbers and may have aliases"),
        "notification": Gone("the ACS sets notification attributes"),
        "exec_download": _UNKNOWN,
        "schedule_reboot": _UNKNOWN,
        "delay_reboot": _UNKNOWN,
    },
}


@dataclass(slots=True)
class Draft:
    """The options to set, none of which has a value yet, and the lines of the report."""

    present: Mapping[str, str | list[str]]
    interfaces: frozenset[str]
    options: dict[str, str] = field(default_factory=dict)
    report: list[str] = field(default_factory=list)

    def offer(self, option: str, value: str) -> str:
        """Take `value` for `option` unless it has one; what became of it, in words."""
        if self.present.get(option):
            return f"not taken over: {option} is set already"
        if option in self.options:
            return f"not taken over: {option} comes from another option"
        if not value:
            return "empty"
        if option == "interface" and value not in self.interfaces:
            return "not taken over: it is no section of /etc/config/network; see option interface"
        try:
            if option in OPTIONS:
                OPTIONS[option](value)
        except ValueError as error:
            return f"not taken over: {option} cannot have this value: {error}"
        self.options[option] = value
        return f"now {option}"

    def migrate(self, name: str, package: Package, table: Mapping[str, Mapping[str, Target | Gone]]) -> None:
        count: Counter[str] = Counter()
        for section in package.sections.values():
            label = f"@{section.type}[{count[section.type]}]" if section.anonymous else section.name
            count[section.type] += 1
            targets = table.get(section.type)
            if targets is None:
                if section.type != "cwmp":
                    self.report.append(f"{name}.{label}: a section without counterpart")
                continue
            order = list(targets)  # where two options have one target, the table's first one counts
            known = sorted((o for o in section.options if o in targets), key=order.index)
            for option in [*known, *(o for o in section.options if o not in targets)]:
                outcome = self._migrate_option(targets.get(option, _UNKNOWN), section.options[option])
                self.report.append(f"{name}.{label}.{option}: {outcome}")

    def _migrate_option(self, target: Target | Gone, value: str | list[str]) -> str:
        if isinstance(target, Gone):
            return f"no counterpart: {target.why}"
        converted = None if isinstance(value, list) else target.convert(value)
        if converted is None:
            return f"not taken over: {target.option} cannot have this value"
        return self.offer(target.option, converted)


def plan(uci: Uci, root: Path) -> tuple[dict[str, list[Change]], list[str]]:
    """The changes of each UCI package, and the report on what was migrated."""
    own, network = _load(uci, "cwmp"), _load(uci, "network")
    section = next((s for s in own.sections.values() if s.type == "cwmp"), None) if own else None
    interfaces = {s.name for s in network.sections.values() if s.type == "interface"} if network else set()
    draft = Draft(section.options if section else {}, frozenset(interfaces))
    if own and any(s.type in ICWMP for s in own.sections.values()):
        draft.migrate("cwmp", own, ICWMP)
    if easycwmp := _load(uci, "easycwmp"):
        draft.migrate("easycwmp", easycwmp, EASYCWMP)
    for option, value in _identity(root).items():
        draft.offer(option, value)
    changes: dict[str, list[Change]] = {}
    if own:
        new: list[Change] = [] if section else [Add("cwmp", "cwmp")]
        name = section.name if section else "cwmp"
        changes["cwmp"] = [*new, *(Set(name, option, value) for option, value in draft.options.items())]
    if network and not (draft.present.get("acs_url") or draft.options.get("acs_url")):
        wan = str(draft.present.get("interface") or draft.options.get("interface") or "wan")
        changes["network"] = _ask_dhcp(network, wan)
    with contextlib.suppress(UciError):  # not for us to mend
        if dhcp := _load(uci, "dhcp"):
            changes["dhcp"] = _answer_devices(dhcp, {**draft.options, **draft.present})
    return {package: made for package, made in changes.items() if made}, draft.report


def _load(uci: Uci, package: str) -> Package | None:
    try:
        return uci.load(package)
    except PackageNotFound:
        return None


def _identity(root: Path) -> dict[str, str]:
    """What the board says about itself; nothing is invented."""
    try:
        board = json.loads((root / "etc/board.json").read_text())
    except (OSError, ValueError):
        board = {}
    model = _table(board, "model")
    found = {}
    vendor, _, product = str(model.get("id", "")).partition(",")
    if product:
        found["product_class"] = product[:64]
        first = str(model.get("name", "")).split(" ")[0]
        alike = first.lower().replace("-", "") == vendor.lower().replace("-", "")
        found["manufacturer"] = (first if alike else vendor)[:64]
    mac = str(_table(board, "system").get("label_macaddr", "")).replace(":", "").upper()
    if len(mac) == 12 and all(digit in "0123456789ABCDEF" for digit in mac):
        if not int(mac[:2], 16) & 3:  # an address that its maker got from the IEEE
            found["manufacturer_oui"] = mac[:6]
        found["serial_number"] = mac
    try:
        serial = (root / "proc/device-tree/serial-number").read_bytes().rstrip(b"\0").decode("ascii").strip()
    except (OSError, ValueError):
        serial = ""
    if serial and serial.isprintable():
        found["serial_number"] = serial[:64]
    return found


def _table(table: Any, key: str) -> Mapping[str, Any]:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, dict) else {}


def _ask_dhcp(network: Package, wan: str) -> list[Change]:
    """Options 43 and 60 of DHCP, 17 of DHCPv6, on the WAN and on what shares its device."""
    base = network.sections.get(wan)
    if base is None:
        return []
    changes: list[Change] = []
    for section in network.sections.values():
        if section.type != "interface" or not (section is base or _same_device(section, base)):
            continue
        code = {"dhcp": "43", "dhcpv6": "17"}.get(str(section.options.get("proto")))
        if code is None:
            continue
        asked = section.options.get("reqopts", [])
        asked = asked.split() if isinstance(asked, str) else list(asked)
        if code not in asked:
            changes.append(Set(section.name, "reqopts", " ".join([*asked, code])))  # netifd takes no list
        if code == "43" and not section.options.get("vendorid"):
            changes.append(Set(section.name, "vendorid", VENDOR_CLASS))
    return changes


def _answer_devices(dhcp: Package, identity: Mapping[str, Any]) -> list[Change]:
    """Sub-options 4 to 6 of option 125, which dnsmasq sends to whom it gave the tag ``cpewan-id`` for option 125."""
    said = [str(identity.get(name, "")) for name in ("manufacturer_oui", "serial_number", "product_class")]
    if not all(_PLAIN.fullmatch(text) for text in said[:2]):
        return []
    new = [f"{_TAG}vi-encap:{_ENTERPRISE},{4 + n},{t}" for n, t in enumerate(said) if _PLAIN.fullmatch(t)]
    changes: list[Change] = []
    for section in dhcp.sections.values():
        options = section.options.get("dhcp_option", [])
        options = options.split() if isinstance(options, str) else list(options)
        if section.type == "dnsmasq" and not any(option.startswith(_TAG) for option in options):
            changes.append(Set(section.name, "dhcp_option", [*options, *new]))
    return changes


def _same_device(section: Section, base: Section) -> bool:
    device = section.options.get("device")
    return bool(device) and device in {base.options.get("device"), f"@{base.name}"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="first_boot", description="Fills in /etc/config/cwmp.")
    parser.add_argument("--root", type=Path, default=Path("/"), help="the file system to work on; default /")
    root = parser.parse_args(arguments).root
    uci = Uci(root / "etc/config", root / "tmp/.uci")
    try:
        changes, report = plan(uci, root)
        uci.apply(changes)
        if report:
            path = root / "etc/cwmp/migration"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in report))
    except (UciError, OSError) as error:
        sys.stderr.write(f"first boot: nothing was filled in: {error}\n")
        return 1
    for line in report:
        sys.stdout.write(f"migration: {line}\n")
    for package, made in changes.items():
        sys.stdout.write(f"first boot: {len(made)} changes in /etc/config/{package}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
