"""Adds the cffi extension where libubox and libuci are at hand; pyproject.toml says everything else.

UBUSKIT_NATIVE=require makes their absence an error, UBUSKIT_NATIVE=off leaves the extension out;
UBUSKIT_PREFIX names where they are installed when that is not where the compiler looks by itself.
"""

import os
import shlex
import subprocess
import sys
import sysconfig

from setuptools import setup


def headers_found() -> bool:
    """Whether the compiler that will build the extension finds the headers of both libraries."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    flags = shlex.split(os.environ.get("CPPFLAGS", "") + " " + os.environ.get("CFLAGS", ""))
    if prefix := os.environ.get("UBUSKIT_PREFIX"):
        flags.append(f"-I{prefix}/include")
    try:
        probe = subprocess.run(
            [*compiler, *flags, "-E", "-x", "c", "-"],
            input=b"#include <libubox/blobmsg.h>\n#include <uci.h>\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return False
    return probe.returncode == 0


wanted = os.environ.get("UBUSKIT_NATIVE", "auto")
if wanted not in {"auto", "require", "off"}:
    sys.exit(f"UBUSKIT_NATIVE={wanted}: must be auto, require or off")
found = wanted != "off" and headers_found()
if wanted == "require" and not found:
    sys.exit(
        "UBUSKIT_NATIVE=require, but libubox/blobmsg.h or uci.h is missing; set UBUSKIT_PREFIX or run make native"
    )
if wanted == "auto" and not found:
    sys.stderr.write("libubox or libuci not found: building without ubuskit's native backend\n")

setup(
    cffi_modules=["bindings/ubuskit/native/build.py:ffibuilder"] if found else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if found else {},
)
