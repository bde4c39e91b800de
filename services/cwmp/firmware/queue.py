"""The transfer queue: what has been asked for, how far it got, and what the ACS still has to hear of.

Theory of operation
-------------------
A `Queue` is an immutable value: every change gives a new one, which is made durable *before* the step that it
announces is taken. So whatever the power does, the record says at least as much as has happened, and `recover`
knows how to go on:

- ``queued``: waits until it is due, and until nothing else runs.
- ``downloading``, ``checking``: under way. Cut off here, it goes back to ``queued`` and begins again (the image
  is in RAM, it is gone after a boot), but not for ever: a transfer that was cut off `MAX_ATTEMPTS` times fails.
- ``ready``: the image is verified and waits for the end of the session with the ACS. Cut off: as above.
- ``applying``: the system has been, or is just being, told to flash. It is *never* told again. Only the next
  boot decides, by the version that runs then (`Transfer.outcome`); if there is no boot, the transfer fails.
- ``complete``: it succeeded or failed. An ACS's transfer stays until the ACS has confirmed its
  TransferComplete; a local one stays as history.
- ``cancelled``: only told to others; the record is gone.

`TRANSITIONS` is the whole machine. One transfer runs at a time, the one that has been due longest first
(TR-069a6 A.3.2.8: by due time, not by order of request). A request that is sent again, under the same request
id, queues nothing new.

When a delay is over is told by two clocks. Within one boot the monotonic clock decides, so that setting the
wall clock neither hurries nor holds up a transfer. After a boot that clock began anew: then the wall clock
decides, or, as long as it plainly is not set, the whole delay counted from the boot.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from cwmp.contract import Fault, FaultCode
from ubuskit.records import dataclass

LIMIT = 16
"""Transfers that may wait or run at a time (TR-069a6 A.3.2.8 wants at least 3, A.4.1.7 lists at most 16)."""

MAX_ATTEMPTS = 4
_UNCONFIRMED_LIMIT = 32
_HISTORY_LIMIT = 8
_ANSWERED_LIMIT = 64
_FAULT_STRING_LIMIT = 256


class State(StrEnum):
    QUEUED = "queued"
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    READY = "ready"
    APPLYING = "applying"
    COMPLETE = "complete"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What makes a transfer change its state."""

    START = "start"
    FETCHED = "fetched"
    VERIFIED = "verified"
    APPLY = "apply"
    SUCCEED = "succeed"
    FAIL = "fail"
    CUT_OFF = "cut off"
    CANCEL = "cancel"


_UNDER_WAY = (State.DOWNLOADING, State.CHECKING, State.READY)

TRANSITIONS: Mapping[tuple[State, Step], State] = MappingProxyType(
    {
        (State.QUEUED, Step.START): State.DOWNLOADING,
        (State.DOWNLOADING, Step.FETCHED): State.CHECKING,
        (State.CHECKING, Step.VERIFIED): State.READY,
        (State.READY, Step.APPLY): State.APPLYING,
        (State.APPLYING, Step.SUCCEED): State.COMPLETE,
        (State.APPLYING, Step.FAIL): State.COMPLETE,
        (State.QUEUED, Step.FAIL): State.COMPLETE,
        (State.QUEUED, Step.CANCEL): State.CANCELLED,
        **{(state, Step.FAIL): State.COMPLETE for state in _UNDER_WAY},
        **{(state, Step.CUT_OFF): State.QUEUED for state in _UNDER_WAY},
        **{(state, Step.CANCEL): State.CANCELLED for state in _UNDER_WAY},
    }
)


