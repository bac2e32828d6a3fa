import importlib
import pkgutil

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

import ca
from ca import reports
from ca.models import Certificate, CertificateStatus, PublicKey
from db import schema
from db.session import create_engine, session_factory
from tests.ca import province
from tests.ca.house import AT, House
from tests.database import TestDatabases


def test_the_tables_come_go_and_come_again_with_rows_in_them(postgres: TestDatabases) -> None:
    url = postgres.new_database()
    engine = create_engine(url, pool_size=1)
    sessions = session_factory(engine)
    for _ in range(2):
        with sessions.begin() as session:
            province.settle(session)
            report = reports.certificate_totals(session, as_of=province.COUNTED)
            assert report.totals.issued == province.ISSUED
        engine.dispose()
        schema.downgrade(url, "0001_audit_and_jobs")
        assert schema.current(url) == ("0001_audit_and_jobs",)
        schema.upgrade(url)
    with sessions() as session:
        assert session.scalars(select(Certificate)).all() == []
    engine.dispose()


def test_the_migrations_make_the_tables_of_the_models(postgres: TestDatabases) -> None:
    for module in pkgutil.iter_modules(ca.__path__):
        if module.name.startswith("models"):
            importlib.import_module(f"ca.{module.name}")
    mappers = Certificate.registry.mappers
    ours = {str(m.local_table) for m in mappers if m.class_.__module__.startswith("ca.models")}
    found = schema.drift(postgres.new_database())
    assert len(ours) == 30
    assert [d for d in found if any(f"'{table}'" in d for table in ours)] == []


@pytest.mark.parametrize(
    "change",
    [
        "status = 'revoked'",
        "status = 'suspended'",
        "revoked_at = now()",
        "der = NULL",
        "status = 'expired'",
        "revocation_reason = 'boredom'",
        "status = 'issuing'",
    ],
)
def test_the_database_refuses_a_status_that_contradicts_the_row(house: House, change: str) -> None:
    certificate = house.certificate()
    statement = text(f"UPDATE certificates SET {change} WHERE id = :id")  # noqa: S608 -- literals
    with house.sessions() as session, pytest.raises(IntegrityError):
        session.execute(statement, {"id": certificate.id})


def test_the_database_refuses_a_second_certificate_of_one_request(house: House) -> None:
    certificate = house.certificate()
    columns = {c.name: getattr(certificate, c.name) for c in Certificate.__table__.columns}
    again = columns | {
        "id": house.certificate().request_id,
        "serial_number": "00",
        "sha256_fingerprint": None,
    }
    with house.sessions() as session, pytest.raises(IntegrityError, match="request_id_once"):
        session.execute(insert(Certificate).values(**again))
    again |= {"status": CertificateStatus.ABANDONED}
    with house.sessions() as session:
        session.execute(insert(Certificate).values(**again))


def test_a_block_without_a_reason_is_no_block(sessions: sessionmaker[Session]) -> None:
    row = {"spki_sha256": "00", "first_seen_at": AT, "blocked_at": AT}
    with sessions() as session, pytest.raises(IntegrityError, match="blocked"):
        session.execute(insert(PublicKey).values(**row))
