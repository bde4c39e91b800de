"""The C extension under the address and undefined-behaviour sanitizers, and its reference counts."""

import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from ubuskit import blobmsg
from ubuskit.blobmsg import _pure

PROJECT = Path(__file__).parents[2]
PREFIX = Path(os.environ.get("UBUSKIT_PREFIX", PROJECT / "build" / "native" / "usr"))

native = pytest.mark.skipif(blobmsg.backend != "native", reason="ubuskit's native backend is not built")


def _runtime(library: str) -> str | None:
    """The sanitizer's library, which must be loaded before the interpreter."""
    if not shutil.which("gcc"):
        return None
    answer = subprocess.run(
        ["gcc", f"-print-file-name={library}"], capture_output=True, text=True, check=True
    )
    path = answer.stdout.strip()
    return path if os.path.isabs(path) else None


@native
def test_codec_and_uci_tests_pass_under_sanitizers(tmp_path: Path) -> None:
    """The same tests again, in an interpreter that has the extension built with -fsanitize=address,undefined."""
    runtimes = [_runtime("libasan.so"), _runtime("libubsan.so")]
    if not all(runtimes):
        pytest.skip("gcc's sanitizer libraries are not here")
    if not (PREFIX / "include" / "uci.h").exists():
        pytest.skip("the headers of libubox and libuci are not here: run make native")
    package = tmp_path / "path" / "ubuskit"
    shutil.copytree(
        PROJECT / "bindings" / "ubuskit",
        package,
        ignore=shutil.ignore_patterns("*.so", "__pycache__", "broker"),
    )
    environment = {
        **os.environ,
        "UBUSKIT_NATIVE": "require",
        "UBUSKIT_PREFIX": str(PREFIX),
        "CFLAGS": "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g",
    }
    build = ["build_ext", "--build-lib", str(tmp_path / "lib"), "--build-temp", str(tmp_path / "temp")]
    subprocess.run([sys.executable, "setup.py", "--quiet", *build], cwd=PROJECT, env=environment, check=True)
    shutil.copy(next((tmp_path / "lib").rglob("_native*.so")), package)
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(filter(None, runtimes)),
        "LD_LIBRARY_PATH": str(PREFIX / "lib"),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter itself keeps what it allocates
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(package.parent),
        "UBUSKIT_BACKEND": "native",
    }
    tests = [str(Path(__file__).with_name(name)) for name in ("test_blobmsg.py", "test_uci.py")]
    check = f"import ubuskit; assert ubuskit.__file__.startswith({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", check], env=environment, check=True)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", *tests],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@native
@pytest.mark.parametrize("what", ["encode", "decode", "encode declined", "decode declined", "uci"])
def test_nothing_is_left_behind(what: str, tmp_path: Path) -> None:
    from ubuskit.blobmsg import _native as codec
    from ubuskit.uci._native import load as uci_load

    message = {f"k{n}": ["x", n, 1.5, {"\udcff": f"v{n}", "b": True, "l": n << 33}] for n in range(40)}
    data = _pure.encode(message)
    broken = data[:-4]
    work: dict[str, Callable[[], object]] = {
        "encode": lambda: codec._encode(message),
        "decode": lambda: codec._decode(data),
        "encode declined": lambda: codec._encode({**message, "last": [None]}),
        "decode declined": lambda: codec._decode(broken),
        "uci": lambda: uci_load(tmp_path, tmp_path / "save", "test"),
    }
    (tmp_path / "test").write_text("config a\n\toption b 'c'\n\tlist d 'e'\n\tlist d 'f'\nconfig a 'g'\n" * 3)

    assert (work[what]() is None) == what.endswith("declined")

    def repeat() -> int:
        for _ in range(300):
            work[what]()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        repeat()
        first = repeat()
        growth = repeat() - first
    finally:
        tracemalloc.stop()
    assert growth < 300, f"{growth} bytes in 300 calls"
