"""The ubus wire protocol without I/O: frames, messages, a client's connection and the daemon's bus.

    wire        frames on a stream
    messages    what stands in them
    connection  the client's side: requests and their answers, what comes unasked
    bus         the daemon's side: objects, events, subscriptions, monitors, queues
    acl         who may do what

Octets go in and come out; no module here knows a socket, a clock or an event loop.
"""

from ubuskit.protocol.connection import Answered, Connected, Connection, Event, Exchange, Invoked, State
from ubuskit.protocol.messages import (
    AddObject,
    Data,
    Hello,
    Invoke,
    Lookup,
    Message,
    Monitor,
    Notify,
    Ping,
    RemoveObject,
    Status,
    Subscribe,
    Unsubscribe,
    pack,
    parse,
)
from ubuskit.protocol.wire import (
    ACL_OBJECT,
    EVENT_OBJECT,
    FIRST_FREE_ID,
    MAX_BLOB,
    MONITOR_OBJECT,
    Attr,
    Frame,
    FrameReader,
    MessageType,
    pack_frame,
)

__all__ = [
    "ACL_OBJECT",
    "EVENT_OBJECT",
    "FIRST_FREE_ID",
    "MAX_BLOB",
    "MONITOR_OBJECT",
    "AddObject",
    "Answered",
    "Attr",
    "Connected",
    "Connection",
    "Data",
    "Event",
    "Exchange",
    "Frame",
    "FrameReader",
    "Hello",
    "Invoke",
    "Invoked",
    "Lookup",
    "Message",
    "MessageType",
    "Monitor",
    "Notify",
    "Ping",
    "RemoveObject",
    "State",
    "Status",
    "Subscribe",
    "Unsubscribe",
    "pack",
    "pack_frame",
    "parse",
]
