"""Text as it is written into XML.

Characters other than 9, 10, 13 and 32 to 126 are written as references (TR-069a6 3.5); so is 13, which a
parser would take for a line end. What XML 1.0 cannot carry at all (control characters, halves of surrogate
pairs such as stand for invalid UTF-8) becomes U+FFFD. References above 127 are left to `to_bytes`, which the
codec machinery does fastest for a whole chunk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SPECIAL_BUT_NUL = re.compile("[&<>\r\x01-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_IMPOSSIBLE_BUT_NUL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def escape(text: str) -> str:
    """`text` as the content of an element."""
    if not _SPECIAL.search(text):
        return text
    return _replace(_IMPOSSIBLE.sub("\ufffd", text))


def escape_all(texts: Sequence[str]) -> Sequence[str]:
    """Each of `texts` as the content of an element: all at once, which is much faster than one by one."""
    plain = "".join(texts)
    if plain.isascii() and plain.isprintable() and not ("&" in plain or "<" in plain or ">" in plain):
        return texts  # what nearly all names and most values are
    joined = "\0".join(texts)
    if joined.count("\0") != max(len(texts) - 1, 0):  # a text has a NUL of its own
        return [escape(text) for text in texts]
    if not _SPECIAL_BUT_NUL.search(joined):
        return texts
    return _replace(_IMPOSSIBLE_BUT_NUL.sub("\ufffd", joined)).split("\0")


def to_bytes(text: str) -> bytes:
    """Escaped text or markup as bytes that are UTF-8 and ASCII both."""
    return text.encode("ascii", "xmlcharrefreplace")


def _replace(text: str) -> str:
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\r", "&#13;")
        .replace("\x7f", "&#127;")
    )
