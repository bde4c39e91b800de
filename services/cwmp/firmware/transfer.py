"""One transfer: its record, its states, and what it says of itself. `queue` has the theory of operation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType

from cwmp.contract import Fault, FaultCode
from cwmp.contract.firmware import UNKNOWN_TIME
from cwmp.firmware import times
from cwmp.firmware.times import Elapsed, Mode, Now, Window
from cwmp.runtime.clock import CLOCK_IS_SET, date_time
from ubuskit.records import dataclass

_BEGIN_WITHIN = 3600.0


class State(StrEnum):
    QUEUED = "queued"
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    READY = "ready"
    APPLYING = "applying"
    INSTALLING = "installing"
    RESTARTING = "restarting"
    UPLOADING = "uploading"
    COMPLETE = "complete"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What makes a transfer change its state."""

    START = "start"
    SEND = "send"
    FETCHED = "fetched"
    VERIFIED = "verified"
    APPLY = "apply"
    INSTALL = "install"
    INSTALLED = "installed"
    SUCCEED = "succeed"
    FAIL = "fail"
    CUT_OFF = "cut off"
    CANCEL = "cancel"


_FETCHING = (State.DOWNLOADING, State.CHECKING, State.READY, State.UPLOADING)
REPEATABLE = (*_FETCHING, State.INSTALLING)
AT_WORK = (*REPEATABLE, State.APPLYING, State.RESTARTING)

TRANSITIONS: Mapping[tuple[State, Step], State] = MappingProxyType(
    {
        (State.QUEUED, Step.START): State.DOWNLOADING,
        (State.QUEUED, Step.SEND): State.UPLOADING,
        (State.DOWNLOADING, Step.FETCHED): State.CHECKING,
        (State.CHECKING, Step.VERIFIED): State.READY,
        (State.READY, Step.APPLY): State.APPLYING,
        (State.READY, Step.INSTALL): State.INSTALLING,
        (State.INSTALLING, Step.INSTALLED): State.RESTARTING,
        (State.UPLOADING, Step.SUCCEED): State.COMPLETE,
        (State.INSTALLING, Step.SUCCEED): State.COMPLETE,
        (State.RESTARTING, Step.SUCCEED): State.COMPLETE,
        (State.APPLYING, Step.SUCCEED): State.COMPLETE,
        **{(state, Step.FAIL): State.COMPLETE for state in (State.QUEUED, *AT_WORK)},
        **{(state, Step.CUT_OFF): State.QUEUED for state in REPEATABLE},
        **{(state, Step.CANCEL): State.CANCELLED for state in (State.QUEUED, *_FETCHING)},
    }
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer. `delay` in s, sizes in bytes, times in s since 1970 (0: not known).

    `origin`: ``acs``; ``autonomous`` for what was asked for on this device; ``local`` once it is certain that the
    ACS needs not hear of it. `method`: Download, Upload, ScheduleDownload. `accepted` says when it was asked for;
    `boot_id`, `version_before` and `version_expected` (may be empty) are set by the step that applies the image.
    `tries` failed in the window numbered `window`; the next must not be before `pause_until`, in s from the request.
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
    windows: tuple[Window, ...] = ()
    confirmed: bool = False
    window: int = 0
    tries: int = 0
    pause_until: float = 0.0

    @property
    def is_download(self) -> bool:
        return self.method != "Upload"

    @property
    def failure(self) -> FaultCode:
        """The fault of which nothing more precise is known."""
        return FaultCode.DOWNLOAD_FAILURE if self.is_download else FaultCode.UPLOAD_FAILURE

    def due_in(self, now: Now) -> float:
        """Seconds until its delay is over or its next window opens; zero or less when that is so. Infinite when
        no clock tells, or there is no next window."""
        passed = times.elapsed(self.accepted, now)
        if not self.windows:
            if self.delay and not self.attempts and passed.seconds > self.delay + _BEGIN_WITHIN:
                return times.SETTLED - now.boottime  # too late, unless the clock is wrong
            return self.delay - passed.seconds
        if passed.certain:
            for window in self.windows[self.window :]:
                begin = max(window.start, self.pause_until)
                if max(begin, passed.seconds) < window.end:
                    return begin - passed.seconds
        return math.inf

    def open_window(self, now: Now) -> int | None:
        """The number of the window that is open, and not used up."""
        passed = times.elapsed(self.accepted, now)
        if not passed.certain:
            return None
        numbered = list(enumerate(self.windows))[self.window :]
        return next((n for n, w in numbered if w.start <= passed.seconds < w.end), None)

    def time_left(self, now: Now) -> float:
        """Seconds for which it may go on: to the end of the window that is open. Infinite without windows."""
        if not self.windows:
            return math.inf
        number = self.open_window(now)
        passed = times.elapsed(self.accepted, now).seconds
        return 0.0 if number is None else self.windows[number].end - passed

    def waits_for(self, now: Now, *, idle: bool) -> str:
        """What the mode of its open window still asks for: ``idle``, ``confirmation``, or "" for nothing."""
        number = self.open_window(now)
        mode = self.windows[number].mode if number is not None else ""
        if mode == Mode.WHEN_IDLE and not idle:
            return "idle"
        return "confirmation" if mode == Mode.CONFIRMATION_NEEDED and not self.confirmed else ""

    def asks_for(self, now: Now) -> Window | None:
        """The window, open or to come, for which somebody still has to agree."""
        passed = times.elapsed(self.accepted, now).least
        return next(
            (
                w
                for w in self.windows[self.window :]
                if w.mode == Mode.CONFIRMATION_NEEDED and not self.confirmed and passed < w.end
            ),
            None,
        )

    def too_late(self, now: Now) -> Fault | None:
        """Why it will not begin any more."""
        passed = times.elapsed(self.accepted, now)
        if self.windows:
            if passed.least < self.windows[-1].end:
                return None
            return Fault(FaultCode.TIME_WINDOWS, self._why_not_in_time())
        if not self.delay or self.attempts or not _long_over(passed, self.delay):
            return None
        return Fault(
            self.failure, f"it could not begin within {_BEGIN_WITHIN:g} s after its delay of {self.delay} s"
        )

    def _why_not_in_time(self) -> str:
        text = "not completed within its time windows"
        if any(w.mode == Mode.CONFIRMATION_NEEDED for w in self.windows) and not self.confirmed:
            text += ": nobody confirmed it"
        return text

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


def _long_over(passed: Elapsed, delay: int) -> bool:
    return passed.certain and passed.seconds > delay + _BEGIN_WITHIN


def time_of(seconds: float) -> str:
    """A dateTime in UTC; the unknown time for one that was read off a clock nobody had set."""
    if seconds < CLOCK_IS_SET:
        return UNKNOWN_TIME
    return date_time(int(seconds))
