from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from ca import incidents, issue_batch, jobs, revoke
from ca.errors import OrganizationNotFound, TransitionNotAllowed
from ca.errors_publication import IncidentInvalid
from ca.incidents import Decision
from ca.issue_intents import Asked, Context
from ca.models import (
    Certificate,
    CertificateStatus,
    CertificateStatusChange,
    Organization,
    Subscriber,
)
from ca.models_publication import IncidentState, IncidentTarget, ItemState, OcspAnswer
from ca.revocation_reasons import RevocationReason
from db import audit_verification
from db.base import uuid7
from db.models import AuditEntry
from tests.ca.house import AT, CHIEF, House

LATER = AT + timedelta(hours=1)
Reason = RevocationReason


def decision(target: IncidentTarget, **more: object) -> Decision:
    values = {"reason": Reason.CESSATION_OF_OPERATION, "note": "sáp nhập đơn vị"} | more
    return Decision(target=target, **values)  # type: ignore[arg-type]


def issued(house: House, people: Iterator[Subscriber] | list[Subscriber]) -> list[Certificate]:
    asked = [Asked(request_id=house.received(one).id, actor=CHIEF, approve=True) for one in people]
    context = Context(house.keys, AT)
    return [
        one.certificate for one in issue_batch.issue_batch(house.sessions, asked, context=context)
    ]


def decide_and_carry_out(house: House, what: Decision) -> incidents.Progress:
    with house.sessions.begin() as session:
        incident = incidents.decide(session, what, at=LATER, actor=CHIEF)
    return incidents.carry_out(house.sessions, incident.id, keys=house.keys, at=LATER)


def tree(house: House) -> tuple[Organization, Organization, Organization]:
    top = house.organization("Sở Nội vụ")
    below = house.organization("Chi cục Văn thư", parent_id=top.id)
    return top, below, house.organization("Sở Tài chính")


def test_a_unit_is_revoked_with_all_below_it_and_nothing_beside_it(house: House) -> None:
    top, below, beside = tree(house)
    there = issued(house, [house.person(organization=unit) for unit in (top, below, below, beside)])
    what = decision(IncidentTarget.ORGANIZATION, target_id=top.id)
    with house.sessions() as session:
        hit = incidents.dry_run(session, what, at=LATER)
        assert (hit.certificates, hit.active, hit.suspended) == (3, 3, 0)
        assert hit.by_kind == {"personal": 3}
        assert hit.organization_ids == {top.id, below.id}
        revoked = select(func.count()).where(Certificate.status == CertificateStatus.REVOKED)
        assert session.scalar(revoked) == 0
    assert decide_and_carry_out(house, what) == incidents.Progress(0, 3, 0)
    with house.sessions() as session:
        rows = {row.id: row for row in session.scalars(select(Certificate))}
        assert [rows[one.id].status.value for one in there] == [*["revoked"] * 3, "active"]
        for one in there[:3]:
            assert rows[one.id].crl_entry
            answer = session.get_one(OcspAnswer, one.id)
            assert answer.der.count(b"\xa1") > 0
            assert answer.this_update == LATER
        (incident,) = incidents.listing(session, limit=10)
        assert incident.state is IncidentState.DONE
        actions = select(AuditEntry.action).where(AuditEntry.object_type == "incident")
        assert set(session.scalars(actions)) == {
            "incident.decide",
            "incident.begin",
            "incident.finish",
        }
        per_certificate = select(func.count()).where(AuditEntry.action == "certificate.revoke")
        assert session.scalar(per_certificate) == 3
        assert audit_verification.verify(session).first_broken is None


def test_a_person_and_a_device_are_targets_too(house: House) -> None:
    person = house.person()
    (own, other) = issued(house, [person, house.person()])
    what = decision(IncidentTarget.SUBSCRIBER, target_id=person.id)
    assert decide_and_carry_out(house, what).revoked == 1
    with house.sessions() as session:
        assert session.get_one(Certificate, own.id).status is CertificateStatus.REVOKED
        assert session.get_one(Certificate, other.id).status is CertificateStatus.ACTIVE
    sim = house.sim()
    house.issue(house.approved(house.person(), profile="sim", device_id=sim.id))
    what = decision(IncidentTarget.DEVICE, target_id=sim.id)
    assert decide_and_carry_out(house, what).revoked == 1


def test_a_list_skips_what_has_ended_and_counts_it(house: House) -> None:
    first, second = issued(house, [house.person(), house.person()])
    what = decision(IncidentTarget.LIST, certificate_ids=(first.id, second.id))
    with house.sessions.begin() as session:
        incident = incidents.decide(session, what, at=AT, actor=CHIEF)
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=first.id,
            reason=Reason.SUPERSEDED,
            keys=house.keys,
            at=AT,
            actor=CHIEF,
        )
    done = incidents.carry_out(house.sessions, incident.id, keys=house.keys, at=LATER)
    assert done == incidents.Progress(waiting=0, revoked=1, skipped=1)
    with house.sessions() as session:
        outcomes = {
            item.certificate_id: (item.state, item.outcome)
            for item in incidents.items(session, incident.id, limit=10)
        }
    assert outcomes == {
        first.id: (ItemState.SKIPPED, "revoked"),
        second.id: (ItemState.REVOKED, None),
    }


