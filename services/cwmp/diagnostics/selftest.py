"""SelfTestDiagnostics: Device.SelfTestDiagnostics. (TR-181).

What the client cannot do without is tried: its services answer, its configuration can be read, and the flash takes
what has to last. The test is Complete whatever that gave; Results says it, a line for each check.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from cwmp.contract import Empty, Fault, Operation
from cwmp.contract.datamodel import GET_VALUES, GetValues
from cwmp.contract.firmware import GET_COMPLETED
from cwmp.contract.session import GET_STATE
from cwmp.diagnostics import states
from cwmp.diagnostics.definition import Definition, Means, Outcome
from cwmp.runtime import Runtime
from ubuskit.uci import UciError

_DEADLINE = 5.0
_KNOWN_PARAMETER = "Device.DeviceInfo.UpTime"
_MAX_RESULTS = 1024

A = TypeVar("A")
R = TypeVar("R")


def checks(runtime: Runtime) -> Mapping[str, Callable[[], Awaitable[str]]]:
    """What is tried; each says what is wrong, "" for nothing."""
    directory = runtime.state("inputs", 1).path.parent

    async def answers(op: Operation[A, R], args: A) -> str:
        try:
            await runtime.peers.request(op, args, deadline=_DEADLINE)
        except Fault as fault:
            return f"does not answer: {fault.text}"
        return ""

    async def datamodel() -> str:
        try:
            async with runtime.peers.stream(
                GET_VALUES, GetValues([_KNOWN_PARAMETER]), deadline=_DEADLINE
            ) as pages:
                found = [name async for page in pages for name in page.names]
        except Fault as fault:
            return f"does not answer: {fault.text}"
        return "" if found else f"has no {_KNOWN_PARAMETER}"

    async def configuration() -> str:
        try:
            runtime.uci.load("cwmp")
        except (UciError, OSError) as error:
            return str(error)
        return ""

    async def storage() -> str:
        import tempfile  # noqa: PLC0415  # large for a service that seldom needs it

        try:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory) as file:
                file.write(b"self test")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return f"{directory} takes nothing: {error.strerror}"
        return ""

    return {
        "session": partial(answers, GET_STATE, Empty()),
        "datamodel": datamodel,
        "firmware": partial(answers, GET_COMPLETED, Empty()),
        "configuration": configuration,
        "storage": storage,
    }


async def run(_inputs: Mapping[str, str], means: Means) -> Outcome:
    """Make all checks, one after the other."""
    found = {name: await check() for name, check in means.checks.items()}
    wrong = [name for name, problem in found.items() if problem]
    lines = [f"{name}: {problem or 'ok'}"[:160] for name, problem in found.items()]
    results = "\n".join(["failed" if wrong else "passed", *lines])
    return Outcome(
        states.COMPLETE, {"Results": results[:_MAX_RESULTS]}, f"{', '.join(wrong)} failed" if wrong else ""
    )


SELF_TEST = Definition(
    name="SelfTestDiagnostics",
    path="Device.SelfTestDiagnostics.",
    inputs=MappingProxyType({}),
    results=MappingProxyType({"Results": ""}),
    required=(),
    errors=(states.ERROR_INTERNAL, states.ERROR_OTHER),
    run=run,
)
