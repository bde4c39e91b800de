"""What can be said of the application without a browser: its files fit together, and to the services."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
from tests.conftest import StartService
from tests.luci.strings import APP, TEMPLATE, template

from cwmp.datamodel.service import serve as datamodel
from cwmp.diagnostics.service import serve as diagnostics
from cwmp.firmware.service import serve as firmware
from cwmp.lab.jsonrpc import grants
from cwmp.runtime.config import OPTIONS
from cwmp.session.service import serve as session
from ubuskit.client import Client

RESOURCES = APP / "htdocs/luci-static/resources"
SOURCES = sorted(RESOURCES.glob("**/*.js"))
MENU: dict[str, Any] = json.loads((APP / "root/usr/share/luci/menu.d/luci-app-tr069.json").read_text())
ACLS: dict[str, Any] = json.loads((APP / "root/usr/share/rpcd/acl.d/luci-app-tr069.json").read_text())
CALLS = set(re.findall(r"declare\('([\w.]+)', '(\w+)'", (RESOURCES / "tr069/bus.js").read_text()))


def test_settings_has_the_options_of_the_services() -> None:
    source = (RESOURCES / "view/tr069/settings.js").read_text()
    options = re.findall(r"^\t\[ '\w+', '(\w+)', '(?:flag|value|secret|list)'", source, re.MULTILINE)
    assert sorted(options) == sorted(OPTIONS)


def test_the_template_has_every_text() -> None:
    assert TEMPLATE.read_text() == template(), "run: python -m tests.luci.strings"


def test_every_page_of_the_menu_is_there_and_granted() -> None:
    views = {entry["action"]["path"] for entry in MENU.values() if entry["action"]["type"] == "view"}
    assert views == {f"tr069/{path.stem}" for path in (RESOURCES / "view/tr069").iterdir()}
    assert {group for entry in MENU.values() for group in entry.get("depends", {}).get("acl", [])} == set(
        ACLS
    )


def test_every_module_required_is_ours_or_luci_s() -> None:
    theirs = {"baseclass", "dom", "form", "poll", "rpc", "uci", "ui", "validation", "view"}
    for path in SOURCES:
        for name in re.findall(r"^'require ([\w.]+)", path.read_text(), re.MULTILINE):
            assert name in theirs or (RESOURCES / f"{name.replace('.', '/')}.js").exists(), (path, name)


def test_every_call_is_granted_and_nothing_more() -> None:
    granted = grants(ACLS, write=True)["ubus"]
    assert grants(ACLS, write=True)["file"] == {"/usr/bin/cwmp check --json --timeout 10": {"exec"}}
    assert {(path, method) for path, methods in granted.items() for method in methods} == CALLS


def test_who_may_only_read_is_granted_nothing_that_changes_or_is_secret() -> None:
    granted = grants(ACLS, write=False)
    reading = {"status", "history", "get", "names", "describe", "attributes", "modules"}
    assert {method for methods in granted["ubus"].values() for method in methods} <= reading
    assert "uci" not in granted


async def test_every_call_is_a_method_of_the_services(client: Client, start_service: StartService) -> None:
    for name, serve in {
        "session": session,
        "datamodel": datamodel,
        "firmware": firmware,
        "diagnostics": diagnostics,
    }.items():
        await start_service(name, serve)
    there = {(found.path, method) for found in await client.lookup("cwmp*") for method in found.signature}
    assert there >= CALLS - {("file", "exec")}  # which is rpcd's


def test_no_text_from_outside_can_be_markup() -> None:
    """E() and dom.content() make markup of a bare string: children are arrays or elements everywhere."""
    for path in SOURCES:
        source = path.read_text()
        assert "innerHTML" not in source and "insertAdjacentHTML" not in source, path
        for found in re.finditer(
            r"(\bE\('\w+', (\{.*\}, )?|\b(content|append)\([\w.]+, )(['`_]|\w+\.message).*", source
        ):
            pytest.fail(f"{path}: a bare string: {found[0]}")


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_source_is_javascript(path: Any) -> None:
    wrapped = f"(function() {{{path.read_text()}\n}})"
    done = subprocess.run(
        ["node", "--check", "-"], input=wrapped, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
