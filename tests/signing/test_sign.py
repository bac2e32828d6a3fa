"""The walk of a signature, its repetitions and its accidents."""

import io
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from sqlalchemy import func, select

from ca import revoke
from ca.errors import CertificateNotUsable
from ca.models import Certificate
from ca.revocation_reasons import RevocationReason
from db import audit
from db.models import AuditEntry
from hsm.algorithms import KeyAlgorithm
from pdf.errors import NotAPdf, PreparedStateInvalid, TimestampUnavailable
from pdf.options import Level, SignatureOptions
from pdf.prepared import PreparedSignature
from signing import jobs, sign
from signing.errors import (
    DocumentGone,
    SignatureConflict,
    SignatureUnacceptable,
    SignRequestClosed,
    SignRequestNotFound,
    SignRequestNotSigned,
)
from signing.models import Signature, SignRequest, SignRequestStatus
from signing.sign import SignOrder
from tests.pdf.signing_kit import blank_pdf, pdfsig
from tests.signing.conftest import CALLER, NOW, Office


def order_for(certificate: Certificate, *, level: Level = Level.B_B) -> SignOrder:
    return SignOrder(
        certificate_id=certificate.id,
        file_name="quyết định.pdf",
        options=SignatureOptions(signing_time=NOW),
        level=level,
    )


def start(office: Office, order: SignOrder) -> SignRequest:
    return sign.start(office.desk, io.BytesIO(blank_pdf()), order, at=NOW, actor=CALLER)


def prepared(request: SignRequest) -> PreparedSignature:
    return PreparedSignature.from_json(request.prepared)


def count(office: Office, table: type[SignRequest] | type[Signature]) -> int:
    with office.desk.sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.parametrize("level", [Level.B_B, Level.B_T])
def test_a_server_key_signs_and_the_record_names_the_very_file(
    office: Office, level: Level, tmp_path: Path
) -> None:
    request = start(office, order_for(office.server_certificate(), level=level))
    assert request.status is SignRequestStatus.PREPARED
    signed = sign.sign_now(office.desk, request.id, at=NOW, actor=CALLER)
    assert signed.status is SignRequestStatus.SIGNED
    _, document = sign.signed_document(office.desk, request.id, at=NOW, actor=CALLER)
    with document, office.desk.sessions() as session:
        content = document.read()
        row = session.get_one(Signature, request.id)
        assert audit.verify(session).intact
    assert row.document_size == len(content)
    assert row.level == level
    (tmp_path / "signed.pdf").write_bytes(content)
    assert pdfsig(tmp_path / "signed.pdf").valid == 1


def test_nothing_is_left_behind_when_the_document_is_refused(office: Office) -> None:
    order = order_for(office.server_certificate())
    with pytest.raises(NotAPdf):
        sign.start(office.desk, io.BytesIO(b"\xff\xd8\xff\xe0 JFIF"), order, at=NOW, actor=CALLER)
    assert count(office, SignRequest) == 0
    with pytest.raises(DocumentGone):
        office.desk.documents.open(order.request_id)


def test_the_intent_is_committed_before_the_key_is_used(office: Office) -> None:
    request = start(office, order_for(office.server_certificate()))
    assert count(office, SignRequest) == 1
    assert count(office, Signature) == 0
    with office.desk.sessions() as session:
        assert [row.id for row in sign.open_requests(session, before=NOW.replace(hour=23))] == [
            request.id
        ]


def test_the_same_order_given_twice_is_one_request(office: Office) -> None:
    order = order_for(office.server_certificate())
    first = start(office, order)
    assert start(office, order).id == first.id
    assert count(office, SignRequest) == 1


def test_a_signed_request_is_returned_as_it_is_and_not_signed_again(office: Office) -> None:
    request = start(office, order_for(office.server_certificate(KeyAlgorithm.P_256)))
    sign.sign_now(office.desk, request.id, at=NOW, actor=CALLER)
    before = office.desk.documents.path(request.id).read_bytes()
    sign.sign_now(office.desk, request.id, at=NOW, actor=CALLER)
    assert office.desk.documents.path(request.id).read_bytes() == before
    assert count(office, Signature) == 1


def test_two_callers_at_once_get_one_signature(office: Office) -> None:
    request = start(office, order_for(office.server_certificate(KeyAlgorithm.P_256)))
    barrier = threading.Barrier(4)

    def both() -> SignRequestStatus:
        barrier.wait()
        return sign.sign_now(office.desk, request.id, at=NOW, actor=CALLER).status

    with ThreadPoolExecutor(4) as pool:
        results = [future.result() for future in [pool.submit(both) for _ in range(4)]]
    assert results == [SignRequestStatus.SIGNED] * 4
    assert count(office, Signature) == 1


def test_a_finish_broken_off_after_the_file_was_written_is_finished_later(
    office: Office, tmp_path: Path
) -> None:
    request = start(office, order_for(office.server_certificate(KeyAlgorithm.P_256)))
    state = prepared(request)
    with office.desk.documents.open(request.id) as staged:
        staged.seek(state.contents_offset)
        staged.write(b"3082" * 40)
    sign.sign_now(office.desk, request.id, at=NOW, actor=CALLER)
    content = office.desk.documents.path(request.id).read_bytes()
    (tmp_path / "signed.pdf").write_bytes(content)
    assert pdfsig(tmp_path / "signed.pdf").valid == 1


def test_a_document_changed_while_it_waited_is_never_finished(office: Office) -> None:
    request = start(office, order_for(office.server_certificate()))
    with office.desk.documents.open(request.id) as staged:
        staged.seek(200)
        staged.write(b"X")
    with pytest.raises(PreparedStateInvalid):
        sign.sign_now(office.desk, request.id, at=NOW, actor=CALLER)
    assert count(office, Signature) == 0