def test_retirement_hits_on_its_day_also_what_was_issued_since(house: House) -> None:
    person = house.person()
    (old,) = issued(house, [person])
    day = AT + timedelta(days=30)
    what = decision(IncidentTarget.SUBSCRIBER, target_id=person.id, effective_at=day)
    with house.sessions.begin() as session:
        incident = incidents.decide(session, what, at=AT, actor=CHIEF)
    (new,) = issued(house, [person])
    assert jobs.JOBS["ca.run_due_incidents"](house.sessions, house.keys, LATER, {}) == 0
    early = incidents.carry_out(house.sessions, incident.id, keys=house.keys, at=LATER)
    assert early.revoked == 0
    assert jobs.JOBS["ca.run_due_incidents"](house.sessions, house.keys, day, {}) == 1
    with house.sessions() as session:
        for one in (old, new):
            row = session.get_one(Certificate, one.id)
            assert (row.status, row.revoked_at) == (CertificateStatus.REVOKED, day)
        assert incidents.progress(session, incident.id).revoked == 2


def test_a_decision_can_be_called_off_until_it_begins(house: House) -> None:
    (certificate,) = issued(house, [house.person()])
    what = decision(
        IncidentTarget.LIST,
        certificate_ids=(certificate.id,),
        effective_at=AT + timedelta(days=3),
    )
    with house.sessions.begin() as session:
        incident = incidents.decide(session, what, at=AT, actor=CHIEF)
        incidents.cancel(session, incident.id, at=AT, actor=CHIEF)
    late = AT + timedelta(days=4)
    assert jobs.JOBS["ca.run_due_incidents"](house.sessions, house.keys, late, {}) == 0
    with house.sessions.begin() as session:
        assert session.get_one(Certificate, certificate.id).status is CertificateStatus.ACTIVE
        with pytest.raises(TransitionNotAllowed):
            incidents.cancel(session, incident.id, at=AT, actor=CHIEF)


def test_whoever_goes_on_after_a_crash_finds_exactly_what_is_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "CHUNK", 3)
    unit = house.organization()
    issued(house, [house.person(organization=unit) for _ in range(8)])
    what = decision(IncidentTarget.ORGANIZATION, target_id=unit.id)
    with house.sessions.begin() as session:
        incident = incidents.decide(session, what, at=LATER, actor=CHIEF)
    real = revoke.revoke_unannounced
    calls = 0

    def crash_in_the_second_chunk(*arguments: object, **more: object) -> Certificate:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return real(*arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(revoke, "revoke_unannounced", crash_in_the_second_chunk)
        with pytest.raises(KeyboardInterrupt):
            incidents.carry_out(house.sessions, incident.id, keys=house.keys, at=LATER)
    with house.sessions() as session:
        assert incidents.progress(session, incident.id) == incidents.Progress(5, 3, 0)
        assert incidents.due(session, at=LATER) == [incident.id]
    done = incidents.carry_out(house.sessions, incident.id, keys=house.keys, at=LATER)
    assert done == incidents.Progress(0, 8, 0)
    with house.sessions() as session:
        ends = select(func.count()).where(
            CertificateStatusChange.status == CertificateStatus.REVOKED
        )
        assert session.scalar(ends) == 8
    again = incidents.carry_out(house.sessions, incident.id, keys=house.keys, at=LATER)
    assert again == done


def test_decisions_that_contradict_themselves_are_refused(house: House) -> None:
    unit = house.organization()
    named = IncidentTarget.ORGANIZATION
    for bad in (
        decision(named),
        decision(named, target_id=unit.id, note=" "),
        decision(named, target_id=unit.id, reason=Reason.CERTIFICATE_HOLD),
        decision(named, target_id=unit.id, effective_at=AT - timedelta(days=1)),
        decision(named, target_id=unit.id, effective_at=AT + timedelta(days=4000)),
        decision(named, target_id=unit.id, invalidity_at=AT + timedelta(days=1)),
        decision(named, target_id=unit.id, certificate_ids=(unit.id,)),
        decision(IncidentTarget.LIST, target_id=unit.id),
        decision(named, target_id=unit.id),
    ):
        with house.sessions.begin() as session, pytest.raises(IncidentInvalid):
            incidents.decide(session, bad, at=AT, actor=CHIEF)
    with house.sessions() as session, pytest.raises(OrganizationNotFound):
        incidents.dry_run(session, decision(named, target_id=uuid7()), at=AT)


def test_the_invalidity_date_is_cut_to_each_certificates_beginning(house: House) -> None:
    (certificate,) = issued(house, [house.person()])
    what = decision(
        IncidentTarget.LIST,
        certificate_ids=(certificate.id,),
        reason=Reason.KEY_COMPROMISE,
        invalidity_at=AT - timedelta(days=100),
    )
    assert decide_and_carry_out(house, what).revoked == 1
    with house.sessions() as session:
        row = session.get_one(Certificate, certificate.id)
        assert row.invalidity_at == row.not_before
