"""The verify walk: the file's verdict, and who its signers are in our registry.

What the signature is worth is decided in `pdf` with the path validation of `ca`; this adds the
registry's knowledge and, when asked, keeps the report.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from ca.models import Certificate, CertificateStatusChange, Organization, Subscriber
from db import audit
from pdf import verify as pdf_verify
from pdf.report import JSON, DocumentReport
from signing.models import Verification


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which file, judged for which moment.

    `at` is the moment that the verdict is for, `checked_at` the present.
    """

    file_name: str
    at: datetime
    checked_at: datetime
    password: str | None = field(default=None, repr=False)


def verify(
    source: BinaryIO,
    question: Question,
    *,
    validator: pdf_verify.CertificateValidator,
    sessions: sessionmaker[Session] | None = None,
) -> DocumentReport:
    """Judge every signature of a file; with `sessions` the registry says who the signers are.

    Never raises for what the file holds: that is in the report.
    """
    report = pdf_verify.verify(
        source,
        name=question.file_name,
        at=question.at,
        checked_at=question.checked_at,
        validator=validator,
        password=question.password,
    )
    if sessions is None:
        return report
    with sessions() as session:
        return with_signers(session, report)


def with_signers(session: Session, report: DocumentReport) -> DocumentReport:
    """Add to each signature what the registry knows of its certificate."""
    signers = {
        signature.index: signature.signer.sha256_fingerprint
        for signature in report.signatures
        if signature.signer is not None
    }
    query = (
        select(Certificate, Subscriber, Organization)
        .join(Subscriber, Subscriber.id == Certificate.subscriber_id)
        .join(Organization, Organization.id == Certificate.organization_id)
        .where(Certificate.sha256_fingerprint.in_(set(signers.values())))
    )
    known = {
        certificate.sha256_fingerprint: _entry(session, certificate, subscriber, organization)
        for certificate, subscriber, organization in session.execute(query)
    }
    return report.with_registry(
        {
            index: known[fingerprint]
            for index, fingerprint in signers.items()
            if fingerprint in known
        }
    )


def keep(session: Session, report: DocumentReport, *, actor: str) -> Verification:
    """Store a report beside an audit entry; the document itself is not kept."""
    kept = Verification(
        actor=actor,
        checked_at=report.checked_at,
        document_sha256=report.sha256,
        indication=report.indication,
        report=report.to_dict(),
    )
    session.add(kept)
    session.flush()
    audit.record(
        session,
        at=report.checked_at,
        actor=actor,
        action="verify.kept",
        object_type="verification",
        object_id=str(kept.id),
        after={"sha256": report.sha256, "indication": report.indication},
    )
    return kept


def _entry(
    session: Session,
    certificate: Certificate,
    subscriber: Subscriber,
    organization: Organization,
) -> dict[str, JSON]:
    changes = session.scalars(
        select(CertificateStatusChange)
        .where(CertificateStatusChange.certificate_id == certificate.id)
        .order_by(CertificateStatusChange.at, CertificateStatusChange.id)
    )
    return {
        "certificate_id": str(certificate.id),
        "kind": certificate.kind.value,
        "status": certificate.status.value,
        "subscriber": subscriber.full_name,
        "post": subscriber.post,
        "organization": organization.name,
        "organization_code": organization.code,
        "history": [
            {
                "at": change.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "status": change.status.value,
                "reason": change.reason.value if change.reason else None,
            }
            for change in changes
        ],
    }
