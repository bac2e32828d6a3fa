import uuid
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509 import ocsp as x509_ocsp
from sqlalchemy import select

from ca import authorities, crl, registry, revoke
from ca.errors import (
    AlreadyRevoked,
    CertificateNotFound,
    CertificateNotUsable,
    KeyUnacceptable,
    ReasonInvalid,
    TransitionNotAllowed,
)
from ca.models import Certificate, CertificateStatus, CertificateStatusChange
from ca.models_publication import OcspAnswer
from ca.revocation_reasons import RevocationReason
from db import jobs
from db.models import AuditEntry
from tests.ca.house import AT, CHIEF, House, csr_for, ec_key

LATER = AT + timedelta(days=3)
STOLEN = AT + timedelta(days=2)


def revoked(
    house: House, certificate: Certificate, reason: RevocationReason = RevocationReason.SUPERSEDED
) -> Certificate:
    with house.sessions.begin() as session:
        return revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=reason,
            keys=house.keys,
            at=LATER,
            actor=CHIEF,
        )


def suspended(house: House, certificate: Certificate) -> Certificate:
    with house.sessions.begin() as session:
        return revoke.suspend(
            session, certificate_id=certificate.id, keys=house.keys, at=LATER, actor=CHIEF
        )


def ocsp_status(house: House, certificate: Certificate) -> x509_ocsp.OCSPResponse:
    with house.sessions() as session:
        row = session.get_one(OcspAnswer, certificate.id)
        return x509_ocsp.load_der_ocsp_response(row.der)


def crl_entry(house: House, certificate: Certificate) -> x509.RevokedCertificate | None:
    with house.sessions.begin() as session:
        made = crl.publish(
            session, authority=authorities.issuing(session), keys=house.keys, at=LATER
        )
    parsed = x509.load_der_x509_crl(made.der)
    return parsed.get_revoked_certificate_by_serial_number(int(certificate.serial_number, 16))


def test_a_revocation_writes_status_history_crl_entry_ocsp_answer_job_and_audit(
    house: House,
) -> None:
    certificate = house.certificate()
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.KEY_COMPROMISE,
            invalidity_at=STOLEN,
            keys=house.keys,
            at=LATER,
            actor=CHIEF,
        )
    with house.sessions() as session:
        row = registry.get(session, certificate.id)
        assert (row.status, row.revoked_at) == (CertificateStatus.REVOKED, LATER)
        changes = session.scalars(
            select(CertificateStatusChange).order_by(CertificateStatusChange.at)
        ).all()
        assert [c.status for c in changes] == [CertificateStatus.ACTIVE, CertificateStatus.REVOKED]
        assert jobs.queue_state(session).waiting == 1
        audited = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "certificate.revoke")
        ).one()
        assert audited.object_id == str(certificate.id)
    answer = ocsp_status(house, certificate)
    assert answer.certificate_status is x509_ocsp.OCSPCertStatus.REVOKED
    assert answer.revocation_reason is x509.ReasonFlags.key_compromise
    entry = crl_entry(house, certificate)
    assert entry is not None
    assert entry.revocation_date_utc == LATER
    invalidity = entry.extensions.get_extension_for_class(x509.InvalidityDate).value
    assert invalidity.invalidity_date_utc == STOLEN


def test_what_is_not_committed_revokes_nothing(house: House) -> None:
    certificate = house.certificate()
    session = house.sessions()
    revoke.revoke(
        session,
        certificate_id=certificate.id,
        reason=RevocationReason.SUPERSEDED,
        keys=house.keys,
        at=LATER,
        actor=CHIEF,
    )
    session.rollback()
    session.close()
    with house.sessions() as session:
        assert registry.get(session, certificate.id).status is CertificateStatus.ACTIVE
        assert jobs.queue_state(session).waiting == 0
    assert ocsp_status(house, certificate).certificate_status is x509_ocsp.OCSPCertStatus.GOOD


def test_revoked_is_final(house: House) -> None:
    certificate = revoked(house, house.certificate())
    with pytest.raises(AlreadyRevoked):
        revoked(house, certificate)
    with pytest.raises(AlreadyRevoked):
        suspended(house, certificate)
    with house.sessions.begin() as session, pytest.raises(AlreadyRevoked):
        revoke.restore(
            session, certificate_id=certificate.id, keys=house.keys, at=LATER, actor=CHIEF
        )


