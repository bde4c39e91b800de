"""Declares ``ubuskit._native`` to cffi (API mode, stable ABI of Python 3.11).

cffi compiles, links and loads the module. The one function it wraps hands over the functions of glue.c, which
work on Python objects directly: a call through cffi's own types would need a copy of every message on either
side, and takes three times as long (measured with 1000 strings).
"""

import os
from pathlib import Path

from cffi import FFI

HERE = Path(os.path.relpath(Path(__file__).parent))  # setuptools refuses absolute paths of sources
PROJECT_LIBRARIES = "$ORIGIN/../../build/native/usr/lib"
"""Where ``make native`` puts the libraries, seen from the extension it builds in place."""

prefix = os.environ.get("UBUSKIT_PREFIX", "")
include = [f"{prefix}/include"] if prefix else []
library = [f"{prefix}/lib"] if prefix else []
if prefix and Path(prefix).resolve() == Path(__file__).resolve().parents[3] / "build/native/usr":
    run_path = [PROJECT_LIBRARIES]
else:
    run_path = [path for path in library if path != "/usr/lib"]

ffibuilder = FFI()
ffibuilder.cdef("int ubuskit_hand_over(uintptr_t names);")
ffibuilder.set_source(
    "ubuskit._native",
    "int ubuskit_hand_over(uintptr_t names);\n",
    sources=[str(HERE / name) for name in ("glue.c", "blobmsg.c", "uci.c")],
    depends=[str(HERE / name) for name in ("glue.h",)],
    include_dirs=[str(HERE), *include],
    library_dirs=library,
    runtime_library_dirs=run_path,
    libraries=["ubox", "uci"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    extra_compile_args=["-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror=implicit"],
    py_limited_api=True,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
