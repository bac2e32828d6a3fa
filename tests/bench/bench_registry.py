"""A registry of a million certificates: look-ups, searches and reports, beside their limits.

The rows are made by the database itself in some minutes; ANTIN_BENCH_CERTIFICATES makes fewer.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from ca import certificate_search, import_files, imports, registry, reports
from ca.certificate_search import SearchFilters
from ca.imports import ImportOptions, Source
from ca.models import CertificateKind, CertificateStatus
from ca.reports import Standing
from db import schema
from db.embedded import EmbeddedPostgres
from db.session import create_engine, session_factory
from tests.bench.row import Row
from tests.ca import province
from tests.ca.elsewhere import HEADER, table

CERTIFICATES = int(os.environ.get("ANTIN_BENCH_CERTIFICATES", "1000000"))
ROUNDS = 60
FIRST_SERIAL = 100_000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
SURNAMES = ("nguyen", "tran", "le", "pham", "hoang", "phan", "vu", "dang", "bui", "do")
MIDDLE = (
    *("van", "thi", "huu", "ngoc", "thanh", "quang", "xuan", "thu", "kim", "quoc", "dinh", "hai"),
    *("tuan", "phuong", "my", "cong", "the", "trong", "bao", "gia", "nhat", "tien", "viet", "anh"),
)
GIVEN = ("an", "binh", "chi", "dung", "duc", "giang", "ha", "hong", "khanh", "lan", "minh", "nam")
LAST = tuple(
    a + b
    for a in ("b", "d", "h", "l", "m", "n", "ph", "qu", "s", "t", "th", "tr", "v")
    for b in ("a", "ai", "am", "an", "ao", "en", "ich", "ien", "inh", "oan", "ong", "uy")
)
"""So that there are hundreds of thousands of names, as among a million people."""
DER_OCTETS = 900
"""About the size of a certificate of ours."""

_ROWS = """
INSERT INTO subscribers
    (id, kind, organization_id, full_name, search_name, national_id, created_at)
SELECT gen_random_uuid(), 'person',
    (SELECT array_agg(id) FROM organizations WHERE level = 'commune')[1 + n % 111], name, name,
    lpad(n::text, 12, '0'), now()
FROM (SELECT n, (CAST(:surnames AS text[]))[1 + (random() * 9)::int] || ' '
    || (CAST(:middle AS text[]))[1 + (random() * 23)::int] || ' '
    || (CAST(:given AS text[]))[1 + (random() * 11)::int] || ' '
    || (CAST(:last AS text[]))[1 + (random() * 155)::int] AS name
    FROM generate_series(1, :count) n) made;
"""
_CERTIFICATES = """
INSERT INTO certificates (id, authority_id, serial_number, kind, status, profile, subscriber_id,
    organization_id, subject, common_name, search_name, spki_sha256, not_before, not_after, der,
    created_at, issued_at, revoked_at, revocation_reason)
SELECT uuidv7(), (SELECT id FROM authorities LIMIT 1), lpad(to_hex(n + 100000), 40, '0'),
    CASE WHEN n % 15 = 0 THEN 'sim' WHEN n % 7 = 0 THEN 'organizational' ELSE 'personal' END,
    CASE WHEN n % 16 = 0 THEN 'revoked' ELSE 'active' END, 'personal@1', id, organization_id,
    'CN=' || full_name, full_name, search_name, md5(n::text), began, began + interval '5 years',
    decode(repeat('30', CAST(:octets AS int)), 'hex'), began, began,
    CASE WHEN n % 16 = 0 THEN began + interval '1 year' END,
    CASE WHEN n % 16 = 0 THEN 'superseded' END
FROM (SELECT s.*, timestamptz '2021-01-01' + (n % 1900) * interval '1 day' AS began FROM
    (SELECT *, row_number() OVER () AS n FROM subscribers WHERE national_id IS NOT NULL) s) made;
"""
_CHANGES = """
INSERT INTO certificate_status_changes (id, certificate_id, at, status, reason, actor)
SELECT gen_random_uuid(), id, issued_at, 'active', NULL, 'seed' FROM certificates
    WHERE common_name = search_name
UNION ALL
SELECT gen_random_uuid(), id, revoked_at, 'revoked', 'superseded', 'seed' FROM certificates
    WHERE revoked_at IS NOT NULL AND common_name = search_name;
