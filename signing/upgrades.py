"""Signatures that were made without their time-stamp, because none could be had: raised later.

The signature at level B-B was handed out; what is added here stands behind it, so that the first
document is the beginning of the second, and both are valid.
"""

import uuid
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import audit, jobs
from pdf.cades import PreparedDetached
from pdf.cades_levels import raised
from pdf.errors import CertificateUnproven, EvidenceUnavailable, PdfError, TimestampUnavailable
from pdf.extend import ExtensionOptions
from pdf.options import Level
from signing.desk import Desk
from signing.documents import sha256_of
from signing.errors import SigningError, WorkersBusy
from signing.models import SignRequest, UpgradeState
from signing.prepared_state import prepared_of
from signing.proofs import Version, record_proof

SYSTEM = "system:worker"
JOB = "signing.raise_levels"


def queue_upgrade(session: Session, request: SignRequest, *, at: datetime) -> None:
    """Note that a signed request is still to reach its level, and wake the worker."""
    request.upgrade = UpgradeState.QUEUED
    request.upgrade_error = None
    jobs.enqueue(session, job=JOB, payload={}, unique="all")
    audit.record(
        session,
        at=at,
        actor=request.actor,
        action="sign.level_queued",
        object_type="sign_request",
        object_id=str(request.id),
        after={"level": request.level, "reached": request.reached_level},
    )


def raise_levels(desk: Desk, *, at: datetime) -> int:
    """Raise every queued document that can be raised now; returns how many were.

    While servers do not answer, requests stay queued, and the next run tries again. What can never
    succeed (a document past its retention, a certificate that is not trusted) becomes FAILED.
    """
    with desk.sessions() as session:
        query = select(SignRequest.id).where(SignRequest.upgrade == UpgradeState.QUEUED)
        waiting = list(session.scalars(query.order_by(SignRequest.id)))
    done = 0
    for request_id in waiting:
        try:
            done += _raise_one(desk, request_id, at=at)
        except (TimestampUnavailable, WorkersBusy):
            break  # the others would wait for the same servers and workers
    return done


def _raise_one(desk: Desk, request_id: uuid.UUID, *, at: datetime) -> bool:
    with desk.sessions.begin() as session:
        query = select(SignRequest).where(SignRequest.id == request_id)
        request = session.scalar(query.with_for_update(skip_locked=True))
        if request is None or request.upgrade is not UpgradeState.QUEUED:
            return False
        try:
            version = new_version(desk, request, level=Level(request.level), at=at)
        except (TimestampUnavailable, WorkersBusy):
            raise
        except (PdfError, SigningError) as error:
            may_succeed = isinstance(error, EvidenceUnavailable)
            if may_succeed and not isinstance(error, CertificateUnproven):
                return False
            request.upgrade = UpgradeState.FAILED
            request.upgrade_error = error.code
            _record(session, request, "sign.level_failed", at=at)
            return False
        request.upgrade = UpgradeState.DONE
        request.reached_level = request.level
        record_proof(session, request_id, version, at=at)
        _record(session, request, "sign.level_reached", at=at)
        return True


def new_version(desk: Desk, request: SignRequest, *, level: Level, at: datetime) -> Version:
    """Extend the stored document of a request in its place; raises DocumentGone and PdfErrors."""
    options = ExtensionOptions(
        level=level, at=at, timestamps=desk.timestamps, evidence=desk.evidence
    )
    prepared = prepared_of(request)
    with (
        desk.documents.open(request.id) as current,
        desk.documents.new_version(request.id) as fresh,
    ):
        if isinstance(prepared, PreparedDetached):
            # our own container, and the digest is all that is needed of the file beside it
            made = raised(current.read(), prepared.content(), options)
            fresh.write(made.container)
            until = made.proven_until
        else:
            until = desk.extend(current, fresh, options).proven_until
        sha256, size = sha256_of(fresh)
    return Version(level, until or at, sha256, size)


def _record(session: Session, request: SignRequest, action: str, *, at: datetime) -> None:
    audit.record(
        session,
        at=at,
        actor=SYSTEM,
        action=action,
        object_type="sign_request",
        object_id=str(request.id),
        after={
            "level": request.level,
            "reached": request.reached_level,
            "error": request.upgrade_error,
        },
    )
