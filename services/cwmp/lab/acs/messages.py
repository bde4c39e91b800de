"""What an ACS calls on a CPE (TR-069a6 A.3 and A.4), but for files and software modules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cwmp.lab.acs import soap
from cwmp.lab.acs.soap import Element, Violation

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Value:
    """A parameter's value as text, with its XML Schema type (``string``, ``unsignedInt``, ...)."""

    text: str
    type: str = "string"


class Rpc(ABC, Generic[R]):
    """A call of the ACS: writes its arguments, reads the answer."""

    @property
    def method(self) -> str:
        return type(self).__name__

    def write(self, call: Element) -> None:  # no arguments is the common case
        """Add the arguments to the method's element."""

    @abstractmethod
    def read(self, answer: Element) -> R:
        """The result in the response's element. Raises Violation."""


@dataclass(frozen=True, slots=True)
class GetRPCMethods(Rpc[list[str]]):
    def read(self, answer: Element) -> list[str]:
        return [m.text or "" for m in soap.array(answer, "MethodList", "string")]


@dataclass(frozen=True, slots=True)
class GetParameterNames(Rpc[dict[str, bool]]):
    """Names to whether they are writable."""

    path: str = ""
    next_level: bool = False

    def write(self, call: Element) -> None:
        soap.add(call, "ParameterPath", self.path)
        soap.add(call, "NextLevel", int(self.next_level))

    def read(self, answer: Element) -> dict[str, bool]:
        infos = soap.array(answer, "ParameterList", "ParameterInfoStruct")
        return {soap.text(i, "Name"): boolean(soap.text(i, "Writable")) for i in infos}


@dataclass(frozen=True, slots=True)
class GetParameterValues(Rpc[dict[str, Value]]):
    names: Sequence[str]

    def write(self, call: Element) -> None:
        names = soap.add_array(call, "ParameterNames", "xsd:string", len(self.names))
        for name in self.names:
            soap.add(names, "string", name)

    def read(self, answer: Element) -> dict[str, Value]:
        return read_values(answer)


@dataclass(frozen=True, slots=True)
class SetParameterValues(Rpc[int]):
    """A plain text stands for a string. The result is the Status."""

    values: Mapping[str, Value | str]
    parameter_key: str = ""

    def write(self, call: Element) -> None:
        items = soap.add_array(call, "ParameterList", "cwmp:ParameterValueStruct", len(self.values))
        for name, given in self.values.items():
            value = Value(given) if isinstance(given, str) else given
            item = soap.add(items, "ParameterValueStruct")
            soap.add(item, "Name", name)
            soap.add(item, "Value", value.text, f"xsd:{value.type}")
        soap.add(call, "ParameterKey", self.parameter_key)

    def read(self, answer: Element) -> int:
        return status(answer)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Notification (0 off, 1 passive, 2 active) and AccessList; None leaves it as it is."""

    notification: int | None = None
    access: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class SetParameterAttributes(Rpc[None]):
    """In the order of the mapping."""

    attributes: Mapping[str, Attributes]

    def write(self, call: Element) -> None:
        count = len(self.attributes)
        items = soap.add_array(call, "ParameterList", "cwmp:SetParameterAttributesStruct", count)
        for name, wanted in self.attributes.items():
            item = soap.add(items, "SetParameterAttributesStruct")
            soap.add(item, "Name", name)
            soap.add(item, "NotificationChange", int(wanted.notification is not None))
            soap.add(item, "Notification", wanted.notification or 0)
            soap.add(item, "AccessListChange", int(wanted.access is not None))
            access = soap.add_array(item, "AccessList", "xsd:string", len(wanted.access or ()))
            for entity in wanted.access or ():
                soap.add(access, "string", entity)

    def read(self, answer: Element) -> None:
        return None


@dataclass(frozen=True, slots=True)
class GetParameterAttributes(Rpc[dict[str, Attributes]]):
    names: Sequence[str]

    def write(self, call: Element) -> None:
        names = soap.add_array(call, "ParameterNames", "xsd:string", len(self.names))
        for name in self.names:
            soap.add(names, "string", name)

    def read(self, answer: Element) -> dict[str, Attributes]:
        return {
            soap.text(item, "Name"): Attributes(
                int(soap.text(item, "Notification")),
                [entity.text or "" for entity in soap.array(item, "AccessList", "string")],
            )
            for item in soap.array(answer, "ParameterList", "ParameterAttributeStruct")
        }


@dataclass(frozen=True, slots=True)
class Added:
    instance: int
    status: int


@dataclass(frozen=True, slots=True)
class AddObject(Rpc[Added]):
    name: str
    parameter_key: str = ""

    def write(self, call: Element) -> None:
        soap.add(call, "ObjectName", self.name)
        soap.add(call, "ParameterKey", self.parameter_key)

    def read(self, answer: Element) -> Added:
        return Added(int(soap.text(answer, "InstanceNumber")), status(answer))


@dataclass(frozen=True, slots=True)
class DeleteObject(Rpc[int]):
    name: str
    parameter_key: str = ""

    def write(self, call: Element) -> None:
        soap.add(call, "ObjectName", self.name)
        soap.add(call, "ParameterKey", self.parameter_key)

    def read(self, answer: Element) -> int:
        return status(answer)


@dataclass(frozen=True, slots=True)
class Reboot(Rpc[None]):
    command_key: str = ""

    def write(self, call: Element) -> None:
        soap.add(call, "CommandKey", self.command_key)

    def read(self, answer: Element) -> None:
        return None


@dataclass(frozen=True, slots=True)
class FactoryReset(Rpc[None]):
    def read(self, answer: Element) -> None:
        return None


@dataclass(frozen=True, slots=True)
class ScheduleInform(Rpc[None]):
    delay_seconds: int
    command_key: str = ""

    def write(self, call: Element) -> None:
        soap.add(call, "DelaySeconds", self.delay_seconds)
        soap.add(call, "CommandKey", self.command_key)

    def read(self, answer: Element) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Raw(Rpc[Element]):
    """Any method, with plain text arguments; the answer as it came."""

    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return self.name

    def write(self, call: Element) -> None:
        for name, text in self.arguments.items():
            soap.add(call, name, text)

    def read(self, answer: Element) -> Element:
        return answer


def read_values(parent: Element) -> dict[str, Value]:
    """A ParameterList of ParameterValueStructs. Raises Violation."""
    values: dict[str, Value] = {}
    for item in soap.array(parent, "ParameterList", "ParameterValueStruct"):
        name, value = soap.text(item, "Name"), item.find("Value")
        kind = None if value is None else value.get(f"{{{soap.XSI}}}type")
        if value is None or not kind:
            raise Violation(f"the value of {name} has no xsi:type")
        values[name] = Value(value.text or "", kind.rpartition(":")[2])
    return values


def status(answer: Element) -> int:
    status = soap.text(answer, "Status")
    if status not in {"0", "1"}:
        raise Violation(f"a Status of {status!r}")
    return int(status)


def boolean(text: str) -> bool:
    if text not in {"0", "1", "true", "false"}:
        raise Violation(f"{text!r} is no boolean")
    return text in {"1", "true"}
