"""Who is told of a change, when, and how it is made sure.

A package that was written is announced to procd (``service event {"type": "config.change"}``), which reloads who
depends on it. What may cut the connection to the ACS waits until the session is over (Status 1, TR-069a6
A.3.2.1); which packages those are, the mapping files say (``[packages]``). Both lists are in the journal until
they are done, so that a restart in between forgets nobody; a reboot has told everybody by itself.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping

import trio

from cwmp.contract import Empty, Fault, FaultCode, ParameterFault
from cwmp.contract.datamodel import CHANGED, Changed
from cwmp.contract.parameters import SetParameters, set_parameters
from cwmp.contract.session import GET_STATE
from cwmp.datamodel.journal import Journal
from cwmp.datamodel.tree import Model
from cwmp.datamodel.writing import Change
from cwmp.runtime import Peers
from ubuskit import UbusError
from ubuskit.client import Client
from ubuskit.errors import Disconnected

_OWNER_DEADLINE = 10.0
_STATE_DEADLINE = 10.0
_CALL_TIMEOUT = 30.0
_ATTEMPTS = 3
_MAX_TOLD = 512
_MAX_TOLD_TEXT = 64 << 10
"""Parameters in one event, and the characters of their names and values."""


class Announcer:
    """Tells daemons, owners of parameters, and whoever hears `CHANGED`."""

    def __init__(
        self,
        model: Model,
        journal: Journal,
        bus: Client,
        peers: Peers,
        log: logging.Logger,
        *,
        guarding: Callable[[], bool],
    ) -> None:
        self._model = model
        self._journal = journal
        self._bus = bus
        self._peers = peers
        self._log = log
        self._wake = trio.Event()
        self._delivering = trio.Lock()
        self._guarding = guarding
        self.session_open = False
        self.on_session_end: Callable[[bool], None] = lambda _: None
        """Called when a session is over, and at the start where none is open: whether something was applied."""
        self.on_told: Callable[[], None] = lambda: None
        """Called when a daemon was told."""
        self.on_change: Callable[[], None] = lambda: None
        """Called after each change."""

    # What a change goes through (writing.Followers)

    async def check(self, owned: Mapping[str, Mapping[str, str]]) -> list[ParameterFault]:
        """Ask the owners. One that cannot be asked refuses everything: 9002."""
        found: list[ParameterFault] = []
        for service, values in owned.items():
            try:
                await self._give(service, values, check_only=True)
            except Fault as fault:
                if fault.code != FaultCode.INVALID_ARGUMENTS or not fault.parameters:
                    raise Fault(FaultCode.INTERNAL_ERROR, f"{service}: {fault.text}") from None
                found.extend(fault.parameters)
        return found

    def guarded(self, packages: Iterable[str]) -> list[str]:
        """None before the first one that may cut the connection; from there all but our own."""
        rules = {package: self._model.packages.get(package, "at once") for package in packages}
        if not self._guarding() or not (self._journal.undo or "after session" in rules.values()):
            return []
        return [package for package, rule in rules.items() if rule != "own"]

    def status(self, change: Change) -> int:
        """1 where something of the change has to wait for the end of the session."""
        late = any(self._model.packages.get(package) == "after session" for package in change.packages)
        late |= any(call.after_session for call in change.calls)
        return int(late and (change.by_acs or self.session_open))

    def schedule(self, change: Change) -> int:
        """Put the packages on the journal's lists. Status 1 where some must wait for the session's end."""
        status = 0
        for package in change.packages:
            rule = self._model.packages.get(package, "at once")
            if rule == "own":
                continue
            wait = rule == "after session" and (change.by_acs or self.session_open)
            listed = self._journal.later if wait else self._journal.now
            status |= wait
            if package not in listed:
                listed.append(package)
        for call in change.calls:
            wait = call.after_session and (change.by_acs or self.session_open)
            (self._journal.calls_later if wait else self._journal.calls_now).append([call.name, call.detail])
            status |= wait
        return status

    async def follow(self, change: Change) -> None:
        """Owners get their values before the answer is given, so that reading sees them; the rest follows."""
        await self._deliver()
        self._wake.set()
        self.on_change()
        if change.packages or change.names:
            values = {name: change.values.get(name, "") for name in change.names}
            await self._tell_changed(change.packages, values, "acs" if change.by_acs else "local")

    async def noticed(self, values: Mapping[str, str]) -> None:
        """These watched values changed by themselves."""
        await self._tell_changed([], values, "system")

    async def _tell_changed(self, packages: list[str], values: Mapping[str, str], by: str) -> None:
        names: list[str] = []
        size = 0
        for name, value in values.items():
            size += len(name) + len(value)
            if len(names) >= _MAX_TOLD or size > _MAX_TOLD_TEXT:
                break
            names.append(name)
        more = len(names) < len(values)
        await self._peers.tell(CHANGED, Changed(packages, names, by, [values[name] for name in names], more))

    def restored(self, packages: list[str]) -> None:
        """These packages are as they were: the daemons must know."""
        self._log.info("restored: %s", ", ".join(packages) or "nothing")
        self._wake.set()
        self.on_change()

    # The session

    def session_state(self, is_open: bool) -> None:
        """The session says that it begins or ends."""
        if is_open:
            self.session_open = True
        else:
            self.session_ended()

    def session_ended(self) -> None:
        """Apply what waited for this."""
        self.session_open = False
        applied = bool(self._journal.later)
        if applied:
            self._log.info("the session is over: applying %s", ", ".join(self._journal.later))
            self._journal.now += [p for p in self._journal.later if p not in self._journal.now]
            self._journal.later.clear()
        self._journal.calls_now += self._journal.calls_later
        self._journal.calls_later.clear()
        self._wake.set()
        self.on_session_end(applied)

    async def ask_session(self) -> None:
        """Where the session stands, when we or it have just started; without one there is nothing to wait for."""
        try:
            state = await self._peers.request(GET_STATE, Empty(), deadline=_STATE_DEADLINE)
            is_open = state.open
        except Fault as fault:
            self._log.info("the session does not say whether it is open (%s): taken as closed", fault.text)
            is_open = False
        if is_open:
            self.session_open = True
        else:
            self.session_ended()

    # Telling

    async def run(self) -> None:
        """Tell procd and the owners what they must know; runs until it is cancelled."""
        while True:
            wake = self._wake = trio.Event()
            if self._journal.owed:
                await self._deliver()
            while self._journal.now:
                await self._tell_procd(self._journal.now[0])
            while self._journal.calls_now:
                await self._call(*self._journal.calls_now[0])
            await wake.wait()

    async def _tell_procd(self, package: str) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._bus.call(
                    "service",
                    "event",
                    {"type": "config.change", "data": {"package": package}},
                    timeout=_CALL_TIMEOUT,
                )
            except Disconnected:
                await self._bus.wait_connected()
            except UbusError as error:
                self._log.warning(
                    "procd was not told of the change in %s: %s", package, error or type(error).__name__
                )
                if attempt < _ATTEMPTS:
                    continue
            else:
                self._log.info("configuration %s changed: daemons told", package)
            break
        if package in self._journal.now:
            self._journal.now.remove(package)
            self._save()
            self.on_told()

    async def _call(self, name: str, detail: str) -> None:
        """What a command parameter asked for. It was acknowledged, so it is forgotten after, not before."""
        target, _, method = name.rpartition(" ")
        try:
            await self._bus.call(target, method, json.loads(detail or "{}"), timeout=_CALL_TIMEOUT)
        except Disconnected:
            await self._bus.wait_connected()
            return
        except (UbusError, ValueError) as error:
            self._log.error("ubus call %s failed: %s", name, error or type(error).__name__)
        else:
            self._log.info("ubus call %s: done", name)
        self._journal.calls_now.remove([name, detail])
        self._save()

    async def _deliver(self) -> None:
        """Give owners what was accepted for them. What they refuse now is lost, and said."""
        async with self._delivering:
            for service in list(self._journal.owed):
                values = self._journal.owed[service]
                try:
                    await self._give(service, values, check_only=False)
                except Fault as fault:
                    if fault.code == FaultCode.INTERNAL_ERROR:
                        self._log.warning("%s did not take its parameters yet: %s", service, fault.text)
                        continue
                    self._log.error("%s refused what it had accepted: %s", service, fault.text)
                if self._journal.owed.get(service) == values:
                    del self._journal.owed[service]
                    self._save()

    async def _give(self, service: str, values: Mapping[str, str], *, check_only: bool) -> None:
        await self._peers.request(
            set_parameters(service),
            SetParameters(list(values), list(values.values()), check_only),
            deadline=_OWNER_DEADLINE,
        )

    def owner_ready(self) -> None:
        """A service has started: it may be owed something."""
        if self._journal.owed:
            self._wake.set()

    def _save(self) -> None:
        try:
            self._journal.save()
        except Fault as fault:
            self._log.error("%s", fault.text)
