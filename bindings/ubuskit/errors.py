"""What can go wrong on the bus: one family, with the daemon's status codes as classes.

    UbusError
        StatusError             an answer with a status other than OK; one subclass a status
        Disconnected            the connection was lost, or closed, before the answer came
        MessageTooLarge         refused here, before anything was sent
        ProtocolError           the other side sent what is no ubus message

A method's handler raises a StatusError to answer with that status; its text stays on this side, since ubus
carries the number alone.
"""

from enum import IntEnum
from typing import Any, ClassVar

__all__ = [
    "CallTimeout",
    "ConnectionFailed",
    "Disconnected",
    "InvalidArgument",
    "InvalidCommand",
    "MessageTooLarge",
    "MethodNotFound",
    "NoData",
    "NoMemory",
    "NotFound",
    "NotSupported",
    "ParseError",
    "PermissionDenied",
    "ProtocolError",
    "Status",
    "StatusError",
    "SystemFailure",
    "UbusError",
    "UnknownError",
    "status_error",
]


class Status(IntEnum):
    """Status codes of ubus (ubusmsg.h, enum ubus_msg_status)."""

    OK = 0
    INVALID_COMMAND = 1
    INVALID_ARGUMENT = 2
    METHOD_NOT_FOUND = 3
    NOT_FOUND = 4
    NO_DATA = 5
    PERMISSION_DENIED = 6
    TIMEOUT = 7
    NOT_SUPPORTED = 8
    UNKNOWN_ERROR = 9
    CONNECTION_FAILED = 10
    NO_MEMORY = 11
    PARSE_ERROR = 12
    SYSTEM_ERROR = 13

    @property
    def text(self) -> str:
        """The words the ``ubus`` command uses for it."""
        return _TEXTS[self]


_TEXTS = {
    Status.OK: "Success",
    Status.INVALID_COMMAND: "Invalid command",
    Status.INVALID_ARGUMENT: "Invalid argument",
    Status.METHOD_NOT_FOUND: "Method not found",
    Status.NOT_FOUND: "Not found",
    Status.NO_DATA: "No response",
    Status.PERMISSION_DENIED: "Permission denied",
    Status.TIMEOUT: "Request timed out",
    Status.NOT_SUPPORTED: "Operation not supported",
    Status.UNKNOWN_ERROR: "Unknown error",
    Status.CONNECTION_FAILED: "Connection failed",
    Status.NO_MEMORY: "Out of memory",
    Status.PARSE_ERROR: "Parsing message data failed",
    Status.SYSTEM_ERROR: "System error",
}


class UbusError(Exception):
    """Anything that went wrong on the bus."""


class Disconnected(UbusError):
    """The connection to the daemon is gone, or was lost before an answer came."""


class MessageTooLarge(UbusError):
    """The message is over the 1 MiB that one ubus message may have; nothing was sent."""


class ProtocolError(UbusError):
    """What the other side sent is no ubus message; the connection cannot go on."""


class StatusError(UbusError):
    """A status other than OK: ``StatusError(Status.NOT_FOUND, "why")``, or a subclass: ``NotFound("why")``.

    ``data`` are the DATA messages that came before the status of a call: some services say there what is wrong.
    """

    status: Status

    def __init__(self, status: Status, message: str = "") -> None:
        super().__init__(message or status.text)
        self.status = status
        self.data: list[dict[str, Any]] = []


class _FixedStatus(StatusError):
    _STATUS: ClassVar[Status]

    def __init__(self, message: str = "") -> None:
        super().__init__(self._STATUS, message)


class InvalidCommand(_FixedStatus):
    _STATUS = Status.INVALID_COMMAND


class InvalidArgument(_FixedStatus):
    _STATUS = Status.INVALID_ARGUMENT


class MethodNotFound(_FixedStatus):
    _STATUS = Status.METHOD_NOT_FOUND


class NotFound(_FixedStatus):
    _STATUS = Status.NOT_FOUND


class NoData(_FixedStatus):
    _STATUS = Status.NO_DATA


class PermissionDenied(_FixedStatus):
    _STATUS = Status.PERMISSION_DENIED


class CallTimeout(_FixedStatus):
    _STATUS = Status.TIMEOUT


class NotSupported(_FixedStatus):
    _STATUS = Status.NOT_SUPPORTED


class UnknownError(_FixedStatus):
    _STATUS = Status.UNKNOWN_ERROR


class ConnectionFailed(_FixedStatus):
    _STATUS = Status.CONNECTION_FAILED


class NoMemory(_FixedStatus):
    _STATUS = Status.NO_MEMORY


class ParseError(_FixedStatus):
    _STATUS = Status.PARSE_ERROR


class SystemFailure(_FixedStatus):
    """SYSTEM_ERROR; named so that it does not read like Python's own SystemError."""

    _STATUS = Status.SYSTEM_ERROR


_CLASSES: dict[int, type[_FixedStatus]] = {kind._STATUS: kind for kind in _FixedStatus.__subclasses__()}


def status_error(code: int, where: str = "") -> StatusError:
    """The error for a status number from the wire; ``where`` names the call (``network.interface dump``).

    A number that ubus does not define (a service may answer any) becomes UnknownError with the number in its text.
    """
    kind = _CLASSES.get(code)
    if kind is None:
        kind, text = UnknownError, f"Unknown error: {code}"
    else:
        text = kind._STATUS.text
    return kind(f"{where}: {text}" if where else text)
