"""Finished documents whose files may still be here: signed ones, and extensions under a key."""

import uuid
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import CTE, func, or_, select, union_all

from signing.desk import Desk
from signing.documents import RETENTION
from signing.errors import FinishedSpent
from signing.models import Signature, SignRequest, UpgradeState
from signing.models_kept import KeptAs, KeptDocument
from signing.tally import STEP

CONTAINER: Final = 32 * 1024
"""Bytes that a signature adds to a document, about."""
SPARED: Final = timedelta(hours=1)
"""No document is forgotten before: until then a caller comes back for an answer that was lost."""


def admit(desk: Desk, size: int, *, actor: str, at: datetime) -> None:
    """Look whether one more document may be finished and kept; asked before it is begun.

    What is older than `SPARED` is forgotten where it is too much; so what is bounded here is what
    one caller has made since. Raises StorageFull, FinishedSpent.
    """
    desk.documents.space.require(size)
    most = desk.allowance.finished
    if desk.tally.remembered(actor, at=at) + size > most:
        raise FinishedSpent(most)
    if not desk.tally.is_due(actor, size + CONTAINER, step=min(STEP, most // 4)):
        return
    recent = finished(at - SPARED, begun=at - 2 * SPARED)
    with desk.sessions() as session:
        told = session.scalar(select(func.sum(recent.c.size)).where(recent.c.actor == actor))
    total = int(told or 0)
    if total + size > most:
        desk.tally.refused(actor, total, at=at)
        raise FinishedSpent(most)
    desk.tally.asked(actor)


def finished(since: datetime, *, begun: datetime) -> CTE:
    """Select what was finished after `since`, of requests begun after `begun`.

    What still waits for its time-stamp is left out.
    """
    signed = (
        select(
            SignRequest.id,
            SignRequest.actor,
            Signature.document_size.label("size"),
            Signature.signed_at.label("at"),
        )
        .join(Signature, Signature.sign_request_id == SignRequest.id)
        .where(
            # ids begin with the time of their making, so that no old row is looked at
            SignRequest.id > _first_id(begun),
            Signature.signed_at > since,
            or_(SignRequest.upgrade.is_(None), SignRequest.upgrade != UpgradeState.QUEUED),
        )
    )
    extended = select(
        KeptDocument.id, KeptDocument.actor, KeptDocument.size, KeptDocument.kept_at.label("at")
    ).where(KeptDocument.kept_as == KeptAs.EXTENSION, KeptDocument.kept_at > since)
    return union_all(signed, extended).cte("finished")


def retained(at: datetime) -> CTE:
    """Select the finished documents that are within their retention."""
    since = at - RETENTION
    return finished(since, begun=since - RETENTION)


def _first_id(at: datetime) -> uuid.UUID:
    """Return the smallest UUIDv7 of a moment (RFC 9562 5.7)."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)
