"""How much of one caller's may wait here: documents sent, prepared, or in batches not yet done.

Whoever makes something wait claims its room in the transaction that says so. Claims of one caller
come one after the other, whichever processes they are made by, so that none is counted past.
"""

import hashlib
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, func, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from signing.bounds import Allowance
from signing.errors import AllowanceSpent, UploadNotFound
from signing.models import SignRequest, SignRequestStatus
from signing.models_batches import BatchStatus, SignBatch, SignBatchItem
from signing.models_kept import KeptAs, KeptDocument

BATCHES_KEPT: Final = timedelta(days=7)
"""How long the folder of a batch that nobody resumes is left there."""


@dataclass(frozen=True)
class Waiting:
    """What waits for a caller, or is to wait."""

    documents: int
    size: int


def waiting(session: Session, *, actor: str, at: datetime) -> Waiting:
    """Count what waits for a caller."""
    documents = size = 0
    for query in (_uploads(actor), _requests(actor), _batches(actor, at)):
        count, some = session.execute(query).one()
        documents, size = documents + count, size + int(some)
    return Waiting(documents, size)


def require(
    session: Session, allowance: Allowance, more: Waiting, *, actor: str, at: datetime
) -> None:
    """Look whether there is room now, to refuse early; raises AllowanceSpent."""
    found = waiting(session, actor=actor, at=at)
    documents, size = found.documents + more.documents, found.size + more.size
    if documents > allowance.documents or size > allowance.size:
        raise AllowanceSpent(found.documents, found.size, allowance.documents, allowance.size)


def claim(
    session: Session, allowance: Allowance, more: Waiting, *, actor: str, at: datetime
) -> None:
    """Make room for more in the caller's transaction, which then stores it.

    Raises AllowanceSpent. Until the transaction ends, other claims of this caller wait.
    """
    digest = hashlib.sha256(b"waiting:" + actor.encode()).digest()
    key = int.from_bytes(digest[:8], signed=True)
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    require(session, allowance, more, actor=actor, at=at)


def spend(session: Session, ids: Collection[uuid.UUID], *, actor: str, at: datetime) -> None:
    """Give one's own uploads to a batch in the transaction that makes it; raises UploadNotFound.

    An upload goes into one batch only.
    """
    mine = (
        KeptDocument.id.in_(ids),
        KeptDocument.actor == actor,
        KeptDocument.kept_as == KeptAs.UPLOAD,
        KeptDocument.spent_at.is_(None),
    )
    locked = select(KeptDocument.id).where(*mine).order_by(KeptDocument.id).with_for_update()
    if len(session.scalars(locked).all()) < len(ids):
        raise UploadNotFound("an upload was used for another batch")
    session.execute(update(KeptDocument).where(*mine).values(spent_at=at))


_Totals = Select[int, int]


def _sum(
    column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None],
) -> ColumnElement[int]:
    return func.coalesce(func.sum(column), 0)


def _uploads(actor: str) -> _Totals:
    return select(func.count(), _sum(KeptDocument.size)).where(
        KeptDocument.actor == actor,
        KeptDocument.kept_as == KeptAs.UPLOAD,
        KeptDocument.spent_at.is_(None),
    )


def _requests(actor: str) -> _Totals:
    return select(func.count(), _sum(SignRequest.staged_size)).where(
        SignRequest.status == SignRequestStatus.WAITING, SignRequest.actor == actor
    )


def _batches(actor: str, at: datetime) -> _Totals:
    return (
        select(func.count(), _sum(SignBatchItem.document_size))
        .join(SignBatch, SignBatch.id == SignBatchItem.batch_id)
        .where(
            SignBatch.status.in_([BatchStatus.RUNNING, BatchStatus.PAUSED]),
            SignBatch.actor == actor,
            SignBatch.created_at > at - BATCHES_KEPT,
        )
    )