def test_a_suspended_certificate_is_on_hold_and_comes_back(house: House) -> None:
    certificate = suspended(house, house.certificate())
    assert ocsp_status(house, certificate).revocation_reason is x509.ReasonFlags.certificate_hold
    assert crl_entry(house, certificate) is not None
    with house.sessions.begin() as session:
        back = revoke.restore(
            session, certificate_id=certificate.id, keys=house.keys, at=LATER, actor=CHIEF
        )
    assert back.status is CertificateStatus.ACTIVE
    assert ocsp_status(house, certificate).certificate_status is x509_ocsp.OCSPCertStatus.GOOD
    assert crl_entry(house, certificate) is None


def test_only_an_active_certificate_is_suspended_and_only_a_suspended_one_restored(
    house: House,
) -> None:
    certificate = house.certificate()
    with house.sessions.begin() as session, pytest.raises(TransitionNotAllowed):
        revoke.restore(
            session, certificate_id=certificate.id, keys=house.keys, at=LATER, actor=CHIEF
        )
    suspended(house, certificate)
    with pytest.raises(TransitionNotAllowed):
        suspended(house, certificate)


def test_history_runs_forward_even_when_a_clock_does_not(house: House) -> None:
    certificate = house.certificate(at=LATER)
    with house.sessions.begin() as session:
        row = revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.SUPERSEDED,
            keys=house.keys,
            at=LATER - timedelta(seconds=5),
            actor=CHIEF,
        )
    assert row.revoked_at is not None
    assert row.revoked_at > LATER


@pytest.mark.parametrize(
    ("reason", "invalidity_at"),
    [
        (RevocationReason.CERTIFICATE_HOLD, None),
        (RevocationReason.KEY_COMPROMISE, LATER + timedelta(seconds=1)),
        (RevocationReason.KEY_COMPROMISE, AT - timedelta(seconds=1)),
    ],
)
def test_a_reason_or_date_that_does_not_fit_is_refused(
    house: House, reason: RevocationReason, invalidity_at: object
) -> None:
    certificate = house.certificate()
    with house.sessions.begin() as session, pytest.raises(ReasonInvalid):
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=reason,
            invalidity_at=invalidity_at,  # type: ignore[arg-type]
            keys=house.keys,
            at=LATER,
            actor=CHIEF,
        )


def test_a_compromised_key_is_never_certified_again_not_even_for_its_owner(house: House) -> None:
    csr, person = csr_for(ec_key()), house.person()
    certificate = house.issue(house.approved(person, csr=csr))
    pending = house.approved(person, csr=csr)
    revoked(house, certificate, RevocationReason.KEY_COMPROMISE)
    for attempt in (lambda: house.received(person, csr=csr), lambda: house.issue(pending)):
        with pytest.raises(KeyUnacceptable) as caught:
            attempt()
        assert caught.value.reason == "blocked"


def test_an_unknown_certificate_is_said_to_be_unknown(house: House) -> None:
    with house.sessions.begin() as session, pytest.raises(CertificateNotFound):
        revoke.suspend(session, certificate_id=uuid.uuid4(), keys=house.keys, at=AT, actor=CHIEF)


@pytest.mark.parametrize("reason", ["not_yet_valid", "expired", "suspended", "revoked"])
def test_what_may_not_be_used_says_why(house: House, reason: str) -> None:
    certificate, at = house.certificate(), LATER
    if reason == "revoked":
        revoked(house, certificate)
    elif reason == "suspended":
        suspended(house, certificate)
    else:
        at = {
            "not_yet_valid": AT - timedelta(seconds=1),
            "expired": certificate.not_after + timedelta(seconds=1),
        }[reason]
    with house.sessions() as session, pytest.raises(CertificateNotUsable) as caught:
        registry.usable_now(session, certificate.id, at=at)
    assert caught.value.reason == reason


def test_an_active_certificate_may_be_used_until_its_last_second(house: House) -> None:
    certificate = house.certificate()
    with house.sessions() as session:
        assert registry.usable_now(session, certificate.id, at=AT).id == certificate.id
        assert registry.usable_now(session, certificate.id, at=certificate.not_after)
