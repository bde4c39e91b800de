"""DEPENDS against what is imported. OpenWrt cuts the standard library into packages; a part that is forgotten is
missed on the router, maybe not before a session needs it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.feed.packages import FEED, NATIVE, PROJECT, THIRD_PARTY, Installed, describe, split_package

from cwmp.runtime import preload

_IMPORT = """
import importlib, json, sys
for name in json.load(sys.stdin):
    importlib.import_module(name)
print(json.dumps({n: getattr(m, "__file__", None) for n, m in list(sys.modules.items())}))
"""
_SOURCES = {"cwmp": PROJECT / "services/cwmp", "ubuskit": PROJECT / "bindings/ubuskit"}
_OPTIONAL = {"ubus", "uci"}
"""Used where they are installed; see ubuskit.blocking and ubuskit.uci."""
_TRIED = {"python3-lzma"}
"""What the standard library's shutil and zipfile try to import and do without."""

_SOME_BRANCHES = {"python3-codecs"}
"""What one branch's Python imports and another's does not; the recipes serve all branches."""


def imported_in_functions(module: str) -> Iterator[str]:
    """What a module imports when it first needs it, rather than at its head."""
    top, _, rest = module.partition(".")
    path = _SOURCES[top] / Path(*rest.split("."))
    source = path.with_suffix(".py") if rest and path.with_suffix(".py").exists() else path / "__init__.py"
    tree = ast.parse(source.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.fixture(scope="module")
def needed(installed: Installed) -> set[str]:
    """The OpenWrt packages whose modules are in memory once everything of ours has been imported."""
    ours = [name for name in installed.modules() if name.partition(".")[0] in _SOURCES]
    late = {name for module in ours for name in imported_in_functions(module)} - _OPTIONAL
    late.update(preload._LATE)
    wanted = sorted({m for m in {*ours, *late} if not m.endswith("__main__")})
    done = subprocess.run(
        [sys.executable, "-B", "-c", _IMPORT],
        input=json.dumps(wanted),
        env={"PYTHONPATH": f"{installed.site_packages}", "LD_LIBRARY_PATH": f"{NATIVE}/lib"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    found = set()
    for name, file in json.loads(done.stdout).items():
        path = Path(file).resolve() if file else None
        if path is not None and path.is_relative_to(stdlib) and "site-packages" not in path.parts:
            found.add(split_package(str(path.relative_to(stdlib))))
        found.update(p for p, names in THIRD_PARTY.items() if name.partition(".")[0] in names)
    return found


def test_nothing_is_missing(needed: set[str], installed: Installed) -> None:
    assert needed - _TRIED <= installed.depends


def test_nothing_is_too_much(needed: set[str], tmp_path: Path) -> None:
    """Each package that a recipe names is one whose modules were imported."""
    for package in ("tr069-client", "python3-ubuskit"):
        direct = set(describe(package, tmp_path)["depends"]) - {"python3-ubuskit", "libubox", "libuci"}
        assert direct <= needed | {"python3-cffi"} | _SOME_BRANCHES, package


def test_recipes_exist_for_what_some_branch_lacks(tmp_path: Path) -> None:
    """The feed's own recipes give the names that others depend on."""
    assert {path.parent.name for path in FEED.glob("python3-*/Makefile")} >= {
        "python3-h11",
        "python3-trio",
        "python3-ubuskit",
    }
    for package in ("python3-h11", "python3-trio"):
        assert "python3-light" in describe(package, tmp_path)["depends"]
