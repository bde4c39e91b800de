"""The queue and its document, which never lags behind it; and how far the transfer under way has come."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import trio

from cwmp.contract import Fault
from cwmp.contract.firmware import PROGRESS, TRANSFER, TransferProgress, TransferState
from cwmp.firmware import queue as transfers
from cwmp.firmware.queue import Now, Queue, State, Step, Transfer
from cwmp.runtime import Peers, StateFile

_TOLD_EVERY = 0.5


class Records:
    """The queue and its document. `reportable`: whether the ACS wants to hear of an autonomous transfer."""

    def __init__(
        self, file: StateFile, peers: Peers, reportable: Callable[[Transfer], bool], log: logging.Logger
    ) -> None:
        self._file = file
        self._peers = peers
        self._reportable = reportable
        self._log = log
        self.queue, problems = transfers.from_document(file.load())
        for problem in problems:
            log.error("%s", problem)

    async def commit(self, queue: Queue) -> None:
        """Make `queue` the queue, durably, and tell what changed.

        Raises:
            OSError: it could not be made durable; the queue is the old one.
        """
        queue = queue.judged(self._reportable)
        self._file.save(transfers.to_document(queue))
        old, self.queue = self.queue, queue
        before = {t.id: t.state for t in old.transfers}
        for transfer in queue.transfers:
            if before.pop(transfer.id, None) is not transfer.state:
                await self._tell(transfer.id, transfer.state, transfer.fault_code)
        for gone, state in before.items():
            if state is not State.COMPLETE:
                await self._tell(gone, State.CANCELLED, 0)

    async def step(self, transfer_id: str, step: Step, **changes: Any) -> Transfer:
        """Record a step of a transfer; its record as it is then.

        Raises:
            LookupError: it cannot take this step, or is gone.
            OSError: see `commit`.
        """
        queue = self.queue.advance(transfer_id, step, **changes)
        await self.commit(queue)
        return queue.transfer(transfer_id)

    async def failed(self, transfer: Transfer, fault: Fault, now: Now) -> None:
        """Record that what `transfer` tried came to nothing; one that was cancelled meanwhile is gone already."""
        if self.queue.find(transfer.id) is None:
            return
        queue = self.queue.failed(transfer.id, fault, now)
        again = queue.transfer(transfer.id).state is State.QUEUED
        self._log.error(
            "transfer %s failed%s: %s", transfer.id, ", it will be tried again" if again else "", fault
        )
        await self.commit(queue)

    async def _tell(self, transfer_id: str, state: State, fault_code: int) -> None:
        await self._peers.tell(TRANSFER, TransferState(transfer_id, state.value, fault_code))


class Progress:
    """How far the transfer under way has come; told twice a second at most."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._news = trio.Event()
        self.begin("")

    def begin(self, transfer_id: str) -> None:
        """Another transfer, at its beginning."""
        self._id = transfer_id
        self.bytes = self.total = self.rate = 0
        self._counted = 0
        self._at = 0.0

    def moved(self, size: int, total: int) -> None:
        """`size` bytes of `total` (0: not known) have passed."""
        self.bytes, self.total = size, total
        now = trio.current_time()
        if now - self._at < _TOLD_EVERY:
            return
        if self._at:
            self.rate = max(0, round((size - self._counted) / (now - self._at)))
        self._at, self._counted = now, size
        self._news.set()

    async def run(self) -> None:
        """Tell whoever listens, until cancelled."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            await self._peers.tell(PROGRESS, TransferProgress(self._id, self.bytes, self.total, self.rate))
