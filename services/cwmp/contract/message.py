"""How a message crosses the bus: frozen dataclasses to blobmsg tables and back.

A message class names its fields and their types; nothing else has to be written. Field types are ``str``,
``int``, ``bool``, ``float``, ``list[...]`` of those, ``dict[str, Any]``, other message classes and lists of
them. A field with a default may be absent. Unknown keys are ignored, so that a newer sender can add fields
(the rule that keeps version 1 of the contract extensible); a missing or wrongly typed field is an error that
names the message and the field.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from ubuskit.records import dataclass

M = TypeVar("M")
A = TypeVar("A")
R = TypeVar("R")


class MessageError(ValueError):
    """A table from the bus is not the message it should be; the text names message and field."""


@dataclass(frozen=True, slots=True)
class Empty:
    """A message without fields."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation(Generic[A, R]):
    """One thing a service does for another: event ``cwmp.<service>.request`` with ``op`` = `name`.

    `staged` names the list fields of the arguments that may travel in several pages (parallel lists of the
    same length); `paged` says that the result is a stream of `result` messages, each one page.
    """

    service: str
    name: str
    args: type[A]
    result: type[R]
    staged: tuple[str, ...] = ()
    paged: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fact(Generic[M]):
    """Something a service tells whoever listens: event ``cwmp.<service>.<name>``. Facts may be lost."""

    service: str
    name: str
    message: type[M]

    @property
    def event(self) -> str:
        return f"cwmp.{self.service}.{self.name}"


def to_table(message: Any) -> dict[str, Any]:
    """The blobmsg table of a message. Fields that equal an absent optional (None) are left out."""
    table: dict[str, Any] = {}
    cls: Any = type(message)
    for name, pack in _packers(cls):
        value = getattr(message, name)
        if value is not None:
            table[name] = value if pack is None else pack(value)
    return table


def from_table(cls: type[M], table: Mapping[str, Any]) -> M:
    """The message of class `cls` in `table`.

    Raises:
        MessageError: a field is missing or has the wrong type.
    """
    values: dict[str, Any] = {}
    key: Any = cls
    for name, unpack, required in _unpackers(key):
        if name in table:
            try:
                values[name] = unpack(table[name])
            except (TypeError, MessageError) as error:
                raise MessageError(f"{cls.__name__}.{name}: {error}") from None
        elif required:
            raise MessageError(f"{cls.__name__}.{name} is missing")
    return cls(**values)


def learn(module: types.ModuleType) -> None:
    """Read the fields of all messages of `module` now, rather than of each when it is first sent or received."""
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and dataclasses.is_dataclass(value)
            and value.__module__ == module.__name__
        ):
            _packers(value)
            _unpackers(value)


@functools.cache
def _packers(cls: Any) -> list[tuple[str, Callable[[Any], Any] | None]]:
    return [(name, _packer(kind)) for name, kind in _fields(cls)]


@functools.cache
def _unpackers(cls: Any) -> list[tuple[str, Callable[[Any], Any], bool]]:
    required = {
        f.name
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    return [(name, _unpacker(kind), name in required) for name, kind in _fields(cls)]


def _fields(cls: type) -> list[tuple[str, Any]]:
    hints = typing.get_type_hints(cls)
    return [(f.name, hints[f.name]) for f in dataclasses.fields(cls)]


def _strip_optional(kind: Any) -> Any:
    options = [k for k in typing.get_args(kind) if k is not type(None)]
    return options[0] if type(None) in typing.get_args(kind) and len(options) == 1 else kind


def _packer(kind: Any) -> Callable[[Any], Any] | None:
    kind = _strip_optional(kind)
    if dataclasses.is_dataclass(kind):
        return to_table
    if typing.get_origin(kind) is list and dataclasses.is_dataclass(typing.get_args(kind)[0]):
        return lambda values: [to_table(v) for v in values]
    return None


def _unpacker(kind: Any) -> Callable[[Any], Any]:
    kind = _strip_optional(kind)
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        message: type = kind  # type: ignore[assignment]  # is_dataclass also accepts instances
        return lambda value: from_table(message, _checked(value, dict))
    if origin is list:
        return _list_unpacker(typing.get_args(kind)[0])
    if origin is dict:
        return lambda value: _checked(value, dict)
    return lambda value: _checked(value, kind)


def _list_unpacker(item: Any) -> Callable[[Any], Any]:
    if dataclasses.is_dataclass(item):
        message: type = item  # type: ignore[assignment]
        return lambda value: [from_table(message, _checked(v, dict)) for v in _checked(value, list)]

    def unpack(value: Any) -> Any:
        if not set(map(type, _checked(value, list))) <= {item}:
            raise MessageError(f"not a list of {item.__name__}")
        return value

    return unpack


def _checked(value: Any, kind: type) -> Any:
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    raise MessageError(f"expected {kind.__name__}, got {type(value).__name__}")
