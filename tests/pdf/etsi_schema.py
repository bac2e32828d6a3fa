"""The schema of ETSI TS 119 102-2 (namespace v1.2.1), as far as it can be had on any machine.

It is written from the data classes that pyHanko generated out of the published schema: names,
order, number, types and namespaces are all there. They are parsed as source text, since running
them needs more. What such classes do not say stands below: which types are choices, and which
texts identify.
"""

import ast
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

NAMESPACE = "http://uri.etsi.org/19102/v1.2.1#"
DS = "http://www.w3.org/2000/09/xmldsig#"
XS = "http://www.w3.org/2001/XMLSchema"
_FILES = {"ts_11910202.py": "", "xades.py": "DigestAlgAndValueType"}
"""Of which file all classes are taken, or which one."""
_CHOICES = {
    "SignatureAttributesType": ' maxOccurs="unbounded"',
    "SARevIDListType": ' minOccurs="0" maxOccurs="unbounded"',
    "ValidationObjectRepresentationType": "",
    "SignatureReferenceType": "",
}
_ELSEWHERE = {"DigitalIdentityType", "TSPInformationType", "SignaturePolicyIdentifierType"}
"""Types of other standards that no report of ours has; anything may stand there."""
_SIMPLE = {
    "str": "xs:string",
    "bool": "xs:boolean",
    "int": "xs:integer",
    "bytes": "xs:base64Binary",
    "XmlDateTime": "xs:dateTime",
    "object": "xs:anyType",
}
_IDENTIFYING = {"id": "xs:ID", "VOReference": "xs:IDREFS"}
_SIGNATURE_SYNTAX = f"""<xs:schema xmlns:xs="{XS}" targetNamespace="{DS}"
  elementFormDefault="qualified">
<xs:element name="DigestMethod"><xs:complexType>
  <xs:attribute name="Algorithm" type="xs:anyURI" use="required"/></xs:complexType></xs:element>
<xs:element name="DigestValue" type="xs:base64Binary"/>
<xs:element name="SignatureValue" type="xs:base64Binary"/>
<xs:element name="Signature" type="xs:anyType"/>
</xs:schema>"""


@dataclass
class Member:
    """One element or attribute of a type, or the place where anything may stand."""

    name: str
    kind: str
    namespace: str
    type_name: str
    least: int
    many: bool

    def written(self) -> str:
        if self.kind == "Wildcard":
            often = 'minOccurs="0" maxOccurs="unbounded"'
            return f'<xs:any namespace="##other" processContents="lax" {often}/>'
        if self.kind == "Attribute":
            use = ' use="required"' if self.least else ""
            return f'<xs:attribute name="{self.name}" type="{self._type()}"{use}/>'
        often = f' minOccurs="{self.least}"' + (' maxOccurs="unbounded"' if self.many else "")
        if self.namespace == DS:
            return f'<xs:element ref="ds:{self.name}"{often}/>'
        return f'<xs:element name="{self.name}" type="{self._type()}"{often}/>'

    def _type(self) -> str:
        if self.kind == "Attribute" and self.name in _IDENTIFYING:
            return _IDENTIFYING[self.name]
        if self.type_name in _ELSEWHERE:
            return "xs:anyType"
        return _SIMPLE.get(self.type_name) or f"vr:{self.type_name}"


@dataclass
class Type:
    """A complex type: what it extends, and its members in order."""

    name: str
    base: str | None
    members: list[Member] = field(default_factory=list)

    def written(self) -> str:
        inside = "".join(m.written() for m in self.members if m.kind != "Attribute")
        attributes = "".join(m.written() for m in self.members if m.kind == "Attribute")
        often = _CHOICES.get(self.name)
        group = "sequence" if often is None else "choice"
        body = f"<xs:{group}{often or ''}>{inside}</xs:{group}>" if inside else ""
        body += attributes
        if self.base is not None:
            extended = f'<xs:extension base="vr:{self.base}">{body}</xs:extension>'
            body = f"<xs:complexContent>{extended}</xs:complexContent>"
        return f'<xs:complexType name="{self.name}">{body}</xs:complexType>'


@cache
def types() -> dict[str, Type]:
    spec = find_spec("pyhanko")
    assert spec is not None
    home = Path(next(iter(spec.submodule_search_locations or [])))
    classes = [
        node
        for file, wanted in _FILES.items()
        for node in ast.parse((home / "generated/etsi" / file).read_text()).body
        if isinstance(node, ast.ClassDef) and wanted in {"", node.name}
    ]
    found: dict[str, Type] = {}
    enumerations = set()
    for node in classes:
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        if "Enum" in bases:
            enumerations.add(node.name)
            continue
        members = [made for part in node.body if (made := _member(part)) is not None]
        found[node.name] = Type(node.name, bases[0] if bases else None, members)
    for member in found["SignersDocumentType"].members:
        if member.name == "SignersDocumentRepresentation":
            member.least = 0  # the classes put both branches of a choice one after the other
    for each in found.values():
        for member in each.members:
            if member.type_name in enumerations:
                member.type_name = "str"
    return found


def _member(part: ast.stmt) -> Member | None:
    if not isinstance(part, ast.AnnAssign) or not isinstance(part.value, ast.Call):
        return None
    for keyword in part.value.keywords:
        if keyword.arg == "metadata":
            facts = _facts(keyword.value)
            if "type" not in facts:
                return None  # the text of a simple type
            words = [n.id for n in ast.walk(part.annotation) if isinstance(n, ast.Name)]
            least = int(facts.get("min_occurs", facts.get("required") == "True"))
            return Member(
                facts.get("name", part.target.id if isinstance(part.target, ast.Name) else ""),
                facts["type"],
                facts.get("namespace", ""),
                next(word for word in words if word != "tuple"),
                least,
                "tuple" in words and "tokens" not in facts,
            )
    return None


def _facts(value: ast.expr) -> dict[str, str]:
    """Read the constants of a field's metadata."""
    assert isinstance(value, ast.Dict)
    return {
        str(key.value): str(item.value)
        for key, item in zip(value.keys, value.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(item, ast.Constant)
    }


class _Beside(etree.Resolver):
    """Gives the schema of XML signatures, and nothing from anywhere else."""

    def resolve(self, url: str, _: object, context: object) -> object:
        assert url == "ds.xsd"
        return self.resolve_string(_SIGNATURE_SYNTAX, context)


@cache
def schema() -> etree.XMLSchema:
    """The schema, read by libxml2."""
    body = "".join(each.written() for each in types().values())
    text = f"""<xs:schema xmlns:xs="{XS}" xmlns:vr="{NAMESPACE}" xmlns:ds="{DS}"
      targetNamespace="{NAMESPACE}" elementFormDefault="qualified">
    <xs:import namespace="{DS}" schemaLocation="ds.xsd"/>
    <xs:element name="ValidationReport" type="vr:ValidationReportType"/>
    {body}</xs:schema>"""
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Beside())
    return etree.XMLSchema(etree.fromstring(text, parser))


def problems(document: bytes) -> list[str]:
    """List where a report departs from the schema; empty means that it is valid."""
    found = etree.fromstring(document)
    schema().validate(found)
    return [f"{one.line}: {one.message}" for one in schema().error_log]
