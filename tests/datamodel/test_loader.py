"""Mapping files: what they may say, and how a mistake is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from cwmp.datamodel.loader import load
from cwmp.datamodel.service import mapping_directories
from cwmp.runtime import Paths

GOOD = """\
["Device.X_EXAMPLE_COM_Good."]
uci = "good.main=main"
Fine = { type = "string(64)", uci = "fine", write = true }
"""


def mistakes(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "Bad.toml").write_text(text)
    (tmp_path / "Good.toml").write_text(GOOD)
    model, problems = load([tmp_path])
    good = model.find("Device.X_EXAMPLE_COM_Good.")
    assert good is not None
    assert list(good.parameters) == ["Fine"]
    assert all(p.file == str(tmp_path / "Bad.toml") for p in problems)
    return [f"{p.line}: {p.text}" for p in problems]


def test_what_we_ship_has_no_mistake(paths: Paths) -> None:
    model, problems = load(mapping_directories(paths))
    assert problems == []
    assert len(list(model.objects())) > 30


OBJECT = '["Device.X_EXAMPLE_COM_T."]\nuci = "p.s"\n'
TABLE = '["Device.X_EXAMPLE_COM_T."]\n["Device.X_EXAMPLE_COM_T.Row.{i}."]\nrows = { uci = "p.@t" }\n'


WHERE = "Device.X_EXAMPLE_COM_T."


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[Device\n", 1, "is not TOML"),
        ('\nx = "unfinished\n', 2, "is not TOML"),
        ("something = 1\n", 1, "'something' is no object"),
        ('["Device.WiFi"]\n', 1, "'Device.WiFi' is no object"),
        ('["InternetGatewayDevice.X."]\n', 1, "'InternetGatewayDevice.X.' is no object"),
        ('[packages]\np = "sometimes"\n', 2, "'sometimes' is no rule"),
        ('["Device.X_lower."]\n', 1, "Device.X_lower.: 'X_lower' is no vendor name"),
        (OBJECT + "spam = 1\n", 3, f"{WHERE}: there is no 'spam' in objects"),
        (f'["{WHERE}"]\nuci = "a b"\n', 2, f"{WHERE}: 'a b' is not a UCI section"),
        (f'["{WHERE}"]\nubus = "nonsense"\n', 2, f"{WHERE}: 'nonsense' is not a ubus call"),
        (f'["{WHERE}"]\nubus = "a b {{x"\n', 2, f"{WHERE}: the arguments in 'a b {{x' are not JSON"),
        (OBJECT + 'unique = ["Nope"]\n', 3, f"{WHERE}: no parameter Nope"),
        (OBJECT + 'rows = { uci = "p.@t" }\n', 3, f"{WHERE}: only a path that ends in {{i}}. has rows"),
        (f'["{WHERE}Row.{{i}}."]\n', 1, f"{WHERE}Row.{{i}}.: a table needs rows"),
        (
            f'["{WHERE}Row.{{i}}."]\nrows = {{ keys = ["a"] }}\ncreate = {{ }}\n',
            3,
            f"{WHERE}Row.{{i}}.: only rows",
        ),
        (
            TABLE + 'A = { type = "string", uci = "a", inform = true }\n',
            4,
            f"{WHERE}Row.{{i}}.A: a forced-inform",
        ),
        (TABLE + 'A = { type = "string", service = "session" }\n', 4, f"{WHERE}Row.{{i}}.A: a service owns"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    found = mistakes(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(f"{line}: {reason}")


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ("1", "a parameter is a table with a type"),
        ('{ uci = "a" }', "a parameter is a table with a type"),
        ('{ type = "strnig", uci = "a" }', "there is no type 'strnig'"),
        ('{ type = "int(3)", uci = "a" }', "int has no length"),
        ('{ type = "string[3]", uci = "a" }', "string has no range"),
        ('{ type = "int[a:b]", uci = "a" }', "'a:b' is not a bound"),
        ('{ type = "string" }', "it has no source"),
        ('{ type = "string", uci = "a", const = "b" }', "it has several sources (uci, const)"),
        ('{ type = "string", uci = "a", wirte = true }', "there is no 'wirte' in parameters"),
        ('{ type = "string", from = [{ uci = "a", wirte = 1 }] }', "there is no 'wirte' in sources"),
        ('{ type = "string", const = "a", write = true }', "it cannot be writable"),
        ('{ type = "string", from = [{ uci = "a", write = false }], write = true }', "it cannot be writable"),
        ('{ type = "string", uci = "a", map = { "*" = "x" }, write = true }', "it cannot be writable"),
        ('{ type = "string", uci = "a", write = "x" }', "'x' is not a condition"),
        ('{ type = "int", uci = "a", default = "x" }', "the default is not a whole number"),
        ('{ type = "string", uci = "a", pattern = "(" }', "the pattern is not a regular expression"),
        ('{ type = "string", uci = "a", format = "x" }', "there is no format 'x'"),
        ('{ type = "string", uci = "a b" }', "'a b' is not a UCI option"),
        ('{ type = "string", file = "/x", regex = "(" }', "'(' is not a regular expression"),
        ('{ type = "string", file = "x" }', "'x' is not an absolute path"),
        ('{ type = "string", ubus = ".x" }', "'.x' needs a ubus call"),
        ('{ type = "string", python = "no.such:thing" }', "python: No module"),
        ('{ type = "string", python = "os:sep" }', "os:sep has not what it needs"),
        ('{ type = "string", uci = "a", strong = "Device.No." }', "it refers to Device.No."),
    ],
)
def test_a_mistake_in_a_parameter(tmp_path: Path, parameter: str, reason: str) -> None:
    found = mistakes(tmp_path, f"{OBJECT}A = {parameter}\n")
    assert len(found) == 1
    assert found[0].startswith(f"3: {WHERE}A: {reason}")


def test_a_vendors_prefix_is_not_repeated(tmp_path: Path) -> None:
    found = mistakes(tmp_path, OBJECT + 'X_EXAMPLE_COM_A = { type = "int", uci = "a" }\n')
    assert found == [f"3: {WHERE}X_EXAMPLE_COM_A: 'X_EXAMPLE_COM_A': below a vendor's object names need no prefix"
                     " (TR-106 3.3)"]  # fmt: skip


def test_what_another_file_declares_cannot_be_declared_again(tmp_path: Path) -> None:
    (tmp_path / "Good.toml").write_text(GOOD)
    (tmp_path / "Late.toml").write_text(
        '["Device.X_EXAMPLE_COM_Good."]\nFine = { type = "int", const = 1 }\n'
    )
    _, problems = load([tmp_path])
    assert [(p.file, p.line) for p in problems] == [(str(tmp_path / "Late.toml"), 2)]
    assert "Good.toml declares it already" in problems[0].text


def test_a_mistake_costs_only_what_it_is_in(tmp_path: Path) -> None:
    text = OBJECT + 'A = { type = "nothing", uci = "a" }\nB = { type = "string", uci = "b" }\n'
    (tmp_path / "One.toml").write_text(text)
    model, problems = load([tmp_path])
    node = model.find("Device.X_EXAMPLE_COM_T.")
    assert node is not None
    assert list(node.parameters) == ["B"]
    assert len(problems) == 1


def test_an_object_with_a_mistake_takes_what_is_below_with_it(tmp_path: Path) -> None:
    text = (
        '["Device.X_EXAMPLE_COM_T.Row.{i}."]\nrows = { uci = "what" }\n'
        '["Device.X_EXAMPLE_COM_T.Row.{i}.Below."]\nA = { type = "string", const = "a" }\n'
    )
    assert len(mistakes(tmp_path, text)) == 1


def test_a_file_takes_the_place_of_its_namesake(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for directory, size in ((ours, 64), (theirs, 32)):
        directory.mkdir()
        (directory / "Good.toml").write_text(GOOD.replace("64", str(size)))
    model, problems = load([ours, theirs, tmp_path / "absent"])
    node = model.find("Device.X_EXAMPLE_COM_Good.")
    assert node is not None
    assert problems == []
    assert node.parameters["Fine"].type.lengths == ((None, 32),)


def test_a_file_adds_to_an_object_of_another(tmp_path: Path) -> None:
    (tmp_path / "Good.toml").write_text(GOOD)
    (tmp_path / "More.toml").write_text(
        '["Device.X_EXAMPLE_COM_Good."]\nuci = "other.s"\nMore = { type = "int", uci = "more" }\n'
    )
    model, problems = load([tmp_path])
    node = model.find("Device.X_EXAMPLE_COM_Good.")
    assert node is not None
    assert problems == []
    assert [need.name for p in node.parameters.values() for need in p.source.needs] == ["good", "other"]
