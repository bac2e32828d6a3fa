"""Signatures beside a file in the record: accidents, queued time-stamps and renewed archives."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from ca import trust
from ca.evidence import EvidenceCollector
from ca.ocsp import OcspService
from ca.own_evidence import OwnEvidence
from ca.validation import PathValidator
from db import audit
from hsm.algorithms import KeyAlgorithm
from pdf.detached import DetachedQuestion, verify_detached
from pdf.errors import PreparedStateInvalid, TimestampUnavailable
from pdf.options import Level, SignatureFormat
from pdf.report import SignatureReport
from signing import renewal, sign, upgrades
from signing.desk import Desk
from signing.models import DocumentProof, SignRequest, SignRequestStatus, WhenNoTimestamp
from signing.prepared_state import format_of, prepared_of
from signing.sign import SignOrder
from tests.signing.conftest import CALLER, NOW, Office
from tests.signing.test_levels import NoTimestamps, OwnSources
from tests.signing.test_sign import order_for

CONTENT = b"1;2;3\n" * 5000
YEAR = timedelta(days=365)


@pytest.fixture
def desk(office: Office) -> Desk:
    house = office.house
    with house.sessions() as session:
        anchors = trust.anchors(session)
    own = OwnEvidence(house.sessions, OcspService(house.keys))
    return replace(office.desk, evidence=EvidenceCollector(anchors, OwnSources(own)))


def order(office: Office, level: Level, **more: WhenNoTimestamp) -> SignOrder:
    certificate = office.server_certificate(KeyAlgorithm.P_384)
    asked = order_for(certificate, level=level)
    return replace(asked, format=SignatureFormat.CADES, file_name="bảng.csv", **more)


def signed(desk: Desk, asked: SignOrder) -> SignRequest:
    request = sign.start(desk, io.BytesIO(CONTENT), asked, at=NOW, actor=CALLER)
    return sign.sign_now(desk, request.id, at=NOW, actor=CALLER)


def judged(desk: Desk, request: SignRequest) -> SignatureReport:
    """Judge what is stored with the root alone: no registry, no network."""
    with desk.sessions() as session:
        validator = PathValidator(trust.anchors(session))
    question = DetachedQuestion(content_name="bảng.csv", at=NOW, checked_at=NOW)
    signature = desk.documents.path(request.id).read_bytes()
    report = verify_detached(signature, io.BytesIO(CONTENT), question, validator=validator)
    return report.signatures[0]


def test_a_walk_broken_off_after_the_file_was_written_signs_it_anew(
    office: Office, desk: Desk
) -> None:
    asked = order(office, Level.B_LTA)
    request = sign.start(desk, io.BytesIO(CONTENT), asked, at=NOW, actor=CALLER)
    desk.documents.path(request.id).write_bytes(b"\x30" * 99_999)  # longer than what comes
    sign.sign_now(desk, request.id, at=NOW, actor=CALLER)
    assert judged(desk, request).level == Level.B_LTA
    before = desk.documents.path(request.id).read_bytes()
    sign.sign_now(desk, request.id, at=NOW, actor=CALLER)
    assert desk.documents.path(request.id).read_bytes() == before


def test_what_is_kept_of_a_request_can_be_read_again_and_nothing_else_is(
    office: Office, desk: Desk
) -> None:
    asked = order(office, Level.B_T)
    request = sign.start(desk, io.BytesIO(CONTENT), asked, at=NOW, actor=CALLER)
    prepared = prepared_of(request)
    assert (format_of(request), prepared.to_json()) == (SignatureFormat.CADES, request.prepared)
    assert CONTENT[:50].hex() not in request.prepared
    for damaged in (
        "",
        "[]",
        '{"format": "cades"}',
        request.prepared.replace('"version": 1', '"version": 2'),
        request.prepared.replace('"to_be_signed": "31', '"to_be_signed": "zz'),
    ):
        with pytest.raises(PreparedStateInvalid):
            prepared_of(SignRequest(prepared=damaged))


def test_while_no_time_stamp_can_be_had_the_level_waits_in_the_queue(
    office: Office, desk: Desk
) -> None:
    dark = replace(desk, timestamps=NoTimestamps())
    with pytest.raises(TimestampUnavailable):
        signed(dark, order(office, Level.B_LTA))
    asked = order(office, Level.B_LTA, when_no_timestamp=WhenNoTimestamp.QUEUE)
    request = signed(dark, asked)
    assert (request.status, request.reached_level) == (SignRequestStatus.SIGNED, Level.B_B)
    assert judged(desk, request).level == Level.B_B
    assert upgrades.raise_levels(dark, at=NOW) == 0
    assert upgrades.raise_levels(desk, at=NOW) == 1
    assert judged(desk, request).level == Level.B_LTA
    with desk.sessions() as session:
        levels = session.scalars(select(DocumentProof.level).order_by(DocumentProof.id)).all()
        assert list(levels) == [Level.B_B, Level.B_LTA]
        assert audit.verify(session).intact


def test_an_archive_that_ends_soon_is_renewed_without_the_file(office: Office, desk: Desk) -> None:
    request = signed(desk, order(office, Level.B_LTA))
    report = renewal.renew(desk, at=NOW, within=20 * YEAR)
    assert (report.renewed, report.failed) == ((request.id,), ())
    stamps = judged(desk, request).timestamps
    assert [each.kind for each in stamps] == ["signature", "document", "document"]
