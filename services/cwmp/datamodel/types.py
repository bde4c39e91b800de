"""TR-106 data types: what a parameter may hold, and how its text is written.

A type is written as TR-106 documents print it: a base or named type, lengths in round brackets, ranges in
square ones, several separated by commas: ``string(64)``, ``string(8:63)``, ``unsignedInt[1:65535]``,
``int[-1:]``, ``hexBinary(5:5,13:13)``, ``IPv4Address``, ``StatsCounter64``. Named types travel as their base
type; lists as strings (TR-106 3.2.3).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

UNKNOWN_TIME = "0001-01-01T00:00:00Z"
MAX_TEXT = 32768
"""The longest value taken or given, in characters; no parameter of TR-181 needs more."""

Bounds = tuple[tuple[int | None, int | None], ...]

_INTEGERS = {
    "int": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedLong": (0, 2**64 - 1),
}
BASES = (*_INTEGERS, "string", "boolean", "dateTime", "base64", "hexBinary", "decimal")
_NULLS = {
    "string": "",
    "base64": "",
    "hexBinary": "",
    "boolean": "false",
    "dateTime": UNKNOWN_TIME,
    "unsignedInt": "0",
    "unsignedLong": "0",
    "int": "-1",
    "long": "-1",
    "decimal": "0",
}

_OCTET = r"(25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"false", "0"})
_UCI_TRUE = frozenset({"1", "on", "true", "yes", "enabled"})
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPEC = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_]*)(\((?P<length>[^()]*)\))?(\[(?P<range>[^\[\]]*)\])?")


class TypeFault(ValueError):
    """The text is not of the type at all (9006 where the sender named no type)."""


class ValueFault(ValueError):
    """The text is of the type, but not a value this parameter takes (9007)."""


@dataclass(frozen=True, slots=True)
class Type:
    """What a parameter may hold.

    `base` is the TR-106 base type of the parameter, or of its items where it is a list. `reported` are
    enumeration values that are only ever read.
    """

    base: str
    lengths: Bounds = ()
    ranges: Bounds = ()
    enum: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    is_list: bool = False
    list_length: int | None = None
    items: int | None = None

    @property
    def name(self) -> str:
        """The type as the contract names it: lists are strings."""
        return "string" if self.is_list else self.base

    @property
    def null(self) -> str:
        """The null value (TR-106 3.2.1): what hidden parameters read as."""
        return "" if self.is_list else _NULLS[self.base]

    def check(self, text: str) -> str:
        """`text` in its canonical form.

        Raises:
            TypeFault: it is not of the type.
            ValueFault: it is outside of what the parameter takes; the message says what that is.
        """
        if len(text) > MAX_TEXT:
            raise ValueFault(f"longer than {MAX_TEXT} characters")
        if _ILLEGAL.search(text):
            raise ValueFault("contains control characters or invalid UTF-8")
        if not self.is_list:
            return self._check_item(text)
        items = split_list(text)
        if self.items is not None and len(items) > self.items:
            raise ValueFault(f"more than {self.items} items")
        text = ",".join(self._check_item(item) for item in items)
        if self.list_length is not None and len(text) > self.list_length:
            raise ValueFault(f"longer than {self.list_length} characters")
        return text

    def _check_item(self, text: str) -> str:
        text = _CHECKS[self.base](self, text)
        if self.enum and text not in self.enum:
            raise ValueFault(f"not one of {', '.join(self.enum)}")
        if self.pattern is not None and not self.pattern.fullmatch(text):
            raise ValueFault("not of the form the parameter requires")
        return text

    def _check_length(self, size: int, unit: str) -> None:
        if self.lengths and not _within(self.lengths, size):
            raise ValueFault(f"not {_spoken(self.lengths)} {unit} long")

    def text(self, raw: Any) -> str | None:
        """The parameter's text for what a source gave; None where that is no value of the type."""
        if self.is_list:
            items = raw if isinstance(raw, list) else split_raw(str(raw))
            return ",".join(t for item in items if (t := _TEXTS[self.base](item)) is not None)
        return _TEXTS[self.base](raw)

    def texts(self) -> Callable[[Any], str | None]:
        """`text` without the detour, for the hot path."""
        return self.text if self.is_list else _TEXTS[self.base]


