"""What an operator sees and does: the methods of the ubus object ``cwmp`` (docs/ubus.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cwmp.runtime.logs import LEVELS
from cwmp.session import events as ev
from ubuskit.client import Client, Method, Request
from ubuskit.errors import InvalidArgument

if TYPE_CHECKING:
    import logging

    from cwmp.session.history import History
    from cwmp.session.service import Service
    from cwmp.session.trace import Trace
    from cwmp.session.verbosity import Verbosity

_BY_HAND = (ev.BOOTSTRAP, ev.BOOT, ev.PERIODIC, ev.CONNECTION_REQUEST, ev.DIAGNOSTICS_COMPLETE, ev.HEARTBEAT)


def event_by_hand(text: str) -> str | None:
    """The event a person means: its code, its number or its name; without any, a periodic Inform."""
    wanted = text.strip().upper() or ev.PERIODIC
    return next((code for code in _BY_HAND if wanted in {code, *code.split(" ", 1)}), None)


class BusObject:
    """Arguments are checked here; what a method does is the service's."""

    def __init__(
        self, service: Service, history: History, trace: Trace, verbosity: Verbosity, log: logging.Logger
    ) -> None:
        self._service = service
        self._verbosity = verbosity
        self._history = history
        self._trace = trace
        self._log = log

    async def add_to(self, bus: Client) -> None:
        """From now on the object is on the bus."""
        await bus.add_object(
            "cwmp",
            {
                "status": Method(self._status),
                "inform": Method(self._inform, {"event": str}),
                "reload": Method(self._reload),
                "reset": Method(self._reset),
                "history": Method(self._sessions),
                "trace": Method(self._switch_trace, {"enable": bool}),
                "traced": Method(self._traced, {"since": int}),
                "log": Method(self._log_level, {"level": str}),
            },
        )

    async def _status(self, _request: Request) -> Mapping[str, Any]:
        return self._service.status()

    async def _inform(self, request: Request) -> Mapping[str, Any]:
        code = event_by_hand(str(request.args.get("event") or ""))
        if code is None:
            return {"accepted": False, "info": f"no event to ask for; it is one of {', '.join(_BY_HAND)}"}
        accepted, info = self._service.inform(code)
        return {"accepted": accepted, "info": info}

    async def _reload(self, _request: Request) -> Mapping[str, Any]:
        self._service.reload()
        return {}

    async def _reset(self, _request: Request) -> Mapping[str, Any]:
        return {"info": self._service.reset()}

    async def _log_level(self, request: Request) -> Mapping[str, Any]:
        """Set the level of all services, where `level` is given; says which one holds."""
        level = request.args.get("level")
        if level is not None and level not in {*LEVELS, "default"}:
            raise InvalidArgument(f"level: one of {', '.join(LEVELS)}, default")
        if level is not None:
            await self._verbosity.log_at("" if level == "default" else level)
        return {"level": self._verbosity.level}

    async def _sessions(self, _request: Request) -> Mapping[str, Any]:
        return self._history.to_table()

    async def _switch_trace(self, request: Request) -> Mapping[str, Any]:
        """Switch tracing, where `enable` is given; says whether it is on."""
        if (enable := request.args.get("enable")) is not None:
            self._trace.enabled = bool(enable)
            self._log.info("trace %s", "on" if enable else "off")
        return {"enabled": self._trace.enabled}

    async def _traced(self, request: Request) -> Mapping[str, Any]:
        return self._trace.since(int(request.args.get("since") or 0))
