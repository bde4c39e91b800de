"""What an ACS writes into its requests: names of parameters and values for them, against the whole data model."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.engine import Target

from cwmp.datamodel.loader import load
from cwmp.datamodel.paths import InvalidName, resolve
from cwmp.datamodel.service import mapping_directories
from cwmp.runtime import Paths

_NOWHERE = Path("/nonexistent")
_MODEL, _ = load(mapping_directories(Paths(_NOWHERE, _NOWHERE, _NOWHERE, _NOWHERE, _NOWHERE)))
_TYPES = list({str(p.type): p.type for node in _MODEL.objects() for p in node.parameters.values()}.values())


def path(data: bytes) -> None:
    """A name is something in the model, or refused with 9005."""
    text = data.decode("utf-8", "replace")
    for wildcards in (False, True):
        try:
            found = resolve(_MODEL, text, wildcards=wildcards)
        except InvalidName as fault:
            assert len(fault.text) < 1000
        else:
            assert found.node.template.startswith("Device.")
            assert found.parameter is None or text.endswith(found.parameter.name)


def value(data: bytes) -> None:
    """The first byte says of which type; what is taken is taken again as it is written."""
    kind, text = _TYPES[(data[0] if data else 0) % len(_TYPES)], data[1:].decode("utf-8", "replace")
    try:
        written = kind.check(text)
    except ValueError as error:
        assert len(str(error)) < 4000
    else:
        assert kind.check(written) == written


_PATHS = (
    *(
        b"Device.",
        b"WiFi.SSID.",
        b"IP.Interface.",
        b"1.",
        b"*.",
        b"[cpe-1].",
        b"{i}.",
        b"..",
        b"0.",
        b"4294967296.",
    ),
    *(
        b"DHCPv4.Server.Pool.",
        b"ManagementServer.",
        b"URL",
        b"Alias",
        b"IPv4Address.",
        b" ",
        b"\xc3\xa9",
        b"[",
    ),
)
_VALUES = (
    *(
        b"true",
        b"1",
        b"-1",
        b"4294967295",
        b"2026-01-01T00:00:00Z",
        b"192.0.2.1",
        b"2001:db8::1",
        b"/64",
        b"::",
    ),
    *(
        b"02:00:5e:00:53:01",
        b",",
        b" ",
        b"0x",
        b"e5",
        b".",
        b"+",
        b"cpe-",
        b"http://",
        b"\xc3\xa9",
        b"\n",
        b"Device.",
    ),
)
MODEL = (Target("path", path, _PATHS), Target("value", value, _VALUES))
