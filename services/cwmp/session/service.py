"""The session service: opens sessions when they are due and does what a session leaves behind.

One loop (`Service.run`) decides; everything else that happens (a method, an operation, a fact, an accepted
connection request, SIGHUP) changes what it looks at and wakes it. So there is at most one session at a time
(TR-069a6 3.2.1), and a session sees one configuration from its beginning to its end: what changes meanwhile is
taken up after it. How a session is made and run is in `sessions`, the ubus methods are in `bus_object`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import trio

from cwmp.contract import Empty, Fault, FaultCode
from cwmp.contract import datamodel as dm
from cwmp.contract import firmware as fw
from cwmp.contract.session import (
    GET_STATE,
    RAISE_EVENT,
    REQUEST_DOWNLOAD,
    RaiseEvent,
    RequestDownload,
    State,
)
from cwmp.runtime import Runtime, StateFile, without_credentials
from cwmp.runtime.clock import date_time
from cwmp.session import events as ev
from cwmp.session.agenda import Agenda
from cwmp.session.bus_object import BusObject
from cwmp.session.compatibility import CompatibleObject
from cwmp.session.door import Door
from cwmp.session.history import History
from cwmp.session.journal import VERSION, Journal
from cwmp.session.parameters import OwnParameters
from cwmp.session.planned import PlannedReboot
from cwmp.session.reports import Reports
from cwmp.session.restart import Restarts
from cwmp.session.schedule import Periodic, unix_time
from cwmp.session.scheduled import Moment
from cwmp.session.sessions import Ended, Sessions
from cwmp.session.settings import Settings
from cwmp.session.verbosity import Verbosity


async def serve(runtime: Runtime) -> None:
    """Run the session service until it is cancelled."""
    await Service(runtime).run()


class Service:
    """The service; its public methods are what an operator can ask for."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._peers = runtime.peers
        self._log = runtime.log
        self._settings = Settings(runtime, self._durably)
        volatile = StateFile(runtime.paths.run_dir / "session" / "events.json", VERSION, runtime.log)
        self._journal = Journal(runtime.state("events", VERSION), volatile)
        chance = random.SystemRandom()
        self._agenda = Agenda(chance.random)
        self._phase, self._heartbeat_phase = chance.random(), chance.random()
        self._reports = Reports(self._peers, self._journal, self._log, self._on_report)
        self._door = Door(runtime, lambda: self._sessions.open, self._on_connection_request)
        self._sessions = Sessions(
            runtime,
            self._journal,
            self._reports,
            self._door,
            moment=self._moment,
            another_device=self._on_another_device,
        )
        self._restarts = Restarts(runtime, self._journal, self._durably, self._moment)
        self._compatible = CompatibleObject(runtime.bus, self, self._restarts.by_hand, self._log)
        self._verbosity = Verbosity(runtime)
        self._wake = trio.Event()
        self._reload = True
        self._reset = False
        self._came_up = False

    # Start-up and the loop

    async def run(self) -> None:
        runtime, peers = self._runtime, self._peers
        self._durably(lambda: self._note_boot(runtime.boot_id))
        runtime.on_reload(self._on_reload)
        peers.answer(RAISE_EVENT, self._answer_raise_event)
        peers.answer(REQUEST_DOWNLOAD, self._answer_request_download)
        peers.answer(GET_STATE, self._answer_get_state)
        OwnParameters(
            self._door,
            lambda: self._settings.discovered_url,
            self._restarts.planned,
            self._plan,
            lambda: self._sessions.open,
        ).answer(peers)
        peers.on_ready("datamodel", lambda: runtime.nursery.start_soon(self._settings.provide, peers))
        await peers.hear(dm.CHANGED, self._on_changed)
        await peers.hear(fw.TRANSFER, lambda _: self._reports.transfers.changed())
        await peers.hear(fw.DU_CHANGED, lambda _: self._reports.changes.changed())
        peers.on_ready("firmware", self._reports.changed)
        await runtime.bus.listen("cwmp.dhcp", self._on_dhcp)
        sessions = self._sessions
        await BusObject(self, self.history, sessions.trace, self._verbosity, self._log).add_to(runtime.bus)
        await peers.ready()
        if pending := [*self._journal.queue, *self._reports.events()]:
            self._agenda.event(pending[0].code)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._reports.run)
            nursery.start_soon(self._door.keep, self._settings.config)
            await self._loop()

    async def _loop(self) -> None:
        # One that was cut off with the service, if there was one.
        await self._sessions.tell_ended(success=False)
        self._restarts.session_ended()
        await self._take_up_config()
        if self._journal.open:
            self._agenda.ended(complete=False, now=trio.current_time())
        while True:
            if self._reset:
                self._forget()
            if self._reload:
                await self._take_up_config()
            now = trio.current_time()
            if await self._restarts.step(now):
                continue
            until = self._restarts.until(now)
            if not self._restarts.under_way and not self._settings.idle_reason:
                if self._agenda.periodic_due(wall=time.time(), now=now):
                    self._raise([ev.Event(ev.PERIODIC)])
                self._raise_scheduled()
                self._raise_heartbeat(now)
                due, why = self._agenda.next(now)
                if self._agenda.by_event and not self._journal.queue and not self._reports.events():
                    self._agenda.nothing_left()
                    continue
                if due is not None and due <= now:
                    await self._session(why)
                    continue
                until = min(until, self._agenda.next_look(now))
                if (wait := self._journal.scheduled.wait(self._moment())) is not None:
                    until = min(until, now + wait)
            with trio.move_on_at(until):
                await self._wake.wait()
            self._wake = trio.Event()

    def _note_boot(self, boot_id: str) -> None:
        self._came_up = boot_id != self._journal.boot_id
        self._journal.booted(boot_id)

    def _durably(self, change: Callable[[], object]) -> bool:
        """Make a change of the journal; False, logged, when the flash does not take it (it counts in memory)."""
        try:
            change()
        except OSError as error:
            self._log.error("state cannot be written: %s", error.strerror or error)
            return False
        return True

    def _woken(self) -> None:
        self._wake.set()

    async def _take_up_config(self) -> None:
        """The configuration as it is now; a new ACS URL makes BOOTSTRAP due (3.7.1.5)."""
        self._reload = False
        config = self._settings.take_up()
        self._sessions.trace.secrets = self._settings.secrets
        periodic = heartbeat = None
        if config.periodic_inform_enable:
            reference = unix_time(config.periodic_inform_time)
            periodic = Periodic(config.periodic_inform_interval, reference, self._phase)
        if config.heartbeat_enable:
            reference = unix_time(config.heartbeat_time)
            heartbeat = Periodic(config.heartbeat_interval, reference, self._heartbeat_phase)
        self._agenda.configure(
            periodic,
            config.retry_minimum_wait_interval,
            config.retry_interval_multiplier,
            heartbeat=heartbeat,
            wall=time.time(),
            now=trio.current_time(),
        )
        self._door.configure(config)
        if config.enable and config.acs_url and config.acs_url != self._journal.acs_url:
            self._bootstrap(self._journal.device)
        await self._compatible.switch(config.compatibility)
        await self._verbosity.tell()

    def _forget(self) -> None:
        """What is known of ACS, events and retries goes; the configuration and the data model stay."""
        self._log.warning("the state of CWMP is reset")
        self._reset = False
        self._reload = True
        self._agenda.forget()
        self._durably(self._journal.forget)
        self._settings.forget()

    def _bootstrap(self, device: str) -> None:
        keep_boot = self._came_up or not self._journal.acs_url
        url = self._settings.config.acs_url
        self._durably(lambda: self._journal.bootstrap(acs_url=url, device=device, keep_boot=keep_boot))
        self._agenda.event(ev.BOOTSTRAP)
        self._reports.changed()

    def _on_another_device(self, device: str) -> None:
        """While a session is being prepared: that one tells."""
        self._bootstrap(device)
        self._agenda.nothing_left()

    def _raise(self, events: list[ev.Event]) -> bool:
        """Put events into the queue and see to a session; whether they are durable."""
        durable = self._durably(lambda: self._journal.raise_events(events))
        for event in events:
            self._agenda.event(event.code)
        self._woken()
        return durable

    def _moment(self) -> Moment:
        return Moment(self._runtime.boot_id, time.monotonic(), time.time())

    def _raise_scheduled(self) -> None:
        """Informs the ACS has scheduled become events when they are due (A.3.2.10)."""
        now = self._moment()
        if self._journal.scheduled.wait(now) == 0:
            self._durably(lambda: self._journal.informs_due(now))
            self._agenda.event(ev.SCHEDULED)

    def _raise_heartbeat(self, now: float) -> None:
        """Where one is due; it goes first, but never before the ACS knows us (Annex O)."""
        queue = self._journal.queue
        beating = ev.HEARTBEAT in queue or ev.BOOTSTRAP in queue
        if self._agenda.heartbeat_due(undelivered=beating, wall=time.time(), now=now):
            self._raise([ev.Event(ev.HEARTBEAT)])

    # One session

    async def _session(self, why: str) -> None:
        self._agenda.began()
        self._durably(self._journal.session_began)
        ended = await self._sessions.hold(self._settings.config, why)
        self._came_up = False
        self._finish(ended)
        await self._sessions.close(success=ended.success)
        self._restarts.session_ended()

    def _finish(self, ended: Ended) -> None:
        """Record how it ended, for the next one."""
        left = False
        if ended.prepared is not None:
            events = ended.prepared.events
            self._durably(lambda: self._journal.session_ended(events, success=ended.success))
            if ended.success and ev.Event(ev.HEARTBEAT) in events:
                self._see_to_the_rest()
            asked = {r.token for r in ended.prepared.requests} - ended.too_new
            left = bool(asked & {r.token for r in self._reports.requests()})
        else:
            self._durably(self._journal.session_given_up)
        now = trio.current_time()
        self._agenda.ended(complete=ended.success and not left, now=now)
        if self._settings.session_ended(reached=ended.reached, success=ended.success, now=now):
            self._reload = True
        if ended.success and ended.prepared is None:
            self._log.debug("no session: what it was for has been told meanwhile")
        elif ended.success:
            took = self._sessions.last.end - self._sessions.last.start
            self._log.info("session ended in success after %.1f s", took)
        else:
            due, _ = self._agenda.next(now)
            wait = max((due or 0.0) - now, 0.0)
            self._log.warning("session failed: %s; next try in %.0f s", ended.error, wait)

    def _see_to_the_rest(self) -> None:
        """What a heartbeat went before has a session now."""
        for event in [*self._journal.queue, *self._reports.events()][:1]:
            self._agenda.event(event.code)

    # What the others ask and tell

    async def _answer_raise_event(self, args: RaiseEvent, _id: str) -> Empty:
        event = ev.Event(args.code, args.command_key)
        if args.code not in ev.RULES or event.rule.ack is not ev.Ack.INFORM or len(args.command_key) > 32:
            raise Fault(FaultCode.INVALID_ARGUMENTS, f"{args.code!r:.80} is no event that can be raised")
        if not self._raise([event]):
            raise Fault(FaultCode.INTERNAL_ERROR, "state cannot be written")
        return Empty()

    async def _answer_request_download(self, args: RequestDownload, request_id: str) -> Empty:
        try:
            self._reports.request_download(args, request_id)
        except OSError as error:
            text = f"state cannot be written: {error.strerror or error}"
            raise Fault(FaultCode.INTERNAL_ERROR, text) from None
        return Empty()

    async def _answer_get_state(self, _args: Empty, _id: str) -> State:
        return State(self._sessions.open)

    def _plan(self, change: Callable[[PlannedReboot, Moment], None]) -> None:
        self._restarts.plan(change)
        self._woken()

    def _on_changed(self, changed: dm.Changed) -> None:
        if "cwmp" in changed.packages:
            self._on_reload()

    def _on_dhcp(self, _event: str, message: Mapping[str, Any]) -> None:
        if self._settings.heard(message):
            self._runtime.nursery.start_soon(self._take_up_dhcp)

    async def _take_up_dhcp(self) -> None:
        """What a server says of parameters is set before there is a session with its ACS."""
        await self._settings.provide(self._peers)
        self._on_reload()

    def _on_reload(self) -> None:
        self._reload = True
        self._woken()

    def _on_report(self, code: str) -> None:
        self._agenda.event(code)
        self._woken()

    def _on_connection_request(self) -> None:
        self._sessions.statistics.connection_requests += 1
        self._raise([ev.Event(ev.CONNECTION_REQUEST)])

    # What an operator asks for

    def status(self) -> dict[str, Any]:
        """docs/ubus.md describes it."""
        sessions, now = self._sessions, trio.current_time()
        idle = self._settings.idle_reason
        due, why = (None, "") if idle else self._agenda.next(now)
        pending = [*self._journal.queue, *self._reports.events()]
        return {
            "state": idle or "running",
            "session": sessions.step,
            "acs_url": without_credentials(self._settings.config.acs_url),
            "acs_url_from": self._settings.url_source,
            "last_session": sessions.last.to_table(),
            "next_session": {
                "time": date_time(time.time() + max(due - now, 0.0)) if due is not None else "",
                "why": why,
            },
            "statistics": sessions.statistics.to_table(),
            "pending_events": [f"{e.code} {e.command_key}".rstrip() for e in pending],
            "retry_count": self._journal.retry_count,
            "connection_request_url": self._door.url(),
            "udp_connection_request_address": self._door.udp_address(),
        }

    @property
    def history(self) -> History:
        """The last sessions, RPC by RPC."""
        return self._sessions.history

    @property
    def session_open(self) -> bool:
        return self._sessions.open

    def inform(self, code: str) -> tuple[bool, str]:
        """A session with this event: whether there will be one, and in plain words when, or why not."""
        if idle := self._settings.idle_reason:
            return False, f"no session: {idle}"
        if code == ev.BOOTSTRAP:
            self._bootstrap(self._journal.device)
            self._woken()
        else:
            self._raise([ev.Event(code)])
        return True, "after the session that runs" if self._sessions.open else "session starts"

    def reload(self) -> None:
        """Read the configuration again."""
        self._runtime.reload()

    def reset(self) -> str:
        """Forget the ACS, between two sessions: one that is open goes on to its end as it was begun."""
        self._reset = True
        self._woken()
        return "after the session that runs" if self._sessions.open else "done"


__all__ = ["Service", "serve"]
