"""A CPE in a few lines, for the tests of the ACS: posts what it is given and keeps the cookies."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import h11
import trio

Answer = tuple[int, dict[str, str], bytes]

XML = 'text/xml; charset="utf-8"'

_ENVELOPE = """<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:e="http://schemas.xmlsoap.org/soap/encoding/"
 xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:c="urn:dslforum-org:cwmp-1-2"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"""

INFORM = """<c:Inform><DeviceId><Manufacturer>Acme</Manufacturer><OUI>A1B2C3</OUI><ProductClass>GW</ProductClass>
<SerialNumber>1</SerialNumber></DeviceId><Event e:arrayType="c:EventStruct[{count}]">{events}</Event>
<MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2026-01-05T10:00:00Z</CurrentTime><RetryCount>0</RetryCount>
<ParameterList e:arrayType="c:ParameterValueStruct[1]"><ParameterValueStruct><Name>Device.RootDataModelVersion</Name>
<Value i:type="x:string">2.19</Value></ParameterValueStruct></ParameterList></c:Inform>"""

TRANSFER_COMPLETE = """<c:TransferComplete><CommandKey>k</CommandKey><FaultStruct><FaultCode>0</FaultCode>
<FaultString/></FaultStruct><StartTime>2026-01-05T09:00:00Z</StartTime><CompleteTime>2026-01-05T09:01:00Z</CompleteTime>
</c:TransferComplete>"""

VALUES = """<c:GetParameterValuesResponse><ParameterList e:arrayType="c:ParameterValueStruct[1]">
<ParameterValueStruct><Name>Device.X</Name><Value i:type="x:unsignedInt">7</Value>
</ParameterValueStruct></ParameterList></c:GetParameterValuesResponse>"""

FAULT = """<s:Fault><faultcode>{faultcode}</faultcode><faultstring>CWMP fault</faultstring><detail><c:Fault>
<FaultCode>9003</FaultCode><FaultString>Invalid arguments</FaultString><SetParameterValuesFault>
<ParameterName>Device.X</ParameterName><FaultCode>9008</FaultCode><FaultString>read-only</FaultString>
</SetParameterValuesFault></c:Fault></detail></s:Fault>"""


def envelope(body: str, id: str | None = None) -> bytes:
    header = f'<c:ID s:mustUnderstand="1">{id}</c:ID>' if id is not None else ""
    return _ENVELOPE.format(header=header, body=body).encode()


def inform(*codes: str) -> bytes:
    events = "".join(
        f"<EventStruct><EventCode>{c}</EventCode><CommandKey/></EventStruct>" for c in codes or ("1 BOOT",)
    )
    return envelope(INFORM.format(count=max(1, len(codes)), events=events), "i-1")


class Cpe:
    """One connection to an ACS."""

    def __init__(self, stream: trio.abc.Stream, target: str) -> None:
        self._stream = stream
        self._target = target
        self._http = h11.Connection(h11.CLIENT)
        self.cookies: list[str] = []

    async def post(
        self, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Post and read the answer: status, headers, body. Headers as a proper CPE sends them unless given."""
        if headers is None:
            headers = {"Content-Type": XML, "SOAPAction": ""} if body else {}
        if self.cookies:
            headers = {**headers, "Cookie": "; ".join(self.cookies)}
        return await self._send("POST", self._target, body, headers)

    async def put(self, target: str, body: bytes, headers: dict[str, str] | None = None) -> int:
        """Put a file somewhere on the ACS's host; the status of the answer."""
        status, _, _ = await self._send("PUT", target, body, headers or {})
        return status

    async def _send(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        head = h11.Request(
            method=method,
            target=target,
            headers=[("Host", "acs"), ("Content-Length", str(len(body))), *headers.items()],
        )
        await self._stream.send_all(
            (self._http.send(head) or b"")
            + ((self._http.send(h11.Data(data=body)) or b"") if body else b"")
            + (self._http.send(h11.EndOfMessage()) or b"")
        )
        return await self._answer()

    async def _answer(self) -> Answer:
        response: h11.Response | None = None
        content = bytearray()
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise ConnectionError(str(error)) from None
            if event is h11.NEED_DATA:
                self._http.receive_data(bytes(await self._stream.receive_some(65536)))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                break
            else:
                raise ConnectionError("closed without an answer")
        found = [(name.decode(), value.decode()) for name, value in response.headers]
        self.cookies += [value.partition(";")[0] for name, value in found if name == "set-cookie"]
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return response.status_code, dict(found), bytes(content)

    async def answer_to(self, call: bytes, body: str) -> Answer:
        """Post `body` as the response to the ACS's request `call`, with its ID."""
        found = re.search(rb"ID[^>]*>([^<]*)<", call)
        assert found is not None
        return await self.post(envelope(body, found[1].decode()))


@asynccontextmanager
async def connect(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Cpe]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    tcp = await trio.open_tcp_stream("127.0.0.1", parts.port)
    stream: trio.abc.Stream = tcp
    if tls is not None:
        stream = trio.SSLStream(tcp, tls, server_hostname=parts.hostname, https_compatible=True)
    async with stream:
        yield Cpe(stream, parts.path)


@asynccontextmanager
async def playing(url: str, play: Callable[[Cpe], Awaitable[None]]) -> AsyncIterator[None]:
    """Beside the block, a CPE connects and plays; the block's end waits for it."""

    async def run() -> None:
        async with connect(url) as cpe:
            await play(cpe)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield
