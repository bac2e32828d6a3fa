from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509 import ocsp as x509_ocsp
from sqlalchemy import select

from ca import authorities, jobs, ocsp, publication_watch, registry, renewal, revoke
from ca.errors import (
    AlreadyRevoked,
    AuthorityUnavailable,
    CertificateNotUsable,
    ReasonInvalid,
    TransitionNotAllowed,
)
from ca.models import Authority, AuthorityRole, Certificate
from ca.models_publication import Alarm, OcspAnswer
from ca.revocation_reasons import RevocationReason
from db.models import AuditEntry
from tests.ca.house import AT, CHIEF, House
from tests.ca.test_ocsp import issuing_certificate, load, request_for

LATER = AT + timedelta(hours=1)
Status = x509_ocsp.OCSPCertStatus


def renew_due(house: House, at: datetime) -> list[Authority]:
    with house.sessions.begin() as session:
        return renewal.renew_due(
            session, keys=house.keys, make_key=house.make_key, at=at, actor="system"
        )


def row(house: House, slug: str) -> Authority:
    with house.sessions() as session:
        return authorities.by_slug(session, slug)


def answered(house: House, certificate: Certificate, at: datetime) -> x509_ocsp.OCSPResponse:
    request = request_for(load(certificate.der), issuing_certificate(house))
    with house.sessions() as session:
        answer = ocsp.answer(session, request, keys=house.keys, at=at)
    return x509_ocsp.load_der_ocsp_response(answer)


def end(house: House, slug: str, at: datetime, reason: RevocationReason) -> None:
    with house.sessions.begin() as session:
        authority = authorities.by_slug(session, slug)
        renewal.revoke_authority(session, authority=authority, reason=reason, at=at, actor=CHIEF)


def test_services_get_successors_before_they_run_out(house: House) -> None:
    certificate = house.certificate()
    first = row(house, "ocsp")
    assert renew_due(house, first.not_after - timedelta(days=31)) == []
    near = first.not_after - timedelta(days=29)
    made = {one.slug: one for one in renew_due(house, near)}
    assert "root-ocsp-2" in made
    for slug, one in made.items():
        old = row(house, slug.removesuffix("-2"))
        before, after = (x509.load_der_x509_certificate(each.certificate) for each in (old, one))
        assert after.subject == before.subject
        assert after.public_key() != before.public_key()
        assert one.not_after > old.not_after
        assert one.not_before <= near
    assert renew_due(house, near) == []
    del certificate


def test_the_successor_of_a_responder_answers_and_presigns(house: House) -> None:
    certificate = house.certificate()
    with house.sessions.begin() as session:
        made = renewal.renew(
            session,
            authorities.by_slug(session, "ocsp"),
            keys=house.keys,
            make_key=house.make_key,
            at=LATER,
            actor=CHIEF,
        )
    fresh = ocsp.OcspService(house.keys)
    moment = LATER + timedelta(hours=20)
    request = request_for(load(certificate.der), issuing_certificate(house))
    with house.sessions() as session:
        read = x509_ocsp.load_der_ocsp_response(fresh.answer(session, request, at=moment))
    assert read.certificate_status is Status.GOOD
    assert [load(made.certificate)] == read.certificates


def test_a_revoked_responder_signs_nothing_and_what_it_signed_is_signed_anew(house: House) -> None:
    certificate = house.certificate()
    with pytest.raises(TransitionNotAllowed):
        end(house, "ocsp", LATER, RevocationReason.KEY_COMPROMISE)
    with house.sessions.begin() as session:
        old = authorities.by_slug(session, "ocsp")
        made = renewal.renew(
            session, old, keys=house.keys, make_key=house.make_key, at=LATER, actor=CHIEF
        )
    end(house, "ocsp", LATER, RevocationReason.KEY_COMPROMISE)
    read = answered(house, certificate, LATER + timedelta(seconds=1))
    assert read.certificate_status is Status.GOOD
    assert read.certificates == [load(made.certificate)]
    soon = LATER + timedelta(minutes=1)
    assert jobs.renew_ocsp_answers(house.sessions, house.keys, soon, {}) >= 1
    with house.sessions() as session:
        stored = session.get_one(OcspAnswer, certificate.id)
    assert x509_ocsp.load_der_ocsp_response(stored.der).certificates == [load(made.certificate)]
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.SUPERSEDED,
            keys=house.keys,
            at=soon,
            actor=CHIEF,
        )
    assert answered(house, certificate, soon).certificate_status is Status.REVOKED


