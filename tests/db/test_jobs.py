"""Jobs live and die with the transaction that asked for them, and run at least once."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from db import jobs
from db.canonical import Json
from db.errors import JobFailure, JobRejected
from db.errors_time import NaiveDatetime

Sessions = sessionmaker[Session]
QUICK = jobs.WorkerOptions(first_wait_s=0.05, poll_interval_s=0.05, max_attempts=3)
REPOSITORY = Path(__file__).parents[2]


class Ran:
    """A handler that remembers what it was given, and fails as often as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.payloads: list[dict[str, Json]] = []
        self._failures = list(failures)

    def __call__(self, payload: dict[str, Json]) -> None:
        self.payloads.append(payload)
        if self._failures:
            raise self._failures.pop(0)


@contextmanager
def working(
    url: str, handlers: dict[str, jobs.Handler], *, options: jobs.WorkerOptions = QUICK
) -> Iterator[None]:
    """Run a worker beside the block."""
    stop = threading.Event()
    thread = threading.Thread(
        target=jobs.run_worker, args=(url, handlers), kwargs={"stop": stop, "options": options}
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=20)
    assert not thread.is_alive()


def eventually(fact: Callable[[], bool], *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


def state(sessions: Sessions) -> tuple[int, int, int]:
    with sessions() as session:
        found = jobs.queue_state(session)
    return found.waiting, found.running, found.failed


def test_a_job_runs_once_its_transaction_has_committed(
    sessions: Sessions, database_url: str
) -> None:
    ran = Ran()
    with sessions() as session:
        number = jobs.enqueue(session, job="crl", payload={"ca": "Gốc", "n": [1, None]})
        assert isinstance(number, int)
        jobs.run_pending(database_url, {"crl": ran})
        assert ran.payloads == []
        session.commit()
    jobs.run_pending(database_url, {"crl": ran})
    assert ran.payloads == [{"ca": "Gốc", "n": [1, None]}]
    assert state(sessions) == (0, 0, 0)


def test_a_rollback_takes_the_job_with_it(sessions: Sessions, database_url: str) -> None:
    ran = Ran()
    with sessions() as session:
        jobs.enqueue(session, job="crl", payload={})
        session.rollback()
        session.commit()
    jobs.run_pending(database_url, {"crl": ran})
    assert ran.payloads == []


def test_a_failing_job_is_tried_again_until_it_succeeds(
    sessions: Sessions, database_url: str
) -> None:
    ran = Ran(ValueError("once"), ValueError("twice"))
    with sessions.begin() as session:
        jobs.enqueue(session, job="notice", payload={"to": "a"})
    with working(database_url, {"notice": ran}):
        eventually(lambda: len(ran.payloads) == 3 and state(sessions) == (0, 0, 0))


def test_a_job_that_keeps_failing_is_given_up_and_can_be_retried(
    sessions: Sessions, database_url: str
) -> None:
    ran = Ran(*[ValueError("again")] * 3)
    with sessions.begin() as session:
        jobs.enqueue(session, job="notice", payload={"to": "a"})
    with working(database_url, {"notice": ran}):
        eventually(lambda: state(sessions) == (0, 0, 1))
    assert len(ran.payloads) == 3
    with sessions.begin() as session:
        (failed,) = jobs.failed_jobs(session)
        assert (failed.job, failed.payload, failed.attempts) == ("notice", {"to": "a"}, 3)
        assert jobs.retry_failed(session, number=failed.id)
        assert not jobs.retry_failed(session, number=failed.id)
    jobs.run_pending(database_url, {"notice": ran})
    assert len(ran.payloads) == 4
    assert state(sessions) == (0, 0, 0)


def test_a_job_that_says_trying_again_cannot_help_is_given_up_at_once(
    sessions: Sessions, database_url: str
) -> None:
    ran = Ran(JobFailure("the address does not exist"))
    with sessions.begin() as session:
        jobs.enqueue(session, job="notice", payload={})
    jobs.run_pending(database_url, {"notice": ran})
    assert len(ran.payloads) == 1
    assert state(sessions) == (0, 0, 1)


def test_a_job_nobody_handles_is_given_up(sessions: Sessions, database_url: str) -> None:
    with sessions.begin() as session:
        jobs.enqueue(session, job="unheard-of", payload={})
    jobs.run_pending(database_url, {})
    assert state(sessions) == (0, 0, 1)


def test_a_job_waits_for_its_time(sessions: Sessions, database_url: str) -> None:
    ran = Ran()
    soon = datetime.now(UTC) + timedelta(hours=1)
    with sessions.begin() as session:
        jobs.enqueue(session, job="crl", payload={}, at=soon)
    jobs.run_pending(database_url, {"crl": ran})
    assert ran.payloads == []
    with sessions() as session:
        assert jobs.queue_state(session).oldest_due is None


def test_a_worker_keeps_to_its_queues(sessions: Sessions, database_url: str) -> None:
    ran = Ran()
    with sessions.begin() as session:
        jobs.enqueue(session, job="crl", payload={"q": "slow"}, queue="slow")
        jobs.enqueue(session, job="crl", payload={"q": "default"})
    jobs.run_pending(database_url, {"crl": ran}, options=jobs.WorkerOptions(queues=("slow",)))
    assert ran.payloads == [{"q": "slow"}]


def test_a_unique_job_that_waits_stands_for_the_later_ones(
    sessions: Sessions, database_url: str
) -> None:
    ran = Ran()
    with sessions.begin() as session:
        assert jobs.enqueue(session, job="crl", payload={"n": 1}, unique="ca1") is not None
        assert jobs.enqueue(session, job="crl", payload={"n": 2}, unique="ca1") is None
        assert jobs.enqueue(session, job="crl", payload={"n": 3}, unique="ca2") is not None
        assert jobs.enqueue(session, job="delta", payload={"n": 4}, unique="ca1") is not None
    jobs.run_pending(database_url, {"crl": ran, "delta": ran})
    assert [payload["n"] for payload in ran.payloads] == [1, 3, 4]
    with sessions.begin() as session:
        assert jobs.enqueue(session, job="crl", payload={"n": 5}, unique="ca1") is not None


def test_a_joined_job_does_not_start_before_the_transaction_that_joined_it_has_ended(
    sessions: Sessions, database_url: str
) -> None:
    ran = Ran()
    with sessions.begin() as session:
        jobs.enqueue(session, job="crl", payload={}, unique="ca1")
    with sessions() as first, sessions() as second:
        for session in (first, second):
            assert jobs.enqueue(session, job="crl", payload={}, unique="ca1") is None
        jobs.run_pending(database_url, {"crl": ran})
        assert ran.payloads == []
        first.commit()
        jobs.run_pending(database_url, {"crl": ran})
        assert ran.payloads == []
        second.rollback()
    jobs.run_pending(database_url, {"crl": ran})
    assert ran.payloads == [{}]


def test_joining_a_job_that_would_come_too_late_brings_it_forward(
    sessions: Sessions, database_url: str
) -> None:
    ran = Ran()
    later = datetime.now(UTC) + timedelta(days=1)
    with sessions.begin() as session:
        jobs.enqueue(session, job="crl", payload={}, unique="ca1", at=later)
    with sessions.begin() as session:
        assert jobs.enqueue(session, job="crl", payload={}, unique="ca1", at=later) is None
        assert jobs.enqueue(session, job="crl", payload={}, unique="ca1") is None
    jobs.run_pending(database_url, {"crl": ran})
    assert ran.payloads == [{}]


def test_a_unique_job_that_fails_while_its_successor_waits_does_not_get_stuck(
    sessions: Sessions, database_url: str
) -> None:
    seen: list[Json] = []

    def handler(payload: dict[str, Json]) -> None:
        seen.append(payload["n"])
        if seen == [1]:
            with sessions.begin() as session:
                assert jobs.enqueue(session, job="crl", payload={"n": 2}, unique="ca1")
            raise ValueError("try again")

    with sessions.begin() as session:
        jobs.enqueue(session, job="crl", payload={"n": 1}, unique="ca1")
    with working(database_url, {"crl": handler}):
        eventually(lambda: sorted(map(str, seen)) == ["1", "1", "2"])
        eventually(lambda: state(sessions) == (0, 0, 0))


def test_eight_transactions_joining_at_once_lose_nothing(
    sessions: Sessions, database_url: str
) -> None:
    with sessions.begin() as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS wishes (n int)"))
    seen: set[int] = set()

    def handler(_: dict[str, Json]) -> None:
        with sessions() as session:
            seen.update(session.scalars(text("SELECT n FROM wishes")).all())

    def wish(writer: int) -> None:
        for number in range(25):
            with sessions.begin() as session:
                session.execute(
                    text("INSERT INTO wishes VALUES (:n)"), {"n": writer * 100 + number}
                )
                jobs.enqueue(session, job="grant", payload={}, unique="all")

    with working(database_url, {"grant": handler}):
        threads = [threading.Thread(target=wish, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wanted = {writer * 100 + number for writer in range(8) for number in range(25)}
        eventually(lambda: seen == wanted)
    with sessions.begin() as session:
        session.execute(text("DROP TABLE wishes"))


def test_handlers_run_side_by_side(sessions: Sessions, database_url: str) -> None:
    together = threading.Barrier(3, timeout=10)

    def handler(_: dict[str, Json]) -> None:
        together.wait()

    with sessions.begin() as session:
        for number in range(3):
            jobs.enqueue(session, job="meet", payload={"n": number})
    with working(database_url, {"meet": handler}):
        eventually(lambda: state(sessions) == (0, 0, 0))


def test_a_worker_told_to_stop_lets_the_running_job_finish(
    sessions: Sessions, database_url: str
) -> None:
    started, finished = threading.Event(), threading.Event()

    def handler(_: dict[str, Json]) -> None:
        started.set()
        time.sleep(0.5)
        finished.set()

    with sessions.begin() as session:
        jobs.enqueue(session, job="slow", payload={})
    with working(database_url, {"slow": handler}):
        assert started.wait(timeout=10)
    assert finished.is_set()
    assert state(sessions) == (0, 0, 0)


def test_a_periodic_job_comes_by_the_clock(sessions: Sessions, database_url: str) -> None:
    ran = Ran()
    stop = threading.Event()
    every_second = jobs.PeriodicJob(job="tick", cron="* * * * * *")
    thread = threading.Thread(
        target=jobs.run_worker,
        args=(database_url, {"tick": ran}),
        kwargs={"stop": stop, "periodic": [every_second], "options": QUICK},
    )
    thread.start()
    eventually(lambda: len(ran.payloads) >= 2)
    stop.set()
    thread.join(timeout=10)
    moments = [payload["timestamp"] for payload in ran.payloads]
    assert moments == sorted(set(map(int, map(str, moments))))
    assert state(sessions)[2] == 0


_DOOMED = """
import sys, threading, time
from db import jobs
def handler(payload):
    print("started", flush=True)
    time.sleep(60)
jobs.run_worker(sys.argv[1], {"crl": handler}, stop=threading.Event())
"""


def test_a_job_of_a_killed_worker_is_taken_up_again(sessions: Sessions, database_url: str) -> None:
    with sessions.begin() as session:
        jobs.enqueue(session, job="crl", payload={"n": 1})
    doomed = subprocess.Popen(
        [sys.executable, "-c", _DOOMED, database_url], stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    with doomed:
        assert doomed.stdout is not None
        assert doomed.stdout.readline() == b"started\n"
        os.kill(doomed.pid, signal.SIGKILL)
    assert state(sessions) == (0, 1, 0)
    ran = Ran()
    options = jobs.WorkerOptions(stalled_after_s=1, poll_interval_s=0.1)
    with working(database_url, {"crl": ran}, options=options):
        eventually(lambda: ran.payloads == [{"n": 1}])
        eventually(lambda: state(sessions) == (0, 0, 0))


def test_a_worker_outlives_the_loss_of_its_connections(
    sessions: Sessions, database_url: str
) -> None:
    ran = Ran()
    with working(database_url, {"crl": ran}):
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        cut += " WHERE application_name = 'antin worker' AND datname = current_database()"

        def connections() -> bool:
            with sessions() as session:
                return bool(session.execute(text(cut)).all())

        eventually(connections)
        with sessions.begin() as session:
            jobs.enqueue(session, job="crl", payload={})
        eventually(lambda: ran.payloads == [{}])


@pytest.mark.parametrize(("job", "queue"), [("", "default"), ("x" * 129, "default"), ("x", "")])
def test_a_job_or_queue_without_a_proper_name_is_refused(
    sessions: Sessions, job: str, queue: str
) -> None:
    with sessions() as session, pytest.raises(JobRejected):
        jobs.enqueue(session, job=job, payload={}, queue=queue)


def test_a_payload_that_is_not_json_is_refused(sessions: Sessions) -> None:
    with sessions() as session, pytest.raises(JobRejected):
        jobs.enqueue(session, job="crl", payload={"n": float("nan")})


def test_a_naive_time_is_refused(sessions: Sessions) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the subject of the test
    with sessions() as session, pytest.raises(NaiveDatetime):
        jobs.enqueue(session, job="crl", payload={}, at=naive)
