"""Names: what may stand in a certificate's subject, and how a name is found again.

A subject is built from the registry's own data, never from what a certification request says.
Searching folds case, diacritics and punctuation, so that "nguyen thi duc" finds "Nguyễn Thị Đức".
"""

import unicodedata
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca import distinguished_names
from ca.distinguished_names import DistinguishedName
from ca.errors import SubjectInvalid

COUNTRY = "VN"

MAX_COMMON_NAME = 64
"""ub-common-name of RFC 5280 appendix A, in characters; ETSI allows more, many programs do not."""

MAX_ORGANIZATION = 200
"""Agency names exceed the 64 characters of RFC 5280; EN 319 412-2 4.2.4 allows longer ones."""

MAX_PERSON_PART = 64
"""Given name, surname and title; X.520 allows 64."""

MAX_SERIAL_NUMBER = 64
"""ub-serial-number of RFC 5280 appendix A."""

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional overrides, zero-width), surrogate, private and unassigned."""


@dataclass(frozen=True)
class Subject:
    """The attributes of a subject that our profiles use; None or empty means absent."""

    common_name: str
    country: str = COUNTRY
    given_name: str | None = None
    surname: str | None = None
    serial_number: str | None = None
    organization: str | None = None
    organizational_units: tuple[str, ...] = field(default=())
    organization_identifier: str | None = None
    title: str | None = None

    def present(self) -> frozenset[str]:
        """Return the names of the attributes that are there."""
        return frozenset(name for name, value in vars(self).items() if value)


class _Folded(dict[int, str | None]):
    """What becomes of each character of a decomposed text; found out once for each."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        if unicodedata.category(character) == "Mn":
            folded = None
        else:
            folded = character if character.isalnum() else " "
        self[code] = folded
        return folded


_FOLDED = _Folded()


def fold(text: str) -> str:
    """Return `text` as a search key: lower case, no diacritics (đ -> d), words by one space.

    The eth (Ð, ð) folds like đ: old documents write one for the other, and they look alike.
    """
    plain = text.casefold().replace("đ", "d").replace("ð", "d")
    return " ".join(unicodedata.normalize("NFD", plain).translate(_FOLDED).split())


def clean(text: str, *, attribute: str, maximum: int) -> str:
    """Return `text` in NFC with single spaces, or raise SubjectInvalid naming `attribute`.

    Invisible, direction-changing, private and unassigned characters are refused, because two
    readers could see two different names. `maximum` counts characters.
    """
    composed = unicodedata.normalize("NFC", text).strip(" ")
    if not composed.isprintable():  # all that is forbidden, and spaces of other kinds
        for character in composed:
            if unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
                raise SubjectInvalid(
                    attribute, f"contains U+{ord(character):04X}", reason="characters"
                )
    composed = " ".join(composed.split())
    if not composed:
        raise SubjectInvalid(attribute, "is empty", reason="empty")
    if len(composed) > maximum:
        raise SubjectInvalid(attribute, f"is longer than {maximum} characters", reason="too_long")
    return composed


def storable(text: str) -> bool:
    """Whether the database can hold a text: no NUL in it, and no half of a surrogate pair."""
    return not any(c == "\x00" or unicodedata.category(c) == "Cs" for c in text)


def build(subject: Subject) -> DistinguishedName:
    """Encode the distinguished name, from the country inwards (EN 319 412-2 4.2.4, 412-3 4.2.1).

    Everything is UTF8String but country and serialNumber (PrintableString, RFC 5280 appendix A).
    """
    pairs = [(NameOID.COUNTRY_NAME, subject.country)]
    pairs += _optional(NameOID.ORGANIZATION_NAME, subject.organization, MAX_ORGANIZATION)
    for unit in subject.organizational_units:
        pairs += _optional(NameOID.ORGANIZATIONAL_UNIT_NAME, unit, MAX_ORGANIZATION)
    pairs += _optional(
        NameOID.ORGANIZATION_IDENTIFIER, subject.organization_identifier, MAX_ORGANIZATION
    )
    pairs += _optional(NameOID.TITLE, subject.title, MAX_PERSON_PART)
    pairs += _optional(NameOID.SURNAME, subject.surname, MAX_PERSON_PART)
    pairs += _optional(NameOID.GIVEN_NAME, subject.given_name, MAX_PERSON_PART)
    pairs += _optional(NameOID.SERIAL_NUMBER, subject.serial_number, MAX_SERIAL_NUMBER)
    pairs += _optional(NameOID.COMMON_NAME, subject.common_name, MAX_COMMON_NAME)
    return distinguished_names.write(pairs)


def written(name: DistinguishedName) -> str:
    """Return a distinguished name as text (RFC 4514), every attribute by a name people know."""
    return name.rfc4514(_KEYWORDS)


def common_name(name: DistinguishedName) -> str:
    """Return the common name of a distinguished name, or "" where it has none."""
    return next(reversed(name.texts(NameOID.COMMON_NAME)), "")


def _optional(
    oid: x509.ObjectIdentifier, value: str | None, maximum: int
) -> list[tuple[x509.ObjectIdentifier, str]]:
    if value is None:
        return []
    return [(oid, clean(value, attribute=_ATTRIBUTE_NAMES[oid], maximum=maximum))]


_ATTRIBUTE_NAMES = {
    NameOID.ORGANIZATION_NAME: "organization",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "organizational_units",
    NameOID.ORGANIZATION_IDENTIFIER: "organization_identifier",
    NameOID.TITLE: "title",
    NameOID.SURNAME: "surname",
    NameOID.GIVEN_NAME: "given_name",
    NameOID.SERIAL_NUMBER: "serial_number",
    NameOID.COMMON_NAME: "common_name",
}

_KEYWORDS = {
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.TITLE: "title",
    NameOID.SURNAME: "surname",
    NameOID.GIVEN_NAME: "givenName",
    NameOID.ORGANIZATION_IDENTIFIER: "organizationIdentifier",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.PSEUDONYM: "pseudonym",
    NameOID.POSTAL_CODE: "postalCode",
    NameOID.BUSINESS_CATEGORY: "businessCategory",
    NameOID.DN_QUALIFIER: "dnQualifier",
    NameOID.GENERATION_QUALIFIER: "generationQualifier",
    NameOID.UNSTRUCTURED_NAME: "unstructuredName",
}
"""Beside the short names that RFC 4514 itself gives (CN, O, OU, L, ST, C, STREET, DC, UID)."""