"""


def rows() -> Iterable[Row]:
    """Measure look-ups, searches, reports and an import."""
    with (
        tempfile.TemporaryDirectory(prefix="antin-bench-") as directory,
        EmbeddedPostgres(Path(directory) / "postgres") as server,
    ):
        schema.upgrade(server.url)
        engine = create_engine(server.url)
        sessions = session_factory(engine)
        with sessions.begin() as session:
            settled = province.settle(session)
        _fill(sessions)
        yield from _searches(sessions, settled)
        yield from _reports(sessions)
        yield _import(sessions)
        engine.dispose()


def _fill(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        words = {"surnames": SURNAMES, "middle": MIDDLE, "given": GIVEN, "last": LAST}
        values = {name: list(those) for name, those in words.items()}
        session.execute(text(_ROWS), {"count": CERTIFICATES, **values})
        session.execute(text(_CERTIFICATES), {"octets": DER_OCTETS})
        session.execute(text(_CHANGES))
    with sessions().bind.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:  # type: ignore[union-attr]
        connection.execute(text("VACUUM ANALYZE"))


def _p95(sessions: sessionmaker[Session], work: Callable[[Session, int], object]) -> float:
    """Return the 95th percentile of a call, in milliseconds, each in a transaction of its own."""
    times = []
    for number in range(ROUNDS):
        started = time.perf_counter()
        with sessions() as session:
            work(session, number)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.quantiles(times, n=20)[-1]


def _searches(sessions: sessionmaker[Session], settled: province.Province) -> Iterator[Row]:
    chance = random.Random(7)  # noqa: S311 -- which rows to look for
    window = timedelta(days=30)

    def serial(session: Session, _: int) -> object:
        return registry.by_serial(
            session, f"{FIRST_SERIAL + chance.randrange(1, CERTIFICATES):040x}"
        ).status

    def search(filters: Callable[[int], SearchFilters]) -> Callable[[Session, int], object]:
        return lambda session, n: certificate_search.search(session, filters=filters(n), limit=50)

    def name(n: int) -> str:
        return f"{SURNAMES[n % 10]} {MIDDLE[n % 24]} {GIVEN[(n * 5) % 12]}"

    def whole(n: int) -> str:
        return f"{name(n)} {LAST[n * 7 % len(LAST)]}"

    cases: list[tuple[str, float, Callable[[Session, int], object]]] = [
        ("status-by-serial", 5, serial),
        ("search.full-name", 50, search(lambda n: SearchFilters(name=whole(n)))),
        ("search.three-common-words", 50, search(lambda n: SearchFilters(name=name(n)))),
        (
            "search.two-common-words",
            50,
            search(lambda n: SearchFilters(name=f"{SURNAMES[n % 10]} {GIVEN[n % 12]}")),
        ),
        (
            "search.two-words-ended",
            50,
            search(
                lambda n: SearchFilters(
                    name=f"{SURNAMES[n % 10]} {GIVEN[n % 12]}", status=CertificateStatus.REVOKED
                )
            ),
        ),
        ("search.common-surname", 50, search(lambda n: SearchFilters(name=SURNAMES[n % 10]))),
        ("search.rare-name", 50, search(lambda n: SearchFilters(name=f"zzz{n}"))),
        (
            "search.national-id",
            50,
            search(lambda n: SearchFilters(national_id=f"{n * 13 + 1:012d}")),
        ),
        (
            "search.name-in-subtree",
            50,
            search(
                lambda n: SearchFilters(
                    name=name(n), under=settled.districts[n % 11], status=CertificateStatus.REVOKED
                )
            ),
        ),
        (
            "search.subtree-and-status",
            50,
            search(
                lambda n: SearchFilters(
                    under=settled.districts[n % 11],
                    status=CertificateStatus.REVOKED,
                    kind=CertificateKind.SIM,
                )
            ),
        ),
        (
            "search.expiry-window",
            50,
            search(
                lambda n: SearchFilters(
                    expires_from=NOW + n * timedelta(days=9),
                    expires_before=NOW + n * timedelta(days=9) + window,
                    under=settled.districts[n % 11],
                )
            ),
        ),
        (
            "search.behind-a-number",
            300,
            search(lambda n: SearchFilters(as_of=NOW, standing=list(Standing)[n % 4])),
        ),
        ("search.first-page", 300, search(lambda _: SearchFilters())),
    ]
    for called, limit, work in cases:
        yield Row(
            name=f"registry.{called}",
            value=_p95(sessions, work),
            unit="ms_p95",
            reference_name=f"goal with {CERTIFICATES:,} certificates",
            reference_value=limit,
            goal=1.0,
        )


def _reports(sessions: sessionmaker[Session]) -> Iterator[Row]:
    for called, limit, as_of in (
        ("province", 1000, NOW),
        ("as-of", 2000, NOW - timedelta(days=700)),
    ):
        times = []
        for _ in range(3):
            started = time.perf_counter()
            with sessions() as session:
                reports.certificate_totals(session, as_of=as_of, by=["kind", "status"])
            times.append(1000 * (time.perf_counter() - started))
        yield Row(
            name=f"registry.report.{called}",
            value=statistics.median(times),
            unit="ms_p95",
            reference_name=f"goal with {CERTIFICATES:,} certificates",
            reference_value=limit,
            goal=1.0,
        )


def _import(sessions: sessionmaker[Session]) -> Row:
    lines = [
        [str(n), f"{n:08x}", f"Nguyễn Văn {n}", f"C{n % 111:03d}", "01/02/2024", "01/02/2029", ""]
        for n in range(1, province.ISSUED + 1)
    ]
    data = table(lines, header=HEADER)
    started = time.perf_counter()
    file_format, found = import_files.read(data)
    with sessions.begin() as session:
        made = imports.submit(
            session,
            source=Source("bench.csv", file_format, imports.sha256(data)),
            rows=found,
            options=ImportOptions(issuer="bench"),
            at=NOW,
            actor="bench",
        )
    imports.run(sessions, made.id, at=NOW)
    seconds = time.perf_counter() - started
    return Row(
        name=f"registry.import.{province.ISSUED}-rows",
        value=province.ISSUED / seconds,
        unit="per_s",
        reference_name="3,056 rows in 10 s",
        reference_value=305.6,
        goal=1.0,
    )
