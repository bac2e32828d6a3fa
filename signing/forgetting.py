"""Forgetting finished documents before their time, where they are too many.

A finished document can be fetched again for some days by a caller that lost the answer. That is no
archive: beyond so many bytes of one caller, or where the disk has no room for new work, the oldest
go first. None goes in its first hour, and none that still waits for its time-stamp.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import CTE, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from signing.desk import Desk
from signing.documents import RETENTION
from signing.models import Signature, SignRequest, UpgradeState
from signing.models_kept import KeptAs, KeptDocument

SPARED: Final = timedelta(hours=1)
"""After which nobody comes back for an answer that was lost on the way."""
_TOGETHER: Final = 1000


def forget_beyond(desk: Desk, *, most: int, at: datetime) -> int:
    """Remove the oldest documents of callers who have more than `most` bytes; returns how many."""
    finished = _finished(at)
    total = func.sum(finished.c.size)
    query = select(finished.c.actor).group_by(finished.c.actor).having(total > most)
    removed = 0
    with desk.sessions() as session:
        for actor in session.scalars(query).all():
            removed += _removed(desk, _beyond(session, finished, actor, most, at))
    return removed


def forget_for_room(desk: Desk, *, at: datetime) -> int:
    """Remove the oldest documents until twice the floor is free; returns how many.

    Nothing happens while new work has room.
    """
    space = desk.documents.space
    if space.free >= space.floor:
        return 0
    finished = _finished(at)
    query = select(finished.c.id).where(finished.c.at < at - SPARED).order_by(finished.c.at)
    removed = 0
    with desk.sessions() as session:
        for some in session.scalars(query).partitions(_TOGETHER):
            for request_id in some:
                if space.free >= 2 * space.floor:
                    return removed
                removed += _removed(desk, iter([request_id]))
    return removed


def _finished(at: datetime) -> CTE:
    """Select the finished documents whose files may still be there."""
    since = at - RETENTION
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
            SignRequest.id > _first_id(since - RETENTION),
            Signature.signed_at > since,
            or_(SignRequest.upgrade.is_(None), SignRequest.upgrade != UpgradeState.QUEUED),
        )
    )
    extended = select(
        KeptDocument.id, KeptDocument.actor, KeptDocument.size, KeptDocument.kept_at.label("at")
    ).where(KeptDocument.kept_as == KeptAs.EXTENSION, KeptDocument.kept_at > since)
    return union_all(signed, extended).cte("finished")


def _beyond(
    session: Session, finished: CTE, actor: str, most: int, at: datetime
) -> Iterator[uuid.UUID]:
    """Yield the documents behind the newest `most` bytes."""
    running = func.sum(finished.c.size).over(order_by=(finished.c.at.desc(), finished.c.id))
    counted = (
        select(finished.c.id, finished.c.at, running.label("running"))
        .where(finished.c.actor == literal(actor))
        .subquery()
    )
    query = select(counted.c.id).where(counted.c.running > most, counted.c.at < at - SPARED)
    yield from session.scalars(query)


def _removed(desk: Desk, ids: Iterator[uuid.UUID]) -> int:
    removed = 0
    for request_id in ids:
        if desk.documents.holds(request_id):
            desk.documents.remove(request_id)
            removed += 1
    return removed


def _first_id(at: datetime) -> uuid.UUID:
    """Return the smallest UUIDv7 of a moment (RFC 9562 5.7)."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)
