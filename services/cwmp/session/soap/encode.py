"""Messages of the CPE as SOAP envelopes: text, never a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cwmp.contract import Fault, soap_faultcode
from cwmp.contract.firmware import DUResult, QueuedTransfer
from cwmp.contract.session import RequestDownload
from cwmp.session.soap import messages as m
from cwmp.session.soap.lists import AttributeList, InfoList, ValueList
from cwmp.session.soap.names import ENCODING, SOAP, VERSIONS, XSD, XSI, namespace
from cwmp.session.soap.text import escape, to_bytes

Message: TypeAlias = m.Inform | m.CpeRequest | m.Response | Fault


@dataclass(frozen=True, slots=True)
class Header:
    """What goes around a message: the CWMP version it is written in, and the SOAP headers.

    `session_timeout` (s, at least 30) and `supported_versions` belong to Informs of 1.3 and 1.4 (3.5, 3.7.4).
    """

    version: str = VERSIONS[-1]
    id: str | None = None
    session_timeout: int | None = None
    supported_versions: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The body of an HTTP request: its length is known before its first byte; it can be sent again."""

    length: int
    _head: bytes
    _list: ValueList | InfoList | AttributeList | None = None
    _tail: bytes = b""

    def chunks(self) -> Iterator[bytes]:
        yield self._head
        if self._list is not None:
            yield from self._list.chunks()
            yield self._tail


def encode(message: Message, header: Header) -> Body:
    """The envelope of `message`."""
    write = _WRITERS[type(message)]
    content = write(message)
    if isinstance(content, str):
        data = to_bytes(f"{_opening(header)}{content}{_CLOSING}")
        return Body(len(data), data)
    method, items = content
    items.finish()
    head = to_bytes(
        f'{_opening(header)}<cwmp:{method}><ParameterList soap-enc:arrayType="{items.item}[{items.count}]">'
    )
    tail = to_bytes(f"</ParameterList></cwmp:{method}>{_CLOSING}")
    return Body(len(head) + items.length + len(tail), head, items, tail)


_CLOSING = "</soap:Body></soap:Envelope>\n"


def _opening(header: Header) -> str:
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soap:Envelope xmlns:soap="{SOAP}" xmlns:soap-enc="{ENCODING}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}"'
        f' xmlns:cwmp="{namespace(header.version)}">'
    ]
    headers = []
    if header.id is not None:
        headers.append(f'<cwmp:ID soap:mustUnderstand="1">{escape(header.id)}</cwmp:ID>')
    if header.session_timeout is not None:
        headers.append(
            f'<cwmp:SessionTimeout soap:mustUnderstand="0">{header.session_timeout}</cwmp:SessionTimeout>'
        )
    if header.supported_versions:
        headers.append(
            '<cwmp:SupportedCWMPVersions soap:mustUnderstand="0">'
            f"{','.join(VERSIONS)}</cwmp:SupportedCWMPVersions>"
        )
    if headers:
        parts.append(f"<soap:Header>{''.join(headers)}</soap:Header>")
    parts.append("<soap:Body>")
    return "".join(parts)


def _element(name: str, value: str | int) -> str:
    return f"<{name}>{escape(value) if isinstance(value, str) else value}</{name}>"


def _array(name: str, item: str, elements: Sequence[str]) -> str:
    return f'<{name} soap-enc:arrayType="{item}[{len(elements)}]">{"".join(elements)}</{name}>'


def _inform(inform: m.Inform) -> str:
    events = [
        f"<EventStruct>{_element('EventCode', e.event_code)}{_element('CommandKey', e.command_key)}</EventStruct>"
        for e in inform.events
    ]
    values = ValueList()
    values.add(inform.names, inform.types, inform.values)
    parameters = b"".join(values.chunks()).decode("ascii")
    return (
        "<cwmp:Inform><DeviceId>"
        f"{_element('Manufacturer', inform.manufacturer[:64])}{_element('OUI', inform.oui)}"
        f"{_element('ProductClass', inform.product_class[:64])}"
        f"{_element('SerialNumber', inform.serial_number[:64])}</DeviceId>"
        f"{_array('Event', 'cwmp:EventStruct', events)}<MaxEnvelopes>1</MaxEnvelopes>"
        f"{_element('CurrentTime', inform.current_time)}{_element('RetryCount', inform.retry_count)}"
        f'<ParameterList soap-enc:arrayType="{values.item}[{values.count}]">{parameters}</ParameterList>'
        "</cwmp:Inform>"
    )


