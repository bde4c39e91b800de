"""The requests of the ACS, carried out: each by the service that owns the matter (TR-069a6 annex A).

Nothing is decided here: names, types and values are the datamodel's business, files the firmware service's.
What is added: large results are collected page by page into compressed lists, a service that restarts in the
middle of one is asked again from the beginning, and no fault leaves that the standard does not list for the
method (section A.3; an ACS need not understand others).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.contract import datamodel as dm
from cwmp.contract import firmware as fw
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
    soap.Reboot: _ANY | {9003},
    soap.ScheduleInform: _ANY | {9003},
}

METHODS = tuple(request.__name__ for request in _ALLOWED)
"""What GetRPCMethods tells: exactly what answers here."""


class AcsRequests:
    """Carries out requests. `limit` (s) is how long one may take: the ACS waits for a POST of ours meanwhile."""

    def __init__(
        self,
        peers: Peers,
        journal: Journal,
        log: logging.Logger,
        *,
        limit: float,
        before_download: Callable[[], Awaitable[None]],
        moment: Callable[[], Moment],
    ) -> None:
        self.count = 0
        """How many were carried out or refused."""
        self._peers = peers
        self._journal = journal
        self._log = log
        self._limit = limit
        self._before_download = before_download
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
            fault = _as_allowed(type(request), refused)
        else:
            took = (trio.current_time() - began) * 1000
            self._log.info("%s: %s (%.0f ms)", _summary(request), _result(response), took)
            return response
        self._log.warning("%s refused: %s", _summary(request), _printable(str(fault)))
        return fault

    async def _get_rpc_methods(self, _request: soap.GetRPCMethods) -> soap.Response:
        return soap.GetRPCMethodsResponse(METHODS)

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
        await self._before_download()
        args = fw.Download(
            command_key=request.command_key,
            file_type=request.file_type,
            url=request.url,
            username=request.username,
            password=request.password,
            file_size=request.file_size,
            target_file_name=request.target_file_name,
            delay_seconds=request.delay_seconds,
            success_url=request.success_url,
            failure_url=request.failure_url,
        )
        started = await self._peers.request(fw.DOWNLOAD, args, deadline=self._limit)
        return soap.DownloadResponse(started.status, started.start_time, started.complete_time)

    async def _reboot(self, request: soap.Reboot) -> soap.Response:
        """Written down now, done once when the session has ended well (A.3.2.9)."""
        self._journal.reboot_asked(request.command_key)
        return soap.RebootResponse()

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
        soap.Reboot: _reboot,
        soap.ScheduleInform: _schedule_inform,
    }


def _notification(number: int) -> int:
    """What the ACS asks for; `UNCHANGED` is a word of ours, so it cannot ask for that."""
    if number < 0:
        raise Fault(FaultCode.INVALID_ARGUMENTS, f"Notification {number} is none (A.3.2.4)")
    return number


def _as_allowed(request: type, fault: Fault) -> Fault:
    """The fault with a code the method may answer; items only where they belong (A.3.2.1)."""
    code = (
        fault.code
        if fault.code in _ALLOWED[request] or 9800 <= fault.code <= 9899
        else FaultCode.INTERNAL_ERROR
    )
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
        case soap.Download():
            what = f" {request.file_type!r}, key {request.command_key!r}"
        case soap.Reboot(key):
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
        case soap.DownloadResponse(status):
            return f"status {status}"
        case _:
            return "done"
