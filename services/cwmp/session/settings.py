"""The configuration the service goes by: UCI's, with what DHCP says where that counts (TR-069a6 3.1)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cwmp.contract import Fault
from cwmp.contract import datamodel as dm
from cwmp.runtime import Config, Peers, Runtime, without_credentials
from cwmp.runtime.url import Url
from cwmp.session.discovery import Discovery, Provision, interfaces
from ubuskit import UbusError

_DISCOVERY_VERSION = 1
_DEADLINE = 30.0
_RENEWAL = 5.0
_PROVIDED = {
    "Device.DeviceInfo.ProvisioningCode": "provisioning_code",
    "Device.ManagementServer.CWMPRetryMinimumWaitInterval": "retry_minimum_wait_interval",
    "Device.ManagementServer.CWMPRetryIntervalMultiplier": "retry_interval_multiplier",
}
"""Parameters that DHCP may give, and the members of `Provision` they are."""


def _password_in(url: str) -> str:
    try:
        return Url.parse(url).password if url else ""
    except ValueError:
        return ""


class Settings:
    """One configuration at a time, taken up between sessions. `durably` runs a change of what is on flash."""

    def __init__(self, runtime: Runtime, durably: Callable[[Callable[[], object]], bool]) -> None:
        self._runtime = runtime
        self._durably = durably
        self._state = runtime.state("discovery", _DISCOVERY_VERSION)
        self._discovery = Discovery(self._state.load())
        self._configured_url = ""
        self.config = runtime.config()

    def take_up(self) -> Config:
        """The configuration as it is now."""
        self.config = self._with_discovered(self._runtime.config())
        return self.config

    @property
    def idle_reason(self) -> str:
        """Why no session may be opened at all; empty when one may."""
        if not self.config.enable:
            return "disabled"
        return "" if self.config.acs_url else "waiting for URL"

    @property
    def url_source(self) -> str:
        """Where the ACS's URL is from: ``configuration``, ``dhcp``, or empty."""
        if not self.config.acs_url:
            return ""
        return "configuration" if self.config.acs_url == self._configured_url else "dhcp"

    @property
    def secrets(self) -> list[str]:
        """What must not be seen in a trace, wherever it occurs."""
        config = self.config
        in_urls = (_password_in(config.acs_url), _password_in(config.http_proxy))
        own = (config.password, config.connection_request_password, config.stun_password)
        return [secret for secret in (*own, *in_urls) if secret]

    def heard(self, message: Mapping[str, Any]) -> bool:
        """A DHCP client has told something; whether it changes anything."""
        if not self._discovery.heard(message, self.config.interface):
            return False
        if url := self._discovery.found.acs_url:
            self._runtime.log.info("DHCP tells of the ACS %s", without_credentials(url))
        self._save()
        return True

    @property
    def discovered_url(self) -> str:
        """The URL in force, where it is DHCP's."""
        return self.config.acs_url if self.url_source == "dhcp" else ""

    async def provide(self, peers: Peers) -> None:
        """Have what DHCP says of parameters set by the datamodel, where nobody has set them (3.1)."""
        config = self._runtime.config()
        if not config.discovery:
            return
        wanted = self._discovery.provisions(_provision(config), _provision(Config()))
        values = {name: str(getattr(wanted, option)) for name, option in _PROVIDED.items()}
        values = {name: value for name, value in values.items() if value not in {"", "0"}}
        if values:
            args = dm.SetValues(list(values), [""] * len(values), list(values.values()))
            try:
                await peers.request(dm.SET_VALUES, args, deadline=_DEADLINE)
            except Fault as fault:
                self._runtime.log.warning("what DHCP says is not set: %s", fault.text)
                return
            self._runtime.log.info("set as DHCP says: %s", ", ".join(values))
        self._discovery.provided()
        self._save()

    def session_ended(self, *, reached: bool | None, success: bool, now: float) -> bool:
        """Whether the ACS could be reached decides about returning to the one DHCP tells of: True if so."""
        if reached is None or not self.config.discovery:
            return False
        if self._discovery.renewal_due(configured=self._configured_url, now=now):
            self._runtime.nursery.start_soon(self._renew)
        changed = self._discovery.session_ended(
            reached=reached, success=success, configured=self._configured_url, now=now
        )
        if changed:
            self._save()
        return changed

    async def _renew(self) -> None:
        """Have the DHCP clients ask their servers again: the ACS may have moved since they last did."""
        self._runtime.log.info("the ACS has been out of reach for long: DHCP is asked again")
        for name in interfaces(self.config.interface):
            with contextlib.suppress(UbusError):  # there is none of that name, or it is not by DHCP
                await self._runtime.bus.call(f"network.interface.{name}", "renew", timeout=_RENEWAL)

    def forget(self) -> None:
        """What DHCP has said and which ACS was reached."""
        self._discovery.forget()
        self._save()

    def _save(self) -> None:
        self._durably(lambda: self._state.save(self._discovery.to_document()))

    def _with_discovered(self, config: Config) -> Config:
        self._configured_url = config.acs_url
        if not config.discovery:
            return config
        return replace(config, acs_url=self._discovery.url(config.acs_url))


def _provision(config: Config) -> Provision:
    """What a configuration says of what DHCP can say."""
    return Provision(
        "", config.provisioning_code, config.retry_minimum_wait_interval, config.retry_interval_multiplier
    )
