"""Reports that were frozen stay as they were, and can be counted again to the last unit."""

import itertools
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from ca import certificate_search, import_files, imports, reports, revoke, snapshots
from ca.certificate_search import SearchFilters
from ca.errors import ReportInvalid, SearchInvalid
from ca.errors_registry import SnapshotNotFound, SnapshotTaken
from ca.imports import ImportOptions, Source
from ca.reports import Dimension, Standing
from ca.revocation_reasons import RevocationReason
from ca.snapshots import Period
from db.base import uuid7
from tests.ca import province
from tests.ca.elsewhere import table
from tests.ca.house import AT, CHIEF, CLERK, House

LATER = AT + timedelta(days=30)
QUARTER = Period("2026-Q1", AT + timedelta(days=29), ("kind", "status"))


def imported(house: House, row: list[str]) -> None:
    _, rows = import_files.read(table([row]))
    with house.sessions.begin() as session:
        made = imports.submit(
            session,
            source=Source("x.csv", "csv", ""),
            rows=rows,
            options=ImportOptions(issuer="VNPT-CA"),
            at=LATER,
            actor=CLERK,
        )
    imports.run(house.sessions, made.id, at=LATER + timedelta(hours=1))


def test_a_frozen_report_is_counted_again_after_what_was_learnt_late(house: House) -> None:
    house.organization("Văn phòng")
    certificate = house.certificate()
    with house.sessions.begin() as session:
        frozen = snapshots.freeze(session, period=QUARTER, at=LATER, actor=CHIEF)
        assert frozen.content["totals"] == {
            "issued": 1, "in_force": 1, "suspended": 0, "revoked": 0, "expired": 0,
        }  # fmt: skip
    imported(house, ["1", "aa", "Nguyễn Thị Đức", "Văn phòng", "01/02/2024", "01/02/2029", ""])
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.SUPERSEDED,
            keys=house.keys,
            at=LATER + timedelta(days=1),
            actor=CHIEF,
        )
    with house.sessions() as session:
        now = reports.certificate_totals(session, as_of=QUARTER.as_of).totals
        assert now.issued == 2
        assert snapshots.reproduces(session, snapshots.get(session, frozen.id))


def test_a_period_is_frozen_once_and_only_after_its_end(house: House) -> None:
    with house.sessions.begin() as session:
        snapshots.freeze(session, period=QUARTER, at=LATER, actor=CHIEF)
    with house.sessions.begin() as session:
        with pytest.raises(SnapshotTaken):
            snapshots.freeze(session, period=QUARTER, at=LATER, actor=CHIEF)
        for period in (
            Period("2026-Q2", LATER),
            Period("", AT),
            Period("x" * 101, AT),
            Period("2026-Q2", AT, ("weather",)),
        ):
            with pytest.raises(ReportInvalid):
                snapshots.freeze(session, period=period, at=LATER, actor=CHIEF)
        other = snapshots.freeze(
            session, period=Period("2026-Q1", QUARTER.as_of, ("month",)), at=LATER, actor=CHIEF
        )
        assert snapshots.listing(session, under=None, limit=1)[0].id == other.id
        with pytest.raises(SnapshotNotFound):
            snapshots.get(session, uuid7())


@pytest.mark.parametrize(
    "change", ["UPDATE report_snapshots SET period = 'x'", "DELETE FROM report_snapshots"]
)
def test_the_database_itself_refuses_to_change_a_frozen_report(house: House, change: str) -> None:
    with house.sessions.begin() as session:
        snapshots.freeze(session, period=QUARTER, at=LATER, actor=CHIEF)
    with house.sessions() as session, pytest.raises(DBAPIError, match="frozen"):
        session.execute(text(change))


def test_every_number_of_every_group_opens_the_list_of_that_length(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        settled = province.settle(session)
    date = province.FIRST_REVOCATION + timedelta(days=40)
    with sessions() as session:
        for dimension in Dimension:
            report = reports.certificate_totals(
                session, as_of=date, by=[dimension.value], under=settled.districts[0]
            )
            for row, standing in itertools.product(report.rows[:2], Standing):
                asked = Standing(row.group["status"]) if dimension is Dimension.STATUS else standing
                if asked is not standing:
                    continue
                filters = SearchFilters(
                    under=settled.districts[0],
                    as_of=date,
                    standing=standing,
                    group={Dimension(name): value for name, value in row.group.items()},
                )
                found, cursor = 0, None
                while True:
                    page = certificate_search.search(
                        session, filters=filters, limit=500, cursor=cursor
                    )
                    found, cursor = found + len(page.items), page.next_cursor
                    if cursor is None:
                        break
                assert found == getattr(row.totals, standing.value), (row.group, standing)


def test_a_standing_without_its_date_means_nothing(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        for filters in (
            SearchFilters(standing=Standing.REVOKED),
            SearchFilters(group={Dimension.LEVEL: "\x00"}),
        ):
            with pytest.raises(SearchInvalid):
                certificate_search.search(session, filters=filters)
