"""The feed's packages, built by their own recipes, and a Python that has what they depend on and nothing else."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
FEED = PROJECT / "openwrt-feed"
OPENWRT = Path(__file__).parent / "openwrt"
NATIVE = PROJECT / "build/native/usr"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = Path(f"usr/lib/python{VERSION}/site-packages")

THIRD_PARTY = {
    "python3-attrs": ("attr", "attrs"),
    "python3-cffi": ("cffi", "_cffi_backend*"),
    "python3-dns": ("dns",),
    "python3-h11": ("h11",),
    "python3-idna": ("idna",),
    "python3-lxml": ("lxml",),
    "python3-outcome": ("outcome",),
    "python3-pycparser": ("pycparser",),
    "python3-sniffio": ("sniffio",),
    "python3-sortedcontainers": ("sortedcontainers",),
    "python3-trio": ("trio",),
}
"""Packages of others and what they install."""

_OTHERS_DEPEND = {
    "python3-cffi": ["python3-pycparser"],
    "python3-trio": [
        "python3-attrs",
        "python3-idna",
        "python3-outcome",
        "python3-sniffio",
        "python3-sortedcontainers",
    ],
}
"""On packages that are not of the standard library. Those that are, ours have to name: some of theirs forget them."""

_TABLE = tomllib.loads((Path(__file__).parent / "split_stdlib.toml").read_text())
_STDLIB: Mapping[str, list[str]] = _TABLE["packages"]
_STDLIB_DEPENDS: Mapping[str, list[str]] = _TABLE["depends"]


def make(package: str, target: str, directory: Path, **variables: object) -> str:
    """Run a target of a package's Makefile under the stand-in for OpenWrt; its output."""
    staging = directory / "staging"
    staging.mkdir(parents=True, exist_ok=True)
    (directory / "build").mkdir(exist_ok=True)
    if not (staging / "usr").is_symlink():
        (staging / "usr").symlink_to(NATIVE)
    settings = {
        "TOPDIR": OPENWRT,
        "BUILD_DIR": directory / "build",
        "ROOT": directory / "root",
        "STAGING_DIR": staging,
        "DL_DIR": directory / "dl",
        "HOST_PYTHON3_BIN": sys.executable,
        "PYTHON3_VERSION": VERSION,
        "PYTHON3_INC_DIR": sysconfig.get_path("include"),
        **variables,
    }
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    done = subprocess.run(
        ["make", "-s", "-C", str(FEED / package), target, *(f"{k}={v}" for k, v in settings.items())],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        timeout=120,
    )
    if done.returncode:
        raise AssertionError(f"make {target} in {package}:\n{done.stdout}{done.stderr}")
    return done.stdout


def describe(package: str, directory: Path) -> dict[str, list[str]]:
    """What a package's Makefile says: ``depends``, ``conffile``, ``user``, ``version``, ``hash``."""
    found: dict[str, list[str]] = {}
    for line in make(package, f"show-{package}", directory).splitlines():
        key, _, rest = line.partition(" ")
        found.setdefault(key, []).extend(rest.split())
    found["depends"] = [name.removeprefix("+") for name in found.get("depends", [])]
    return found


def split_package(path: str) -> str:
    """The OpenWrt package of a file of the standard library, given by its name below lib/python3.x."""
    for package, names in _STDLIB.items():
        if any(fnmatch.fnmatch(path, name) or path.startswith(f"{name}/") for name in names):
            return package
    return "python3-light"


def closure(ours: Mapping[str, Iterable[str]], wanted: Iterable[str]) -> set[str]:
    """All packages that come along with those `wanted`; `ours` are the feed's with what they depend on."""
    found: set[str] = set()
    pending = list(wanted)
    while pending:
        package = pending.pop()
        if package in found:
            continue
        found.add(package)
        pending += [
            *ours.get(package, []),
            *_OTHERS_DEPEND.get(package, []),
            *_STDLIB_DEPENDS.get(package, []),
        ]
    return found


@dataclass(frozen=True, slots=True)
class Installed:
    """The feed's packages in a root file system, and the command that runs Python there.

    `python` behaves like an interpreter: it finds the modules in the root, those of other packages, and of the
    standard library what the packages in `depends` bring.
    """

    root: Path
    python: Path
    depends: frozenset[str]

    @property
    def site_packages(self) -> Path:
        return self.root / SITE_PACKAGES

    def modules(self) -> list[str]:
        """The names of all modules that were installed."""
        found = []
        for path in sorted(self.site_packages.rglob("*.pyc")):
            parts = path.relative_to(self.site_packages).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        return found


def install(directory: Path) -> Installed:
    """Build and install tr069-client and python3-ubuskit below `directory`, with a Python around them."""
    packages = ("tr069-client", "python3-ubuskit")
    for package in packages:
        make(package, f"install-{package}", directory)
    ours = {package: describe(package, directory)["depends"] for package in packages}
    depends = frozenset(closure(ours, packages))
    root = directory / "root"
    home, others = directory / "python", directory / "others"
    _copy_stdlib(home / f"lib/python{VERSION}", depends)
    _copy_others(others, depends)
    python = directory / "bin/python3"
    python.parent.mkdir()
    python.write_text(
        _WRAPPER.format(
            home=home,
            path=f"{root / SITE_PACKAGES}:{others}",
            libraries=NATIVE / "lib",
            program=os.path.realpath(sys.executable),
            complete=sys.executable,
        )
    )
    python.chmod(0o755)
    return Installed(root, python, depends)


# What the lab itself runs as programs of the router is no part of the packages: ubuskit's embedded broker where there
# is no ubusd, and sysupgrade.
_WRAPPER = """#!/bin/sh
case "$1 $2" in
	"-m ubuskit.broker"|"-c "*cwmp.lab.*) unset PYTHONHOME PYTHONPATH; exec {complete} "$@" ;;
esac
export PYTHONHOME={home} PYTHONPATH={path} PYTHONDONTWRITEBYTECODE=1
export LD_LIBRARY_PATH={libraries}
exec {program} -s -S "$@"
"""


def _copy_stdlib(target: Path, depends: Collection[str]) -> None:
    source = Path(sysconfig.get_path("stdlib"))

    def left_out(directory: str, names: list[str]) -> set[str]:
        below = Path(directory).relative_to(source)
        packages = {name: split_package(str(below / name)) for name in names}
        return {name for name, package in packages.items() if package not in {"python3-light", *depends}}

    shutil.copytree(source, target, ignore=left_out, copy_function=_link)


def _copy_others(target: Path, depends: Collection[str]) -> None:
    source = Path(sysconfig.get_path("platlib"))
    target.mkdir()
    for package in depends & THIRD_PARTY.keys():
        for pattern in THIRD_PARTY[package]:
            found = list(source.glob(pattern))
            assert found, f"{pattern} is not installed here"
            for path in found:
                if path.is_dir():
                    unused = shutil.ignore_patterns(
                        "_tests", "includes", "isoschematron", "*.c", "*.pyx", "*.h"
                    )
                    shutil.copytree(path, target / path.name, ignore=unused, copy_function=_link)
                else:
                    _link(str(path), str(target / path.name))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
