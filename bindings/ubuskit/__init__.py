"""ubus and UCI for Python, on a router or on a laptop.

    blobmsg     dict <-> blobmsg, the data format of ubus
    protocol    the ubus wire protocol without I/O, both sides
    client      trio client: call, add_object, send, listen, subscribe
    broker      an embedded ubus daemon, for machines without one
    blocking    calls and events without an event loop
    uci         OpenWrt's configuration
    errors      what can go wrong on the bus

What most programs need is here as well; each name loads its module when it is first used, so that a command that
only calls does not load trio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ubuskit.blocking import BlockingClient
    from ubuskit.broker import serve
    from ubuskit.client import Client, Method, ObjectInfo, Request, ServedObject, open_client
    from ubuskit.errors import Disconnected, Status, StatusError, UbusError

__all__ = [
    "DEFAULT_SOCKET",
    "BlockingClient",
    "Client",
    "Disconnected",
    "Method",
    "ObjectInfo",
    "Request",
    "ServedObject",
    "Status",
    "StatusError",
    "UbusError",
    "open_client",
    "serve",
]

DEFAULT_SOCKET: Final = "/var/run/ubus/ubus.sock"

_HOMES: Final = {
    "BlockingClient": "ubuskit.blocking",
    "Client": "ubuskit.client",
    "Disconnected": "ubuskit.errors",
    "Method": "ubuskit.client",
    "ObjectInfo": "ubuskit.client",
    "Request": "ubuskit.client",
    "ServedObject": "ubuskit.client",
    "Status": "ubuskit.errors",
    "StatusError": "ubuskit.errors",
    "UbusError": "ubuskit.errors",
    "open_client": "ubuskit.client",
    "serve": "ubuskit.broker",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
