"""For authors of mapping files: `lint` them, and see what of TR-181 they cover. Needs no running service.

    python -m cwmp.datamodel.tools lint [--model TR181.json] FILE...
    python -m cwmp.datamodel.tools coverage [--all] TR181.json

TR181.json is the published model: ``{items: [{path, kind, ...}], profiles: [{name, status, closure: {objects,
parameters}}]}``. The exit code is 1 where a file has mistakes, or a profile is covered partly.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cwmp.datamodel.loader import find_files, load_files
from cwmp.datamodel.mapping_file import Problem, open_file
from cwmp.datamodel.service import mapping_directories
from cwmp.datamodel.tree import Model
from cwmp.runtime import Paths

_MISSING_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of TR-181: how many objects and parameters it has, which are missing, and whether any of its
    parameters is there at all."""

    name: str
    total: int
    missing: tuple[str, ...]
    begun: bool

    @property
    def state(self) -> str:
        if not self.missing:
            return "covered"
        return "partly" if self.begun else "absent"

    def __str__(self) -> str:
        line = f"{self.state:8} {self.name}"
        if self.state != "partly":
            return line
        more = len(self.missing) - _MISSING_SHOWN
        tail = f" and {more} more" if more > 0 else ""
        return f"{line} ({self.total - len(self.missing)} of {self.total}), missing: " + (
            ", ".join(self.missing[:_MISSING_SHOWN]) + tail
        )


def lint(
    files: Sequence[Path], standard: Mapping[str, Any] | None = None, *, sysroot: Path = Path("/")
) -> list[Problem]:
    """The mistakes in `files`, read after those that are installed; against the published model, if given."""
    labels = {str(file) for file in files}
    installed = [p for p in find_files(_directories(sysroot)) if p.name not in {f.name for f in files}]
    _, problems = load_files([*installed, *files])
    found = [problem for problem in problems if problem.file in labels]
    if standard is not None:
        paths = [item["path"] for item in standard["items"]]
        for file in files:
            found += _unknown(file, paths)
    return sorted(found, key=lambda problem: (problem.file, problem.line))


def coverage(model: Model, standard: Mapping[str, Any]) -> list[Profile]:
    """Every profile that is in force, in the order of the published model."""
    there = _offered(model)
    found = []
    for profile in standard["profiles"]:
        if profile.get("status") in ("deleted", "obsoleted"):
            continue
        wanted = profile["closure"]["objects"] + profile["closure"]["parameters"]
        missing = tuple(
            path if path not in there else f"{path} ({access})"
            for path, access in wanted
            if path not in there or (access in ("readWrite", "createDelete") and not there[path])
        )
        begun = any(path in there for path, _ in profile["closure"]["parameters"])
        found.append(Profile(profile["name"], len(wanted), missing, begun))
    return found


def installed_model(sysroot: Path = Path("/")) -> Model:
    """What the installed mapping files declare."""
    return load_files(find_files(_directories(sysroot)))[0]


def read_standard(path: Path) -> Mapping[str, Any]:
    """The published model.

    Raises:
        ValueError: the file is none; the text says which and why.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: no JSON: {error}") from None
    if not isinstance(document, dict) or not {"items", "profiles"} <= document.keys():
        raise ValueError(f"{path}: not the published model: it has no items and profiles")
    return document


def _directories(sysroot: Path) -> list[Path]:
    return mapping_directories(Paths(sysroot, sysroot, sysroot, sysroot, sysroot))


def _offered(model: Model) -> dict[str, bool]:
    """Paths of what is declared, to whether it can be written, or rows created."""
    found: dict[str, bool] = {}
    for node in model.objects():
        found[node.template] = node.create is not None
        found.update((f"{node.template}{name}", p.writable) for name, p in node.parameters.items())
    return found


def _unknown(file: Path, standard: Sequence[str]) -> Iterator[Problem]:
    """Names that are neither the standard's nor a vendor's."""
    try:
        mapping, document = open_file(file)
    except Problem:
        return  # told already
    known = set(standard)
    for template, table in document.items():
        if not isinstance(table, dict) or not template.startswith("Device.") or ".X_" in template:
            continue
        names = [n for n in table if n[:1].isupper() and not n.startswith("X_")]
        for path, key in [(template, ""), *((f"{template}{name}", name) for name in names)]:
            if path not in known:
                near = difflib.get_close_matches(path, standard, 1, 0.8)
                hint = f": {near[0]}?" if near else "; a name of your own begins with X_<VENDOR>_"
                yield Problem(str(file), mapping.line(template, key), f"{path} is not in TR-181{hint}")


def main(arguments: Sequence[str] | None = None, *, program: str = "python -m cwmp.datamodel.tools") -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(prog=program, description="Checks mapping files.")
    parser.add_argument("--sysroot", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    linting = commands.add_parser("lint", help="the mistakes in mapping files")
    linting.add_argument("--model", type=Path, metavar="TR181.json", help="the published model")
    linting.add_argument("files", nargs="+", type=Path, metavar="FILE")
    covering = commands.add_parser("coverage", help="what of TR-181's profiles there is")
    covering.add_argument("--all", action="store_true", help="also the profiles of which there is nothing")
    covering.add_argument("model", type=Path, metavar="TR181.json", help="the published model")
    options = parser.parse_args(arguments)
    try:
        standard = read_standard(options.model) if options.model else None
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.command == "lint":
        problems = lint(options.files, standard, sysroot=options.sysroot)
        sys.stdout.writelines(f"{problem}\n" for problem in problems)
        return 1 if problems else 0
    profiles = coverage(installed_model(options.sysroot), standard or {})
    sys.stdout.writelines(f"{p}\n" for p in profiles if options.all or p.state != "absent")
    return 1 if any(p.state == "partly" for p in profiles) else 0


if __name__ == "__main__":
    sys.exit(main())
