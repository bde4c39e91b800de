"""Daemons that answer what no daemon should: refused or left out, and never the end of the service."""

from __future__ import annotations

from typing import Any, cast

import pytest

from cwmp.datamodel.remote.ambiorix import Ambiorix
from cwmp.datamodel.remote.bbfdm import Bbfdm
from cwmp.datamodel.remote.schema import Assignment, Refused, RemoteError

DONE = {"amxd-error-code": 0}


class Bus:
    """Answers everything alike."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = list(answers)

    async def call_all(self, *_: object, timeout: float) -> list[dict[str, Any]]:
        return self._answers

    async def call(self, *_: object, timeout: float) -> dict[str, Any]:
        return self._answers[0]


def ambiorix(answer: dict[str, Any]) -> Ambiorix:
    return Ambiorix(cast(Any, Bus(answer, {}, DONE)), "WiFi")


def bbfdm(**entry: Any) -> Bbfdm:
    return Bbfdm(cast(Any, Bus({"results": [entry]})), "Device.X.")


async def test_rows_that_are_no_numbers() -> None:
    names = ("1", "0", "-1", "9" * 5000, "\u0663", "x")
    assert await ambiorix({f"WiFi.Radio.{name}.": {} for name in names}).rows("Radio.") == ["1"]
    assert await bbfdm(path=f"Device.X.T.{'9' * 5000}.").rows("T.") == []


async def test_names_that_are_none() -> None:
    found = {"parameters": {name: {} for name in ("Good", "", "a.b", "<x>")}}
    assert list((await ambiorix(found).describe()).leaves) == ["Good"]
    assert not (await bbfdm(path="Device.X.", type="xsd:string", data="1").describe()).leaves
    with pytest.raises(RemoteError):  # objects below objects without end, but for those of no name
        await ambiorix({"objects": ["a", "", "b.c", 1]}).describe()


async def test_objects_that_are_nested_without_end() -> None:
    with pytest.raises(RemoteError, match="too deep"):
        await bbfdm(path=f"Device.X.{'a.' * 5000}", type="xsd:object").describe()


@pytest.mark.parametrize("fault", ["x", float("inf"), "9" * 5000, None])
async def test_faults_that_are_no_codes(fault: object) -> None:
    with pytest.raises(Refused):
        await bbfdm(path="Device.X.a", fault=fault).stage([Assignment("", {"a": "1"}, {"a": "0"})])


async def test_a_new_row_without_a_number() -> None:
    for number in ("9" * 5000, "", "x", "0", None):
        with pytest.raises(RemoteError, match="which row"):
            await bbfdm(path="Device.X.T.", data=number).add("T.", {})
