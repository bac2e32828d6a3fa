"""A CRL without its entries: what a large one says of itself, read without reading all of it.

Cut out of the bytes as they came. With one entry put back between the two halves it is a CRL again
that any parser reads in microseconds, whatever the size of the list; nobody checks its signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509

from ca import der

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMES: Final = frozenset({der.UTC_TIME, der.GENERALIZED_TIME})
_EXTENSIONS: Final = 0xA0


@dataclass(frozen=True, slots=True)
class CrlFrame:
    """What stands around the entries; `start` and `end` are where they are in the list's bytes."""

    before: bytes
    after: bytes
    signed: bytes
    """Algorithm and signature."""
    start: int
    end: int

    def holding(self, entries: bytes) -> x509.CertificateRevocationList:
        """Read the list as if it had only these entries (DER, joined); ValueError as parsers do."""
        listed = der.tlv(der.SEQUENCE, entries) if entries else b""
        content = der.sequence(self.before, listed, self.after)
        return x509.load_der_x509_crl(der.sequence(content, self.signed))


def frame_of(data: bytes, parts: Sequence[der.Element]) -> CrlFrame:
    """Cut a list whose `der.signed_parts` these are; DerError where TBSCertList is not read so.

    TBSCertList is version OPTIONAL, signature, issuer, thisUpdate, nextUpdate OPTIONAL,
    revokedCertificates OPTIONAL, crlExtensions OPTIONAL (RFC 5280 5.1).
    """
    content = parts[0].content
    base = len(data) - sum(len(part.encoded) for part in parts[1:]) - len(content)
    element, offset = der.read(content)
    if element.tag == der.INTEGER:
        element, offset = der.read(content, offset)
    _, offset = der.read(content, offset)
    element, offset = der.read(content, offset)
    if element.tag not in _TIMES:
        raise der.DerError("no thisUpdate")
    start = end = first = offset
    if offset < len(content) and content[offset] in _TIMES:
        element, offset = der.read(content, offset)
        start = end = first = offset
    if offset < len(content) and content[offset] == der.SEQUENCE:
        element, end = der.read(content, offset)
        first = end - len(element.content)
    if end < len(content):
        element, last = der.read(content, end)
        if element.tag != _EXTENSIONS or last != len(content):
            raise der.DerError("something else after the entries")
    signed = b"".join(part.encoded for part in parts[1:])
    return CrlFrame(content[:start], content[end:], signed, base + first, base + end)
