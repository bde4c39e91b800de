"""`dataclass`, for packages with many frozen slotted ones: what their classes have in common exists once.

The standard decorator compiles ``__repr__``, ``__eq__``, ``__hash__``, ``__setattr__`` and ``__delattr__`` anew
for each class, more than half of its 13 KB. Here a class has an ``__init__`` of its own and shares the rest;
in use there is no difference, but that comparing and hashing are slower.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(**options: bool) -> Callable[[type], type]:
        """As `dataclasses.dataclass`."""

        def make(cls: type) -> type:
            plain = options.keys() <= {"frozen", "slots", "repr", "eq"}
            own = {"__eq__", "__hash__", "__setattr__", "__delattr__"} & cls.__dict__.keys()
            if not (plain and options.get("frozen") and options.get("slots")) or own:
                return dataclasses.dataclass(**options)(cls)
            made = dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)(cls)
            made.__setattr__ = _cannot_assign
            made.__delattr__ = _cannot_delete
            if options.get("eq", True):
                made.__eq__ = _equal
                made.__hash__ = _hash
            if options.get("repr", True) and "__repr__" not in cls.__dict__:
                made.__repr__ = _repr
            return made

        return make


def _compared(record: Any) -> tuple[Any, ...]:
    return tuple([getattr(record, f.name) for f in dataclasses.fields(record) if f.compare])


def _equal(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _compared(self) == _compared(other)


def _hash(self: Any) -> int:
    counted = [f.name for f in dataclasses.fields(self) if (f.compare if f.hash is None else f.hash)]
    return hash(tuple([getattr(self, name) for name in counted]))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__qualname__}({shown})"


def _cannot_assign(self: Any, name: str, value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _cannot_delete(self: Any, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
