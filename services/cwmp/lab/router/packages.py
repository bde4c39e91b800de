"""Package managers of the virtual router: programs that take the arguments, keep the databases and say the words
of opkg and apk, as far as somebody installs, updates and removes package files with them.

A package of this opkg is one of the real opkg. One of this apk is not (apk's format is its own): it is JSON.
Package files are made by `opkg_package` and `apk_package`, for tests and demonstrations.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import json
import re
import shutil
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

ARCHITECTURE = "aarch64_cortex-a53"

# An init script that needs no rc.common; the router's procd lists what has a file in services/.
_INIT_SCRIPT = """#!/bin/sh
name=${{0##*/}}
root=${{0%/etc/init.d/*}}
case "$1" in
start|restart) mkdir -p "$root/tmp/run/services" && : >"$root/tmp/run/services/$name";;
stop) rm -f "$root/tmp/run/services/$name";;
enable) mkdir -p "$root/etc/rc.d" && ln -sf "../init.d/$name" "$root/etc/rc.d/S{start}$name";;
disable) rm -f "$root/etc/rc.d/S{start}$name";;
*) exit 1;;
esac
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a package is to be: `service` is the name of an init script in it, "" for none."""

    name: str
    version: str
    architecture: str = "all"
    maintainer: str = "Example <packages@example.com>"
    description: str = "An example."
    depends: tuple[str, ...] = ()
    service: str = ""
    size: int = 10_000
    extra: Mapping[str, bytes] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        """Content by path."""
        found = {f"usr/share/{self.name}/version": f"{self.version}\n".encode(), **self.extra}
        if self.service:
            found[f"etc/init.d/{self.service}"] = _INIT_SCRIPT.format(start=95).encode()
        return found


def opkg_package(wanted: Wanted) -> bytes:
    """An ``.ipk``."""
    control = {
        "Package": wanted.name,
        "Version": wanted.version,
        "Depends": ", ".join(wanted.depends),
        "Maintainer": wanted.maintainer,
        "Architecture": wanted.architecture,
        "Installed-Size": str(wanted.size),
        "Description": f" {wanted.description}",
    }
    lines = "".join(f"{name}: {value}\n" for name, value in control.items() if value)
    parts = {
        "debian-binary": b"2.0\n",
        "data.tar.gz": _archive(wanted.files()),
        "control.tar.gz": _archive({"control": lines.encode()}),
    }
    return _archive(parts)


def apk_package(wanted: Wanted) -> bytes:
    """A package that this module's apk takes."""
    info = {
        "name": wanted.name,
        "version": wanted.version,
        "arch": "noarch" if wanted.architecture == "all" else wanted.architecture,
        "maintainer": wanted.maintainer,
        "description": wanted.description,
        "installed-size": wanted.size,
        "depends": list(wanted.depends),
    }
    files = {path: content.decode("latin-1") for path, content in wanted.files().items()}
    return json.dumps({"info": info, "files": files}).encode()


def install_program(root: Path, kind: str) -> None:
    """Have the router below `root` be one with ``opkg`` or ``apk``."""
    place = root / {"opkg": "bin/opkg", "apk": "usr/bin/apk"}[kind]
    place.parent.mkdir(parents=True, exist_ok=True)
    # This file alone, and nothing of site: the router is used by people who wait.
    place.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {Path(__file__).absolute()} {kind} "$@"\n')
    place.chmod(0o755)
    for directory in ("usr/lib/opkg/info", "lib/apk/db", "etc/apk", "var/lock", "etc/init.d", "etc/rc.d"):
        (root / directory).mkdir(parents=True, exist_ok=True)


def order(first: str, second: str) -> int:
    """Negative, 0 or positive: two versions as package managers order them."""
    for a, b in zip_longest(_parts(first), _parts(second), fillvalue=""):
        if a != b:
            if a.isdecimal() and b.isdecimal():
                if int(a) != int(b):
                    return -1 if int(a) < int(b) else 1
            elif a.startswith("~") or b.startswith("~"):
                return -1 if a.startswith("~") else 1
            else:
                return -1 if a < b else 1
    return 0


def _parts(version: str) -> list[str]:
    return re.findall(r"\d+|\D+", version)


def _archive(files: Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        made: set[str] = set()
        for path, content in files.items():
            for parent in [*reversed(Path(path).parents)][1:]:
                if str(parent) not in made:
                    made.add(str(parent))
                    directory = tarfile.TarInfo(f"./{parent}")
                    directory.type, directory.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(directory)
            member = tarfile.TarInfo(f"./{path}")
            member.size, member.mode = len(content), 0o755 if "/init.d/" in path else 0o644
            archive.addfile(member, io.BytesIO(content))
    return raw.getvalue()


class _RefusedError(Exception):
    """The program says this and fails; `status` is its exit status."""

    def __init__(self, text: str, status: int = 255) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class _Installed:
    """An installed package. `asked`: by somebody, not as a dependency."""

    info: dict[str, Any]
    files: list[str]
    asked: bool = True


class _Manager:
    """What both programs do; `packages` is the database, in the file `state`, from which the real files are made."""

    def __init__(self, root: Path, state: str) -> None:
        self.root = root
        self._state = root / state
        self.packages: dict[str, _Installed] = {}
        if self._state.exists():
            kept = json.loads(self._state.read_text())
            self.packages = {name: _Installed(*record) for name, record in kept.items()}

    def add(self, info: dict[str, Any], files: Mapping[str, bytes]) -> None:
        missing = [d for d in info["depends"] if d not in self.packages and d != "libc"]
        if missing:
            raise _RefusedError(self.unsatisfied(info["name"], missing))
        if info["arch"] not in ("all", "noarch", ARCHITECTURE):
            raise _RefusedError(self.unfit(info["name"]))
        for path, content in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            if "/init.d/" in path:
                target.chmod(0o755)
        self.packages[info["name"]] = _Installed(info, list(files))
        self._write()

    def remove(self, name: str) -> None:
        for path in self.packages.pop(name).files:
            (self.root / path).unlink(missing_ok=True)
        self._write()

    def needing(self, name: str) -> list[str]:
        return [n for n, p in self.packages.items() if name in p.info["depends"]]

    def unsatisfied(self, name: str, missing: list[str]) -> str:
        return f"unable to select packages:\n  {missing[0]} (no such package):\n    required by: {name}"

    def unfit(self, name: str) -> str:
        return f"unable to select packages:\n  {name}:\n    error: uninstallable"

    def _write(self) -> None:
        self._state.parent.mkdir(parents=True, exist_ok=True)
        records = {n: [p.info, p.files, p.asked] for n, p in self.packages.items()}
        self._state.write_text(json.dumps(records))
        self.publish()

    def publish(self) -> None:
        """Write the database that others read."""


class _Opkg(_Manager):
    def unsatisfied(self, name: str, missing: list[str]) -> str:
        return f" * satisfy_dependencies_for: Cannot satisfy the following dependencies for {name}:\n * {missing}"

    def unfit(self, name: str) -> str:
        return f" * {name}: No package found, all are incompatible with the architectures configured"

    def publish(self) -> None:
        shutil.rmtree(self.root / "usr/lib/opkg/info")
        (self.root / "usr/lib/opkg/info").mkdir()
        status = ""
        for name, package in self.packages.items():
            wanted = "user" if package.asked else "ok"
            status += f"Package: {name}\nVersion: {package.info['version']}\n"
            status += f"Status: install {wanted} installed\nArchitecture: {package.info['arch']}\n\n"
            base = self.root / "usr/lib/opkg/info" / name
            base.with_name(f"{name}.list").write_text("".join(f"/{f}\n" for f in package.files))
            fields = {"Package": name, "Version": package.info["version"]}
            fields |= {
                "Maintainer": package.info["maintainer"],
                "Description": f" {package.info['description']}",
            }
            base.with_name(f"{name}.control").write_text("".join(f"{k}: {v}\n" for k, v in fields.items()))
        (self.root / "usr/lib/opkg/status").write_text(status)

    def run(self, command: str, arguments: list[str]) -> None:
        if command == "install":
            self._install(Path(arguments[0]))
        elif command == "remove":
            self._remove(arguments[0])
        elif command == "compare-versions":
            first, operator, second = arguments
            found = order(first, second)
            holds = {"=": found == 0, "<<": found < 0, ">>": found > 0}[operator]
            raise SystemExit(0 if holds else 1)
        elif command == "print-architecture":
            print(f"arch all 1\narch noarch 1\narch {ARCHITECTURE} 10")
        elif command == "whatdepends":
            print("\n".join(f"{n} depends on {arguments[0]}" for n in self.needing(arguments[0])))
        else:
            raise _RefusedError(f"opkg: unknown sub-command {command}")

    def _install(self, file: Path) -> None:
        try:
            info, files = _read_ipk(file)
        except (tarfile.TarError, OSError, EOFError, KeyError) as error:
            raise _RefusedError(f" * pkg_init_from_file: Malformed package file {file}. {error}") from None
        there = self.packages.get(info["name"])
        if there is not None and order(info["version"], there.info["version"]) < 0:
            print(f"Not downgrading package {info['name']} on root.")
            return
        print(f"Installing {info['name']} ({info['version']}) to root...")
        self.add(info, files)
        print(f"Configuring {info['name']}.")

    def _remove(self, name: str) -> None:
        if needed := self.needing(name):
            print(f"Package {name} is depended upon by packages: {', '.join(needed)}\nNo packages removed.")
        elif name in self.packages:
            print(f"Removing package {name} from root...")
            self.remove(name)
        else:
            print("No packages removed.")


class _Apk(_Manager):
    def publish(self) -> None:
        text = ""
        for name, package in self.packages.items():
            text += f"C:Q1\nP:{name}\nV:{package.info['version']}\nA:{package.info['arch']}\n"
            text += f"T:{package.info['description']}\nm:{package.info['maintainer']}\n"
            for path in package.files:
                text += f"F:{Path(path).parent}\nR:{Path(path).name}\n"
            text += "\n"
        (self.root / "lib/apk/db/installed").write_text(text)
        world = [f"{name}><Q1\n" for name, package in self.packages.items() if package.asked]
        (self.root / "etc/apk/world").write_text("".join(world))

    def run(self, command: str, arguments: list[str]) -> None:
        if command == "add":
            document = _read_apk(Path(arguments[-1]))
            if "--allow-untrusted" not in arguments:
                raise _RefusedError(f"ERROR: {arguments[-1]}: UNTRUSTED signature", 99)
            self.add(document["info"], {p: c.encode("latin-1") for p, c in document["files"].items()})
            print("OK")
        elif command == "del":
            if arguments[0] not in self.packages:
                raise _RefusedError(f"ERROR: No such package: {arguments[0]}", 1)
            self.remove(arguments[0])
        elif command == "adbdump":
            print(json.dumps({"info": _read_apk(Path(arguments[-1]))["info"]}))
        elif command == "query":
            print(json.dumps([{"name": arguments[-1], "reverse-depends": self.needing(arguments[-1])}]))
        elif command == "version":
            print({-1: "<", 0: "=", 1: ">"}[order(*arguments[-2:])])
        else:
            raise _RefusedError(f"apk: '{command}' is not an apk command", 1)


def _read_ipk(file: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    with tarfile.open(file, "r:gz") as package:
        control = _read_archive(_content(package, "./control.tar.gz"))["control"].decode()
        files = _read_archive(_content(package, "./data.tar.gz"))
    fields = dict(line.split(": ", 1) for line in control.splitlines() if ": " in line)
    info = {
        "name": fields["Package"],
        "version": fields["Version"],
        "arch": fields["Architecture"],
        "maintainer": fields.get("Maintainer", ""),
        "description": fields.get("Description", "").strip(),
        "depends": [d for d in fields.get("Depends", "").split(", ") if d],
    }
    return info, files


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    return found.read() if found is not None else b""


def _read_archive(raw: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return {m.name.removeprefix("./"): _content(archive, m.name) for m in archive if m.isfile()}


def _read_apk(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        raise _RefusedError(f"ERROR: {file}: file format is invalid or inconsistent", 99) from None


def main(arguments: list[str]) -> int:
    """One run of a program: ``opkg|apk [--offline-root|--root DIR] COMMAND ...``."""
    kind, *rest = arguments
    parser = argparse.ArgumentParser(prog=kind)
    parser.add_argument("--offline-root", "--root", dest="root", type=Path, required=True)
    parser.add_argument("--autoremove", action="store_true")
    parser.add_argument("--print-arch", action="store_true")
    parser.add_argument("command", nargs="?", default="")
    options, others = parser.parse_known_args(rest)
    if options.print_arch:
        print(ARCHITECTURE)
        return 0
    manager: _Opkg | _Apk
    lock = options.root / ("var/lock/opkg.lock" if kind == "opkg" else "lib/apk/db/lock")
    lock.parent.mkdir(parents=True, exist_ok=True)  # /var is new at each boot
    with lock.open("w") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            manager = (_Opkg if kind == "opkg" else _Apk)(options.root, f"usr/lib/lab/{kind}.json")
            manager.run(options.command, others)
        except BlockingIOError:
            print("Could not lock: somebody else is at work", file=sys.stderr)
            return 255
        except _RefusedError as refused:
            print(refused, file=sys.stderr)
            return refused.status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
