"""What has become of one deployment unit, as DUStateChangeComplete tells it (TR-069a6 A.3.3.3, A.4.2.4)."""

from __future__ import annotations

from cwmp.contract import Fault, FaultCode
from cwmp.contract.firmware import UNKNOWN_TIME, DUResult
from cwmp.firmware.modules.catalog import Catalog, Known
from cwmp.firmware.modules.selection import shown
from cwmp.firmware.modules.units import Unit
from cwmp.runtime.clock import CLOCK_IS_SET, date_time

_MAX_FAULT_STRING = 256

# Results may have the codes of DUStateChangeComplPolicy.FaultCodeFilter; what others mean among those.
_MEANS = {
    FaultCode.DOWNLOAD_FAILURE: FaultCode.SYSTEM_RESOURCES_EXCEEDED,
    FaultCode.FILE_AUTHENTICATION: FaultCode.FILE_CORRUPTED,
}
_ALLOWED = frozenset({9001, 9003, 9012, 9013, *range(9015, 9019), *range(9022, 9033)})


def outcome(
    operation: str,
    catalog: Catalog,
    known: Known | None,
    unit: Unit | None,
    state: str,
    *,
    uuid: str = "",
    version: str = "",
    started: float = 0.0,
    completed: float = 0.0,
    fault: Fault | None = None,
) -> DUResult:
    """The result for a unit. `unit` is it as it is there now; `uuid` and `version` stand in where it is not known
    or not there; times in s since 1970."""
    units = unit.execution_units if unit is not None else ()
    numbers = [catalog.execution_units[e.key] for e in units if e.key in catalog.execution_units]
    return DUResult(
        operation=operation,
        uuid=known.uuid if known else uuid,
        deployment_unit_ref=f"Device.SoftwareModules.DeploymentUnit.{known.number}." if known else "",
        version=shown(unit.version if unit else version),
        current_state=state,
        resolved=unit.resolved if unit else False,
        execution_unit_refs=[f"Device.SoftwareModules.ExecutionUnit.{n}." for n in numbers],
        start_time=time_of(started),
        complete_time=time_of(completed),
        fault_code=allowed(fault.code) if fault else 0,
        fault_string=fault.text[:_MAX_FAULT_STRING] if fault else "",
    )


def allowed(code: int) -> int:
    """The code that a result may have for a fault."""
    code = _MEANS.get(FaultCode(code), code) if code in _MEANS else code
    return int(code) if code in _ALLOWED else int(FaultCode.REQUEST_DENIED)


def time_of(seconds: float) -> str:
    """A dateTime in UTC; the unknown time for one that was read off a clock nobody had set."""
    return date_time(int(seconds)) if seconds >= CLOCK_IS_SET else UNKNOWN_TIME
