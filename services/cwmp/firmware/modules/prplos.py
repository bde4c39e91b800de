"""Containers of prplOS, through its Ambiorix object ``SoftwareModules``.

Facts (libamxd's ubus back end): a function is called by ``_exec {method, args, rel_path}`` and answered by three
messages: what it returns, its out arguments (here ``{err_code, err_msg}``), ``{"amxd-error-code": n}``. ``_get`` with
depth -1 gives every object, ``{"SoftwareModules.ExecEnv.1.": {parameter: value}}``. ``InstallDU`` returns at once and
goes on by itself: the unit is there with Status Installing, then Installed, or it goes again; changes are notified
(``dm:...``), and how an operation ended is in the notification ``DUStateChange!``.

The container manager brings images itself, from registries (``docker:``) as well. A unit is known by its UUID, which
we always say, so that what was begun is found again after a crash.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.firmware.exchange import Place
from cwmp.firmware.modules.backend import Bring
from cwmp.firmware.modules.identity import uuid_of
from cwmp.firmware.modules.units import Environment, ExecutionUnit, Inventory, Package, Status, Unit
from ubuskit.errors import StatusError, UbusError

if TYPE_CHECKING:
    from ubuskit.client import Client

_ASK = 10.0
_WORK = 1800.0
_LOOK_AGAIN = 10.0
_APPEARS_WITHIN = 60.0
_INSTALLED = "Installed"
_BUSY = frozenset({"Installing", "Updating", "Uninstalling"})
_PUBLIC = 0
_CODES = {2: 9028, 4: 9003, 10: 9003, 23: 9001, 24: 9001}
"""amxd_status_t to ours; all others are 9001."""

Row = Mapping[str, Any]
Tables = Mapping[str, Mapping[str, Row]]
"""Rows by path below the object, by table."""


class Manager:
    """See `Backend`. `name` is the object's."""

    schemes = frozenset({"docker", "http", "https"})

    def __init__(self, name: str, bus: Client) -> None:
        self._name = name
        self._bus = bus

    async def inventory(self) -> Inventory:
        """See `Backend`."""
        tables = await self._tables()
        environments = [_environment(row) for row in tables["ExecEnv"].values()]
        return Inventory(environments, [self._unit(row, tables) for row in tables["DeploymentUnit"].values()])

    async def prepare(self, source: Place, environment: Environment, bring: Bring) -> Package:
        """See `Backend`. What is there is seen by who brings it."""
        parts = urlsplit(source.url)
        name = parts.path.rpartition("/")[2].partition(":")[0] or parts.path.strip("/")
        return Package(
            "", name, parts.hostname or "", "", source.url, None, False, source.username, source.password
        )

    async def compare(self, first: str, second: str) -> int:
        """See `Backend`: versions are names of images, equal or not."""
        return 0 if first == second else 1

    async def install(self, package: Package, environment: Environment, uuid: str) -> None:
        """See `Backend`."""
        arguments = {"URL": package.url, "UUID": uuid, "ExecutionEnvRef": environment.name, **_login(package)}
        async with self._watching() as watch:
            await self._exec("", "InstallDU", arguments)
            await watch.until(
                lambda row: row is not None and row.get("Status") == _INSTALLED, uuid, environment.key
            )

    async def update(self, unit: Unit, package: Package) -> None:
        """See `Backend`."""
        async with self._watching() as watch:
            path, before = await self._deployed(unit)
            marks = [before.get(name) for name in ("Version", "LastUpdate", "URL")]

            def changed(row: Row | None) -> bool:
                now = [row.get(name) for name in ("Version", "LastUpdate", "URL")] if row else marks
                return row is not None and row.get("Status") == _INSTALLED and now != marks

            await self._exec(path, "Update", {"URL": package.url, **_login(package)})
            await watch.until(changed, unit.uuid, unit.environment)

    async def uninstall(self, unit: Unit) -> None:
        """See `Backend`."""
        async with self._watching() as watch:
            path, _ = await self._deployed(unit)
            await self._exec(path, "Uninstall", {})
            await watch.until(lambda row: row is None, unit.uuid, unit.environment)

    async def request_state(self, unit: Unit, key: str, state: Status) -> None:
        """See `Backend`."""
        path, _ = await self._row("ExecutionUnit", "EUID", key)
        await self._exec(path, "SetRequestedState", {"RequestedState": str(state)})

    async def set_auto_start(self, unit: Unit, key: str, *, enable: bool) -> None:
        """See `Backend`."""
        path, _ = await self._row("ExecutionUnit", "EUID", key)
        await self._call("_set", path, {"parameters": {"AutoStart": enable}})

    async def enable(self, environment: Environment, *, enable: bool) -> None:
        """See `Backend`."""
        path, _ = await self._row("ExecEnv", "Name", environment.name)
        await self._call("_set", path, {"parameters": {"Enable": enable}})

    async def settle(self) -> None:
        """See `Backend`: nothing is installing, updating or uninstalling."""
        async with self._watching() as watch:
            with trio.move_on_after(_WORK):
                while any(
                    row.get("Status") in _BUSY for row in (await self._tables())["DeploymentUnit"].values()
                ):
                    await watch.something()

    # -- the object -------------------------------------------------------------------------------------------

    async def _tables(self) -> Tables:
        """The rows of the three tables."""
        found = await self._call("_get", "", {"depth": -1})
        tables: dict[str, dict[str, Row]] = {"ExecEnv": {}, "DeploymentUnit": {}, "ExecutionUnit": {}}
        for path, row in found.items():
            words = path.removeprefix("Device.").split(".")
            if len(words) == 4 and words[1] in tables and words[2].isdecimal() and isinstance(row, Mapping):
                tables[words[1]][f"{words[1]}.{words[2]}."] = row
        return tables

    async def _deployed(self, unit: Unit) -> tuple[str, Row]:
        """The unit's row, and its path."""
        found = _find(await self._tables(), unit.uuid, unit.environment)
        if found is None:
            raise Fault(FaultCode.UNKNOWN_DEPLOYMENT_UNIT, f"{unit.name} is gone")
        return found

    async def _row(self, table: str, name: str, value: str) -> tuple[str, Row]:
        """The row whose `name` is `value`, and its path."""
        for path, row in (await self._tables())[table].items():
            if str(row.get(name, "")).lower() == value.lower():
                return path, row
        raise Fault(FaultCode.UNKNOWN_DEPLOYMENT_UNIT, f"there is no {table} '{value[:64]}'")

    async def _exec(self, path: str, method: str, arguments: Mapping[str, Any]) -> None:
        found = await self._call("_exec", path, {"method": method, "args": dict(arguments)})
        code = found.get("err_code", 0)
        if code:
            raise _fault(code, str(found.get("err_msg", "")) or f"{method} failed")

    async def _call(self, method: str, path: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """All that is answered, in one table."""
        wanted = {**arguments, "access": _PUBLIC, **({"rel_path": path} if path else {})}
        try:
            answers = await self._bus.call_all(self._name, method, wanted, timeout=_ASK)
        except StatusError as error:
            answers = error.data or [{"amxd-error-code": -1}]
        except UbusError as error:
            raise Fault(FaultCode.REQUEST_DENIED, f"the container manager does not answer: {error}") from None
        found = {name: value for answer in answers for name, value in answer.items()}
        if code := found.get("amxd-error-code", 0):
            raise Fault(_CODES.get(code, 9001), f"the container manager refused {method} (code {code})")
        return found

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[_Watch]:
        watch = _Watch(self._tables)
        subscription = await self._bus.subscribe(self._name, watch.heard)
        try:
            yield watch
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _ASK):
                await subscription.close()

    def _unit(self, row: Row, tables: Tables) -> Unit:
        units = [_below(path) for path in str(row.get("ExecutionUnitList", "")).split(",")]
        uuid = str(row.get("UUID", "")).lower()
        return Unit(
            key=uuid,
            environment=_where(row, tables),
            name=str(row.get("Name", "")),
            vendor=str(row.get("Vendor", "")),
            version=str(row.get("Version", "")),
            description=str(row.get("Description", ""))[:256],
            resolved=bool(row.get("Resolved", True)),
            status=str(row.get("Status", _INSTALLED)),
            uuid=uuid or uuid_of(str(row.get("Name", "")), str(row.get("Vendor", ""))),
            url=str(row.get("URL", "")),
            execution_units=[
                _execution_unit(tables["ExecutionUnit"][path])
                for path in units
                if path in tables["ExecutionUnit"]
            ],
        )


