"""The SOAP codec: what is sent against the schemas and back, what arrives in all its forms, hostile input."""

from __future__ import annotations

import base64
import contextlib
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cwmp.contract import Fault, ParameterFault
from cwmp.session import soap
from cwmp.session.soap.lists import ListTooLong

from .acs import INFORM_RESPONSE, envelope, fault
from .schema import assert_valid

NS = "{urn:dslforum-org:cwmp-1-2}"
EVENTS = [soap.EventStruct("1 BOOT"), soap.EventStruct("M Reboot", "key & <1>")]


def sent(message: object, **header: object) -> bytes:
    body = soap.encode(message, soap.Header(**header))  # type: ignore[arg-type]
    data = b"".join(body.chunks())
    assert len(data) == body.length
    assert b"".join(body.chunks()) == data  # a challenge or a redirect sends it once more
    return data


def inform(**changes: object) -> soap.Inform:
    values: dict[str, object] = {
        "manufacturer": "Acme",
        "oui": "A1B2C3",
        "product_class": "GW",
        "serial_number": "0001",
        "events": EVENTS,
        "current_time": "2026-01-05T10:00:00+01:00",
        "retry_count": 2,
        "names": ["Device.RootDataModelVersion", "Device.DeviceInfo.UpTime"],
        "types": ["string", "unsignedInt"],
        "values": ["2.19", "42"],
    }
    return soap.Inform(**{**values, **changes})  # type: ignore[arg-type]


def values(names: list[str], types: list[str], texts: list[str]) -> soap.ValueList:
    found = soap.ValueList()
    found.add(names, types, texts)
    return found


def infos() -> soap.InfoList:
    found = soap.InfoList()
    found.add(["Device.", "Device.X"], [False, True])
    return found


def received(data: bytes, step: int = 0) -> soap.Received:
    decoder = soap.Decoder()
    for start in range(0, len(data), step or len(data) or 1):
        decoder.feed(data[start : start + (step or len(data))])
    return decoder.close()


def attributes() -> soap.AttributeList:
    found = soap.AttributeList()
    found.add(["Device.A", "Device.<B>"], [0, 2], [["Subscriber"], []])
    return found