@dataclass(frozen=True, slots=True)
class Now:
    """The clocks: `wall` in s since 1970 (UTC), `boottime` in s since this boot, and which boot it is."""

    wall: float
    boottime: float
    boot_id: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer. `delay` in s, sizes in bytes, times in s since 1970 (0: not known).

    `accepted` says when it was asked for; `boot_id`, `version_before` and `version_expected` (may be empty) are
    set by the step that applies the image.
    """

    id: str
    request_id: str
    origin: str
    method: str
    command_key: str
    file_type: str
    url: str
    username: str
    password: str = field(repr=False)
    file_size: int
    target_file_name: str
    delay: int
    accepted: Now
    state: State = State.QUEUED
    attempts: int = 0
    start_time: float = 0.0
    complete_time: float = 0.0
    fault_code: int = 0
    fault_string: str = ""
    boot_id: str = ""
    version_before: str = ""
    version_expected: str = ""

    def due_in(self, now: Now) -> float:
        """Seconds until it is due; zero or less when it is."""
        if now.boot_id == self.accepted.boot_id:
            return self.accepted.boottime + self.delay - now.boottime
        if now.wall >= self.accepted.wall:
            return self.accepted.wall + self.delay - now.wall
        return self.delay - now.boottime

    def outcome(self, version: str) -> Fault | None:
        """After the boot that followed ``applying``: None when the image runs, else why it is taken not to.

        An image that says its version is judged by that, so that flashing the same version again can succeed;
        one that does not, by whether anything changed.
        """
        if version == self.version_expected or version != self.version_before:
            return None
        wanted = f" instead of {self.version_expected}" if self.version_expected else ""
        return Fault(
            FaultCode.FILE_CORRUPTED,
            f"the device came back with the firmware it had before, {self.version_before}{wanted}",
        )


@dataclass(frozen=True, slots=True)
class Queue:
    """All transfers, the finished ones in the order they finished, and the request ids of those that are gone."""

    transfers: tuple[Transfer, ...] = ()
    answered: tuple[str, ...] = ()

    def find(self, transfer_id: str) -> Transfer | None:
        return next((t for t in self.transfers if t.id == transfer_id), None)

    def transfer(self, transfer_id: str) -> Transfer:
        """As `find`.

        Raises:
            LookupError: there is none.
        """
        transfer = self.find(transfer_id)
        if transfer is None:
            raise LookupError(f"there is no transfer {transfer_id}")
        return transfer

    def knows_request(self, request_id: str) -> bool:
        """Whether this request has been queued already, be it long ago."""
        return request_id in self.answered or any(t.request_id == request_id for t in self.transfers)

    def add(self, transfer: Transfer) -> Queue:
        """Queue a transfer.

        Raises:
            Fault: 9004, the queue is full.
        """
        unfinished = sum(t.state is not State.COMPLETE for t in self.transfers)
        if unfinished >= LIMIT:
            raise Fault(FaultCode.RESOURCES_EXCEEDED, f"the queue holds {LIMIT} transfers already")
        if len(self.completed("acs")) >= _UNCONFIRMED_LIMIT:
            raise Fault(
                FaultCode.RESOURCES_EXCEEDED,
                f"{_UNCONFIRMED_LIMIT} finished transfers wait for their TransferComplete to be confirmed",
            )
        return dataclasses.replace(self, transfers=(*self.transfers, transfer))

    def running(self) -> Transfer | None:
        """The transfer that is under way."""
        return next((t for t in self.transfers if t.state in (*_UNDER_WAY, State.APPLYING)), None)

    def next_due(self, now: Now) -> Transfer | None:
        """What is to be started now: nothing while something runs, else what has been due longest."""
        first = self._first(now)
        return first if first and self.running() is None and first.due_in(now) <= 0 else None

    def due_in(self, now: Now) -> float | None:
        """Seconds until something is due; None when nothing waits."""
        first = self._first(now)
        return max(0.0, first.due_in(now)) if first else None

    def _first(self, now: Now) -> Transfer | None:
        waiting = [t for t in self.transfers if t.state is State.QUEUED]
        return min(waiting, key=lambda t: t.due_in(now), default=None)

    def completed(self, origin: str) -> list[Transfer]:
        """Finished transfers, oldest first; of the ACS's, those whose end it has not confirmed."""
        return [t for t in self.transfers if t.state is State.COMPLETE and t.origin == origin]

    def advance(self, transfer_id: str, step: Step, **changes: Any) -> Queue:
        """The queue after `step` of one transfer, with `changes` to its record.

        Raises:
            LookupError: there is no such transfer, or it cannot take this step in its state.
        """
        transfer = self.transfer(transfer_id)
        try:
            state = TRANSITIONS[transfer.state, step]
        except KeyError:
            raise LookupError(
                f"transfer {transfer_id} cannot take step '{step}' while {transfer.state}"
            ) from None
        if state is State.CANCELLED:
            return self._without(transfer)
        if state is not State.COMPLETE:
            changed = dataclasses.replace(transfer, state=state, **changes)
            return dataclasses.replace(
                self, transfers=tuple(changed if t is transfer else t for t in self.transfers)
            )
        # Secrets leave the flash as soon as they can; the end of the list is the order of completion.
        changed = dataclasses.replace(transfer, state=state, username="", password="", **changes)
        others = tuple(t for t in self.transfers if t is not transfer)
        return dataclasses.replace(self, transfers=(*others, changed))._trimmed()

    def fail(self, transfer_id: str, fault: Fault, now: Now) -> Queue:
        """The queue after a transfer failed with `fault`."""
        return self.advance(
            transfer_id,
            Step.FAIL,
            fault_code=fault.code,
            fault_string=fault.text[:_FAULT_STRING_LIMIT],
            complete_time=now.wall,
        )

    def cancel(self, transfer_id: str) -> Queue:
        """The queue without a transfer.

        Raises:
            Fault: 9021, it is being applied, or is complete; 9003, there is no such transfer.
        """
        transfer = self.find(transfer_id)
        if transfer is None:
            raise Fault(FaultCode.INVALID_ARGUMENTS, f"there is no transfer {transfer_id}")
        if (transfer.state, Step.CANCEL) not in TRANSITIONS:
            raise Fault(
                FaultCode.CANCEL_NOT_PERMITTED, f"the transfer is {transfer.state}: it cannot be cancelled"
            )
        return self.advance(transfer_id, Step.CANCEL)

    def acknowledge(self, transfer_id: str) -> Queue:
        """The ACS has confirmed the end of a transfer: its record goes. Unknown ones have gone before."""
        transfer = self.find(transfer_id)
        if transfer is None or transfer.state is not State.COMPLETE:
            return self
        return self._without(transfer)

    def recover(self, now: Now) -> Queue:
        """The queue after whoever worked on it was cut off."""
        queue = self
        for transfer in self.transfers:
            if transfer.state not in _UNDER_WAY:
                continue
            if transfer.attempts >= MAX_ATTEMPTS:
                fault = Fault(
                    FaultCode.DOWNLOAD_FAILURE,
                    f"given up: {transfer.attempts} attempts were cut off, the last while {transfer.state}",
                )
                queue = queue.fail(transfer.id, fault, now)
            else:
                queue = queue.advance(transfer.id, Step.CUT_OFF)
        return queue

    def _without(self, transfer: Transfer) -> Queue:
        return Queue(
            tuple(t for t in self.transfers if t is not transfer),
            (*self.answered, transfer.request_id)[-_ANSWERED_LIMIT:],
        )

    def _trimmed(self) -> Queue:
        """Without the oldest of a local history that has grown too long."""
        queue = self
        for transfer in self.completed("local")[:-_HISTORY_LIMIT]:
            queue = queue._without(transfer)
        return queue


