"""An embedded ubus daemon: wire-compatible with ubusd, for machines that have none.

The ``ubus`` command, libubus and python-ubus clients work against it unchanged. In a program:

    async with trio.open_nursery() as nursery:
        broker = await nursery.start(partial(serve, "/tmp/ubus.sock"))

By itself: ``python -m ubuskit.broker -s /tmp/ubus.sock``. File descriptors that clients send along are not passed on.
"""

from ubuskit.broker._server import AddressTaken, Broker, serve

__all__ = ["AddressTaken", "Broker", "serve"]
