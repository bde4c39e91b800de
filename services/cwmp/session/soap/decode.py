"""What the ACS sends, decoded: one `Received` an envelope (TR-069a6 3.5, annex A).

Three things can be wrong, and each has its own answer. No CWMP message at all: `SoapError`, the session has
failed. A request that nobody knows: fault 9000. A request whose arguments are against the schema: fault 9003,
or 9001 for the methods that the standard does not let answer 9003. The latter two are an `InvalidRequest`, ready
to be answered. Elements are matched by local name, the message itself by any namespace
``urn:dslforum-org:cwmp-1-N``; arrays are counted by their children, not by their `arrayType`; unknown elements
within arguments are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from cwmp.contract import Fault, FaultCode
from cwmp.contract import firmware as fw
from cwmp.session.soap import messages as m
from cwmp.session.soap.arguments import Arguments, boolean
from cwmp.session.soap.errors import SoapError
from cwmp.session.soap.names import SOAP, cwmp_minor
from cwmp.session.soap.parse import Element, Parser

MAX_BYTES = 4 << 20
MAX_ELEMENTS = 150_000

Message: TypeAlias = m.Request | m.InvalidRequest | m.AcsResponse | m.AcsFault

_IGNORED_HEADERS = frozenset({"NoMoreRequests", "SessionTimeout", "SupportedCWMPVersions"})
_WITHOUT_9003 = frozenset({"CancelTransfer", "ChangeDUState"})


@dataclass(frozen=True, slots=True)
class Received:
    """A message of the ACS with its headers; `cwmp` is the N of its namespace."""

    message: Message
    cwmp: int
    id: str | None = None
    hold_requests: bool = False
    use_cwmp_version: str | None = None


class Decoder:
    """One message: `feed` its bytes as they come, then `close`."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS) -> None:
        self._parser = Parser(max_bytes, max_elements)

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            SoapError: they cannot be part of a message.
        """
        self._parser.feed(data)

    def close(self) -> Received:
        """The message, when all its bytes are there.

        Raises:
            SoapError: it is none.
        """
        return _envelope(self._parser.close())


def _envelope(root: Element) -> Received:
    if root.name != "Envelope" or root.namespace != SOAP:
        raise SoapError(f"not a SOAP 1.1 envelope but an element {root.tag!r:.80}")
    bodies = [e for e in root.children if e.name == "Body" and e.namespace == SOAP]
    if len(bodies) != 1:
        raise SoapError(f"the envelope has {len(bodies)} bodies")
    if len(bodies[0].children) != 1:
        raise SoapError(f"the body has {len(bodies[0].children)} messages")
    headers = [e for e in root.children if e.name == "Header" and e.namespace == SOAP]
    found = _headers([h for header in headers for h in header.children])
    message, cwmp = _message(bodies[0].children[0])
    return Received(message, cwmp, found.id, found.hold_requests, found.use_cwmp_version)


@dataclass(slots=True)
class _Headers:
    id: str | None = None
    hold_requests: bool = False
    use_cwmp_version: str | None = None


def _headers(elements: list[Element]) -> _Headers:
    found = _Headers()
    for element in elements:
        known = cwmp_minor(element.namespace) is not None
        if known and element.name == "ID":
            found.id = element.text
        elif known and element.name == "HoldRequests":
            hold = boolean(element.text)
            if hold is None:
                raise SoapError(f"HoldRequests is {element.text!r:.40}, not 0 or 1")
            found.hold_requests = hold
        elif known and element.name == "UseCWMPVersion":
            found.use_cwmp_version = element.text.strip()
        elif known and element.name in _IGNORED_HEADERS:
            pass
        elif element.attributes.get(f"{{{SOAP}}}mustUnderstand") == "1":
            raise SoapError(f"the header {element.tag!r:.120} must be understood and is not known")
    return found


def _message(element: Element) -> tuple[Message, int]:
    if element.name == "Fault" and element.namespace == SOAP:
        return _acs_fault(element)
    cwmp = cwmp_minor(element.namespace)
    decode = _RESPONSES.get(element.name)
    if cwmp is not None and decode is not None:
        return decode(element), cwmp
    if element.name.endswith("Response"):
        raise SoapError(f"a response nobody asked for: {element.tag!r:.120}")
    request = _REQUESTS.get(element.name) if cwmp is not None else None
    if request is None:
        fault = Fault(FaultCode.METHOD_NOT_SUPPORTED, f"method {element.name:.64} is not supported")
        return m.InvalidRequest(element.name, fault), cwmp or 0
    try:
        repeated = "Operations" if element.name == "ChangeDUState" else ""
        return request(Arguments(element, repeated=repeated)), cwmp or 0
    except Fault as fault:
        if element.name in _WITHOUT_9003:
            fault = Fault(FaultCode.REQUEST_DENIED, fault.text)
        return m.InvalidRequest(element.name, fault), cwmp or 0


def _acs_fault(element: Element) -> tuple[m.AcsFault, int]:
    """A SOAP fault without a CWMP fault in its detail makes the message invalid (TR-069a6 3.5)."""
    details = [d for d in element.children if d.name == "detail"]
    faults = [
        f for d in details for f in d.children if f.name == "Fault" and cwmp_minor(f.namespace) is not None
    ]
    if len(faults) != 1:
        raise SoapError("a SOAP fault without a CWMP fault in its detail")
    fields = {e.name: e.text for e in faults[0].children}
    code = fields.get("FaultCode", "").strip()
    if not re.fullmatch(r"\d{4,5}", code):
        raise SoapError(f"a CWMP fault with FaultCode {code!r:.40}")
    return m.AcsFault(int(code), fields.get("FaultString", "")[:256]), cwmp_minor(faults[0].namespace) or 0


def _set_parameter_values(a: Arguments) -> m.SetParameterValues:
    rows = a.rows("ParameterList")
    names = rows.names
    if max(map(len, names), default=0) > 256:
        raise a.bad("ParameterList", "has a Name longer than 256 characters")
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = next(n for n in names if n in seen or seen.add(n))  # type: ignore[func-returns-value]
        raise a.bad("ParameterList", f"has {twice} twice")
    kinds = {t: _base_type(t) for t in set(rows.types)}
    types = list(map(kinds.__getitem__, rows.types))
    return m.SetParameterValues(names, types, rows.values, a.string("ParameterKey", 32))


def _set_parameter_attributes(a: Arguments) -> m.SetParameterAttributes:
    names, notifications, access_lists = [], [], []
    for entry in a.structs("ParameterList", "SetParameterAttributesStruct"):
        names.append(entry.string("Name", 256))
        notification = entry.integer("Notification") if entry.boolean("NotificationChange") else None
        notifications.append(notification)
        changes = entry.boolean("AccessListChange")
        access_lists.append(entry.strings("AccessList", 64, empty=True) if changes else None)
    return m.SetParameterAttributes(names, notifications, access_lists)


def _base_type(xsi_type: str) -> str:
    """``xsd:base64Binary`` as ``base64``: the TR-106 name without prefix; unknown ones stay as they are."""
    local = xsi_type.strip().rpartition(":")[2]
    return "base64" if local == "base64Binary" else local


def _download(a: Arguments) -> fw.Download:
    return fw.Download(
        command_key=a.command_key(),
        file_type=a.file_type(),
        url=a.string("URL", 256),
        username=a.string("Username", 256),
        password=a.string("Password", 256),
        file_size=a.unsigned("FileSize"),
        target_file_name=a.string("TargetFileName", 256),
        delay_seconds=a.unsigned("DelaySeconds"),
        success_url=a.string("SuccessURL", 256),
        failure_url=a.string("FailureURL", 256),
    )


def _upload(a: Arguments) -> fw.Upload:
    return fw.Upload(
        command_key=a.command_key(),
        file_type=a.file_type(),
        url=a.string("URL", 256),
        username=a.string("Username", 256),
        password=a.string("Password", 256),
        delay_seconds=a.unsigned("DelaySeconds"),
    )


def _schedule_download(a: Arguments) -> fw.ScheduleDownload:
    windows = [
        fw.TimeWindow(
            start=w.unsigned("WindowStart"),
            end=w.unsigned("WindowEnd"),
            mode=w.string("WindowMode", 64),
            user_message=w.string("UserMessage", 256),
            max_retries=w.integer("MaxRetries"),
        )
        for w in a.structs("TimeWindowList", "TimeWindowStruct")
    ]
    if len(windows) > 2:
        raise a.bad("TimeWindowList", f"has {len(windows)} windows, at most 2 are allowed")
    edges = [edge for w in windows for edge in (w.start, w.end)]
    if edges != sorted(edges) or any(w.start == w.end for w in windows):
        raise a.bad("TimeWindowList", "has windows that end before they begin, or overlap")
    if any(w.max_retries < -1 for w in windows):
        raise a.bad("TimeWindowList", "has a MaxRetries below -1")
    return fw.ScheduleDownload(
        command_key=a.command_key(),
        file_type=a.file_type(),
        url=a.string("URL", 256),
        username=a.string("Username", 256),
        password=a.string("Password", 256),
        file_size=a.unsigned("FileSize"),
        target_file_name=a.string("TargetFileName", 256),
        windows=windows,
    )


_KINDS = {"InstallOpStruct": "Install", "UpdateOpStruct": "Update", "UninstallOpStruct": "Uninstall"}


def _change_du_state(a: Arguments) -> fw.ChangeDUState:
    """What an operation must have is for its result to say (A.4.1.10): only its form is looked at here."""
    found = a.alternatives(tuple(_KINDS))
    if not found:
        raise a.bad("Operations", "is missing")
    return fw.ChangeDUState(
        a.optional("CommandKey", 32),
        [
            fw.DUOperation(
                kind=_KINDS[kind],
                url=o.optional("URL", 1024),
                uuid=o.optional("UUID", 64),
                username=o.optional("Username", 256),
                password=o.optional("Password", 256),
                execution_env_ref=o.optional("ExecutionEnvRef", 256),
                version=o.optional("Version", 32),
            )
            for kind, o in found
        ],
    )


_REQUESTS: dict[str, Callable[[Arguments], m.Request]] = {
    "GetRPCMethods": lambda _: m.GetRPCMethods(),
    "SetParameterValues": _set_parameter_values,
    "GetParameterValues": lambda a: m.GetParameterValues(a.strings("ParameterNames", 256)),
    "GetParameterNames": lambda a: m.GetParameterNames(
        a.string("ParameterPath", 256), a.boolean("NextLevel")
    ),
    "SetParameterAttributes": _set_parameter_attributes,
    "GetParameterAttributes": lambda a: m.GetParameterAttributes(a.strings("ParameterNames", 256)),
    "AddObject": lambda a: m.AddObject(a.object_name(), a.string("ParameterKey", 32)),
    "DeleteObject": lambda a: m.DeleteObject(a.object_name(), a.string("ParameterKey", 32)),
    "Download": _download,
    "Upload": _upload,
    "ScheduleDownload": _schedule_download,
    "CancelTransfer": lambda a: fw.CancelTransfer(a.command_key()),
    "GetQueuedTransfers": lambda _: m.GetQueuedTransfers(),
    "GetAllQueuedTransfers": lambda _: m.GetAllQueuedTransfers(),
    "ChangeDUState": _change_du_state,
    "Reboot": lambda a: fw.Reboot(a.command_key()),
    "FactoryReset": lambda _: fw.FactoryReset(),
    "ScheduleInform": lambda a: m.ScheduleInform(a.positive("DelaySeconds"), a.command_key()),
}


def _method_list(element: Element) -> m.MethodList:
    lists = [e for e in element.children if e.name == "MethodList"]
    return m.MethodList([s.text for e in lists for s in e.children])


_RESPONSES: dict[str, Callable[[Element], m.AcsResponse]] = {
    "InformResponse": lambda _: m.InformResponse(),
    "TransferCompleteResponse": lambda _: m.TransferCompleteResponse(),
    "AutonomousTransferCompleteResponse": lambda _: m.AutonomousTransferCompleteResponse(),
    "RequestDownloadResponse": lambda _: m.RequestDownloadResponse(),
    "DUStateChangeCompleteResponse": lambda _: m.DUStateChangeCompleteResponse(),
    "AutonomousDUStateChangeCompleteResponse": lambda _: m.AutonomousDUStateChangeCompleteResponse(),
    "GetRPCMethodsResponse": _method_list,
}