class _Watch:
    """Waiting for what becomes of a unit: notifications wake, and what is there decides."""

    def __init__(self, tables: Callable[[], Awaitable[Tables]]) -> None:
        self._tables = tables
        self._woken = trio.Event()
        self._faults: dict[str, Fault] = {}

    def heard(self, kind: str, data: Mapping[str, Any]) -> None:
        """A notification of the object."""
        if kind == "DUStateChange!":
            told = data.get("parameters", data)
            code = told.get("Fault.FaultCode", 0) if isinstance(told, Mapping) else 0
            if code:
                text = str(told.get("Fault.FaultString", "")) or "the container manager failed"
                self._faults[str(told.get("UUID", "")).lower()] = _fault(code, text)
        self._woken.set()

    async def something(self) -> None:
        """Wait until something has changed, or it is time to look again."""
        with trio.move_on_after(_LOOK_AGAIN):
            await self._woken.wait()
        self._woken = trio.Event()

    async def until(self, there: Callable[[Row | None], bool], uuid: str, environment: str) -> None:
        """Wait until the unit is as it is to be.

        Raises:
            Fault: it will not be.
        """
        seen = False
        began = trio.current_time()
        with trio.move_on_after(_WORK):
            while True:
                _, row = _find(await self._tables(), uuid, environment) or ("", None)
                if there(row):
                    return
                if (fault := self._faults.get(uuid.lower())) is not None:
                    raise fault
                gone = row is None and (seen or trio.current_time() - began > _APPEARS_WITHIN)
                if gone:
                    raise Fault(FaultCode.REQUEST_DENIED, "the container manager gave it up")
                seen = seen or row is not None
                await self.something()
        raise Fault(FaultCode.REQUEST_DENIED, f"the container manager has not done it within {_WORK:g} s")


