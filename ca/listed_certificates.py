"""A certificate of another issuer as an import names it: by a row of a table, or by its own bytes.

What can be said without the registry is said here; `ca.import_resolution` then finds the
organisation, the person and the issuer.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from ca import import_values as values
from ca import names
from ca.certificate_fields import issuer_of, subject_of
from ca.import_problems import RowProblem, RowRefused
from ca.models import CertificateKind, CertificateStatus
from ca.parsed_certificates import UNREADABLE, ParsedCertificate, parse
from ca.revocation_reasons import RevocationReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from ca.distinguished_names import DistinguishedName

MAX_URLS = 4
"""Of each kind, taken from one certificate."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the list says has become of a certificate; `at` is None where it does not say when."""

    status: CertificateStatus = CertificateStatus.ACTIVE
    at: datetime | None = None
    reason: RevocationReason | None = None
    expired: bool = False
    said: bool = False
    """Whether the list says it at all; a certificate by itself says nothing."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds it, in the words of the list."""

    full_name: str
    kind: CertificateKind | None = None
    organization_code: str | None = None
    organization_names: tuple[str, ...] = ()
    national_id: str | None = None
    email: str | None = None
    post: str | None = None


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """The device that the list puts beside it."""

    serial_number: str | None
    msisdn: str | None = None
    iccid: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What only the certificate's own bytes tell."""

    der: bytes
    sha256_fingerprint: str
    spki_sha256: str
    issuer_name: str
    crl_urls: tuple[str, ...]
    ocsp_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """Everything an import says about one certificate."""

    serial_number: int
    subject: str
    holder: Holder
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    standing: Standing = field(default_factory=Standing)
    issuer_names: tuple[str, ...] = ()
    device: ListedDevice | None = None
    seen: Seen | None = None


def from_row(cells: Mapping[str, str] | None, der: bytes | None) -> ListedCertificate | None:
    """Read a row of a file; None for the certificate of a CA, which is learnt, not registered."""
    if der is None:
        return from_cells(cells or {})
    try:
        return from_der(der)
    except RowRefused as refusal:
        if refusal.problems[0].code == "certificate_is_ca":
            return None
        raise


def from_cells(cells: Mapping[str, str]) -> ListedCertificate:
    """Read a row of a table; RowRefused with everything that is wrong with it."""
    if "certificate" in cells:
        return _with_cells(from_der(_pem_cell(cells["certificate"])), cells)
    row = _Row(cells)
    serial_number = row.needed("serial_number", values.serial)
    full_name = row.needed("full_name", lambda cell: values.text(cell, "full_name"))
    issued_at = row.optional("issued_at", lambda cell: values.moment(cell, "issued_at"))
    not_before = row.optional("not_before", lambda cell: values.moment(cell, "not_before"))
    begin = not_before or issued_at
    if begin is None and not row.problems:
        row.problems.append(RowProblem("missing_value", "not_before"))
    end = row.needed("not_after", lambda cell: values.moment(cell, "not_after", end_of_day=True))
    if begin is not None and end is not None and end <= begin:
        row.problems.append(RowProblem("dates_reversed", "not_after", cells["not_after"]))
    holder = row.holder(full_name or "")
    standing = row.standing(begin, end)
    device = row.device()
    if row.problems or serial_number is None or begin is None or end is None:
        raise RowRefused(*row.problems)
    return ListedCertificate(
        serial_number=serial_number,
        subject=f"CN={holder.full_name}",
        holder=holder,
        not_before=begin,
        not_after=end,
        issued_at=issued_at or begin,
        standing=standing,
        issuer_names=_present(cells.get("issuer")),
        device=device,
    )


def from_der(der: bytes) -> ListedCertificate:
    """Read a certificate's own bytes; RowRefused when they are none, or those of a CA."""
    try:
        parsed = parse(der)
        subject, issuer = subject_of(parsed.certificate), issuer_of(parsed.certificate)
    except UNREADABLE as e:
        raise values.refused("certificate_unreadable", "certificate") from e
    if not (subject.legible and issuer.legible):
        raise values.refused("certificate_unreadable", "certificate")
    constraints = parsed.extension(x509.BasicConstraints)
    if parsed.self_issued or (constraints is not None and constraints.ca):
        raise values.refused("certificate_is_ca", "certificate")
    certificate = parsed.certificate
    common_name = _first(subject, NameOID.COMMON_NAME)
    organizations = [
        *_words(subject, NameOID.ORGANIZATIONAL_UNIT_NAME),
        *_words(subject, NameOID.ORGANIZATION_NAME),
    ]
    begin = certificate.not_valid_before_utc
    return ListedCertificate(
        serial_number=max(parsed.serial_number, 0),
        subject=names.written(subject),
        holder=Holder(
            full_name=common_name or (organizations[0] if organizations else ""),
            kind=_kind_of(common_name, organizations),
            organization_names=tuple(organizations),
            national_id=_national_id(_first(subject, NameOID.USER_ID)),
            post=_first(subject, NameOID.TITLE) or None,
        ),
        not_before=begin,
        not_after=certificate.not_valid_after_utc,
        issued_at=begin,
        issuer_names=_present(issuer.rfc4514(), _first(issuer, NameOID.COMMON_NAME)),
        seen=_seen(parsed, issuer),
    )