MESSAGES = [
    inform(),
    inform(events=[], names=[], types=[], values=[]),
    soap.TransferComplete("k", 9010, "no room", "2026-01-05T09:00:00Z", "0001-01-01T00:00:00Z"),
    soap.GetRPCMethods(),
    soap.GetRPCMethodsResponse(["GetRPCMethods", "Reboot"]),
    soap.SetParameterValuesResponse(1),
    soap.GetParameterValuesResponse(values(["Device.A", "Device.B"], ["base64", "boolean"], ["AAE=", "1"])),
    soap.GetParameterValuesResponse(values([], [], [])),
    soap.GetParameterNamesResponse(infos()),
    soap.SetParameterAttributesResponse(),
    soap.GetParameterAttributesResponse(attributes()),
    soap.AddObjectResponse(3, 0),
    soap.DeleteObjectResponse(0),
    soap.DownloadResponse(1, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    soap.RebootResponse(),
    soap.ScheduleInformResponse(),
    Fault(9000, "not supported"),
    Fault(
        9003, "bad", [ParameterFault("Device.A", 9005, "unknown"), ParameterFault("Device.B", 9007, "<long>")]
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.4"])
def test_every_message_is_valid_against_its_schema(message: object, version: str) -> None:
    assert_valid(sent(message, version=version, id="i & <1>"), min(int(version[2:]), 2))


def test_inform_golden() -> None:
    data = sent(inform(), id="7", session_timeout=60, supported_versions=True)
    assert data.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-2">'
        '<soap:Header><cwmp:ID soap:mustUnderstand="1">7</cwmp:ID>'
        '<cwmp:SessionTimeout soap:mustUnderstand="0">60</cwmp:SessionTimeout>'
        '<cwmp:SupportedCWMPVersions soap:mustUnderstand="0">1.0,1.1,1.2,1.3,1.4</cwmp:SupportedCWMPVersions>'
        "</soap:Header><soap:Body><cwmp:Inform><DeviceId><Manufacturer>Acme</Manufacturer><OUI>A1B2C3</OUI>"
        "<ProductClass>GW</ProductClass><SerialNumber>0001</SerialNumber></DeviceId>"
        '<Event soap-enc:arrayType="cwmp:EventStruct[2]"><EventStruct><EventCode>1 BOOT</EventCode>'
        "<CommandKey></CommandKey></EventStruct><EventStruct><EventCode>M Reboot</EventCode>"
        "<CommandKey>key &amp; &lt;1&gt;</CommandKey></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes>"
        "<CurrentTime>2026-01-05T10:00:00+01:00</CurrentTime><RetryCount>2</RetryCount>"
        '<ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[2]"><ParameterValueStruct>'
        '<Name>Device.RootDataModelVersion</Name><Value xsi:type="xsd:string">2.19</Value></ParameterValueStruct>'
        '<ParameterValueStruct><Name>Device.DeviceInfo.UpTime</Name><Value xsi:type="xsd:unsignedInt">42</Value>'
        "</ParameterValueStruct></ParameterList></cwmp:Inform></soap:Body></soap:Envelope>\n"
    )


def test_fault_golden() -> None:
    data = sent(Fault(9003, "bad", [ParameterFault("Device.A", 9005, "no such")]), id="x")
    body = etree.fromstring(data)[1]
    assert body.xpath("string(*/faultcode)") == "Client"
    assert body.xpath("string(*/faultstring)") == "CWMP fault"
    assert [e.text for e in body.iter("FaultCode")] == ["9003", "9005"]
    assert sent(Fault(9000, "no"))  # and without ID there is no header
    assert b"Header" not in sent(Fault(9000, "no"))


_STRUCT = (
    "<SetParameterAttributesStruct><Name>{}</Name><NotificationChange>{}</NotificationChange>"
    "<Notification>{}</Notification><AccessListChange>{}</AccessListChange><AccessList>{}</AccessList>"
    "</SetParameterAttributesStruct>"
)


def spa(*structs: str) -> bytes:
    inside = f"<ParameterList>{''.join(structs)}</ParameterList>"
    return envelope(f"<c:SetParameterAttributes>{inside}</c:SetParameterAttributes>")


def test_attributes_are_set_as_far_as_they_are_to_change() -> None:
    data = spa(
        _STRUCT.format("Device.", 1, 2, 0, "<string>ignored</string>"),
        _STRUCT.format("Device.A", "false", 77, "true", ""),
        _STRUCT.format("Device.A", 1, 0, 1, "<string>Subscriber</string><string>X_V_W</string>"),
    )
    assert received(data, step=7).message == soap.SetParameterAttributes(
        ["Device.", "Device.A", "Device.A"], [2, None, 0], [None, [], ["Subscriber", "X_V_W"]]
    )


@pytest.mark.parametrize(
    "data",
    [
        spa(),
        spa("<ParameterValueStruct/>"),
        spa(_STRUCT.format("Device.A", 1, "", 0, "")),
        spa(_STRUCT.format("Device.A", 1, "two", 0, "")),
        spa(_STRUCT.format("Device.A", 1, 2**31, 0, "")),
        spa(_STRUCT.format("Device.A", 2, 1, 0, "")),
        spa(_STRUCT.format("Device.A", 0, 1, 1, f"<string>{'x' * 65}</string>")),
        spa(_STRUCT.format("Device." + "A" * 250, 1, 1, 0, "")),
        envelope("<c:SetParameterAttributes/>"),
        envelope("<c:GetParameterAttributes><ParameterNames/></c:GetParameterAttributes>"),
    ],
)
def test_attributes_against_the_schema_are_9003(data: bytes) -> None:
    message = received(data).message
    assert isinstance(message, soap.InvalidRequest)
    assert message.fault.code == 9003


def test_response_without_arguments_is_an_empty_element() -> None:
    assert b"<cwmp:RebootResponse/>" in sent(soap.RebootResponse())


_TEXT = st.text(max_size=40) | st.text(alphabet="\0\r\n\t<>&\"']\x7f\x85\ud800\udcff\ufffe é€😀", max_size=20)


def _possible(text: str) -> str:
    """`text` as XML 1.0 can carry it."""
    return "".join(
        c
        if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
        else "\ufffd"
        for c in text
    )


@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=12))
def test_any_text_arrives_as_it_is_or_as_xml_can_carry_it(rows: list[tuple[str, str]]) -> None:
    names, texts = [r[0] for r in rows], [r[1] for r in rows]
    data = sent(soap.GetParameterValuesResponse(values(names, ["string"] * len(rows), texts)))
    assert all(b in b"\t\n\r" or 32 <= b <= 126 for b in data)
    root = etree.fromstring(data)
    assert [e.text or "" for e in root.iter("Name")] == [_possible(n) for n in names]
    assert [e.text or "" for e in root.iter("Value")] == [_possible(t) for t in texts]
    counted = root.find(f".//{NS}GetParameterValuesResponse/ParameterList")
    assert counted is not None
    assert counted.attrib.values() == [f"cwmp:ParameterValueStruct[{len(rows)}]"]


