"""``Device.SoftwareModules.`` as parameters: what is there, under the catalog's numbers (TR-181)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cwmp.contract import FaultCode, ParameterFault
from cwmp.firmware.modules.catalog import Catalog, Deployed
from cwmp.firmware.modules.results import time_of
from cwmp.firmware.modules.selection import shown
from cwmp.firmware.modules.units import Environment, ExecutionUnit, Inventory, Status, Unit
from ubuskit.records import dataclass

ROOT = "Device.SoftwareModules."

_STATES = (Status.ACTIVE, Status.IDLE)
_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class Write:
    """A value that may be written: `name` of the environment or execution unit `key`."""

    name: str
    key: str
    value: str


def parameters(catalog: Catalog, inventory: Inventory) -> dict[str, str]:
    """All of them, by full path."""
    found: dict[str, str] = {}
    running = {
        (unit.environment, e.key) for unit in inventory.units for e in unit.execution_units if _runs(e)
    }
    for environment in inventory.environments:
        active = [key for where, key in running if where == environment.key]
        rows = _environment(environment, sorted(_references(catalog, active)))
        found.update(_row("ExecEnv", catalog.environments[environment.key], rows))
    for deployed in catalog.deployed(inventory):
        found.update(_row("DeploymentUnit", deployed.known.number, _deployment_unit(catalog, deployed)))
        for unit in deployed.unit.execution_units:
            row = _execution_unit(catalog, deployed.unit, unit)
            found.update(_row("ExecutionUnit", catalog.execution_units[unit.key], row))
    return found


def check(
    values: Mapping[str, str], catalog: Catalog, inventory: Inventory
) -> tuple[list[Write], list[ParameterFault]]:
    """What writing `values` (by full path) means, and what of it cannot be."""
    writes: list[Write] = []
    wrong: list[ParameterFault] = []
    for path, value in values.items():
        try:
            writes.append(_write(path, value, catalog, inventory))
        except _RefusedError as refused:
            wrong.append(ParameterFault(path, refused.code, refused.text))
    return writes, wrong


class _RefusedError(Exception):
    def __init__(self, code: FaultCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def _write(path: str, value: str, catalog: Catalog, inventory: Inventory) -> Write:
    table, number, name = [*path.removeprefix(ROOT).split(".", 2), "", ""][:3]
    if table == "ExecEnv" and name == "Enable":
        key = _key(catalog.environments, number)
        environment = inventory.environment(key)
        if environment is not None:
            enable = _boolean(value)
            if enable != environment.enabled and not environment.can_disable:
                raise _RefusedError(
                    FaultCode.INVALID_PARAMETER_VALUE,
                    f"{environment.name} is the system itself: it cannot be disabled",
                )
            return Write(name, key, value)
    elif table == "ExecutionUnit" and name in ("RequestedState", "AutoStart"):
        key = _key(catalog.execution_units, number)
        found = inventory.execution_unit(key)
        if found is not None:
            where = inventory.environment(found[0].environment)
            if where is not None and not where.enabled:
                raise _RefusedError(
                    FaultCode.INVALID_PARAMETER_VALUE, f"its environment {where.name} is disabled"
                )
            if name == "AutoStart":
                _boolean(value)
            elif value not in _STATES:
                raise _RefusedError(
                    FaultCode.INVALID_PARAMETER_VALUE, "only Active and Idle can be requested"
                )
            return Write(name, key, value)
    raise _RefusedError(FaultCode.INVALID_PARAMETER_NAME, "there is no such parameter to write")


def _key(numbers: Mapping[str, int], number: str) -> str:
    return next((key for key, n in numbers.items() if str(n) == number), "")


def _boolean(value: str) -> bool:
    if value not in _BOOLEANS:
        raise _RefusedError(FaultCode.INVALID_PARAMETER_VALUE, "neither true nor false")
    return _BOOLEANS[value]


def is_true(value: str) -> bool:
    """What a checked boolean says."""
    return _BOOLEANS[value]


def _row(table: str, number: int, row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((f"{ROOT}{table}.{number}.{name}", value) for name, value in row.items())


def _references(catalog: Catalog, keys: list[str]) -> list[str]:
    return [f"{ROOT}ExecutionUnit.{catalog.execution_units[key]}" for key in keys]


def _environment(environment: Environment, active: list[str]) -> dict[str, str]:
    return {
        "Enable": "true" if environment.enabled else "false",
        "Status": environment.status if environment.enabled else "Disabled",
        "Name": environment.name,
        "Type": environment.kind,
        "Vendor": environment.vendor,
        "Version": environment.version,
        "AllocatedDiskSpace": str(environment.disk_total),
        "AvailableDiskSpace": str(environment.disk_free),
        "AllocatedMemory": str(environment.memory_total),
        "AvailableMemory": str(environment.memory_free),
        "ActiveExecutionUnits": ",".join(active),
    }


def _deployment_unit(catalog: Catalog, deployed: Deployed) -> dict[str, str]:
    known, unit = deployed
    return {
        "UUID": known.uuid,
        "DUID": unit.key[:64],
        "Name": unit.name,
        "Status": unit.status,
        "Resolved": "true" if unit.resolved else "false",
        "URL": known.url,
        "Description": unit.description,
        "Vendor": unit.vendor,
        "Version": shown(unit.version),
        "ExecutionUnitList": ",".join(_references(catalog, [e.key for e in unit.execution_units])),
        "ExecutionEnvRef": f"{ROOT}ExecEnv.{catalog.environments[unit.environment]}",
        "Installed": time_of(known.installed),
        "LastUpdate": time_of(known.updated),
    }


def _execution_unit(catalog: Catalog, unit: Unit, execution: ExecutionUnit) -> dict[str, str]:
    status = execution.status
    if execution.key in catalog.wanted:
        wanted = catalog.wanted[execution.key]
        if wanted != status:
            status = Status.STARTING if wanted == Status.ACTIVE else Status.STOPPING
    code, message = catalog.faults.get(execution.key, ("NoFault", ""))
    return {
        "EUID": execution.key[:64],
        "Name": execution.name,
        "ExecEnvLabel": execution.name[:64],
        "Status": str(status),
        "RequestedState": "",
        "ExecutionFaultCode": code,
        "ExecutionFaultMessage": message,
        "AutoStart": "true" if execution.auto_start else "false",
        "Vendor": unit.vendor,
        "Version": shown(unit.version),
        "Description": execution.description or unit.description,
        "ExecutionEnvRef": f"{ROOT}ExecEnv.{catalog.environments[unit.environment]}",
    }


def _runs(execution: ExecutionUnit) -> bool:
    return execution.status == Status.ACTIVE
