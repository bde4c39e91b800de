"""`config dhcp` sections serve three daemons at once: DHCPv4 of dnsmasq, DHCPv6 and router advertisements of odhcpd.

Each of them has its options there, and TR-181 a table each. A row that was made anew has a section of its own
until it gets an interface; if there is a section for that interface, the row moves into it with its options. A
service is switched off as a whole (TR-181's `Enable` above the table) by pausing every row that is on: the mode it
had is kept beside, in ``<option>_paused``, so that it comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row
    from ubuskit.uci import Section

DHCP = Need("uci", "dhcp")
NETWORK = Need("uci", "network")
_SERVICES = Need("ubus", "service list")
_INTERFACES = "Device.IP.Interface.{i}."
_OFF = "disabled"
_SERVER = "server"


def text_of(section: Section, name: str) -> str:
    value = section.options.get(name, "")
    return value if isinstance(value, str) else " ".join(value)


def interface_name(row: Row) -> str:
    """The interface a section is for; without that option odhcpd takes the section's name."""
    return option(row, "interface") or (row.section.name if row.section is not None else "")


def sections(row: Row) -> Sequence[Section]:
    return row.view.snapshot.package("dhcp").of_type("dhcp")


class Service:
    """One of the services: `mode` is the option that says whether and how it serves, `options` are all of its
    options."""

    def __init__(self, mode: str, daemon: str, options: Sequence[str]) -> None:
        self._mode = mode
        self._paused = f"{mode}_paused"
        self._options = (mode, self._paused, *options)
        self._daemon = daemon
        self.enable = Computed(self._read_enable, self._write_enable, DHCP)
        self.server_enable = Computed(self._read_server, self._write_server, DHCP)
        self.interface = Computed(self._read_interface, self._write_interface, DHCP, NETWORK)
        self.status = Computed(self._read_status, None, DHCP, NETWORK, _SERVICES)

    def _is_on(self, section: Section) -> bool:
        return text_of(section, self._mode) not in ("", _OFF)

    def _read_enable(self, row: Row) -> bool:
        return bool(option(row, self._paused)) or (row.section is not None and self._is_on(row.section))

    def _write_enable(self, row: Row, text: str, staging: Staging) -> None:
        if (text == "true") == self._read_enable(row):
            return
        if text == "true" and self._stopped(row):
            set_option(row, "dhcp", self._paused, _SERVER, staging)
            return
        set_option(row, "dhcp", self._paused, "", staging)
        set_option(row, "dhcp", self._mode, _SERVER if text == "true" else _OFF, staging)

    # The service as a whole

    def _stopped(self, row: Row) -> bool:
        """Whether what is on pauses. One row is enough to tell: pausing is of all of them."""
        found = sections(row)
        return any(text_of(s, self._paused) for s in found) and not any(self._is_on(s) for s in found)

    def _read_server(self, row: Row) -> bool:
        return not self._stopped(row)

    def _write_server(self, row: Row, text: str, staging: Staging) -> None:
        if (text == "true") == self._read_server(row):
            return
        on = [s for s in sections(row) if self._is_on(s)]
        if text == "false" and not on:
            raise ValueFault("no row is on that could be stopped")
        for section in sections(row):
            paused = text_of(section, self._paused)
            if text == "false" and section in on:
                staging.set_option("dhcp", section, self._paused, text_of(section, self._mode))
                staging.set_option("dhcp", section, self._mode, _OFF)
            elif text == "true" and paused:
                staging.set_option("dhcp", section, self._mode, paused)
                staging.set_option("dhcp", section, self._paused, "")

    # Rows and their interfaces

    def _read_interface(self, row: Row) -> str:
        found = row.view.by(_INTERFACES, "").get(interface_name(row))
        return "" if found is None else found.path[:-1]

    def _write_interface(self, row: Row, text: str, staging: Staging) -> None:
        if text == self._read_interface(row):
            return
        name = next((n for n, r in row.view.by(_INTERFACES, "").items() if r.path == f"{text}."), "")
        if text and not name:
            raise ValueFault(f"{text} is no IP interface")
        other = next((s for s in sections(row) if name and text_of(s, "interface") == name), None)
        if other is None:
            set_option(row, "dhcp", "interface", name, staging)
        elif text_of(other, self._mode):
            raise ValueFault("another row has this interface already")
        elif row.section is not None:
            own = row.section
            for one in self._options:
                if one in own.options:
                    staging.set_option("dhcp", other, one, own.options[one])
            staging.adopt(row, "dhcp", other)

    def _read_status(self, row: Row) -> str:
        if row.section is None or not self._is_on(row.section):
            return "Disabled"
        if interface_name(row) not in row.view.snapshot.package("network").sections:
            return "Error_Misconfigured"
        instances = row.view.snapshot.get(_SERVICES).get(self._daemon, {}).get("instances", {})
        return "Enabled" if any(i.get("running") for i in instances.values()) else "Error"


_RA = (
    "ra_default", "ra_flags", "ra_slaac", "ra_advrouter", "ra_offlink", "ra_preference", "ra_maxinterval",
    "ra_mininterval", "ra_lifetime", "ra_reachabletime", "ra_retranstime", "ra_hoplimit", "ra_mtu", "ra_dns",
    "disabled_ra_option",
)  # fmt: skip
_DHCPV6 = ("dhcpv6_na", "dhcpv6_pd", "dhcpv6_pd_min_len", "dhcpv6_raw", "disabled_dhcpv6_option")

_ra = Service("ra", "odhcpd", _RA)
ra_enable, ra_server, ra_interface, ra_status = _ra.enable, _ra.server_enable, _ra.interface, _ra.status
_v6 = Service("dhcpv6", "odhcpd", _DHCPV6)
v6_enable, v6_server, v6_interface, v6_status = _v6.enable, _v6.server_enable, _v6.interface, _v6.status
