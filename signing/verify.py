"""The verify walk: the file's verdict, and who its signers are in our registry.

What the signature is worth is decided in `pdf` with the path validation of `ca`; this adds the
registry's knowledge and, when asked, keeps the report.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import BinaryIO, cast

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from ca.known_signers import KnownSigner, known_signers
from ca.models import Organization
from ca.signers_then import Careers, DelegationThen, careers
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
    asked = {
        signature.index: _Asked(
            signature.signer.sha256_fingerprint, signature.time.proven, signature.time.claimed
        )
        for signature in report.signatures
        if signature.signer is not None
    }
    known = _known(registry, asked.values())
    return report.with_registry({index: known[one] for index, one in asked.items() if one in known})


def add_signers(registry: Reads, report: dict[str, JSON]) -> None:
    """Add to each signature of a report's JSON what the registry knows of its certificate."""
    found: list[tuple[dict[str, JSON], _Asked]] = []
    for signature in cast("list[dict[str, JSON]]", report["signatures"]):
        signer, time = signature["signer"], signature["time"]
        if isinstance(signer, dict) and isinstance(time, dict):
            times = (_moment(time["proven"]), _moment(time["claimed"]))
            found.append((signature, _Asked(str(signer["sha256_fingerprint"]), *times)))
    known = _known(registry, [one for _, one in found])
    for signature, one in found:
        entry = known.get(one)
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose signature, and when it was made: as proven, or else as claimed."""

    fingerprint: str
    proven: datetime | None
    claimed: datetime | None

    @property
    def at(self) -> datetime | None:
        return self.proven or self.claimed


def _moment(text: JSON) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _known(registry: Reads, asked: Iterable[_Asked]) -> Mapping[_Asked, dict[str, JSON]]:
    wanted = set(asked)
    signers = known_signers(registry, {one.fingerprint for one in wanted})
    then = careers(registry, signers.values())
    return {
        one: _entry(signers[one.fingerprint], one, then)
        for one in wanted
        if one.fingerprint in signers
    }


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


def _entry(signer: KnownSigner, asked: _Asked, record: Careers) -> dict[str, JSON]:
    """Say who signed: post, unit and delegations of the time of signing; without one, of now."""
    entry: dict[str, JSON] = {
        "certificate_id": str(signer.certificate_id),
        "kind": signer.kind,
        "status": signer.status,
        "subscriber": signer.subscriber,
        "post": signer.post,
        "organization": signer.organization,
        "organization_code": signer.organization_code,
        "as_of": None,
        "as_of_is": None,
        "status_then": None,
        "posts": [],
        "delegations": [],
        "history": [
            {"at": _text(change.at), "status": change.status, "reason": change.reason}
            for change in signer.history
        ],
    }
    if asked.at is None:
        return entry
    then = record.of(signer, at=asked.at)
    entry |= {
        "as_of": _text(asked.at),
        "as_of_is": "proven" if asked.proven is not None else "claimed",
        "status_then": then.status,
        "post": then.posts[0].title if then.posts else None,
        "organization": then.organization,
        "posts": [asdict(post) for post in then.posts],
        "delegations": [_delegation(one) for one in then.delegations],
    }
    return entry


def _delegation(one: DelegationThen) -> dict[str, JSON]:
    return {**asdict(one), "form": f"{one.form.upper()}."}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
