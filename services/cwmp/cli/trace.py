"""`cwmp trace on|off|show|follow`: the messages between this device and the ACS, without their secrets."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from cwmp.cli.bus import SESSION, Bus, Reply

_PAUSE = 0.5  # s between two looks of `follow`


def trace(bus: Bus, options: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    if options.action in {"on", "off"}:
        reply = bus.call(SESSION, "trace", {"enable": options.action == "on"})
        return reply, iter([f"trace {options.action}"])
    if options.action == "follow":
        return _messages(bus, follow=True), _lines(_messages(bus, follow=True))
    messages = list(_messages(bus, follow=False))
    if messages:
        return messages, _lines(messages)
    on = bus.call(SESSION, "trace")["enabled"]
    return messages, iter(["nothing was said since it is on" if on else "nothing was traced: cwmp trace on"])


def _messages(bus: Bus, *, follow: bool) -> Iterator[Reply]:
    """What there is and, with `follow`, what comes until the command is interrupted; switched on for that time."""
    was_on = not follow or bus.call(SESSION, "trace")["enabled"]
    try:
        if not was_on:
            bus.call(SESSION, "trace", {"enable": True})
        since = 0
        while True:
            page = bus.call(SESSION, "traced", {"since": since})
            if page["last"] < since:  # the service was restarted and counts anew
                since = 0
                continue
            since = page["last"]
            yield from page["messages"]
            if not page["more"]:
                if not follow:
                    return
                time.sleep(_PAUSE)
    finally:
        if not was_on:
            bus.call(SESSION, "trace", {"enable": False})


def _lines(messages: Iterator[Reply] | list[Reply]) -> Iterator[str]:
    for message in messages:
        arrow = ">>>" if message["direction"] == "sent" else "<<<"
        yield f"{arrow} {message['number']} {message['time']} {message['start']}"
        yield from message["headers"]
        if message["body"]:
            yield ""
            yield from message["body"].splitlines()
        yield ""
