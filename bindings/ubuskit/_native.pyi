"""The extension module that cffi builds from native/."""

from typing import Any

ffi: Any
lib: Any
