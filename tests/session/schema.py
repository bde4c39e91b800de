"""The CWMP schemas, made usable offline: SOAP's own schemas are replaced by what CWMP uses of them.

The documents are those in the directory `shared/data` beside the project; without it validation is skipped.
SOAP-encoded arrays are declared by CWMP as restrictions of `soapenc:Array`, which allows any elements.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from lxml import etree

DATA = Path(__file__).parents[3] / "shared" / "data"

_ENCODING = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
  xmlns="http://schemas.xmlsoap.org/soap/encoding/" targetNamespace="http://schemas.xmlsoap.org/soap/encoding/">
 <xs:attribute name="arrayType" type="xs:string"/>
 <xs:complexType name="Array"><xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded" processContents="lax"
  namespace="##any"/></xs:sequence><xs:attribute ref="arrayType"/></xs:complexType>
 <xs:simpleType name="base64"><xs:restriction base="xs:base64Binary"/></xs:simpleType>
</xs:schema>"""

_ENVELOPE = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
  xmlns="http://schemas.xmlsoap.org/soap/envelope/" targetNamespace="http://schemas.xmlsoap.org/soap/envelope/">
 <xs:attribute name="mustUnderstand"><xs:simpleType><xs:restriction base="xs:boolean"><xs:pattern value="0|1"/>
 </xs:restriction></xs:simpleType></xs:attribute>
 <xs:attribute name="encodingStyle" type="xs:string"/>
</xs:schema>"""


class _Soap(etree.Resolver):
    def resolve(self, url: str, public_id: str | None, context: object) -> object:
        if "soap/encoding" in url:
            return self.resolve_string(_ENCODING, context)  # type: ignore[arg-type]
        if "soap/envelope" in url:
            return self.resolve_string(_ENVELOPE, context)  # type: ignore[arg-type]
        return self.resolve_filename(str(DATA / url.rpartition("/")[2]), context)  # type: ignore[arg-type]


@functools.cache
def _schema(version: int) -> etree.XMLSchema:
    parser = etree.XMLParser()
    parser.resolvers.add(_Soap())
    return etree.XMLSchema(etree.parse(str(DATA / f"cwmp-1-{version}.xsd"), parser))


def assert_valid(body: bytes, version: int = 2) -> None:
    """Every CWMP element of an envelope is as cwmp-1-`version`.xsd wants it."""
    if not DATA.is_dir():
        pytest.skip("the CWMP schemas (../shared/data) are not here")
    namespace = f"urn:dslforum-org:cwmp-1-{min(version, 2)}"
    checked = 0
    for part in etree.fromstring(body):
        for element in part.iter(f"{{{namespace}}}*"):
            if etree.QName(element).localname in {"SessionTimeout", "SupportedCWMPVersions"}:
                continue  # declared by 1.3 and 1.4, whose schemas redefine and do not load everywhere
            schema = _schema(version)
            copy = etree.fromstring(etree.tostring(element, with_tail=False))
            schema.assertValid(copy)
            checked += 1
    assert checked
