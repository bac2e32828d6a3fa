import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from ca import reports, revoke
from ca.errors import (
    AlreadyRevoked,
    OrganizationNotFound,
    ReportInvalid,
    TransitionNotAllowed,
)
from ca.models import Certificate, CertificateStatus
from ca.reports import Dimension, Totals
from ca.revocation_reasons import RevocationReason
from db.base import uuid7
from tests.ca import province
from tests.ca.house import AT, CHIEF, House

Status = CertificateStatus


def identity_holds(report: reports.CertificateReport) -> bool:
    groups = [row.totals for row in report.rows] + [report.totals]
    return all(t.issued == t.in_force + t.suspended + t.revoked + t.expired for t in groups)


def test_the_model_province_adds_up_to_the_last_unit(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        province.settle(session)
    with sessions() as session:
        report = reports.certificate_totals(session, as_of=province.COUNTED, by=["kind"])
    in_force = {row.group["kind"]: row.totals.in_force for row in report.rows}
    assert in_force == {"personal": 2241, "organizational": 416, "sim": 213}
    assert report.totals == Totals(3056, 2241 + 416 + 213, 0, 186, 0)
    assert identity_holds(report)


def test_the_identity_holds_in_every_group_on_every_date(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        settled = province.settle(session)
    dates = [province.BEGIN + timedelta(days=days) for days in (-1, 0, 200, 420, 1900, 2400)]
    with sessions() as session:
        for date, by in itertools.product(dates, [*((d.value,) for d in Dimension), ()]):
            whole = reports.certificate_totals(session, as_of=date, by=by)
            assert identity_holds(whole)
            plain = reports.certificate_totals(session, as_of=date)
            assert whole.totals == plain.totals
        for date in dates:
            plain = reports.certificate_totals(session, as_of=date)
            parts = [
                reports.certificate_totals(session, as_of=date, under=district).totals
                for district in settled.districts
            ]
            summed = Totals(*(sum(column) for column in zip(*map(_numbers, parts), strict=True)))
            assert summed == plain.totals


def _numbers(totals: Totals) -> tuple[int, ...]:
    return totals.issued, totals.in_force, totals.suspended, totals.revoked, totals.expired


def test_every_number_opens_the_list_behind_it(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        province.settle(session)
    with sessions() as session:
        date = province.FIRST_REVOCATION + timedelta(days=40)
        totals = reports.certificate_totals(session, as_of=date).totals
        counted = select(reports.standing_of(date)).where(Certificate.issued_at <= date)
        listed = Counter(session.scalars(counted))
    assert listed == Counter({"in_force": totals.in_force, "revoked": totals.revoked})
    assert 0 < totals.revoked < 186


def test_a_level_groups_the_units_that_hold_the_certificates(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        province.settle(session)
    with sessions() as session:
        report = reports.certificate_totals(session, as_of=province.COUNTED, by=["level", "kind"])
    assert {row.group["level"] for row in report.rows} == {"commune"}
    assert [row.totals.issued for row in report.rows] == [448, 2372, 236]


@pytest.mark.parametrize("by", [("colour",), ("kind", "kind"), ("",)])
def test_an_unknown_dimension_is_refused(
    sessions: sessionmaker[Session], by: tuple[str, ...]
) -> None:
    with sessions() as session, pytest.raises(ReportInvalid):
        reports.certificate_totals(session, as_of=AT, by=by)


def test_an_unknown_subtree_is_refused(sessions: sessionmaker[Session]) -> None:
    with sessions() as session, pytest.raises(OrganizationNotFound):
        reports.certificate_totals(session, as_of=AT, under=uuid7())


def test_an_empty_registry_counts_nothing(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        report = reports.certificate_totals(session, as_of=AT, by=["kind"])
    assert (report.totals, report.rows) == (Totals(0, 0, 0, 0, 0), ())


@dataclass(repr=False)
class Walk:
    """What we believe of the certificates, kept beside the registry and in simpler words."""

    house: House
    now: datetime = AT
    certificates: list[Certificate] = field(default_factory=list)
    history: list[list[tuple[datetime, CertificateStatus]]] = field(default_factory=list)

    def issue(self) -> None:
        self.certificates.append(self.house.certificate(at=self.now))
        self.history.append([(self.now, Status.ACTIVE)])

    def step(self, act: str, number: int) -> None:
        number %= len(self.certificates)
        expected = self._expected(act, self.history[number][-1][1])
        if expected is None:
            with pytest.raises(TransitionNotAllowed) as caught:
                self._act(act, self.certificates[number])
            final = self.history[number][-1][1] is Status.REVOKED
            assert isinstance(caught.value, AlreadyRevoked) is final
        else:
            self._act(act, self.certificates[number])
            self.history[number].append((self.now, expected))

    def _expected(self, act: str, status: CertificateStatus) -> CertificateStatus | None:
        return {
            ("suspend", Status.ACTIVE): Status.SUSPENDED,
            ("restore", Status.SUSPENDED): Status.ACTIVE,
            ("revoke", Status.ACTIVE): Status.REVOKED,
            ("revoke", Status.SUSPENDED): Status.REVOKED,
        }.get((act, status))

    def _act(self, act: str, certificate: Certificate) -> None:
        with self.house.sessions.begin() as session:
            common = {
                "certificate_id": certificate.id,
                "keys": self.house.keys,
                "at": self.now,
                "actor": CHIEF,
            }
            if act == "revoke":
                revoke.revoke(session, reason=RevocationReason.SUPERSEDED, **common)  # type: ignore[arg-type]
            else:
                getattr(revoke, act)(session, **common)

    def totals_at(self, date: datetime) -> Totals:
        counts: Counter[str] = Counter()
        for certificate, changes in zip(self.certificates, self.history, strict=True):
            past = [status for at, status in changes if at <= date]
            if not past:
                continue
            if past[-1] is Status.REVOKED:
                counts["revoked"] += 1
            elif certificate.not_after < date:
                counts["expired"] += 1
            else:
                counts["suspended" if past[-1] is Status.SUSPENDED else "in_force"] += 1
        kinds = [counts[k] for k in ("in_force", "suspended", "revoked", "expired")]
        return Totals(sum(kinds), *kinds)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["issue", "suspend", "restore", "revoke"]),
        st.integers(0, 9),
        st.integers(1, 600),
    ),
    max_size=9,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS, st.lists(st.integers(-10, 4000), min_size=1, max_size=5))
def test_any_walk_of_statuses_is_counted_as_it_was_on_every_date(
    house: House, walk_so_far: dict[str, Walk], steps: list[tuple[str, int, int]], days: list[int]
) -> None:
    walk = Walk(house)
    past = walk_so_far.setdefault("all", Walk(house))
    walk.issue()
    for act, number, passing in steps:
        walk.now += timedelta(days=passing % 300)
        if act == "issue":
            walk.issue()
        else:
            walk.step(act, number)
        walk.now += timedelta(seconds=1)
    past.certificates += walk.certificates
    past.history += walk.history
    with house.sessions() as session:
        for day in days:
            date = AT + timedelta(days=day, seconds=1)
            report = reports.certificate_totals(session, as_of=date, by=["kind", "status"])
            assert report.totals == past.totals_at(date)
            assert identity_holds(report)


@pytest.fixture
def walk_so_far() -> dict[str, Walk]:
    """Certificates of all walks of one test: they share a registry, and none disturbs another."""
    return {}
