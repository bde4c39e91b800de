"""``python -m tests.feed.sizes``: what an installation takes beside python3-light, in kB, as a table for the README.

Bytes of files, as they would lie on a file system without blocks, and what is left of them in a squashfs (xz in
blocks of 256 KiB, OpenWrt's). Extensions are this machine's, stripped. The standard library is left out: its packages
are OpenWrt's own and differ by branch.
"""

import compileall
import lzma
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.feed.packages import THIRD_PARTY, VERSION, install

_BLOCK = 256 << 10


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cwmp-sizes-") as name:
        directory = Path(name)
        installed = install(directory)
        site = installed.site_packages
        rows = [
            (f"tr069-client: {part}", [site / "cwmp" / part])
            for part in ("session", "datamodel", "firmware", "diagnostics", "runtime", "contract", "cli")
        ]
        rows.append(
            ("tr069-client: configuration, scripts", [directory / "root/etc", directory / "root/usr/share"])
        )
        rows.append(("python3-ubuskit", [site / "ubuskit"]))
        for path in site.rglob("*.so"):
            _strip(path)
        ours = _print(rows)
        _line("all of ours", *ours)
        others = directory / "others"
        compileall.compile_dir(others, quiet=2, legacy=True, force=True)
        for path in [*others.rglob("*.py"), *others.rglob("__pycache__"), *others.rglob("*.pyi")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in others.rglob("*.so"):
            _strip(path)
        theirs = [
            (package, [path for pattern in names for path in others.glob(pattern)])
            for package, names in sorted(THIRD_PARTY.items())
            if package in installed.depends
        ]
        _line("all of others'", *_print(theirs))


def _strip(path: Path) -> None:
    copy = path.with_suffix(".own")  # it may be a hard link to the one in use
    shutil.copy(path, copy)
    subprocess.run(["strip", "--strip-unneeded", str(copy)], check=True)
    copy.replace(path)


def _print(rows: Iterable[tuple[str, list[Path]]]) -> tuple[int, int]:
    total = packed = 0
    for name, places in rows:
        files = [
            f for place in places for f in ([place] if place.is_file() else place.rglob("*")) if f.is_file()
        ]
        data = b"".join(file.read_bytes() for file in files)
        small = sum(len(lzma.compress(data[i : i + _BLOCK])) for i in range(0, len(data), _BLOCK))
        _line(name, len(data), small)
        total, packed = total + len(data), packed + small
    return total, packed


def _line(name: str, size: int, packed: int) -> None:
    sys.stdout.write(f"| {name:38} | {round(size / 1024):6} | {round(packed / 1024):6} |\n")


if __name__ == "__main__":
    sys.stdout.write(f"Python {VERSION}\n")
    main()
