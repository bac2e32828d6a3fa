"""Work of the registry for the background: imports, and what other issuers publish."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Final

from ca import imports, issuer_watch, notices
from ca.guarded_fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

    from hsm.providers import KeyStore


_log = logging.getLogger(__name__)


def run_import(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> bool:
    """Go on with the import in `payload["import_id"]` until no row is left."""
    del keys
    return imports.run(sessions, uuid.UUID(str(payload["import_id"])), at=at)


def watch_issuers(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> int:
    """Compare our record with what other issuers publish; how many certificates differ."""
    del keys, payload
    found = issuer_watch.watch(sessions, Fetcher(), at=at)
    for one in found:
        if one.problem is not None:
            _log.warning("issuer %s could not be compared with: %s", one.issuer_id, one.problem)
    return sum(one.differing for one in found)


def plan_notices(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> int:
    """Make the notices that are due; whoever has a mail server sends them."""
    del keys, payload
    return notices.plan(sessions, at=at)


JOBS: Final[
    Mapping[
        str,
        Callable[[sessionmaker[Session], KeyStore, datetime, Mapping[str, object]], object],
    ]
] = {
    imports.JOB: run_import,
    "ca.watch_issuers": watch_issuers,
    "ca.plan_notices": plan_notices,
}
"""What the worker registers, by name."""

SCHEDULE: Final[Mapping[str, str]] = {
    "ca.watch_issuers": "35 */4 * * *",
    "ca.plan_notices": "5 * * * *",
}
"""When the periodic ones run, as five-field cron lines (UTC)."""
