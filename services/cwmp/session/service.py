"""The session service: opens sessions when they are due and does what a session leaves behind.

One loop (`_Service.run`) decides; everything else that happens (a method, an operation, a fact, an accepted
connection request, SIGHUP) changes what it looks at and wakes it. So there is at most one session at a time
(TR-069a6 3.2.1), and a session sees one configuration from its beginning to its end: what changes meanwhile is
taken up after it.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import trio

from cwmp.contract import Empty, Fault, FaultCode, ParameterFault
from cwmp.contract import datamodel as dm
from cwmp.contract import firmware as fw
from cwmp.contract.parameters import GetParameters, Parameters, SetParameters, get_parameters, set_parameters
from cwmp.contract.session import GET_STATE, RAISE_EVENT, STATE, RaiseEvent, State
from cwmp.runtime import Config, Runtime, StateFile, tls, without_credentials
from cwmp.runtime.clock import CLOCK_IS_SET, date_time
from cwmp.runtime.url import Url
from cwmp.session import events as ev
from cwmp.session import runner, soap
from cwmp.session.agenda import Agenda
from cwmp.session.compression import CODINGS
from cwmp.session.discovery import Discovery
from cwmp.session.door import Door
from cwmp.session.engine import CpeRequest, Engine
from cwmp.session.history import History
from cwmp.session.history import Session as Record
from cwmp.session.http import Transport
from cwmp.session.journal import VERSION, Journal
from cwmp.session.rpc import AcsRequests
from cwmp.session.schedule import Periodic, local_date_time, unix_time
from cwmp.session.scheduled import Moment
from cwmp.session.status import LastSession, Statistics
from cwmp.session.trace import Trace
from cwmp.session.transfers import Transfers
from ubuskit.client import Method, Request
from ubuskit.errors import InvalidArgument

if TYPE_CHECKING:
    import ssl

CONNECTION_REQUEST_URL = "Device.ManagementServer.ConnectionRequestURL"

_DISCOVERY_VERSION = 1
_LONGEST_SESSION = 3600.0
_PEER_DEADLINE = 30.0
_REBOOT_PATIENCE = 120.0
_REBOOT_AGAIN = 60.0
_BY_HAND = (ev.BOOTSTRAP, ev.BOOT, ev.PERIODIC, ev.CONNECTION_REQUEST, ev.DIAGNOSTICS_COMPLETE)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a session is for."""

    inform: soap.Inform
    events: list[ev.Event]
    requests: list[CpeRequest]
    token: str


async def serve(runtime: Runtime) -> None:
    """Run the session service until it is cancelled."""
    await _Service(runtime).run()


