"""Distinguished Encoding Rules (X.690), as much as CRL, OCSP and time-stamp messages need.

The writer joins bytes: a message whose constant parts are encoded once costs microseconds. The
reader is for messages that strangers send: definite minimal lengths only, every bound checked, no
recursion. It is no general ASN.1 library; certificates are read by `cryptography`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
ENUMERATED = 0x0A
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

NULL = b"\x05\x00"
TRUE = b"\x01\x01\xff"

_LONG_FORM = 0x80
_MULTI_BYTE_TAG = 0x1F
_MAX_LENGTH_OCTETS = 4
_UTC_TIME_YEARS = range(1950, 2050)
_SIGNED_PARTS = 3


class DerError(ValueError):
    """The bytes are not DER of the shape that was expected; stays inside this room."""


@dataclass(frozen=True, slots=True)
class Element:
    """One tag-length-value: `content` is the value, `encoded` the whole."""

    tag: int
    content: bytes
    encoded: bytes


def head(tag: int, size: int) -> bytes:
    """Encode tag and length of an element; tags above 30 do not occur in our messages."""
    if size < _LONG_FORM:
        return bytes((tag, size))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(octets))) + octets


def tlv(tag: int, content: bytes) -> bytes:
    """Encode one element."""
    return head(tag, len(content)) + content


def sequence(*parts: bytes) -> bytes:
    """Encode a SEQUENCE of parts that are encoded already."""
    return tlv(SEQUENCE, b"".join(parts))


def set_of(parts: Iterable[bytes]) -> bytes:
    """Encode a SET OF: DER wants its members in ascending order (X.690 11.6)."""
    return tlv(SET, b"".join(sorted(parts)))


def explicit(number: int, content: bytes) -> bytes:
    """Wrap encoded content in the context tag [number]."""
    return tlv(0xA0 | number, content)


def integer(value: int) -> bytes:
    """Encode an INTEGER in the fewest octets."""
    magnitude = value if value >= 0 else ~value
    return tlv(INTEGER, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def enumerated(value: int) -> bytes:
    """Encode an ENUMERATED below 128."""
    return bytes((ENUMERATED, 1, value))


def octet_string(content: bytes) -> bytes:
    """Encode an OCTET STRING."""
    return tlv(OCTET_STRING, content)


def bit_string(content: bytes) -> bytes:
    """Encode a BIT STRING of whole octets."""
    return tlv(BIT_STRING, b"\x00" + content)


def object_identifier(dotted: str) -> bytes:
    """Encode an OBJECT IDENTIFIER from its dotted form."""
    arcs = [int(arc) for arc in dotted.split(".")]
    body = bytearray()
    for arc in (arcs[0] * 40 + arcs[1], *arcs[2:]):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        body += bytes(reversed(groups))
    return tlv(OBJECT_IDENTIFIER, bytes(body))


def generalized_time(moment: datetime) -> bytes:
    """Encode whole seconds of UTC as GeneralizedTime (RFC 5280 4.1.2.5.2)."""
    text = moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")
    return tlv(GENERALIZED_TIME, text.rjust(15, "0").encode())


def time(moment: datetime) -> bytes:
    """Encode a Time: UTCTime through 2049, GeneralizedTime after (RFC 5280 4.1.2.5)."""
    moment = moment.astimezone(UTC)
    if moment.year in _UTC_TIME_YEARS:
        return tlv(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return generalized_time(moment)


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    """Encode an X.509 Extension whose value is encoded already."""
    flag = TRUE if critical else b""
    return sequence(object_identifier(dotted), flag, octet_string(value))


def read(data: bytes, offset: int = 0) -> tuple[Element, int]:
    """Read the element at `offset`; the second value is where the next begins."""
    end_of_head = offset + 2
    if end_of_head > len(data):
        raise DerError("element is cut off")
    tag, size = data[offset], data[offset + 1]
    if tag & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG:
        raise DerError("tag number above 30")
    if size >= _LONG_FORM:
        octets = size & 0x7F
        end_of_head += octets
        if not 1 <= octets <= _MAX_LENGTH_OCTETS or end_of_head > len(data):
            raise DerError("length is indefinite, too long or cut off")
        size = int.from_bytes(data[offset + 2 : end_of_head], "big")
        if size < _LONG_FORM or data[offset + 2] == 0:
            raise DerError("length is not minimal")
    end = end_of_head + size
    if end > len(data):
        raise DerError("element is cut off")
    return Element(tag, data[end_of_head:end], data[offset:end]), end


def whole(data: bytes, tag: int = SEQUENCE) -> Element:
    """Read data that is exactly one element of that tag."""
    element, end = read(data)
    if end != len(data):
        raise DerError("bytes after the end")
    return expect(element, tag)


def children(element: Element) -> list[Element]:
    """Read the elements inside a constructed one."""
    found: list[Element] = []
    offset = 0
    while offset < len(element.content):
        child, offset = read(element.content, offset)
        found.append(child)
    return found


def split(content: bytes) -> list[bytes]:
    """Cut the content of a constructed element into its members, each as it is encoded.

    As strict as `read`, and several times as fast: for what is looked at on every certificate.
    """
    found: list[bytes] = []
    offset, end = 0, len(content)
    while offset < end:
        begin = offset
        if offset + 2 > end:
            raise DerError("element is cut off")
        size = content[offset + 1]
        if content[offset] & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG or size >= _LONG_FORM:
            offset = begin + len(read(content, begin)[0].encoded)
        else:
            offset += 2 + size
        if offset > end:
            raise DerError("element is cut off")
        found.append(content[begin:offset])
    return found


def inside(encoded: bytes, tag: int = SEQUENCE) -> bytes:
    """Return the content of bytes that are exactly one element of that tag, as `whole` reads it."""
    if len(encoded) > 1 and encoded[0] == tag and encoded[1] == len(encoded) - 2 < _LONG_FORM:
        return encoded[2:]
    return whole(encoded, tag).content


def signed_parts(data: bytes) -> tuple[Element, Element, Element]:
    """Read what X.509 signs: the content, the algorithm, the signature (RFC 5280 4.1, 5.1).

    A signature is whole octets. A BIT STRING that declares unused bits would let anybody write the
    same signature in a second way, which DER exists to prevent.
    """
    parts = children(whole(data))
    if len(parts) != _SIGNED_PARTS:
        raise DerError("a signed structure has three parts")
    content, algorithm, signature = parts
    if expect(signature, BIT_STRING).content[:1] != b"\x00":
        raise DerError("a signature with unused bits")
    return content, algorithm, signature


def same_algorithm(inner: Element, outer: Element) -> bool:
    """Say whether what is signed names the algorithm it is signed with (RFC 5280 4.1.1.2).

    Parameters left out and parameters NULL are the same here, as old issuers mix them.
    """
    if inner.encoded == outer.encoded:
        return True
    pairs = zip_longest(_said(inner), _said(outer))
    return all(one == other for one, other in pairs)


def _said(algorithm: Element) -> list[bytes]:
    return [part.encoded for part in children(algorithm) if part.encoded != NULL]


def expect(element: Element, tag: int) -> Element:
    """Return the element if it has that tag."""
    if element.tag != tag:
        raise DerError(f"tag {element.tag:#04x} where {tag:#04x} belongs")
    return element


def read_integer(element: Element) -> int:
    """Decode an INTEGER in minimal form."""
    octets = expect(element, INTEGER).content
    if not octets:
        raise DerError("empty INTEGER")
    if len(octets) > 1 and octets[0] in (0x00, 0xFF) and (octets[0] ^ octets[1]) < _LONG_FORM:
        raise DerError("INTEGER is not minimal")
    return int.from_bytes(octets, "big", signed=True)


def read_boolean(element: Element) -> bool:
    """Decode a BOOLEAN; DER knows only 00 and FF."""
    octets = expect(element, BOOLEAN).content
    if octets not in (b"\x00", b"\xff"):
        raise DerError("BOOLEAN is neither 00 nor FF")
    return octets == b"\xff"


def read_object_identifier(element: Element) -> str:
    """Decode an OBJECT IDENTIFIER to its dotted form."""
    octets = expect(element, OBJECT_IDENTIFIER).content
    if not octets or octets[-1] & 0x80:
        raise DerError("OBJECT IDENTIFIER is cut off")
    arcs: list[int] = []
    value = 0
    for octet in octets:
        if value == 0 and octet == 0x80:  # noqa: PLR2004 -- a leading zero group is not minimal
            raise DerError("OBJECT IDENTIFIER is not minimal")
        value = value << 7 | octet & 0x7F
        if octet < _LONG_FORM:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def read_extensions(element: Element) -> dict[str, tuple[bool, bytes]]:
    """Decode Extensions to `{oid: (critical, value)}`; one that stands twice is refused."""
    found: dict[str, tuple[bool, bytes]] = {}
    for entry in children(expect(element, SEQUENCE)):
        parts = children(expect(entry, SEQUENCE))
        if not 2 <= len(parts) <= 3:  # noqa: PLR2004 -- oid, critical DEFAULT FALSE, value
            raise DerError("Extension of a wrong shape")
        oid = read_object_identifier(parts[0])
        if oid in found:
            raise DerError("the same extension twice")
        critical = len(parts) == 3 and read_boolean(parts[1])  # noqa: PLR2004 -- as above
        found[oid] = (critical, expect(parts[-1], OCTET_STRING).content)
    return found