def parse(spec: str) -> Type:
    """The type that `spec` writes.

    Raises:
        ValueError: there is no such type, or its bounds are not numbers.
    """
    found = _SPEC.fullmatch(spec.strip())
    if found is None:
        raise ValueError(f"'{spec}' is not a type: write it like string(64) or unsignedInt[1:10]")
    name = found["name"]
    kind = NAMED.get(name)
    if kind is None:
        raise ValueError(f"there is no type '{name}': use {', '.join((*BASES, *NAMED))}")
    if found["length"] is not None:
        if kind.base not in ("string", "base64", "hexBinary"):
            raise ValueError(f"{name} has no length: a range is written in square brackets")
        kind = replace(kind, lengths=_bounds(found["length"], shorthand_is_maximum=True))
    if found["range"] is not None:
        if kind.base not in (*_INTEGERS, "decimal"):
            raise ValueError(f"{name} has no range: a length is written in round brackets")
        kind = replace(kind, ranges=_bounds(found["range"], shorthand_is_maximum=False))
    return kind


def split_list(text: str) -> list[str]:
    """The items of a comma-separated list; spaces around commas do not count (TR-106 3.2.3)."""
    return [item.strip() for item in text.split(",")] if text.strip() else []


def split_raw(text: str) -> list[str]:
    """The items of a list as the system writes them: between commas, or else between spaces."""
    return split_list(text) if "," in text else text.split()


def _within(bounds: Bounds, number: int) -> bool:
    return any((low is None or number >= low) and (high is None or number <= high) for low, high in bounds)


def _spoken(bounds: Bounds) -> str:
    def one(low: int | None, high: int | None) -> str:
        if low == high:
            return str(low)
        if low is None:
            return f"at most {high}"
        return f"{low} or more" if high is None else f"{low} to {high}"

    return " or ".join(one(low, high) for low, high in bounds)


def _bounds(text: str, *, shorthand_is_maximum: bool) -> Bounds:
    def one(part: str) -> tuple[int | None, int | None]:
        low, colon, high = part.strip().partition(":")
        if not colon:
            return (None if shorthand_is_maximum else int(low), int(low))
        return (int(low) if low else None, int(high) if high else None)

    try:
        return tuple(one(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"'{text}' is not a bound: write it like 64, 8:63 or 1:") from None


def _check_string(kind: Type, text: str) -> str:
    kind._check_length(len(text), "characters")
    return text


def _check_boolean(_kind: Type, text: str) -> str:
    if text in _TRUE:
        return "true"
    if text in _FALSE:
        return "false"
    raise TypeFault("not a boolean: use true or false")


def _check_integer(kind: Type, text: str) -> str:
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", text):
        raise TypeFault("not a whole number")
    number = int(text)
    if not _within((_INTEGERS[kind.base],), number):
        raise ValueFault(f"does not fit {kind.base}")
    if kind.ranges and not _within(kind.ranges, number):
        raise ValueFault(f"not {_spoken(kind.ranges)}")
    return str(number)


def _check_decimal(kind: Type, text: str) -> str:
    if not re.fullmatch(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})", text.strip()):
        raise TypeFault("not a decimal number")
    if kind.ranges and not _within(kind.ranges, int(float(text))):
        raise ValueFault(f"not {_spoken(kind.ranges)}")
    return text.strip()


def _check_date_time(_kind: Type, text: str) -> str:
    if not _DATE_TIME.fullmatch(text):
        raise TypeFault("not a dateTime like 2026-01-31T03:00:00Z")
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        raise ValueFault("no such day or time") from None
    return text


