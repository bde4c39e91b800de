"""What mapping files can say of sections found by an option, rows made in code, parameters taken over, and of values
that can only be what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.datamodel.conftest import StartDatamodel
from tests.datamodel.support import Acs, Router

from cwmp.contract import Fault
from cwmp.datamodel import template
from cwmp.datamodel.loader import load

HERE = "Device.X_EXAMPLE_COM_Yard."
MAPPING = f"""
["{HERE}"]
Fixed = {{ type = "unsignedInt", const = 7, write = "same" }}
Written = {{ type = "string", list = true, items = 1, uci = "mypackage.settings=settings.one", write = true }}

["{HERE}Gate.{{i}}."]
rows = {{ uci = "mypackage.@gate" }}
create = {{ label = "{{section}}" }}
let.label = {{ uci = "label" }}
Width = {{ type = "unsignedInt", uci = "mypackage.@size[of={{label}}].width", write = true }}
Label = {{ type = "string", uci = "label" }}

["{HERE}Gate.{{i}}.Key.{{i}}."]
rows = {{ uci = "mypackage.@key", where = "gate={{label}}" }}
create = {{ gate = "{{label}}", owner = "nobody" }}
Owner = {{ type = "string", uci = "owner", write = true }}

["{HERE}Copy."]
like = "{HERE}Measures."
uci = "mypackage.copy=measures"

["{HERE}Measures."]
uci = "mypackage.measures=measures"
Length = {{ type = "unsignedInt", uci = "length", write = true }}

["{HERE}Watcher.{{i}}."]
rows = {{ uci = "mypackage.@watcher" }}
create = {{}}
["{HERE}Watcher.{{i}}.".Sees]
type = "string"
list = true
strong = ["{HERE}Gate.", "{HERE}Gate.{{i}}.Key."]
uci = "sees"
write = true
"""


@pytest.fixture
async def yard(alone: Acs, start_datamodel: StartDatamodel, router: Router) -> Acs:
    router.write("/etc/cwmp/datamodel.d/yard.toml", MAPPING)
    router.set_uci("mypackage", "config gate 'north'\n\toption label 'n'\n\nconfig size\n\toption of 'n'\n")
    await start_datamodel()
    return alone


async def test_a_section_that_is_found_by_an_option(yard: Acs, router: Router) -> None:
    await yard.set(**{f"{HERE}Gate.1.Width": "3"})
    assert router.uci("mypackage").count("config size") == 1
    assert "option width '3'" in router.uci("mypackage")
    row = f"{HERE}Gate.{(await yard.add(f'{HERE}Gate.')).instance_number}."
    assert (await yard.get(row))[f"{row}Label"] == "gate_2"  # its own section's name
    await yard.set(**{f"{row}Width": "4"})
    assert router.uci("mypackage").partition("config size 'size_gate_2'")[2].split() == [
        "option", "of", "'gate_2'", "option", "width", "'4'",
    ]  # fmt: skip


async def test_rows_of_the_row_around(yard: Acs, router: Router) -> None:
    gate = f"{HERE}Gate.{(await yard.add(f'{HERE}Gate.')).instance_number}."
    key = f"{gate}Key.{(await yard.add(f'{gate}Key.')).instance_number}."
    await yard.set(**{f"{key}Owner": "me"})
    values = await yard.get(f"{HERE}Gate.")
    assert values[f"{key}Owner"] == "me"
    assert values[f"{HERE}Gate.1.KeyNumberOfEntries"] == "0"
    assert "option gate 'gate_2'" in router.uci("mypackage")


async def test_parameters_of_another_object(yard: Acs, router: Router) -> None:
    await yard.set(**{f"{HERE}Copy.Length": "1", f"{HERE}Measures.Length": "2"})
    assert router.uci("mypackage").partition("measures 'copy'")[2].split()[:3] == ["option", "length", "'1'"]


async def test_what_can_only_be_what_it_is(yard: Acs) -> None:
    await yard.set(**{f"{HERE}Fixed": "7"})
    with pytest.raises(Fault) as caught:
        await yard.set(**{f"{HERE}Fixed": "8"})
    assert caught.value.parameters[0].text == "this router cannot change it"


async def test_a_list_of_one_is_no_list(yard: Acs, router: Router) -> None:
    await yard.set(**{f"{HERE}Written": "a"})
    assert "option one 'a'" in router.uci("mypackage")


async def test_references_to_several_tables_are_emptied(yard: Acs) -> None:
    """Of a list the one that is deleted, wherever its table lies."""
    key = f"{HERE}Gate.1.Key.{(await yard.add(f'{HERE}Gate.1.Key.')).instance_number}."
    sees = f"{HERE}Watcher.{(await yard.add(f'{HERE}Watcher.')).instance_number}.Sees"
    both = f"{HERE}Gate.1,{key[:-1]}"
    await yard.set(**{sees: both})
    assert await yard.get(sees) == {sees: both}
    with pytest.raises(Fault):
        await yard.set(**{sees: f"{HERE}Gate.1.Key.9"})
    await yard.delete(key)
    assert await yard.get(sees) == {sees: f"{HERE}Gate.1"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('like = "Device.X_EXAMPLE_COM_Nowhere."\n', "there is no object Device.X_EXAMPLE_COM_Nowhere."),
        ('P = { type = "string", uci = "a.@b[c=].d" }\n', "is not a UCI"),
        (
            '["Device.X_EXAMPLE_COM_T.R.{i}."]\nrows = { python = "cwmp.datamodel.tree:Row" }\n',
            "is no RowSource",
        ),
        ('["Device.X_EXAMPLE_COM_T.R.{i}."]\nrows = { python = "no.module:at_all" }\n', "python: No module"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "Bad.toml").write_text(f'["Device.X_EXAMPLE_COM_T."]\n{text}')
    _, (problem,) = load([tmp_path])
    assert reason in problem.text


def test_conditions_with_variables() -> None:
    found = template.condition("device={bridge}|lo")
    assert [t.text for t in found.templates] == ["{bridge}"]
    assert found.exact == {"lo"}
