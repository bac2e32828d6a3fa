"""Jobs to do later, put on a queue in the same transaction as the rows they are about.

A job exists if and only if that transaction commits; the worker (`db.worker`) cannot see it before.
It runs at least once: again after a failure, and again after its worker died. So a handler first
looks whether its work is still to be done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Final

from sqlalchemy import Text, bindparam, text
from sqlalchemy.orm import Session

from db.base import UtcDateTime
from db.canonical import Json, canonical_json
from db.errors import JobFailure, JobRejected, ValueUnsuitable

if TYPE_CHECKING:
    from db.worker import Handler, PeriodicJob, WorkerOptions, run_pending, run_worker

__all__ = [
    "FailedJob",
    "Handler",
    "JobFailure",
    "PeriodicJob",
    "QueueState",
    "WorkerOptions",
    "enqueue",
    "failed_jobs",
    "queue_state",
    "retry_failed",
    "run_pending",
    "run_worker",
]

_OF_THE_WORKER: Final = frozenset(
    {"Handler", "PeriodicJob", "WorkerOptions", "run_pending", "run_worker"}
)


def __getattr__(name: str) -> object:
    """Load the worker only where jobs are run: whoever enqueues one has no use for it."""
    if name in _OF_THE_WORKER:
        return getattr(import_module("db.worker"), name)
    raise AttributeError(name)


MAX_NAME: Final = 128
"""Letters in the name of a job or queue, as the queue's table has it."""

_TRIES: Final = 20

_INSERT: Final = text(
    "INSERT INTO procrastinate.procrastinate_jobs"
    " (queue_name, task_name, queueing_lock, args, scheduled_at)"
    " VALUES (:queue, :job, :claim, CAST(:payload AS jsonb), :at)"
    " ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING RETURNING id"
).bindparams(bindparam("claim", type_=Text), bindparam("at", type_=UtcDateTime()))

# Shared: many transactions may join one waiting job at once; no worker takes it meanwhile.
_JOIN: Final = text(
    "SELECT id, scheduled_at IS NOT NULL AND (CAST(:at AS timestamptz) IS NULL"
    " OR scheduled_at > :at) FROM procrastinate.procrastinate_jobs"
    " WHERE queueing_lock = :claim AND status = 'todo' FOR SHARE"
).bindparams(bindparam("at", type_=UtcDateTime()))

_ADVANCE: Final = text(
    "UPDATE procrastinate.procrastinate_jobs SET scheduled_at = :at WHERE id = :id"
).bindparams(bindparam("at", type_=UtcDateTime()))


def enqueue(
    session: Session,
    *,
    job: str,
    payload: Mapping[str, Json],
    queue: str = "default",
    at: datetime | None = None,
    unique: str | None = None,
) -> int | None:
    """Put a job on the queue in the session's transaction and return its number.

    `job` names the handler; `at` is the earliest time to run it (None: at once). With `unique`, a
    job of the same name and the same `unique` that still waits for its first run stands for this
    one too: the answer is then None, and that job starts only after this transaction has ended, and
    no later than `at`. Call it late in a transaction: others who enqueue the same wait for its end.

    Raises JobRejected or NaiveDatetime.
    """
    if not 0 < len(job) <= MAX_NAME or not 0 < len(queue) <= MAX_NAME:
        raise JobRejected(
            f"job {job[:200]!r} on queue {queue[:200]!r}: a name is empty or too long"
        )
    try:
        text_payload = canonical_json(payload)
    except ValueUnsuitable as e:
        raise JobRejected(f"the payload of {job} is not JSON: {e}") from e
    claim = None if unique is None else f"{job}:{unique}"
    values = {"queue": queue, "job": job, "claim": claim, "payload": text_payload, "at": at}
    for _ in range(_TRIES):
        number = session.scalar(_INSERT, values)
        if number is not None:
            return int(number)
        if _join(session, claim=claim, at=at):
            return None
        # It began to run between the two statements; so this one is a job of its own.
    raise JobRejected(f"{job} with {unique!r} starts faster than it can be enqueued")


def _join(session: Session, *, claim: str | None, at: datetime | None) -> bool:
    found = session.execute(_JOIN, {"claim": claim, "at": at}).one_or_none()
    if found is None:
        return False
    number, too_late = found
    if too_late:
        session.execute(_ADVANCE, {"id": number, "at": at})
    return True


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """How many jobs there are in each state, and since when the oldest has been due."""

    waiting: int
    running: int
    failed: int
    oldest_due: datetime | None


@dataclass(frozen=True, kw_only=True)
class FailedJob:
    """A job that is not tried any more; it stays until an operator retries it."""

    id: int
    job: str
    queue: str
    payload: Mapping[str, Json]
    attempts: int
    failed_at: datetime


_STATE: Final = text(
    "SELECT count(*) FILTER (WHERE status = 'todo') AS waiting,"
    " count(*) FILTER (WHERE status = 'doing') AS running,"
    " count(*) FILTER (WHERE status = 'failed') AS failed,"
    " min(coalesce(j.scheduled_at, e.at)) FILTER (WHERE status = 'todo'"
    " AND coalesce(j.scheduled_at, e.at) <= now()) AS oldest_due"
    " FROM procrastinate.procrastinate_jobs j LEFT JOIN procrastinate.procrastinate_events e"
    " ON e.job_id = j.id AND e.type = 'deferred'"
).columns(oldest_due=UtcDateTime())

_FAILED: Final = text(
    "SELECT j.id, task_name, queue_name, args, attempts, max(e.at) AS failed_at"
    " FROM procrastinate.procrastinate_jobs j"
    " JOIN procrastinate.procrastinate_events e ON e.job_id = j.id"
    " WHERE status = 'failed' GROUP BY j.id ORDER BY j.id DESC LIMIT :limit"
).columns(failed_at=UtcDateTime())

_RETRY: Final = text(
    "UPDATE procrastinate.procrastinate_jobs SET status = 'todo', attempts = 0, scheduled_at = NULL"
    " WHERE id = :id AND status = 'failed' RETURNING id"
)


def queue_state(session: Session) -> QueueState:
    """Count the jobs, for health checks and operators."""
    row = session.execute(_STATE).one()
    return QueueState(
        waiting=row.waiting, running=row.running, failed=row.failed, oldest_due=row.oldest_due
    )


def failed_jobs(session: Session, *, limit: int = 100) -> Sequence[FailedJob]:
    """Return the jobs that were given up, newest first."""
    return [
        FailedJob(
            id=row.id,
            job=row.task_name,
            queue=row.queue_name,
            payload=row.args,
            attempts=row.attempts,
            failed_at=row.failed_at,
        )
        for row in session.execute(_FAILED, {"limit": limit})
    ]


def retry_failed(session: Session, *, number: int) -> bool:
    """Put a failed job back on the queue; return whether there was one with this number."""
    return session.scalar(_RETRY, {"id": number}) is not None