@given(
    st.lists(
        st.tuples(_TEXT.map(lambda t: t[:256]), _TEXT), unique_by=lambda r: _possible(r[0]), max_size=12
    ),
    st.integers(1, 50),
)
def test_set_parameter_values_arrives_whole_in_any_pieces(rows: list[tuple[str, str]], step: int) -> None:
    e = etree.Element
    method = e("{urn:dslforum-org:cwmp-1-0}SetParameterValues")
    array = etree.SubElement(method, "ParameterList")
    for name, value in rows:
        item = etree.SubElement(array, "ParameterValueStruct")
        etree.SubElement(item, "Name").text = _possible(name)
        child = etree.SubElement(item, "Value")
        child.text = _possible(value)
        child.set("{http://www.w3.org/2001/XMLSchema-instance}type", "xsd:base64Binary")
    etree.SubElement(method, "ParameterKey").text = "k"
    root = e("{http://schemas.xmlsoap.org/soap/envelope/}Envelope")
    etree.SubElement(root, "{http://schemas.xmlsoap.org/soap/envelope/}Body").append(method)
    found = received(etree.tostring(root, encoding="UTF-16"), step)
    assert found.message == soap.SetParameterValues(
        [_possible(n) for n, _ in rows], ["base64"] * len(rows), [_possible(v) for _, v in rows], "k"
    )


def test_requests_of_the_acs_in_all_forms() -> None:
    namespaced = envelope(
        "<c:AddObject><c:ParameterKey>k</c:ParameterKey><c:ObjectName>Device.T.</c:ObjectName></c:AddObject>"
    )
    assert received(namespaced).message == soap.AddObject("Device.T.", "k")  # any order, qualified by mistake
    assert received(b"\r\n" + envelope("<c:GetRPCMethods/>", cwmp=3)).cwmp == 3
    got = received(
        envelope("<c:Reboot><CommandKey><![CDATA[a<b]]></CommandKey><New/></c:Reboot>", id="i", hold=True)
    )
    assert got == soap.Received(soap.Reboot("a<b"), 0, "i", True, None)
    names = "<c:GetParameterNames><ParameterPath/><NextLevel> true </NextLevel></c:GetParameterNames>"
    assert received(envelope(names)).message == soap.GetParameterNames("", True)
    wrong_count = (
        '<c:GetParameterValues><ParameterNames a:arrayType="xsd:string[9]"><string>Device.</string></ParameterNames>'
        "</c:GetParameterValues>"
    )
    assert received(envelope(wrong_count)).message == soap.GetParameterValues(["Device."])


def test_responses_and_faults_of_the_acs() -> None:
    assert received(envelope(INFORM_RESPONSE, use="1.2")).use_cwmp_version == "1.2"
    assert received(envelope("<c:TransferCompleteResponse/>")).message == soap.TransferCompleteResponse()
    assert received(envelope(fault(8005, "again"))).message == soap.AcsFault(8005, "again")
    assert received(
        envelope(
            "<c:GetRPCMethodsResponse><MethodList><string>Inform</string></MethodList></c:GetRPCMethodsResponse>"
        )
    ).message == soap.MethodList(["Inform"])


def strings(text: str) -> str:
    return f"<c:GetParameterValues><ParameterNames><string>{text}</string></ParameterNames></c:GetParameterValues>"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("<c:X_Vendor/>", 9000, "X_Vendor"),
        ("<Reboot/>", 9000, "Reboot"),
        ("<c:Reboot/>", 9003, "CommandKey is missing"),
        (f"<c:Reboot><CommandKey>{'x' * 33}</CommandKey></c:Reboot>", 9003, "33 characters"),
        ("<c:Reboot><CommandKey/><CommandKey/></c:Reboot>", 9003, "twice"),
        ("<c:Reboot><CommandKey><a/></CommandKey></c:Reboot>", 9003, "elements"),
        ("<c:GetParameterNames><ParameterPath/><NextLevel>yes</NextLevel></c:GetParameterNames>", 9003, "boolean"),
        ("<c:GetParameterValues><ParameterNames/></c:GetParameterValues>", 9003, "empty"),
        (strings("x" * 257), 9003, "256"),
        ("<c:AddObject><ObjectName>Device.T</ObjectName><ParameterKey/></c:AddObject>", 9003, "dot"),
        ("<c:SetParameterValues><ParameterList/></c:SetParameterValues>", 9003, "ParameterKey is missing"),
        ("<c:SetParameterValues><ParameterKey/></c:SetParameterValues>", 9003, "ParameterList is missing"),
    ],
)  # fmt: skip
def test_what_is_against_the_schema_is_refused_with_its_fault(content: str, code: int, words: str) -> None:
    message = received(envelope(content, id="i")).message
    assert isinstance(message, soap.InvalidRequest)
    assert message.fault.code == code
    assert words in message.fault.text


