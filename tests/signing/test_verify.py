"""Verdicts with the registry's own knowledge: who signed, and what a revocation does to it."""

import io
import json
from datetime import datetime, timedelta

import pytest

from ca import delegations, organizations, posts, revoke, subscribers, trust
from ca.delegations import DelegationDetails
from ca.models import Certificate, SubscriberKind
from ca.models_people import DelegationForm
from ca.posts import PostDetails
from ca.revocation_reasons import RevocationReason
from ca.revocation_sources import RegistrySource
from ca.subscribers import SubscriberDetails
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


def test_the_registry_says_who_somebody_was_when_it_was_signed(office: Office) -> None:
    certificate = office.server_certificate()
    content = signed(office, certificate, Level.B_T)
    with office.desk.sessions.begin() as session:
        person = subscribers.get(session, certificate.subscriber_id)
        unit = organizations.get(session, person.organization_id)
        head = subscribers.create(
            session,
            details=SubscriberDetails(
                kind=SubscriberKind.PERSON,
                organization_id=unit.id,
                full_name="Trần Văn Trưởng",
                post="Chủ tịch",
            ),
            at=NOW - timedelta(days=9),
            actor=CALLER,
        )
        given = DelegationDetails(
            form=DelegationForm.TUQ,
            organization_id=unit.id,
            giver_id=head.id,
            taker_id=person.id,
            scope="Ký quyết định",
            began_at=NOW - timedelta(days=1),
            ended_at=NOW + timedelta(days=1),
            document_reference="15/UQ",
        )
        delegations.give(session, details=given, at=NOW, actor=CALLER)
        later = given.began_at + timedelta(days=30)
        organizations.rename(session, unit.id, name="Sở Tư pháp", at=later, actor=CALLER)
        posts.appoint(
            session,
            person.id,
            details=PostDetails(unit.id, "Phó Chủ tịch", later),
            at=later,
            actor=CALLER,
        )
        revoke.suspend(
            session, certificate_id=certificate.id, keys=office.desk.keys, at=later, actor=CALLER
        )
    entry = report_on(office, content).signatures[0].registry
    assert entry is not None
    assert (entry["as_of"], entry["as_of_is"]) == (NOW.isoformat()[:19] + "Z", "proven")
    assert (entry["status"], entry["status_then"]) == ("suspended", "active")
    assert (entry["post"], entry["organization"]) == ("Giám đốc", "Sở Nội vụ")
    assert entry["posts"] == [
        {"title": "Giám đốc", "organization": "Sở Nội vụ", "organization_code": unit.code}
    ]
    assert entry["delegations"] == [
        {
            "form": "TUQ.",
            "giver": "Trần Văn Trưởng",
            "organization": "Sở Nội vụ",
            "organization_code": unit.code,
            "scope": "Ký quyết định",
            "document_reference": "15/UQ",
        }
    ]
    assert isinstance(entry["history"], list)
    assert [step["status"] for step in entry["history"]] == ["active", "suspended"]  # type: ignore[index, call-overload]
    report = report_on(office, content).to_dict()
    plain = json.loads(json.dumps(report))
    verify.add_signers(SessionReads(office.desk.sessions), plain)
    assert plain["signatures"][0]["registry"] == dict(entry)
