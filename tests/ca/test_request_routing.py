"""Requests are due in working days, their steps are written down, the unit above may decide."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ca import request_routing, requests, working_days
from ca.errors import RequestInvalid, RequestNotFound, TransitionNotAllowed
from ca.errors_registry import CalendarInvalid
from ca.models import RequestKind
from ca.models_requests import DayKind
from ca.working_days import Calendar, Day
from db.base import uuid7
from tests.ca.house import AT, CHIEF, CLERK, House

VIETNAM = working_days.VIETNAM


def due(begin: datetime, days: int, entered: dict[date, Day] | None = None) -> str:
    found = Calendar(entered or {}).due(begin, working_days=days).due_at
    return f"{found.astimezone(VIETNAM):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("begin", "days", "expected"),
    [
        ("2026-03-02T08:30+07:00", 3, "2026-03-05 17:00"),
        ("2026-03-05T08:30+07:00", 3, "2026-03-10 17:00"),
        ("2026-03-07T08:30+07:00", 1, "2026-03-09 17:00"),
        ("2026-02-13T16:00+07:00", 1, "2026-02-23 17:00"),
        ("2026-04-29T16:00+07:00", 1, "2026-05-04 17:00"),
        ("2025-04-25T09:00+07:00", 1, "2025-04-26 17:00"),
        ("2026-03-02T23:30+00:00", 1, "2026-03-04 17:00"),
    ],
)
def test_working_days_pass_over_week_ends_and_holidays(
    begin: str, days: int, expected: str
) -> None:
    assert due(datetime.fromisoformat(begin), days) == expected


def test_a_year_without_data_is_told_and_can_be_entered(house: House) -> None:
    begin = datetime(2031, 1, 20, 2, tzinfo=UTC)
    assert not Calendar({}).due(begin, working_days=3).complete
    with house.sessions.begin() as session:
        tet = Day(DayKind.HOLIDAY, "Tết Nguyên đán", "Quyết định 1/QĐ", verified=True)
        for number in (22, 23):
            working_days.enter(session, date(2031, 1, number), known=tet, at=AT, actor=CLERK)
        calendar = working_days.load(session)
        found = calendar.due(begin, working_days=2)
        assert found.complete
        assert found.due_at.astimezone(VIETNAM).date() == date(2031, 1, 24)
        listed = working_days.year(session, 2031)
        assert [(day.day, known.verified) for day, known in listed if day.month == 1] == [
            (1, False), (22, True), (23, True),
        ]  # fmt: skip
        back = Day(DayKind.WORKING, "Làm bù", "Quyết định 2/QĐ", verified=True)
        working_days.enter(session, date(2031, 1, 22), known=back, at=AT, actor=CLERK)
        assert working_days.load(session).is_working(date(2031, 1, 22))
        for wrong in (
            Day(DayKind.HOLIDAY, "", "x", verified=False),
            Day(DayKind.HOLIDAY, "x", " ", verified=False),
        ):
            with pytest.raises(CalendarInvalid):
                working_days.enter(session, date(2031, 1, 2), known=wrong, at=AT, actor=CLERK)
    with pytest.raises(CalendarInvalid):
        Calendar({}).due(begin, working_days=0)


def test_every_built_in_date_says_that_it_was_not_read_in_the_original(house: House) -> None:
    with house.sessions() as session:
        for number in (2024, 2025, 2026):
            found = working_days.year(session, number)
            assert len(found) >= 9
            assert not any(known.verified for _, known in found)
            assert all("not read" in known.source for _, known in found)


def test_a_request_is_due_and_overdue_until_it_is_done(house: House) -> None:
    request = house.received(house.person())
    with house.sessions.begin() as session:
        routing = request_routing.routing(session, request.id)
        assert routing is not None
        assert routing.due_at.astimezone(VIETNAM) == datetime(2026, 3, 5, 17, tzinfo=VIETNAM)
        assert (routing.working_days, "not read" in routing.term_source) == (3, True)
        for at, count in ((routing.due_at, 0), (routing.due_at + timedelta(seconds=1), 1)):
            found = request_routing.overdue(session, at=at, under=request.organization_id, limit=9)
            assert len(found) == count
        requests.return_(session, request.id, at=AT, actor=CHIEF, note="thiếu quyết định")
        late = AT + timedelta(days=30)
        assert request_routing.overdue(session, at=late, under=None, limit=9) == []
        requests.receive(session, request.id, at=late, actor=CLERK)
        again = request_routing.routing(session, request.id)
        assert again is not None
        assert again.received_at == late
    with house.sessions() as session:
        steps = request_routing.steps(session, request.id)
        assert [(one.came_from, one.state) for one in steps] == [
            (None, "received"), ("received", "returned"), ("returned", "received"),
        ]  # fmt: skip
        assert (steps[1].actor, steps[1].note) == (CHIEF, "thiếu quyết định")


def test_a_request_goes_up_one_level_and_no_further(house: House) -> None:
    province = house.organization("Ủy ban nhân dân tỉnh")
    department = house.organization("Sở Nội vụ", parent_id=province.id)
    office = house.organization("Văn phòng", parent_id=department.id)
    request = house.received(house.person(organization=office))
    lonely = house.received(house.person())
    with house.sessions.begin() as session:
        stored = requests.get(session, request.id)
        assert request_routing.decider(session, stored) == office.id
        request_routing.pass_up(session, request.id, at=AT, actor=CHIEF)
        assert request_routing.decider(session, stored) == department.id
        for wrong in (request.id, lonely.id):
            with pytest.raises(RequestInvalid):
                request_routing.pass_up(session, wrong, at=AT, actor=CHIEF)
        with pytest.raises(RequestNotFound):
            request_routing.pass_up(session, uuid7(), at=AT, actor=CHIEF)
        requests.approve(session, request.id, at=AT, actor=CHIEF)
        with pytest.raises(TransitionNotAllowed):
            request_routing.pass_up(session, request.id, at=AT, actor=CHIEF)


def test_a_renewal_keeps_the_link_from_the_new_certificate_to_the_old(house: House) -> None:
    person = house.person()
    old = house.issue(house.approved(person))
    for kind in (RequestKind.RENEW, RequestKind.CHANGE):
        new = house.issue(house.approved(person, kind=kind, certificate_id=old.id))
        assert new.predecessor_id == old.id
