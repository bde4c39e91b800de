"""What the packages install, and what they say of themselves."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from tests.feed.packages import FEED, PROJECT, SITE_PACKAGES, Installed, describe, make

from cwmp.runtime.config import LISTS, OPTIONS, Config
from ubuskit.uci import Uci

OURS = ("tr069-client", "python3-ubuskit")
RECIPES = [path for path in sorted(FEED.glob("*/Makefile")) if "python3-package.mk" in path.read_text()]


def test_there_is_bytecode_and_no_source(installed: Installed) -> None:
    names = [path.name for path in installed.root.rglob("*")]
    assert not [name for name in names if name.endswith(".py") or name == "__pycache__"]
    assert {"cwmp.session.service", "cwmp.runtime.master", "ubuskit.client"} <= set(installed.modules())


def test_the_lab_and_the_broker_stay_at_home(installed: Installed) -> None:
    assert not [m for m in installed.modules() if m.startswith(("cwmp.lab", "ubuskit.broker"))]


def test_every_mapping_file_is_there(installed: Installed) -> None:
    models = Path("cwmp/datamodel/models")
    there = {path.name for path in (installed.site_packages / models).iterdir()}
    assert there == {path.name for path in (PROJECT / "services" / models).glob("*.toml")}


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("etc/config/cwmp", 0o600),
        ("etc/init.d/cwmpd", 0o755),
        ("etc/uci-defaults/95-tr069-client", 0o755),
        ("usr/bin/cwmp", 0o755),
        ("usr/sbin/cwmpd", 0o755),
        ("usr/share/acl.d/cwmp.json", 0o644),
        ("lib/upgrade/keep.d/tr069-client", 0o644),
    ],
)
def test_modes(installed: Installed, name: str, mode: int) -> None:
    assert stat.S_IMODE((installed.root / name).stat().st_mode) == mode


def test_commands_answer(installed: Installed) -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert run(installed, "usr/bin/cwmp", "--version") == f"cwmp {version}\n"
    assert "--services" in run(installed, "usr/sbin/cwmpd", "--help")


def run(installed: Installed, program: str, *arguments: str) -> str:
    done = subprocess.run(
        [installed.python, installed.root / program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_native_codec_is_used(installed: Installed) -> None:
    done = subprocess.run(
        [
            installed.python,
            "-c",
            "from ubuskit import blobmsg, uci; print(blobmsg.backend, uci.Uci().backend)",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == "native native\n"


@pytest.mark.parametrize("package", OURS)
def test_the_version_is_the_projects(package: str, tmp_path: Path) -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert describe(package, tmp_path)["version"] == [version]


def test_user_and_conffiles(tmp_path: Path) -> None:
    found = describe("tr069-client", tmp_path)
    assert found["user"] == ["cwmp=7547:cwmp=7547"]
    assert found["conffile"] == ["/etc/config/cwmp"]


@pytest.mark.parametrize(
    ("where", "told"), [("", ["-HUP", "ubusd"]), ("/image", [])], ids=["router", "image"]
)
def test_the_bus_hears_of_its_new_rules(tmp_path: Path, where: str, told: list[str]) -> None:
    """On a router; not while an image is put together."""
    make("tr069-client", "postinst-tr069-client", tmp_path)
    script = (tmp_path / "build/tr069-client.postinst").read_text()
    (tmp_path / "killall").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/told\n')
    (tmp_path / "killall").chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "IPKG_INSTROOT": where}
    subprocess.run(["sh"], input=script, text=True, check=True, env=environ, timeout=30)
    found = tmp_path / "told"
    assert (found.read_text().split() if found.exists() else []) == told


@pytest.mark.parametrize(("package", "module"), [("python3-h11", "h11"), ("python3-trio", "trio")])
def test_packages_of_others_are_built_from_what_their_hash_names(
    package: str, module: str, open_dir: Path
) -> None:
    archives = os.environ.get("CWMP_FEED_DL")
    if not archives:
        pytest.skip("CWMP_FEED_DL does not name a directory with the source distributions")
    make(package, f"install-{package}", open_dir, DL_DIR=Path(archives).absolute())
    there = open_dir / "root" / SITE_PACKAGES / module
    assert (there / "__init__.pyc").exists()
    assert not list(there.rglob("*.py"))
    assert not list(there.rglob("_tests"))


def test_the_application_is_where_luci_looks(tmp_path: Path) -> None:
    """Each page of its menu among what uhttpd gives, the menu and the rights where LuCI and rpcd read them."""
    make("luci-app-tr069", "install-luci-app-tr069", tmp_path)
    root, name = tmp_path / "root", "luci-app-tr069.json"
    menu = json.loads((root / "usr/share/luci/menu.d" / name).read_text())
    views = [entry["action"]["path"] for entry in menu.values() if entry["action"]["type"] == "view"]
    assert len(views) == 6
    for view in views:
        assert (root / f"www/luci-static/resources/view/{view}.js").exists()
    groups = json.loads((root / "usr/share/rpcd/acl.d" / name).read_text())
    assert {group for entry in menu.values() for group in entry.get("depends", {}).get("acl", [])} == set(
        groups
    )
    assert {path.parts[0] for path in (p.relative_to(root) for p in root.rglob("*"))} == {"usr", "www"}
    assert describe("luci-app-tr069", tmp_path)["depends"] == ["luci-base", "tr069-client"]


def test_the_sizes_in_the_readme_are_those_of_today(installed: Installed) -> None:
    """Within a fifth; ``python -m tests.feed.sizes`` prints the table."""
    said = dict(re.findall(r"^\| tr069-client: (\w+) \| (\d+) \|", (FEED / "README.md").read_text(), re.M))
    assert len(said) == 7
    for part, kilobytes in said.items():
        files = [path for path in (installed.site_packages / "cwmp" / part).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 1024
        assert 0.8 * size < int(kilobytes) < 1.2 * size, f"{part}: {round(size)} kB"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_recipes_follow_the_feeds_habits(recipe: Path) -> None:
    text = recipe.read_text()
    name = recipe.parent.name
    assert text.startswith("# SPDX-License-Identifier: ")
    assert text.endswith(
        f"$(eval $(call Py3Package,{name}))\n"
        f"$(eval $(call BuildPackage,{name}))\n"
        f"$(eval $(call BuildPackage,{name}-src))\n"
    )
    for metadata in re.findall(rf"^define Package/{name}\n(.*?)^endef", text, re.DOTALL | re.MULTILINE):
        assert all(line.startswith("  ") for line in metadata.splitlines())
    for files in re.findall(r"^define Package/.*/conffiles\n(.*?)^endef", text, re.DOTALL | re.MULTILINE):
        assert all(line.startswith("/") for line in files.splitlines())
    if "PYPI_NAME" in text:
        assert re.search(r"^PKG_HASH:=[0-9a-f]{64}$", text, re.MULTILINE)


def test_the_configuration_is_a_guide_to_every_option(tmp_path: Path) -> None:
    """Each option is there, commented out with its default or set to what the package wants."""
    text = (FEED / "tr069-client/files/cwmp.config").read_text()
    (tmp_path / "cwmp").write_text(re.sub(r"^#\t(option|list)", r"\t\1", text, flags=re.MULTILINE))
    section = Uci(tmp_path, tmp_path / "none").load("cwmp").sections["cwmp"]
    shown = dict(re.findall(r"^#?\t(?:option|list) (\w+) '(.*)'$", text, re.MULTILINE))
    assert section.type == "cwmp"
    missing = sorted(set(OPTIONS) - set(shown))
    assert not missing, "explain these in openwrt-feed/tr069-client/files/cwmp.config, commented out"
    examples = {"acs_url", "ca_file", "http_proxy", "no_proxy"} | LISTS
    for option, convert in OPTIONS.items():
        value = convert(shown[option])
        assert option in examples or value == getattr(Config(), option), option


def test_the_configuration_as_installed_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "cwmp").write_text((FEED / "tr069-client/files/cwmp.config").read_text())
    package = Uci(tmp_path, tmp_path / "none").load("cwmp")
    assert package.sections["cwmp"].options == {}
    assert package.sections["cwmpd"].options == {"separate": "0"}
