"""Work for the background: incidents that are due, the watch over what is published.

Functions of the shape of `ca.jobs.Job`; each may run twice, or in two workers at once.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from ca import incidents, publication_watch
from ca.models_publication import StatusEvent
from hsm.providers import KeyStore

EVENTS_KEPT: Final = timedelta(days=30)
"""Longer than the complete list lives that a delta starts from."""

Work: TypeAlias = Callable[
    [sessionmaker[Session], KeyStore, datetime, Mapping[str, object]], object
]

_log = logging.getLogger(__name__)


def run_incident(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> incidents.Progress:
    """Carry out the incident `payload["incident_id"]`."""
    incident_id = uuid.UUID(str(payload["incident_id"]))
    return incidents.carry_out(sessions, incident_id, keys=keys, at=at)


def run_due_incidents(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> int:
    """Carry out every incident that is due or was left half done; how many there were."""
    del payload
    with sessions() as session:
        due = incidents.due(session, at=at)
    for incident_id in due:
        incidents.carry_out(sessions, incident_id, keys=keys, at=at)
    return len(due)


def watch_publication(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> int:
    """Raise and clear alarms about what runs out; how many are open."""
    del keys, payload
    with sessions.begin() as session:
        alarms = publication_watch.watch(session, at=at)
    for alarm in alarms:
        _log.warning("%s: %s runs out at %s", alarm.kind, alarm.subject, alarm.runs_out_at)
    return len(alarms)


def purge_status_events(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> None:
    """Forget changes of status that no list and no process asks for any more."""
    del keys, payload
    with sessions.begin() as session:
        session.execute(delete(StatusEvent).where(StatusEvent.at < at - EVENTS_KEPT))


JOBS: Final[Mapping[str, Work]] = {
    incidents.RUN_JOB: run_incident,
    "ca.run_due_incidents": run_due_incidents,
    "ca.watch_publication": watch_publication,
    "ca.purge_status_events": purge_status_events,
}
SCHEDULE: Final[Mapping[str, str]] = {
    "ca.run_due_incidents": "* * * * *",
    "ca.watch_publication": "*/5 * * * *",
    "ca.purge_status_events": "53 4 * * *",
}
