"""One session: the engine's actions carried out over HTTP."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cwmp.contract import Fault
from cwmp.session import soap
from cwmp.session.engine import Acknowledge, Close, Engine, Note, Send, SendEmpty, Serve
from cwmp.session.http import Transport, TransportError


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended; `error` says in plain words why it failed."""

    success: bool
    error: str = ""


async def run(
    engine: Engine,
    transport: Transport,
    *,
    serve: Callable[[soap.Request], Awaitable[soap.Response | Fault]],
    acknowledge: Callable[[str | None], Awaitable[None]],
    log: logging.Logger,
) -> Outcome:
    """Run the session to its end. `acknowledge` has to be durable when it returns (see `Acknowledge`)."""
    actions = deque(engine.begin())
    while True:
        action = actions.popleft()
        try:
            match action:
                case Send(message, header):
                    log.debug("sending %s", type(message).__name__)
                    actions.extend(engine.received(await _exchange(transport, soap.encode(message, header))))
                case SendEmpty():
                    log.debug("sending an empty POST")
                    actions.extend(engine.received(await _exchange(transport, None)))
                case Serve(request):
                    actions.extend(engine.served(await serve(request)))
                case Acknowledge(token):
                    await acknowledge(token)
                case Note(text):
                    log.warning("%s", "".join(c if c.isprintable() else "?" for c in text))
                case Close(success, reason):
                    return Outcome(success, reason)
        except TransportError as error:
            actions = deque(engine.fail(str(error)))
        except soap.SoapError as error:
            kind = transport.content_type.partition(";")[0]
            hint = f" (it is {kind:.60})" if kind and "xml" not in kind else ""
            actions = deque(engine.fail(f"what the ACS sent is no CWMP message{hint}: {error}"))
        except OSError as error:
            actions = deque(engine.fail(f"state cannot be written: {error.strerror or error}"))


async def _exchange(transport: Transport, body: soap.Body | None) -> soap.Received | None:
    """POST, and decode the response while it arrives; None if there is nothing in it."""
    decoder: soap.Decoder | None = None

    def feed(data: bytes) -> None:
        nonlocal decoder
        if decoder is None:
            if not data.strip():
                return
            decoder = soap.Decoder()
        decoder.feed(data)

    await transport.post(body, feed)
    return decoder.close() if decoder is not None else None
