"""What a service can do at all: every service answers this one of itself.

A service answers an operation it has not with fault 9000. Where it depends on the router whether it has one
(software modules need something that installs them), it has the operation there and has it not elsewhere.
"""

from __future__ import annotations

from cwmp.contract.message import Empty, Operation
from ubuskit.records import dataclass


@dataclass(frozen=True, slots=True)
class Operations:
    """Names of operations."""

    names: list[str]


def get_operations(service: str) -> Operation[Empty, Operations]:
    """The operation that tells what `service` answers."""
    return Operation(service, "get_operations", Empty, Operations)
