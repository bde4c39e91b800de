"""The state diagram of docs/session.md, from the engine's table; ``python -m tests.session.diagram`` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from cwmp.session._transitions import FOLLOWS, TABLE, State

PAGE = Path(__file__).parents[2] / "docs/session.md"
_BLOCK = re.compile(r"(<!-- diagram -->\n).*?(<!-- /diagram -->\n)", re.DOTALL)

_NEXT = "NEXT"
_AFTER_NEXT = {
    State.REQUEST: "a request of ours is left and may be sent",
    State.EMPTY: "nothing to send, or not now",
    State.SUCCESS: "we have said so, and the ACS has nothing either",
}


def diagram() -> str:
    """As Mermaid: an arrow for each state, step and state that follows, with all inputs that lead there."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.START.name}"]
    lines += [f"    {state.name}: {state.value}" for state in State]
    lines.append(f"    state {_NEXT} <<choice>>")
    for state, row in TABLE.items():
        for step in dict.fromkeys(row.values()):
            inputs = ", ".join(event.value for event, done in row.items() if done is step)
            follows = FOLLOWS[step].name if step in FOLLOWS else _NEXT
            lines.append(f"    {state.name} --> {follows}: {inputs} / {step.value.replace(':', ',')}")
    lines += [f"    {_NEXT} --> {state.name}: {why}" for state, why in _AFTER_NEXT.items()]
    lines += [f"    {state.name} --> [*]" for state, row in TABLE.items() if not row]
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def with_diagram(page: str) -> str:
    """The page with the diagram as it is now."""
    return _BLOCK.sub(lambda found: found[1] + diagram() + found[2], page)


if __name__ == "__main__":
    PAGE.write_text(with_diagram(PAGE.read_text()))
