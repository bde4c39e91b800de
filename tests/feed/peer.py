"""``python peer.py UID GID SOCKET STEP...``: what a user may do on the bus. Prints one line a step: ok, or why not.

Steps: send:EVENT  listen:PATTERN  publish:OBJECT  call:OBJECT.METHOD. The modules are loaded before the user changes,
who may not be able to read them.
"""

import os
import sys

import trio

import ubuskit.blobmsg  # noqa: F401
from ubuskit.client import Client, Method, Request, open_client
from ubuskit.errors import UbusError


async def answer(_: Request) -> dict[str, str]:
    return {}


async def take(client: Client, step: str) -> None:
    what, _, name = step.partition(":")
    if what == "send":
        await client.send(name, {})
    elif what == "listen":
        await client.listen(name, lambda *_: None)
    elif what == "publish":
        await client.add_object(name, {"status": Method(answer)})
    else:
        obj, _, method = name.rpartition(".")
        await client.call(obj, method)


async def main(socket: str, steps: list[str]) -> None:
    async with open_client(socket, connect_timeout=10) as client:
        for step in steps:
            try:
                await take(client, step)
                print(step, "ok")
            except UbusError as error:
                print(step, type(error).__name__)


uid, gid = int(sys.argv[1]), int(sys.argv[2])
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
trio.run(main, sys.argv[3], sys.argv[4:])
