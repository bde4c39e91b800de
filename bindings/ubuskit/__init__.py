"""OpenWrt for Python, on a router or on a laptop.

    blobmsg     dict <-> blobmsg, the data format of ubus
    protocol    the ubus wire protocol without I/O, both sides
    client      trio client: call, add_object, send, listen, subscribe
    broker      an embedded ubus daemon, for machines without one
    blocking    calls and events without an event loop
    uci         OpenWrt's configuration
    errors      what can go wrong on the bus

Import what you need from these; importing this package alone loads nothing.
"""
