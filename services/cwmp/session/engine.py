"""The session procedure of the CPE (TR-069a6 3.7.1), without I/O.

Theory of operation
-------------------
A session is a strict alternation: we POST, the ACS answers. The engine is told what the ACS answered
(`received`, or None for an empty response) and says what to do, as a list of actions to be carried out in
that order. It knows the Inform and the requests this session is for, whether the ACS holds our requests,
whether we have said that we have no more of them, and how often the ACS asked for a repetition. It never knows
URLs, sockets, time, or how a request of the ACS is carried out.

Rules, beside the table in `_transitions`:

- The Inform comes first and once; every message has one envelope.
- HoldRequests is that of the last HTTP response; absent, or an empty response, means false.
- An empty POST under HoldRequests=false ends our turn: no request of ours follows in this session.
- The session has ended well when, after that, the ACS answers with an empty response.
- Fault 8005 repeats the identical request, at most `MAX_RETRIES` times a session; then the session has failed.
  Any other fault to the Inform fails the session; to another request it leaves that request undone.
- Nothing newer than the version the ACS chose: a request of ours that it cannot know waits for another session.
- What InformResponse, or the response to a request, confirms is to be made durable before anything else
  happens: `Acknowledge` precedes whatever is sent next.
- The version is what UseCWMPVersion says, else what the namespace of the InformResponse implies (3.7.4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from cwmp.contract import AcsFaultCode, Fault
from cwmp.session import soap
from cwmp.session._transitions import FOLLOWS, TABLE, Input, State, Step
from cwmp.session.soap.names import implied_version
from ubuskit.records import dataclass

MAX_RETRIES = 3


@dataclass(frozen=True, slots=True)
class CpeRequest:
    """A request for the ACS, and the `token` by which its confirmation is recognised."""

    message: soap.CpeRequest
    token: str


# Actions


@dataclass(frozen=True, slots=True)
class Send:
    """POST a message."""

    message: soap.Inform | soap.CpeRequest | soap.Response | Fault
    header: soap.Header


@dataclass(frozen=True, slots=True)
class SendEmpty:
    """POST nothing: we have no message to send."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Carry out a request of the ACS, then call `Engine.served`."""

    request: soap.Request


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The ACS has it: the Inform (`token` None), or the request of that token. Durable before the next action."""

    token: str | None


@dataclass(frozen=True, slots=True)
class Abandon:
    """The ACS refused the request of that token; this session does not try it again."""

    token: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something the ACS does that is tolerated, for the log."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """The session is over: close the connection. `reason` says why it failed; it is empty after a success."""

    success: bool
    reason: str = ""


Action: TypeAlias = Send | SendEmpty | Serve | Acknowledge | Abandon | Note | Close


class Engine:
    """One session. `begin`, then `received` and `served` in turn until there is a `Close`.

    `version` is what we start with; below 1.4 no versions are offered, below 1.3 no SessionTimeout.
    `id_prefix` makes the IDs of our requests unlike those of other sessions.
    """

    def __init__(
        self,
        inform: soap.Inform,
        requests: Sequence[CpeRequest] = (),
        *,
        version: str = soap.VERSIONS[-1],
        session_timeout: int = 60,
        id_prefix: str = "",
    ) -> None:
        self.state = State.START
        self.version = version
        self.initiated = False
        """Whether the ACS answered the Inform."""
        self.version_refused = False
        """Whether the ACS speaks none of the versions offered (fault 8006)."""
        self.too_new: frozenset[str] = frozenset()
        """Tokens of the requests that the ACS's version does not know; known when `initiated`."""
        self._inform = inform
        self._pending = deque((f"{id_prefix}{n}", request) for n, request in enumerate(requests, 2))
        self._session_timeout = session_timeout
        self._sent_id = f"{id_prefix}1"
        self._current: CpeRequest | None = None
        self._acs_id: str | None = None
        self._refusal: Fault | None = None
        self._hold = False
        self._last_empty = False
        self._silent = False
        self._retries = 0

    @property
    def over(self) -> bool:
        return self.state in {State.SUCCESS, State.FAILED}

    def begin(self) -> list[Action]:
        """Start the session."""
        return self._apply(Input.BEGIN, None)

    def received(self, received: soap.Received | None) -> list[Action]:
        """The ACS's response to what was POSTed last; None where it was empty."""
        self._last_empty = received is None
        self._hold = received is not None and received.hold_requests
        return self._apply(self._classify(received), received)

    def served(self, response: soap.Response | Fault) -> list[Action]:
        """The request of `Serve` is done."""
        step = TABLE[self.state][Input.SERVED]
        self.state = FOLLOWS[step]
        return [Send(response, self._header(self._acs_id))]

    def fail(self, reason: str) -> list[Action]:
        """The session cannot go on: transport, authentication, malformed message, lack of time."""
        if self.over:
            return []
        self.state = State.FAILED
        return [Close(False, reason)]

    def _classify(self, received: soap.Received | None) -> Input:
        if received is None:
            return Input.NOTHING
        message = received.message
        if isinstance(message, soap.InvalidRequest):
            return Input.INVALID
        if isinstance(message, soap.AcsFault):
            return Input.RETRY if message.code == AcsFaultCode.RETRY_REQUEST else Input.FAULT
        if isinstance(message, soap.InformResponse):
            return Input.INFORM_RESPONSE
        if type(message) in _RESPONSES:
            asked = self._current.message if self._current else None
            expected = CALLS[type(asked)].response if asked is not None else None
            return Input.RESPONSE if type(message) is expected else Input.OTHER_RESPONSE
        return Input.REQUEST

    def _apply(self, event: Input, received: soap.Received | None) -> list[Action]:
        before = self.state
        step = TABLE[before][event]
        self.state = FOLLOWS.get(step, before)
        actions = self._notes(received, before)
        match step:
            case Step.INFORM:
                actions += [Send(self._inform, self._inform_header())]
            case Step.INITIATED:
                actions += self._initiated(received)
            case Step.ACKNOWLEDGED:
                assert self._current is not None  # noqa: S101  # the state REQUEST has one
                actions += [Acknowledge(self._current.token), *self._continue()]
            case Step.ABANDON:
                assert self._current is not None  # noqa: S101
                method = type(self._current.message).__name__
                actions += [Note(f"the ACS refused our {method}: {_fault_text(received)}")]
                actions += [Abandon(self._current.token), *self._continue()]
            case Step.RESEND_INFORM:
                actions += self._retry([Send(self._inform, self._inform_header())])
            case Step.RESEND:
                actions += self._resend()
            case Step.SERVE:
                actions += self._serve(received)
            case Step.REFUSE:
                actions += self._refuse(received)
            case Step.CONTINUE:
                actions += self._continue()
            case Step.REJECTED:
                self.version_refused = _fault_code(received) == AcsFaultCode.INCOMPATIBLE_VERSION
                actions += [Close(False, f"the ACS refused the Inform: {_fault_text(received)}")]
            case Step.VIOLATION:
                actions += [Close(False, f"protocol violation: {event.value} while {before.value}")]
            case Step.ANSWER:
                raise AssertionError("answers come by served()")
        return actions

    def _notes(self, received: soap.Received | None, before: State) -> list[Action]:
        """An ID other than the one we sent is logged and accepted: some ACS do not echo it."""
        if (
            received is not None
            and before in {State.INFORM, State.REQUEST}
            and received.id is not None
            and received.id != self._sent_id
        ):
            return [Note(f"the response has the ID {received.id!r:.80} instead of {self._sent_id!r}")]
        return []

    def _initiated(self, received: soap.Received | None) -> list[Action]:
        assert received is not None  # noqa: S101
        wanted = received.use_cwmp_version
        if wanted is not None and wanted not in soap.VERSIONS:
            self.state = State.FAILED
            return [Close(False, f"the ACS demands CWMP {wanted!r:.20}, which we do not speak")]
        self.version = wanted or min(implied_version(received.cwmp), self.version)
        self.initiated = True
        return [Acknowledge(None), *self._withhold(), *self._continue()]

    def _withhold(self) -> list[Action]:
        """Leave out what the ACS's version does not know (3.7.4)."""
        minor = int(self.version.partition(".")[2])
        late = [r for _, r in self._pending if CALLS[type(r.message)].since > minor]
        self.too_new = frozenset(r.token for r in late)
        self._pending = deque((i, r) for i, r in self._pending if r.token not in self.too_new)
        methods = dict.fromkeys(type(r.message).__name__ for r in late)
        return [Note(f"the ACS speaks CWMP {self.version}, which has no {method}") for method in methods]

    def _continue(self) -> list[Action]:
        """What comes next when nothing has to be answered."""
        self._current = None
        if not self._hold and not self._silent and self._pending:
            self._sent_id, self._current = self._pending.popleft()
            self.state = State.REQUEST
            return [Send(self._current.message, self._header(self._sent_id))]
        if self._last_empty and self._silent:
            self.state = State.SUCCESS
            return [Close(True)]
        self.state = State.EMPTY
        self._silent = self._silent or not self._hold
        return [SendEmpty()]

    def _resend(self) -> list[Action]:
        """The identical request once more, in the next POST that may have a request."""
        assert self._current is not None  # noqa: S101
        if self._hold:
            self._pending.appendleft((self._sent_id, self._current))
            return self._retry(self._continue())
        return self._retry([Send(self._current.message, self._header(self._sent_id))])

    def _retry(self, actions: list[Action]) -> list[Action]:
        self._retries += 1
        if self._retries > MAX_RETRIES:
            self.state = State.FAILED
            return [
                Close(False, f"the ACS asked more than {MAX_RETRIES} times for the same again (fault 8005)")
            ]
        return actions

    def _serve(self, received: soap.Received | None) -> list[Action]:
        assert received is not None  # noqa: S101
        self._acs_id = received.id
        return [Serve(received.message)]  # type: ignore[arg-type]  # `_classify` left only requests

    def _refuse(self, received: soap.Received | None) -> list[Action]:
        assert received is not None and isinstance(received.message, soap.InvalidRequest)  # noqa: S101
        fault = received.message.fault
        return [
            Note(f"{received.message.method:.64} refused: {fault}"),
            Send(fault, self._header(received.id)),
        ]

    def _header(self, message_id: str | None) -> soap.Header:
        return soap.Header(self.version, message_id)

    def _inform_header(self) -> soap.Header:
        """SessionTimeout is of 1.3, SupportedCWMPVersions of 1.4; older CPEs must not send it (3.7.4)."""
        return soap.Header(
            self.version,
            self._sent_id,
            session_timeout=self._session_timeout if self.version >= "1.3" else None,
            supported_versions=self.version >= "1.4",
        )


@dataclass(frozen=True, slots=True)
class _Call:
    """What answers a request of ours, and the CWMP minor version that has it."""

    response: type
    since: int = 0


CALLS: Mapping[type, _Call] = {
    soap.TransferComplete: _Call(soap.TransferCompleteResponse),
    soap.AutonomousTransferComplete: _Call(soap.AutonomousTransferCompleteResponse, 1),
    soap.RequestDownload: _Call(soap.RequestDownloadResponse),
    soap.DUStateChangeComplete: _Call(soap.DUStateChangeCompleteResponse, 2),
    soap.AutonomousDUStateChangeComplete: _Call(soap.AutonomousDUStateChangeCompleteResponse, 2),
    soap.GetRPCMethods: _Call(soap.MethodList),
}
"""The requests of the CPE after its Inform."""

_RESPONSES = frozenset(call.response for call in CALLS.values())


def _fault_code(received: soap.Received | None) -> int:
    message = received.message if received else None
    return message.code if isinstance(message, soap.AcsFault) else 0


def _fault_text(received: soap.Received | None) -> str:
    message = received.message if received else None
    return f"{message.code} {message.text}" if isinstance(message, soap.AcsFault) else ""