def rsa_signature(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def ec_signature(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("make", "raw"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), rsa_signature),
        (lambda: ec.generate_private_key(ec.SECP256R1()), ec_signature),
    ],
    ids=["rsa", "ec"],
)
def test_a_holder_posts_the_signature_later(
    office: Office,
    make: Callable[[], rsa.RSAPrivateKey],
    raw: Callable[[rsa.RSAPrivateKey, bytes], bytes],
    tmp_path: Path,
) -> None:
    key = make()
    request = start(office, order_for(office.holder_certificate(key), level=Level.B_T))
    assert request.status is SignRequestStatus.WAITING
    with pytest.raises(SignRequestNotSigned):
        sign.signed_document(office.desk, request.id, at=NOW, actor=CALLER)
    signature = raw(key, prepared(request).to_be_signed)
    done = sign.complete(office.desk, request.id, signature, at=NOW, actor=CALLER)
    assert done.status is SignRequestStatus.SIGNED
    content = office.desk.documents.path(request.id).read_bytes()
    (tmp_path / "signed.pdf").write_bytes(content)
    assert pdfsig(tmp_path / "signed.pdf").valid == 1
    sign.complete(office.desk, request.id, signature, at=NOW, actor=CALLER)
    with pytest.raises(SignatureConflict):
        sign.complete(office.desk, request.id, signature[:-1] + b"\0", at=NOW, actor=CALLER)


def test_a_signature_of_another_key_is_refused_and_the_request_still_waits(office: Office) -> None:
    key = rsa.generate_private_key(65537, 2048)
    request = start(office, order_for(office.holder_certificate(key)))
    wrong = rsa_signature(rsa.generate_private_key(65537, 2048), prepared(request).to_be_signed)
    with pytest.raises(SignatureUnacceptable):
        sign.complete(office.desk, request.id, wrong, at=NOW, actor=CALLER)
    right = rsa_signature(key, prepared(request).to_be_signed)
    done = sign.complete(office.desk, request.id, right, at=NOW, actor=CALLER)
    assert done.status is SignRequestStatus.SIGNED


def test_a_certificate_revoked_in_between_does_not_finish(office: Office) -> None:
    certificate = office.server_certificate()
    request = start(office, order_for(certificate))
    with office.desk.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.KEY_COMPROMISE,
            invalidity_at=None,
            keys=office.desk.keys,
            at=NOW,
            actor=CALLER,
        )
    with pytest.raises(CertificateNotUsable):
        sign.sign_now(office.desk, request.id, at=NOW, actor=CALLER)
    with pytest.raises(SignRequestClosed):
        sign.signed_document(office.desk, request.id, at=NOW, actor=CALLER)
    assert count(office, Signature) == 0


def test_without_a_time_stamp_there_is_no_half_finished_signature(office: Office) -> None:
    desk = replace(office.desk, timestamps=None)
    order = order_for(office.server_certificate(), level=Level.B_T)
    request = sign.start(desk, io.BytesIO(blank_pdf()), order, at=NOW, actor=CALLER)
    with pytest.raises(TimestampUnavailable):
        sign.sign_now(desk, request.id, at=NOW, actor=CALLER)
    with desk.sessions() as session:
        row = sign.get(session, request.id, actor=CALLER)
    assert (row.status, row.error_code) == (SignRequestStatus.FAILED, TimestampUnavailable.code)


def test_a_request_belongs_to_its_caller(office: Office) -> None:
    request = start(office, order_for(office.server_certificate()))
    with pytest.raises(SignRequestNotFound):
        sign.sign_now(office.desk, request.id, at=NOW, actor="token:other")
    with pytest.raises(SignRequestNotFound):
        sign.cancel(office.desk, uuid.uuid4(), at=NOW, actor=CALLER)


def test_a_cancelled_request_takes_no_signature(office: Office) -> None:
    key = rsa.generate_private_key(65537, 2048)
    request = start(office, order_for(office.holder_certificate(key)))
    sign.cancel(office.desk, request.id, at=NOW, actor=CALLER)
    signature = rsa_signature(key, prepared(request).to_be_signed)
    with pytest.raises(SignRequestClosed):
        sign.complete(office.desk, request.id, signature, at=NOW, actor=CALLER)
    assert not office.desk.documents.path(request.id).exists()


def test_a_request_nobody_came_back_for_expires_with_its_document(office: Office) -> None:
    key = rsa.generate_private_key(65537, 2048)
    request = start(office, order_for(office.holder_certificate(key)))
    late = request.expires_at + jobs.CRASH_GRACE * 2
    signature = rsa_signature(key, prepared(request).to_be_signed)
    with pytest.raises(SignRequestClosed):
        sign.complete(office.desk, request.id, signature, at=late, actor=CALLER)
    assert jobs.expire_requests(office.desk, at=late) == 1
    assert jobs.expire_requests(office.desk, at=late) == 0
    assert not office.desk.documents.path(request.id).exists()


def test_every_step_is_in_the_audit_log_without_the_document(office: Office) -> None:
    request = start(office, order_for(office.server_certificate()))
    sign.sign_now(office.desk, request.id, at=NOW, actor=CALLER)
    with office.desk.sessions() as session:
        query = select(AuditEntry).where(AuditEntry.object_id == str(request.id))
        actions = [entry.action for entry in session.scalars(query)]
    assert sorted(actions) == ["sign.prepared", "sign.signed"]