def row(name: str, value: str = "<Value>1</Value>") -> str:
    return f"<ParameterValueStruct><Name>{name}</Name>{value}</ParameterValueStruct>"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (row("a") + row("a"), "a twice"),
        (row("x" * 257), "256"),
        (row("a", ""), "without one Name and one Value"),
        ("<ParameterValueStruct><Value>1</Value></ParameterValueStruct>", "without one Name"),
        (row("a") + "<Name>b</Name>", "outside"),
        (row("a", "<Wert>1</Wert>"), "Wert"),
        (row("a", "<Value><b>1</b></Value>"), "unknown element b"),
    ],
)
def test_a_parameter_list_against_the_schema_is_refused(rows: str, words: str) -> None:
    content = (
        f"<c:SetParameterValues><ParameterList>{rows}</ParameterList><ParameterKey/></c:SetParameterValues>"
    )
    message = received(envelope(content)).message
    assert isinstance(message, soap.InvalidRequest)
    assert message.fault.code == 9003
    assert words in message.fault.text


_STRANGE_HEADER = b'<e:Header><t:T xmlns:t="u" e:mustUnderstand="1"/>'
_NESTED_LISTS = "<c:SetParameterValues><ParameterList><ParameterList/></ParameterList></c:SetParameterValues>"
_ENTITIES = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
_LAUGHS = f'<!DOCTYPE l [<!ENTITY a0 "ha">{_ENTITIES}]><l>&a11;</l>'.encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello", "malformed"),
        (envelope(INFORM_RESPONSE)[:-5], "malformed"),
        (envelope(INFORM_RESPONSE) + b"<a/>", "malformed"),
        (_LAUGHS, "DOCTYPE"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DOCTYPE"),
        (b'<?xml version="1.0"?><?php x?><a/>', "processing instruction"),
        (b"<a>" * 5000, "deeper"),
        (envelope("<c:SetParameterValues><ParameterList>" + "<Value>" * 5000), "malformed"),
        (envelope("<a/>" * 400_000), "too many elements"),
        (envelope(f"<c:Reboot><CommandKey>{'x' * (5 << 20)}</CommandKey></c:Reboot>"), "larger"),
        (b"<html><body/></html>", "envelope"),
        (envelope(""), "0 messages"),
        (envelope("<c:Reboot/><c:Reboot/>"), "2 messages"),
        (envelope("<c:FooResponse/>"), "response"),
        (envelope("<e:Fault><faultcode>Server</faultcode></e:Fault>"), "without a CWMP fault"),
        (envelope(fault(1)), "FaultCode"),
        (envelope("<c:Reboot><CommandKey>&#1;</CommandKey></c:Reboot>"), "malformed"),
        (envelope("<c:Reboot><CommandKey>&x;</CommandKey></c:Reboot>"), "malformed"),
        (b'<?xml version="1.0" encoding="nope"?><a/>', "malformed"),
        (envelope("<c:GetRPCMethods/>").replace(b"<e:Header>", _STRANGE_HEADER), "understood"),
        (envelope(_NESTED_LISTS), "ParameterList"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_no_message(data: bytes, words: str) -> None:
    with pytest.raises(soap.SoapError, match=words):
        received(data, 4096)


@settings(max_examples=300)
@given(st.data())
def test_damaged_messages_are_read_or_refused_never_more(data: st.DataObject) -> None:
    message = bytearray(
        envelope(
            f"<c:SetParameterValues><ParameterList>{row('a')}{row('b')}</ParameterList><ParameterKey>k</ParameterKey></c:SetParameterValues>",
            id="1",
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(soap.SoapError):
        received(bytes(message))


def test_p22_fifty_thousand_parameters_need_little_memory() -> None:
    tracemalloc.start()
    try:
        found = soap.ValueList()
        for page in range(100):
            names = [f"Device.Hosts.Host.{page * 500 + n}.PhysAddress" for n in range(500)]
            found.add(
                names,
                ["string"] * 500,
                [f"02:00:00:{page:02x}:{n >> 8:02x}:{n & 255:02x}" for n in range(500)],
            )
        body = soap.encode(soap.GetParameterValuesResponse(found), soap.Header(id="1"))
        assert sum(map(len, body.chunks())) == body.length > 6_000_000
        assert max(map(len, body.chunks())) <= 65536
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_a_list_too_long_is_refused() -> None:
    noise = random.Random(1)
    found = soap.ValueList(max_compressed=100_000)
    with pytest.raises(ListTooLong):
        for n in range(1000):
            found.add([str(n)], ["string"], [base64.b64encode(noise.randbytes(1000)).decode()])