def to_document(queue: Queue) -> dict[str, Any]:
    """The queue as JSON data."""
    return {
        "transfers": [dataclasses.asdict(t) for t in queue.transfers],
        "answered": list(queue.answered),
    }


def from_document(document: Mapping[str, Any]) -> tuple[Queue, list[str]]:
    """The queue in a document, and what of it could not be understood (left out, one sentence each)."""
    problems: list[str] = []
    transfers: list[Transfer] = []
    for record in _listed(document.get("transfers", [])):
        try:
            transfers.append(_transfer(record))
        except (TypeError, ValueError, KeyError) as error:
            problems.append(f"a transfer's record was unusable and is left out: {error}")
    answered = tuple(a for a in _listed(document.get("answered", [])) if isinstance(a, str))
    return Queue(tuple(transfers), answered[-_ANSWERED_LIMIT:]), problems


def _transfer(record: Any) -> Transfer:
    if not isinstance(record, dict):
        raise TypeError("not an object")
    accepted = record["accepted"]
    values = {
        **{f.name: record[f.name] for f in dataclasses.fields(Transfer) if f.name in record},
        "state": State(record["state"]),
        "accepted": Now(float(accepted["wall"]), float(accepted["boottime"]), str(accepted["boot_id"])),
    }
    for f in dataclasses.fields(Transfer):
        kind = _JSON_KINDS.get(str(f.type))
        if kind is not None and f.name in values and not isinstance(values[f.name], kind):
            raise TypeError(f"{f.name} has the wrong type")
    return Transfer(**values)


_JSON_KINDS: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {"str": str, "int": int, "float": (int, float)}
)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
