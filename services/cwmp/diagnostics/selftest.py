"""SelfTestDiagnostics: Device.SelfTestDiagnostics. (TR-181).

What the client cannot do without is tried: its services answer, its configuration can be read, and the flash takes
what has to last. The test is Complete whatever that gave; Results says it, a line for each check.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

from cwmp.diagnostics import states
from cwmp.diagnostics.definition import Definition, Means, Outcome
from cwmp.runtime import Runtime
from ubuskit.errors import UbusError
from ubuskit.uci import UciError

_SERVICES = ("cwmp", "cwmp.datamodel", "cwmp.firmware")
_TIMEOUT = 5.0
_MAX_RESULTS = 1024


def checks(runtime: Runtime) -> Mapping[str, Callable[[], Awaitable[str]]]:
    """What is tried; each says what is wrong, "" for nothing."""

    async def service(name: str) -> str:
        try:
            await runtime.bus.call(name, "status", timeout=_TIMEOUT)
        except UbusError as error:
            return f"does not answer: {error or type(error).__name__}"
        return ""

    async def configuration() -> str:
        try:
            runtime.uci.load("cwmp")
        except (UciError, OSError) as error:
            return str(error)
        return ""

    async def storage() -> str:
        import tempfile  # noqa: PLC0415  # large for a service that seldom needs it

        try:
            with tempfile.TemporaryFile(dir=runtime.paths.state_dir) as file:
                file.write(b"self test")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return f"{runtime.paths.state_dir} takes nothing: {error.strerror}"
        return ""

    return {
        **{name: partial(service, name) for name in _SERVICES},
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
