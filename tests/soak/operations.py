"""What is done to the router in a soak, one method a kind of operation; each checks its own result.

`Work` is the script of the ACS and the router's user at once. A session that nobody asked for (periodic, a value
that changed, a report) is held by the ACS until the next operation takes it, so every session that comes is looked
at: the ledger gets its events and reports, whatever it was for.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import trio
from tests.soak.ledger import Due, Ledger

from cwmp.lab.acs import (
    Acs,
    AddObject,
    Attributes,
    CpeFault,
    DeleteObject,
    Download,
    GetParameterAttributes,
    GetParameterNames,
    GetParameterValues,
    Session,
    SetParameterAttributes,
    SetParameterValues,
    Upload,
    Value,
)
from cwmp.lab.acs import behaviour as bad
from cwmp.lab.router import Router
from ubuskit.client import Client
from ubuskit.uci import Set, Uci

KEY = "Device.ManagementServer.ParameterKey"
HOSTNAME = "Device.DeviceInfo.HostName"
SSID = "Device.WiFi.SSID.1.SSID"
EXAMPLE = "Device.X_EXAMPLE_COM_MyPackage.Example"
POOLS = "Device.DHCPv4.Server.Pool."
PING = "Device.IP.Diagnostics.IPPing."
REPORTED = ("IPPing", "upload", "failing download")
"""Kinds whose end is their report; the others end with their own session."""

PARTS = (
    "Device.DeviceInfo.",
    "Device.WiFi.",
    "Device.IP.",
    "Device.Hosts.",
    "Device.Ethernet.",
    POOLS,
    HOSTNAME,
)

_RESTING = ("firmware", "diagnostics")
_PATIENCE = 60.0


class Wrong(Exception):
    """An operation did not do what it should; the text says what."""


def check(right: object, what: str) -> None:
    if not right:
        raise Wrong(what)


class Work:
    """All operations on one router. `kinds` maps their names to how often they are drawn and what they do."""

    def __init__(self, router: Router, acs: Acs, bus: Client, random: Random, user: tuple[str, str]) -> None:
        self.ledger = Ledger()
        self.knocked = 0
        self._router = router
        self._acs = acs
        self._bus = bus
        self._random = random
        self._user = user
        self._count = 0
        self.kinds: dict[str, tuple[int, Callable[[], Awaitable[None]]]] = {
            "full read": (2, self.full_read),
            "partial read": (8, self.partial_read),
            "names": (3, self.names),
            "set": (8, self.set),
            "refused set": (4, self.refused_set),
            "add and delete": (4, self.add_and_delete),
            "attributes": (2, self.attributes),
            "change by UCI": (3, self.change_by_uci),
            "change by ubus": (3, self.change_by_ubus),
            "connection request": (3, self.connection_request),
            "upload": (3, self.upload),
            "failing download": (3, self.failing_download),
            "IPPing": (3, self.ping),
            "bad ACS": (3, self.bad_acs),
            "rest": (1, self.rest),
        }

    # -- sessions -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def session(self, *, ask: bool = True) -> AsyncIterator[Session]:
        """The next session, with the turn ours; `ask` for one."""
        if ask:
            await self._bus.call("cwmp", "inform", {}, timeout=10)
        session = await self._acs.next_session(timeout=_PATIENCE)
        self.ledger.informed(session, time.monotonic())
        await session.ready()
        self.ledger.reported(session, time.monotonic())
        yield session
        await session.end()

    async def bootstrap(self) -> None:
        """The first session, which comes by itself, and what later operations count on."""
        async with self.session(ask=False) as session:
            check("0 BOOTSTRAP" in session.inform.codes, f"the first Inform has {session.inform.codes}")
        await self.attributes()

    async def drain(self) -> None:
        """Take sessions until nothing is due."""
        await self._taken("")

    # -- reading ------------------------------------------------------------------------------------------------

    async def full_read(self) -> None:
        async with self.session() as session:
            found = await session.rpc(GetParameterValues(["Device."]))
        check(len(found) > 500 and HOSTNAME in found, f"a full read has {len(found)} values")

    async def partial_read(self) -> None:
        paths = self._random.sample(PARTS, self._random.randint(1, 4))
        async with self.session() as session:
            found = await session.rpc(GetParameterValues(paths))
        for path in paths:
            check(any(name.startswith(path) for name in found), f"nothing was read of {path}")
        check(all(name.startswith(tuple(paths)) for name in found), f"more than {paths} was read")

    async def names(self) -> None:
        path = self._random.choice(PARTS[:-1])
        async with self.session() as session:
            level = await session.rpc(GetParameterNames(path, next_level=True))
            everything = await session.rpc(GetParameterNames(path))
        check(set(level) <= set(everything), f"names of {path} are missing in the whole")

    # -- writing ------------------------------------------------------------------------------------------------

    async def set(self) -> None:
        name, ssid, key = self._unique("host"), self._unique("ssid"), self._unique("key")
        async with self.session() as session:
            await session.rpc(SetParameterValues({HOSTNAME: name, SSID: ssid}, key))
            found = await session.rpc(GetParameterValues([HOSTNAME, SSID, KEY]))
        texts = [found[path].text for path in (HOSTNAME, SSID, KEY)]
        check(texts == [name, ssid, key], f"{texts} was read after {[name, ssid, key]} was set")
        stored = {s.options.get("hostname") for s in self._router.uci("system").sections.values()}
        check(name in stored, f"{name} is not in UCI, {stored} is")
        stored = {s.options.get("ssid") for s in self._router.uci("wireless").sections.values()}
        check(ssid in stored, f"{ssid} is not in UCI, {stored} is")

    async def refused_set(self) -> None:
        async with self.session() as session:
            before = await session.rpc(GetParameterValues([HOSTNAME, SSID, KEY]))
            wrong = {
                HOSTNAME: self._unique("never"),
                SSID: "x" * 33,
                "Device.DeviceInfo.UpTime": Value("1", "unsignedInt"),
            }
            try:
                await session.rpc(SetParameterValues(wrong, self._unique("never")))
            except CpeFault as fault:
                check(fault.code == 9003, f"a set that must be refused was refused with {fault}")
            else:
                raise Wrong("a set that must be refused was not")
            after = await session.rpc(GetParameterValues([HOSTNAME, SSID, KEY]))
        check(after == before, f"a refused set left {after}, before it was {before}")

    async def add_and_delete(self) -> None:
        async with self.session() as session:
            before = await session.rpc(GetParameterNames(POOLS, next_level=True))
            added = [(await session.rpc(AddObject(POOLS, self._unique("add")))).instance for _ in range(2)]
            rows = await session.rpc(GetParameterNames(POOLS, next_level=True))
            check(
                {f"{POOLS}{n}." for n in added} <= set(rows),
                f"rows {added} were added, there are {sorted(rows)}",
            )
            check(
                len(rows) == len(before) + 2, f"two rows were added to {len(before)}, there are {len(rows)}"
            )
        async with self.session() as session:
            for number in added:
                await session.rpc(DeleteObject(f"{POOLS}{number}.", self._unique("delete")))
            after = await session.rpc(GetParameterNames(POOLS, next_level=True))
        check(set(after) == set(before), f"after two rows came and went there are {sorted(after)}")

    # -- notification -------------------------------------------------------------------------------------------

    async def attributes(self) -> None:
        passive = self._random.choice([0, 1])
        async with self.session() as session:
            await session.rpc(
                SetParameterAttributes({EXAMPLE: Attributes(2), SSID: Attributes(passive, ["Subscriber"])})
            )
            found = await session.rpc(GetParameterAttributes([EXAMPLE, SSID]))
        got = [found[EXAMPLE].notification, found[SSID].notification]
        check(got == [2, passive], f"notification {[2, passive]} was set, {got} was read")

    async def change_by_uci(self) -> None:
        value = await self._to_be_changed()
        paths = self._router.paths
        change = [Set("settings", "example", value)]
        await trio.to_thread.run_sync(Uci(paths.uci_dir, paths.uci_save_dir).apply, {"mypackage": change})
        event = {"type": "config.change", "data": {"package": "mypackage"}}
        await self._bus.call("service", "event", event, timeout=10)

    async def change_by_ubus(self) -> None:
        value = await self._to_be_changed()
        await self._bus.call("cwmp.datamodel", "set", {"values": {EXAMPLE: value}}, timeout=10)

    async def _to_be_changed(self) -> str:
        """A new value, which the ACS will be told, once it was told of the last one."""
        await self._taken("value change")
        value = self._unique("local")
        self.ledger.expect(f"{EXAMPLE}={value}", Due("value change", time.monotonic()))
        return value

    # -- sessions asked for, and those that fail ----------------------------------------------------------------

    async def connection_request(self) -> None:
        async with self.session() as session:
            url = "Device.ManagementServer.ConnectionRequestURL"
            address = (await session.rpc(GetParameterValues([url])))[url].text
        for _ in range(10):  # until the session before it has ended on its side, too
            status = await self._acs.connection_request(address, *self._user)
            if status != 503:
                break
            await trio.sleep(0.1)
        check(status in {200, 503}, f"a connection request was answered with {status}")
        if status == 503:  # a session has begun by itself, or there were too many within a minute
            return
        self.knocked += 1
        for _ in range(5):
            async with self.session(ask=False) as session:
                if "6 CONNECTION REQUEST" in session.inform.codes:
                    return
        raise Wrong("no session followed a connection request that was accepted")

    async def bad_acs(self) -> None:
        how = self._random.choice([bad.Status(500), bad.Status(503), bad.Close(), bad.HTML, bad.EMPTY])
        self._acs.misbehave(how)
        retried = 0
        for _ in range(5):
            async with self.session(ask=not retried) as session:
                retried += session.inform.retry_count
            if retried:
                return
        raise Wrong(f"nothing was tried again after {how}")

    # -- firmware and diagnostics -------------------------------------------------------------------------------

    async def upload(self) -> None:
        key = self._unique("upload")
        self.ledger.expect(key, Due("upload", time.monotonic()))
        url = self._acs.take_file(f"/{key}")
        async with self.session() as session:
            await session.rpc(Upload(key, url, "4 Vendor Log File 1"))

    async def failing_download(self) -> None:
        key = self._unique("download")
        self.ledger.expect(key, Due("failing download", time.monotonic(), lambda code: code in {9010, 9016}))
        url = self._acs.url.rpartition("/")[0] + f"/nowhere-{key}"
        async with self.session() as session:
            await session.rpc(Download(key, url, "3 Vendor Configuration File"))

    async def ping(self) -> None:
        self.ledger.expect(self._unique("ping"), Due("IPPing", time.monotonic()))
        asked = {
            f"{PING}Host": "127.0.0.1",
            f"{PING}NumberOfRepetitions": Value("2", "unsignedInt"),
            f"{PING}DiagnosticsState": "Requested",
        }
        async with self.session() as session:
            await session.rpc(SetParameterValues(asked))
        while self.ledger.waits_for("IPPing"):
            async with self.session(ask=False) as session:
                found = await session.rpc(GetParameterValues([PING]))
        got = found[f"{PING}DiagnosticsState"].text, found[f"{PING}SuccessCount"].text
        check(got == ("Complete", "2"), f"a ping ended with {got}")

    async def configuration(self) -> None:
        """A configuration goes to the ACS and comes back; the router reboots."""
        up, down = self._unique("upload"), self._unique("restore")
        boots = self._router.boots
        self.ledger.expect(up, Due("configuration upload", time.monotonic()))
        async with self.session() as session:
            before = await session.rpc(GetParameterValues([SSID]))
            await session.rpc(Upload(up, self._acs.take_file(f"/{up}"), "3 Vendor Configuration File 1"))
        await self.drain()
        self.ledger.expect(down, Due("configuration download", time.monotonic()))
        url = self._acs.serve_file(f"/{down}", self._acs.uploads[f"/{up}"])
        async with self.session() as session:
            await session.rpc(SetParameterValues({SSID: self._unique("gone")}))
            await session.rpc(Download(down, url, "3 Vendor Configuration File"))
        await self.drain()
        async with self.session() as session:
            after = await session.rpc(GetParameterValues([SSID]))
        check(after == before, f"a restored configuration has {after}, it had {before}")
        check(self._router.boots == boots + 1, f"{self._router.boots - boots} boots for one configuration")

    async def rest(self) -> None:
        """Nothing is asked of firmware and diagnostics until they rest; what comes later wakes them."""
        await self.drain()
        with trio.fail_after(_PATIENCE):
            while set(self._router.service_pids()) & {*_RESTING}:  # noqa: ASYNC110 - processes end, nobody is told
                await trio.sleep(0.2)

    async def _taken(self, kind: str) -> None:
        """Take sessions until nothing of this kind, or of any, is due."""
        while self.ledger.waits_for(kind) if kind else self.ledger.due:
            async with self.session(ask=False):
                pass

    def _unique(self, what: str) -> str:
        self._count += 1
        return f"{what}-{self._count}"
