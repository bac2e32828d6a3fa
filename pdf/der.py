"""A small reader for BER and DER (ITU-T X.690), made for signatures in PDF files.

Signatures in the wild are BER more often than the standards allow (indefinite lengths, split
octet strings), and building full object trees for each costs more than all the mathematics. This
reader gives nodes that point into the buffer; what they mean is decided in `signed_data`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pdf.errors import DamagedPdf

SEQUENCE, SET, OCTET_STRING, INTEGER, OBJECT_ID, NULL = 0x30, 0x31, 0x04, 0x02, 0x06, 0x05
BIT_STRING, BOOLEAN, UTC_TIME, GENERALIZED_TIME = 0x03, 0x01, 0x17, 0x18
_CONSTRUCTED = 0x20
_MAX_DEPTH = 40
_MAX_NODES = 200_000
_INDEFINITE = 0x80


class BadDer(DamagedPdf):
    """The bytes are not the ASN.1 structure that should stand here."""

    code = "asn1_malformed"


class Node(NamedTuple):
    """One element: its first tag byte, and offsets of element and content in the buffer."""

    data: bytes
    tag: int
    start: int
    content: int
    content_end: int
    end: int

    @property
    def raw(self) -> bytes:
        """The whole element."""
        return self.data[self.start : self.end]

    @property
    def value(self) -> bytes:
        """The content bytes."""
        return self.data[self.content : self.content_end]

    def children(self) -> list["Node"]:
        """Give the elements inside a constructed element."""
        if not self.tag & _CONSTRUCTED:
            raise BadDer("a simple element stands where a structure should")
        return list(_siblings(self.data, self.content, self.content_end))

    def expect(self, tag: int, what: str) -> "Node":
        """Return the node if it has this tag, else raise."""
        if self.tag != tag:
            raise BadDer(f"{what} is missing or of another type")
        return self


def parse(data: bytes) -> Node:
    """Read the element at the beginning of `data`; what follows it is left alone."""
    return _read(data, 0, len(data), 0)


def _siblings(data: bytes, position: int, end: int) -> Iterator[Node]:
    count = 0
    while position < end:
        node = _read(data, position, end, 0)
        yield node
        position = node.end
        count += 1
        if count > _MAX_NODES:
            raise BadDer("a structure has too many elements")


def _read(data: bytes, position: int, end: int, depth: int) -> Node:
    if position + 2 > end:
        raise BadDer("a structure stops early")
    tag = data[position]
    cursor = position + 1
    if tag & 0x1F == 0x1F:  # noqa: PLR2004 (high tag number form, X.690 8.1.2.4)
        while cursor < end and data[cursor] & 0x80:
            cursor += 1
        cursor += 1
    if cursor >= end:
        raise BadDer("a structure stops early")
    first = data[cursor]
    cursor += 1
    if first < _INDEFINITE:
        length = first
    elif first == _INDEFINITE:
        return _indefinite(data, (position, cursor), end, depth)
    else:
        count = first & 0x7F
        if count > 6 or cursor + count > end:  # noqa: PLR2004 (more than 2**48 bytes)
            raise BadDer("a length is out of range")
        length = int.from_bytes(data[cursor : cursor + count])
        cursor += count
    stop = cursor + length
    if stop > end:
        raise BadDer("an element is longer than its container")
    return Node(data, tag, position, cursor, stop, stop)


def _indefinite(data: bytes, begin: tuple[int, int], end: int, depth: int) -> Node:
    start, cursor = begin
    if depth > _MAX_DEPTH or not data[start] & _CONSTRUCTED:
        raise BadDer("an indefinite length stands where it may not")
    content = cursor
    while data[cursor : cursor + 2] != b"\x00\x00":
        cursor = _read(data, cursor, end, depth + 1).end
    return Node(data, data[start], start, content, cursor, cursor + 2)


def octets(node: Node, depth: int = 0) -> bytes:
    """Give the bytes of an OCTET STRING (or implicitly tagged one), split ones joined."""
    if not node.tag & _CONSTRUCTED:
        return node.value
    if depth > _MAX_DEPTH:
        raise BadDer("an octet string is nested too deeply")
    return b"".join(octets(child, depth + 1) for child in node.children())


def integer(node: Node) -> int:
    """Give the value of an INTEGER."""
    return int.from_bytes(node.expect(INTEGER, "a number").value, signed=True)


_OID_CACHE: dict[bytes, str] = {}
_OID_CACHE_SIZE = 2000


def oid(node: Node) -> str:
    """Give the dotted form of an OBJECT IDENTIFIER."""
    raw = node.expect(OBJECT_ID, "an object identifier").value
    known = _OID_CACHE.get(raw)
    if known is not None:
        return known
    if not raw or len(raw) > 64 or raw[-1] & 0x80:  # noqa: PLR2004 (no registered OID is longer)
        raise BadDer("an object identifier is broken")
    arcs: list[int] = []
    number = 0
    for byte in raw:
        number = (number << 7) | (byte & 0x7F)
        if not byte & 0x80:
            arcs.append(number)
            number = 0
    head = min(2, arcs[0] // 40)
    dotted = ".".join(map(str, (head, arcs[0] - 40 * head, *arcs[1:])))
    if len(_OID_CACHE) < _OID_CACHE_SIZE:
        _OID_CACHE[raw] = dotted
    return dotted


def moment(node: Node) -> datetime:
    """Give the value of a UTCTime or GeneralizedTime (RFC 5280 4.1.2.5, fractions allowed)."""
    try:
        text = node.value.decode("ascii").strip()
        if node.tag == UTC_TIME:
            century = "19" if int(text[:2]) >= 50 else "20"  # noqa: PLR2004 (RFC 5280 4.1.2.5.1)
            text = century + text
        elif node.tag != GENERALIZED_TIME:
            raise BadDer("a time is of another type")
        digits = len(text) - len(text.lstrip("0123456789"))
        base = datetime.strptime(text[:digits].ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return base + _fraction(text[digits:]) - _zone(text[digits:])
    except (ValueError, UnicodeDecodeError, OverflowError) as problem:
        raise BadDer("a time is broken") from problem


def _fraction(rest: str) -> timedelta:
    if rest[:1] not in {".", ","}:
        return timedelta()
    number = rest[1:].rstrip("Z").partition("+")[0].partition("-")[0]
    return timedelta(microseconds=int(number[:6].ljust(6, "0")))


def _zone(rest: str) -> timedelta:
    for sign in "+-":
        before, found, zone = rest.partition(sign)
        del before
        if found:
            size = timedelta(hours=int(zone[:2]), minutes=int(zone[2:4] or "0"))
            return size if sign == "+" else -size
    return timedelta()


def header(tag: int, length: int) -> bytes:
    """Tag and DER length."""
    if length < _INDEFINITE:
        return bytes((tag, length))
    size = (length.bit_length() + 7) // 8
    return bytes((tag, _INDEFINITE | size)) + length.to_bytes(size)


def as_set(node: Node) -> bytes:
    """Give the element re-tagged as a SET with definite length, members in the order they stand."""
    return header(SET, len(node.value)) + node.value


def as_sorted_set(node: Node) -> bytes:
    """Give the element re-tagged as a SET with its members in DER order (X.690 11.6)."""
    members = sorted(child.raw for child in node.children())
    content = b"".join(members)
    return header(SET, len(content)) + content