def _environment(row: Row) -> Environment:
    return Environment(
        key=str(row.get("Name", "")),
        name=str(row.get("Name", "")),
        kind=str(row.get("Type", "")),
        vendor=str(row.get("Vendor", "")),
        version=str(row.get("Version", "")),
        enabled=bool(row.get("Enable", True)),
        status=str(row.get("Status", "Up")),
        disk_total=_size(row, "AllocatedDiskSpace"),
        disk_free=_size(row, "AvailableDiskSpace"),
        memory_total=_size(row, "AllocatedMemory"),
        memory_free=_size(row, "AvailableMemory"),
        can_disable=True,
    )


def _execution_unit(row: Row) -> ExecutionUnit:
    return ExecutionUnit(
        key=str(row.get("EUID", "")),
        name=str(row.get("Name", "")),
        status=str(row.get("Status", Status.IDLE)),
        auto_start=bool(row.get("AutoStart", False)),
        description=str(row.get("Description", ""))[:256],
    )


def _where(row: Row, tables: Tables) -> str:
    """The name of a unit's environment."""
    reference = str(row.get("ExecutionEnvRef", ""))
    return str(tables["ExecEnv"].get(_below(reference), {}).get("Name") or reference)


def _find(tables: Tables, uuid: str, environment: str) -> tuple[str, Row] | None:
    """The row of a unit in an environment, and its path."""
    for path, row in tables["DeploymentUnit"].items():
        if str(row.get("UUID", "")).lower() == uuid.lower() and _where(row, tables) == environment:
            return path, row
    return None


def _size(row: Row, name: str) -> int:
    value = row.get(name, -1)
    return value if isinstance(value, int) else -1


def _below(path: object) -> str:
    """A path below the object, ending in a dot, of whatever form of it."""
    text = str(path or "").strip().removeprefix("Device.").removeprefix("SoftwareModules.")
    return f"{text.rstrip('.')}." if text else ""


def _login(package: Package) -> dict[str, str]:
    if not package.username and not package.password:
        return {}
    return {"Username": package.username, "Password": package.password}


def _fault(code: object, text: str) -> Fault:
    known = isinstance(code, int) and 9001 <= code <= 9032
    return Fault(code if known and isinstance(code, int) else FaultCode.REQUEST_DENIED, text)
