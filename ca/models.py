"""The tables of the registry; only this room writes them.

A certificate row is created before anything is signed (status ISSUING) and every later status is
also a row of `certificate_status_changes`, from which totals are computed as of any date.
"""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ca.models_issuers import KnownIssuer
from ca.revocation_reasons import RevocationReason
from db.base import Base, UtcDateTime, uuid7


class SubscriberKind(StrEnum):
    """Who a certificate can be issued to."""

    PERSON = "person"
    ORGANIZATION = "organization"


class CertificateKind(StrEnum):
    """The three kinds a province reports on."""

    PERSONAL = "personal"
    ORGANIZATIONAL = "organizational"
    SIM = "sim"


class CertificateStatus(StrEnum):
    """Stored life-cycle status; "expired" is a matter of the clock and is never stored."""

    ISSUING = "issuing"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    ABANDONED = "abandoned"


class RequestKind(StrEnum):
    """What a subscriber's agency asks for."""

    NEW = "new"
    RENEW = "renew"
    CHANGE = "change"
    REVOKE = "revoke"
    UNLOCK = "unlock"


class RequestState(StrEnum):
    """Where a request stands."""

    DRAFT = "draft"
    AGENCY_CONFIRMED = "agency_confirmed"
    RECEIVED = "received"
    APPROVED = "approved"
    RETURNED = "returned"
    REJECTED = "rejected"
    KEY_GENERATED = "key_generated"
    ISSUED = "issued"
    DELIVERED = "delivered"
    ACTIVE = "active"


class AuthorityRole(StrEnum):
    """What an authority's key may sign."""

    ROOT = "root"
    ISSUING = "issuing"
    OCSP = "ocsp"
    TSA = "tsa"


class DeviceKind(StrEnum):
    """Where a subscriber's private key lives."""

    USB_TOKEN = "usb_token"  # noqa: S105 -- a kind of device, not a password
    SIM = "sim"
    HSM = "hsm"


class DeviceState(StrEnum):
    """What has become of a device."""

    IN_STOCK = "in_stock"
    HANDED_OVER = "handed_over"
    PIN_LOCKED = "pin_locked"
    LOST = "lost"
    BROKEN = "broken"
    RETURNED = "returned"
    DESTROYED = "destroyed"


class Organization(Base):
    """A unit of the administrative tree; levels are data because provinces are reorganised."""

    __tablename__ = "organizations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    parent_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organizations.id"), index=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    search_name: Mapped[str] = mapped_column(index=True)
    level: Mapped[str]
    identifier: Mapped[str | None]
    """Tax or registration number, for organizationIdentifier (ETSI EN 319 412-1 5.1.4)."""
    active_from: Mapped[datetime] = mapped_column(UtcDateTime)
    active_to: Mapped[datetime | None] = mapped_column(UtcDateTime)

    parent: Mapped["Organization | None"] = relationship(
        remote_side="Organization.id", lazy="raise"
    )


