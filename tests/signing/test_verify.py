"""Verdicts with the registry's own knowledge: who signed, and what a revocation does to it."""

import io
from datetime import datetime, timedelta

import pytest

from ca import revoke, trust
from ca.models import Certificate, RevocationReason
from ca.revocation_sources import RegistrySource
from ca.validation import PathValidator
from db.reads import SessionReads
from pdf.options import Level
from pdf.report import DocumentReport, Indication
from signing import sign, verify
from signing.models import Verification
from signing.verify import Question
from tests.pdf.signing_kit import blank_pdf
from tests.signing.conftest import CALLER, NOW, Office
from tests.signing.test_sign import order_for

LATER = NOW + timedelta(hours=2)


def signed(office: Office, certificate: Certificate, level: Level) -> bytes:
    request = sign.start(
        office.desk,
        io.BytesIO(blank_pdf()),
        order_for(certificate, level=level),
        at=NOW,
        actor=CALLER,
    )
    sign.sign_now(office.desk, request.id, at=NOW, actor=CALLER)
    return office.desk.documents.path(request.id).read_bytes()


def report_on(office: Office, content: bytes, *, at: datetime = LATER) -> DocumentReport:
    with office.desk.sessions() as session:
        anchors = trust.anchors(session)
    return verify.verify(
        io.BytesIO(content),
        Question(file_name="quyết định.pdf", at=at, checked_at=at),
        validator=PathValidator(anchors, [RegistrySource(SessionReads(office.desk.sessions))]),
        sessions=office.desk.sessions,
    )


def revoked(office: Office, certificate: Certificate) -> None:
    with office.desk.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.KEY_COMPROMISE,
            invalidity_at=None,
            keys=office.desk.keys,
            at=NOW + timedelta(hours=1),
            actor=CALLER,
        )


@pytest.mark.parametrize("level", [Level.B_B, Level.B_T])
def test_a_signature_of_ours_passes_and_names_its_signer(office: Office, level: Level) -> None:
    certificate = office.server_certificate()
    report = report_on(office, signed(office, certificate, level))
    assert report.indication is Indication.TOTAL_PASSED
    assert report.accept
    (signature,) = report.signatures
    assert signature.level == level
    assert signature.registry is not None
    assert signature.registry["certificate_id"] == str(certificate.id)
    assert signature.registry["subscriber"] == "Nguyễn Thị Đức"
    assert signature.registry["post"] == "Giám đốc"
    assert signature.registry["organization"] == "Sở Nội vụ"


def test_after_a_revocation_a_signature_without_a_time_stamp_is_in_doubt(office: Office) -> None:
    certificate = office.server_certificate()
    content = signed(office, certificate, Level.B_B)
    revoked(office, certificate)
    report = report_on(office, content)
    assert report.indication is Indication.INDETERMINATE
    assert report.signatures[0].sub_indication == "REVOKED_NO_POE"
    assert report.signatures[0].revocation.status == "REVOKED"
    assert not report.accept


def test_a_time_stamp_before_the_revocation_keeps_the_signature_valid(office: Office) -> None:
    certificate = office.server_certificate()
    content = signed(office, certificate, Level.B_T)
    revoked(office, certificate)
    report = report_on(office, content)
    assert report.indication is Indication.TOTAL_PASSED
    assert report.signatures[0].time.proven == NOW
    assert report.signatures[0].revocation.revoked_at == NOW + timedelta(hours=1)


def test_a_flipped_byte_fails_whatever_the_registry_says(office: Office) -> None:
    content = bytearray(signed(office, office.server_certificate(), Level.B_B))
    content[content.index(b"/MediaBox") + 11] ^= 1
    report = report_on(office, bytes(content))
    assert report.indication is Indication.TOTAL_FAILED
    assert report.signatures[0].sub_indication == "HASH_FAILURE"


def test_a_report_is_kept_when_asked_for(office: Office) -> None:
    report = report_on(office, signed(office, office.server_certificate(), Level.B_B))
    with office.desk.sessions.begin() as session:
        kept = verify.keep(session, report, actor=CALLER)
    with office.desk.sessions() as session:
        row = session.get_one(Verification, kept.id)
        assert row.report == report.to_dict()
