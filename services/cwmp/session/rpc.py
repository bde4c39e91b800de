"""The requests of the ACS, carried out: each by the service that owns the matter (TR-069a6 annex A).

Nothing is decided here: names, types and values are the datamodel's business, files the firmware service's.
What is added: large results are collected page by page into compressed lists, a service that restarts in the
middle of one is asked again from the beginning, and no fault leaves that the standard does not list for the
method (section A.3; an ACS need not understand others). A method whose owner has no operation for it on this
router is answered 9000, and GetRPCMethods leaves it out.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from cwmp.contract import Empty, Fault, FaultCode, Operation
from cwmp.contract import datamodel as dm
from cwmp.contract import firmware as fw
from cwmp.contract.operations import get_operations
from cwmp.runtime import Peers, StreamLost
from cwmp.session import soap
from cwmp.session.journal import Journal
from cwmp.session.scheduled import MAX_SCHEDULED, Moment

_STREAM_ATTEMPTS = 3

_ANY = frozenset({9001, 9002})
_PATHS = _ANY | {9003, 9004, 9005}
_ALLOWED: Mapping[type, frozenset[int]] = {
    soap.GetRPCMethods: _ANY,
    soap.SetParameterValues: _ANY | frozenset(range(9003, 9009)),
    soap.GetParameterValues: _PATHS,
    soap.GetParameterNames: _PATHS,
    soap.SetParameterAttributes: _PATHS | {9009},
    soap.GetParameterAttributes: _PATHS,
    soap.AddObject: _PATHS,
    soap.DeleteObject: _ANY | {9003, 9005},
    soap.Download: _ANY | {9000, 9003, 9004, 9010, 9012, 9013},
    soap.Upload: _ANY | {9000, 9003, 9004, 9011, 9012, 9013},
    soap.ScheduleDownload: _ANY | {9000, 9003, 9004, 9010, 9013},
    soap.CancelTransfer: frozenset({9000, 9001, 9004, 9021}),
    soap.GetQueuedTransfers: _ANY | {9000},
    soap.GetAllQueuedTransfers: _ANY | {9000},
    soap.ChangeDUState: _ANY | {9000, 9004},
    soap.Reboot: _ANY | {9003},
    soap.FactoryReset: _ANY | {9000, 9003},
    soap.ScheduleInform: _ANY | {9003},
}

METHODS = tuple(request.__name__ for request in _ALLOWED)
"""What GetRPCMethods tells, if all owners have what it takes."""

_OWNED: Mapping[type, Operation[Any, Any]] = {
    soap.Download: fw.DOWNLOAD,
    soap.Upload: fw.UPLOAD,
    soap.ScheduleDownload: fw.SCHEDULE_DOWNLOAD,
    soap.CancelTransfer: fw.CANCEL_TRANSFER,
    soap.GetQueuedTransfers: fw.GET_QUEUED,
    soap.GetAllQueuedTransfers: fw.GET_QUEUED,
    soap.ChangeDUState: fw.CHANGE_DU_STATE,
    soap.FactoryReset: fw.FACTORY_RESET,
}
"""The methods that the firmware service carries out, if it can."""

_MAX_QUEUED = 16
_MAX_OPERATIONS = 64
_OWNER_DEADLINE = 5.0


class AcsRequests:
    """Carries out requests. `limit` (s) is how long one may take: the ACS waits for a POST of ours meanwhile.

    `before_order` is awaited before the firmware service is asked for something whose result it keeps for the ACS.
    """

    def __init__(
        self,
        peers: Peers,
        journal: Journal,
        log: logging.Logger,
        *,
        limit: float,
        before_order: Callable[[], Awaitable[None]],
        moment: Callable[[], Moment],
    ) -> None:
        self.count = 0
        """How many were carried out or refused."""
        self._peers = peers
        self._journal = journal
        self._log = log
        self._limit = limit
        self._before_order = before_order
        self._moment = moment

    async def serve(self, request: soap.Request) -> soap.Response | Fault:
        """The response to `request`, or the fault that refuses it."""
        method = type(request).__name__
        self.count += 1
        began = trio.current_time()
        try:
            with trio.fail_after(self._limit):
                response = await self._HANDLERS[type(request)](self, request)
        except trio.TooSlowError:
            fault = Fault(FaultCode.INTERNAL_ERROR, f"{method} took longer than {self._limit:g} s")
        except OSError as error:
            fault = Fault(FaultCode.INTERNAL_ERROR, f"state cannot be written: {error.strerror}")
        except Fault as refused:
            fault = refused
        else:
            took = (trio.current_time() - began) * 1000
            self._log.info("%s: %s (%.0f ms)", _summary(request), _result(response), took)
            return response
        fault = _as_allowed(type(request), fault)
        self._log.warning("%s refused: %s", _summary(request), _printable(str(fault)))
        return fault

    async def _get_rpc_methods(self, _request: soap.GetRPCMethods) -> soap.Response:
        owned = await self._operations()
        missing = {r.__name__ for r, op in _OWNED.items() if owned is not None and op.name not in owned}
        return soap.GetRPCMethodsResponse([m for m in METHODS if m not in missing])

    async def _operations(self) -> list[str] | None:
        """What the firmware service can do on this router; None where it does not say."""
        try:
            found = await self._peers.request(get_operations("firmware"), Empty(), deadline=_OWNER_DEADLINE)
        except Fault as fault:
            self._log.warning("the firmware service does not say what it can do: %s", fault.text)
            return None
        return found.names

    async def _set_parameter_values(self, request: soap.SetParameterValues) -> soap.Response:
        args = dm.SetValues(
            list(request.names), list(request.types), list(request.values), request.parameter_key
        )
        applied = await self._peers.request(dm.SET_VALUES, args, deadline=self._limit)
        return soap.SetParameterValuesResponse(applied.status)

    async def _get_parameter_values(self, request: soap.GetParameterValues) -> soap.Response:
        for _ in range(_STREAM_ATTEMPTS):
            values = soap.ValueList()
            try:
                args = dm.GetValues(list(request.parameter_names))
                async with self._peers.stream(dm.GET_VALUES, args, deadline=self._limit) as pages:
                    async for page in pages:
                        values.add(page.names, page.types, page.values)
                return soap.GetParameterValuesResponse(values)
            except StreamLost:
                self._log.info("datamodel restarted: reading again from the beginning")
            except soap.ListTooLong as error:
                raise Fault(FaultCode.RESOURCES_EXCEEDED, f"the result is {error}: ask for less") from None
        raise Fault(FaultCode.INTERNAL_ERROR, "datamodel keeps restarting")

    async def _get_parameter_names(self, request: soap.GetParameterNames) -> soap.Response:
        for _ in range(_STREAM_ATTEMPTS):
            names = soap.InfoList()
            try:
                args = dm.GetNames(request.parameter_path, request.next_level)
                async with self._peers.stream(dm.GET_NAMES, args, deadline=self._limit) as pages:
                    async for page in pages:
                        names.add(page.names, page.writable)
                return soap.GetParameterNamesResponse(names)
            except StreamLost:
                self._log.info("datamodel restarted: reading again from the beginning")
            except soap.ListTooLong as error:
                raise Fault(FaultCode.RESOURCES_EXCEEDED, f"the result is {error}: ask for less") from None
        raise Fault(FaultCode.INTERNAL_ERROR, "datamodel keeps restarting")

    async def _set_parameter_attributes(self, request: soap.SetParameterAttributes) -> soap.Response:
        args = dm.SetAttributes(
            list(request.names),
            [dm.UNCHANGED if n is None else _notification(n) for n in request.notifications],
            [entries is not None for entries in request.access_lists],
            [",".join(entries or ()) for entries in request.access_lists],
        )
        await self._peers.request(dm.SET_ATTRIBUTES, args, deadline=self._limit)
        return soap.SetParameterAttributesResponse()

    async def _get_parameter_attributes(self, request: soap.GetParameterAttributes) -> soap.Response:
        for _ in range(_STREAM_ATTEMPTS):
            attributes = soap.AttributeList()
            try:
                args = dm.GetAttributes(list(request.parameter_names))
                async with self._peers.stream(dm.GET_ATTRIBUTES, args, deadline=self._limit) as pages:
                    async for page in pages:
                        access = [text.split(",") if text else [] for text in page.access_lists]
                        attributes.add(page.names, page.notifications, access)
                return soap.GetParameterAttributesResponse(attributes)
            except StreamLost:
                self._log.info("datamodel restarted: reading again from the beginning")
            except soap.ListTooLong as error:
                raise Fault(FaultCode.RESOURCES_EXCEEDED, f"the result is {error}: ask for less") from None
        raise Fault(FaultCode.INTERNAL_ERROR, "datamodel keeps restarting")

    async def _add_object(self, request: soap.AddObject) -> soap.Response:
        args = dm.AddObject(request.object_name, request.parameter_key)
        added = await self._peers.request(dm.ADD_OBJECT, args, deadline=self._limit)
        return soap.AddObjectResponse(added.instance_number, added.status)

    async def _delete_object(self, request: soap.DeleteObject) -> soap.Response:
        args = dm.DeleteObject(request.object_name, request.parameter_key)
        applied = await self._peers.request(dm.DELETE_OBJECT, args, deadline=self._limit)
        return soap.DeleteObjectResponse(applied.status)

    async def _download(self, request: soap.Download) -> soap.Response:
        await self._before_order()
        started = await self._peers.request(fw.DOWNLOAD, request, deadline=self._limit)
        return soap.DownloadResponse(started.status, started.start_time, started.complete_time)

    async def _upload(self, request: soap.Upload) -> soap.Response:
        await self._before_order()
        started = await self._peers.request(fw.UPLOAD, request, deadline=self._limit)
        return soap.UploadResponse(started.status, started.start_time, started.complete_time)

    async def _schedule_download(self, request: soap.ScheduleDownload) -> soap.Response:
        await self._before_order()
        await self._peers.request(fw.SCHEDULE_DOWNLOAD, request, deadline=self._limit)
        return soap.ScheduleDownloadResponse()

    async def _cancel_transfer(self, request: soap.CancelTransfer) -> soap.Response:
        await self._peers.request(fw.CANCEL_TRANSFER, request, deadline=self._limit)
        return soap.CancelTransferResponse()

    async def _get_queued_transfers(self, _request: soap.GetQueuedTransfers) -> soap.Response:
        queued = await self._peers.request(fw.GET_QUEUED, Empty(), deadline=self._limit)
        asked_for = [t for t in queued.transfers if not t.autonomous]
        return soap.GetQueuedTransfersResponse(asked_for[:_MAX_QUEUED])

    async def _get_all_queued_transfers(self, _request: soap.GetAllQueuedTransfers) -> soap.Response:
        queued = await self._peers.request(fw.GET_QUEUED, Empty(), deadline=self._limit)
        return soap.GetAllQueuedTransfersResponse(queued.transfers[:_MAX_QUEUED])

    async def _change_du_state(self, request: soap.ChangeDUState) -> soap.Response:
        if len(request.operations) > _MAX_OPERATIONS:
            raise Fault(FaultCode.RESOURCES_EXCEEDED, f"more than {_MAX_OPERATIONS} operations")
        await self._before_order()
        await self._peers.request(fw.CHANGE_DU_STATE, request, deadline=self._limit)
        return soap.ChangeDUStateResponse()

    async def _reboot(self, request: soap.Reboot) -> soap.Response:
        """Written down now, done once when the session has ended well (A.3.2.9)."""
        self._journal.reboot_asked(request.command_key)
        return soap.RebootResponse()

    async def _factory_reset(self, _request: soap.FactoryReset) -> soap.Response:
        """As Reboot (A.4.1.4); but not promised where nobody can do it."""
        owned = await self._operations()
        if owned is not None and fw.FACTORY_RESET.name not in owned:
            raise Fault(FaultCode.METHOD_NOT_SUPPORTED, "this router has no way back to its factory defaults")
        self._journal.reset_asked()
        return soap.FactoryResetResponse()

    async def _schedule_inform(self, request: soap.ScheduleInform) -> soap.Response:
        """Written down before it is answered; whoever runs the sessions looks when the next is due."""
        if not self._journal.inform_scheduled(request.delay_seconds, request.command_key, self._moment()):
            raise Fault(FaultCode.INTERNAL_ERROR, f"more than {MAX_SCHEDULED} Informs are scheduled")
        return soap.ScheduleInformResponse()

    _HANDLERS: Mapping[type, Callable[[AcsRequests, Any], Awaitable[soap.Response]]] = {
        soap.GetRPCMethods: _get_rpc_methods,
        soap.SetParameterValues: _set_parameter_values,
        soap.GetParameterValues: _get_parameter_values,
        soap.GetParameterNames: _get_parameter_names,
        soap.SetParameterAttributes: _set_parameter_attributes,
        soap.GetParameterAttributes: _get_parameter_attributes,
        soap.AddObject: _add_object,
        soap.DeleteObject: _delete_object,
        soap.Download: _download,
        soap.Upload: _upload,
        soap.ScheduleDownload: _schedule_download,
        soap.CancelTransfer: _cancel_transfer,
        soap.GetQueuedTransfers: _get_queued_transfers,
        soap.GetAllQueuedTransfers: _get_all_queued_transfers,
        soap.ChangeDUState: _change_du_state,
        soap.Reboot: _reboot,
        soap.FactoryReset: _factory_reset,
        soap.ScheduleInform: _schedule_inform,
    }


def _notification(number: int) -> int:
    """What the ACS asks for; `UNCHANGED` is a word of ours, so it cannot ask for that."""
    if number < 0:
        raise Fault(FaultCode.INVALID_ARGUMENTS, f"Notification {number} is none (A.3.2.4)")
    return number


def _as_allowed(request: type, fault: Fault) -> Fault:
    """The fault with a code the method may answer; items only where they belong (A.3.2.1)."""
    allowed = _ALLOWED[request]
    code = fault.code
    if code not in allowed and not 9800 <= code <= 9899:
        code = FaultCode.INTERNAL_ERROR if FaultCode.INTERNAL_ERROR in allowed else FaultCode.REQUEST_DENIED
    return Fault(code, fault.text, fault.parameters if request is soap.SetParameterValues else ())


def _printable(text: str) -> str:
    """Text of the ACS's making in one harmless line of the log."""
    return "".join(c if c.isprintable() else "?" for c in text[:400])