def _check_base64(kind: Type, text: str) -> str:
    try:
        size = len(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        raise TypeFault("not base64") from None
    kind._check_length(size, "bytes")
    return text


def _check_hex(kind: Type, text: str) -> str:
    if not re.fullmatch(r"([0-9A-Fa-f]{2})*", text):
        raise TypeFault("not an even number of hexadecimal digits")
    kind._check_length(len(text) // 2, "bytes")
    return text


_CHECKS: dict[str, Callable[[Type, str], str]] = {
    **dict.fromkeys(_INTEGERS, _check_integer),
    "string": _check_string,
    "boolean": _check_boolean,
    "dateTime": _check_date_time,
    "base64": _check_base64,
    "hexBinary": _check_hex,
    "decimal": _check_decimal,
}


def _string_text(raw: Any) -> str | None:
    if type(raw) is str:
        return raw if raw.isprintable() else _ILLEGAL.sub("?", raw)
    if raw is True or raw is False:
        return "true" if raw else "false"
    if isinstance(raw, list):
        return ",".join(_string_text(item) or "" for item in raw)
    return None if isinstance(raw, dict) else str(raw)


def _boolean_text(raw: Any) -> str | None:
    if type(raw) is str:
        return "true" if raw in _UCI_TRUE or raw.lower() in _UCI_TRUE else "false"
    return "true" if raw else "false"


def _integer_text(low: int, modulus: int) -> Callable[[Any], str | None]:
    """Counters wrap: blobmsg gives an unsigned 32-bit number above 2**31 as a negative one."""

    def text(raw: Any) -> str | None:
        try:
            number = int(raw)
        except (ValueError, TypeError, OverflowError):
            return None
        return str(number if low <= number < low + modulus else (number - low) % modulus + low)

    return text


_TEXTS: dict[str, Callable[[Any], str | None]] = {
    **{base: _integer_text(low, high - low + 1) for base, (low, high) in _INTEGERS.items()},
    "string": _string_text,
    "boolean": _boolean_text,
    "dateTime": _string_text,
    "base64": _string_text,
    "hexBinary": _string_text,
    "decimal": _string_text,
}


def _named(base: str, maximum: int | None = None, pattern: str | None = None) -> Type:
    return Type(
        base,
        lengths=() if maximum is None else ((None, maximum),),
        pattern=None if pattern is None else re.compile(pattern),
    )


NAMED: dict[str, Type] = {
    **{base: Type(base) for base in BASES},
    "Alias": _named("string", 64, r"([A-Za-z][A-Za-z0-9_-]*)?"),
    "IPAddress": _named("string", 45),
    "IPv4Address": _named("string", 15, rf"(({_OCTET}\.){{3}}{_OCTET})?"),
    "IPv6Address": _named("string", 45),
    "IPPrefix": _named("string", 49),
    "IPv6Prefix": _named("string", 49),
    "MACAddress": _named("string", 17, "(([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})?"),
    "StatsCounter32": _named("unsignedInt"),
    "StatsCounter64": _named("unsignedLong"),
    "URL": _named("string", 2048),
    "UUID": _named("string", 36, "([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?"),
}


def with_facets(
    kind: Type,
    *,
    enum: Sequence[str] = (),
    reported: Sequence[str] = (),
    pattern: str | None = None,
    is_list: bool = False,
    list_length: int | None = None,
    items: int | None = None,
) -> Type:
    """`kind` narrowed by what stands beside it in a mapping file.

    Raises:
        ValueError: the pattern is not a regular expression.
    """
    try:
        compiled = kind.pattern if pattern is None else re.compile(pattern)
    except re.error as error:
        raise ValueError(f"the pattern is not a regular expression: {error}") from None
    return replace(
        kind,
        enum=tuple(enum),
        reported=tuple(reported),
        pattern=compiled,
        is_list=is_list,
        list_length=list_length,
        items=items,
    )