def _boolean(name: str, value: bool) -> str:
    return f"<{name}>{'1' if value else '0'}</{name}>"


def _outcome(message: m.TransferComplete | m.AutonomousTransferComplete) -> str:
    return (
        f"<FaultStruct>{_element('FaultCode', message.fault_code)}"
        f"{_element('FaultString', message.fault_string[:256])}</FaultStruct>"
        f"{_element('StartTime', message.start_time)}{_element('CompleteTime', message.complete_time)}"
    )


def _transfer_complete(message: m.TransferComplete) -> str:
    return (
        f"<cwmp:TransferComplete>{_element('CommandKey', message.command_key)}{_outcome(message)}"
        "</cwmp:TransferComplete>"
    )


def _autonomous_transfer_complete(message: m.AutonomousTransferComplete) -> str:
    transfer = message.transfer
    return (
        "<cwmp:AutonomousTransferComplete>"
        f"{_element('AnnounceURL', transfer.announce_url[:1024])}"
        f"{_element('TransferURL', transfer.transfer_url[:1024])}"
        f"{_boolean('IsDownload', transfer.is_download)}{_element('FileType', transfer.file_type[:64])}"
        f"{_element('FileSize', transfer.file_size)}"
        f"{_element('TargetFileName', transfer.target_file_name[:256])}{_outcome(message)}"
        "</cwmp:AutonomousTransferComplete>"
    )


def _request_download(message: RequestDownload) -> str:
    arguments = [
        f"<ArgStruct>{_element('Name', name)}{_element('Value', value)}</ArgStruct>"
        for name, value in zip(message.names, message.values, strict=True)
    ]
    return (
        f"<cwmp:RequestDownload>{_element('FileType', message.file_type)}"
        f"{_array('FileTypeArg', 'cwmp:ArgStruct', arguments)}</cwmp:RequestDownload>"
    )


def _result(result: DUResult, *, autonomous: bool = False) -> str:
    performed = _element("OperationPerformed", result.operation) if autonomous else ""
    return (
        f"<Results>{_element('UUID', result.uuid)}"
        f"{_element('DeploymentUnitRef', result.deployment_unit_ref[:256])}"
        f"{_element('Version', result.version[:32])}{_element('CurrentState', result.current_state)}"
        f"{_boolean('Resolved', result.resolved)}"
        f"{_element('ExecutionUnitRefList', ','.join(result.execution_unit_refs))}"
        f"{_element('StartTime', result.start_time)}{_element('CompleteTime', result.complete_time)}"
        f"<Fault>{_element('FaultCode', result.fault_code)}"
        f"{_element('FaultString', result.fault_string[:256])}</Fault>{performed}</Results>"
    )


def _du_state_change_complete(message: m.DUStateChangeComplete) -> str:
    return (
        f"<cwmp:DUStateChangeComplete>{''.join(map(_result, message.results))}"
        f"{_element('CommandKey', message.command_key)}</cwmp:DUStateChangeComplete>"
    )


def _autonomous_du_state_change_complete(message: m.AutonomousDUStateChangeComplete) -> str:
    results = "".join(_result(r, autonomous=True) for r in message.results)
    return f"<cwmp:AutonomousDUStateChangeComplete>{results}</cwmp:AutonomousDUStateChangeComplete>"


def _fault(fault: Fault) -> str:
    """Only SetParameterValues faults have items; whoever makes the fault sees to that (A.3.2.1)."""
    items = "".join(
        f"<SetParameterValuesFault>{_element('ParameterName', p.name)}"
        f"{_element('FaultCode', p.code)}{_element('FaultString', p.text)}</SetParameterValuesFault>"
        for p in fault.parameters
    )
    return (
        f"<soap:Fault>{_element('faultcode', soap_faultcode(fault.code))}<faultstring>CWMP fault</faultstring>"
        f"<detail><cwmp:Fault>{_element('FaultCode', fault.code)}{_element('FaultString', fault.text)}{items}"
        "</cwmp:Fault></detail></soap:Fault>"
    )