def _summary(request: soap.Request) -> str:
    """A request in a few words; values and credentials are not among them."""
    match request:
        case (
            soap.GetParameterValues(names)
            | soap.SetParameterValues(names)
            | soap.GetParameterAttributes(names)
            | soap.SetParameterAttributes(names)
        ):
            first = f" {names[0] or '(everything)'}" if names else ""
            what = f"{first} and {len(names) - 1} more" if len(names) > 1 else first
        case soap.GetParameterNames(path, next_level):
            what = f" {path or '(everything)'}{' (next level)' if next_level else ''}"
        case soap.AddObject(name) | soap.DeleteObject(name):
            what = f" {name}"
        case soap.Download() | soap.Upload() | soap.ScheduleDownload():
            what = f" {request.file_type!r}, key {request.command_key!r}"
        case soap.ChangeDUState(key, operations):
            what = f" {', '.join(o.kind for o in operations[:16])}, key {key!r}"
        case soap.Reboot(key) | soap.CancelTransfer(key):
            what = f" key {key!r}"
        case soap.ScheduleInform(delay, key):
            what = f" in {delay} s, key {key!r}"
        case _:
            what = ""
    return _printable(type(request).__name__ + what)


def _result(response: soap.Response) -> str:
    match response:
        case (
            soap.GetParameterValuesResponse(items)
            | soap.GetParameterNamesResponse(items)
            | soap.GetParameterAttributesResponse(items)
        ):
            return f"{items.count} entries, {items.length} bytes"
        case soap.AddObjectResponse(number, status):
            return f"instance {number}, status {status}"
        case soap.SetParameterValuesResponse(status) | soap.DeleteObjectResponse(status):
            return f"status {status}"
        case soap.DownloadResponse(status) | soap.UploadResponse(status):
            return f"status {status}"
        case soap.GetQueuedTransfersResponse(items) | soap.GetAllQueuedTransfersResponse(items):
            return f"{len(items)} entries"
        case _:
            return "done"
