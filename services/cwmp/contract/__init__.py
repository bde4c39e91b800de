"""The event contract: the only thing the services know of each other.

| event                         | sent by                     | table                                               |
|-------------------------------|-----------------------------|-----------------------------------------------------|
| ``cwmp.<service>.request``    | a requester                 | ``{id, from, op, args [, page, pages] [, cursor]}`` |
| ``cwmp.<requester>.reply``    | the service asked           | ``{id, state [, result] [, cursor] [, fault]}``     |
| ``cwmp.<service>.ready``      | a service that has started  | ``{version}``                                       |
| ``cwmp.<service>.<fact>``     | the owner of the fact       | the fact's message                                  |

States of a reply: ``done`` (with `result`), ``fault`` (with `fault`), ``working`` (asked again while busy),
``part`` and ``lost``. Delivery is at least once, the effect once: a request keeps its `id` however often it is
sent, and the service replays the answer it gave.

Large requests travel in pages: `page` of `pages`, the staged lists cut, everything else in page 0. Each page
but the last is answered by ``part`` whose `cursor` names the page wanted next (0 after a restart: start over).
Large results likewise: ``part`` with `result` and `cursor`; the requester asks for the next page by sending the
request's `id` and `op` with that `cursor` and no `args`; ``done`` brings the last page. A service that no
longer knows the stream answers ``lost`` and the requester begins again.

`VERSION` changes when a message becomes incompatible; added fields with defaults do not count.
"""

from __future__ import annotations

from cwmp.contract.faults import AcsFaultCode, Fault, FaultCode, ParameterFault, soap_faultcode
from cwmp.contract.message import Empty, Fact, MessageError, Operation, from_table, to_table

VERSION = 1

SERVICES = ("session", "datamodel", "firmware", "diagnostics")

__all__ = [
    "SERVICES",
    "VERSION",
    "AcsFaultCode",
    "Empty",
    "Fact",
    "Fault",
    "FaultCode",
    "MessageError",
    "Operation",
    "ParameterFault",
    "from_table",
    "soap_faultcode",
    "to_table",
]
