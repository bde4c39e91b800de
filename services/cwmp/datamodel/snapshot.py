"""What the system said while one request was answered.

Theory of operation
-------------------
A request reads each source (a UCI package, a ubus call with its arguments, a file, the parameters of another
service) at most once, and whatever it read is thrown away with it: one answer never mixes two states of one
source. Reading the tree is synchronous and pure; it asks the snapshot for a `Need`. What is not there yet is
noted as wanted and `Unread` leaves the row that needed it; the caller then has everything wanted fetched, all
at once, and walks again. Most needs are known before the first walk, so there are rarely more than three.

A UCI package is read at once, on the event loop: that takes a fraction of a millisecond, less than a thread would.
One that somebody else has locked is waited for in a thread, so that only who asks for it waits.

A source that fails is kept as its failure: it costs the values that hang on it and nothing else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import trio

from cwmp.contract import Fault
from cwmp.contract.parameters import GetParameters, get_parameters
from cwmp.datamodel.files import Files
from cwmp.runtime import Paths, Peers
from ubuskit import UbusError
from ubuskit.client import Client
from ubuskit.uci import Package, PackageNotFound, Section, Uci, UciError

_CALL_TIMEOUT = 5.0


class Need(NamedTuple):
    """One thing to be read: kind (``uci``, ``ubus``, ``file``...), its name, and arguments.

    | kind      | name            | detail                    | gives                                        |
    |-----------|-----------------|---------------------------|----------------------------------------------|
    | uci       | package         |                           | `PackageView`                                |
    | ubus      | object method   | arguments as JSON         | the reply's table                            |
    | file      | absolute path   |                           | its text                                     |
    | bytes     | absolute path   |                           | its bytes                                    |
    | before    | absolute path   |                           | its text as it was some time ago, "" at first |
    | directory | pattern of paths |                          | the paths that match, in order               |
    | hardware  | device          |                           | its own packet counters by kind (ethtool.py)  |
    | since     | absolute path   |                           | for how many seconds it has been as it is     |
    | modified  | absolute path   |                           | when it changed, seconds since 1970          |
    | neighbours | IPv6            |                           | the kernel's list of `Neighbour`             |
    | service   | service         | object path ending in dot | parameter path to text                       |
    """

    kind: str
    name: str
    detail: str = ""


class Unread(Exception):
    """What was asked for is not read yet; it has been noted as wanted."""


class SourceFailed(Exception):
    """A source cannot be read; the text says which and why."""


class PackageView:
    """One UCI package as this request sees it, the request's own changes included."""

    __slots__ = ("_by_type", "missing", "name", "sections")

    def __init__(self, name: str, package: Package | None) -> None:
        self.name = name
        self.missing = package is None
        self.sections: dict[str, Section] = {} if package is None else dict(package.sections)
        self._by_type: dict[str, list[Section]] | None = None

    def of_type(self, kind: str) -> list[Section]:
        """The sections of this type, in the order of the file."""
        if self._by_type is None:
            self._by_type = {}
            for section in self.sections.values():
                self._by_type.setdefault(section.type, []).append(section)
        return self._by_type.get(kind, [])

    def put(self, section: Section) -> None:
        """Have a section that this request adds."""
        self.sections[section.name] = section
        self._by_type = None

    def drop(self, name: str) -> None:
        """Forget a section that this request deletes."""
        del self.sections[name]
        self._by_type = None


def committed(uci: Uci, *, lock_timeout: float = 10.0) -> Uci:
    """`uci` without what others have saved and not committed: nobody acts on that yet, and they may yet revert it."""
    return Uci(uci.confdir, uci.confdir / ".nobody", backend=uci.backend, lock_timeout=lock_timeout)


