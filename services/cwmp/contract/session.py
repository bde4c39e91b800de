"""What the session service does for the others, and what it tells them."""

from __future__ import annotations

from cwmp.contract.message import Empty, Fact, Operation
from ubuskit.records import dataclass


@dataclass(frozen=True, slots=True)
class RaiseEvent:
    """An event for the ACS (TR-069a6 3.7.1.5); answered once it is on flash, or needs not be."""

    code: str
    command_key: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """`open` from the first attempt to reach the ACS until the session is over."""

    open: bool


@dataclass(frozen=True, slots=True)
class LogLevel:
    """At what level to log from now on: debug, info, warning, error; "": that of the configuration as it is now."""

    level: str


@dataclass(frozen=True, slots=True)
class RequestDownload:
    """Ask the ACS for a file (TR-069a6 A.4.2.2): parallel lists, at most 16 arguments; answered once on flash."""

    file_type: str
    names: list[str]
    values: list[str]


RAISE_EVENT = Operation("session", "raise_event", RaiseEvent, Empty)
REQUEST_DOWNLOAD = Operation("session", "request_download", RequestDownload, Empty)
GET_STATE = Operation("session", "get_state", Empty, State)

STATE = Fact("session", "state", State)
LOG_LEVEL = Fact("session", "log_level", LogLevel)
