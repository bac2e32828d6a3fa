"""What the audit log and the job queue cost a durable commit, and what checking the log costs.

The server is the embedded one with every safety on. A commit writes one row of 300 bytes; its twin
also writes an audit entry, or a job. Both sides of a row are measured in turn, several times, and
the medians compared, so that a busy moment of the machine falls on both.

That commits share disk flushes shows in eight threads beside one, and beside eight threads that are
left a single chain to append to.
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from db import audit, jobs, schema
from db.audit_chain import CHAINS
from db.embedded import EmbeddedPostgres
from db.models import AuditEntry
from db.session import create_engine, session_factory
from tests.bench.row import Row

ROUNDS = 5
SECONDS = 0.6
THREADS = 8
ENTRIES = 20_000
AT = datetime(2026, 1, 1, tzinfo=UTC)

Sessions = sessionmaker[Session]
Work = Callable[[Session], None]

_INSERT = text("INSERT INTO bench (body) VALUES (:body)")
_HOLD_ALL_BUT_ONE = text("SELECT FROM audit_chains WHERE chain > 1 FOR UPDATE")


def rows() -> Iterable[Row]:
    """Measure commits with one thread and with eight, enqueueing, and verification."""
    with _server() as sessions:
        yield from _commits(sessions)
        yield _verification(sessions)


def _commits(sessions: Sessions) -> Iterator[Row]:
    for threads in (1, THREADS):
        audited, plain = _medians(
            partial(_rate, sessions, _audited, threads=threads),
            partial(_rate, sessions, _plain, threads=threads),
        )
        yield Row(
            name=f"db.commit-audited.{threads}-thread",
            value=audited,
            unit="per_s",
            reference_name="the same commits without an audit entry",
            reference_value=plain,
            goal=0.45,
        )
    eight, one = _medians(
        lambda: _rate(sessions, _audited, threads=THREADS),
        lambda: _rate(sessions, _audited, threads=1),
    )
    yield Row(
        name="db.commit-audited.scaling",
        value=eight,
        unit="per_s",
        reference_name="one thread",
        reference_value=one,
        goal=1.5,
    )
    many, single = _medians(
        lambda: _rate(sessions, _audited, threads=THREADS), lambda: _rate_on_one_chain(sessions)
    )
    yield Row(
        name=f"db.commit-audited.{CHAINS}-chains",
        value=many,
        unit="per_s",
        reference_name="a single chain, eight threads",
        reference_value=single,
        goal=1.0,
    )
    enqueued, audited = _medians(
        lambda: _rate(sessions, _enqueued, threads=THREADS),
        lambda: _rate(sessions, _audited, threads=THREADS),
    )
    yield Row(
        name=f"db.commit-enqueued.{THREADS}-threads",
        value=enqueued,
        unit="per_s",
        reference_name="the same commits without a job",
        reference_value=audited,
        goal=0.5,
    )


def _verification(sessions: Sessions) -> Row:
    with sessions.begin() as session:
        for _ in range(ENTRIES):
            _record(session)

    def verified() -> float:
        started = time.process_time()
        with sessions() as session:
            verdict = audit.verify(session)
        if not verdict.intact:
            raise RuntimeError("the log of the benchmark is broken")
        return verdict.entries / (time.process_time() - started)

    def read() -> float:
        started = time.process_time()
        entries = 0
        with sessions() as session:
            query = select(AuditEntry.__table__).execution_options(yield_per=2000)
            for _ in session.execute(query):
                entries += 1
        return entries / (time.process_time() - started)

    checked, bare = _medians(verified, read)
    return Row(
        name="db.audit-verify.entries",
        value=checked,
        unit="per_s",
        reference_name="reading the entries without checking (client CPU)",
        reference_value=bare,
        goal=0.25,
    )


@contextmanager
def _server() -> Iterator[Sessions]:
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedPostgres(Path(directory) / "postgres") as server,
    ):
        schema.upgrade(server.url)
        engine = create_engine(server.url, pool_size=THREADS + 1)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE bench (id bigserial PRIMARY KEY, body text)"))
        try:
            yield session_factory(engine)
        finally:
            engine.dispose()


def _plain(session: Session) -> None:
    session.execute(_INSERT, {"body": "x" * 300})


def _audited(session: Session) -> None:
    _plain(session)
    _record(session)


def _enqueued(session: Session) -> None:
    _audited(session)
    jobs.enqueue(session, job="bench", payload={"n": 1})


def _record(session: Session) -> None:
    audit.record(
        session,
        at=AT,
        actor="bench",
        action="certificate.issue",
        object_type="certificate",
        object_id="01",
        after={"status": "ACTIVE", "serial": "0123456789abcdef"},
    )


def _rate(sessions: Sessions, work: Work, *, threads: int) -> float:
    """Commits per second of all threads together."""
    done = [0] * threads
    end = time.perf_counter() + SECONDS

    def run(number: int) -> None:
        while time.perf_counter() < end:
            with sessions.begin() as session:
                work(session)
            done[number] += 1

    running = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    started = time.perf_counter()
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


def _rate_on_one_chain(sessions: Sessions) -> float:
    with sessions() as holder:
        holder.execute(_HOLD_ALL_BUT_ONE)
        return _rate(sessions, _audited_on_one, threads=THREADS)


def _audited_on_one(session: Session) -> None:
    _audited(session)
    # A writer that finds no free chain waits for any of them; here it shall wait for the free one.
    session.execute(text("SELECT FROM audit_chains WHERE chain = 1 FOR UPDATE"))


def _medians(ours: Callable[[], float], reference: Callable[[], float]) -> tuple[float, float]:
    """Measure both sides in turn."""
    pairs = [(ours(), reference()) for _ in range(ROUNDS)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)
