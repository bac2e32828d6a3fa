"""Certificates and requests for them, as the registry's calls take and show them."""

import uuid
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import AwareDatetime, BaseModel, Field

from api.schemas.lists import Schema
from ca import profiles
from ca.models import (
    Certificate,
    CertificateKind,
    CertificateRequest,
    CertificateStatus,
    RequestKind,
    RequestState,
)
from ca.requests import RequestDetails
from ca.revocation_reasons import RevocationReason
from hsm.algorithms import KeyAlgorithm
from hsm.key_uri import KeyURI

MAX_CSR_CHARACTERS = 64 * 1024
MAX_TOGETHER = 1000
"""Requests in one call: some seconds of work, and an answer of about 3 MB."""


class RequestIn(Schema):
    """What is asked for: with `csr` the holder has the key, else a token makes one."""

    kind: RequestKind = RequestKind.NEW
    subscriber_id: uuid.UUID
    certificate_kind: CertificateKind = CertificateKind.PERSONAL
    profile: str | None = Field(default=None, description="Default: the newest of the kind")
    csr: str | None = Field(default=None, max_length=MAX_CSR_CHARACTERS, description="PKCS#10, PEM")
    key_algorithm: KeyAlgorithm | None = None
    device_id: uuid.UUID | None = None
    certificate_id: uuid.UUID | None = None
    reason: str | None = None
    document_reference: str | None = None
    draft: bool = Field(
        default=False, description="Wait for the agency to confirm it, before the deciders see it"
    )

    def details(self) -> RequestDetails:
        """Return it as the registry takes it."""
        return RequestDetails(
            kind=self.kind,
            subscriber_id=self.subscriber_id,
            profile=self.profile or profiles.for_kind(self.certificate_kind).identifier,
            csr=self.csr.encode() if self.csr is not None else None,
            key_algorithm=self.key_algorithm,
            device_id=self.device_id,
            certificate_id=self.certificate_id,
            reason=self.reason,
            document_reference=self.document_reference,
        )


class RenewIn(Schema):
    """What the successor of a certificate is asked for with; the rest is as it was."""

    csr: str | None = Field(default=None, max_length=MAX_CSR_CHARACTERS, description="PKCS#10, PEM")
    key_algorithm: KeyAlgorithm | None = None
    device_id: uuid.UUID | None = None
    reason: str | None = None
    document_reference: str | None = None

    def details(self, old: Certificate, *, first: CertificateRequest | None) -> RequestDetails:
        """Return it as the registry takes it; `first` is what the old one was issued for."""
        algorithm = self.key_algorithm
        if self.csr is None and algorithm is None and first and first.key_algorithm:
            algorithm = KeyAlgorithm(first.key_algorithm)
        return RequestDetails(
            kind=RequestKind.RENEW,
            subscriber_id=old.subscriber_id,
            profile=profiles.for_kind(old.kind).identifier,
            csr=self.csr.encode() if self.csr is not None else None,
            key_algorithm=algorithm,
            device_id=self.device_id or old.device_id,
            certificate_id=old.id,
            reason=self.reason,
            document_reference=self.document_reference,
        )


class DecisionIn(Schema):
    """A decision; to reject or to return needs a note."""

    note: str | None = None


class ApproveManyIn(Schema):
    """Requests to approve together."""

    request_ids: list[uuid.UUID] = Field(min_length=1, max_length=MAX_TOGETHER)
    note: str | None = None


class RequestOut(BaseModel):
    """A request and what was decided on it."""

    id: uuid.UUID
    kind: RequestKind
    state: RequestState
    subscriber_id: uuid.UUID
    organization_id: uuid.UUID
    certificate_kind: CertificateKind
    profile: str
    key_algorithm: str | None
    certificate_id: uuid.UUID | None = Field(
        description="What the request is about: the certificate that it names, or, where it names "
        "none, the one that was issued for it; null until then"
    )
    issued_certificate_id: uuid.UUID | None = Field(
        description="The certificate that was issued for it; null until then"
    )
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_note: str | None

    @classmethod
    def of(cls, row: CertificateRequest, *, issued: uuid.UUID | None = None) -> Self:
        """Show a row, and the certificate that was issued for it."""
        return cls(
            id=row.id,
            kind=row.kind,
            state=row.state,
            subscriber_id=row.subscriber_id,
            organization_id=row.organization_id,
            certificate_kind=row.certificate_kind,
            profile=row.profile,
            key_algorithm=row.key_algorithm,
            certificate_id=row.certificate_id or issued,
            issued_certificate_id=issued,
            requested_by=row.requested_by,
            requested_at=row.requested_at,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            decision_note=row.decision_note,
        )


class RevokeIn(Schema):
    """Why, and since when the key must not be trusted."""

    reason: RevocationReason = RevocationReason.UNSPECIFIED
    invalidity_at: AwareDatetime | None = None


class CertificateOut(BaseModel):
    """A certificate with its status now; `expired` is shown although it is never stored."""

    id: uuid.UUID
    serial_number: str
    kind: CertificateKind
    status: str
    profile: str
    subject: str
    common_name: str
    subscriber_id: uuid.UUID
    organization_id: uuid.UUID
    device_id: uuid.UUID | None
    request_id: uuid.UUID | None
    predecessor_id: uuid.UUID | None
    not_before: datetime
    not_after: datetime
    issued_at: datetime | None
    suspended_at: datetime | None
    revoked_at: datetime | None
    revocation_reason: RevocationReason | None
    invalidity_at: datetime | None
    sha256_fingerprint: str | None
    key_on_server: bool
    pem: str | None = None

    @classmethod
    def of(cls, row: Certificate, *, at: datetime, with_pem: bool = False) -> Self:
        """Show a row as of a time."""
        expired = row.not_after <= at and row.status in {
            CertificateStatus.ACTIVE,
            CertificateStatus.SUSPENDED,
        }
        return cls(
            id=row.id,
            serial_number=row.serial_number,
            kind=row.kind,
            status="expired" if expired else row.status.value,
            profile=row.profile,
            subject=row.subject,
            common_name=row.common_name,
            subscriber_id=row.subscriber_id,
            organization_id=row.organization_id,
            device_id=row.device_id,
            request_id=row.request_id,
            predecessor_id=row.predecessor_id,
            not_before=row.not_before,
            not_after=row.not_after,
            issued_at=row.issued_at,
            suspended_at=row.suspended_at,
            revoked_at=row.revoked_at,
            revocation_reason=row.revocation_reason,
            invalidity_at=row.invalidity_at,
            sha256_fingerprint=row.sha256_fingerprint,
            key_on_server=row.key_uri is not None and KeyURI.parse(row.key_uri).answers_now,
            pem=pem(row.der) if with_pem and row.der is not None else None,
        )


class ApprovedOut(BaseModel):
    """An approved request, with the certificate when it ends in one."""

    request: RequestOut
    certificate: CertificateOut | None = None


def pem(der: bytes) -> str:
    """Return a certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
