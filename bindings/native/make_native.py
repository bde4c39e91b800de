"""Brings libubox and libuci onto a development machine and builds what stands on them; ``make native`` runs it.

A router and its SDK have both libraries; a laptop has neither, and no distribution packages them. The crate
libuci-sys carries their C sources, so cargo is the download tool here and nothing of Rust is built:

1. sources   the crate, through a throw-away cargo project that replaces the crate's build helpers (a code
             generator and its forty dependencies) by empty ones
2. libraries cmake, into build/native/usr
3. extension ubuskit._native in place, beside the Python it serves
4. pyuci     its release, linked with the same libuci, into the environment that runs this

Each step is skipped where its result is there and up to date. ``UBUSKIT_PREFIX=/usr`` takes libraries that the
system has instead of steps 1 and 2.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "native"
PREFIX = BUILD / "usr"
CRATE = ("libuci-sys", "1.0.5")
EMPTY_CRATES = {"bindgen": "0.58.1", "cmake": "0.1.45"}
PYUCI = "0.10.3"


class Failed(Exception):
    """A step that could not be done; the text is what the user reads."""


def say(text: str) -> None:
    sys.stdout.write(f"native: {text}\n")
    sys.stdout.flush()


def run(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run a build command; its output is kept for the case that it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stdout}\nnative: this command failed, see above")
    return done.stdout


def missing_packages() -> list[str]:
    """Debian's names of what the build needs and this machine lacks."""
    tools = {"cargo": "cargo", "cmake": "cmake", "cc": "gcc", "make": "make", "pkg-config": "pkg-config"}
    missing = [package for tool, package in tools.items() if not shutil.which(tool)]
    if shutil.which("cc"):
        headers = {"json-c/json.h": "libjson-c-dev", "stdio.h": "libc6-dev"}
        missing += [package for header, package in headers.items() if not has_header(header)]
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append("python3-dev")
    return missing


def has_header(header: str) -> bool:
    probe = subprocess.run(
        ["cc", "-E", "-x", "c", "-"],
        input=f"#include <{header}>\n",
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return probe.returncode == 0


def ensure_packages() -> None:
    missing = missing_packages()
    if not missing:
        return
    line = f"apt-get install --yes --no-install-recommends {' '.join(missing)}"
    if os.geteuid() or not shutil.which("apt-get"):
        raise Failed(
            f"missing here: {', '.join(missing)}. On Debian or Ubuntu type\n    sudo {line}\nand run this again"
        )
    say(line)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", env=quiet)
    run(*line.split(), env=quiet)


def fetch_sources() -> Path:
    """The directory that holds the crate's libubox/ and uci/, downloaded by cargo where it is not there yet."""
    sources = BUILD / "src"
    if (sources / "uci" / "uci.h").exists() and (sources / "libubox" / "blobmsg.h").exists():
        return sources
    name, version = CRATE
    say(f"fetching {name} {version}")
    project = BUILD / "fetch"
    patches = []
    for empty, empty_version in EMPTY_CRATES.items():
        write_crate(project / empty, empty, empty_version)
        patches.append(f'{empty} = {{ path = "{empty}" }}')
    write_crate(
        project,
        "fetch",
        "0.0.0",
        f'[dependencies]\n{name} = "={version}"\n[patch.crates-io]\n'
        + "\n".join(patches)
        + "\n[workspace]\n",
    )
    described = run("cargo", "metadata", "--format-version", "1", "--quiet", cwd=project)
    packages = json.loads(described[described.index("{") :])["packages"]
    crate = next(Path(package["manifest_path"]).parent for package in packages if package["name"] == name)
    shutil.rmtree(sources, ignore_errors=True)
    for part in ("libubox", "uci"):  # copied: their cmake writes into the source directory
        shutil.copytree(crate / part, sources / part)
    return sources


def write_crate(directory: Path, name: str, version: str, rest: str = "") -> None:
    (directory / "src").mkdir(parents=True, exist_ok=True)
    (directory / "src" / "lib.rs").touch()
    manifest = f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2018"\n{rest}'
    (directory / "Cargo.toml").write_text(manifest)


def build_libraries() -> None:
    if (PREFIX / "lib" / "libuci.so").exists() and (PREFIX / "bin" / "uci").exists():
        return
    sources = fetch_sources()
    for part in ("libubox", "uci"):
        say(f"building {part}")
        objects = BUILD / part
        shutil.rmtree(objects, ignore_errors=True)
        run(
            "cmake",
            *("-S", sources / part, "-B", objects),
            f"-DCMAKE_INSTALL_PREFIX={PREFIX}",
            f"-DCMAKE_PREFIX_PATH={PREFIX}",
            "-DCMAKE_INSTALL_RPATH=$ORIGIN/../lib",
            "-DCMAKE_POLICY_VERSION_MINIMUM=3.5",
            "-DCMAKE_C_FLAGS=-w",  # both ask for -Werror, with the compilers of 2021 in mind
            *("-DBUILD_LUA=OFF", "-DBUILD_EXAMPLES=OFF", "-DBUILD_STATIC=OFF"),
            f"-Dubox_include_dir={PREFIX / 'include'}",
        )
        run("cmake", "--build", objects, "--parallel")
        run("cmake", "--install", objects)


def build_extension(prefix: Path) -> None:
    say("building the extension")
    run(
        sys.executable,
        "setup.py",
        "--quiet",
        "build_ext",
        "--inplace",
        env={"UBUSKIT_NATIVE": "require", "UBUSKIT_PREFIX": str(prefix)},
    )


def install_pyuci(prefix: Path) -> None:
    try:
        if metadata.version("pyuci") == PYUCI:
            return
    except metadata.PackageNotFoundError:
        pass
    say(f"installing pyuci {PYUCI}")
    library = prefix / "lib"
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"),
        *("--no-binary", "pyuci", f"pyuci=={PYUCI}"),
        env={
            "CFLAGS": f"-w -I{prefix / 'include'} {os.environ.get('CFLAGS', '')}",
            "LDFLAGS": f"-L{library} -Wl,-rpath,{library} {os.environ.get('LDFLAGS', '')}",
        },
    )


def backends() -> str:
    """What a fresh interpreter takes."""
    question = (
        "from ubuskit import blobmsg; from ubuskit.uci import backends;"
        "print('blobmsg:', blobmsg.backend, '  uci:', ', '.join(backends()))"
    )
    environment = {"UBUSKIT_BACKEND": "native", "PYTHONPATH": str(ROOT / "bindings")}
    return run(sys.executable, "-c", question, env=environment).strip()


def main() -> int:
    try:
        ensure_packages()
        given = os.environ.get("UBUSKIT_PREFIX")
        prefix = Path(given) if given else PREFIX
        if not given:
            build_libraries()
        build_extension(prefix)
        install_pyuci(prefix)
        say(backends())
    except Failed as error:
        sys.stderr.write(f"native: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
