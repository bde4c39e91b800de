"""The sessions with the ACS, one after the other: what each is made of and what is known of it afterwards.

`hold` prepares a session (who we are and what there is to tell), runs it and says how it ended; `close` lets the
others go on with what waited for its end. When a session is due is the service's to know.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from cwmp.contract import Fault
from cwmp.contract import datamodel as dm
from cwmp.contract.session import STATE, State
from cwmp.runtime import Config, Runtime, StateFile, tls
from cwmp.runtime.addresses import AddressBook
from cwmp.runtime.clock import CLOCK_IS_SET
from cwmp.runtime.dial import Dialler
from cwmp.runtime.url import Url
from cwmp.session import events as ev
from cwmp.session import runner, soap
from cwmp.session.compression import CODINGS
from cwmp.session.door import Door
from cwmp.session.engine import CpeRequest, Engine
from cwmp.session.history import History
from cwmp.session.history import Session as Record
from cwmp.session.http import Transport
from cwmp.session.journal import Journal
from cwmp.session.reports import Reports
from cwmp.session.rpc import AcsRequests
from cwmp.session.schedule import local_date_time
from cwmp.session.scheduled import Moment
from cwmp.session.status import LastSession, Statistics
from cwmp.session.trace import Trace

if TYPE_CHECKING:
    import ssl

PEER_DEADLINE = 30.0
_LONGEST_SESSION = 3600.0
_ADDRESSES_VERSION = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a session is for."""

    inform: soap.Inform
    events: list[ev.Event]
    requests: list[CpeRequest]
    token: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended. `prepared` is None where there was no Inform, or nothing to tell by one.

    `reached` says whether there was a connection to the ACS; None where none was tried. `too_new` are the tokens
    of requests that the ACS's version does not know.
    """

    success: bool
    error: str
    prepared: Prepared | None
    reached: bool | None
    too_new: frozenset[str] = frozenset()


class Sessions:
    """`another_device` is told an identity by which the ACS does not know us yet: BOOTSTRAP is due."""

    def __init__(
        self,
        runtime: Runtime,
        journal: Journal,
        reports: Reports,
        door: Door,
        *,
        moment: Callable[[], Moment],
        another_device: Callable[[str], None],
    ) -> None:
        self._peers = runtime.peers
        self._log = runtime.log
        self._journal = journal
        self._reports = reports
        self._door = door
        self._moment = moment
        self._another_device = another_device
        path = runtime.paths.run_dir / "session" / "addresses.json"
        self._addresses = StateFile(path, _ADDRESSES_VERSION, runtime.log)
        self._dialler = Dialler(book=AddressBook(self._addresses.load().get("names")))
        self._dialled_by = ("", "")
        self._offer = soap.VERSIONS[-1]
        self._plain_for: str | None = None  # the ACS that refused compression
        self._reached: bool | None = None
        self._too_new: frozenset[str] = frozenset()
        self._end_due = True
        self.open = False
        self.step = "idle"
        self.last = LastSession()
        self.statistics = Statistics()
        self.history = History()
        self.trace = Trace()

    async def hold(self, config: Config, why: str) -> Ended:
        """One session from its beginning to its last word."""
        self.open = True
        start = time.time()
        self._reached = None
        self._too_new = frozenset()
        await self._peers.tell(STATE, State(True))
        if self._end_due:  # the session before could not be ended properly: this service was killed, say
            await self.tell_ended(success=False)
        prepared: Prepared | None = None
        problem = ""
        try:
            prepared = await self._prepare()
        except Fault as fault:
            problem = f"the Inform cannot be made: {fault.text}"
        self._end_due = True
        if prepared is None and not problem:
            return Ended(True, "", None, None)
        self.statistics.sessions += 1
        self.last = LastSession("running", "", start)
        record = self.history.began(start, why)
        if prepared is None:
            outcome = runner.Outcome(False, problem)
        else:
            record.events = [f"{e.code} {e.command_key}".rstrip() for e in prepared.events]
            outcome = await self._run(config, prepared, why, record)
        self._account(outcome, record)
        return Ended(outcome.success, outcome.error, prepared, self._reached, self._too_new)

    async def close(self, *, success: bool) -> None:
        """After `hold`, when what the session leaves behind is written down."""
        await self.tell_ended(success=success)
        self.open = False
        self.step = "idle"
        await self._peers.tell(STATE, State(False))

    async def tell_ended(self, *, success: bool) -> None:
        """What was left for the end of the session is applied now, before the next one (A.3.2.1)."""
        try:
            await self._peers.request(dm.SESSION_ENDED, dm.SessionEnded(success), deadline=PEER_DEADLINE)
        except Fault as fault:
            self._log.warning("the datamodel was not told that the session ended: %s", fault.text)
        else:
            self._end_due = False

    async def _prepare(self) -> Prepared | None:
        """The Inform and the requests of a session; None where the value change it was for has been told already.

        Raises Fault where the datamodel does not give its part.
        """
        self.step = "preparing"
        await self._door.find_address()
        for _ in range(2):
            told = self._journal.queue.for_inform(self._reports.events(), version=self._offer)
            asked = dm.GetInform([e.code for e in told])
            found = await self._peers.request(dm.GET_INFORM, asked, deadline=PEER_DEADLINE)
            device = f"{found.oui}-{found.product_class}-{found.serial_number}"
            if self._journal.device in {"", device}:
                break
            self._log.warning("this is another device than before (%s): bootstrap", device)
            self._another_device(device)
        self._journal.device = device
        if ev.VALUE_CHANGE in asked.events and not found.value_change:
            with contextlib.suppress(OSError):  # one that comes back is withdrawn again
                self._journal.withdrawn(ev.VALUE_CHANGE)
            if not self._journal.queue and not self._reports.events() and not self._journal.retry_count:
                return None
        derived = self._reports.events()
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
        requests = [] if ev.Event(ev.HEARTBEAT) in events else self._reports.requests()
        return Prepared(inform, events, requests, found.token)

    async def _run(self, config: Config, prepared: Prepared, why: str, record: Record) -> runner.Outcome:
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
            before_order=self._reports.ready_for_order,
            moment=self._moment,
        )
        transport = Transport(
            url,
            username=config.username,
            password=config.password,
            tls=lambda: self._tls_context(config),
            timeout=float(config.http_timeout),
            log=self._log,
            dialler=self._dialler_for(config),
            trace=self.trace,
            coding="" if self._plain_for == config.acs_url else CODINGS.get(config.http_compression, ""),
        )

        async def acknowledge(token: str | None) -> None:
            if token is not None:
                await self._reports.confirmed(token)
                self._log.info("confirmed by the ACS: %s", token)
                return
            self._journal.informed(prepared.events)
            self.step = "running"
            record.version = engine.version
            self._log.info("the ACS answered the Inform, CWMP %s", engine.version)
            nursery.start_soon(tell_informed)

        known = trio.Event()

        async def tell_informed() -> None:
            """While the next message is on its way; nothing that the ACS asks for is done before."""
            await self._tell_informed(prepared.token)
            known.set()

        async def serve(request: soap.Request) -> soap.Response | Fault:
            await known.wait()
            return await requests.serve(request)

        self.step = "connecting"
        try:
            async with trio.open_nursery() as nursery:
                try:
                    with trio.move_on_after(_LONGEST_SESSION):
                        return await runner.run(
                            engine,
                            transport,
                            serve=serve,
                            acknowledge=acknowledge,
                            abandon=self._reports.refused,
                            record=record.add,
                            log=self._log,
                        )
                finally:
                    await transport.aclose()
            return runner.Outcome(False, f"the session lasted longer than {_LONGEST_SESSION:g} s")
        finally:
            self._door.connected_from(transport.local_address)
            self._reached = transport.reached
            self._keep_addresses()
            self.statistics.requests += requests.count
            if transport.coding_refused:
                self._plain_for = config.acs_url
            self._too_new = engine.too_new
            self._offer = _next_offer(engine, self._offer)

    def _dialler_for(self, config: Config) -> Dialler:
        """One for as long as the proxy is the same; what is known of addresses stays beyond that."""
        if self._dialled_by != (config.http_proxy, config.no_proxy):
            self._dialled_by = (config.http_proxy, config.no_proxy)
            self._dialler = Dialler(
                proxy=config.http_proxy, no_proxy=config.no_proxy, book=self._dialler.book
            )
        return self._dialler

    def _keep_addresses(self) -> None:
        """Which addresses worked, for after a restart of this service; a reboot chooses anew."""
        try:
            self._addresses.save({"names": self._dialler.book.to_document()})
        except OSError as error:
            self._log.error("the addresses of the ACS cannot be kept: %s", error.strerror)

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

    async def _tell_informed(self, token: str) -> None:
        try:
            await self._peers.request(dm.INFORMED, dm.Informed(token), deadline=PEER_DEADLINE)
        except Fault as fault:
            self._log.warning("the datamodel does not know that the ACS has its values: %s", fault.text)

    def _account(self, outcome: runner.Outcome, record: Record) -> None:
        """For `status` and `history`."""
        last = self.last
        last.result, last.error, last.end = (
            "success" if outcome.success else "failure",
            outcome.error,
            time.time(),
        )
        record.end, record.result, record.error = last.end, last.result, last.error
        if outcome.success:
            self.statistics.success += 1
        else:
            self.statistics.failure += 1


def _next_offer(engine: Engine, offered: str) -> str:
    """Which version to offer next: 1.0 after an ACS refused the Inform of a newer one, for one try (3.7.4)."""
    if engine.initiated:
        return soap.VERSIONS[-1]
    return soap.VERSIONS[0] if engine.version_refused and offered != soap.VERSIONS[0] else soap.VERSIONS[-1]
