"""Messages cross the bus unchanged; what is not a message says which field is wrong."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmp.contract import (
    Fault,
    MessageError,
    Operation,
    ParameterFault,
    datamodel,
    diagnostics,
    firmware,
    from_table,
    parameters,
    session,
    soap_faultcode,
    to_table,
)
from cwmp.contract.message import Fact
from ubuskit import blobmsg

MODULES = (datamodel, diagnostics, firmware, parameters, session)
MESSAGES = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value not in (Operation, Fact)
    },
    key=lambda cls: cls.__name__,
)


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_every_message_survives_the_bus(cls: type[Any], data: st.DataObject) -> None:
    message = data.draw(st.builds(cls, **_fields(cls)))
    assert from_table(cls, blobmsg.decode(blobmsg.encode(to_table(message)))) == message


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
def test_a_missing_field_is_named(cls: type[Any]) -> None:
    required = [f for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
    required = [f for f in required if f.default_factory is dataclasses.MISSING]
    if not required:
        assert from_table(cls, {}) == cls()
        return
    with pytest.raises(MessageError, match=rf"{cls.__name__}\.{required[0].name} is missing"):
        from_table(cls, {})


def test_a_wrong_type_is_named() -> None:
    with pytest.raises(MessageError, match=r"GetNames\.next_level: expected bool, got str"):
        from_table(datamodel.GetNames, {"path": "", "next_level": "yes"})
    with pytest.raises(MessageError, match=r"Values\.values: not a list of str"):
        from_table(datamodel.Values, {"names": ["a"], "types": ["int"], "values": [1]})
    with pytest.raises(
        MessageError, match=r"CompletedTransfers\.transfers: CompletedTransfer\.id is missing"
    ):
        from_table(firmware.CompletedTransfers, {"transfers": [{}]})


def test_fields_of_a_newer_sender_are_ignored() -> None:
    assert from_table(session.State, {"open": True, "since": 12}) == session.State(open=True)


def test_every_operation_and_fact_names_its_owner() -> None:
    for module in (datamodel, firmware, session, diagnostics):
        for value in vars(module).values():
            if isinstance(value, Operation | Fact):
                assert value.service == module.__name__.rpartition(".")[2]


def test_a_fault_crosses_the_bus() -> None:
    fault = Fault(9003, "Invalid arguments", [ParameterFault("Device.X", 9007, "too long")])
    back = Fault.from_table(blobmsg.decode(blobmsg.encode(fault.to_table())))
    assert (back.code, back.text, back.parameters) == (9003, fault.text, fault.parameters)
    assert str(back) == "Fault 9003: Invalid arguments; Device.X: 9007 too long"


def test_a_malformed_fault_is_still_a_fault() -> None:
    assert Fault.from_table({"code": "x"}).code == 9002


@pytest.mark.parametrize(
    ("code", "side"),
    [(9000, "Server"), (9003, "Client"), (9005, "Client"), (9009, "Server"), (9020, "Client")],
)
def test_soap_faultcode_follows_the_table(code: int, side: str) -> None:
    assert soap_faultcode(code) == side


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_INT = st.integers(-(2**63), 2**63 - 1)


_KINDS: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXT,
    int: _INT,
    bool: st.booleans(),
    type(None): st.none(),
}


def _fields(cls: type[Any]) -> dict[str, st.SearchStrategy[Any]]:
    hints = typing.get_type_hints(cls)
    return {f.name: _kind(hints[f.name]) for f in dataclasses.fields(cls)}


def _kind(kind: Any) -> st.SearchStrategy[Any]:
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is list:
        return st.lists(_kind(arguments[0]), max_size=3)
    if arguments:
        return st.one_of(*map(_kind, arguments))
    return st.builds(kind, **_fields(kind)) if dataclasses.is_dataclass(kind) else _KINDS[kind]
