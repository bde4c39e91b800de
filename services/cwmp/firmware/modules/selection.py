"""What an operation means: whether it can be right at all, and which units it is about (TR-069a6 A.4.1.10).

| operation | given                | means                                                          |
|-----------|----------------------|----------------------------------------------------------------|
| Install   | ExecutionEnvRef      | that environment, else the first that is enabled               |
| Update    | UUID                 | that unit, from the URL it came from                           |
|           | URL                  | all units that came from there                                 |
|           | UUID and URL         | that unit, from there now and henceforth                       |
|           | neither              | all units whose URL is known; no Version then                  |
| Uninstall | UUID                 | that unit, in all its versions and environments or those named |

Of several versions of one unit Version says which is updated (9031 without it).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from cwmp.contract import Fault, FaultCode
from cwmp.contract.firmware import DUOperation
from cwmp.firmware import validation
from cwmp.firmware.modules.catalog import Deployed
from cwmp.firmware.modules.identity import canonical
from cwmp.firmware.modules.units import Environment, Target

_LENGTHS: Mapping[str, int] = MappingProxyType(
    {"url": 1024, "username": 256, "password": 256, "execution_env_ref": 256, "version": 32}
)
_ENVIRONMENT = re.compile(r"(?:Device)?\.?SoftwareModules\.ExecEnv\.([1-9][0-9]{0,8})\.?", re.ASCII)


def check(operation: DUOperation, schemes: Collection[str]) -> None:
    """Refuse an operation that cannot be right, whatever is installed.

    Raises:
        Fault: 9003, 9013 or 9022.
    """
    for name, limit in _LENGTHS.items():
        if len(getattr(operation, name)) > limit:
            raise _invalid(f"{name} is longer than {limit} characters")
    if operation.uuid or operation.kind == "Uninstall":
        canonical(operation.uuid)
    if operation.kind == "Install" and not operation.url:
        raise _invalid("there is no URL to install from")
    if operation.kind == "Update" and operation.version and not (operation.uuid or operation.url):
        raise _invalid("Version says nothing where all units are updated")
    if operation.kind not in ("Install", "Update", "Uninstall"):
        raise _invalid(f"there is no operation '{operation.kind[:32]}'")
    if operation.url and operation.kind != "Uninstall":
        check_url(operation.url, schemes)


def check_url(url: str, schemes: Collection[str]) -> None:
    """As `validation.check_url`, for schemes of one's own."""
    scheme = url.partition(":")[0].lower()
    if scheme in schemes and scheme not in validation.SCHEMES:
        validation.check_url("http" + url[len(scheme) :])
        return
    validation.check_url(url)
    if scheme not in schemes:
        raise Fault(FaultCode.UNSUPPORTED_PROTOCOL, f"'{scheme}' is not supported, only {', '.join(schemes)}")


def targets(
    operation: DUOperation,
    deployed: Sequence[Deployed],
    environments: Sequence[Environment],
    numbers: Mapping[str, int],
) -> list[Target]:
    """The units that an operation, which `check` has let through, is about; at least one.

    `numbers` has the instance numbers of `environments` by key.

    Raises:
        Fault: 9023, 9024, 9028 or 9031.
    """
    if operation.kind == "Install":
        return [Target(_to_install_in(operation, environments, numbers).key)]
    chosen = [d for d in deployed if not operation.uuid or d.known.uuid == operation.uuid.lower()]
    if operation.kind == "Update":
        if not operation.uuid:
            chosen = [d for d in chosen if d.known.url and operation.url in ("", d.known.url)]
    elif operation.execution_env_ref:
        only = _named(operation.execution_env_ref, environments, numbers).key
        chosen = [d for d in chosen if d.unit.environment == only]
    if operation.version:
        chosen = [d for d in chosen if shown(d.unit.version) == operation.version]
    if not chosen:
        raise Fault(FaultCode.UNKNOWN_DEPLOYMENT_UNIT, "there is no such deployment unit")
    several = len({d.unit.version for d in chosen}) > 1
    if operation.kind == "Update" and operation.uuid and several:
        raise Fault(FaultCode.VERSION_NOT_SPECIFIED, "it is there in several versions: say which to update")
    return [Target(d.unit.environment, d.unit.key) for d in chosen]


def check_environment(environment: Environment | None) -> Environment:
    """Refuse an environment that is gone (9023) or disabled (9024)."""
    if environment is None:
        raise Fault(FaultCode.UNKNOWN_EXECUTION_ENVIRONMENT, "there is no such execution environment")
    if not environment.enabled:
        raise Fault(FaultCode.DISABLED_EXECUTION_ENVIRONMENT, f"{environment.name} is disabled")
    return environment


def shown(version: str) -> str:
    """A version as Version holds it."""
    return version[:32]


def _to_install_in(
    operation: DUOperation, environments: Sequence[Environment], numbers: Mapping[str, int]
) -> Environment:
    if operation.execution_env_ref:
        return check_environment(_named(operation.execution_env_ref, environments, numbers))
    if not environments:
        raise Fault(FaultCode.UNKNOWN_EXECUTION_ENVIRONMENT, "this device has no execution environment")
    return check_environment(next((e for e in environments if e.enabled), environments[0]))


def _named(reference: str, environments: Sequence[Environment], numbers: Mapping[str, int]) -> Environment:
    match = _ENVIRONMENT.fullmatch(reference)
    found = next((e for e in environments if match and numbers.get(e.key) == int(match[1])), None)
    if found is None:
        raise Fault(FaultCode.UNKNOWN_EXECUTION_ENVIRONMENT, f"there is no {reference}")
    return found


def _invalid(text: str) -> Fault:
    return Fault(FaultCode.INVALID_ARGUMENTS, text)
