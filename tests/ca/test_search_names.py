"""However a name is looked for, the pages are those of a reader who looks at every row."""

import threading
import uuid
from collections.abc import Iterator
from itertools import product

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from ca import certificate_search, names
from ca.certificate_search import SearchFilters
from ca.models import Certificate, CertificateKind, CertificateStatus, certificate_names
from ca.reports import Standing
from db import schema
from db.session import create_engine, session_factory
from tests.ca import province
from tests.database import TestDatabases

WAYS = {
    "names": {"NEWEST": 1, "MANY_NAMES": 10_000},
    "newest": {"NEWEST": 100_000},
    "newest, then names": {"NEWEST": 40, "MANY_NAMES": 10_000},
    "newest twice, then all": {"NEWEST": 40, "MANY_NAMES": -1},
    "all": {"NEWEST": 1, "MANY_NAMES": -1},
}
SURNAMES, GIVEN = ("Nguyễn", "Trần", "Đỗ"), ("Văn An", "Thị Bình", "Anh", "Hoàng Ân")


@pytest.fixture
def settled(sessions: sessionmaker[Session]) -> province.Province:
    """The model province, whose people have names that share words."""
    with sessions.begin() as session:
        made = province.settle(session)
        ids = list(session.scalars(select(Certificate.id).order_by(Certificate.id)))
        for n, (surname, given) in enumerate(product(SURNAMES, GIVEN)):
            some = ids[n :: len(SURNAMES) * len(GIVEN)]
            name = names.fold(f"{surname} {given}")
            session.execute(
                update(Certificate).where(Certificate.id.in_(some)).values(search_name=name)
            )
    return made


def pages(session: Session, filters: SearchFilters, limit: int) -> Iterator[list[uuid.UUID]]:
    cursor = None
    while True:
        page = certificate_search.search(session, filters=filters, limit=limit, cursor=cursor)
        yield [row.id for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_a_name_gives_the_same_pages(
    settled: province.Province,
    sessions: sessionmaker[Session],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    for constant, value in WAYS[way].items():
        monkeypatch.setattr(certificate_search, constant, value)
    with sessions() as session:
        rows = session.scalars(select(Certificate).order_by(Certificate.id.desc())).all()
        below = set(certificate_search._units(session, settled.districts[0]))
        for name in ("nguyễn an", "an", "AN đỗ", "binh", "hoang an", "x", "do thi b"):
            named = [row for row in rows if has_words(row.search_name, name)]

            def found(limit: int, name: str = name, **others: object) -> list[uuid.UUID]:
                filters = SearchFilters(name=name, **others)  # type: ignore[arg-type]
                return [one for page in pages(session, filters, limit) for one in page]

            assert found(300) == [row.id for row in named]
            sims = [row.id for row in named if row.kind is CertificateKind.SIM]
            assert found(17, kind=CertificateKind.SIM) == sims
            revoked = [row for row in named if row.status is CertificateStatus.REVOKED]
            ended = {"under": settled.districts[0], "status": CertificateStatus.REVOKED}
            assert found(3, **ended) == [row.id for row in revoked if row.organization_id in below]
            counted = {"as_of": province.COUNTED, "standing": Standing.REVOKED}
            assert found(100, **counted) == [row.id for row in revoked]


def has_words(search_name: str, name: str) -> bool:
    own = search_name.split()
    return all(any(word.startswith(w) for word in own) for w in names.fold(name).split())


def test_every_name_is_noted_whoever_brings_it(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        province.settle(session)
    with sessions() as session:
        held = set(session.scalars(select(Certificate.search_name).distinct()))
        assert set(session.scalars(select(certificate_names.c.name))) == held
        noted = session.scalar(select(func.count()).select_from(certificate_names))
        assert noted == len(held)


def test_two_who_bring_the_same_name_do_not_wait_for_each_other(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        province.settle(session)
        one, other = session.scalars(select(Certificate.id).limit(2)).all()
    renamed = update(Certificate).values(search_name="le van moi")
    with sessions() as first, sessions() as second:
        first.execute(renamed.where(Certificate.id == one))
        done = threading.Thread(
            target=lambda: second.execute(renamed.where(Certificate.id == other))
        )
        done.start()
        done.join(timeout=20)
        assert not done.is_alive()
        second.commit()
        first.commit()
    with sessions() as session:
        twice = text("SELECT count(*) FROM certificate_names WHERE name = 'le van moi'")
        assert session.scalar(twice) == 2
        found = certificate_search.search(session, filters=SearchFilters(name="van moi le")).items
        assert {row.id for row in found} == {one, other}


def test_certificates_there_before_keep_their_names_up_and_down(postgres: TestDatabases) -> None:
    url = postgres.new_database(migrated=False)
    schema.upgrade(url, "0016_search_indexes")
    engine = create_engine(url, pool_size=1)
    sessions = session_factory(engine)
    with sessions.begin() as session:
        province.settle(session)
        session.execute(
            text("UPDATE certificates SET subject = :subject WHERE serial_number LIKE '%7'"),
            {"subject": r"CN=A\,2.5.4.5=b,2.5.4.12=Trưởng,1.2.840.113549.1.9.1=a@b,2.5.4.77=x"},
        )
    for revision in ("head", "0016_search_indexes", "head"):
        (schema.downgrade if revision[0] == "0" else schema.upgrade)(url, revision)
    with sessions() as session:
        held = set(session.scalars(select(Certificate.search_name).distinct()))
        assert set(session.scalars(select(certificate_names.c.name))) == held
        sevens = select(Certificate.subject).where(Certificate.serial_number.endswith("7"))
        written = set(session.scalars(sevens))
        assert written == {r"CN=A\,2.5.4.5=b,title=Trưởng,emailAddress=a@b,2.5.4.77=x"}
        found = certificate_search.search(
            session, filters=SearchFilters(name="nguyen van 17")
        ).items
        assert found
    engine.dispose()
