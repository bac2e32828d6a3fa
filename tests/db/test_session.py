"""Engines, sessions, times and ids."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, literal, select, text
from sqlalchemy.orm import Session, sessionmaker

from db.base import Base, UtcDateTime, uuid7
from db.errors import DbError
from db.errors_time import NaiveDatetime
from db.session import create_engine, libpq_url


def test_a_session_speaks_utc_and_gives_up_on_locks(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        assert session.scalar(text("SHOW timezone")) == "UTC"
        assert session.scalar(text("SHOW lock_timeout")) == "30s"


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_both_spellings_of_the_url_are_accepted(database_url: str, scheme: str) -> None:
    engine = create_engine(database_url.replace("postgresql", scheme, 1), pool_size=1)
    with engine.connect() as connection:
        assert connection.scalar(select(literal(1))) == 1
    engine.dispose()
    assert libpq_url(database_url.replace("postgresql", scheme, 1)) == database_url


@pytest.mark.parametrize("url", ["sqlite://", "mysql://h/d", "nonsense"])
def test_a_url_of_another_database_is_refused(url: str) -> None:
    with pytest.raises(DbError):
        create_engine(url)


def test_a_naive_time_is_refused_before_it_is_sent(engine: Engine) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the subject of the test
    with engine.connect() as connection, pytest.raises(NaiveDatetime):
        connection.execute(select(literal(naive, UtcDateTime())))


def test_a_time_comes_back_in_utc_to_the_microsecond(engine: Engine) -> None:
    hanoi = datetime(2026, 1, 1, 7, 30, 0, 123456, tzinfo=timezone(timedelta(hours=7)))
    with engine.connect() as connection:
        connection.execute(text("SET timezone = 'Asia/Ho_Chi_Minh'"))
        back = connection.scalar(select(literal(hanoi, UtcDateTime())))
    assert back == hanoi
    assert back is not None
    assert back.tzinfo is UTC


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [uuid7() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(each.version == 7 and each.variant == uuid.RFC_4122 for each in ids)
    milliseconds = [each.int >> 80 for each in ids]
    assert milliseconds == sorted(milliseconds)
    assert abs(milliseconds[-1] / 1000 - datetime.now(UTC).timestamp()) < 5


def test_constraints_are_named_by_one_convention() -> None:
    table = Base.metadata.tables["audit_log"]
    assert {c.name for c in table.constraints} >= {"audit_log_pkey", "audit_log_chain_sequence_key"}
