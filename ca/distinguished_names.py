"""Distinguished names (RFC 5280 4.1.2.4): written from attributes, and read as they are encoded.

The bounds of names count characters (ub-common-name of RFC 5280 appendix A), and a Vietnamese
letter takes up to three octets of UTF-8. So names are encoded and decoded here, where nothing
counts octets and nothing has an opinion on how long a country code of somebody else's should be.
How long our own may be is said in `ca.names`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca import der

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_UTF8_STRING: Final = 0x0C
_PRINTABLE_STRING: Final = 0x13
_ENCODINGS: Final = {
    _UTF8_STRING: "utf-8",
    0x12: "ascii",  # NumericString
    _PRINTABLE_STRING: "ascii",
    0x14: "latin-1",  # TeletexString, as everybody reads it
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}

_PRINTABLE: Final = frozenset({NameOID.COUNTRY_NAME, NameOID.SERIAL_NUMBER})
"""Attributes that are PrintableString by definition (RFC 5280 appendix A); ours else are UTF-8."""

_KEYWORDS: Final[Mapping[x509.ObjectIdentifier, str]] = {
    NameOID.COMMON_NAME: "CN",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STREET_ADDRESS: "STREET",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
}
"""The short names that RFC 4514 section 3 gives."""

_ESCAPED: Final = {ord(c): f"\\{c}" for c in '"+,;<>\\'} | {0: "\\00"}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its type, and its text; a value that is no text is kept as its DER."""

    kind: x509.ObjectIdentifier
    value: str | bytes

    def rfc4514(self, keywords: Mapping[x509.ObjectIdentifier, str]) -> str:
        """Write `type=value` (RFC 4514 2.3, 2.4)."""
        return _said(self.kind, self.value, keywords.get(self.kind))


@dataclass(frozen=True, slots=True)
class DistinguishedName:
    """A name: its DER, and its relative names from the outermost inwards."""

    encoded: bytes
    parts: tuple[tuple[Attribute, ...], ...]

    def __iter__(self) -> Iterator[Attribute]:
        """Go through the attributes, from the outermost inwards."""
        return (attribute for part in self.parts for attribute in part)

    @property
    def legible(self) -> bool:
        """Whether everything in it that is said to be text is text."""
        return not any(isinstance(one.value, bytes) and one.value[0] in _ENCODINGS for one in self)

    def texts(self, kind: x509.ObjectIdentifier) -> tuple[str, ...]:
        """Return the texts of every attribute of a type, from the outermost inwards."""
        return tuple(
            attribute.value
            for attribute in self
            if attribute.kind == kind and isinstance(attribute.value, str)
        )

    def rfc4514(self, keywords: Mapping[x509.ObjectIdentifier, str] | None = None) -> str:
        """Write the name as text, innermost first (RFC 4514 2); `keywords` name further types."""
        named = keywords or {}
        return ",".join(
            [
                "+".join([attribute.rfc4514(named) for attribute in part])
                for part in reversed(self.parts)
            ]
        )


def write(attributes: Iterable[tuple[x509.ObjectIdentifier, str]]) -> DistinguishedName:
    """Encode a name of relative names with one attribute each, given from the outermost inwards."""
    written = [_relative_name(kind, text) for kind, text in attributes]
    return DistinguishedName(
        encoded=der.sequence(*(encoded for encoded, _ in written)),
        parts=tuple(part for _, part in written),
    )


def read(encoded: bytes) -> DistinguishedName:
    """Read a DER Name; DerError for anything else."""
    parts = der.split(der.whole(encoded).content)
    return DistinguishedName(encoded, tuple(map(_read_part, parts)))


def members(part: der.Element) -> list[tuple[der.Element, der.Element]]:
    """Read a RelativeDistinguishedName: type and value of each attribute."""
    found = [der.children(one) for one in der.children(der.expect(part, der.SET))]
    if not all(len(attribute) == 2 for attribute in found):  # noqa: PLR2004 -- type and value
        raise der.DerError("not a RelativeDistinguishedName")
    return [(kind, value) for kind, value in found]


def text_of(value: der.Element) -> str | None:
    """Decode a DirectoryString or one of its kin; None for what is no text."""
    encoding = _ENCODINGS.get(value.tag)
    if encoding is None:
        return None
    try:
        return value.content.decode(encoding)
    except UnicodeDecodeError:
        return None


@functools.lru_cache(maxsize=4096)
def _read_part(encoded: bytes) -> tuple[Attribute, ...]:
    """Read one relative name; those of an organisation stand in all its people's names."""
    found: list[Attribute] = []
    for member in der.split(der.inside(encoded, der.SET)):
        pair = der.split(der.inside(member, der.SEQUENCE))
        if len(pair) != 2:  # noqa: PLR2004 -- type and value
            raise der.DerError("not a RelativeDistinguishedName")
        found.append(_attribute(*pair))
    return tuple(found)


def _attribute(kind: bytes, value: bytes) -> Attribute:
    text = text_of(der.read(value)[0])
    return Attribute(_kind_of(kind), value if text is None else text)


@functools.lru_cache(maxsize=256)
def _kind_of(encoded: bytes) -> x509.ObjectIdentifier:
    element = der.whole(encoded, der.OBJECT_IDENTIFIER)
    return x509.ObjectIdentifier(der.read_object_identifier(element))


@functools.lru_cache(maxsize=4096)
def _relative_name(kind: x509.ObjectIdentifier, text: str) -> tuple[bytes, tuple[Attribute, ...]]:
    tag = _PRINTABLE_STRING if kind in _PRINTABLE else _UTF8_STRING
    encoded = der.tlv(der.SET, der.sequence(_kind(kind), der.tlv(tag, text.encode())))
    return encoded, (Attribute(kind, text),)


@functools.cache
def _kind(oid: x509.ObjectIdentifier) -> bytes:
    """Encode an attribute's type; only our own profiles' few are ever written."""
    return der.object_identifier(oid.dotted_string)


@functools.lru_cache(maxsize=4096)
def _said(kind: x509.ObjectIdentifier, value: str | bytes, keyword: str | None) -> str:
    return f"{keyword or _KEYWORDS.get(kind, kind.dotted_string)}={_escaped(value)}"


def _escaped(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return f"#{value.hex()}"
    text = value.translate(_ESCAPED)
    if text.startswith(("#", " ")):
        text = f"\\{text}"
    return f"{text[:-1]}\\ " if value.endswith(" ") and len(value) > 1 else text
