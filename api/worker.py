"""The job worker: every room's jobs by name, and the clock of the periodic ones.

Jobs run at least once; each looks first whether its work is still to be done.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api import idempotency, registry_work, trusted_list_work, webhooks
from ca import jobs as ca_jobs
from ca import renewal as authority_renewal
from db.jobs import Handler, PeriodicJob, WorkerOptions, run_worker
from signing import batch_run, batches, collecting, forgetting, prompts, renewal, upgrades
from signing import jobs as signing_jobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.wiring import Wiring
    from db.canonical import Json

KEPT_ANSWERS: Final = timedelta(days=7)
"""How long an Idempotency-Key is remembered: as long as a signed document can be fetched again."""
KEPT_DELIVERIES: Final = timedelta(days=30)
"""How long one can look up, and repeat, what a webhook was told."""
OWN_SCHEDULE: Final = {
    "signing.expire_requests": "*/10 * * * *",
    "signing.sweep_documents": "23 * * * *",
    "signing.forget_documents": "*/5 * * * *",
    "api.purge_idempotency": "41 * * * *",
    "api.purge_deliveries": "43 * * * *",
    "ca.renew_services": "11 3 * * *",
    upgrades.JOB: "*/2 * * * *",
    "signing.take_up_batches": "* * * * *",
    "signing.sweep_batches": "37 * * * *",
    "signing.renew_proofs": "17 2 * * *",
    "ca.send_notices": "*/10 * * * *",
    **trusted_list_work.SCHEDULE,
}
PHONES: Final = 32
"""Jobs that wait for a provider or a person at the same time, beside the other jobs."""

RENEWER: Final = "system:renewal"

log = logging.getLogger("antin.worker")


def run(wiring: Wiring, *, stop: threading.Event) -> None:
    """Work until `stop` is set."""
    schedule = {**ca_jobs.SCHEDULE, **OWN_SCHEDULE}
    waits = bool(wiring.remote.names)
    phones = threading.Thread(target=_wait_for_people, args=(wiring, stop), name="phones")
    if waits:
        collecting.take_up(wiring.desk, at=wiring.clock())
        phones.start()
    run_worker(
        wiring.url,
        handlers(wiring),
        stop=stop,
        periodic=[PeriodicJob(job=job, cron=cron) for job, cron in schedule.items()],
        concurrency=wiring.settings.job_concurrency,
        options=WorkerOptions(queues=("default",)) if waits else None,
    )
    if waits:
        phones.join()


def _wait_for_people(wiring: Wiring, stop: threading.Event) -> None:
    """Work on what lasts as long as others take, so that nothing else waits behind it."""
    options = WorkerOptions(queues=(prompts.PHONES,))
    jobs = {prompts.COLLECT: handlers(wiring)[prompts.COLLECT]}
    run_worker(wiring.url, jobs, stop=stop, concurrency=PHONES, options=options)


def handlers(wiring: Wiring) -> dict[str, Handler]:
    """Return every job of every room, bound to this process's wiring."""
    found = {name: _of_ca(wiring, job) for name, job in ca_jobs.JOBS.items()}

    def purge(_: Mapping[str, Json]) -> None:
        with wiring.sessions.begin() as session:
            idempotency.purge(session, older_than=wiring.clock() - KEPT_ANSWERS)

    def raise_levels(_: Mapping[str, Json]) -> None:
        upgrades.raise_levels(wiring.desk, at=wiring.clock())

    def renew(_: Mapping[str, Json]) -> None:
        report = renewal.renew(wiring.desk, at=wiring.clock())
        for ending in report.elsewhere:
            log.warning(
                "the proof of %s (request %s) ends at %s and the document is not stored here",
                ending.sha256,
                ending.sign_request_id,
                ending.proven_until.isoformat(),
            )

    def collect(payload: Mapping[str, Json]) -> None:
        prompt_id = uuid.UUID(str(payload["prompt"]))
        collecting.collect(wiring.desk, prompt_id, at=wiring.clock())

    def withdraw(payload: Mapping[str, Json]) -> None:
        collecting.withdraw(wiring.desk, uuid.UUID(str(payload["prompt"])))

    def renew_services(_: Mapping[str, Json]) -> None:
        with wiring.sessions.begin() as session:
            authority_renewal.renew_due(
                session,
                keys=wiring.keys,
                make_key=wiring.make_key,
                at=wiring.clock(),
                actor=RENEWER,
            )

    return {
        **found,
        "ca.renew_services": renew_services,
        **_of_batches(wiring),
        **_of_documents(wiring),
        prompts.COLLECT: collect,
        prompts.WITHDRAW: withdraw,
        upgrades.JOB: raise_levels,
        "signing.renew_proofs": renew,
        "api.purge_idempotency": purge,
        **registry_work.handlers(wiring),
        **trusted_list_work.handlers(wiring),
        **_of_webhooks(wiring),
    }


def _of_documents(wiring: Wiring) -> dict[str, Handler]:
    def expire(_: Mapping[str, Json]) -> None:
        signing_jobs.expire_requests(wiring.desk, at=wiring.clock())

    def sweep(_: Mapping[str, Json]) -> None:
        signing_jobs.sweep_documents(wiring.desk, at=wiring.clock())

    def forget(_: Mapping[str, Json]) -> None:
        desk, at = wiring.desk, wiring.clock()
        forgetting.forget_beyond(desk, most=desk.allowance.finished, at=at)
        forgetting.forget_for_room(desk, at=at)

    return {
        "signing.expire_requests": expire,
        "signing.sweep_documents": sweep,
        "signing.forget_documents": forget,
    }


def _of_batches(wiring: Wiring) -> dict[str, Handler]:
    def run_batch(payload: Mapping[str, Json]) -> None:
        batch_id = uuid.UUID(str(payload["batch_id"]))
        batch_run.run(wiring.desk, batch_id, clock=wiring.clock, at_once=wiring.at_once)

    def take_up(_: Mapping[str, Json]) -> None:
        batches.take_up(wiring.desk)

    def sweep(_: Mapping[str, Json]) -> None:
        wiring.desk.batches.sweep(older_than=wiring.clock() - KEPT_ANSWERS)

    return {
        batches.JOB: run_batch,
        "signing.take_up_batches": take_up,
        "signing.sweep_batches": sweep,
    }


def _of_webhooks(wiring: Wiring) -> dict[str, Handler]:
    def deliver(payload: Mapping[str, Json]) -> None:
        delivery, at = uuid.UUID(str(payload["delivery"])), wiring.clock()
        webhooks.deliver(wiring.sessions, wiring.webhook_secrets, delivery, at=at)

    def purge(_: Mapping[str, Json]) -> None:
        with wiring.sessions.begin() as session:
            webhooks.purge(session, older_than=wiring.clock() - KEPT_DELIVERIES)

    return {webhooks.JOB: deliver, "api.purge_deliveries": purge}


def _of_ca(wiring: Wiring, job: ca_jobs.Job) -> Handler:
    def handle(payload: Mapping[str, Json]) -> None:
        done = job(wiring.sessions, wiring.keys, wiring.clock(), payload)
        log.debug("job done: %s", done)

    return handle
