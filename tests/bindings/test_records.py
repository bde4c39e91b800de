"""`ubuskit.records.dataclass` makes what `dataclasses.dataclass` makes; only memory tells them apart."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from ubuskit import records


def fields(cls: type) -> type:
    cls.__annotations__ = {"name": "str", "secret": "str", "counted": "int", "items": "list"}
    cls.secret = dataclasses.field(default="", repr=False)  # type: ignore[attr-defined]
    cls.counted = dataclasses.field(default=0, compare=False)  # type: ignore[attr-defined]
    cls.items = dataclasses.field(default_factory=list, hash=False)  # type: ignore[attr-defined]
    return cls


class Plain:
    """Three kinds of field."""


class Spoken:
    """Has a repr of its own."""

    def __repr__(self) -> str:
        return "spoken"


class Alike:
    """Is equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


OPTIONS = [
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
    {"frozen": True, "slots": True, "repr": False},
    {"frozen": True, "slots": True, "order": True},
    {"frozen": True},
    {"slots": True},
]


def made(by: Callable[..., Any], body: type, options: dict[str, bool]) -> Any:
    own = {name: value for name, value in body.__dict__.items() if name not in {"__dict__", "__weakref__"}}
    return by(**options)(fields(type("Made", (), own)))


def outcome(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except (AttributeError, TypeError) as error:
        return type(error), str(error).replace(
            "super(type, obj): obj must be an instance or subtype of type", ""
        )


@pytest.mark.parametrize("body", [Plain, Spoken, Alike])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_behaves_as_the_standard_one(body: type, options: dict[str, bool]) -> None:
    seen = []
    for by in (dataclasses.dataclass, records.dataclass):
        cls = made(by, body, options)
        one, same, other = cls("a", "s", 1), cls("a", "s", 2), cls("b", "s", 1)
        seen.append(
            [
                repr(one).split(" object at ")[0],
                one == same,
                one == other,
                one != same,
                one == "a",
                outcome(lambda one=one, same=same: hash(one) == hash(same)),
                outcome(lambda one=one: setattr(one, "name", "c")),
                outcome(lambda one=one: delattr(one, "name")),
                hasattr(one, "__dict__"),
                [f.name for f in dataclasses.fields(cls)],
                cls.__match_args__,
                dataclasses.asdict(dataclasses.replace(one, name="z")),
            ]
        )
    assert seen[0] == seen[1]


@records.dataclass(frozen=True, slots=True)
class Pair:
    left: int
    right: Any = None


def test_it_can_be_pickled_and_be_in_itself() -> None:
    assert pickle.loads(pickle.dumps(Pair(1, "x"))) == Pair(1, "x")
    inside: list[Any] = []
    pair = Pair(1, inside)
    inside.append(pair)
    assert repr(pair) == "Pair(left=1, right=[...])"


def test_classes_share_their_methods() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Other:
        text: str

    for name in ("__eq__", "__hash__", "__repr__", "__setattr__", "__delattr__"):
        assert getattr(Pair, name) is getattr(Other, name)
