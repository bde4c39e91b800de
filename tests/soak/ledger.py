"""What the ACS is still to be told, and what it was told: each thing once, with the right outcome."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from cwmp.lab.acs import Session, TransferComplete


@dataclass(slots=True)
class Due:
    """A report that has to come. `kind`: of the operation; `began`: when, monotonic; `right`: whether a fault code is
    the right one."""

    kind: str
    began: float
    right: Callable[[int], bool] = lambda code: code == 0


@dataclass(slots=True)
class Ledger:
    """`told`: how often each thing was told. `failures`: in words."""

    due: dict[str, Due] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    latency: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def expect(self, key: str, due: Due) -> None:
        self.due[key] = due

    def waits_for(self, kind: str) -> bool:
        return any(due.kind == kind for due in self.due.values())

    def informed(self, session: Session, now: float) -> None:
        """An Inform came."""
        for event in session.inform.events:
            self.codes[event.code] += 1
            if event.code.startswith("M "):
                self._told_once(f"event {event.code} {event.command_key}")
            if event.code == "8 DIAGNOSTICS COMPLETE":
                self.settle(
                    next((key for key, due in self.due.items() if due.kind == "IPPing"), "IPPing"), 0, now
                )
            if event.code == "4 VALUE CHANGE":
                for name, value in session.inform.parameters.items():
                    key = f"{name}={value.text}"
                    if key in self.due or self.told[f"report {key}"]:
                        self.settle(key, 0, now)

    def reported(self, session: Session, now: float) -> None:
        """All reports of a session are in."""
        for report in session.reports:
            if isinstance(report, TransferComplete):
                self.settle(report.command_key, report.fault_code, now)
            else:
                self.failures.append(f"nobody expected {report}")

    def settle(self, key: str, code: int, now: float) -> None:
        """Something was reported, with this fault code."""
        self._told_once(f"report {key}")
        due = self.due.pop(key, None)
        if due is None:
            self.failures.append(f"{key} was reported, and was not due")
            return
        self.latency[due.kind].append(now - due.began)
        if not due.right(code):
            self.failures.append(f"{due.kind} {key} ended with fault {code}")

    def _told_once(self, what: str) -> None:
        self.told[what] += 1
        if self.told[what] > 1:
            self.failures.append(f"{what} was told {self.told[what]} times")
