"""What an ACS calls on a CPE to change its software modules (TR-069a6 A.4.1.10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from cwmp.lab.acs import soap
from cwmp.lab.acs.messages import Rpc
from cwmp.lab.acs.soap import XSI, Element


@dataclass(frozen=True, slots=True)
class Install:
    url: str
    uuid: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    execution_env_ref: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    uuid: str = ""
    version: str = ""
    url: str = ""
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Uninstall:
    uuid: str
    version: str = ""
    execution_env_ref: str = ""


Operation: TypeAlias = Install | Update | Uninstall

_FIELDS: dict[type, tuple[str, tuple[tuple[str, str], ...]]] = {
    Install: (
        "InstallOpStruct",
        (
            ("URL", "url"),
            ("UUID", "uuid"),
            ("Username", "username"),
            ("Password", "password"),
            ("ExecutionEnvRef", "execution_env_ref"),
        ),
    ),
    Update: (
        "UpdateOpStruct",
        (
            ("UUID", "uuid"),
            ("Version", "version"),
            ("URL", "url"),
            ("Username", "username"),
            ("Password", "password"),
        ),
    ),
    Uninstall: (
        "UninstallOpStruct",
        (("UUID", "uuid"), ("Version", "version"), ("ExecutionEnvRef", "execution_env_ref")),
    ),
}


@dataclass(frozen=True, slots=True)
class ChangeDUState(Rpc[None]):
    """`nested` writes the operations as elements of their types' names instead of by xsi:type."""

    operations: Sequence[Operation]
    command_key: str = ""
    nested: bool = False

    def write(self, call: Element) -> None:
        around = soap.add(call, "Operations") if self.nested else None
        for operation in self.operations:
            kind, fields = _FIELDS[type(operation)]
            if around is not None:
                item = soap.add(around, kind)
            else:
                item = soap.add(call, "Operations")
                item.set(f"{{{XSI}}}type", f"cwmp:{kind}")
            for name, attribute in fields:
                soap.add(item, name, getattr(operation, attribute))
        soap.add(call, "CommandKey", self.command_key)

    def read(self, answer: Element) -> None:
        return None
