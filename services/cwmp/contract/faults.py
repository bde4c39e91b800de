"""CWMP faults: the codes of TR-069a6 A.5.1 and A.5.2, and the one exception that carries them.

A fault crosses the bus as ``{code, text, parameters: [{name, code, text}]}`` and the ACS as a SOAP fault;
between services and inside them it is this exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from ubuskit.records import dataclass


class FaultCode(IntEnum):
    """What a CPE answers (TR-069a6 A.5.1)."""

    METHOD_NOT_SUPPORTED = 9000
    REQUEST_DENIED = 9001
    INTERNAL_ERROR = 9002
    INVALID_ARGUMENTS = 9003
    RESOURCES_EXCEEDED = 9004
    INVALID_PARAMETER_NAME = 9005
    INVALID_PARAMETER_TYPE = 9006
    INVALID_PARAMETER_VALUE = 9007
    NOT_WRITABLE = 9008
    NOTIFICATION_REJECTED = 9009
    DOWNLOAD_FAILURE = 9010
    UPLOAD_FAILURE = 9011
    FILE_SERVER_AUTHENTICATION = 9012
    UNSUPPORTED_PROTOCOL = 9013
    MULTICAST_JOIN = 9014
    CONTACT_FILE_SERVER = 9015
    ACCESS_FILE = 9016
    COMPLETE_DOWNLOAD = 9017
    FILE_CORRUPTED = 9018
    FILE_AUTHENTICATION = 9019
    TIME_WINDOWS = 9020
    CANCEL_NOT_PERMITTED = 9021
    INVALID_UUID = 9022
    UNKNOWN_EXECUTION_ENVIRONMENT = 9023
    DISABLED_EXECUTION_ENVIRONMENT = 9024
    EXECUTION_ENVIRONMENT_MISMATCH = 9025
    DUPLICATE_DEPLOYMENT_UNIT = 9026
    SYSTEM_RESOURCES_EXCEEDED = 9027
    UNKNOWN_DEPLOYMENT_UNIT = 9028
    INVALID_DEPLOYMENT_UNIT_STATE = 9029
    DOWNGRADE_NOT_PERMITTED = 9030
    VERSION_NOT_SPECIFIED = 9031
    VERSION_EXISTS = 9032


class AcsFaultCode(IntEnum):
    """What an ACS answers (TR-069a6 A.5.2)."""

    METHOD_NOT_SUPPORTED = 8000
    REQUEST_DENIED = 8001
    INTERNAL_ERROR = 8002
    INVALID_ARGUMENTS = 8003
    RESOURCES_EXCEEDED = 8004
    RETRY_REQUEST = 8005
    INCOMPATIBLE_VERSION = 8006


_CLIENT_FAULTS = frozenset({9003, 9005, 9006, 9007, 9008, 9020, 9021, 8003})


def soap_faultcode(code: int) -> str:
    """``Client`` or ``Server``, as the tables of TR-069a6 A.5 require for `code`."""
    return "Client" if code in _CLIENT_FAULTS else "Server"


@dataclass(frozen=True, slots=True)
class ParameterFault:
    """One SetParameterValuesFault (TR-069a6 A.3.2.1)."""

    name: str
    code: int
    text: str


class Fault(Exception):
    """A request was refused: a CWMP fault code and a sentence a person understands."""

    def __init__(self, code: int, text: str, parameters: Sequence[ParameterFault] = ()) -> None:
        super().__init__(code, text)
        self.code = int(code)
        self.text = text
        self.parameters = tuple(parameters)

    def __str__(self) -> str:
        items = "".join(f"; {p.name}: {p.code} {p.text}" for p in self.parameters)
        return f"Fault {self.code}: {self.text}{items}"

    def to_table(self) -> dict[str, Any]:
        """The fault as it crosses the bus."""
        table: dict[str, Any] = {"code": self.code, "text": self.text}
        if self.parameters:
            table["parameters"] = [{"name": p.name, "code": p.code, "text": p.text} for p in self.parameters]
        return table

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Fault:
        """Read a fault from the bus; a table that is none becomes 9002 and says so."""
        code, text = table.get("code"), table.get("text", "")
        items = table.get("parameters", [])
        if not isinstance(code, int) or not isinstance(text, str) or not isinstance(items, list):
            return cls(FaultCode.INTERNAL_ERROR, "a service answered with a malformed fault")
        return cls(
            code,
            text,
            [
                ParameterFault(str(i.get("name", "")), int(i.get("code", 9002)), str(i.get("text", "")))
                for i in items
                if isinstance(i, dict)
            ],
        )
