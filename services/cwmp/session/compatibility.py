"""The ubus object ``tr069``, as icwmp and easycwmp have it: for scripts that were made for them.

It is there while option `compatibility` says so. Names, types and numbers of the replies are theirs (docs/ubus.md
lists them), what happens is what the object ``cwmp`` does. The daemon itself is procd's to start and to stop.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from cwmp.contract import Fault
from cwmp.runtime.clock import date_time
from cwmp.session.bus_object import event_by_hand
from ubuskit import UbusError
from ubuskit.client import Client, Method, Request
from ubuskit.errors import InvalidArgument

if TYPE_CHECKING:
    from cwmp.session.service import Service
    from ubuskit.client import ServedObject

_UNKNOWN = "N/A"
_DONE, _REFUSED, _STARTED = 0, -1, 1


class CompatibleObject:
    """`reboot` reboots the device once no session is open."""

    def __init__(
        self, bus: Client, service: Service, reboot: Callable[[], Awaitable[None]], log: logging.Logger
    ) -> None:
        self._bus = bus
        self._service = service
        self._reboot = reboot
        self._log = log
        self._started = time.time()
        self._served: ServedObject | None = None

    async def switch(self, wanted: bool) -> None:
        """Be on the bus, or not. A name that another client has taken is left to it, with a line in the log."""
        try:
            if wanted and self._served is None:
                methods = {
                    "status": Method(self._status),
                    "inform": Method(self._inform, {"GetRPCMethods": bool, "event": str}),
                    "command": Method(self._command, {"command": str, "name": str}),
                }
                self._served = await self._bus.add_object("tr069", methods)
            elif self._served is not None and not wanted:
                await self._served.remove()
                self._served = None
        except UbusError as error:
            self._log.warning("the object tr069 (option 'compatibility'): %s", error)

    async def _status(self, _request: Request) -> Mapping[str, Any]:
        found = self._service.status()
        last, numbers = found["last_session"], found["statistics"]
        return {
            "cwmp": {
                "status": "up" if found["state"] == "running" else "down",
                "start_time": date_time(self._started),
                "acs_url": found["acs_url"],
            },
            "last_session": {
                "status": _UNKNOWN if last["result"] == "none" else last["result"],
                "start_time": last["start"] or _UNKNOWN,
                "end_time": last["end"] or _UNKNOWN,
            },
            "next_session": {
                "status": "waiting",
                "start_time": found["next_session"]["time"] or _UNKNOWN,
                "end_time": _UNKNOWN,
            },
            "statistics": {
                "success_sessions": numbers["success"],
                "failure_sessions": numbers["failure"],
                "total_sessions": numbers["success"] + numbers["failure"],
            },
        }

    async def _inform(self, request: Request) -> Mapping[str, Any]:
        if request.args.get("GetRPCMethods"):
            return _reply(_REFUSED, "GetRPCMethods is not sent on demand")
        code = event_by_hand(str(request.args.get("event") or ""))
        if code is None:
            return _reply(_REFUSED, "no event that can be asked for")
        running = self._service.session_open
        accepted, info = self._service.inform(code)
        if not accepted:
            return _reply(_REFUSED, info)
        if running:
            return _reply(_REFUSED, "Session already running, event will be sent at the end of the session")
        return _reply(_STARTED, "Session started")

    async def _command(self, request: Request) -> Mapping[str, Any]:
        command = request.args.get("command") or request.args.get("name")
        if not command:
            raise InvalidArgument("command: the name of one")
        match command:
            case "reload" | "reload_end_session":
                running = self._service.session_open
                self._service.reload()
                info = "Session running, reload at the end of the session" if running else "config reloaded"
                return _reply(_DONE, info)
            case "reboot_end_session":
                try:
                    await self._reboot()
                except Fault as fault:
                    return _reply(_REFUSED, fault.text)
                return _reply(_DONE, "reboot at the end of the session")
        return _reply(_REFUSED, f"{command!s:.40} command is not supported")


def _reply(status: int, info: str) -> Mapping[str, Any]:
    return {"status": status, "info": info}
