"""The bus as the commands see it: errors in words, faults raised, long listings page by page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cwmp.contract.faults import Fault
from ubuskit.blocking import BlockingClient
from ubuskit.errors import (
    CallTimeout,
    Disconnected,
    InvalidArgument,
    MethodNotFound,
    NotFound,
    PermissionDenied,
    UbusError,
)

SESSION, DATAMODEL = "cwmp", "cwmp.datamodel"

Reply = Mapping[str, Any]


class Unreachable(Exception):
    """The bus, or a service on it, does not answer; the text says what to do."""


class Bus:
    """Calls with the command's time-out, errors in words, faults raised."""

    def __init__(self, client: BlockingClient, timeout: float) -> None:
        self._client = client
        self._timeout = timeout

    def call(self, obj: str, method: str, args: Reply | None = None) -> Reply:
        try:
            reply = self._client.call(obj, method, args, timeout=self._timeout)
        except NotFound:
            raise Unreachable(f"{obj} is not on the bus: is the service running?") from None
        except CallTimeout:
            raise Unreachable(f"{obj} did not answer within {self._timeout:g} s (--timeout)") from None
        except MethodNotFound:
            raise Unreachable(f"{obj} has no method {method}: install matching packages") from None
        except PermissionDenied:
            raise Unreachable(f"this user may not call {obj} {method}: try as root") from None
        except InvalidArgument:
            raise Fault(9003, f"{obj} {method} refused the arguments") from None
        except Disconnected as error:
            raise Unreachable(str(error)) from None
        except UbusError as error:
            raise Fault(9002, f"{obj} {method}: {error}") from None
        if isinstance(fault := reply.get("fault"), dict):
            raise Fault.from_table(fault)
        return reply

    def pages(self, obj: str, method: str, args: Reply, key: str) -> list[Mapping[str, Any]]:
        """All pages of a listing, under `key` in each reply."""
        rows: list[Mapping[str, Any]] = []
        page: int | None = 0
        while page is not None:
            reply = self.call(obj, method, {**args, "page": page} if page else args)
            rows += reply.get(key, [])
            page = reply.get("next")
        return rows
