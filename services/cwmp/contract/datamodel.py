"""What the datamodel service does for the others.

Parameter lists travel as parallel lists (`names`, `types`, `values`), the most compact form blobmsg has for
them. Types are the TR-106 base types without prefix: ``string``, ``int``, ``unsignedInt``, ``long``,
``unsignedLong``, ``boolean``, ``dateTime``, ``base64``, ``hexBinary``, ``decimal``; values are their XML text.
"""

from __future__ import annotations

from dataclasses import field

from cwmp.contract.message import Empty, Fact, Operation
from ubuskit.records import dataclass


@dataclass(frozen=True, slots=True)
class GetValues:
    """Parameter paths, partial paths ending in a dot, or "" for everything (TR-069a6 A.3.2.2)."""

    paths: list[str]


@dataclass(frozen=True, slots=True)
class Values:
    """One page of parameters; the three lists have the same length."""

    names: list[str]
    types: list[str]
    values: list[str]


@dataclass(frozen=True, slots=True)
class GetNames:
    """Arguments of GetParameterNames (TR-069a6 A.3.2.3)."""

    path: str
    next_level: bool


@dataclass(frozen=True, slots=True)
class Names:
    """One page of ParameterInfoStructs: objects end in a dot."""

    names: list[str]
    writable: list[bool]


@dataclass(frozen=True, slots=True)
class SetValues:
    """Arguments of SetParameterValues; an empty type means that the sender did not say (ubus, command line).

    `parameter_key` is set if and only if everything succeeds; None leaves it alone (a local writer).
    """

    names: list[str]
    types: list[str]
    values: list[str]
    parameter_key: str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """0: applied; 1: durably saved, applied after the session (TR-069a6 A.3.2.1)."""

    status: int


@dataclass(frozen=True, slots=True)
class GetAttributes:
    """As `GetValues`, for GetParameterAttributes (TR-069a6 A.3.2.5)."""

    paths: list[str]


@dataclass(frozen=True, slots=True)
class Attributes:
    """One page: Notification, and AccessList with commas between its entries."""

    names: list[str]
    notifications: list[int]
    access_lists: list[str]


@dataclass(frozen=True, slots=True)
class SetAttributes:
    """Arguments of SetParameterAttributes (TR-069a6 A.3.2.4), in the order they are to be applied.

    A notification of `UNCHANGED` stays as it is, and so does an access list whose `access_changes` is false.
    """

    names: list[str]
    notifications: list[int]
    access_changes: list[bool]
    access_lists: list[str]


@dataclass(frozen=True, slots=True)
class AddObject:
    """A table's path ending in a dot."""

    object_name: str
    parameter_key: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    instance_number: int
    status: int


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """A row's path ending in a dot."""

    object_name: str
    parameter_key: str | None = None


@dataclass(frozen=True, slots=True)
class GetInform:
    """What the session needs for an Inform that delivers `events` (event codes)."""

    events: list[str]


@dataclass(frozen=True, slots=True)
class Inform:
    """DeviceId, the ParameterList, and whether one of the listed values changed by other than the ACS.

    `token` names exactly this set of values: handed back by `INFORMED` when the ACS has them.
    """

    manufacturer: str
    oui: str
    product_class: str
    serial_number: str
    names: list[str]
    types: list[str]
    values: list[str]
    value_change: bool
    token: str


@dataclass(frozen=True, slots=True)
class Informed:
    """The ACS answered the Inform with this token: its values are known there."""

    token: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session with the ACS is over: what was left for its end is applied now."""

    success: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """Something was changed: UCI packages written, and parameters set (or rows added or deleted, by their paths).

    `by` is ``acs``, ``local``, or ``system`` for a watched value that changed by itself. `values` has one entry for
    each of `names`, "" for paths of rows and for what nobody may read; with `more` there were more than are listed.
    """

    packages: list[str]
    names: list[str] = field(default_factory=list)
    by: str = "local"
    values: list[str] = field(default_factory=list)
    more: bool = False


GET_VALUES = Operation("datamodel", "get_values", GetValues, Values, staged=("paths",), paged=True)
UNCHANGED = -1

GET_ATTRIBUTES = Operation(
    "datamodel", "get_attributes", GetAttributes, Attributes, staged=("paths",), paged=True
)
SET_ATTRIBUTES = Operation(
    "datamodel",
    "set_attributes",
    SetAttributes,
    Empty,
    staged=("names", "notifications", "access_changes", "access_lists"),
)
GET_NAMES = Operation("datamodel", "get_names", GetNames, Names, paged=True)
SET_VALUES = Operation("datamodel", "set_values", SetValues, Applied, staged=("names", "types", "values"))
ADD_OBJECT = Operation("datamodel", "add_object", AddObject, Added)
DELETE_OBJECT = Operation("datamodel", "delete_object", DeleteObject, Applied)
GET_INFORM = Operation("datamodel", "get_inform", GetInform, Inform)
INFORMED = Operation("datamodel", "informed", Informed, Empty)
SESSION_ENDED = Operation("datamodel", "session_ended", SessionEnded, Empty)

CHANGED = Fact("datamodel", "changed", Changed)