def _methods(message: m.GetRPCMethodsResponse) -> str:
    strings = [_element("string", method) for method in message.methods]
    return f"<cwmp:GetRPCMethodsResponse>{_array('MethodList', 'xsd:string', strings)}</cwmp:GetRPCMethodsResponse>"


def _status(method: str) -> Callable[[Any], str]:
    return lambda message: f"<cwmp:{method}>{_element('Status', message.status)}</cwmp:{method}>"


def _added(message: m.AddObjectResponse) -> str:
    return (
        f"<cwmp:AddObjectResponse>{_element('InstanceNumber', message.instance_number)}"
        f"{_element('Status', message.status)}</cwmp:AddObjectResponse>"
    )


def _started(message: m.DownloadResponse | m.UploadResponse) -> str:
    method = type(message).__name__
    return (
        f"<cwmp:{method}>{_element('Status', message.status)}"
        f"{_element('StartTime', message.start_time)}{_element('CompleteTime', message.complete_time)}"
        f"</cwmp:{method}>"
    )


def _queued(transfer: QueuedTransfer) -> str:
    return _element("CommandKey", transfer.command_key) + _element("State", transfer.state)


def _queued_transfers(message: m.GetQueuedTransfersResponse) -> str:
    items = [f"<QueuedTransferStruct>{_queued(t)}</QueuedTransferStruct>" for t in message.transfers]
    return (
        f"<cwmp:GetQueuedTransfersResponse>{_array('TransferList', 'cwmp:QueuedTransferStruct', items)}"
        "</cwmp:GetQueuedTransfersResponse>"
    )


def _all_queued_transfers(message: m.GetAllQueuedTransfersResponse) -> str:
    items = [
        f"<AllQueuedTransferStruct>{_queued(t)}{_boolean('IsDownload', t.is_download)}"
        f"{_element('FileType', t.file_type)}{_element('FileSize', t.file_size)}"
        f"{_element('TargetFileName', t.target_file_name)}</AllQueuedTransferStruct>"
        for t in message.transfers
    ]
    return (
        f"<cwmp:GetAllQueuedTransfersResponse>{_array('TransferList', 'cwmp:AllQueuedTransferStruct', items)}"
        "</cwmp:GetAllQueuedTransfersResponse>"
    )


def _void(message: object) -> str:
    """A message without arguments is an empty element, never left out (A.2)."""
    return f"<cwmp:{type(message).__name__}/>"


_WRITERS: dict[type, Callable[[Any], str | tuple[str, ValueList | InfoList | AttributeList]]] = {
    m.Inform: _inform,
    m.TransferComplete: _transfer_complete,
    m.AutonomousTransferComplete: _autonomous_transfer_complete,
    RequestDownload: _request_download,
    m.DUStateChangeComplete: _du_state_change_complete,
    m.AutonomousDUStateChangeComplete: _autonomous_du_state_change_complete,
    m.GetRPCMethods: _void,
    Fault: _fault,
    m.GetRPCMethodsResponse: _methods,
    m.SetParameterValuesResponse: _status("SetParameterValuesResponse"),
    m.GetParameterValuesResponse: lambda r: ("GetParameterValuesResponse", r.parameters),
    m.GetParameterNamesResponse: lambda r: ("GetParameterNamesResponse", r.parameters),
    m.SetParameterAttributesResponse: _void,
    m.GetParameterAttributesResponse: lambda r: ("GetParameterAttributesResponse", r.parameters),
    m.AddObjectResponse: _added,
    m.DeleteObjectResponse: _status("DeleteObjectResponse"),
    m.DownloadResponse: _started,
    m.UploadResponse: _started,
    m.ScheduleDownloadResponse: _void,
    m.CancelTransferResponse: _void,
    m.GetQueuedTransfersResponse: _queued_transfers,
    m.GetAllQueuedTransfersResponse: _all_queued_transfers,
    m.ChangeDUStateResponse: _void,
    m.RebootResponse: _void,
    m.FactoryResetResponse: _void,
    m.ScheduleInformResponse: _void,
}
