"""Forgetting finished documents before their time, where they are too many.

A finished document can be fetched again for some days by a caller that lost the answer. That is no
archive: beyond so many bytes of one caller, or where the disk has no room for new work, the oldest
go first. None goes in its first hour, and none that still waits for its time-stamp.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import CTE, func, literal, select
from sqlalchemy.orm import Session

from signing.desk import Desk
from signing.finished import SPARED, retained

_TOGETHER: Final = 1000


def forget_beyond(desk: Desk, *, most: int, at: datetime) -> int:
    """Remove the oldest documents of callers who have more than `most` bytes; returns how many."""
    finished = retained(at)
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
    finished = retained(at)
    query = select(finished.c.id).where(finished.c.at < at - SPARED).order_by(finished.c.at)
    removed = 0
    with desk.sessions() as session:
        for some in session.scalars(query).partitions(_TOGETHER):
            for request_id in some:
                if space.free >= 2 * space.floor:
                    return removed
                removed += _removed(desk, iter([request_id]))
    return removed


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
