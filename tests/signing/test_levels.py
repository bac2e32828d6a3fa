"""Long-term levels with our own services: made at once, made later, and kept up."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from ca import revoke, trust
from ca.evidence import EvidenceCollector
from ca.models import Certificate
from ca.ocsp import OcspService
from ca.own_evidence import OwnEvidence
from ca.revocation import RevocationSource
from ca.revocation_reasons import RevocationReason
from ca.validation import PathValidator
from db import audit
from hsm.algorithms import KeyAlgorithm
from pdf.errors import CertificateUnproven, EvidenceUnavailable, TimestampUnavailable
from pdf.extend import ExtensionOptions, extend
from pdf.options import Level
from pdf.report import DocumentReport, Indication
from pdf.verify import verify
from signing import proofs, renewal, sign, upgrades
from signing.desk import Desk
from signing.models import (
    DocumentProof,
    SignRequest,
    SignRequestStatus,
    UpgradeState,
    WhenNoTimestamp,
)
from tests.pdf.signing_kit import blank_pdf, pdfsig, qpdf_check
from tests.signing.conftest import CALLER, NOW, Office, TimestampsAt
from tests.signing.test_sign import order_for

YEAR = timedelta(days=365)


class NoTimestamps:
    """Every time-stamp server is down."""

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        raise TimestampUnavailable(f"nobody stamps {hash_algorithm} of {len(digest)} bytes")


@dataclass(frozen=True)
class OwnSources:
    """Our own registry as the only source."""

    own: OwnEvidence

    def __call__(self, present: datetime) -> Sequence[RevocationSource]:
        return (self.own.asked_at(present),)


@pytest.fixture
def desk(office: Office) -> Desk:
    house = office.house
    with house.sessions() as session:
        anchors = trust.anchors(session)
    own = OwnEvidence(house.sessions, OcspService(house.keys))
    return replace(office.desk, evidence=EvidenceCollector(anchors, OwnSources(own)))


def signed(
    desk: Desk, certificate: Certificate, level: Level, *, queue: bool = False
) -> tuple[SignRequest, bytes]:
    order = replace(
        order_for(certificate, level=level),
        when_no_timestamp=WhenNoTimestamp.QUEUE if queue else WhenNoTimestamp.FAIL,
    )
    request = sign.start(desk, io.BytesIO(blank_pdf()), order, at=NOW, actor=CALLER)
    request = sign.sign_now(desk, request.id, at=NOW, actor=CALLER)
    return request, desk.documents.path(request.id).read_bytes()


def judged(desk: Desk, content: bytes, *, at: datetime = NOW) -> DocumentReport:
    """Judge with the root alone: no registry, no network."""
    with desk.sessions() as session:
        anchors = trust.anchors(session)
    validator = PathValidator(anchors)
    return verify(io.BytesIO(content), name="x", at=at, checked_at=at, validator=validator)


@pytest.mark.parametrize("level", [Level.B_LT, Level.B_LTA])
def test_our_own_evidence_makes_a_document_that_proves_itself(
    office: Office, desk: Desk, level: Level, tmp_path: Path
) -> None:
    request, content = signed(desk, office.server_certificate(), level)
    assert (request.reached_level, request.upgrade) == (level, None)
    for after in (timedelta(minutes=1), timedelta(days=30), 4 * YEAR):
        report = judged(desk, content, at=NOW + after)
        assert report.indication is Indication.TOTAL_PASSED
        assert report.signatures[0].level == level
        assert report.signatures[0].integrity.changes_after == "LTA_UPDATES"
    file = tmp_path / "signed.pdf"
    file.write_bytes(content)
    assert pdfsig(file).signatures == (2 if level is Level.B_LTA else 1)
    assert qpdf_check(file) == 0
    with desk.sessions() as session:
        proof = session.scalars(select(DocumentProof)).one()
        assert proof.level == level
        assert proof.proven_until > NOW + 9 * YEAR
        assert audit.verify(session).intact


def test_a_revocation_afterwards_does_not_undo_the_proof(office: Office, desk: Desk) -> None:
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    _, content = signed(desk, certificate, Level.B_LTA)
    withdraw(desk, certificate, at=NOW + timedelta(days=1))
    late = NOW + timedelta(days=2)
    assert judged(desk, content, at=late).indication is Indication.TOTAL_PASSED


def test_a_signature_without_time_is_not_extended_once_its_certificate_is_revoked(
    office: Office, desk: Desk
) -> None:
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    _, content = signed(desk, certificate, Level.B_B)
    withdraw(desk, certificate, at=NOW + timedelta(days=1))
    with pytest.raises(CertificateUnproven):
        raised(desk, content, Level.B_LT, at=NOW + timedelta(days=2))


def test_a_timed_signature_is_extended_after_its_certificate_was_revoked(
    office: Office, desk: Desk
) -> None:
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    _, content = signed(desk, certificate, Level.B_T)
    withdraw(desk, certificate, at=NOW + timedelta(days=1))
    late = NOW + timedelta(days=2)
    longer = raised(desk, content, Level.B_LTA, at=late)
    report = judged(desk, longer, at=late)
    assert report.indication is Indication.TOTAL_PASSED
    assert report.signatures[0].revocation.status == "REVOKED"


def withdraw(desk: Desk, certificate: Certificate, *, at: datetime) -> None:
    with desk.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.KEY_COMPROMISE,
            invalidity_at=None,
            keys=desk.keys,
            at=at,
            actor=CALLER,
        )


def raised(desk: Desk, content: bytes, level: Level, *, at: datetime) -> bytes:
    target = io.BytesIO()
    assert isinstance(desk.timestamps, TimestampsAt)
    stamps = replace(desk.timestamps, time=at)
    options = ExtensionOptions(level=level, at=at, timestamps=stamps, evidence=desk.evidence)
    extend(io.BytesIO(content), target, options)
    return target.getvalue()


def test_without_evidence_nothing_is_signed_at_a_long_term_level(
    office: Office, desk: Desk
) -> None:
    request = sign.start(
        desk,
        io.BytesIO(blank_pdf()),
        order_for(office.server_certificate(KeyAlgorithm.P_256), level=Level.B_LT),
        at=NOW,
        actor=CALLER,
    )
    blind = replace(desk, evidence=EvidenceCollector([], lambda _: ()))
    with pytest.raises(EvidenceUnavailable):
        sign.sign_now(blind, request.id, at=NOW, actor=CALLER)
    with desk.sessions() as session:
        row = sign.get(session, request.id, actor=CALLER)
    assert row.status is SignRequestStatus.FAILED
    assert not desk.documents.holds(request.id)


@pytest.mark.parametrize("level", [Level.B_T, Level.B_LTA])
def test_while_no_time_stamp_can_be_had_the_level_waits_in_the_queue(
    office: Office, desk: Desk, level: Level
) -> None:
    dark = replace(desk, timestamps=NoTimestamps())
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    request, first = signed(dark, certificate, level, queue=True)
    assert request.status is SignRequestStatus.SIGNED
    assert (request.reached_level, request.upgrade) == (Level.B_B, UpgradeState.QUEUED)
    assert judged(desk, first).signatures[0].level == "B-B"
    assert upgrades.raise_levels(dark, at=NOW) == 0
    assert state(desk, request) is UpgradeState.QUEUED

    assert upgrades.raise_levels(desk, at=NOW) == 1
    assert upgrades.raise_levels(desk, at=NOW) == 0
    assert state(desk, request) is UpgradeState.DONE
    second = desk.documents.path(request.id).read_bytes()
    assert second.startswith(first)
    assert judged(desk, second).signatures[0].level == level
    with desk.sessions() as session:
        found = session.scalars(select(DocumentProof).order_by(DocumentProof.id)).all()
        assert [(each.level, each.superseded) for each in found] == [("B-B", True), (level, False)]


def test_a_document_gone_before_its_time_stamp_is_said_to_have_failed(
    office: Office, desk: Desk
) -> None:
    dark = replace(desk, timestamps=NoTimestamps())
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    request, _ = signed(dark, certificate, Level.B_T, queue=True)
    desk.documents.remove(request.id)
    assert upgrades.raise_levels(desk, at=NOW) == 0
    assert state(desk, request) is UpgradeState.FAILED


def test_without_the_callers_word_there_is_no_signature_without_its_time_stamp(
    office: Office, desk: Desk
) -> None:
    dark = replace(desk, timestamps=NoTimestamps())
    with pytest.raises(TimestampUnavailable):
        signed(dark, office.server_certificate(KeyAlgorithm.P_256), Level.B_T)


def state(desk: Desk, request: SignRequest) -> UpgradeState | None:
    with desk.sessions() as session:
        return sign.get(session, request.id, actor=CALLER).upgrade


def test_the_look_ahead_names_what_ends_and_renewal_keeps_what_is_stored(
    office: Office, desk: Desk
) -> None:
    certificate = office.server_certificate(KeyAlgorithm.P_256)
    kept, content = signed(desk, certificate, Level.B_LTA)
    gone, _ = signed(desk, certificate, Level.B_LTA)
    desk.documents.remove(gone.id)
    with desk.sessions() as session:
        end = session.scalars(select(DocumentProof.proven_until)).first()
        assert end is not None
        assert proofs.ending(session, at=end - 2 * YEAR) == []
        near = end - timedelta(days=60)
        soon = proofs.ending(session, at=near)
    assert {each.sign_request_id for each in soon} == {kept.id, gone.id}

    later = renewable(desk, at=near)
    report = renewal.renew(later, at=near)
    assert report.renewed == (kept.id,)
    assert [each.sign_request_id for each in report.elsewhere] == [gone.id]
    assert report.failed == ()
    renewed = desk.documents.path(kept.id).read_bytes()
    assert renewed.startswith(content)
    assert judged(desk, renewed, at=near).indication is Indication.TOTAL_PASSED
    with desk.sessions() as session:
        assert proofs.of_document(session, proofs_sha(content)) is not None


def renewable(desk: Desk, *, at: datetime) -> Desk:
    assert isinstance(desk.timestamps, TimestampsAt)
    return replace(desk, timestamps=replace(desk.timestamps, time=at))


def proofs_sha(content: bytes) -> str:
    import hashlib  # noqa: PLC0415 -- one use

    return hashlib.sha256(content).hexdigest()
