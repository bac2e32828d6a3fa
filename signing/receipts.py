"""Kept verdicts: the report with the evidence it rests on, to be exported, repeated, destroyed.

The document itself is never kept: whoever has it can have the verdict repeated from the stored
certificates, CRLs, OCSP answers and policy, without any source of today.
"""

import io
import json
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ca.recording import Recording
from ca.validation import PathPolicy, PathVerdict
from db import audit
from pdf.differences import Difference
from pdf.report import JSON
from pdf.validator import CertificateValidator, Purpose
from signing import kept_pictures
from signing.errors import VerificationDestroyed, VerificationNotFound
from signing.judging import Question
from signing.models import Verification
from signing.receipt_models import (
    EvidenceItem,
    EvidenceUse,
    VerificationEvidence,
    VerificationTombstone,
)
from signing.report_forms import encoded

MAX_REASON: Final = 500
_EXTENSIONS: Final = {
    "certificate": "cer",
    "crl": "crl",
    "ocsp": "ors",
    kept_pictures.KIND: "png",
}
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_README: Final = """\
Bằng chứng của một lần kiểm tra chữ ký số / Evidence of one verification of digital signatures

report.json      the verdict / kết quả
manifest.json    trust anchors, policy and the answers of revocation sources, named by SHA-256
certificate/     DER certificates / chứng thư số
crl/             certificate revocation lists (DER) / danh sách thu hồi
ocsp/            OCSP answers (DER) / trả lời OCSP
picture/         changed pages before and now, if kept / trang bị thay đổi, nếu được lưu

The file names are the SHA-256 digests of the files. The document is not among them: its own
digest is in report.json.
"""


class KeepingValidator:
    """Judges as `inner` does and keeps in `recording` what each verdict rests on."""

    def __init__(self, inner: CertificateValidator, recording: Recording) -> None:
        self._inner = inner
        self._recording = recording

    @property
    def policy(self) -> PathPolicy:
        """What it judges by."""
        return self._recording.policy

    def validate(
        self,
        certificate: bytes,
        *,
        purpose: Purpose,
        at: datetime,
        others: Sequence[bytes],
        crls: Sequence[bytes],
        ocsp_responses: Sequence[bytes],
    ) -> PathVerdict:
        """Judge a certificate."""
        verdict = self._inner.validate(
            certificate,
            purpose=purpose,
            at=at,
            others=others,
            crls=crls,
            ocsp_responses=ocsp_responses,
        )
        judged = cast("PathVerdict", verdict)
        self._recording.keep("certificate", certificate)
        self._recording.keep_judged(judged, crls, ocsp_responses)
        return judged


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A verdict to be kept, by whom, and what it rests on."""

    report: Mapping[str, JSON]
    recording: Recording
    actor: str
    at: datetime
    differences: tuple[Difference, ...] = ()
    """Pictures of changed pages to be kept; they show the document's content."""


def keep(session: Session, receipt: Receipt) -> Verification:
    """Store a report with its evidence; an audit entry goes with it."""
    report = receipt.report
    kept = Verification(
        actor=receipt.actor,
        checked_at=receipt.at,
        document_sha256=str(report["sha256"]),
        indication=str(report["indication"]),
        report=dict(report),
    )
    session.add(kept)
    session.flush()
    manifest = receipt.recording.manifest() | kept_pictures.manifest(receipt.differences)
    session.add(VerificationEvidence(verification_id=kept.id, manifest=manifest))
    blobs = receipt.recording.blobs | kept_pictures.blobs(receipt.differences)
    for digest, (kind, data) in sorted(blobs.items()):
        row = {"sha256": digest, "kind": kind, "data": data}
        session.execute(insert(EvidenceItem).values(**row).on_conflict_do_nothing())
        session.add(EvidenceUse(verification_id=kept.id, sha256=digest))
    session.flush()
    _record(session, kept, "verify.kept", at=receipt.at, actor=receipt.actor)
    return kept


def get(session: Session, verification_id: uuid.UUID, *, actor: str | None) -> Verification:
    """Find a kept report: the caller's own, or any where `actor` is None.

    Raises VerificationNotFound, VerificationDestroyed.
    """
    found = session.get(Verification, verification_id)
    if found is None or (actor is not None and found.actor != actor):
        raise VerificationNotFound(f"there is no report {verification_id}")
    tombstone = session.get(VerificationTombstone, verification_id)
    if tombstone is not None:
        raise VerificationDestroyed(
            f"destroyed at {tombstone.destroyed_at.isoformat()} by {tombstone.destroyed_by}: "
            f"{tombstone.reason}"
        )
    return found


