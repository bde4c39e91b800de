"""What the mapping files declare of the tests, against what the tests take and give."""

from __future__ import annotations

from pathlib import Path

import pytest

from cwmp.datamodel.loader import load
from cwmp.datamodel.service import mapping_directories
from cwmp.datamodel.tree import Model, Object
from cwmp.diagnostics import echoserver, states
from cwmp.diagnostics.definition import STATE, Definition
from cwmp.diagnostics.service import TESTS
from cwmp.runtime import Paths

_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 63, 64, 65, 255, 256, 999, 1000, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1)
_TEXTS = ("", "x", "Any", "IPv4", "ICMP", "true", "http://192.0.2.1/", "192.0.2.1", "a,b", ",".join("a" * 11))
PROBES = (*map(str, _NUMBERS), str(2**64), "-1", *_TEXTS, *("h" * n for n in (256, 257, 2048, 2049)))


def _model() -> Model:
    root = Path("/nonexistent")
    model, problems = load(mapping_directories(Paths(root, root, root, root, root)))
    assert not problems
    return model


MODEL = _model()


def _object(path: str) -> Object:
    found = MODEL.find(path)
    assert found is not None, f"{path} is not declared"
    return found


@pytest.mark.parametrize("test", TESTS, ids=lambda t: t.name)
def test_the_same_parameters(test: Definition) -> None:
    node = _object(test.path)
    counted = {f"{name}NumberOfEntries" for name, value in test.results.items() if not isinstance(value, str)}
    scalars = {name for name, value in test.results.items() if isinstance(value, str)}
    assert set(node.parameters) == {STATE, *test.inputs, *scalars, *counted}
    assert {f"{name}NumberOfEntries" for name in node.children} == counted
    assert {name for name, p in node.parameters.items() if p.writable} == {STATE, *test.inputs}
    assert [name for name in node.parameters if name not in counted][-1] == STATE  # behind its inputs
    assert set(node.parameters[STATE].type.enum) == set(states.WRITABLE)
    reported = set(node.parameters[STATE].type.reported) - ({"Error"} - set(test.errors))
    assert reported == {states.NONE, states.COMPLETE, *test.errors}


def test_the_echo_servers_parameters() -> None:
    parameters = _object(echoserver.PATH).parameters
    assert set(parameters) == {*echoserver.INPUTS, *echoserver.Counters().results()}
    assert {name for name, p in parameters.items() if p.writable} == set(echoserver.INPUTS)
    for name, item in echoserver.INPUTS.items():
        for value in (*PROBES, "2001:db8::1"):
            try:
                parameters[name].type.check(value)
                declared = True
            except ValueError:
                declared = False
            taken = not item.check(value)
            assert declared or not taken, f"{name}: {value[:70]!r}"
            if name != "SourceIPAddress":  # the mapping language knows only the characters of addresses
                assert declared == taken, f"{name}: {value[:70]!r}"


@pytest.mark.parametrize("test", TESTS, ids=lambda t: t.name)
def test_what_it_starts_with_is_of_the_type(test: Definition) -> None:
    parameters = _object(test.path).parameters
    for name, value in {**test.defaults(), **test.results}.items():
        if isinstance(value, str) and value:
            parameters[name].type.check(value)


@pytest.mark.parametrize(
    ("test", "name"),
    [(test, name) for test in TESTS for name in test.inputs],
    ids=lambda x: getattr(x, "name", x),
)
def test_an_input_takes_the_same_values(test: Definition, name: str) -> None:
    kind = _object(test.path).parameters[name].type
    for value in PROBES:
        try:
            kind.check(value)
            declared = True
        except ValueError:
            declared = False
        taken = not test.inputs[name].check(value)
        assert declared or not taken, f"{value[:70]!r}"
        if not name.endswith("URL"):  # what a URL is, the mapping language does not say
            assert declared == taken, f"{value[:70]!r}"
