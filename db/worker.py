"""The worker: takes jobs from the queue and runs their handlers, until it is told to stop.

Handlers are plain functions and run in threads, `concurrency` of them at once. A handler that
raises is tried again after a growing while, except for JobFailure, which ends the job at once. A
job whose worker died (no heartbeat) is taken up again by any other. When the database goes away the
worker waits for it to come back.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

import psycopg
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition, Job
from psycopg_pool import PoolTimeout

from db.canonical import Json
from db.errors import JobFailure, QueueUnreachable
from db.session import libpq_url

_log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[dict[str, Json]], None]
"""Does one kind of job, given its payload. A periodic job's payload is `{"timestamp": seconds}`."""

_STOP_POLL_S: Final = 0.1
_RECONNECT_S: Final = 2.0
_LONGEST_WAIT_S: Final = 3600.0
_UNREACHABLE: Final = (ConnectorException, PoolTimeout, psycopg.Error)
_OPTIONS: Final = "-c search_path=procrastinate -c timezone=UTC"

# A job that takes its worker down with it each time must end some day, too.
_TAKE_UP: Final = """
UPDATE procrastinate_jobs SET attempts = attempts + 1, worker_id = NULL, scheduled_at = NULL,
    status = CASE WHEN attempts + 1 >= %(max_attempts)s THEN 'failed' ELSE 'todo'
        END::procrastinate_job_status
WHERE id IN (
    SELECT j.id FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
    WHERE j.status = 'doing' AND (w.id IS NULL
        OR w.last_heartbeat < now() - make_interval(secs => %(stalled_after)s))
    FOR UPDATE OF j SKIP LOCKED)
RETURNING id, task_name, status
"""


@dataclass(frozen=True, kw_only=True)
class PeriodicJob:
    """A job the workers enqueue by the clock: `cron` has 5 fields, or 6 with seconds last (UTC)."""

    job: str
    cron: str
    queue: str = "default"


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How a worker works; the defaults suit a service.

    `queues` empty means all. A job is given up after `max_attempts`; the wait before the second is
    `first_wait_s`, and doubles from there up to an hour. A job of a worker that has not been heard
    of for `stalled_after_s` is taken up again.
    """

    queues: tuple[str, ...] = ()
    max_attempts: int = 8
    first_wait_s: float = 2.0
    poll_interval_s: float = 1.0
    stalled_after_s: float = 60.0


def run_worker(
    url: str,
    handlers: Mapping[str, Handler],
    *,
    stop: threading.Event,
    periodic: Sequence[PeriodicJob] = (),
    concurrency: int = 4,
    options: WorkerOptions | None = None,
) -> None:
    """Work until `stop` is set, then let running jobs finish and return."""
    worker = _Worker(url, handlers, periodic, concurrency, options or WorkerOptions())
    asyncio.run(worker.work_until(stop))


def run_pending(
    url: str, handlers: Mapping[str, Handler], *, options: WorkerOptions | None = None
) -> None:
    """Run the jobs that are due now, one after the other, and return when none is left.

    Raises QueueUnreachable.
    """
    worker = _Worker(url, handlers, (), 1, options or WorkerOptions())
    try:
        asyncio.run(worker.work_once())
    except _UNREACHABLE as e:
        raise QueueUnreachable("the job queue cannot be reached") from e


class _Worker:
    def __init__(
        self,
        url: str,
        handlers: Mapping[str, Handler],
        periodic: Sequence[PeriodicJob],
        concurrency: int,
        options: WorkerOptions,
    ) -> None:
        self._url = libpq_url(url)
        self._handlers = handlers
        self._periodic = periodic
        self._concurrency = concurrency
        self._options = options

    async def work_until(self, stop: threading.Event) -> None:
        """Work until told to stop, through any loss of the database."""
        self._make_threads()
        while not stop.is_set():
            try:
                await self._work(stop)
            except _UNREACHABLE as e:
                _log.warning("the job queue cannot be reached, trying again: %s", e)
            with suppress(TimeoutError):
                await asyncio.wait_for(_until(stop), _RECONNECT_S)

    async def work_once(self) -> None:
        """Work until nothing is due."""
        self._make_threads()
        await self._work(None)

    def _make_threads(self) -> None:
        # The loop's own default is a few threads per core, which could be fewer than the jobs.
        threads = ThreadPoolExecutor(self._concurrency + 1, thread_name_prefix="job")
        asyncio.get_running_loop().set_default_executor(threads)

    async def _work(self, stop: threading.Event | None) -> None:
        app = self._app()
        options = self._options
        async with app.open_async():
            await self._take_up_stalled(app)
            tasks = [
                asyncio.create_task(
                    app.run_worker_async(
                        queues=list(options.queues) or None,  # type: ignore[arg-type]  # None is every queue
                        concurrency=self._concurrency,
                        wait=stop is not None,
                        fetch_job_polling_interval=options.poll_interval_s,
                        # Commits that notify wait for one another; asking once a second is cheaper.
                        listen_notify=False,
                        delete_jobs=DeleteJobCondition.SUCCESSFUL,
                        install_signal_handlers=False,
                        update_heartbeat_interval=options.stalled_after_s / 4,
                        stalled_worker_timeout=options.stalled_after_s,
                    )
                ),
                asyncio.create_task(self._keep_taking_up_stalled(app)),
            ]
            if stop is not None:
                tasks.append(asyncio.create_task(_until(stop)))
            await _first_of(tasks)

    def _app(self) -> App:
        connector = PsycopgConnector(
            conninfo=self._url,
            kwargs={"options": _OPTIONS, "application_name": "antin worker"},
            min_size=1,
            max_size=self._concurrency + 3,
        )
        app = App(connector=connector)
        retry = _Retry(self._options)
        for name, handler in self._handlers.items():
            task = app.task(name=name, retry=retry)(_taking_keywords(handler))
            for each in self._periodic:
                if each.job == name:
                    app.periodic(
                        cron=each.cron,
                        periodic_id=each.queue,
                        queue=each.queue,
                        queueing_lock=f"periodic:{name}:{each.queue}",
                    )(task)
        return app

    async def _keep_taking_up_stalled(self, app: App) -> None:
        while True:
            await asyncio.sleep(self._options.stalled_after_s / 6)
            await self._take_up_stalled(app)

    async def _take_up_stalled(self, app: App) -> None:
        rows = await app.connector.execute_query_all_async(
            _TAKE_UP,
            stalled_after=self._options.stalled_after_s,
            max_attempts=self._options.max_attempts,
        )
        for row in rows:
            _log.warning("job %(id)s (%(task_name)s) lost its worker: now %(status)s", row)


class _Retry(BaseRetryStrategy):
    """Tries again after a while that doubles each time; never after JobFailure."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Decide about the next try; `job.attempts` counts the tries before this one."""
        if isinstance(exception, JobFailure) or job.attempts + 1 >= self._options.max_attempts:
            return None
        wait = min(self._options.first_wait_s * 2**job.attempts, _LONGEST_WAIT_S)
        return RetryDecision(retry_in={"milliseconds": round(wait * 1000)})


def _taking_keywords(handler: Handler) -> Callable[..., None]:
    def run(**payload: Json) -> None:
        handler(payload)

    return run


async def _until(stop: threading.Event) -> None:
    while not stop.is_set():  # noqa: ASYNC110 - the event belongs to another thread
        await asyncio.sleep(_STOP_POLL_S)


async def _first_of(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the first task to end, let the others finish, and raise what went wrong."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