def _with_cells(listed: ListedCertificate, cells: Mapping[str, str]) -> ListedCertificate:
    """Let the table add what a certificate cannot know: who, where, and what became of it."""
    row = _Row(cells)
    own = listed.holder
    said = row.holder(cells.get("full_name", own.full_name))
    standing = row.standing(listed.not_before, listed.not_after)
    device = row.device()
    if row.problems:
        raise RowRefused(*row.problems)
    holder = Holder(
        full_name=said.full_name,
        kind=said.kind or own.kind,
        organization_code=said.organization_code,
        organization_names=said.organization_names or own.organization_names,
        national_id=said.national_id or own.national_id,
        email=said.email,
        post=said.post or own.post,
    )
    return ListedCertificate(
        serial_number=listed.serial_number,
        subject=listed.subject,
        holder=holder,
        not_before=listed.not_before,
        not_after=listed.not_after,
        issued_at=listed.issued_at,
        standing=standing,
        issuer_names=listed.issuer_names,
        device=device,
        seen=listed.seen,
    )


class _Row:
    """Reads cells and collects what is wrong, so that a clerk sees all of it at once."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self.cells = cells
        self.problems: list[RowProblem] = []

    def needed(self, column: str, read: Callable[[str], T]) -> T | None:
        if column not in self.cells:
            self.problems.append(RowProblem("missing_value", column))
            return None
        return self.optional(column, read)

    def optional(self, column: str, read: Callable[[str], T]) -> T | None:
        if column not in self.cells:
            return None
        try:
            return read(self.cells[column])
        except RowRefused as refusal:
            self.problems += refusal.problems
            return None

    def word(self, column: str) -> str | None:
        return self.optional(column, lambda cell: values.text(cell, column))

    def holder(self, full_name: str) -> Holder:
        return Holder(
            full_name=full_name,
            kind=self.optional("kind", values.kind),
            organization_code=self.word("organization_code"),
            organization_names=_present(self.word("organization_name")),
            national_id=self.optional("national_id", values.national_id),
            email=self.word("email"),
            post=self.word("post"),
        )

    def device(self) -> ListedDevice | None:
        serial = self.word("device_serial")
        msisdn = self.optional("msisdn", values.phone)
        iccid = self.word("iccid")
        if serial is None and iccid is None:
            return None
        return ListedDevice(serial, msisdn, iccid, self.word("operator"))

    def standing(self, begin: datetime | None, end: datetime | None) -> Standing:
        word = self.optional("status", values.status) or CertificateStatus.ACTIVE.value
        at = self.optional("revoked_at", lambda cell: values.moment(cell, "revoked_at"))
        if word == values.EXPIRED:
            return Standing(expired=True, said=True)
        status = CertificateStatus(word)
        if status is CertificateStatus.ACTIVE:
            if at is None:
                return Standing(said="status" in self.cells)
            if "status" in self.cells:
                self.problems.append(
                    RowProblem("status_contradicts", "status", self.cells["status"])
                )
            status = CertificateStatus.REVOKED
        if at is not None and begin is not None and end is not None and not begin <= at <= end:
            self.problems.append(
                RowProblem("date_out_of_range", "revoked_at", self.cells["revoked_at"])
            )
        if status is CertificateStatus.SUSPENDED:
            return Standing(status, at, RevocationReason.CERTIFICATE_HOLD, said=True)
        reason = self.optional("revocation_reason", values.reason)
        return Standing(status, at, reason or RevocationReason.UNSPECIFIED, said=True)


def _words(name: DistinguishedName, kind: x509.ObjectIdentifier) -> tuple[str, ...]:
    """Return what a name says under a type of attribute, where it says anything."""
    return _present(*(text.strip() for text in name.texts(kind)))


def _first(name: DistinguishedName, kind: x509.ObjectIdentifier) -> str:
    return next(iter(_words(name, kind)), "")


def _present(*values: str | None) -> tuple[str, ...]:
    return tuple(value for value in values if value)


def _kind_of(common_name: str, organizations: list[str]) -> CertificateKind | None:
    """Take a certificate whose common name is that of its organisation for the organisation's."""
    if names.fold(common_name) in {names.fold(one) for one in organizations}:
        return CertificateKind.ORGANIZATIONAL
    return None


def _national_id(user_id: str) -> str | None:
    """Read `CMND:...` or `CCCD:...`, as public CAs write a person's number into the subject."""
    scheme, _, number = user_id.partition(":")
    if scheme.strip().upper() not in {"CMND", "CCCD"}:
        return None
    with contextlib.suppress(RowRefused):
        return values.national_id(number)
    return None


def _seen(parsed: ParsedCertificate, issuer: DistinguishedName) -> Seen:
    information = parsed.extension(x509.AuthorityInformationAccess) or ()
    points = parsed.extension(x509.CRLDistributionPoints) or ()
    locations = (
        access.access_location
        for access in information
        if access.access_method == AuthorityInformationAccessOID.OCSP
    )
    return Seen(
        der=parsed.der,
        sha256_fingerprint=parsed.fingerprint.hex(),
        spki_sha256=hashlib.sha256(parsed.key_bytes).hexdigest() if parsed.key_bytes else "",
        issuer_name=issuer.rfc4514(),
        crl_urls=_urls(name for point in points for name in point.full_name or ()),
        ocsp_urls=_urls(locations),
    )


def _urls(found: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    texts = (str(one.value) for one in found if isinstance(one, x509.UniformResourceIdentifier))
    known = (url for url in texts if url.startswith(("http://", "https://")))
    return tuple(url for url in known if names.storable(url))[:MAX_URLS]


def _pem_cell(cell: str) -> bytes:
    """Read PEM, or the base64 of DER alone."""
    try:
        if "-----" in cell:
            loaded = x509.load_pem_x509_certificate(cell.encode())
            return loaded.public_bytes(Encoding.DER)
        return base64.b64decode("".join(cell.split()), validate=True)
    except (ValueError, TypeError) as e:
        raise values.refused("certificate_unreadable", "certificate") from e
