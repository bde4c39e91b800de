"""Request and reply between services, over ubus events (the contract's package docstring has the messages).

Theory of operation
-------------------
An event reaches whoever listens at that moment, and ubusd drops what a full queue cannot take. So a request is
sent again, under the same id, until it is answered: after a while, when the service says that it is ready, and
when the bus came back. The answering side knows which ids it works on (``working``) and keeps its last answers
(replayed), so that an operation runs once however often its request arrives. What must not happen twice even
across a restart of the answering service is up to its handler, which is given the id for that purpose.

Nothing here grows without bound: a request has a deadline, an answerer runs at most `_MAX_RUNNING` operations
and remembers `_MAX_ANSWERED` answers, a stream holds two pages and is dropped when nobody asks for its next one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import trio

from cwmp.contract import SERVICES, VERSION, Fact, MessageError, from_table, to_table
from cwmp.runtime._answering import Answerer
from cwmp.runtime._asking import Asker, StreamLost
from ubuskit.client import Client
from ubuskit.errors import UbusError

M = TypeVar("M")


class Peers:
    """The other services, as seen from the service `name`."""

    def __init__(self, name: str, bus: Client, nursery: trio.Nursery, log: logging.Logger) -> None:
        self._name = name
        self._bus = bus
        self._nursery = nursery
        self._log = log
        self._asker = Asker(name, bus)
        self._answerer = Answerer(name, bus, nursery, log)
        self._ready_callbacks: list[tuple[str, Callable[[], None]]] = []
        self.request = self._asker.request
        self.stream = self._asker.stream
        self.answer = self._answerer.answer

    @property
    def asked_at(self) -> float:
        """When one of the others asked for something last, by trio's clock, or since when we are there."""
        return self._answerer.asked_at

    @property
    def busy(self) -> bool:
        """Whether somebody waits for an answer of ours, or we for one of theirs."""
        return self._answerer.busy or self._asker.busy

    async def tell(self, fact: Fact[M], message: M) -> None:
        """Tell whoever listens. Facts may be lost; nothing may depend on one arriving."""
        try:
            await self._bus.send(fact.event, to_table(message))
        except UbusError as error:
            self._log.debug("%s was not told: %s", fact.event, error)

    async def hear(self, fact: Fact[M], handler: Callable[[M], None]) -> None:
        """Have `handler` called, in the order of arrival, with each such fact. It must be quick."""

        def heard(event: str, table: dict[str, Any]) -> None:
            try:
                message = from_table(fact.message, table)
            except MessageError as error:
                self._log.warning("%s was ignored: %s", event, error)
            else:
                handler(message)

        await self._bus.listen(fact.event, heard)

    def on_ready(self, service: str, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever `service` has started, or came back to the bus."""
        self._ready_callbacks.append((service, callback))

    async def ready(self) -> None:
        """Listen, and tell the others that requests can be sent. To be called when everything is registered."""
        await self._bus.listen(f"cwmp.{self._name}.request", self._answerer.on_request)
        await self._bus.listen(f"cwmp.{self._name}.reply", self._asker.on_reply)
        for service in SERVICES:
            if service != self._name:
                await self._bus.listen(f"cwmp.{service}.ready", self._on_peer_ready)
        self._nursery.start_soon(self._answerer.send_replies)
        await self._announce()
        self._bus.on_connect(lambda: self._nursery.start_soon(self._returned))

    async def _returned(self) -> None:
        """The bus came back: whatever was under way may be lost, so both directions are sent again."""
        await self._announce()
        self._asker.send_again()

    async def _announce(self) -> None:
        try:
            await self._bus.send(f"cwmp.{self._name}.ready", {"version": VERSION})
        except UbusError as error:
            self._log.debug("ready was not told: %s", error)

    def _on_peer_ready(self, event: str, table: dict[str, Any]) -> None:
        service = event.split(".")[1]
        if table.get("version") != VERSION:
            self._log.error(
                "%s speaks version %s of the event contract, we speak %s: install matching packages",
                service,
                table.get("version"),
                VERSION,
            )
        self._asker.send_again(service)
        for wanted, callback in self._ready_callbacks:
            if wanted == service:
                callback()


__all__ = ["Peers", "StreamLost"]
