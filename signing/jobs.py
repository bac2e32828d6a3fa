"""Housekeeping of signing: requests that nobody came back for, and documents past their time."""

from datetime import datetime, timedelta

from sqlalchemy import select

from db import audit
from signing.desk import Desk
from signing.documents import RETENTION
from signing.models import SignRequest, SignRequestStatus
from signing.sign import OPEN
from signing.staged_uploads import StagedUploads

SYSTEM = "system:worker"

CRASH_GRACE = timedelta(hours=1)
"""How long after its expiry an unfinished server-key request is kept for its caller's retry."""


def expire_requests(desk: Desk, *, at: datetime) -> int:
    """Close open requests past their time and remove their documents; returns how many."""
    with desk.sessions.begin() as session:
        query = (
            select(SignRequest)
            .where(SignRequest.status.in_(OPEN), SignRequest.expires_at < at - CRASH_GRACE)
            .with_for_update(skip_locked=True)
        )
        expired = list(session.scalars(query))
        for request in expired:
            request.status = SignRequestStatus.EXPIRED
            audit.record(
                session,
                at=at,
                actor=SYSTEM,
                action="sign.expired",
                object_type="sign_request",
                object_id=str(request.id),
                after={"status": request.status},
            )
    for request in expired:
        desk.documents.remove(request.id)
    return len(expired)


def sweep_documents(desk: Desk, *, at: datetime) -> int:
    """Remove documents and uploads past their retention; returns how many files."""
    return desk.documents.sweep(older_than=at - RETENTION) + StagedUploads(desk).sweep(at=at)
