"""The transfer queue: what has been asked for, how far it got, and what the ACS still has to hear of.

Theory of operation
-------------------
A `Queue` is an immutable value: every change gives a new one, which is made durable *before* the step that it
announces is taken. So whatever the power does, the record says at least as much as has happened, and `recover`
knows how to go on:

- ``queued``: waits until it may run (`Transfer.due_in`), and until nothing else does.
- ``downloading``, ``checking``, ``uploading``: under way. Cut off here, it goes back to ``queued`` and begins
  again (what was fetched is in RAM, it is gone after a boot), but not for ever: a transfer that was cut off
  `MAX_ATTEMPTS` times fails.
- ``ready``: the file is verified and waits for the end of the session with the ACS, or for its window. Cut off:
  as above.
- ``applying``: the system has been, or is just being, told to flash. It is *never* told again. Only the next
  boot decides, by the version that runs then (`Transfer.outcome`); if there is no boot, the transfer fails.
- ``installing``: any other file is being put where it belongs. That can be done twice: cut off, it begins again.
- ``restarting``: it was installed, and is in use after the boot that is asked for now.
- ``complete``: it succeeded or failed. It stays until the ACS has confirmed its TransferComplete, or its
  AutonomousTransferComplete; what the ACS needs not hear of stays as history.
- ``cancelled``: only told to others; the record is gone.

`TRANSITIONS` is the whole machine. One transfer runs at a time, the one that has been due longest first
(TR-069a6 A.3.2.8: by due time, not by order of request). A request that is sent again, under the same request
id, queues nothing new.

A transfer with windows (ScheduleDownload) runs in them alone. What fails there may be tried again, as often as the
window allows, and in the next one; what the ACS cannot mend by waiting (`_FATAL`) is not. A delayed transfer that
could not begin within an hour fails (TR-069a6 A.3.2.8). `times` knows how the clocks are read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from cwmp.contract import Fault, FaultCode
from cwmp.firmware import times
from cwmp.firmware.times import Mode, Now, Window
from cwmp.firmware.transfer import AT_WORK, REPEATABLE, TRANSITIONS, State, Step, Transfer
from ubuskit.records import dataclass

__all__ = ["LIMIT", "MAX_ATTEMPTS", "TRANSITIONS", "Now", "Queue", "State", "Step", "Transfer", "Window"]

LIMIT = 16
"""Transfers that may wait or run at a time (TR-069a6 A.3.2.8 wants at least 3, A.4.1.7 lists at most 16)."""

MAX_ATTEMPTS = 4
_UNCONFIRMED_LIMIT = 32
_HISTORY_LIMIT = 8
_ANSWERED_LIMIT = 64
_FAULT_STRING_LIMIT = 256

_REPORTABLE = frozenset({9001, 9002, 9010, 9011, 9012, *range(9014, 9021)})  # TR-069a6 A.3.3.2, table 34
_FATAL = frozenset(
    {
        FaultCode.REQUEST_DENIED,
        FaultCode.INVALID_ARGUMENTS,
        FaultCode.FILE_SERVER_AUTHENTICATION,
        FaultCode.UNSUPPORTED_PROTOCOL,
        FaultCode.FILE_CORRUPTED,
        FaultCode.FILE_AUTHENTICATION,
    }
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
        if len(self.unconfirmed()) >= _UNCONFIRMED_LIMIT:
            raise Fault(
                FaultCode.RESOURCES_EXCEEDED,
                f"{_UNCONFIRMED_LIMIT} finished transfers wait for their TransferComplete to be confirmed",
            )
        return dataclasses.replace(self, transfers=(*self.transfers, transfer))

    def running(self) -> Transfer | None:
        """The transfer that is under way."""
        return next((t for t in self.transfers if t.state in AT_WORK), None)

    def next_due(self, now: Now, *, idle: bool = True) -> Transfer | None:
        """What is to be started now: nothing while something runs, else what has been due longest."""
        if self.running() is not None:
            return None
        due = [t for t in self.waiting() if t.due_in(now) <= 0 and not t.waits_for(now, idle=idle)]
        return min(due, key=lambda t: t.due_in(now), default=None)

    def due_in(self, now: Now) -> float | None:
        """Seconds until something that is not due yet may be; None when nothing waits for its time alone."""
        return min((due for t in self.waiting() if (due := t.due_in(now)) > 0), default=None)

    def waiting(self) -> list[Transfer]:
        return [t for t in self.transfers if t.state is State.QUEUED]

    def needs_idle(self, now: Now) -> bool:
        """Whether something could start if only the device were idle."""
        return any(t.waits_for(now, idle=False) == "idle" for t in self.waiting())

    def expire(self, now: Now) -> Queue:
        """The queue after what can begin no more has failed, and with every moment on record as well as known."""
        queue = dataclasses.replace(
            self,
            transfers=tuple(
                t
                if (accepted := times.anchored(t.accepted, now)) == t.accepted
                else dataclasses.replace(t, accepted=accepted)
                for t in self.transfers
            ),
        )
        for transfer in queue.waiting():
            if (fault := transfer.too_late(now)) is not None:
                queue = queue.fail(transfer.id, fault, now)
        return self if queue == self else queue

    def completed(self, origin: str) -> list[Transfer]:
        """Finished transfers of one origin, oldest first."""
        return [t for t in self.transfers if t.state is State.COMPLETE and t.origin == origin]

    def unconfirmed(self) -> list[Transfer]:
        """Finished transfers whose end the ACS has to hear of and has not confirmed, oldest first."""
        return [t for t in self.transfers if t.state is State.COMPLETE and t.origin != "local"]

    def judged(self, reportable: Callable[[Transfer], bool]) -> Queue:
        """The queue after `reportable` has said of finished autonomous transfers whether the ACS wants to know."""
        if all(reportable(t) for t in self.completed("autonomous")):
            return self
        return dataclasses.replace(
            self,
            transfers=tuple(
                dataclasses.replace(t, origin="local")
                if t.state is State.COMPLETE and t.origin == "autonomous" and not reportable(t)
                else t
                for t in self.transfers
            ),
        )._trimmed()

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
        """The queue after a transfer failed with `fault`, or the nearest that TransferComplete may report."""
        code = fault.code if fault.code in _REPORTABLE else int(self.transfer(transfer_id).failure)
        return self.advance(
            transfer_id,
            Step.FAIL,
            fault_code=code,
            fault_string=fault.text[:_FAULT_STRING_LIMIT],
            complete_time=now.wall,
        )

    def failed(self, transfer_id: str, fault: Fault, now: Now) -> Queue:
        """The queue after what a transfer tried came to nothing: it waits for another try in this window or the
        next where its windows allow that, else it has failed."""
        transfer = self.transfer(transfer_id)
        number = transfer.open_window(now)
        if not transfer.windows or fault.code in _FATAL or transfer.state not in REPEATABLE:
            return self.fail(transfer_id, fault, now)
        if number is None:
            return self.missed(transfer_id)
        tries = (transfer.tries if number == transfer.window else 0) + 1
        if tries <= transfer.windows[number].retries:
            pause = times.elapsed(transfer.accepted, now).seconds + times.pause(tries)
            return self.advance(
                transfer_id, Step.CUT_OFF, attempts=0, window=number, tries=tries, pause_until=pause
            )
        if number + 1 < len(transfer.windows):
            return self.advance(
                transfer_id, Step.CUT_OFF, attempts=0, window=number + 1, tries=0, pause_until=0.0
            )
        return self.fail(transfer_id, fault, now)

    def missed(self, transfer_id: str) -> Queue:
        """The queue after a transfer ran into the end of its window: it waits for the next, or expires."""
        transfer = self.find(transfer_id)
        if (
            transfer is None or transfer.state is State.QUEUED
        ):  # cancelled meanwhile, or it had not even begun
            return self
        return self.advance(transfer_id, Step.CUT_OFF, attempts=0)

    def confirm(self, transfer_id: str) -> Queue:
        """The queue after the user agreed to a transfer.

        Raises:
            Fault: 9003, there is no such transfer, or none that asks.
        """
        transfer = self.find(transfer_id)
        if transfer is None:
            raise Fault(FaultCode.INVALID_ARGUMENTS, f"there is no transfer {transfer_id}")
        if transfer.confirmed:
            return self
        if not any(w.mode == Mode.CONFIRMATION_NEEDED for w in transfer.windows):
            raise Fault(FaultCode.INVALID_ARGUMENTS, f"transfer {transfer_id} needs no confirmation")
        return dataclasses.replace(
            self,
            transfers=tuple(
                dataclasses.replace(t, confirmed=True) if t is transfer else t for t in self.transfers
            ),
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
            if transfer.state not in REPEATABLE:
                continue
            if transfer.attempts >= MAX_ATTEMPTS:
                fault = Fault(
                    transfer.failure,
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
        "windows": tuple(_window(window) for window in _listed(record.get("windows", []))),
    }
    for f in dataclasses.fields(Transfer):
        kind = _JSON_KINDS.get(str(f.type))
        if kind is not None and f.name in values and not isinstance(values[f.name], kind):
            raise TypeError(f"{f.name} has the wrong type")
    return Transfer(**values)


def _window(record: Any) -> Window:
    window = Window(**record)
    if not all(isinstance(n, int) for n in (window.start, window.end, window.max_retries)):
        raise TypeError("a window has the wrong type")
    return window


_JSON_KINDS: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {"str": str, "int": int, "float": (int, float), "bool": bool}
)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
