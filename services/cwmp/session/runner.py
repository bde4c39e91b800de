"""One session: the engine's actions carried out over HTTP."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from cwmp.contract import Fault
from cwmp.session import soap
from cwmp.session.engine import (
    CALLS,
    Abandon,
    Acknowledge,
    Action,
    Close,
    Engine,
    Note,
    Send,
    SendEmpty,
    Serve,
)
from cwmp.session.history import Call
from cwmp.session.http import Transport, TransportError

_MAX_BLANK = 64 * 1024
_OURS = (soap.Inform, *CALLS)


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
    abandon: Callable[[str], Awaitable[None]],
    record: Callable[[Call], None],
    log: logging.Logger,
) -> Outcome:
    """Run the session to its end. `acknowledge` has to be durable when it returns (see `Acknowledge`), and so has
    `abandon`, which is called for a request the ACS refused.

    Each RPC that is over, of either side, is told to `record`.
    """

    async def exchange(body: soap.Body | None, method: str) -> list[Action]:
        began = trio.current_time()
        problem = "no usable answer"
        try:
            received = await _exchange(transport, body)
            problem = _fault(received) if method else ""
        finally:
            if method:
                record(Call(method, "cpe", trio.current_time() - began, problem))
        if received is not None and isinstance(received.message, soap.InvalidRequest):
            record(Call(received.message.method[:64], "acs", 0.0, str(received.message.fault)[:256]))
        return engine.received(received)

    actions = deque(engine.begin())
    while True:
        action = actions.popleft()
        try:
            match action:
                case Send(message, header):
                    name = type(message).__name__
                    log.debug("sending %s", name)
                    ours = name if isinstance(message, _OURS) else ""
                    actions.extend(await exchange(soap.encode(message, header), ours))
                case SendEmpty():
                    log.debug("sending an empty POST")
                    actions.extend(await exchange(None, ""))
                case Serve(request):
                    began = trio.current_time()
                    response = await serve(request)
                    problem = str(response)[:256] if isinstance(response, Fault) else ""
                    record(Call(type(request).__name__, "acs", trio.current_time() - began, problem))
                    actions.extend(engine.served(response))
                case Acknowledge(token):
                    await acknowledge(token)
                case Abandon(token):
                    await abandon(token)
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


def _fault(received: soap.Received | None) -> str:
    message = received.message if received is not None else None
    return f"{message.code} {message.text}" if isinstance(message, soap.AcsFault) else ""


async def _exchange(transport: Transport, body: soap.Body | None) -> soap.Received | None:
    """POST, and decode the response while it arrives; None if there is nothing in it."""
    decoder: soap.Decoder | None = None
    blank = 0

    def feed(data: bytes) -> None:
        nonlocal decoder, blank
        if decoder is None:
            if not data.strip():
                blank += len(data)
                if blank > _MAX_BLANK:
                    raise soap.SoapError("nothing but white space")
                return
            decoder = soap.Decoder()
        decoder.feed(data)

    await transport.post(body, feed)
    return decoder.close() if decoder is not None else None
