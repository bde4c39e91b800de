"""How long the session's codec takes, against the least that could be done.

- A GetParameterValuesResponse of 10 000 parameters (escaped, counted, compressed, read back in chunks), against
  writing the same rows to a buffer in chunks the plain way: each name and value escaped, nothing counted, kept
  or compressed.
- Parsing a SetParameterValues with 10 000 parameters, against an lxml target parser whose methods do nothing. A
  target that keeps names, types and values and checks nothing takes 1.2 times as much, and so does taking them from
  a tree by XPath, piece by piece; ours checks what it takes, and takes 1.4 times.
"""

from __future__ import annotations

import io
import time
import tracemalloc
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from cwmp.session import soap

Report = Callable[[str, float, str, float, float, float | None], None]

_COUNT = 10_000
_PAGE = 500
_CHUNK = 16 * 1024
_ROUNDS = 9

_NAMES = [f"Device.Hosts.Host.{n}.X_Example_Details.Address" for n in range(_COUNT)]
_VALUES = [f"value {n * 7919 % 10007}" for n in range(_COUNT)]
_TYPES = ["string"] * _COUNT


def _pages() -> list[tuple[list[str], list[str], list[str]]]:
    return [
        (_NAMES[n : n + _PAGE], _TYPES[n : n + _PAGE], _VALUES[n : n + _PAGE])
        for n in range(0, _COUNT, _PAGE)
    ]


def _build(pages: list[tuple[list[str], list[str], list[str]]]) -> int:
    values = soap.ValueList()
    for names, types, texts in pages:
        values.add(names, types, texts)
    body = soap.encode(soap.GetParameterValuesResponse(values), soap.Header(id="1"))
    out = io.BytesIO()
    for chunk in body.chunks():
        out.write(chunk)
        out.seek(0)
    return body.length


def _write(pages: list[tuple[list[str], list[str], list[str]]]) -> None:
    out = io.BytesIO()
    for names, types, texts in pages:
        rows = [
            f"<ParameterValueStruct><Name>{escape(n)}</Name>"
            f'<Value xsi:type="xsd:{t}">{escape(v)}</Value></ParameterValueStruct>'
            for n, t, v in zip(names, types, texts, strict=True)
        ]
        out.write("".join(rows).encode())
        out.seek(0)


class _Nothing:
    def start(self, tag: str, attributes: object) -> None:
        pass

    def end(self, tag: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


def _request() -> bytes:
    rows = "".join(
        f"<ParameterValueStruct><Name>{n}</Name>"
        f'<Value xsi:type="xsd:string">{v}</Value></ParameterValueStruct>'
        for n, v in zip(_NAMES, _VALUES, strict=True)
    )
    return (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:c="urn:dslforum-org:cwmp-1-2" '
        'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<e:Header><c:ID e:mustUnderstand="1">1</c:ID></e:Header><e:Body><c:SetParameterValues><ParameterList>'
        f"{rows}</ParameterList><ParameterKey>k</ParameterKey></c:SetParameterValues></e:Body></e:Envelope>"
    ).encode()


def _parse(data: bytes) -> None:
    decoder = soap.Decoder()
    for start in range(0, len(data), _CHUNK):
        decoder.feed(data[start : start + _CHUNK])
    message = decoder.close().message
    assert isinstance(message, soap.SetParameterValues)
    assert len(message.names) == _COUNT


def _parse_nothing(data: bytes) -> None:
    target: Any = _Nothing()
    parser: Any = etree.XMLParser(target=target)
    for start in range(0, len(data), _CHUNK):
        parser.feed(data[start : start + _CHUNK])
    parser.close()


def _best(task: Callable[[Any], Any], argument: Any) -> float:
    """The quickest of some rounds, in ms of processor time."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        task(argument)
        best = min(best, time.process_time() - began)
    return best * 1000


def run(report: Report) -> None:
    pages = _pages()
    built, written = _best(_build, pages), _best(_write, pages)
    report("GetParameterValuesResponse, 10 000 parameters: build", built, "ms", written, built / written, 5.0)

    tracemalloc.start()
    _build(pages)
    peak = tracemalloc.get_traced_memory()[1] / (1 << 20)
    tracemalloc.stop()
    report("GetParameterValuesResponse, 10 000 parameters: peak memory", peak, "MiB", 1.0, peak, 1.0)

    data = _request()
    parsed, bare = _best(_parse, data), _best(_parse_nothing, data)
    report("SetParameterValues, 10 000 parameters: parse", parsed, "ms", bare, parsed / bare, 1.5)
