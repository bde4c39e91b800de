"""Passwords as the C library keeps them: crypt(3) with SHA-512, which musl and glibc have and Python no longer."""

from __future__ import annotations

import ctypes
import secrets
from functools import cache
from typing import Any

from cwmp.datamodel.types import ValueFault

_LIBRARIES = (None, "libcrypt.so.1", "libcrypt.so.2")
_SALT = 12  # bytes


def hashed(password: str) -> str:
    """What ``/etc/shadow`` or an option of rpcd holds for `password`.

    Raises:
        ValueFault: this system cannot make it.
    """
    crypt = _function()
    salt = f"$6${secrets.token_hex(_SALT // 2)}$"
    found = crypt(password.encode(), salt.encode()) if crypt is not None else None
    if not found or not found.startswith(b"$6$"):
        raise ValueFault("this system cannot hash a password")
    return str(found.decode())


@cache
def _function() -> Any:
    for library in _LIBRARIES:
        try:
            function = ctypes.CDLL(library).crypt
        except (OSError, AttributeError):
            continue
        function.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
        function.restype = ctypes.c_char_p
        return function
    return None
