"""The session procedure as a table (TR-069a6 3.7.1 and 3.7.2): the diagram in the docs is made from it.

`TABLE[state][input]` says what is done; what state follows is part of what is done (`FOLLOWS`), except for
`Step.CONTINUE`, which sends whatever is next: a request of ours, an empty POST, or nothing more.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """What the last POST was, and so what the next HTTP response may be."""

    START = "nothing was sent yet"
    INFORM = "waiting for InformResponse"
    REQUEST = "waiting for the response to a request of ours"
    SERVING = "working on a request of the ACS"
    ANSWERED = "a response or fault was sent"
    EMPTY = "an empty POST was sent"
    SUCCESS = "ended in success"
    FAILED = "ended in failure"


class Input(Enum):
    """What can happen."""

    BEGIN = "the session begins"
    INFORM_RESPONSE = "InformResponse"
    RESPONSE = "response to the request we made"
    OTHER_RESPONSE = "response to another request"
    FAULT = "fault of the ACS"
    RETRY = "fault 8005 of the ACS"
    REQUEST = "request of the ACS"
    INVALID = "request that has to be refused"
    NOTHING = "empty response"
    SERVED = "the request of the ACS is done"


class Step(Enum):
    """What is done about it."""

    INFORM = "send Inform"
    INITIATED = "acknowledge the events, continue"
    ACKNOWLEDGED = "acknowledge the request's events, continue"
    ABANDON = "leave the request for a later session, continue"
    RESEND_INFORM = "send the same Inform, at most three times"
    RESEND = "send the same request, at most three times"
    SERVE = "carry out the request"
    REFUSE = "send a fault"
    ANSWER = "send the response or fault"
    CONTINUE = "continue"
    VIOLATION = "fail: protocol violation"
    REJECTED = "fail: Inform refused"


_NO_ANSWER_ASKED = {
    Input.INFORM_RESPONSE: Step.VIOLATION,
    Input.RESPONSE: Step.VIOLATION,
    Input.OTHER_RESPONSE: Step.VIOLATION,
    Input.FAULT: Step.VIOLATION,
    Input.RETRY: Step.VIOLATION,
    Input.REQUEST: Step.SERVE,
    Input.INVALID: Step.REFUSE,
    Input.NOTHING: Step.CONTINUE,
}

TABLE: dict[State, dict[Input, Step]] = {
    State.START: {Input.BEGIN: Step.INFORM},
    State.INFORM: {
        Input.INFORM_RESPONSE: Step.INITIATED,
        Input.RESPONSE: Step.VIOLATION,
        Input.OTHER_RESPONSE: Step.VIOLATION,
        Input.FAULT: Step.REJECTED,
        Input.RETRY: Step.RESEND_INFORM,
        Input.REQUEST: Step.VIOLATION,
        Input.INVALID: Step.VIOLATION,
        Input.NOTHING: Step.VIOLATION,
    },
    State.REQUEST: {
        Input.INFORM_RESPONSE: Step.VIOLATION,
        Input.RESPONSE: Step.ACKNOWLEDGED,
        Input.OTHER_RESPONSE: Step.VIOLATION,
        Input.FAULT: Step.ABANDON,
        Input.RETRY: Step.RESEND,
        Input.REQUEST: Step.VIOLATION,
        Input.INVALID: Step.VIOLATION,
        Input.NOTHING: Step.VIOLATION,
    },
    State.SERVING: {Input.SERVED: Step.ANSWER},
    State.ANSWERED: _NO_ANSWER_ASKED,
    State.EMPTY: _NO_ANSWER_ASKED,
    State.SUCCESS: {},
    State.FAILED: {},
}

FOLLOWS: dict[Step, State] = {
    Step.INFORM: State.INFORM,
    Step.RESEND_INFORM: State.INFORM,
    Step.SERVE: State.SERVING,
    Step.REFUSE: State.ANSWERED,
    Step.ANSWER: State.ANSWERED,
    Step.VIOLATION: State.FAILED,
    Step.REJECTED: State.FAILED,
}
"""The state after a step; the steps that are not here continue, to REQUEST, EMPTY or SUCCESS."""