class System:
    """The way to the router: everything the datamodel reads goes through here. `reads` counts, by kind."""

    def __init__(self, paths: Paths, uci: Uci, bus: Client, peers: Peers) -> None:
        self._files = Files(paths)
        self._uci = committed(uci)
        self._uci_now = committed(uci, lock_timeout=0.0)
        self._bus = bus
        self._peers = peers
        self.reads: Counter[Need] = Counter()
        self._readers: dict[str, Callable[[Need], Any]] = {"uci": self._package_now}
        self._readers.update(dict.fromkeys(self._files.readers, self._file))
        self._slow: dict[str, Callable[[Need], Awaitable[Any]]] = {
            "ubus": self._call,
            "service": self._ask,
            "uci": self._package,
            "remote": self._remote,
        }
        self.remote: Callable[[Need], Awaitable[Any]] | None = None
        """Reads what other daemons serve, where a mapping file has such (remote/)."""

    async def fetch(self, needs: Iterable[Need], into: dict[Need, Any]) -> None:
        """Read all of `needs`, those that take time side by side. A failure becomes a `SourceFailed` value."""
        slow = [need for need in needs if need.kind not in self._readers]
        self.reads.update(needs)
        async with trio.open_nursery() as nursery:
            for need in slow:
                nursery.start_soon(self._fetch_slow, need, into)
            await trio.lowlevel.checkpoint()  # the slow ones are on their way before files are read
            for need in needs:
                if need.kind in self._readers:
                    try:
                        into[need] = self._readers[need.kind](need)
                    except SourceFailed as failure:
                        into[need] = failure
                    except (UciError, OSError):
                        nursery.start_soon(self._fetch_slow, need, into)

    async def _fetch_slow(self, need: Need, into: dict[Need, Any]) -> None:
        try:
            into[need] = await self._slow[need.kind](need)
        except SourceFailed as failure:
            into[need] = failure

    def _package_now(self, need: Need) -> PackageView:
        """A package that does not exist is an empty one: what it configures is just not there."""
        try:
            return PackageView(need.name, self._uci_now.load(need.name))
        except PackageNotFound:
            return PackageView(need.name, None)

    async def _package(self, need: Need) -> PackageView:
        """As `_package_now`, for one that is locked, or is broken and will say so again."""
        try:
            return PackageView(need.name, await trio.to_thread.run_sync(self._uci.load, need.name))
        except PackageNotFound:
            return PackageView(need.name, None)
        except (UciError, OSError) as error:
            raise SourceFailed(f"UCI package {need.name}: {error}") from None

    def _file(self, need: Need) -> Any:
        try:
            return self._files.readers[need.kind](need.name)
        except OSError as error:
            raise SourceFailed(f"{need.name}: {error.strerror}") from None

    async def _call(self, need: Need) -> dict[str, Any]:
        name, _, method = need.name.rpartition(" ")
        arguments = json.loads(need.detail) if need.detail else {}
        try:
            return await self._bus.call(name, method, arguments, timeout=_CALL_TIMEOUT)
        except (UbusError, ValueError) as error:
            raise SourceFailed(f"ubus call {need.name}: {error or type(error).__name__}") from None

    async def _remote(self, need: Need) -> Any:
        if self.remote is None:
            raise SourceFailed(f"nobody serves {need.name}")
        return await self.remote(need)

    async def _ask(self, need: Need) -> dict[str, str]:
        try:
            found = await self._peers.request(
                get_parameters(need.name), GetParameters([need.detail]), deadline=_CALL_TIMEOUT
            )
        except Fault as fault:
            raise SourceFailed(f"service {need.name}: {fault.text}") from None
        return dict(zip(found.names, found.values, strict=False))


class Snapshot:
    """What was read so far for one request."""

    __slots__ = ("_system", "_values", "wanted")

    def __init__(self, system: System) -> None:
        self._system = system
        self._values: dict[Need, Any] = {}
        self.wanted: set[Need] = set()

    def get(self, need: Need) -> Any:
        """What `need` gave.

        Raises:
            Unread: it is wanted now.
            SourceFailed: it cannot be had.
        """
        value = self._values.get(need)
        if value is None:
            self.wanted.add(need)
            raise Unread
        if type(value) is SourceFailed:
            raise value.with_traceback(None)
        return value

    def has(self, need: Need) -> bool:
        """Whether it was read already, with whatever success."""
        return need in self._values

    def each(self, needs: Sequence[Need]) -> list[Any]:
        """What each of `needs` gave; raises like `get`, and has all of them wanted at once."""
        missing = [need for need in needs if need not in self._values]
        if missing:
            self.wanted.update(missing)
            raise Unread
        return [self.get(need) for need in needs]

    def package(self, name: str) -> PackageView:
        """A UCI package; raises like `get`."""
        found: PackageView = self.get(Need("uci", name))
        return found

    async def fetch(self, needs: Iterable[Need] = ()) -> None:
        """Read what is wanted, and `needs`, where it is not here yet."""
        missing = [need for need in {*self.wanted, *needs} if need not in self._values]
        self.wanted.clear()
        if missing:
            await self._system.fetch(missing, self._values)

    def packages(self) -> Mapping[str, PackageView]:
        """The UCI packages read so far."""
        return {need.name: value for need, value in self._values.items() if isinstance(value, PackageView)}


def call_detail(arguments: Mapping[str, Any]) -> str:
    """Arguments of a ubus call as a `Need` carries them: the same arguments always give the same text."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":")) if arguments else ""