class Subscriber(Base):
    """A person with a post in an organisation, or the organisation itself as a legal person."""

    __tablename__ = "subscribers"
    __table_args__ = (Index(None, "search_name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[SubscriberKind]
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    full_name: Mapped[str]
    search_name: Mapped[str]
    given_name: Mapped[str | None]
    surname: Mapped[str | None]
    national_id: Mapped[str | None] = mapped_column(unique=True)
    email: Mapped[str | None]
    post: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    organization: Mapped[Organization] = relationship(lazy="raise")


class Device(Base):
    """A USB token, a SIM or an HSM slot, and who holds it."""

    __tablename__ = "devices"
    __table_args__ = (
        CheckConstraint(
            "kind <> 'sim' OR (msisdn IS NOT NULL AND iccid IS NOT NULL)", "sim_numbers"
        ),
        CheckConstraint(
            "(state IN ('handed_over', 'pin_locked')) <= (subscriber_id IS NOT NULL)", "holder"
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[DeviceKind]
    serial_number: Mapped[str] = mapped_column(unique=True)
    state: Mapped[DeviceState]
    subscriber_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("subscribers.id"), index=True
    )
    msisdn: Mapped[str | None]
    iccid: Mapped[str | None] = mapped_column(unique=True)
    operator: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Authority(Base):
    """A key of ours that signs certificates, CRLs, OCSP answers or time-stamps."""

    __tablename__ = "authorities"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    slug: Mapped[str] = mapped_column(unique=True)
    role: Mapped[AuthorityRole]
    issuer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("authorities.id"))
    common_name: Mapped[str]
    key_uri: Mapped[str]
    public_url: Mapped[str]
    """Base of the AIA, CRL and OCSP addresses in certificates it issues; no slash at the end."""
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    not_after: Mapped[datetime] = mapped_column(UtcDateTime)
    crl_number: Mapped[int] = mapped_column(BigInteger, default=0)
    crl_shards: Mapped[int] = mapped_column(SmallInteger, default=0)
    """Partitions of the CRL that new certificates point to; 0: they point to the complete one."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revocation_reason: Mapped[RevocationReason | None]
    crl_entry: Mapped[bytes | None] = mapped_column(LargeBinary)
    """DER of the element for its issuer's CRL, once its certificate is revoked."""


class Certificate(Base):
    """One certificate, from the intent to issue it to the end of its life."""

    __tablename__ = "certificates"
    __table_args__ = (
        UniqueConstraint("serial_number", "authority_id"),
        UniqueConstraint("serial_number", "known_issuer_id"),
        CheckConstraint("(authority_id IS NULL) <> (known_issuer_id IS NULL)", "one_issuer"),
        CheckConstraint("authority_id IS NULL OR spki_sha256 IS NOT NULL", "key_of_ours"),
        CheckConstraint(
            "authority_id IS NULL OR status IN ('issuing', 'abandoned') OR der IS NOT NULL",
            "der_when_signed",
        ),
        CheckConstraint("status <> 'issuing' OR tbs IS NOT NULL", "tbs_of_intent"),
        CheckConstraint("(status = 'revoked') = (revoked_at IS NOT NULL)", "revoked_at"),
        CheckConstraint("(status = 'suspended') = (suspended_at IS NOT NULL)", "suspended_at"),
        Index(
            "certificates_request_id_once",
            "request_id",
            unique=True,
            postgresql_where=text("status <> 'abandoned'"),
        ),
        Index(None, "status", "organization_id", "kind"),
        Index(None, "organization_id", "not_after"),
        Index(
            "certificates_of_a_name_idx",
            "search_name",
            "id",
            postgresql_include=["status", "kind", "organization_id", "not_after"],
        ),
        Index(
            "certificates_crl_entries_idx",
            "authority_id",
            "crl_shard",
            postgresql_include=["crl_entry"],
            postgresql_where=text("crl_entry IS NOT NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    authority_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("authorities.id"))
    """Which of our authorities issued it; None where `known_issuer_id` says who did."""
    known_issuer_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(KnownIssuer.id), index=True
    )
    serial_number: Mapped[str]
    """Lower-case hexadecimal; 40 digits (20 octets) when ours, an even number otherwise."""
    kind: Mapped[CertificateKind]
    status: Mapped[CertificateStatus]
    profile: Mapped[str]
    subscriber_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("subscribers.id"), index=True)
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"))
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("devices.id"), index=True)
    predecessor_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("certificates.id"))
    request_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("certificate_requests.id"))
    subject: Mapped[str]
    common_name: Mapped[str]
    search_name: Mapped[str]
    spki_sha256: Mapped[str | None] = mapped_column(index=True)
    """None when the certificate itself was never seen, only a list that names it."""
    sha256_fingerprint: Mapped[str | None] = mapped_column(unique=True)
    key_uri: Mapped[str | None]
    """Where the server can open the private key; None when only the holder can."""
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    not_after: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    tbs: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What an open intent is about to have signed (DER TBSCertificate); None once signed."""
    der: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    suspended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revocation_reason: Mapped[RevocationReason | None]
    invalidity_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    crl_entry: Mapped[bytes | None] = mapped_column(LargeBinary)
    """DER of the revokedCertificates element (RFC 5280 5.1), ready to be joined into a CRL."""
    crl_shard: Mapped[int | None] = mapped_column(SmallInteger)
    """Partition that its distribution point names; None: the complete CRL."""


certificate_names = Table(
    "certificate_names",
    Base.metadata,
    Column("name", String, nullable=False, index=True),
    Index(
        "certificate_names_words_idx", text("to_tsvector('simple', name)"), postgresql_using="gin"
    ),
)
"""The folded common names that certificates have, noted by a trigger; a few of them twice."""


class CertificateStatusChange(Base):
    """History of a certificate's status; reports as of a date read it."""

    __tablename__ = "certificate_status_changes"
    __table_args__ = (
        Index(
            "certificate_status_changes_as_of_idx",
            "certificate_id",
            "at",
            "id",
            postgresql_include=["status"],
        ),
        Index(
            "certificate_status_changes_paused_idx",
            "at",
            "certificate_id",
            postgresql_where=text("status = 'suspended'"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    certificate_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("certificates.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When we learned of it, where that was later than `at`: another issuer's decision."""
    status: Mapped[CertificateStatus]
    reason: Mapped[RevocationReason | None]
    actor: Mapped[str]


class CertificateRequest(Base):
    """A request and what was decided on it, by whom."""

    __tablename__ = "certificate_requests"
    __table_args__ = (
        CheckConstraint("decided_by IS NULL OR decided_by <> requested_by", "four_eyes"),
        CheckConstraint(
            "state IN ('draft', 'agency_confirmed', 'received') OR decided_by IS NOT NULL",
            "decided",
        ),
        CheckConstraint("csr IS NULL OR key_algorithm IS NULL", "one_key_source"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[RequestKind]
    state: Mapped[RequestState] = mapped_column(index=True)
    subscriber_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("subscribers.id"), index=True)
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("devices.id"))
    certificate_id: Mapped[uuid.UUID | None]
    """The certificate that a renewal, change or revocation is about."""
    certificate_kind: Mapped[CertificateKind]
    profile: Mapped[str]
    csr: Mapped[bytes | None] = mapped_column(LargeBinary)
    key_algorithm: Mapped[str | None]
    """Asked for when the server is to make the key on its token; None with a CSR."""
    reason: Mapped[str | None]
    document_reference: Mapped[str | None]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decision_note: Mapped[str | None]


class PublicKey(Base):
    """A public key that was certified or blocked: one owner each, and a block is for ever."""

    __tablename__ = "public_keys"
    __table_args__ = (
        CheckConstraint("(blocked_at IS NULL) = (blocked_reason IS NULL)", "blocked"),
    )

    spki_sha256: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the DER SubjectPublicKeyInfo, lower-case hexadecimal."""
    subscriber_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("subscribers.id"))
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    blocked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    blocked_reason: Mapped[str | None]
