"""A post's end that is known in advance ends its certificates on the day, and no others."""

from datetime import datetime, timedelta

from ca import incidents, post_ends, posts, registry
from ca.models import Certificate, CertificateStatus, Subscriber
from ca.models_people import Post
from ca.models_publication import IncidentState
from ca.post_ends import Choices
from ca.posts import PostDetails
from ca.revocation_reasons import RevocationReason
from tests.ca.house import AT, CLERK, House

DAY = timedelta(days=1)
RETIREMENT = AT + 90 * DAY


def present(house: House, person: Subscriber) -> Post:
    with house.sessions() as session:
        return posts.holding(session, person.id, at=AT)[0]


def ends(
    house: House, post: Post, when: datetime, *, at: datetime = AT, choices: Choices | None = None
) -> Post:
    with house.sessions.begin() as session:
        return post_ends.end(
            session, post.id, ended_at=when, at=at, actor=CLERK, choices=choices or Choices()
        )


def issued(house: House, person: Subscriber, *, at: datetime = AT) -> Certificate:
    return house.issue(house.approved(person), at=at)


def status(house: House, certificate: Certificate) -> CertificateStatus:
    with house.sessions() as session:
        return registry.get(session, certificate.id).status


def the_day_comes(house: House, *, at: datetime) -> None:
    """Do what the worker does for every incident that is due."""
    with house.sessions() as session:
        due = incidents.due(session, at=at)
    for incident_id in due:
        incidents.carry_out(house.sessions, incident_id, keys=house.keys, at=at)


def test_who_retires_keeps_the_certificate_until_the_day(house: House) -> None:
    person, colleague = house.person(), house.person()
    first, others = issued(house, person), issued(house, colleague)
    ends(house, present(house, person), RETIREMENT, choices=Choices(document_reference="9/QĐ"))
    renewed = issued(house, person, at=AT + 10 * DAY)
    the_day_comes(house, at=RETIREMENT - DAY)
    assert status(house, first) is status(house, renewed) is CertificateStatus.ACTIVE
    the_day_comes(house, at=RETIREMENT)
    with house.sessions() as session:
        for one in (first, renewed):
            ended = registry.get(session, one.id)
            assert ended.status is CertificateStatus.REVOKED
            assert ended.revocation_reason is RevocationReason.AFFILIATION_CHANGED
        (done,) = incidents.listing(session, limit=5)
        assert (done.state, done.document_reference) == (IncidentState.DONE, "9/QĐ")
    assert status(house, others) is CertificateStatus.ACTIVE


def test_another_day_plans_anew_and_the_same_day_nothing(house: House) -> None:
    person = house.person()
    certificate, post = issued(house, person), present(house, person)
    for when in (RETIREMENT, RETIREMENT, RETIREMENT + 30 * DAY):
        ends(house, post, when)
    with house.sessions() as session:
        states = [one.state for one in incidents.listing(session, limit=9)]
        assert states == [IncidentState.PLANNED, IncidentState.CANCELLED]
        (plan,) = post_ends.planned(session, [post.id]).values()
        assert plan.effective_at == RETIREMENT + 30 * DAY
    the_day_comes(house, at=RETIREMENT)
    assert status(house, certificate) is CertificateStatus.ACTIVE
    ends(house, post, RETIREMENT + 60 * DAY, choices=Choices(revokes=False))
    the_day_comes(house, at=RETIREMENT + 61 * DAY)
    assert status(house, certificate) is CertificateStatus.ACTIVE


def test_an_end_that_has_passed_revokes_nothing_by_itself(house: House) -> None:
    person = house.person()
    certificate = issued(house, person)
    ends(house, present(house, person), AT + DAY, at=AT + 2 * DAY)
    the_day_comes(house, at=AT + 3 * DAY)
    assert status(house, certificate) is CertificateStatus.ACTIVE


def test_an_end_in_ten_years_is_planned_too(house: House) -> None:
    post = present(house, house.person())
    ends(house, post, AT + 3650 * DAY)
    with house.sessions() as session:
        assert post.id in post_ends.planned(session, [post.id])


def test_a_transfer_ends_what_was_for_the_old_post_and_not_what_is_for_the_new(
    house: House,
) -> None:
    person, there = house.person(), house.organization("Sở Tài chính")
    old = issued(house, person)
    details = PostDetails(there.id, "Phó Giám đốc", AT + 20 * DAY)
    with house.sessions.begin() as session:
        made = post_ends.appoint(session, person.id, details=details, at=AT, actor=CLERK)
        assert post_ends.planned(session, [made.id]) == {}
    with house.sessions.begin() as session:
        found = session.get_one(Subscriber, person.id)
        found.organization_id, found.post = there.id, "Phó Giám đốc"
    new = issued(house, person, at=AT + 20 * DAY)
    the_day_comes(house, at=AT + 21 * DAY)
    assert status(house, old) is CertificateStatus.REVOKED
    assert status(house, new) is CertificateStatus.ACTIVE


def test_a_promotion_in_the_same_unit_keeps_what_was_issued_since(house: House) -> None:
    person = house.person()
    unit_id = person.organization_id
    old = issued(house, person)
    details = PostDetails(unit_id, "Chủ tịch", AT + 5 * DAY)
    with house.sessions.begin() as session:
        post_ends.appoint(session, person.id, details=details, at=AT, actor=CLERK)
    new = issued(house, person, at=AT + 6 * DAY)
    the_day_comes(house, at=AT + 7 * DAY)
    assert status(house, old) is CertificateStatus.REVOKED
    assert status(house, new) is CertificateStatus.ACTIVE


def test_a_term_that_is_known_at_the_appointment_is_planned_and_another_post_beside_it_stays(
    house: House,
) -> None:
    person = house.person()
    certificate = issued(house, person)
    with house.sessions.begin() as session:
        details = PostDetails(person.organization_id, "Tổ trưởng", AT, RETIREMENT)
        kept = Choices(keeps_others=True)
        made = post_ends.appoint(
            session, person.id, details=details, at=AT, actor=CLERK, choices=kept
        )
        assert made.id in post_ends.planned(session, [made.id])
    the_day_comes(house, at=RETIREMENT)
    assert status(house, certificate) is CertificateStatus.ACTIVE
