"""Writing DER, and cutting finished elements out of it (ITU-T X.690).

Only the distinguished encoding with single-byte tags: what `cms` puts into templates and takes
over, byte for byte, from certificates. Reading what strangers send is the business of `der`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from pdf.errors import CertificateUnsuitable

INTEGER = 0x02
OCTET_STRING = 0x04
NULL = b"\x05\x00"
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
SET = 0x31
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
UTC_TIME_YEARS = ("1950", "2049")

# X.690 8.1.3: up to 127 the length is one byte; above, the top bit announces its digits
_LONG_FORM = 0x80


def length(size: int) -> bytes:
    """Encode a length, definite form."""
    if size < _LONG_FORM:
        return bytes((size,))
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((_LONG_FORM | len(digits),)) + digits


def tlv(tag: int, *parts: bytes) -> bytes:
    """Wrap the joined parts in one element."""
    content = b"".join(parts)
    return bytes((tag,)) + length(len(content)) + content


def sequence(*parts: bytes) -> bytes:
    """Encode a SEQUENCE of finished elements."""
    return tlv(SEQUENCE, *parts)


def set_of(parts: Iterable[bytes], *, tag: int = SET) -> bytes:
    """Encode a SET OF, its elements in ascending order as DER asks."""
    return tlv(tag, *sorted(parts))


def integer(value: int) -> bytes:
    """Encode a non-negative INTEGER."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value: bytes) -> bytes:
    """Encode an OCTET STRING."""
    return tlv(OCTET_STRING, value)


def time(at: datetime) -> bytes:
    """Encode an aware time to the second: UTCTime up to 2049 (RFC 5652 section 11.3)."""
    text = at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")
    if UTC_TIME_YEARS[0] <= text[:4] <= UTC_TIME_YEARS[1]:
        return tlv(UTC_TIME, text[2:].encode())
    return tlv(GENERALIZED_TIME, text.encode())


def oid(dotted: str) -> bytes:
    """Encode an OBJECT IDENTIFIER written as dotted decimals."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        digits = [arc & 0x7F]
        left = arc >> 7
        while left:
            digits.append(0x80 | left & 0x7F)
            left >>= 7
        out.extend(reversed(digits))
    return tlv(OBJECT_IDENTIFIER, bytes(out))


def cut(data: bytes, start: int = 0) -> tuple[int, int, int]:
    """Say where the element at `start` has its tag, its content and its end: (tag, from, to)."""
    try:
        tag, size = data[start], data[start + 1]
        body = start + 2
        if size & _LONG_FORM:
            count = size & ~_LONG_FORM
            size = int.from_bytes(data[body : body + count], "big")
            body += count
    except IndexError as error:
        raise CertificateUnsuitable("a DER element is cut short") from error
    if body + size > len(data):
        raise CertificateUnsuitable("a DER element is longer than its surroundings")
    return tag, body, body + size


def children(data: bytes) -> list[bytes]:
    """Cut the content of one constructed element into its elements, each with its header."""
    _, position, end = cut(data)
    found = []
    while position < end:
        _, _, stop = cut(data, position)
        found.append(data[position:stop])
        position = stop
    return found
