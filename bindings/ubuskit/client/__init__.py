"""A trio client for ubus: calls, objects, events and subscriptions that survive the daemon's restart.

    async with open_client() as bus:
        board = await bus.call("system", "board")
        await bus.add_object("greeter", {"greet": Method(greet, {"name": str})})
        await bus.listen("cwmp.*", on_event)

``await`` anything and it has a deadline. After a reconnect objects, listeners and subscriptions are registered again
by themselves; what was in flight fails with Disconnected, what is started meanwhile waits within its deadline.
"""

from ubuskit.client._client import DEFAULT_SOCKET, Client, ObjectInfo, open_client
from ubuskit.client._dormant import Dormant
from ubuskit.client._listeners import Listener, Subscription
from ubuskit.client._served import ArgType, Handler, Method, Request, ServedObject

__all__ = [
    "DEFAULT_SOCKET",
    "ArgType",
    "Client",
    "Dormant",
    "Handler",
    "Listener",
    "Method",
    "ObjectInfo",
    "Request",
    "ServedObject",
    "Subscription",
    "open_client",
]
