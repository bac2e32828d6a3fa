"""Signatures that stand in a document already: where they are seen, and whether a person made them.

A new stamp covers none of them, with one exception that its rule asks for: the seal of an agency
covers part of the signature of the person who signed before. Which of several signatures is a
person's is told by the subject of its certificate.
"""

import unicodedata
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import NameOID

from pdf import distinguished_names, signed_data
from pdf.certificates import read_certificate
from pdf.der import BadDer
from pdf.limits import DEFAULT_LIMITS
from pdf.objects import Ref
from pdf.page_geometry import Box

_PERSONAL = (NameOID.GIVEN_NAME, NameOID.SURNAME, NameOID.TITLE, NameOID.PSEUDONYM)


@dataclass(frozen=True)
class Earlier:
    """One signature field that is signed: page, stored rectangle, container, end of its bytes."""

    page: Ref | None
    box: Box
    contents: bytes = field(repr=False)
    end: int = 0

    @property
    def visible(self) -> bool:
        """Whether it takes up room on its page."""
        return self.page is not None and self.box[0] != self.box[2] and self.box[1] != self.box[3]

    @property
    def certificate(self) -> bytes | None:
        """The signer's certificate in DER as far as the container can be read; never raises."""
        return signer_certificate(self.contents)


def signer_certificate(contents: bytes) -> bytes | None:
    """Find the signer's certificate in a CMS container; None for time-stamps and rubble."""
    try:
        data = signed_data.parse_signed_data(contents, limits=DEFAULT_LIMITS)
        if data.content_type == signed_data.TST_INFO or not data.signers:
            return None
        named = data.signers[0].serial_number
        for der in data.certificates:
            if x509.load_der_x509_certificate(der).serial_number == named:
                return der
    except (BadDer, ValueError, IndexError, TypeError):
        return None
    return None


def is_personal(certificate: bytes) -> bool:
    """Tell a person's certificate from an organisation's by its subject.

    EN 319 412-2 and -3: a natural person has given name or surname, a legal person an
    organizationIdentifier. Older certificates have neither; there an organisation's common name
    repeats its organisation or one of its units.
    """
    try:
        subject = read_certificate(certificate).subject
    except (BadDer, ValueError, IndexError):
        return False
    if _said(subject, *_PERSONAL):
        return True
    if _said(subject, NameOID.ORGANIZATION_IDENTIFIER):
        return False
    units = _said(subject, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
    names = _said(subject, NameOID.COMMON_NAME)
    return bool(names) and names.isdisjoint(units)


def last_personal(earlier: list[Earlier]) -> Earlier | None:
    """Give the visible signature that a person made last; None when there is none."""
    for each in sorted(earlier, key=lambda one: one.end, reverse=True):
        certificate = each.certificate if each.visible else None
        if certificate is not None and is_personal(certificate):
            return each
    return None


def _said(subject: bytes, *kinds: x509.ObjectIdentifier) -> set[str]:
    """Collect what a name says under these types of attribute, folded."""
    return {
        _folded(text)
        for kind in kinds
        for text in distinguished_names.texts(subject, kind.dotted_string)
    }


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
