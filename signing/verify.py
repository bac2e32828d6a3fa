"""The verify walk: the file's verdict, and who its signers are in our registry.

What the signature is worth is decided in `pdf` with the path validation of `ca`; this adds the
registry's knowledge and, when asked, keeps the report.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import BinaryIO, cast

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from ca.known_signers import KnownSigner, known_signers
from ca.models import Organization
from db import audit
from db.reads import Reads, SessionReads
from pdf import verify as pdf_verify
from pdf.report import JSON, DocumentReport
from signing.judging import Question
from signing.models import Verification
from signing.rules import rules_for

__all__ = ["Question", "add_sender", "add_signers", "keep", "verify", "with_signers"]


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
        rules=rules_for(validator),
    )
    if sessions is None:
        return report
    return with_signers(SessionReads(sessions), report)


def with_signers(registry: Reads, report: DocumentReport) -> DocumentReport:
    """Add to each signature what the registry knows of its certificate."""
    signers = {
        signature.index: signature.signer.sha256_fingerprint
        for signature in report.signatures
        if signature.signer is not None
    }
    known = _known(registry, signers.values())
    return report.with_registry(
        {
            index: known[fingerprint]
            for index, fingerprint in signers.items()
            if fingerprint in known
        }
    )


def add_signers(registry: Reads, report: dict[str, JSON]) -> None:
    """Add to each signature of a report's JSON what the registry knows of its certificate."""
    found: list[tuple[dict[str, JSON], str]] = []
    for signature in cast("list[dict[str, JSON]]", report["signatures"]):
        signer = signature["signer"]
        if isinstance(signer, dict):
            found.append((signature, str(signer["sha256_fingerprint"])))
    known = _known(registry, [fingerprint for _, fingerprint in found])
    for signature, fingerprint in found:
        entry = known.get(fingerprint)
        signature["registry"] = None if entry is None else dict(entry)


def add_sender(session: Session, registry: Reads, report: dict[str, JSON]) -> None:
    """Add to a report on an exchange message which unit of ours has the sender's code."""
    said = report.get("message")
    code = said.get("organ_id") if isinstance(said, dict) else None
    unit = None
    if isinstance(code, str) and code:
        unit = session.scalar(select(Organization).where(Organization.code == code))
    report["sender"] = (
        None if unit is None else {"id": str(unit.id), "code": unit.code, "name": unit.name}
    )
    for attached in cast("list[dict[str, JSON]]", report.get("attachments") or []):
        judged = attached["report"]
        if isinstance(judged, dict):
            add_signers(registry, judged)


def _known(registry: Reads, fingerprints: Iterable[str]) -> Mapping[str, dict[str, JSON]]:
    found = known_signers(registry, set(fingerprints))
    return {fingerprint: _entry(signer) for fingerprint, signer in found.items()}


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


def _entry(signer: KnownSigner) -> dict[str, JSON]:
    return {
        "certificate_id": str(signer.certificate_id),
        "kind": signer.kind,
        "status": signer.status,
        "subscriber": signer.subscriber,
        "post": signer.post,
        "organization": signer.organization,
        "organization_code": signer.organization_code,
        "history": [
            {
                "at": change.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "status": change.status,
                "reason": change.reason,
            }
            for change in signer.history
        ],
    }