def report_of(kept: Verification) -> Mapping[str, JSON]:
    """Give the report as it was written."""
    return cast("Mapping[str, JSON]", kept.report)


def recording_of(session: Session, kept: Verification) -> Recording:
    """Read what a verdict rested on; VerificationNotFound when only the report was kept."""
    evidence = session.get(VerificationEvidence, kept.id)
    if evidence is None:
        raise VerificationNotFound(f"report {kept.id} was kept without its evidence")
    items = _items(session, kept.id)
    facts = {key: item for key, item in items.items() if item[0] != kept_pictures.KIND}
    return Recording.of(evidence.manifest, facts)


def question_of(report: Mapping[str, object], *, password: str | None) -> Question:
    """Give the question that a kept report answers."""
    return Question(
        file_name=str(report["file"]),
        at=datetime.fromisoformat(str(report["validation_time"])),
        checked_at=datetime.fromisoformat(str(report["checked_at"])),
        password=password,
    )


def same_verdict(kept: Mapping[str, object], repeated: Mapping[str, JSON]) -> bool:
    """Say whether two reports conclude the same; what the registry knows may have grown."""
    return _conclusions(kept) == _conclusions(repeated)


def export(session: Session, kept: Verification) -> bytes:
    """Write report and evidence as a ZIP that is the same each time."""
    evidence = session.get(VerificationEvidence, kept.id)
    files = {"README.txt": _README.encode(), "report.json": encoded(kept.report)}
    if evidence is not None:
        files["manifest.json"] = encoded(evidence.manifest)
    for digest, (kind, data) in _items(session, kept.id).items():
        files[f"{kind}/{digest}.{_EXTENSIONS[kind]}"] = data
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    return out.getvalue()


def destroy(
    session: Session, verification_id: uuid.UUID, *, at: datetime, actor: str, reason: str
) -> VerificationTombstone:
    """Destroy a kept report and the evidence that no other verdict rests on; a tombstone stays."""
    kept = get(session, verification_id, actor=None)
    used = session.scalars(
        delete(EvidenceUse)
        .where(EvidenceUse.verification_id == kept.id)
        .returning(EvidenceUse.sha256)
    ).all()
    session.execute(
        delete(EvidenceItem).where(
            EvidenceItem.sha256.in_(used),
            ~exists().where(EvidenceUse.sha256 == EvidenceItem.sha256),
        )
    )
    session.execute(
        delete(VerificationEvidence).where(VerificationEvidence.verification_id == kept.id)
    )
    kept.report = {}
    tombstone = VerificationTombstone(
        verification_id=kept.id, destroyed_at=at, destroyed_by=actor, reason=reason[:MAX_REASON]
    )
    session.add(tombstone)
    session.flush()
    _record(session, kept, "verify.destroyed", at=at, actor=actor, reason=reason[:MAX_REASON])
    return tombstone


def _items(session: Session, verification_id: uuid.UUID) -> dict[str, tuple[str, bytes]]:
    rows = session.execute(
        select(EvidenceItem.sha256, EvidenceItem.kind, EvidenceItem.data)
        .join(EvidenceUse, EvidenceUse.sha256 == EvidenceItem.sha256)
        .where(EvidenceUse.verification_id == verification_id)
        .order_by(EvidenceItem.sha256)
    )
    return {digest: (kind, bytes(data)) for digest, kind, data in rows}


def _conclusions(report: Mapping[str, object]) -> str:
    plain = {key: value for key, value in report.items() if key != "checked_at"}
    signatures = cast("list[dict[str, object]]", plain.get("signatures", []))
    plain["signatures"] = [{**one, "registry": None} for one in signatures]
    return json.dumps(_wordless(plain), sort_keys=True)


def _wordless(value: object) -> object:
    """Leave out sentences for people: a later version may put the same conclusion otherwise."""
    if isinstance(value, dict):
        return {key: _wordless(item) for key, item in value.items() if key not in {"en", "vi"}}
    return [_wordless(item) for item in value] if isinstance(value, list) else value


def _record(
    session: Session, kept: Verification, action: str, *, at: datetime, actor: str, **more: str
) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="verification",
        object_id=str(kept.id),
        after={"sha256": kept.document_sha256, "indication": kept.indication, **more},
    )
