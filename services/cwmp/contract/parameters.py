"""Parameters that live in a service other than the datamodel (mapping source ``service``).

The datamodel declares them (type, access, range); their values are asked of and given to their owner.
Names are full parameter paths. Types are the datamodel's business, values are XML text.
"""

from __future__ import annotations

from cwmp.contract.message import Empty, Operation
from ubuskit.records import dataclass


@dataclass(frozen=True, slots=True)
class GetParameters:
    """All parameters below these object paths (each ends in a dot)."""

    paths: list[str]


@dataclass(frozen=True, slots=True)
class Parameters:
    names: list[str]
    values: list[str]


@dataclass(frozen=True, slots=True)
class SetParameters:
    """New values; with `check_only` nothing is changed, the owner just says whether it would accept them.

    A refusal is a Fault 9003 with one ParameterFault for each bad parameter.
    """

    names: list[str]
    values: list[str]
    check_only: bool = False


def get_parameters(service: str) -> Operation[GetParameters, Parameters]:
    """The operation that reads the parameters `service` owns."""
    return Operation(service, "get_parameters", GetParameters, Parameters)


def set_parameters(service: str) -> Operation[SetParameters, Empty]:
    """The operation that checks or sets parameters `service` owns."""
    return Operation(service, "set_parameters", SetParameters, Empty)
