"""`cwmp history`: the last sessions, each RPC with its duration."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from cwmp.cli.bus import SESSION, Bus, Reply


def history(bus: Bus, _: argparse.Namespace) -> tuple[Any, Iterator[str]]:
    reply = bus.call(SESSION, "history")
    return reply, _lines(reply)


def _lines(reply: Reply) -> Iterator[str]:
    """Newest first: what one looks for has just happened."""
    sessions = list(reply.get("sessions", []))
    if not sessions:
        yield "no session since the service started"
    for session in reversed(sessions):
        version = f", CWMP {session['version']}" if session["version"] else ""
        error = f": {session['error']}" if session["error"] else ""
        yield f"{session['start']} {session['result']}{error}"
        yield f"  {', '.join(session['events']) or 'no events'} ({session['why']}){version}"
        for call in session["calls"]:
            who = "ACS asks" if call["by"] == "acs" else "we ask"
            fault = f"  fault {call['fault']}" if call.get("fault") else ""
            yield f"  {call['ms']:>7} ms  {who:<8}  {call['method']}{fault}"
        if session["more_calls"]:
            yield f"  and {session['more_calls']} more"
