"""Work of the registry for the background: imports, and what other issuers publish."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from ca import imports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

    from hsm.providers import KeyStore


def run_import(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> bool:
    """Go on with the import in `payload["import_id"]` until no row is left."""
    del keys
    return imports.run(sessions, uuid.UUID(str(payload["import_id"])), at=at)


JOBS: Final[
    Mapping[
        str,
        Callable[[sessionmaker[Session], KeyStore, datetime, Mapping[str, object]], object],
    ]
] = {
    imports.JOB: run_import,
}
"""What the worker registers, by name."""

SCHEDULE: Final[Mapping[str, str]] = {}
"""When the periodic ones run, as five-field cron lines (UTC)."""