def test_a_revoked_issuing_authority_issues_nothing_and_nothing_under_it_is_used(
    house: House,
) -> None:
    certificate = house.certificate()
    waiting = house.approved(house.person())
    end(house, "issuing", LATER, RevocationReason.CA_COMPROMISE)
    with pytest.raises(AuthorityUnavailable):
        house.issue(waiting, at=LATER)
    with house.sessions() as session, pytest.raises(CertificateNotUsable) as caught:
        registry.usable_now(session, certificate.id, at=LATER + timedelta(minutes=1))
    assert caught.value.reason == "issuer_not_usable"
    request = request_for(issuing_certificate(house), issuing_certificate(house, "root"))
    with house.sessions() as session:
        answer = ocsp.answer(session, request, keys=house.keys, at=LATER)
    read = x509_ocsp.load_der_ocsp_response(answer)
    assert read.certificate_status is Status.REVOKED
    assert read.revocation_reason is x509.ReasonFlags.ca_compromise
    with pytest.raises(AlreadyRevoked):
        end(house, "issuing", LATER, RevocationReason.CA_COMPROMISE)
    with house.sessions() as session:
        told = select(AuditEntry.action).where(AuditEntry.object_type == "authority")
        assert "authority.revoke" in set(session.scalars(told))


def test_a_root_is_not_revoked_and_no_authority_is_put_on_hold(house: House) -> None:
    with pytest.raises(ReasonInvalid):
        end(house, "root", LATER, RevocationReason.CA_COMPROMISE)
    with pytest.raises(ReasonInvalid):
        end(house, "issuing", LATER, RevocationReason.CERTIFICATE_HOLD)


def test_alarms_are_raised_once_and_cleared_when_the_cause_is_gone(house: House) -> None:
    house.certificate()
    quiet = AT + timedelta(minutes=1)
    with house.sessions.begin() as session:
        assert publication_watch.watch(session, at=quiet) == []
    late = AT + timedelta(days=30)
    for _ in range(2):
        with house.sessions.begin() as session:
            found = publication_watch.watch(session, at=late)
        assert {(alarm.kind, alarm.subject) for alarm in found} == {
            ("crl_past_end", "root.crl"),
            ("crl_past_end", "issuing.crl"),
            ("ocsp_past_end", "ocsp"),
        }
    jobs.publish_due_crls(house.sessions, house.keys, late, {})
    jobs.renew_ocsp_answers(house.sessions, house.keys, late, {})
    assert jobs.JOBS["ca.watch_publication"](house.sessions, house.keys, late, {}) == 0
    with house.sessions() as session:
        assert len(session.scalars(select(Alarm)).all()) == 3
        told = select(AuditEntry.action).where(AuditEntry.object_type == "alarm")
        assert sorted(session.scalars(told)) == ["alarm.clear"] * 3 + ["alarm.raise"] * 3


def test_a_service_that_nobody_renewed_is_an_alarm(house: House) -> None:
    near = row(house, "ocsp").not_after - timedelta(days=3)
    with house.sessions.begin() as session:
        found = publication_watch.watch(session, at=near)
    assert ("certificate_near_end", "ocsp") in {(one.kind, one.subject) for one in found}
    assert AuthorityRole.OCSP in renewal.SERVICES
