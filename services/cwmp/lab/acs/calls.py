"""What a CPE calls on an ACS (TR-069a6 A.3.3 and A.4.2), read as strictly as the standard allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cwmp.lab.acs import soap
from cwmp.lab.acs.messages import Value, boolean, read_values
from cwmp.lab.acs.soap import Element, Violation


@dataclass(frozen=True, slots=True)
class Event:
    code: str
    command_key: str = ""


@dataclass(frozen=True, slots=True)
class Inform:
    """TR-069a6 A.3.3.1."""

    manufacturer: str
    oui: str
    product_class: str
    serial_number: str
    events: tuple[Event, ...]
    parameters: Mapping[str, Value]
    current_time: str
    retry_count: int

    @property
    def codes(self) -> list[str]:
        return [event.code for event in self.events]


@dataclass(frozen=True, slots=True)
class TransferComplete:
    """TR-069a6 A.3.3.2."""

    command_key: str
    fault_code: int
    fault_string: str
    start_time: str
    complete_time: str


@dataclass(frozen=True, slots=True)
class AutonomousTransferComplete:
    """TR-069a6 A.4.2.3."""

    announce_url: str
    transfer_url: str
    is_download: bool
    file_type: str
    file_size: int
    target_file_name: str
    fault_code: int
    fault_string: str
    start_time: str
    complete_time: str


@dataclass(frozen=True, slots=True)
class RequestDownload:
    """TR-069a6 A.4.2.2."""

    file_type: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModuleResult:
    """OpResultStruct; `operation` is empty where the ACS had asked for it."""

    uuid: str
    deployment_unit_ref: str
    version: str
    current_state: str
    resolved: bool
    execution_unit_refs: tuple[str, ...]
    start_time: str
    complete_time: str
    fault_code: int
    fault_string: str
    operation: str = ""


@dataclass(frozen=True, slots=True)
class DUStateChangeComplete:
    """TR-069a6 A.3.3.3."""

    results: tuple[ModuleResult, ...]
    command_key: str


@dataclass(frozen=True, slots=True)
class AutonomousDUStateChangeComplete:
    """TR-069a6 A.4.2.4."""

    results: tuple[ModuleResult, ...]


Report: TypeAlias = (
    TransferComplete
    | AutonomousTransferComplete
    | RequestDownload
    | DUStateChangeComplete
    | AutonomousDUStateChangeComplete
)


def read_inform(call: Element) -> Inform:
    """Raises Violation."""
    order = [child.tag for child in call]
    if order != ["DeviceId", "Event", "MaxEnvelopes", "CurrentTime", "RetryCount", "ParameterList"]:
        raise Violation(f"the Inform's arguments are {order}")
    device = call.find("DeviceId")
    events = soap.array(call, "Event", "EventStruct")
    if len(events) > 64:
        raise Violation(f"an Inform with {len(events)} events")
    if soap.text(call, "MaxEnvelopes") != "1":
        raise Violation("MaxEnvelopes is not 1")
    inform = Inform(
        soap.text(device, "Manufacturer"),
        soap.text(device, "OUI"),
        soap.text(device, "ProductClass"),
        soap.text(device, "SerialNumber"),
        tuple(Event(soap.text(e, "EventCode"), soap.text(e, "CommandKey")) for e in events),
        read_values(call),
        soap.text(call, "CurrentTime"),
        int(soap.text(call, "RetryCount")),
    )
    singles = [e.code for e in inform.events if not e.code.startswith("M ")]
    if len(set(singles)) != len(singles):
        raise Violation(f"a single event comes twice in {singles} (TR-069a6 3.7.1.5)")
    return inform


def _outcome(call: Element) -> tuple[int, str, str, str]:
    fault = call.find("FaultStruct")
    if fault is None:
        raise Violation(f"{call.tag} has no FaultStruct")
    code = int(soap.text(fault, "FaultCode"))
    if code and code not in _TRANSFER_FAULTS and not 9800 <= code <= 9899:
        raise Violation(f"fault {code} in a FaultStruct (TR-069a6 A.5.1)")
    return (
        code,
        soap.text(fault, "FaultString"),
        soap.text(call, "StartTime"),
        soap.text(call, "CompleteTime"),
    )


def _read_transfer_complete(call: Element) -> TransferComplete:
    return TransferComplete(soap.text(call, "CommandKey"), *_outcome(call))


def _read_autonomous_transfer_complete(call: Element) -> AutonomousTransferComplete:
    return AutonomousTransferComplete(
        soap.text(call, "AnnounceURL"),
        soap.text(call, "TransferURL"),
        boolean(soap.text(call, "IsDownload")),
        soap.text(call, "FileType"),
        int(soap.text(call, "FileSize")),
        soap.text(call, "TargetFileName"),
        *_outcome(call),
    )


def _read_request_download(call: Element) -> RequestDownload:
    arguments = soap.array(call, "FileTypeArg", "ArgStruct")
    return RequestDownload(
        soap.text(call, "FileType"), {soap.text(a, "Name"): soap.text(a, "Value") for a in arguments}
    )


def _read_results(call: Element) -> tuple[ModuleResult, ...]:
    results = call.findall("Results")
    if not results:
        raise Violation(f"{call.tag} has no Results")
    return tuple(map(_read_result, results))


def _read_result(result: Element) -> ModuleResult:
    fault = result.find("Fault")
    if fault is None:
        raise Violation("Results without a Fault")
    references = soap.text(result, "ExecutionUnitRefList")
    return ModuleResult(
        soap.text(result, "UUID"),
        soap.text(result, "DeploymentUnitRef"),
        soap.text(result, "Version"),
        soap.text(result, "CurrentState"),
        boolean(soap.text(result, "Resolved")),
        tuple(references.split(",")) if references else (),
        soap.text(result, "StartTime"),
        soap.text(result, "CompleteTime"),
        int(soap.text(fault, "FaultCode")),
        fault.findtext("FaultString") or "",
        result.findtext("OperationPerformed") or "",
    )


_TRANSFER_FAULTS = {9001, 9002, 9010, 9011, 9012, *range(9014, 9021)}

REPORTS: Mapping[str, Callable[[Element], Report]] = {
    "TransferComplete": _read_transfer_complete,
    "AutonomousTransferComplete": _read_autonomous_transfer_complete,
    "RequestDownload": _read_request_download,
    "DUStateChangeComplete": lambda c: DUStateChangeComplete(_read_results(c), soap.text(c, "CommandKey")),
    "AutonomousDUStateChangeComplete": lambda c: AutonomousDUStateChangeComplete(_read_results(c)),
}
"""Those that are answered by a response without arguments."""