class _Service:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._peers = runtime.peers
        self._log = runtime.log
        self._config = runtime.config()
        volatile = StateFile(runtime.paths.run_dir / "session" / "events.json", VERSION, runtime.log)
        self._journal = Journal(runtime.state("events", VERSION), volatile)
        self._random = random.SystemRandom()
        self._agenda = Agenda(self._random.random)
        self._phase = self._random.random()
        self._discovery_state = runtime.state("discovery", _DISCOVERY_VERSION)
        self._discovery = Discovery(self._discovery_state.load())
        self._configured_url = ""
        self._reached: bool | None = None
        self._transfers = Transfers(self._peers, self._journal, self._log, self._on_transfer)
        self._door = Door(runtime, lambda: self._open, self._on_connection_request)
        self._wake = trio.Event()
        self._reload = True
        self._reset = False
        self._open = False
        self._came_up = False
        self._step = "idle"
        self._offer = soap.VERSIONS[-1]
        self._plain_for: str | None = None  # the ACS that refused compression
        self._end_due = True
        self._reboot_at = 0.0
        self._rebooting = False
        self._last = LastSession()
        self._statistics = Statistics()
        self._history = History()
        self._trace = Trace()

    # Start-up and the loop

    async def run(self) -> None:
        runtime, peers = self._runtime, self._peers
        self._durably(lambda: self._note_boot(runtime.boot_id))
        runtime.on_reload(self._on_reload)
        peers.answer(RAISE_EVENT, self._answer_raise_event)
        peers.answer(GET_STATE, self._answer_get_state)
        peers.answer(get_parameters("session"), self._answer_get_parameters)
        peers.answer(set_parameters("session"), self._answer_set_parameters)
        await peers.hear(dm.CHANGED, self._on_changed)
        await peers.hear(fw.TRANSFER, lambda _: self._transfers.changed())
        peers.on_ready("firmware", self._transfers.changed)
        await runtime.bus.listen("cwmp.dhcp", self._on_dhcp)
        await runtime.bus.add_object(
            "cwmp",
            {
                "status": Method(self._method_status),
                "inform": Method(self._method_inform, {"event": str}),
                "reload": Method(self._method_reload),
                "reset": Method(self._method_reset),
                "history": Method(self._method_history),
                "trace": Method(self._method_trace, {"enable": bool}),
                "traced": Method(self._method_traced, {"since": int}),
            },
        )
        await peers.ready()
        if self._journal.queue:
            self._agenda.event(next(iter(self._journal.queue)).code)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._transfers.run)
            nursery.start_soon(self._door.keep, self._config)
            await self._loop()

    async def _loop(self) -> None:
        await self._tell_session_ended(
            success=False
        )  # one that was cut off with the service, if there was one
        self._take_up_config()
        if self._journal.open:
            self._agenda.ended(complete=False, now=trio.current_time())
        while True:
            if self._reset:
                self._forget()
            if self._reload:
                self._take_up_config()
            now = trio.current_time()
            until = float("inf")
            if self._journal.reboot_due and not self._rebooting and now >= self._reboot_at:
                await self._reboot()
                continue
            if self._rebooting and now >= self._reboot_at:
                self._log.error("the device did not reboot; asked for again after the next session")
                self._rebooting = False
                self._durably(self._journal.reboot_failed)
            if self._rebooting or self._journal.reboot_due:
                until = self._reboot_at
            if not self._rebooting and not self._idle_reason():
                if self._agenda.periodic_due(wall=time.time(), now=now):
                    self._raise([ev.Event(ev.PERIODIC)])
                self._raise_scheduled()
                due, why = self._agenda.next(now)
                if self._agenda.by_event and not self._journal.queue and not self._transfers:
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

    def _idle_reason(self) -> str:
        """Why no session may be opened at all; empty when one may."""
        if not self._config.enable:
            return "disabled"
        return "" if self._config.acs_url else "waiting for URL"

    def _woken(self) -> None:
        self._wake.set()

    def _take_up_config(self) -> None:
        """The configuration as it is now; a new ACS URL makes BOOTSTRAP due (3.7.1.5)."""
        self._reload = False
        self._config = config = self._with_discovered(self._runtime.config())
        self._trace.secrets = _secrets(config)
        periodic = None
        if config.periodic_inform_enable:
            reference = unix_time(config.periodic_inform_time)
            periodic = Periodic(config.periodic_inform_interval, reference, self._phase)
        self._agenda.configure(
            periodic,
            config.retry_minimum_wait_interval,
            config.retry_interval_multiplier,
            wall=time.time(),
            now=trio.current_time(),
        )
        self._door.configure(config)
        if config.enable and config.acs_url and config.acs_url != self._journal.acs_url:
            self._bootstrap(self._journal.device)

    def _with_discovered(self, config: Config) -> Config:
        """The configuration with what DHCP says, where it says anything that counts (3.1)."""
        self._configured_url = config.acs_url
        found = self._discovery.found
        if not config.discovery or self._discovery.url(config.acs_url) != found.acs_url:
            return config
        default = Config()
        minimum, multiplier = config.retry_minimum_wait_interval, config.retry_interval_multiplier
        if found.retry_minimum_wait_interval and minimum == default.retry_minimum_wait_interval:
            minimum = found.retry_minimum_wait_interval
        if found.retry_interval_multiplier and multiplier == default.retry_interval_multiplier:
            multiplier = found.retry_interval_multiplier
        return replace(
            config,
            acs_url=found.acs_url,
            retry_minimum_wait_interval=minimum,
            retry_interval_multiplier=multiplier,
        )

    def _forget(self) -> None:
        """What is known of ACS, events and retries goes; the configuration and the data model stay."""
        self._log.warning("the state of CWMP is reset")
        self._reset = False
        self._reload = True
        self._agenda.forget()
        self._discovery.forget()
        self._durably(self._journal.forget)
        self._durably(lambda: self._discovery_state.save(self._discovery.to_document()))

    def _bootstrap(self, device: str) -> None:
        keep_boot = self._came_up or not self._journal.acs_url
        url = self._config.acs_url
        self._durably(lambda: self._journal.bootstrap(acs_url=url, device=device, keep_boot=keep_boot))
        self._agenda.event(ev.BOOTSTRAP)
        self._transfers.changed()

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

    # One session

    async def _session(self, why: str) -> None:
        self._open = True
        self._agenda.began()
        self._durably(self._journal.session_began)
        self._statistics.sessions += 1
        self._last = LastSession("running", "", time.time())
        self._reached = None
        record = self._history.began(self._last.start, why)
        await self._peers.tell(STATE, State(True))
        if self._end_due:  # the session before could not be ended properly: this service was killed, say
            await self._tell_session_ended(success=False)
        prepared: _Prepared | None = None
        try:
            prepared = await self._prepare()
            record.events = [f"{e.code} {e.command_key}".rstrip() for e in prepared.events]
            outcome = await self._run(prepared, why, record)
        except Fault as fault:
            outcome = runner.Outcome(False, f"the Inform cannot be made: {fault.text}")
        self._came_up = False
        self._end_due = True
        self._finish(outcome, prepared)
        record.end, record.result, record.error = self._last.end, self._last.result, outcome.error
        await self._tell_session_ended(success=outcome.success)
        self._open = False
        self._step = "idle"
        await self._peers.tell(STATE, State(False))

    async def _prepare(self) -> _Prepared:
        """The Inform and the requests of a session. Raises Fault where the datamodel does not give its part."""
        self._step = "preparing"
        await self._door.find_address()
        for _ in range(2):
            told = self._journal.queue.for_inform(self._transfers.events(), version=self._offer)
            asked = dm.GetInform([e.code for e in told])
            found = await self._peers.request(dm.GET_INFORM, asked, deadline=_PEER_DEADLINE)
            device = f"{found.oui}-{found.product_class}-{found.serial_number}"
            if self._journal.device in {"", device}:
                break
            self._log.warning("this is another device than before (%s): bootstrap", device)
            self._bootstrap(device)
            self._agenda.nothing_left()
        self._journal.device = device
        derived = self._transfers.events()
        if found.value_change and ev.BOOTSTRAP not in self._journal.queue:
            derived = [ev.Event(ev.VALUE_CHANGE), *derived]
        events = self._journal.queue.for_inform(derived, version=self._offer)
        self._journal.queue.sending()
        inform = soap.Inform(
            found.manufacturer,
            found.oui,
            found.product_class,
            found.serial_number,
            [soap.EventStruct(e.code, e.command_key) for e in events],
            local_date_time(time.time(), time.monotonic()),
            self._journal.retry_count,
            found.names,
            found.types,
            found.values,
        )
        return _Prepared(inform, events, self._transfers.requests(), found.token)

    async def _run(self, prepared: _Prepared, why: str, record: Record) -> runner.Outcome:
        config = self._config
        try:
            url = Url.parse(config.acs_url)
        except ValueError as error:
            return runner.Outcome(False, f"option 'acs_url': {error}")
        names = ", ".join(e.code for e in prepared.events) or "no events"
        self._log.info("session with %s: Inform with %s (%s)", url, names, why)
        engine = Engine(
            prepared.inform,
            prepared.requests,
            version=self._offer,
            session_timeout=config.session_timeout,
            id_prefix=f"{secrets.token_hex(3)}-",
        )
        requests = AcsRequests(
            self._peers,
            self._journal,
            self._log,
            limit=max(config.session_timeout - 5.0, 20.0),
            before_download=self._transfers.ready_for_download,
            moment=self._moment,
        )
        transport = Transport(
            url,
            username=config.username,
            password=config.password,
            tls=lambda: self._tls_context(config),
            timeout=float(config.http_timeout),
            log=self._log,
            trace=self._trace,
            coding="" if self._plain_for == config.acs_url else CODINGS.get(config.http_compression, ""),
        )

        async def acknowledge(token: str | None) -> None:
            if token is not None:
                await self._transfers.confirmed(token)
                self._log.info("TransferComplete confirmed")
                return
            self._journal.informed(prepared.events)
            self._step = "running"
            record.version = engine.version
            self._log.info("the ACS answered the Inform, CWMP %s", engine.version)
            await self._tell_informed(prepared.token)

        self._step = "connecting"
        try:
            with trio.fail_after(_LONGEST_SESSION):
                return await runner.run(
                    engine,
                    transport,
                    serve=requests.serve,
                    acknowledge=acknowledge,
                    record=record.add,
                    log=self._log,
                )
        except trio.TooSlowError:
            return runner.Outcome(False, f"the session lasted longer than {_LONGEST_SESSION:g} s")
        finally:
            self._door.connected_from(transport.local_address)
            self._reached = bool(transport.local_address)
            self._statistics.requests += requests.count
            if transport.coding_refused:
                self._plain_for = config.acs_url
            self._offer = _next_offer(engine, self._offer)
            await transport.aclose()

    def _tls_context(self, config: Config) -> ssl.SSLContext:
        unset = time.time() < CLOCK_IS_SET
        if unset:
            self._log.warning("the clock is not set: the dates of the ACS's certificate are not looked at")
        return tls.client_context(
            config.ca_file,
            certificate=config.client_certificate,
            key=config.client_key,
            ignore_dates=unset,
        )

    def _finish(self, outcome: runner.Outcome, prepared: _Prepared | None) -> None:
        """Record how it ended, for the next one and for `status`."""
        left = False
        if prepared is not None:
            events = prepared.events
            self._durably(lambda: self._journal.session_ended(events, success=outcome.success))
            refused = {r.token for r in prepared.requests} & {t.id for t in self._transfers.reportable()}
            left = bool(refused)
        else:
            self._durably(self._journal.session_given_up)
        self._agenda.ended(complete=outcome.success and not left, now=trio.current_time())
        self._note_reached(outcome.success)
        self._last.result = "success" if outcome.success else "failure"
        self._last.error = outcome.error
        self._last.end = time.time()
        took = self._last.end - self._last.start
        if outcome.success:
            self._statistics.success += 1
            self._log.info("session ended in success after %.1f s", took)
        else:
            self._statistics.failure += 1
            due, _ = self._agenda.next(trio.current_time())
            wait = max((due or 0.0) - trio.current_time(), 0.0)
            self._log.warning("session failed: %s; next try in %.0f s", outcome.error, wait)

    def _note_reached(self, success: bool) -> None:
        """Whether the ACS could be reached decides about returning to the one DHCP tells of."""
        if self._reached is None or not self._config.discovery:
            return
        now = trio.current_time()
        if self._discovery.session_ended(
            reached=self._reached, success=success, configured=self._configured_url, now=now
        ):
            self._durably(lambda: self._discovery_state.save(self._discovery.to_document()))
            self._reload = True

    async def _tell_informed(self, token: str) -> None:
        try:
            await self._peers.request(dm.INFORMED, dm.Informed(token), deadline=_PEER_DEADLINE)
        except Fault as fault:
            self._log.warning("the datamodel does not know that the ACS has its values: %s", fault.text)

    async def _tell_session_ended(self, *, success: bool) -> None:
        """What was left for the end of the session is applied now, before the next one (A.3.2.1)."""
        try:
            await self._peers.request(dm.SESSION_ENDED, dm.SessionEnded(success), deadline=_PEER_DEADLINE)
        except Fault as fault:
            self._log.warning("the datamodel was not told that the session ended: %s", fault.text)
        else:
            self._end_due = False

    async def _reboot(self) -> None:
        """What Reboot asked for, once, after the session (A.3.2.9)."""
        key = self._journal.reboots[-1] if self._journal.reboots else ""
        self._log.info("rebooting, as the ACS asked for")
        try:
            await self._peers.request(fw.REBOOT, fw.Reboot(key), deadline=_PEER_DEADLINE)
        except Fault as fault:
            self._log.error("the reboot was refused, it will be asked for again: %s", fault.text)
            self._reboot_at = trio.current_time() + _REBOOT_AGAIN
        else:
            self._rebooting = True
            self._reboot_at = trio.current_time() + _REBOOT_PATIENCE

    # What the others ask and tell

    async def _answer_raise_event(self, args: RaiseEvent, _id: str) -> Empty:
        event = ev.Event(args.code, args.command_key)
        if args.code not in ev.RULES or event.rule.ack is not ev.Ack.INFORM or len(args.command_key) > 32:
            raise Fault(FaultCode.INVALID_ARGUMENTS, f"{args.code!r:.80} is no event that can be raised")
        if not self._raise([event]):
            raise Fault(FaultCode.INTERNAL_ERROR, "state cannot be written")
        return Empty()

    async def _answer_get_state(self, _args: Empty, _id: str) -> State:
        return State(self._open)

    async def _answer_get_parameters(self, args: GetParameters, _id: str) -> Parameters:
        if not any(CONNECTION_REQUEST_URL.startswith(path) for path in args.paths):
            return Parameters([], [])
        await self._door.find_address()
        return Parameters([CONNECTION_REQUEST_URL], [self._door.url()])

    async def _answer_set_parameters(self, args: SetParameters, _id: str) -> Empty:
        faults = [ParameterFault(name, FaultCode.NOT_WRITABLE, "read-only") for name in args.names]
        raise Fault(FaultCode.INVALID_ARGUMENTS, "these parameters are read-only", faults)

    def _on_changed(self, changed: dm.Changed) -> None:
        if "cwmp" in changed.packages:
            self._on_reload()

    def _on_dhcp(self, _event: str, message: Mapping[str, Any]) -> None:
        if self._discovery.heard(message, self._config.interface):
            found = self._discovery.found
            self._log.info("DHCP tells of the ACS %s", without_credentials(found.acs_url))
            self._durably(lambda: self._discovery_state.save(self._discovery.to_document()))
            self._on_reload()

    def _on_reload(self) -> None:
        self._reload = True
        self._woken()

    def _on_transfer(self) -> None:
        self._agenda.event(ev.TRANSFER_COMPLETE)
        self._woken()

    def _on_connection_request(self) -> None:
        self._statistics.connection_requests += 1
        self._raise([ev.Event(ev.CONNECTION_REQUEST)])

    # The ubus object

    async def _method_status(self, _request: Request) -> Mapping[str, Any]:
        config, now = self._config, trio.current_time()
        idle = self._idle_reason()
        due, why = (None, "") if idle else self._agenda.next(now)
        pending = [*self._journal.queue, *self._transfers.events()]
        return {
            "state": idle or "running",
            "session": self._step,
            "acs_url": without_credentials(config.acs_url),
            "acs_url_from": self._url_source(),
            "last_session": self._last.to_table(),
            "next_session": {
                "time": date_time(time.time() + max(due - now, 0.0)) if due is not None else "",
                "why": why,
            },
            "statistics": self._statistics.to_table(),
            "pending_events": [f"{e.code} {e.command_key}".rstrip() for e in pending],
            "retry_count": self._journal.retry_count,
            "connection_request_url": self._door.url(),
        }

    def _url_source(self) -> str:
        if not self._config.acs_url:
            return ""
        return "configuration" if self._config.acs_url == self._configured_url else "dhcp"

    async def _method_inform(self, request: Request) -> Mapping[str, Any]:
        wanted = str(request.args.get("event") or ev.PERIODIC).strip().upper()
        code = next((c for c in _BY_HAND if wanted in {c, *c.split(" ", 1)}), None)
        if code is None:
            raise InvalidArgument(f"event: one of {', '.join(_BY_HAND)}")
        if idle := self._idle_reason():
            return {"accepted": False, "info": f"no session: {idle}"}
        if code == ev.BOOTSTRAP:
            self._bootstrap(self._journal.device)
            self._woken()
        else:
            self._raise([ev.Event(code)])
        return {"accepted": True, "info": "after the session that runs" if self._open else "session starts"}

    async def _method_reload(self, _request: Request) -> Mapping[str, Any]:
        self._runtime.reload()
        return {}

    async def _method_reset(self, _request: Request) -> Mapping[str, Any]:
        """Between two sessions: one that is open goes on to its end as it was begun."""
        self._reset = True
        self._woken()
        return {"info": "after the session that runs" if self._open else "done"}

    async def _method_history(self, _request: Request) -> Mapping[str, Any]:
        return self._history.to_table()

    async def _method_trace(self, request: Request) -> Mapping[str, Any]:
        """Switch tracing, where `enable` is given; says whether it is on."""
        if (enable := request.args.get("enable")) is not None:
            self._trace.enabled = bool(enable)
            self._log.info("trace %s", "on" if enable else "off")
        return {"enabled": self._trace.enabled}

    async def _method_traced(self, request: Request) -> Mapping[str, Any]:
        return self._trace.since(int(request.args.get("since") or 0))


def _secrets(config: Config) -> list[str]:
    """What must not be seen in a trace, wherever it occurs."""
    try:
        in_url = Url.parse(config.acs_url).password
    except ValueError:
        in_url = ""
    return [s for s in (config.password, config.connection_request_password, in_url) if s]


def _next_offer(engine: Engine, offered: str) -> str:
    """Which version to offer next: 1.0 after an ACS refused the Inform of a newer one, for one try (3.7.4)."""
    if engine.initiated:
        return soap.VERSIONS[-1]
    return soap.VERSIONS[0] if engine.version_refused and offered != soap.VERSIONS[0] else soap.VERSIONS[-1]


__all__ = ["serve"]
